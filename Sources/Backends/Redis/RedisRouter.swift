/// A command and the key it is about, which decides the server in a cluster.
struct RedisRequest {
    let key: String
    let command: RedisCommand
}

/// Brings commands to the server that has to do them: the only one, a cluster's, or the master that sentinels name.
protocol RedisRouter: Sendable {
    /// For people and logs.
    var name: String { get }

    /// Sends requests, those for the same server in one go, and gives the replies in the requests' order.
    ///
    /// Error replies that the router can deal with (redirections) do not come back; others do.
    func exchange(_ requests: [RedisRequest], deadline: Deadline) throws(BackendError) -> [RedisReply]

    /// Each server's health.
    func check(deadline: Deadline) -> [ServerHealth]

    func close()
}

/// Settings that all connections to Redis share.
package struct RedisOptions: Sendable, Hashable {
    /// Connections to one server at most. One carries what one thread asks; a gateway has few threads at work at once,
    /// and Redis itself does one command at a time.
    package var connections = 4
    /// Making a connection takes no longer than this, whatever the deadline: a host that does not answer would use it
    /// all up.
    package var connectTimeout = Duration.seconds(1)
    /// Certificates (PEM) trusted besides the system's.
    package var authorityFile: String?

    package init() {}
}

/// One Redis server and the connections to it.
final class RedisNode: Sendable {
    let name: String
    private let pool: ConnectionPool<RedisConnection>

    convenience init(
        address: ServerAddress,
        database: Int,
        name: String,
        connector: RedisConnector,
        options: RedisOptions
    ) {
        self.init(name: name, options: options) { (deadline: Deadline) throws(BackendError) in
            try connector.connect(to: address, database: database, server: name, deadline: deadline)
        }
    }

    /// - Parameter connect: finds the server, if its address may change, and makes a connection.
    init(
        name: String,
        options: RedisOptions,
        connect: @escaping @Sendable (Deadline) throws(BackendError) -> RedisConnection
    ) {
        self.name = name
        pool = ConnectionPool(
            limit: options.connections,
            server: name,
            connect: { (deadline: Deadline) throws(BackendError) in
                try connect(deadline.atMost(options.connectTimeout))
            },
            isUsable: { $0.isUsable }
        )
    }

    /// Sends commands on one connection and gives their replies.
    ///
    /// A connection that idled may break because the server restarted meanwhile; then it is tried once more on a new one.
    /// Every command larder sends may be done twice.
    func exchange(_ commands: [RedisCommand], deadline: Deadline) throws(BackendError) -> [RedisReply] {
        var mayRetry = true
        while true {
            let loan = try pool.borrow(deadline: deadline)
            do {
                let replies = try loan.connection.exchange(commands, deadline: deadline)
                pool.giveBack(loan)
                return replies
            } catch {
                pool.drop(loan)
                guard mayRetry, loan.wasIdle, error.code == .connectionLost else { throw error }
                pool.renewAll()
                mayRetry = false
            }
        }
    }

    /// Lets go of all connections: they lead to the wrong server now.
    func reconnect() {
        pool.renewAll()
    }

    func close() {
        pool.close()
    }

    /// What the server says of itself.
    func health(deadline: Deadline) -> ServerHealth {
        var health = ServerHealth(server: name)
        do throws(BackendError) {
            // The first request may have to connect; the second tells the way there and back.
            _ = try exchange([RedisCommand("PING")], deadline: deadline)
            let start = ContinuousClock.now
            let pong = try exchange([RedisCommand("PING")], deadline: deadline)
            health.roundTrip = .now - start
            if case .error(let text) = pong.first { throw RedisErrorReply(text).error(server: name, key: nil) }
            let info = try exchange([RedisCommand("INFO")], deadline: deadline)
            if let text = info.first?.text { RedisInfo(text).describe(in: &health) }
        } catch {
            health.error = error
        }
        return health
    }
}

/// A single server.
struct RedisSingle: RedisRouter {
    private let node: RedisNode

    init(endpoint: RedisEndpoint, options: RedisOptions) throws(BackendError) {
        let connector = try RedisConnector(
            security: endpoint.security,
            credentials: endpoint.credentials,
            authorityFile: options.authorityFile
        )
        node = RedisNode(
            address: endpoint.address,
            database: endpoint.database,
            name: endpoint.name,
            connector: connector,
            options: options
        )
    }

    var name: String { node.name }

    func exchange(_ requests: [RedisRequest], deadline: Deadline) throws(BackendError) -> [RedisReply] {
        try node.exchange(requests.map(\.command), deadline: deadline)
    }

    func check(deadline: Deadline) -> [ServerHealth] {
        [node.health(deadline: deadline)]
    }

    func close() {
        node.close()
    }
}
