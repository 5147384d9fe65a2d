/// Which server holds which slot.
struct RedisClusterMap {
    /// The master of each slot; nil where none is known.
    private(set) var owners = [ServerAddress?](repeating: nil, count: RedisSlot.count)

    /// Reads the reply to `CLUSTER SLOTS`: a list of `[first, last, [host, port, …], replicas…]`.
    /// - Parameter asked: the server that answered: an empty host means its own.
    /// - Returns: nil when the reply is something else, or names no server at all.
    init?(_ reply: RedisReply, asked: ServerAddress) {
        guard let ranges = reply.array else { return nil }
        var isEmpty = true
        for range in ranges {
            guard let fields = range.array, fields.count >= 3, let first = fields[0].integer.map(Int.init(clamping:)),
                let last = fields[1].integer.map(Int.init(clamping:)), let master = fields[2].array,
                let address = Self.address(master, asked: asked), RedisSlot.all.contains(first),
                RedisSlot.all.contains(last), first <= last
            else { return nil }
            for slot in first...last { owners[slot] = address }
            isEmpty = false
        }
        if isEmpty { return nil }
    }

    init() {}

    private static func address(_ fields: [RedisReply], asked: ServerAddress) -> ServerAddress? {
        guard fields.count >= 2, let port = fields[1].integer.flatMap(UInt16.init(exactly:)), port > 0 else {
            return nil
        }
        if let host = fields[0].text, !host.isEmpty, host != "?" { return .tcp(host: host, port: port) }
        guard case .tcp(let sameHost, _) = asked else { return nil }
        return .tcp(host: sameHost, port: port)
    }

    /// Takes note of a single slot's new place.
    mutating func move(slot: Int, to address: ServerAddress) {
        owners[slot] = address
    }

    /// All servers that hold slots.
    var servers: Set<ServerAddress> {
        Set(owners.lazy.compactMap { $0 })
    }
}
