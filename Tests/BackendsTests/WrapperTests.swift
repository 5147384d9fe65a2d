import Foundation
import ServerSupport
import Testing

@testable import Backends

@Suite(.serialized)
struct WrapperTests {
    /// A Redis of a test's own, with the database's keys at hand.
    struct Fixture {
        let server: RedisServer
        let redis: RedisBackend

        init(settings: [String] = []) throws {
            server = try RedisServer(settings: settings)
            redis = try RedisBackend(endpoint: RedisEndpoint(url: server.socketURL))
        }

        func keys(_ pattern: String = "*") throws -> [String] {
            try server.command("KEYS", pattern).split(separator: "\n").map(String.init).sorted()
        }
    }

    @Test func `the whole stack puts a prefix and a time to live on every key`() throws {
        let fixture = try Fixture()
        let settings = RemoteSettings(environment: [
            "SCCACHE_REDIS_ENDPOINT": fixture.server.socketURL, "SCCACHE_REDIS_KEY_PREFIX": "/team//",
            "SCCACHE_REDIS_TTL": "500",
        ])
        #expect(settings.problems.isEmpty)
        let level = try #require(settings.levels.first)
        let backend = try level.makeBackend()
        let value = noise(5_000_000, seed: 1)
        try backend.put("r/long", value, timeToLive: level.timeToLive, deadline: patience)
        try backend.put("m/short", [1], timeToLive: level.timeToLive, deadline: patience)
        #expect(try backend.get(["m/short", "r/long", "r/none"], deadline: patience) == [[1], value, nil])
        let keys = try fixture.keys()
        #expect(keys.count == 5)
        #expect(keys.count { $0.hasPrefix("/team/larder/1/c/") } == 3)
        #expect(keys.suffix(2) == ["/team/larder/1/m/short", "/team/larder/1/r/long"])
        for key in keys { #expect(try #require(Int(fixture.server.command("TTL", key))) > 490) }
        #expect(try backend.renew("r/long", timeToLive: .seconds(5000), deadline: patience))
        for key in keys where !key.hasSuffix("short") {
            #expect(try #require(Int(fixture.server.command("TTL", key))) > 4990)
        }
    }

    @Test(arguments: [0, 1, 999, 1000, 1001, 1999, 2000, 2001, 10_000])
    func `values of every length around a chunk's come back`(count: Int) throws {
        let fixture = try Fixture()
        let backend = ChunkedBackend(fixture.redis, chunkBytes: 1000)
        try backend.put("key", noise(count, seed: 3), timeToLive: nil, deadline: patience)
        #expect(try backend.get("key", deadline: patience) == noise(count, seed: 3))
        #expect(try backend.exists("key", deadline: patience))
        #expect(
            try fixture.keys("c/*").count == (count <= 1000 ? 0 : ChunkIndex.chunkCount(total: count, chunkBytes: 1000))
        )
    }

    @Test func `a missing chunk is a miss, and putting the value again repairs it`() throws {
        let fixture = try Fixture()
        let backend = ChunkedBackend(fixture.redis, chunkBytes: 1000)
        let value = noise(5500, seed: 4)
        try backend.put("key", value, timeToLive: .seconds(100), deadline: patience)
        let chunk = try #require(try fixture.keys("c/*").first)
        try fixture.server.command("DEL", chunk)
        #expect(try backend.get("key", deadline: patience) == nil)
        #expect(try !backend.renew("key", timeToLive: .seconds(1000), deadline: patience))
        try backend.put("key", value, timeToLive: .seconds(100), deadline: patience)
        #expect(try backend.get("key", deadline: patience) == value)
    }

    @Test func `a wrong chunk is a miss, and putting the value again repairs it`() throws {
        let fixture = try Fixture()
        let backend = ChunkedBackend(fixture.redis, chunkBytes: 1000)
        let value = noise(5500, seed: 5)
        for damage in ["short", String(repeating: "x", count: 1000)] {
            try backend.put("key", value, timeToLive: nil, deadline: patience)
            #expect(try backend.get("key", deadline: patience) == value)
            try fixture.server.command("SET", try #require(try fixture.keys("c/*").last), damage)
            #expect(try backend.get("key", deadline: patience) == nil)
        }
        try backend.put("key", value, timeToLive: nil, deadline: patience)
        #expect(try backend.get("key", deadline: patience) == value)
    }

    /// Keeps what it is given, up to so many pieces.
    private final class Pieces: ValueSink {
        private let taken = Monitor<[Int: [UInt8]]>([:])
        private let most: Int

        init(most: Int = .max) { self.most = most }

        var value: [UInt8] { taken.read { $0.sorted { $0.key < $1.key }.flatMap(\.value) } }

        func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> Bool {
            taken.update { taken in
                if taken.count < most { taken[offset] = Array(bytes) }
                return taken[offset] != nil
            }
        }
    }

    @Test(arguments: [0, 1000, 1001, 2000, 2001, 3000, 7001])
    func `a long value is streamed, a short one comes whole`(count: Int) throws {
        let fixture = try Fixture()
        let backend = BreakerBackend(ChunkedBackend(fixture.redis, chunkBytes: 1000))
        let value = noise(count, seed: 6)
        try backend.put("key", value, timeToLive: nil, deadline: patience)
        let sink = Pieces()
        var announced: [Int] = []
        let fetched = try backend.fetch("key", deadline: patience) { length in
            announced.append(length)
            return sink
        }
        switch fetched {
        case .whole(let bytes):
            #expect(count <= 1000)
            #expect(bytes == value)
        case .streamed(let length):
            #expect(length == count)
            #expect(announced == [count])
            #expect(sink.value == value)
        case nil: Issue.record("nothing came")
        }
        #expect(try backend.fetch("other", deadline: patience) { _ in sink } == nil)
    }

    @Test func `a value of which a part is missing, wrong or not taken is not there`() throws {
        let fixture = try Fixture()
        let backend = ChunkedBackend(fixture.redis, chunkBytes: 1000)
        let value = noise(8000, seed: 7)
        try backend.put("key", value, timeToLive: nil, deadline: patience)
        let index = ChunkIndex(
            try #require(try fixture.redis.get("key", deadline: patience)).dropLast(),
            longestValue: .max
        )
        for digest in try #require(index).digests {
            let key = "c/" + Checksum.hexadecimal(digest)
            for damage in [[], Array(repeating: 1, count: 1000)] as [[UInt8]] {
                if damage.isEmpty {
                    try fixture.redis.remove([key], deadline: patience)
                } else {
                    try fixture.redis.put(key, damage, timeToLive: nil, deadline: patience)
                }
                let fetched = try backend.fetch("key", deadline: patience) { _ in Pieces() }
                #expect(fetched == nil)
                try backend.put("key", value, timeToLive: nil, deadline: patience)
            }
        }
        #expect(try backend.fetch("key", deadline: patience) { _ in nil } == nil)
        for most in 0..<8 {
            let fetched = try backend.fetch("key", deadline: patience) { _ in Pieces(most: most) }
            #expect(fetched == nil)
        }
        #expect(try backend.fetch("key", deadline: patience) { _ in Pieces(most: 8) } == .streamed(length: 8000))
    }

    @Test func `a server that stops half way through a value is an error, in either half`() throws {
        let fixture = try Fixture()
        let backend = ChunkedBackend(fixture.redis, chunkBytes: 4_000_000)
        try backend.put("key", noise(24_000_000, seed: 8), timeToLive: nil, deadline: patience)
        let isFirst = Monitor(true)
        let sink = Pieces()
        #expect(throws: BackendError.self) {
            try backend.fetch("key", deadline: .after(.seconds(2))) { _ in
                if isFirst.update({ isFirst in
                    defer { isFirst = false }
                    return isFirst
                }) {
                    fixture.server.stop()
                }
                return sink
            }
        }
    }

    @Test func `a client that only reads leaves a damaged chunk where it is`() throws {
        let fixture = try Fixture()
        let settings = RemoteSettings(environment: ["SCCACHE_REDIS_ENDPOINT": fixture.server.socketURL])
        var level = try #require(settings.levels.first)
        let writer = try level.makeBackend()
        try writer.put("r/long", noise(5_000_000, seed: 9), timeToLive: nil, deadline: patience)
        let chunk = try #require(try fixture.keys("larder/1/c/*").first)
        try fixture.server.command("SET", chunk, "damaged")
        level.isReadOnly = true
        let reader = try level.makeBackend()
        #expect(try reader.get("r/long", deadline: patience) == nil)
        #expect(try fixture.keys("larder/1/c/*").contains(chunk))
        #expect(throws: BackendError.self) {
            try reader.put("r/long", noise(5_000_000, seed: 9), timeToLive: nil, deadline: patience)
        }
        #expect(try writer.get("r/long", deadline: patience) == nil)
        #expect(try !fixture.keys("larder/1/c/*").contains(chunk))
    }

    @Test func `a damaged index, and what others stored, is a miss`() throws {
        let fixture = try Fixture()
        let backend = ChunkedBackend(fixture.redis, chunkBytes: 1000)
        try backend.put("key", noise(2500, seed: 6), timeToLive: nil, deadline: patience)
        let index = try #require(try fixture.redis.get("key", deadline: patience))
        for place in index.indices {
            var damaged = index
            damaged[place] ^= 0x40
            try fixture.redis.put("key", damaged, timeToLive: nil, deadline: patience)
            #expect(try backend.get("key", deadline: patience) == nil)
        }
        for count in 0..<index.count {
            var cut = Array(index.prefix(count))
            if !cut.isEmpty { cut[cut.count - 1] = ChunkIndex.indexKind }
            #expect(ChunkIndex(cut.dropLast(), longestValue: .max) == nil)
        }
        try fixture.redis.put("key", [], timeToLive: nil, deadline: patience)
        #expect(try backend.get("key", deadline: patience) == nil)
        // Sound, but longer than is believed.
        let huge = ChunkIndex(total: 5_000, chunkBytes: 10_000, digests: [Checksum.of([UInt8]())[...]])
        #expect(ChunkIndex(huge.encoded.dropLast(), longestValue: 4_999) == nil)
        #expect(ChunkIndex(huge.encoded.dropLast(), longestValue: 5_000) == huge)
    }

    @Test func `chunks that are there are not sent again`() throws {
        let fixture = try Fixture()
        let backend = ChunkedBackend(fixture.redis, chunkBytes: 1000)
        let value = noise(10_000, seed: 8)
        try backend.put("first", value, timeToLive: .seconds(60), deadline: patience)
        try fixture.server.command("CONFIG", "RESETSTAT")
        try backend.put("second", value, timeToLive: .seconds(60), deadline: patience)
        #expect(try fixture.server.command("INFO", "commandstats").contains("cmdstat_set:calls=1,"))
        #expect(try backend.get("second", deadline: patience) == value)
    }

    @Test func `a read-only backend writes nothing`() throws {
        let fixture = try Fixture()
        try fixture.redis.put("key", [1], timeToLive: .seconds(10), deadline: patience)
        let backend = ReadOnlyBackend(fixture.redis)
        #expect(try backend.get("key", deadline: patience) == [1])
        #expect(
            code { () throws(BackendError) in
                try backend.put("new", [1], timeToLive: nil, deadline: patience)
            } == .readOnly
        )
        #expect(try backend.renew("key", timeToLive: .seconds(1000), deadline: patience))
        #expect(try #require(Int(fixture.server.command("TTL", "key"))) <= 10)
        try backend.remove("key", deadline: patience)
        #expect(try fixture.keys() == ["key"])
    }

    @Test func `the breaker opens after three failures, tries behind the callers' back, and closes`() throws {
        let fixture = try Fixture()
        let clock = TestClock()
        let breaker = BreakerBackend(fixture.redis, now: { clock.now })
        func get() -> BackendError.Code? {
            code { () throws(BackendError) in _ = try breaker.get("key", deadline: patience) }
        }
        #expect(get() == nil)
        fixture.server.stop()
        #expect([get(), get()] == [.unreachable, .unreachable])
        #expect(breaker.state.isClosed)
        #expect([get(), get(), get()] == [.unreachable, .breakerOpen, .breakerOpen])
        clock.advance(by: .seconds(29))
        #expect(get() == .breakerOpen)
        // The trial fails, and the pause starts again.
        clock.advance(by: .seconds(2))
        #expect(get() == .breakerOpen)
        try waitUntil("the trial is over") {
            if case .open = breaker.state { true } else { false }
        }
        try fixture.server.restart()
        #expect(get() == .breakerOpen)
        clock.advance(by: .seconds(31))
        #expect(get() == .breakerOpen)
        try waitUntil("the breaker is closed") { breaker.state.isClosed }
        #expect(get() == nil)
    }

    @Test func `the breaker opens at once when a server hangs for as long as may be lost`() throws {
        let fixture = try Fixture()
        var rules = BreakerBackend.Rules()
        rules.lostTime = .milliseconds(200)
        let breaker = BreakerBackend(fixture.redis, rules: rules)
        fixture.server.process.pause()
        let codes = (0..<5).map { _ in
            code { () throws(BackendError) in _ = try breaker.get("key", deadline: .after(.milliseconds(250))) }
        }
        fixture.server.process.resume()
        #expect(codes == [.timedOut, .breakerOpen, .breakerOpen, .breakerOpen, .breakerOpen])
    }

    @Test func `failures that say nothing about the server do not open the breaker`() throws {
        let fixture = try Fixture()
        let breaker = BreakerBackend(ReadOnlyBackend(fixture.redis))
        for _ in 0..<10 {
            _ = code { () throws(BackendError) in
                try breaker.put("key", [1], timeToLive: nil, deadline: patience)
            }
        }
        #expect(breaker.state.isClosed)
    }
}

extension RedisServer {
    var socketURL: String { "unix://\(socketPath)" }
}

/// A clock that goes when told to.
final class TestClock: @unchecked Sendable {
    private let lock = NSLock()
    private var moment = ContinuousClock.now

    var now: ContinuousClock.Instant { lock.withLock { moment } }

    func advance(by duration: Duration) {
        lock.withLock { moment += duration }
    }
}
