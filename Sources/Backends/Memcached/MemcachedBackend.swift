#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// One memcached server, or several in a ring.
///
/// A stored value is followed by its key and the key's length (two bytes, big endian): some releases of libmemcached
/// could give one key's value for another after a time-out, and such a value is a miss here.
package final class MemcachedBackend: Backend {
    /// An item is at most 1 MiB by default, with its key, its header of about 80 bytes, and the key behind the value.
    /// Kept below 1 MB, as servers with other settings round differently.
    package static let limits = BackendLimits(valueBytes: 1_000_000, keyBytes: 250)

    private let nodes: [MemcachedServer: MemcachedNode]
    private let liveness: MemcachedLiveness

    /// - Throws: `.invalidSettings` without any server.
    package init(servers: [MemcachedServer], options: MemcachedOptions = MemcachedOptions()) throws(BackendError) {
        guard !servers.isEmpty else {
            throw BackendError(
                .invalidSettings,
                "no memcached server is named",
                advice: "Set SCCACHE_MEMCACHED_ENDPOINT."
            )
        }
        nodes = Dictionary(
            servers.map { ($0, MemcachedNode(server: $0, options: options)) },
            uniquingKeysWith: { first, _ in first }
        )
        liveness = MemcachedLiveness(servers: servers, deadTime: options.deadTime)
        name = servers.map(\.name).joined(separator: ",")
    }

    package let name: String
    package var limits: BackendLimits { Self.limits }

    // MARK: Requests

    package func get(_ keys: [String], deadline: Deadline) throws(BackendError) -> [[UInt8]?] {
        let found = try onServers(of: keys, deadline: deadline) { client, keys, deadline throws(BackendError) in
            try client.get(keys, deadline: deadline)
        }
        return keys.map { key in
            guard var value = found[key] else { return nil }
            return Self.unseal(&value, key: key) ? value : nil
        }
    }

    package func put(_ items: [BackendItem], timeToLive: Duration?, deadline: Deadline) throws(BackendError) {
        for item in items where item.value.count > limits.valueBytes {
            throw BackendError(
                .valueTooLarge,
                "a value of \(item.value.count) bytes is over memcached's limit of \(limits.valueBytes)",
                server: name,
                key: item.key,
                advice: "Store it in chunks."
            )
        }
        let expiry = MemcachedExpiry.of(timeToLive, now: Int64(time(nil)))
        // Of two items under one key the later stays, as if put one after the other.
        let values = Dictionary(items.map { ($0.key, $0.value) }, uniquingKeysWith: { $1 })
        _ = try onServers(of: items.map(\.key), deadline: deadline) { client, keys, deadline throws(BackendError) in
            for key in keys {
                guard let value = values[key] else { continue }
                try client.store(key, Self.sealed(value, key: key), expiry: expiry, deadline: deadline)
            }
            return [String: Bool]()
        }
    }

    /// memcached does not tell how much time is left, so it is always set anew; a `touch` costs it little.
    package func renew(
        _ keys: [String],
        timeToLive: Duration,
        deadline: Deadline
    ) throws(BackendError) -> [Bool] {
        let expiry = MemcachedExpiry.of(timeToLive, now: Int64(time(nil)))
        let found = try onServers(of: keys, deadline: deadline) { client, keys, deadline throws(BackendError) in
            var found: [String: Bool] = [:]
            for key in keys { found[key] = try client.touch(key, expiry: expiry, deadline: deadline) }
            return found
        }
        return keys.map { found[$0] ?? false }
    }

    package func exists(_ keys: [String], deadline: Deadline) throws(BackendError) -> [Bool] {
        try get(keys, deadline: deadline).map { $0 != nil }
    }

    package func remove(_ keys: [String], deadline: Deadline) throws(BackendError) {
        _ = try onServers(of: keys, deadline: deadline) { client, keys, deadline throws(BackendError) in
            for key in keys { try client.remove(key, deadline: deadline) }
            return [String: Bool]()
        }
    }

    package func check(deadline: Deadline) -> [ServerHealth] {
        let servers = liveness.servers
        return servers.enumerated().map { index, server in
            let share = deadline.atMost(deadline.remaining / (servers.count - index))
            var health = nodes[server]?.health(deadline: share) ?? ServerHealth(server: server.name)
            if servers.count > 1 { health.role = "ring member" }
            return health
        }
    }

    package func close() {
        for node in nodes.values { node.close() }
    }

    // MARK: Ring

    /// Does something on each server that has some of the keys, and joins what comes of it.
    ///
    /// When a server fails that is one of several, the ring goes on without it, and its keys are tried where they
    /// belong then.
    private func onServers<Value: Sendable>(
        of keys: [String],
        deadline: Deadline,
        _ body: @escaping @Sendable (MemcachedClient, [String], Deadline) throws(BackendError) -> [String: Value]
    ) throws(BackendError) -> [String: Value] {
        for key in keys { try checkKey(key) }
        var results: [String: Value] = [:]
        var left = Array(Set(keys)).sorted()
        var tries = nodes.count
        while !left.isEmpty {
            var failed: [String] = []
            tries -= 1
            let groups = liveness.route(left) { [nodes] server in
                nodes[server]?.health(deadline: .after(.seconds(2))).error == nil
            }
            for (server, keys) in groups {
                guard let node = nodes[server] else { continue }
                // Another server can only be tried in time if this one does not use up all of it.
                let share = tries > 0 ? deadline.atMost(deadline.remaining / 2) : deadline
                do throws(BackendError) {
                    let found = try node.perform(deadline: share) { client throws(BackendError) in
                        try body(client, keys, share)
                    }
                    results.merge(found) { $1 }
                } catch {
                    let isGone = [.unreachable, .connectionLost, .timedOut].contains(error.code)
                    guard isGone, liveness.isRing else { throw error }
                    liveness.leaveOut(server)
                    guard tries > 0, !deadline.hasPassed else { throw error }
                    failed += keys
                }
            }
            left = failed
        }
        return results
    }

    /// memcached's protocol has no way to quote a key.
    private func checkKey(_ key: String) throws(BackendError) {
        let bytes = key.utf8
        guard 1...limits.keyBytes ~= bytes.count, bytes.allSatisfy({ $0 > 0x20 && $0 != 0x7F }) else {
            throw BackendError(
                .invalidKey,
                "memcached takes keys of 1 to \(limits.keyBytes) bytes without blanks and control characters",
                server: name,
                key: BackendError.cleaned(bytes),
                advice: "Shorten SCCACHE_MEMCACHED_KEY_PREFIX, or take the blanks out."
            )
        }
    }

    // MARK: Form

    static func sealed(_ value: [UInt8], key: String) -> [UInt8] {
        var sealed: [UInt8] = []
        let key = Array(key.utf8)
        sealed.reserveCapacity(value.count + key.count + 2)
        sealed += value
        sealed += key
        sealed += [UInt8(truncatingIfNeeded: key.count >> 8), UInt8(truncatingIfNeeded: key.count)]
        return sealed
    }

    /// Takes the key off again; false when it is another one.
    static func unseal(_ sealed: inout [UInt8], key: String) -> Bool {
        guard let low = sealed.popLast(), let high = sealed.popLast() else { return false }
        let count = Int(high) << 8 | Int(low)
        guard count <= sealed.count, sealed.suffix(count).elementsEqual(key.utf8) else { return false }
        sealed.removeLast(count)
        return true
    }
}

/// One memcached server and the connections to it.
private final class MemcachedNode: Sendable {
    private let pool: ConnectionPool<MemcachedWorker>
    private let server: MemcachedServer

    init(server: MemcachedServer, options: MemcachedOptions) {
        self.server = server
        let loginMethod = Monitor(options.loginMethod)
        pool = ConnectionPool(
            limit: options.connections,
            server: server.name,
            connect: { (deadline: Deadline) throws(BackendError) in
                try MemcachedWorker(
                    server: server,
                    options: options,
                    loginMethod: loginMethod,
                    deadline: deadline.atMost(options.connectTimeout)
                )
            },
            // libmemcached does not show its socket; a connection that broke meanwhile is noticed when used.
            isUsable: { _ in true }
        )
    }

    /// Does something on one connection; once more on a new one if it idled and has broken since.
    func perform<Result: Sendable>(
        deadline: Deadline,
        _ body: @escaping @Sendable (MemcachedClient) throws(BackendError) -> Result
    ) throws(BackendError) -> Result {
        var mayRetry = true
        while true {
            let loan = try pool.borrow(deadline: deadline)
            do {
                let result = try loan.connection.perform(deadline: deadline, body)
                pool.giveBack(loan)
                return result
            } catch {
                switch error.code {
                case .valueTooLarge, .serverFull:
                    // An answer like any other; the connection is in step.
                    pool.giveBack(loan)
                    throw error
                default: pool.drop(loan)
                }
                let hasBroken = error.code == .connectionLost || error.code == .protocolViolation
                guard mayRetry, loan.wasIdle, hasBroken else { throw error }
                pool.renewAll()
                mayRetry = false
            }
        }
    }

    func health(deadline: Deadline) -> ServerHealth {
        var health = ServerHealth(server: server.name)
        do throws(BackendError) {
            let empty = health
            health = try perform(deadline: deadline) { client throws(BackendError) in
                var health = empty
                try client.describe(in: &health, deadline: deadline)
                return health
            }
        } catch {
            health.error = error
        }
        return health
    }

    func close() {
        pool.close()
    }
}
