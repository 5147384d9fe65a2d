/// A Redis: one server, a cluster, or the master that sentinels name.
///
/// Plain commands alone: GET, SET (EX), EXPIRE, TTL, EXISTS, UNLINK; no scripts, so any Redis since 4.0 will do.
package final class RedisBackend: Backend {
    /// Redis stores values up to 512 MB (`proto-max-bulk-len`); a wrapper cuts far below.
    package static let limits = BackendLimits(valueBytes: 512 * 1000 * 1000, keyBytes: 64 * 1024)

    private let router: any RedisRouter

    /// A single server.
    package convenience init(endpoint: RedisEndpoint, options: RedisOptions = RedisOptions()) throws(BackendError) {
        self.init(router: try RedisSingle(endpoint: endpoint, options: options))
    }

    /// A cluster.
    /// - Parameter clusterEndpoints: some of its servers; security and login are the first one's.
    package convenience init(
        clusterEndpoints: [RedisEndpoint],
        options: RedisOptions = RedisOptions()
    ) throws(BackendError) {
        self.init(router: try RedisCluster(endpoints: clusterEndpoints, options: options))
    }

    /// The master that sentinels name.
    /// - Parameters:
    ///   - sentinels: their endpoints; each login is for the sentinel itself.
    ///   - master: the name they know the master by.
    ///   - server: security, login and database of the master; its address is not used.
    package convenience init(
        sentinels: [RedisEndpoint],
        master: String,
        server: RedisEndpoint,
        options: RedisOptions = RedisOptions()
    ) throws(BackendError) {
        self.init(
            router: try RedisSentinel(sentinels: sentinels, master: master, server: server, options: options)
        )
    }

    init(router: any RedisRouter) {
        self.router = router
    }

    package var name: String { router.name }
    package var limits: BackendLimits { Self.limits }

    package func get(_ keys: [String], deadline: Deadline) throws(BackendError) -> [[UInt8]?] {
        let replies = try exchange(keys, deadline: deadline) { RedisCommand("GET", $0) }
        var values: [[UInt8]?] = []
        for (key, reply) in zip(keys, replies) {
            switch reply {
            case .bulk(let value): values.append(value)
            case .null: values.append(nil)
            default: throw unexpected(reply, key)
            }
        }
        return values
    }

    package func put(
        _ items: [BackendItem],
        timeToLive: Duration?,
        deadline: Deadline
    ) throws(BackendError) {
        for item in items where item.value.count > limits.valueBytes {
            throw BackendError(
                .valueTooLarge,
                "a value of \(item.value.count) bytes is over Redis' limit of \(limits.valueBytes)",
                server: name,
                key: item.key,
                advice: "Store it in chunks."
            )
        }
        let requests = items.map { RedisRequest(key: $0.key, command: .set($0, timeToLive: timeToLive)) }
        for (item, reply) in zip(items, try router.exchange(requests, deadline: deadline)) {
            guard case .status("OK") = reply else { throw unexpected(reply, item.key) }
        }
    }

    package func renew(
        _ keys: [String],
        timeToLive: Duration,
        deadline: Deadline
    ) throws(BackendError) -> [Bool] {
        let whole = timeToLive.wholeSeconds
        var found: [Bool] = []
        var worn: [Int] = []
        let replies = try exchange(keys, deadline: deadline) { RedisCommand("TTL", $0) }
        for (index, reply) in replies.enumerated() {
            // -2: not there; -1: there for good.
            guard let left = reply.integer else { throw unexpected(reply, keys[index]) }
            found.append(left != -2)
            // Renewing costs the server a write, which replicas repeat: only once half of the time is gone.
            if left != -2 && left < whole / 2 + whole % 2 { worn.append(index) }
        }
        let renewals = try exchange(worn.map { keys[$0] }, deadline: deadline) {
            RedisCommand("EXPIRE", $0, String(whole))
        }
        for (index, reply) in zip(worn, renewals) {
            guard let done = reply.integer else { throw unexpected(reply, keys[index]) }
            found[index] = done == 1
        }
        return found
    }

    package func exists(_ keys: [String], deadline: Deadline) throws(BackendError) -> [Bool] {
        var found: [Bool] = []
        for (key, reply) in zip(keys, try exchange(keys, deadline: deadline) { RedisCommand("EXISTS", $0) }) {
            guard let count = reply.integer else { throw unexpected(reply, key) }
            found.append(count > 0)
        }
        return found
    }

    package func remove(_ keys: [String], deadline: Deadline) throws(BackendError) {
        for (key, reply) in zip(keys, try exchange(keys, deadline: deadline) { RedisCommand("UNLINK", $0) }) {
            guard reply.integer != nil else { throw unexpected(reply, key) }
        }
    }

    package func check(deadline: Deadline) -> [ServerHealth] {
        router.check(deadline: deadline)
    }

    package func close() {
        router.close()
    }

    private func exchange(
        _ keys: [String],
        deadline: Deadline,
        _ command: (String) -> RedisCommand
    ) throws(BackendError) -> [RedisReply] {
        if keys.isEmpty { return [] }
        return try router.exchange(keys.map { RedisRequest(key: $0, command: command($0)) }, deadline: deadline)
    }

    /// What a reply that is not the one hoped for means.
    private func unexpected(_ reply: RedisReply, _ key: String) -> BackendError {
        if case .error(let text) = reply { return RedisErrorReply(text).error(server: name, key: key) }
        return BackendError(
            .protocolViolation,
            "the server answered \(reply.kind), which does not fit the command",
            server: name,
            key: key,
            advice: "Check that a Redis server listens there, and no proxy in between."
        )
    }
}
