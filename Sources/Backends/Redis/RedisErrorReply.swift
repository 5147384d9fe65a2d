/// An error that Redis answered, as in `MOVED 3999 127.0.0.1:6381`. The first word says what it is.
struct RedisErrorReply {
    let text: String
    let code: String

    init(_ text: String) {
        self.text = text
        code = String(text.prefix { $0 != " " })
    }

    /// Where a cluster says the slot is.
    enum Redirection {
        /// The slot has moved there for good.
        case moved(slot: Int, ServerAddress?)
        /// The slot is moving there; this key may have done so.
        case ask(ServerAddress?)
    }

    /// - Parameter asked: the server that answered; a redirection without a host means the same host.
    func redirection(asked: ServerAddress) -> Redirection? {
        let words = text.split(separator: " ")
        guard words.count >= 3, let slot = Int(words[1]), RedisSlot.all.contains(slot) else { return nil }
        let address = Self.address(words[2], asked: asked)
        switch words[0] {
        case "MOVED": return .moved(slot: slot, address)
        case "ASK": return .ask(address)
        default: return nil
        }
    }

    /// Reads `host:port`, where the host may be empty or an IPv6 address without brackets.
    private static func address(_ text: Substring, asked: ServerAddress) -> ServerAddress? {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]), port > 0
        else { return nil }
        let host = text[..<colon]
        if !host.isEmpty { return .tcp(host: String(host), port: port) }
        guard case .tcp(let sameHost, _) = asked else { return nil }
        return .tcp(host: sameHost, port: port)
    }

    /// Whether the server may do it shortly: a slot on its way, a cluster electing, a server reading its data.
    var isPassing: Bool {
        ["TRYAGAIN", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "BUSY"].contains(code)
    }

    /// Whether the server is no master any more.
    var isReplica: Bool { code == "READONLY" }

    /// What it means to a caller.
    func error(server: String, key: String?) -> BackendError {
        let (kind, message, advice): (BackendError.Code, String, String) =
            switch code {
            case "OOM":
                (
                    .serverFull, "the server's memory is full",
                    "Set its maxmemory-policy to allkeys-lru, or raise maxmemory."
                )
            case "MISCONF":
                (
                    .serverFull, "the server takes no writes, as it can't save to its disk",
                    "Free its disk, or turn its snapshots off: a cache needs none."
                )
            case "NOAUTH":
                (
                    .authentication, "the server wants a login",
                    "Set SCCACHE_REDIS_PASSWORD, and SCCACHE_REDIS_USERNAME if it has users."
                )
            case "NOPERM":
                (
                    .authentication, "the user may not do this",
                    "Let the server's ACL allow GET, SET, EXPIRE, TTL, EXISTS, UNLINK and INFO on the prefix's keys; for "
                        + "reading only, set SCCACHE_REDIS_RW_MODE=READ_ONLY."
                )
            case "MOVED", "ASK":
                (
                    .refused, "the server is part of a cluster",
                    "Set SCCACHE_REDIS_CLUSTER_ENDPOINTS in place of the single endpoint."
                )
            case "READONLY":
                (
                    .refused, "the server is a replica",
                    "Name the master, or the sentinels (LARDER_REDIS_SENTINEL_ENDPOINTS); for reading only, set "
                        + "SCCACHE_REDIS_RW_MODE=READ_ONLY."
                )
            default:
                (.refused, "the server refuses", "See the server's log; if it stays, check its settings.")
            }
        return BackendError(kind, message, server: server, key: key, cause: text, advice: advice)
    }
}
