/// Makes connections to Redis servers: socket, TLS, login, database.
final class RedisConnector: Sendable {
    private let credentials: Credentials?
    private let tls: TLSContext?

    /// - Parameter authorityFile: certificates trusted besides the system's; see `TLSContext`.
    init(
        security: RedisEndpoint.Security,
        credentials: Credentials?,
        authorityFile: String?
    ) throws(BackendError) {
        self.credentials = credentials
        switch security {
        case .plain: tls = nil
        case .tls(let verifies): tls = try TLSContext(verifies: verifies, authorityFile: authorityFile)
        }
    }

    /// Connects, shakes hands, logs in and selects the database, all by the deadline.
    func connect(
        to address: ServerAddress,
        database: Int,
        server: String,
        deadline: Deadline
    ) throws(BackendError) -> RedisConnection {
        let socket = try address.connect(server: server, deadline: deadline)
        var session: TLSSession?
        if let tls, case .tcp(let host, _) = address {
            session = try TLSSession(over: socket, context: tls, host: host, deadline: deadline)
        }
        let connection = try RedisConnection(transport: Transport(socket: socket, tls: session))
        var commands: [RedisCommand] = []
        if let credentials {
            // A user is known since Redis 6; an older server takes the password alone.
            commands.append(
                credentials.username.map { RedisCommand("AUTH", $0, credentials.password.value) }
                    ?? RedisCommand("AUTH", credentials.password.value)
            )
        }
        if database != 0 { commands.append(RedisCommand("SELECT", String(database))) }
        if commands.isEmpty { return connection }
        for (command, reply) in zip(commands, try connection.exchange(commands, deadline: deadline)) {
            guard case .error(let text) = reply else { continue }
            throw command.name == "AUTH"
                ? loginFailure(text, server: server)
                : RedisErrorReply(text).error(server: server, key: nil)
        }
        return connection
    }

    /// - Parameter text: only its first word is used: a server that does not know AUTH repeats the password.
    private func loginFailure(_ text: String, server: String) -> BackendError {
        let word = RedisErrorReply(text).code
        return BackendError(
            .authentication,
            "the server refuses the login",
            server: server,
            cause: word == "ERR" ? "it knows no such login, or has no password set" : word,
            advice: "Check user and password (SCCACHE_REDIS_USERNAME, SCCACHE_REDIS_PASSWORD, or those in the URL)."
        )
    }
}
