/// One Redis server: where it is, how to secure the connection, who logs in, which database.
package struct RedisEndpoint: Sendable, Hashable {
    /// How the connection is secured.
    package enum Security: Sendable, Hashable {
        case plain
        /// TLS; `verifies` is false for `#insecure`.
        case tls(verifies: Bool)
    }

    /// Redis' own default port.
    package static let defaultPort: UInt16 = 6379

    package var address: ServerAddress
    package var security: Security
    package var credentials: Credentials?
    package var database: Int

    package init(
        address: ServerAddress,
        security: Security = .plain,
        credentials: Credentials? = nil,
        database: Int = 0
    ) {
        self.address = address
        self.security = security
        self.credentials = credentials
        self.database = database
    }

    /// Reads a URL in one of the forms sccache takes.
    ///
    ///     [redis:// | tcp:// | rediss://] [[user] [:password] @] host [:port] [/ [database]] [?db=database] [#insecure]
    ///     (unix:// | redis+unix://) path [?db=database&user=user&pass=password]
    ///
    /// - Throws: `.invalidSettings`; the message does not quote the URL, which may hold a password.
    package init(url text: String) throws(BackendError) {
        guard let url = ServerURL(text) else { throw Self.invalid("the URL has a broken % escape or query") }
        var username = url.username
        var password = url.password
        switch url.scheme {
        case nil, "redis", "tcp", "rediss":
            guard let address = ServerAddress(hostAndPort: url.authority, defaultPort: Self.defaultPort) else {
                throw Self.invalid("the URL does not name a host, or its port is not one of 1 to 65535")
            }
            self.address = address
            let isSecure = url.scheme == "rediss"
            guard url.fragment == nil || (isSecure && url.fragment == "insecure") else {
                throw Self.invalid("what follows # in the URL is only known as rediss://…#insecure")
            }
            security = isSecure ? .tls(verifies: url.fragment == nil) : .plain
            let number = url.query["db"] ?? String(url.path.drop { $0 == "/" })
            database = try Self.database(number)
        case "unix", "redis+unix":
            guard url.authority.isEmpty, url.path.count > 1 else {
                throw Self.invalid("the URL needs an absolute path, as in unix:///run/redis.sock")
            }
            address = .unix(path: url.path)
            security = .plain
            database = try Self.database(url.query["db"] ?? "")
            username = url.query["user"] ?? username
            password = url.query["pass"].map(Secret.init) ?? password
        case let scheme?:
            throw Self.invalid(
                "the scheme \(BackendError.cleaned(scheme.utf8)):// is not one of redis, rediss, tcp, unix, redis+unix"
            )
        }
        guard let password else {
            // `rediss://user@host` names a user but no password: nothing to log in with.
            credentials = nil
            return
        }
        credentials = Credentials(username: username, password: password)
    }

    private static func database(_ text: String) throws(BackendError) -> Int {
        if text.isEmpty { return 0 }
        guard let number = UInt32(text) else { throw invalid("the database in the URL is not a number") }
        return Int(number)
    }

    private static func invalid(_ message: String) -> BackendError {
        BackendError(
            .invalidSettings,
            "not a Redis URL: \(message)",
            advice: "Write redis://host:port, rediss://host:port or unix:///path."
        )
    }

    /// The endpoint as a URL without its login.
    package var name: String {
        let end = database == 0 ? "" : "/\(database)"
        switch (address, security) {
        case (.unix(let path), _): return "unix://\(path)" + (database == 0 ? "" : "?db=\(database)")
        case (.tcp, .plain): return "redis://\(address)\(end)"
        case (.tcp, .tls(let verifies)): return "rediss://\(address)\(end)" + (verifies ? "" : "#insecure")
        }
    }
}
