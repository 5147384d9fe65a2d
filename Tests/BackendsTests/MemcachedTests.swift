import Foundation
import ServerSupport
import Testing

@testable import Backends

extension Subject {
    init(_ backend: any Backend, on server: MemcachedProcess) {
        self.init(
            backend: backend,
            pause: { server.process.pause() },
            resume: { server.process.resume() },
            stop: { server.stop() },
            restart: { try server.restart() }
        )
    }
}

extension MemcachedProcess {
    var server: MemcachedServer { MemcachedServer(address: .tcp(host: "127.0.0.1", port: port)) }

    /// Options that log in, with this password.
    static func options(_ method: MemcachedOptions.LoginMethod, password: String = password) -> MemcachedOptions {
        var options = MemcachedOptions()
        options.credentials = Credentials(username: username, password: Secret(password))
        options.loginMethod = method
        return options
    }
}

@Suite(.serialized)
struct MemcachedTests {
    @Test func `conforms`() throws {
        let server = try MemcachedProcess()
        try checkConformance(of: Subject(try MemcachedBackend(servers: [server.server]), on: server))
    }

    @Test func `conforms with the text protocol's login`() throws {
        let server = try MemcachedProcess(login: .text)
        let backend = try MemcachedBackend(
            servers: [server.server],
            options: MemcachedProcess.options(.automatic)
        )
        try checkConformance(of: Subject(backend, on: server))
    }

    @Test func `conforms with a SASL login`() throws {
        let server = try MemcachedProcess(login: .sasl)
        let backend = try MemcachedBackend(
            servers: [server.server],
            options: MemcachedProcess.options(.automatic)
        )
        try checkConformance(of: Subject(backend, on: server))
    }

    @Test(arguments: [MemcachedProcess.Login.text, .sasl])
    func `a wrong login is named as the cause`(login: MemcachedProcess.Login) throws {
        let server = try MemcachedProcess(login: login)
        let method = login == .text ? MemcachedOptions.LoginMethod.text : .sasl
        for options in [MemcachedProcess.options(method, password: "wr0ng"), .init()] {
            let backend = try MemcachedBackend(servers: [server.server], options: options)
            do throws(BackendError) {
                _ = try backend.get("key", deadline: .after(.seconds(2)))
                Issue.record("a wrong login is no error")
            } catch {
                #expect(!"\(error)".contains("wr0ng"))
                // Without a login, a SASL server just hangs up.
                #expect(error.code == .authentication || (login == .sasl && options.credentials == nil))
            }
        }
    }

    @Test func `a login is not left on a server that wants none`() throws {
        let server = try MemcachedProcess()
        let backend = try MemcachedBackend(
            servers: [server.server],
            options: MemcachedProcess.options(.automatic)
        )
        try backend.put("key", [1], timeToLive: nil, deadline: patience)
        let stranger = try MemcachedClient(server: server.server, options: .init(), deadline: patience)
        #expect(try stranger.get([MemcachedClient.probeKey], deadline: patience).isEmpty)
    }

    @Test func `a ring spreads the keys, goes on without a server and takes it back`() throws {
        let first = try MemcachedProcess()
        let second = try MemcachedProcess()
        var options = MemcachedOptions()
        options.deadTime = .milliseconds(300)
        let backend = try MemcachedBackend(servers: [first.server, second.server], options: options)
        let items = (0..<100).map { BackendItem(key: "ring/\($0)", value: noise(200, seed: UInt64($0))) }
        let keys = items.map(\.key)
        try backend.put(items, timeToLive: .seconds(600), deadline: patience)
        func share(of process: MemcachedProcess) throws -> Int {
            let alone = try MemcachedBackend(servers: [process.server])
            return try alone.get(keys, deadline: patience).count { $0 != nil }
        }
        let shares = [try share(of: first), try share(of: second)]
        #expect(shares.reduce(0, +) == 100)
        #expect(shares.allSatisfy { $0 > 20 })

        first.stop()
        let found = try backend.get(keys, deadline: patience)
        #expect(found.count { $0 != nil } == shares[1], "what the other server has is found, the rest are misses")
        try backend.put(items, timeToLive: .seconds(600), deadline: patience)
        #expect(try backend.get(keys, deadline: patience) == items.map(\.value))
        let health = backend.check(deadline: patience)
        #expect(health.map { $0.error == nil } == [false, true])

        try first.restart()
        try waitUntil("the server is used again") {
            try backend.put(items, timeToLive: .seconds(600), deadline: patience)
            return try share(of: first) == shares[0]
        }
        #expect(try backend.get(keys, deadline: patience) == items.map(\.value))
    }

    @Test func `a ring goes on without a server that hangs`() throws {
        let servers = [try MemcachedProcess(), try MemcachedProcess()]
        let backend = try MemcachedBackend(servers: servers.map(\.server))
        let items = (0..<40).map { BackendItem(key: "ring/\($0)", value: [UInt8($0)]) }
        try backend.put(items, timeToLive: nil, deadline: patience)
        servers[0].process.pause()
        let found = try backend.get(items.map(\.key), deadline: .after(.seconds(1)))
        #expect(found.contains { $0 != nil })
        #expect(found.contains { $0 == nil })
        servers[0].process.resume()
    }

    @Test func `the servers' order does not matter, and a server less moves only its own keys`() {
        let servers = (1...4).map { MemcachedServer(address: .tcp(host: "cache\($0).example", port: 11211)) }
        let keys = (0..<1000).map { "larder/1/r/\($0)" }
        let all = MemcachedRing(servers)
        let reversed = MemcachedRing(servers.reversed())
        let fewer = MemcachedRing(Array(servers.dropLast()))
        for key in keys {
            #expect(all.server(of: key) == reversed.server(of: key))
            if all.server(of: key) != servers[3] { #expect(all.server(of: key) == fewer.server(of: key)) }
        }
        let shares = servers.map { server in keys.count { all.server(of: $0) == server } }
        #expect(shares.allSatisfy { $0 > 150 })
    }

    @Test func `keys that memcached's protocol can't carry are refused`() throws {
        let backend = try MemcachedBackend(servers: [MemcachedServer(address: .tcp(host: "127.0.0.1", port: 1))])
        for key in ["", "a b", "a\r\nflush_all", "a\u{7F}", "\t", String(repeating: "k", count: 251)] {
            #expect(
                code { () throws(BackendError) in _ = try backend.get(key, deadline: patience) } == .invalidKey
            )
        }
    }

    @Test func `a full server that does not evict refuses puts softly, one that evicts takes them`() throws {
        for evicts in [false, true] {
            let server = try MemcachedProcess(megabytes: 8, options: evicts ? [] : ["-M"])
            let backend = try MemcachedBackend(servers: [server.server])
            var last: BackendError.Code?
            for number in 0..<40 {
                last = code { () throws(BackendError) in
                    try backend.put("fill/\(number)", noise(500_000, seed: 3), timeToLive: nil, deadline: patience)
                }
            }
            #expect(last == (evicts ? nil : .serverFull))
            #expect(try backend.get(evicts ? "fill/39" : "fill/0", deadline: patience) == noise(500_000, seed: 3))
        }
    }

    @Test func `a value that stalls, breaks off or trickles is an error, never a part`() throws {
        let server = try MemcachedProcess()
        let relay = try FaultyRelay(to: server.port)
        let place = ServerAddress.tcp(host: "127.0.0.1", port: relay.port)
        let backend = try MemcachedBackend(servers: [MemcachedServer(address: place)])
        let value = noise(900_000, seed: 5)
        try backend.put("value", value, timeToLive: nil, deadline: patience)
        relay.fault = .stalls(after: 300_000)
        let start = ContinuousClock.now
        #expect(
            code { () throws(BackendError) in _ = try backend.get("value", deadline: .after(.milliseconds(400))) }
                == .timedOut
        )
        relay.fault = .cuts(after: 300_000)
        let failure = code { () throws(BackendError) in _ = try backend.get("value", deadline: patience) }
        #expect(failure != nil)
        relay.fault = .none
        #expect(try backend.get("value", deadline: patience) == value)

        let trickle = try FaultyServer(
            .trickles(
                start: Array("VALUE \(MemcachedClient.probeKey) 0 100000\r\n".utf8),
                drop: 65,
                every: .milliseconds(10)
            )
        )
        let slow = ServerAddress.tcp(host: "127.0.0.1", port: trickle.port)
        let trickling = try MemcachedBackend(servers: [MemcachedServer(address: slow)])
        #expect(
            code { () throws(BackendError) in
                _ = try trickling.get("value", deadline: .after(.milliseconds(300)))
            } == .timedOut
        )
        #expect(.now - start < .seconds(4))
    }

    @Test(arguments: [
        "HTTP/1.1 400 Bad Request\r\n\r\n", "\0\0\0\0\r\n", "VALUE\r\n", "VALUE \(MemcachedClient.probeKey) 0 -5\r\n",
        "VALUE \(MemcachedClient.probeKey) 0 3\r\nabcdefgh\r\n", "SERVER_ERROR out of order\r\n",
    ])
    func `garbage is an error`(garbage: String) throws {
        let server = try FaultyServer(.sends(Array(garbage.utf8)))
        let place = ServerAddress.tcp(host: "127.0.0.1", port: server.port)
        let backend = try MemcachedBackend(servers: [MemcachedServer(address: place)])
        let failure = code { () throws(BackendError) in _ = try backend.get("key", deadline: .after(.milliseconds(400)))
        }
        #expect(failure != nil)
    }

    @Test func `a value under another key is a miss`() {
        var value = MemcachedBackend.sealed([1, 2, 3], key: "mine")
        #expect(!MemcachedBackend.unseal(&value, key: "yours"))
        value = MemcachedBackend.sealed([1, 2, 3], key: "mine")
        #expect(MemcachedBackend.unseal(&value, key: "mine"))
        #expect(value == [1, 2, 3])
        for damaged in [[], [0], [0, 9], [1, 2, 0xFF, 0xFF], [UInt8]("mine".utf8)] {
            var damaged = damaged
            #expect(!MemcachedBackend.unseal(&damaged, key: "mine"))
        }
    }

    @Test func `an expiry over 30 days is a moment in Unix time`() {
        #expect(MemcachedExpiry.of(nil, now: 1000) == 0)
        #expect(MemcachedExpiry.of(.milliseconds(1), now: 1000) == 1)
        #expect(MemcachedExpiry.of(.seconds(2_592_000), now: 1_800_000_000) == 2_592_000)
        #expect(MemcachedExpiry.of(.seconds(2_592_001), now: 1_800_000_000) == 1_802_592_001)
        #expect(MemcachedExpiry.of(.seconds(Int64.max), now: 1_800_000_000) == Int(Int32.max))
    }
}
