/// Where a server listens.
package enum ServerAddress: Sendable, Hashable, CustomStringConvertible {
    case tcp(host: String, port: UInt16)
    case unix(path: String)

    package var description: String {
        switch self {
        // An IPv6 address has colons of its own.
        case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unix(let path): path
        }
    }

    /// Reads `host`, `host:port`, `[v6]` or `[v6]:port`; nil when it is none of them.
    init?(hostAndPort text: Substring, defaultPort: UInt16) {
        var host = text
        var port = Substring()
        if text.first == "[" {
            guard let end = text.firstIndex(of: "]") else { return nil }
            host = text[text.index(after: text.startIndex)..<end]
            port = text[text.index(after: end)...]
            guard port.isEmpty || port.first == ":" else { return nil }
            port = port.dropFirst()
        } else if let colon = text.lastIndex(of: ":") {
            host = text[..<colon]
            port = text[text.index(after: colon)...]
            guard !host.contains(":"), !port.isEmpty else { return nil }
        }
        guard !host.isEmpty, host.utf8.allSatisfy({ 0x21...0x7E ~= $0 }) else { return nil }
        if port.isEmpty {
            self = .tcp(host: String(host), port: defaultPort)
        } else if let number = UInt16(port), number > 0 {
            self = .tcp(host: String(host), port: number)
        } else {
            return nil
        }
    }

    /// Connects by the deadline.
    func connect(server: String, deadline: Deadline) throws(BackendError) -> Socket {
        let addresses: [SocketAddress] =
            switch self {
            case .tcp(let host, let port):
                try Resolver.shared.addresses(of: host, port: port, server: server, deadline: deadline)
            case .unix(let path): [try SocketAddress(unixPath: path)]
            }
        return try Socket.connect(to: addresses, server: server, deadline: deadline)
    }
}
