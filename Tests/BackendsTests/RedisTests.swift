import Backends
import Foundation
import ServerSupport
import Testing

extension Subject {
    init(_ backend: any Backend, on server: RedisServer) {
        self.init(
            backend: backend,
            chunkBytes: 2 * 1024 * 1024,
            pause: { server.process.pause() },
            resume: { server.process.resume() },
            stop: { server.stop() },
            restart: { try server.restart() }
        )
    }
}

@Suite(.serialized)
struct RedisTests {
    @Test func `conforms over TCP`() throws {
        let server = try RedisServer()
        let backend = try RedisBackend(endpoint: RedisEndpoint(url: "redis://127.0.0.1:\(server.port)"))
        try checkConformance(of: Subject(backend, on: server))
    }

    @Test func `conforms over a Unix socket, with a login and another database`() throws {
        let server = try RedisServer(settings: ["user alice on >s3cret:/@ ~* &* +@all"])
        var endpoint = try RedisEndpoint(url: "redis+unix://\(server.socketPath)?db=3")
        endpoint.credentials = Credentials(username: "alice", password: Secret("s3cret:/@"))
        let backend = try RedisBackend(endpoint: endpoint)
        try backend.put("in/db3", [1], timeToLive: nil, deadline: patience)
        #expect(try server.command("EXISTS", "in/db3") == "0")
        #expect(try server.command("-n", "3", "EXISTS", "in/db3") == "1")
        try checkConformance(of: Subject(backend, on: server))
    }

    @Test func `logs in with a password alone, and names the login as the cause when it is wrong`() throws {
        let server = try RedisServer(password: "open sesame")
        let right = try RedisBackend(endpoint: RedisEndpoint(url: "redis://:open%20sesame@localhost:\(server.port)/2"))
        try right.put("key", [1], timeToLive: nil, deadline: patience)
        #expect(try right.get("key", deadline: patience) == [1])

        for url in ["redis://:wr0ng@127.0.0.1:\(server.port)", "redis://127.0.0.1:\(server.port)"] {
            let wrong = try RedisBackend(endpoint: RedisEndpoint(url: url))
            do throws(BackendError) {
                _ = try wrong.get("key", deadline: patience)
                Issue.record("a wrong login is no error")
            } catch {
                #expect(error.code == .authentication)
                #expect(!"\(error)".contains("wr0ng"))
                #expect("\(error)".contains("SCCACHE_REDIS_PASSWORD"))
            }
        }
    }

    @Test func `a time to live is written anew only once half of it is gone`() throws {
        let server = try RedisServer()
        let backend = try RedisBackend(endpoint: RedisEndpoint(url: "127.0.0.1:\(server.port)"))
        try backend.put("key", [1], timeToLive: .seconds(80), deadline: patience)
        #expect(try backend.renew("key", timeToLive: .seconds(100), deadline: patience))
        #expect(try #require(Int(server.command("TTL", "key"))) <= 80)
        #expect(try backend.renew("key", timeToLive: .seconds(1000), deadline: patience))
        #expect(try #require(Int(server.command("TTL", "key"))) > 900)
        try backend.put("forever", [1], timeToLive: nil, deadline: patience)
        #expect(try server.command("TTL", "forever") == "-1")
    }

    @Test func `a full server that does not evict refuses puts softly and still answers`() throws {
        let server = try RedisServer(settings: ["maxmemory 4mb", "maxmemory-policy noeviction"])
        let backend = try RedisBackend(endpoint: RedisEndpoint(url: "127.0.0.1:\(server.port)"))
        let breaker = BreakerBackend(backend)
        try breaker.put("first", noise(1000, seed: 1), timeToLive: nil, deadline: patience)
        var codes: [BackendError.Code?] = []
        for number in 0..<12 {
            codes.append(
                code { () throws(BackendError) in
                    try breaker.put("fill/\(number)", noise(1_000_000, seed: 2), timeToLive: nil, deadline: patience)
                }
            )
        }
        #expect(codes.suffix(3) == [.serverFull, .serverFull, .serverFull])
        #expect(breaker.state.isClosed)
        #expect(try breaker.get("first", deadline: patience) == noise(1000, seed: 1))
        let health = try #require(backend.check(deadline: patience).first)
        #expect(health.evictionPolicy == "noeviction")
        #expect(health.limitBytes == 4 * 1024 * 1024)
        #expect(health.advice.contains { $0.contains("allkeys-lru") })
        #expect(health.error == nil)
        #expect(health.roundTrip != nil)
    }

    @Test func `a full server that evicts takes every put`() throws {
        let server = try RedisServer(settings: ["maxmemory 8mb", "maxmemory-policy allkeys-lru"])
        let backend = try RedisBackend(endpoint: RedisEndpoint(url: "127.0.0.1:\(server.port)"))
        for number in 0..<30 {
            try backend.put("fill/\(number)", noise(1_000_000, seed: 2), timeToLive: nil, deadline: patience)
        }
        #expect(try backend.get("fill/0", deadline: patience) == nil)
        #expect(try backend.get("fill/29", deadline: patience) != nil)
    }

    @Test func `a value that stalls or breaks off in the middle is an error, never a part`() throws {
        let server = try RedisServer()
        let relay = try FaultyRelay(to: server.port)
        let backend = try RedisBackend(endpoint: RedisEndpoint(url: "127.0.0.1:\(relay.port)"))
        let value = noise(3_000_000, seed: 5)
        try backend.put("value", value, timeToLive: nil, deadline: patience)
        relay.fault = .stalls(after: 1_000_000)
        let start = ContinuousClock.now
        #expect(
            code { () throws(BackendError) in
                _ = try backend.get("value", deadline: .after(.milliseconds(400)))
            } == .timedOut
        )
        #expect(.now - start < .seconds(2))
        relay.fault = .cuts(after: 1_000_000)
        #expect(
            code { () throws(BackendError) in _ = try backend.get("value", deadline: patience) } == .connectionLost
        )
        relay.fault = .delays(.milliseconds(20))
        #expect(try backend.get("value", deadline: patience) == value)
    }

    @Test func `a server stopped while values stream keeps to the deadline and goes on later`() throws {
        let server = try RedisServer()
        let relay = try FaultyRelay(to: server.port)
        let backend = try RedisBackend(endpoint: RedisEndpoint(url: "127.0.0.1:\(relay.port)"))
        // More than the sockets on the way can hold.
        let value = noise(40_000_000, seed: 6)
        try backend.put("value", value, timeToLive: nil, deadline: patience)
        relay.fault = .does(after: 1_000_000) { server.process.pause() }
        let start = ContinuousClock.now
        let failure = code { () throws(BackendError) in
            _ = try backend.get("value", deadline: .after(.seconds(2)))
        }
        relay.fault = .none
        server.process.resume()
        #expect(failure == .timedOut)
        #expect(.now - start < .seconds(4))
        #expect(try backend.get("value", deadline: patience) == value)
    }

    @Test func `a server that trickles does not outlast the deadline`() throws {
        let server = try FaultyServer(
            .trickles(start: Array("$1000000\r\n".utf8), drop: 65, every: .milliseconds(10))
        )
        let backend = try RedisBackend(endpoint: RedisEndpoint(url: "127.0.0.1:\(server.port)"))
        let start = ContinuousClock.now
        #expect(
            code { () throws(BackendError) in _ = try backend.get("key", deadline: .after(.milliseconds(300))) }
                == .timedOut
        )
        #expect(.now - start < .seconds(2))
    }

    @Test(arguments: [
        "HTTP/1.1 400 Bad Request\r\n\r\n", "\0\0\0\0", "$-5\r\n", "$99999999999999999999\r\n", "*1000000000\r\n",
        ":12\r\n:13\r\n", "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n", "+OK\r\n", "*-1\r\n",
    ])
    func `garbage is an error`(garbage: String) throws {
        let server = try FaultyServer(.sends(Array(garbage.utf8)))
        let backend = try RedisBackend(endpoint: RedisEndpoint(url: "127.0.0.1:\(server.port)"))
        let failure = code { () throws(BackendError) in
            let found = try backend.get("key", deadline: .after(.milliseconds(500)))
            // `*-1` is the other way Redis writes nil.
            if found == nil, garbage == "*-1\r\n" { throw BackendError(.protocolViolation, "", advice: "") }
        }
        #expect(failure == .protocolViolation || failure == .timedOut)
    }

    @Test func `nobody there is unreachable, and a host that does not exist too`() throws {
        let port = try Loopback.freePort()
        for place in ["127.0.0.1:\(port)", "no-such-host.invalid:6379", "unix:///nonexistent/redis.sock"] {
            let backend = try RedisBackend(endpoint: RedisEndpoint(url: place))
            #expect(
                code { () throws(BackendError) in _ = try backend.get("key", deadline: .after(.seconds(5))) }
                    == .unreachable
            )
        }
    }
}
