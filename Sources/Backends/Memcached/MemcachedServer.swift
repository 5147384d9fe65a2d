/// One memcached server of a ring.
package struct MemcachedServer: Sendable, Hashable {
    /// memcached's own default port.
    package static let defaultPort: UInt16 = 11211

    package var address: ServerAddress
    /// Its share of the keys, against the other servers'.
    package var weight: UInt32

    package init(address: ServerAddress, weight: UInt32 = 1) {
        self.address = address
        self.weight = weight
    }

    package var name: String {
        switch address {
        case .tcp: "memcached://\(address)"
        case .unix(let path): "unix://\(path)"
        }
    }

    /// Reads servers separated by commas or blanks, each
    ///
    ///     [tcp:// | memcached://] [user:password@] host [:port] [?weight=number]
    ///     unix:// path [?weight=number]
    ///
    /// - Returns: the servers and, if one of them has it, the login.
    /// - Throws: `.invalidSettings`; the message does not quote a URL, which may hold a password.
    package static func list(
        _ text: String
    ) throws(BackendError) -> (servers: [MemcachedServer], credentials: Credentials?) {
        var servers: [MemcachedServer] = []
        var credentials: Credentials?
        for part in text.split(whereSeparator: { $0 == "," || $0.isWhitespace }) {
            guard let url = ServerURL(String(part)) else { throw invalid("a URL has a broken % escape or query") }
            let address: ServerAddress
            switch url.scheme {
            case nil, "tcp", "memcached":
                guard let place = ServerAddress(hostAndPort: url.authority, defaultPort: defaultPort),
                    url.path.isEmpty || url.path == "/"
                else { throw invalid("a URL does not name a host, or its port is not one of 1 to 65535") }
                address = place
            case "unix":
                guard url.authority.isEmpty, url.path.count > 1 else {
                    throw invalid("a URL needs an absolute path, as in unix:///run/memcached.sock")
                }
                address = .unix(path: url.path)
            case let scheme?:
                throw invalid("the scheme \(BackendError.cleaned(scheme.utf8)):// is not one of tcp, memcached, unix")
            }
            guard let weight = UInt32(url.query["weight"] ?? "1"), 1...100 ~= weight else {
                throw invalid("a weight is not a number from 1 to 100")
            }
            servers.append(MemcachedServer(address: address, weight: weight))
            if let password = url.password {
                credentials = Credentials(username: url.username, password: password)
            }
        }
        if servers.isEmpty { throw invalid("no server is named") }
        return (servers, credentials)
    }

    private static func invalid(_ message: String) -> BackendError {
        BackendError(
            .invalidSettings,
            "not a list of memcached servers: \(message)",
            advice: "Write tcp://host:port, several with commas between them."
        )
    }
}

/// Settings that all connections to memcached share.
package struct MemcachedOptions: Sendable, Hashable {
    /// How to log in.
    package enum LoginMethod: String, Sendable, Hashable {
        /// Whichever of the two the server wants.
        case automatic
        /// The text protocol's, for servers started with `-Y`.
        case text
        /// SASL PLAIN over the binary protocol, for servers started with `-S`.
        case sasl
    }

    package var credentials: Credentials?
    package var loginMethod = LoginMethod.automatic
    /// Connections to one server at most, each with a thread of its own.
    package var connections = 4
    /// Making a connection takes no longer than this.
    package var connectTimeout = Duration.seconds(1)
    /// A server of several that failed is left out for so long, then tried.
    package var deadTime = Duration.seconds(20)

    package init() {}
}
