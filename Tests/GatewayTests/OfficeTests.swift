import Backends
import BuildSupport
import Bundle
import Digest
import Foundation
import GatewayProtocol
import ServerSupport
import Store
import Testing

import enum Store.Bundle

/// One machine builds, another one, whose cache is empty, takes all of it from a shared cache.
@Suite("The office cache", .serialized)
struct OfficeTests {
    /// A cold build, published as it goes; then everything is taken from the server, and then from disk.
    private func check(_ office: Office, level: String) throws {
        let cold = try office.build(jobs: 2)
        #expect(cold.hits(level) == 0)
        #expect(cold.count("miss") > 4)
        try office.flush()
        let local = try office.build(jobs: 2)
        #expect(local.hits("disk") == local.events.count)
        try office.wipe()
        let remote = try office.build(jobs: 2)
        #expect(remote.count("hit") == local.count("hit"))
        #expect(remote.hits(level) > 0)
        #expect(remote.hits(level) + remote.hits("disk") == remote.count("hit"))
        // Fetched once, it is on disk.
        #expect(try office.build().hits("disk") == local.count("hit"))
    }

    @Test func `a wiped machine takes every call from Redis`() throws {
        let server = try RedisServer()
        let office = try Office(
            [
                "SCCACHE_REDIS": "redis://127.0.0.1:\(server.port)/0", "SCCACHE_REDIS_KEY_PREFIX": "team/x",
                "SCCACHE_REDIS_TTL": "3600",
            ],
            Office.large
        )
        try check(office, level: "redis")
        let keys = try server.command("KEYS", "*").split(separator: "\n")
        #expect(keys.count > 4)
        for key in keys {
            #expect(key.hasPrefix("team/x/larder/1/"))
            let seconds = Int(try server.command("TTL", String(key))) ?? -1
            #expect((3000...3600).contains(seconds))
        }
    }

    @Test func `what was fetched is put back as it came, and becomes blobs once nobody asks any more`() throws {
        let server = try RedisServer()
        let office = try Office(["SCCACHE_REDIS": "redis://127.0.0.1:\(server.port)"], Office.large)
        let count = try office.build(jobs: 2).events.count
        try office.flush()
        try office.wipe()
        #expect(try office.build(jobs: 2).count("hit") == count)
        #expect(!office.packs.isEmpty)
        // Without the server and its gateway: what it had not got to is left to the next one.
        try office.larder("--stop-server").succeeded()
        let left = office.packs
        #expect(try office.with(["SCCACHE_REDIS": ""]).build(jobs: 2).hits("disk") == count)
        #expect(office.packs == left)
        try office.larder("--start-server").succeeded()
        let deadline = ContinuousClock.now + .seconds(60)
        while !office.packs.isEmpty, ContinuousClock.now < deadline { usleep(100_000) }
        let log = (try? String(contentsOfFile: office.place.log, encoding: .utf8)) ?? "no log"
        let status = try office.status()
        #expect(office.packs.isEmpty, "\(log) \(String(describing: status))")
        #expect(try office.build(jobs: 2).hits("disk") == count)
        try office.larder("--stop-server").succeeded()
    }

    @Test func `a unit whose manifest is too long for an answer comes through the store`() throws {
        let server = try RedisServer()
        let office = try Office(["SCCACHE_REDIS": "redis://127.0.0.1:\(server.port)"])
        #expect(try office.build().hits("redis") == 0)
        try office.flush()
        let count = try office.build().count("hit")
        // As if thirty other versions of each unit had been built since, each from a thousand files.
        let level = try #require(RemoteSettings(environment: office.variables).levels.first)
        let backend = try level.makeBackend()
        let keys = try server.command("KEYS", "larder/1/m/*").split(separator: "\n").map { $0.dropFirst(9) }
        #expect(keys.count > 2)
        for key in keys {
            let unit = try #require(Digest(hex: key.dropFirst(2)))
            let bytes = try #require(try backend.get(String(key), deadline: .after(.seconds(5))))
            let own = try Bundle.manifest(bytes, key: unit)
            let inputs = (0..<1000).map { Input(.file, "{target}/another-\($0)", Digest(of: "\($0)".utf8)) }
            let others = (0..<30).map { Manifest.Entry(result: Digest(of: "\(key) \($0)".utf8), inputs: inputs) }
            let long = Manifest(entries: others + own.entries)
            #expect(long.encoded.count > 1 << 20)
            let bundle = try Bundle.encode(long, key: unit, level: 1)
            try backend.put(String(key), bundle, timeToLive: nil, deadline: .after(.seconds(5)))
        }
        try office.wipe()
        let built = try office.build()
        #expect(built.count("hit") == count)
        #expect(built.hits("redis") == keys.count)
        try office.larder("--stop-server").succeeded()
    }

    @Test func `a wiped machine takes every call from a memcached with its default limit`() throws {
        let server = try MemcachedProcess()
        try check(try Office(["SCCACHE_MEMCACHED": "127.0.0.1:\(server.port)"], Office.large), level: "memcached")
    }

    @Test func `a new machine takes all from servers of every kind that another one filled`() throws {
        let certificates = try TestCertificates()
        let secure = try RedisServer(password: "s3 cret", certificates: certificates)
        let cluster = try RedisClusterServers()
        let sentinel = try RedisSentinelServers()
        let ring = [try MemcachedProcess(), try MemcachedProcess()]
        let signed = try MemcachedProcess(login: .text)
        let settings: [(String, [String: String])] = [
            (
                "redis",
                [
                    "SCCACHE_REDIS_ENDPOINT": "rediss://localhost:\(secure.port)", "SCCACHE_REDIS_PASSWORD": "s3 cret",
                    "LARDER_REDIS_CA_FILE": certificates.authority,
                ]
            ),
            (
                "redis",
                [
                    "SCCACHE_REDIS_CLUSTER_ENDPOINTS": cluster.ports.map { "redis://127.0.0.1:\($0)" }
                        .joined(separator: ",")
                ]
            ),
            (
                "redis",
                [
                    "LARDER_REDIS_SENTINEL_ENDPOINTS": sentinel.sentinelPorts.map { "redis://127.0.0.1:\($0)" }
                        .joined(separator: ","),
                    "LARDER_REDIS_SENTINEL_MASTER": RedisSentinelServers.masterName,
                ]
            ),
            (
                "memcached",
                ["SCCACHE_MEMCACHED_ENDPOINT": ring.map { "tcp://127.0.0.1:\($0.port)" }.joined(separator: ",")]
            ),
            (
                "memcached",
                [
                    "SCCACHE_MEMCACHED_ENDPOINT": "tcp://127.0.0.1:\(signed.port)",
                    "SCCACHE_MEMCACHED_USERNAME": MemcachedProcess.username,
                    "SCCACHE_MEMCACHED_PASSWORD": MemcachedProcess.password,
                    "LARDER_MEMCACHED_LOGIN": "text",
                ]
            ),
        ]
        // Built before anyone knew of a shared cache.
        let first = try Office([:], Office.large)
        let count = try first.build(jobs: 2).events.count
        for (level, variables) in settings {
            let office = first.with(variables)
            // The full cache is put back for the next server by fetching from this one.
            try office.larder("flush", "--all", "--timeout", "60").succeeded()
            try office.wipe()
            let built = try office.build(jobs: 2)
            #expect(built.count("hit") == count, "\(variables.keys.sorted()): \(built.events)")
            #expect(built.hits(level) > 0)
            try office.larder("--stop-server").succeeded()
        }
    }

    @Test
    func `two users with homes and checkouts of their own hit each other's entries, and neither the other's cache`()
        throws
    {
        let server = try RedisServer()
        let box = try Sandbox("users")
        let project = try box.project(Office.small)
        try box.cargo(["generate-lockfile"], in: project, larder: false).succeeded()
        let variables: [String: String?] = ["SCCACHE_REDIS_ENDPOINT": "redis://127.0.0.1:\(server.port)"]
        let first = try OtherUser(64_001, in: box)
        let second = try OtherUser(64_002, in: box)
        func build(_ user: OtherUser, _ place: String) throws -> [LoggedEvent] {
            let own = try user.checkout(of: project, place)
            try user.run(box.toolchain.cargo, ["build"], in: own.folder, isBuild: true, variables).succeeded()
            #expect(try Tools.run(own.path("target/debug/b"), []) == "right\n")
            return LoggedEvent.read(user.cache).filter { $0.type != "query" }
        }
        let cold = try build(first, "here")
        #expect(cold.count == 2 && cold.allSatisfy { $0.result == "miss" }, "\(cold)")
        try first.run(Places.larder, ["flush", "--timeout", "30"], variables).succeeded()
        let warm = try build(second, "some/where else")
        #expect(warm.count == 2 && warm.allSatisfy { $0.level == "redis" }, "\(warm)")
        for user in [first, second] { try user.run(Places.larder, ["--stop-server"], variables).succeeded() }
        for (user, other) in [(first, second), (second, first)] {
            #expect(try user.run(try Tools.path("ls"), [other.cache]).code != 0)
        }
    }

    @Test func `a cluster's failover within a build, and after it all is there`() throws {
        let cluster = try RedisClusterServers()
        let office = try Office(
            [
                "SCCACHE_REDIS_CLUSTER_ENDPOINTS": cluster.ports.map { "redis://127.0.0.1:\($0)" }
                    .joined(separator: ",")
            ],
            Office.large
        )
        let cold = try office.build()
        try office.flush()
        try waitUntil("the replica has all keys") {
            try cluster.replica.command("DBSIZE") == cluster.masters[0].command("DBSIZE")
        }
        try office.wipe()
        let trouble = Thread {
            usleep(200_000)
            cluster.masters[0].stop()
        }
        trouble.start()
        // The build checks its program.
        let during = try office.build()
        #expect(during.events.count == cold.events.count)
        while !trouble.isFinished { usleep(5000) }
        try cluster.waitForFailover()
        try office.larder("--stop-server").succeeded()
        try office.wipe()
        let after = try office.build()
        #expect(after.count("hit") == after.events.count, "\(after.events)")
        #expect(after.hits("redis") > 0)
    }

    @Test func `what make stack starts is a chain that a build can use, and it ends with its command`() throws {
        let office = try Office([:])
        let script = """
            printf '%s\\n' "$SCCACHE_REDIS_ENDPOINT" "$SCCACHE_MEMCACHED_ENDPOINT" "$SCCACHE_MULTILEVEL_CHAIN"
            \(office.box.toolchain.cargo) build -q && \(Places.larder) flush --timeout 30 && \(Places.larder) --stop-server
            redis-cli -u "$SCCACHE_REDIS_ENDPOINT" DBSIZE
            """
        let ended = try office.box.start(
            Places.package + "/scripts/stack",
            ["sh", "-c", script],
            in: office.project.folder,
            ["PATH": "\(Places.stage)/bin:\(office.box.environment["PATH"] ?? "")"]
        ).wait()
        #expect(ended.code == 0, "\(ended.errors)")
        let lines = ended.output.split(separator: "\n").map(String.init)
        #expect(lines[2] == "disk,redis,memcached")
        #expect((lines.last.flatMap { Int($0) } ?? 0) > 2, "\(ended.output)")
        let port = try #require(lines[0].split(separator: ":").last.flatMap { UInt16($0) })
        #expect(!Loopback.accepts(port: port))
    }

    @Test func `a machine that may only read publishes nothing and hits all the same`() throws {
        let server = try RedisServer()
        let writer = try Office(["SCCACHE_REDIS_ENDPOINT": "redis://127.0.0.1:\(server.port)"])
        let reader = writer.with(["SCCACHE_REDIS_RW_MODE": "READ_ONLY"])
        _ = try reader.build()
        try reader.flush()
        #expect(try server.command("DBSIZE") == "0")
        try writer.wipe()
        _ = try writer.build()
        try writer.flush()
        try writer.wipe()
        let size = try server.command("DBSIZE")
        let built = try reader.build()
        #expect(built.count("hit") == built.events.count)
        #expect(try server.command("DBSIZE") == size)
    }

    @Test func `a level further down a chain is asked when the first has nothing`() throws {
        let redis = try RedisServer()
        let memcached = try MemcachedProcess()
        let office = try Office([
            "SCCACHE_REDIS_ENDPOINT": "redis://127.0.0.1:\(redis.port)",
            "SCCACHE_MEMCACHED_ENDPOINT": "tcp://127.0.0.1:\(memcached.port)",
            "SCCACHE_MULTILEVEL_CHAIN": "disk,redis,memcached",
        ])
        _ = try office.build()
        try office.flush()
        try redis.command("FLUSHALL")
        try office.wipe()
        let built = try office.build()
        #expect(built.count("hit") == built.events.count)
        #expect(built.hits("memcached") > 0)
    }

    @Test func `doctor and stats tell of each server, and of no secret`() throws {
        let server = try RedisServer(password: "hidden-word")
        let office = try Office([
            "SCCACHE_REDIS_ENDPOINT": "redis://127.0.0.1:\(server.port)", "SCCACHE_REDIS_PASSWORD": "hidden-word",
        ])
        _ = try office.build()
        try office.flush()
        let doctor = try office.larder("doctor")
        #expect(doctor.output.contains("127.0.0.1:\(server.port)"))
        #expect(doctor.output.contains("noeviction"))
        #expect(doctor.output.contains("/s fetched"))
        let stats = try office.larder("stats")
        #expect(stats.output.contains("127.0.0.1:\(server.port)"))
        server.stop()
        let broken = try office.larder("doctor")
        #expect(broken.code == 1)
        #expect(broken.output.contains("problem"))
        for said in [doctor, stats, broken] { #expect(!(said.output + said.errors).contains("hidden-word")) }
        let log = (try? String(contentsOfFile: office.place.log, encoding: .utf8)) ?? ""
        #expect(!log.contains("hidden-word"))
    }
}
