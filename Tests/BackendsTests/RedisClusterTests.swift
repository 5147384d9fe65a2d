import Backends
import Foundation
import ServerSupport
import Testing

@testable import Backends

@Suite(.serialized)
struct RedisClusterTests {
    @Test func `a slot is the CRC16 of the key, or of what stands between braces`() {
        // Values of the cluster specification and of CLUSTER KEYSLOT.
        #expect(RedisSlot.crc16(Array("123456789".utf8)) == 0x31C3)
        #expect(RedisSlot.of("foo") == 12182)
        #expect(RedisSlot.of("{user1000}.following") == RedisSlot.of("user1000"))
        #expect(RedisSlot.of("foo{}{bar}") == RedisSlot.crc16Slot("foo{}{bar}"))
        #expect(RedisSlot.of("foo{{bar}}zap") == RedisSlot.crc16Slot("{bar"))
        #expect(RedisSlot.of("foo{bar}{zap}") == RedisSlot.crc16Slot("bar"))
        #expect(RedisSlot.of("{}") == RedisSlot.crc16Slot("{}"))
        #expect(RedisSlot.of("a{b") == RedisSlot.crc16Slot("a{b"))
        #expect(RedisSlot.of("") == 0)
    }

    @Test func `conforms on a cluster, through a slot's move and a failover`() throws {
        let servers = try RedisClusterServers()
        // One endpoint is not there: the others are asked.
        let places = ["127.0.0.1:\(try Loopback.freePort())"] + servers.ports.map { "redis://127.0.0.1:\($0)" }
        let endpoints = try places.map { try RedisEndpoint(url: $0) }
        let backend = try RedisBackend(clusterEndpoints: endpoints)
        #expect(backend.check(deadline: patience).count == 3)
        try checkSlotMove(backend, servers)
        try checkFailover(try RedisBackend(clusterEndpoints: endpoints), servers)
        let all = servers.masters + [servers.replica]
        try checkConformance(
            of: Subject(
                backend: backend,
                chunkBytes: 2 * 1024 * 1024,
                pause: { all.forEach { $0.process.pause() } },
                resume: { all.forEach { $0.process.resume() } }
            )
        )
    }

    /// Moves one slot from the third to the second master, with a key of it on either side in the middle.
    private func checkSlotMove(_ backend: RedisBackend, _ servers: RedisClusterServers) throws {
        let (source, target) = (servers.masters[2], servers.masters[1])
        let slot = "\(RedisSlot.of("foo"))"
        let keys = ["{foo}/1", "{foo}/2", "{foo}/3"]
        let items = keys.map { BackendItem(key: $0, value: Array($0.utf8)) }
        try backend.put(items, timeToLive: .seconds(100), deadline: patience)
        try target.command("CLUSTER", "SETSLOT", slot, "IMPORTING", source.command("CLUSTER", "MYID"))
        try source.command("CLUSTER", "SETSLOT", slot, "MIGRATING", target.command("CLUSTER", "MYID"))
        try source.command("MIGRATE", "127.0.0.1", "\(target.port)", keys[0], "0", "5000")
        // The first key is asked for at the target (ASK), the others are where they were, a new one goes to the target.
        #expect(try backend.get(keys, deadline: patience) == items.map(\.value))
        try backend.put("{foo}/new", [9], timeToLive: nil, deadline: patience)
        #expect(try backend.get("{foo}/new", deadline: patience) == [9])
        #expect(try source.command("CLUSTER", "COUNTKEYSINSLOT", slot) == "2")
        try source.command("MIGRATE", "127.0.0.1", "\(target.port)", "", "0", "5000", "KEYS", keys[1], keys[2])
        for server in [target, source] + servers.masters.prefix(1) {
            try server.command("CLUSTER", "SETSLOT", slot, "NODE", target.command("CLUSTER", "MYID"))
        }
        // MOVED.
        #expect(try backend.get(keys + ["{foo}/new"], deadline: patience) == items.map(\.value) + [[9]])
        try backend.remove(keys, deadline: patience)
    }

    /// Kills the first master while it is in use.
    private func checkFailover(_ backend: RedisBackend, _ servers: RedisClusterServers) throws {
        // Keys of all three masters.
        let keys = (0..<30).map { "failover/\($0)" }
        let items = keys.map { BackendItem(key: $0, value: Array($0.utf8)) }
        try backend.put(items, timeToLive: nil, deadline: patience)
        try waitUntil("the replica has all keys") {
            try servers.replica.command("DBSIZE") == servers.masters[0].command("DBSIZE")
        }
        servers.masters[0].stop()
        let start = ContinuousClock.now
        let failure = code { () throws(BackendError) in _ = try backend.get(keys, deadline: .after(.seconds(2))) }
        #expect(failure != nil)
        #expect(.now - start < .seconds(3))
        try servers.waitForFailover()
        #expect(try backend.get(keys, deadline: patience) == items.map(\.value))
        try backend.put(items, timeToLive: .seconds(60), deadline: patience)
        try servers.masters[0].restart()
    }

    @Test func `a server that is in no cluster is told from one`() throws {
        let server = try RedisServer()
        let backend = try RedisBackend(clusterEndpoints: [RedisEndpoint(url: "127.0.0.1:\(server.port)")])
        do throws(BackendError) {
            _ = try backend.get("key", deadline: patience)
            Issue.record("no error")
        } catch {
            #expect(error.code == .refused)
            #expect(error.advice.contains("SCCACHE_REDIS_ENDPOINT"))
        }
    }

    @Test func `follows a failover that sentinels make`() throws {
        let servers = try RedisSentinelServers()
        let ports = [try Loopback.freePort()] + servers.sentinelPorts
        let sentinels = try ports.map { try RedisEndpoint(url: "127.0.0.1:\($0)") }
        let server = RedisEndpoint(address: .tcp(host: "", port: 1), database: 1)
        let backend = try RedisBackend(
            sentinels: sentinels,
            master: RedisSentinelServers.masterName,
            server: server
        )
        let unknown = try RedisBackend(sentinels: sentinels, master: "nobody", server: server)
        #expect(
            code { () throws(BackendError) in _ = try unknown.get("key", deadline: .after(.seconds(2))) } == .refused
        )
        try backend.put("key", [1, 2], timeToLive: nil, deadline: patience)
        #expect(try servers.master.command("-n", "1", "EXISTS", "key") == "1")
        try waitUntil("the replica has the key") { try servers.replica.command("-n", "1", "EXISTS", "key") == "1" }
        servers.master.process.pause()
        let failure = code { () throws(BackendError) in _ = try backend.get("key", deadline: .after(.seconds(1))) }
        #expect(failure != nil)
        try servers.waitForFailover()
        #expect(try backend.get("key", deadline: patience) == [1, 2])
        // The old master is a replica now; connections to it must not be used again.
        servers.master.process.resume()
        try backend.put("key", [3], timeToLive: nil, deadline: patience)
        #expect(try backend.get("key", deadline: patience) == [3])
        try checkConformance(of: Subject(backend: backend, chunkBytes: 2 * 1024 * 1024))
    }
}

extension RedisSlot {
    /// The slot of a key without regard to braces.
    fileprivate static func crc16Slot(_ text: String) -> Int {
        Int(crc16(Array(text.utf8))) % count
    }
}
