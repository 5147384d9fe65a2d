/// The master that Redis Sentinels name.
///
/// For every new connection the sentinels are asked one after the other; the server they name is believed once it says
/// itself that it is a master. When the master is gone, or answers that it is a replica now, all connections are given
/// up and the sentinels asked again.
/// https://redis.io/docs/latest/develop/reference/sentinel-clients/
final class RedisSentinel: RedisRouter {
    /// Tries of a request beyond the first, and the time between them. A failover takes seconds; builds do not wait for
    /// it, but one that is all but over is worth a moment.
    private static let retries = 3
    private static let pause = Duration.milliseconds(100)

    let name: String
    private let node: RedisNode

    /// - Parameters:
    ///   - sentinels: their endpoints, each with its own login, if it wants one.
    ///   - master: the name they know the master by.
    ///   - server: security, login and database of the master; its address is not used.
    init(
        sentinels: [RedisEndpoint],
        master: String,
        server: RedisEndpoint,
        options: RedisOptions
    ) throws(BackendError) {
        let finder = try MasterFinder(sentinels: sentinels, master: master, server: server, options: options)
        let name = "master \(master) of " + sentinels.map(\.name).joined(separator: ",")
        self.name = name
        node = RedisNode(
            name: name,
            options: options,
            connect: { (deadline: Deadline) throws(BackendError) in try finder.connect(name: name, deadline: deadline) }
        )
    }

    func exchange(_ requests: [RedisRequest], deadline: Deadline) throws(BackendError) -> [RedisReply] {
        let commands = requests.map(\.command)
        var tries = 0
        while true {
            do {
                let replies = try node.exchange(commands, deadline: deadline)
                let isMaster = !replies.contains { reply in
                    if case .error(let text) = reply { RedisErrorReply(text).isReplica } else { false }
                }
                if isMaster || tries == Self.retries { return replies }
            } catch {
                // A master that hangs may never answer: the next request asks the sentinels again.
                node.reconnect()
                guard error.code == .unreachable || error.code == .connectionLost || error.code == .refused,
                    tries < Self.retries, !deadline.hasPassed
                else { throw error }
            }
            tries += 1
            node.reconnect()
            pauseThread(Self.pause, deadline: deadline)
        }
    }

    func check(deadline: Deadline) -> [ServerHealth] {
        node.reconnect()
        return [node.health(deadline: deadline)]
    }

    func close() {
        node.close()
    }
}

/// Asks sentinels for the master and connects to it.
private final class MasterFinder: Sendable {
    private struct Sentinel {
        let endpoint: RedisEndpoint
        let connector: RedisConnector
    }

    private let sentinels: [Sentinel]
    /// The one that answered last is asked first.
    private let favourite = Monitor(0)
    private let master: String
    private let database: Int
    private let connector: RedisConnector

    init(
        sentinels: [RedisEndpoint],
        master: String,
        server: RedisEndpoint,
        options: RedisOptions
    ) throws(BackendError) {
        self.master = master
        database = server.database
        connector = try RedisConnector(
            security: server.security,
            credentials: server.credentials,
            authorityFile: options.authorityFile
        )
        var list: [Sentinel] = []
        for endpoint in sentinels {
            let connector = try RedisConnector(
                security: endpoint.security,
                credentials: endpoint.credentials,
                authorityFile: options.authorityFile
            )
            list.append(Sentinel(endpoint: endpoint, connector: connector))
        }
        self.sentinels = list
    }

    /// A connection to the master.
    func connect(name: String, deadline: Deadline) throws(BackendError) -> RedisConnection {
        var failure = BackendError.timedOut("asking the sentinels", server: name)
        let first = favourite.read { $0 }
        for step in sentinels.indices {
            if deadline.hasPassed { break }
            let place = (first + step) % sentinels.count
            let share = deadline.atMost(deadline.remaining / (sentinels.count - step))
            do throws(BackendError) {
                let address = try ask(sentinels[place], deadline: share)
                let connection = try connector.connect(
                    to: address,
                    database: database,
                    server: "redis://\(address)",
                    deadline: share
                )
                let role = try connection.exchange(RedisCommand("ROLE"), deadline: share)
                if case .error(let text) = role { throw RedisErrorReply(text).error(server: name, key: nil) }
                guard role.array?.first?.text == "master" else { throw notMaster(address) }
                favourite.update { $0 = place }
                return connection
            } catch {
                failure = error
            }
        }
        throw failure
    }

    private func ask(_ sentinel: Sentinel, deadline: Deadline) throws(BackendError) -> ServerAddress {
        let name = "sentinel \(sentinel.endpoint.address)"
        let connection = try sentinel.connector.connect(
            to: sentinel.endpoint.address,
            database: 0,
            server: name,
            deadline: deadline
        )
        let reply = try connection.exchange(
            RedisCommand("SENTINEL", "GET-MASTER-ADDR-BY-NAME", master),
            deadline: deadline
        )
        if case .error(let text) = reply { throw RedisErrorReply(text).error(server: name, key: nil) }
        guard let fields = reply.array, fields.count == 2, let host = fields[0].text, !host.isEmpty,
            let port = fields[1].text.flatMap({ UInt16($0) }), port > 0
        else {
            throw BackendError(
                .refused,
                "the sentinel knows no master of the name \(master)",
                server: name,
                advice: "Set LARDER_REDIS_SENTINEL_MASTER to the name in the sentinels' configuration."
            )
        }
        return .tcp(host: host, port: port)
    }

    private func notMaster(_ address: ServerAddress) -> BackendError {
        BackendError(
            .refused,
            "the server that the sentinel named is no master yet",
            server: "redis://\(address)",
            advice: "A failover is going on; the next request asks again."
        )
    }
}
