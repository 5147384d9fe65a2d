import BuildSupport
import Digest
import Foundation
import GatewayProtocol
import Glibc
import Platform
import ServerSupport
import Settings
import Testing

/// The gateway's own life: how it starts, whom it answers, when it ends.
@Suite("The gateway", .serialized)
struct GatewayTests {
    private func office(_ port: UInt16, _ more: [String: String] = [:]) throws -> Office {
        try Office(["SCCACHE_REDIS_ENDPOINT": "redis://127.0.0.1:\(port)"].merging(more) { $1 })
    }

    /// Processes of larderd that serve this machine's cache.
    private func gateways(_ office: Office) -> [pid_t] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.compactMap { pid_t($0) }.filter { pid in
            let line = FileManager.default.contents(atPath: "/proc/\(pid)/cmdline") ?? Data()
            let words = line.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
            return words.first?.hasSuffix("/larderd") == true && words.contains(office.box.cache)
        }
    }

    @Test func `two hundred wrappers at once start one gateway, and each gets its answer`() throws {
        let server = try RedisServer()
        let office = try office(server.port)
        let count = 200
        let answers = Tally()
        let threads = (0..<count).map { number in
            Thread {
                var client = office.client(starts: true)
                // A few keys, so that some are asked for by many at once.
                let key = Digest(of: "unit \(number % 20)".utf8)
                let reply = client.connect() ? client.ask(.fetchManifest(key), milliseconds: 20_000) : nil
                answers.add(reply.map { "\($0)" } ?? client.failure ?? "nothing")
            }
        }
        for thread in threads { thread.start() }
        try waitUntil("all have their answer") { answers.total == count }
        #expect(answers.counts == ["\(Reply.missing)": count])
        try waitUntil("one gateway is left") { gateways(office).count == 1 }
        let level = try #require(try office.status()).levels[0]
        #expect(level.errors == 0)
    }

    @Test func `those who ask for the same at once share one fetch`() throws {
        let server = try RedisServer()
        let relay = try FaultyRelay(to: server.port)
        // As long as it takes all of them to ask.
        relay.fault = .delays(.milliseconds(1000))
        let office = try office(relay.port, ["LARDER_REMOTE_TIMEOUT": "20000"])
        try office.larder("--start-server").succeeded()
        let count = 40
        let answers = Tally()
        let threads = (0..<count).map { _ in
            Thread {
                var client = office.client()
                let reply =
                    client.connect() ? client.ask(.fetchManifest(Digest(of: "one".utf8)), milliseconds: 20_000) : nil
                answers.add(reply.map { "\($0)" } ?? client.failure ?? "nothing")
            }
        }
        for thread in threads { thread.start() }
        try waitUntil("all have their answer") { answers.total == count }
        #expect(answers.counts == ["\(Reply.missing)": count])
        let asked = try #require(try office.status()).levels[0].misses
        #expect(asked <= count / 4, "the server was asked \(asked) times")
    }

    @Test func `it ends when nobody has asked for a while, and takes its socket along`() throws {
        let server = try RedisServer()
        let office = try office(server.port, ["SCCACHE_IDLE_TIMEOUT": "4"])
        try office.larder("--start-server").succeeded()
        #expect(gateways(office).count == 1)
        try waitUntil("it has ended") { gateways(office).isEmpty }
        #expect(access(office.place.socket, F_OK) != 0)
    }

    @Test func `it inherits no descriptor, terminal, folder or variable`() throws {
        let server = try RedisServer()
        let office = try office(server.port, ["SECRET_OF_THE_BUILD": "1"])
        try office.larder("--start-server").succeeded()
        let pid = try #require(gateways(office).first)
        #expect(try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(pid)/cwd") == "/")
        for number in 0...2 {
            #expect(
                try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(pid)/fd/\(number)") == "/dev/null"
            )
        }
        let variables = String(
            decoding: FileManager.default.contents(atPath: "/proc/\(pid)/environ") ?? Data(),
            as: UTF8.self
        )
        #expect(variables.contains("SCCACHE_REDIS_ENDPOINT"))
        #expect(!variables.contains("SECRET_OF_THE_BUILD"))
        let fields =
            String(decoding: FileManager.default.contents(atPath: "/proc/\(pid)/stat") ?? Data(), as: UTF8.self)
            .split(separator: ")").last?.split(separator: " ") ?? []
        // Session leader's child in a session of its own, without a terminal. Source: proc(5), fields 6 and 7.
        #expect(fields[3] != "\(getsid(0))")
        #expect(fields[4] == "0")
    }

    @Test func `a socket that a dead gateway left is replaced, and so is one that is gone`() throws {
        let server = try RedisServer()
        let office = try office(server.port)
        try office.larder("--start-server").succeeded()
        let first = try #require(try office.status()).pid
        kill(first, SIGKILL)
        #expect(access(office.place.socket, F_OK) == 0)
        try office.larder("--start-server").succeeded()
        let second = try #require(try office.status()).pid
        #expect(second != first)
        unlink(office.place.socket)
        try waitUntil("a gateway that nobody can reach ends") { gateways(office).isEmpty }
        try office.larder("--start-server").succeeded()
        #expect(try office.status() != nil)
        try office.larder("--stop-server").succeeded()
        try waitUntil("it has ended") { gateways(office).isEmpty }
    }

    @Test func `other settings meet other gateways, and outboxes go by the server`() throws {
        let office = try office(6379, ["SCCACHE_REDIS_PASSWORD": "a"])
        let otherPassword = office.with(["SCCACHE_REDIS_PASSWORD": "b"])
        let otherServer = office.with(["SCCACHE_REDIS_ENDPOINT": "redis://127.0.0.1:6380"])
        #expect(Set([office, otherPassword, otherServer].map(\.place.socket)).count == 3)
        #expect(office.place.outbox == otherPassword.place.outbox)
        #expect(office.place.outbox != otherServer.place.outbox)
    }

    @Test func `a cache folder with a long path has its socket in the runtime folder`() throws {
        let server = try RedisServer()
        let office = try office(server.port)
        let long = office.box.folder + "/" + String(repeating: "long-", count: 18)
        let other = office.with(["LARDER_DIR": long, "XDG_RUNTIME_DIR": office.box.folder + "/run"])
        let answer = try other.larder("--start-server").succeeded()
        #expect(answer.code == 0)
        let folder = "\(office.box.folder)/run/larder-\(getuid())"
        let socket = try FileManager.default.subpathsOfDirectory(atPath: folder).first { $0.hasSuffix(".sock") }
        #expect(socket != nil)
        #expect(BuildSupport.Files.mode(folder) == 0o700)
        try other.larder("--stop-server").succeeded()
    }

    @Test func `one that is started while another stops is there afterwards`() throws {
        let server = try RedisServer()
        let office = try office(server.port)
        for _ in 0..<5 {
            try office.larder("--start-server").succeeded()
            try office.larder("--stop-server").succeeded()
            try office.larder("--start-server").succeeded()
            // Longer than the old one looked for requests.
            usleep(700_000)
            #expect(try office.status() != nil)
            #expect(gateways(office).count == 1)
            try office.larder("--stop-server").succeeded()
        }
    }

    @Test func `a manifest as an answer comes out as it went in, and one cut short is none`() throws {
        for bytes in [[], [0], [1, 2, 3]] as [[UInt8]] {
            let reply = Reply.manifest(level: "redis", bytes)
            #expect(Reply(reply.frame) == reply)
        }
        let whole = Reply.manifest(level: "redis", []).frame
        for count in 0..<whole.payload.count {
            #expect(Reply(Frame(code: whole.code, payload: Array(whole.payload.prefix(count)))) == nil)
        }
        #expect(Reply(Frame(code: whole.code, payload: [1, 0xFF])) == nil)
    }

    @Test func `frames that do not fit close the connection, and the gateway goes on`() throws {
        let server = try RedisServer()
        let office = try office(server.port)
        try office.larder("--start-server").succeeded()
        for bytes: [UInt8] in [
            [0, 0, 0, 0], [255, 255, 255, 255, 1, 1], [2, 0, 0, 0, 9, 5], [2, 0, 0, 0, 1, 99], [3, 0, 0, 0, 1, 1, 7],
            [1],
        ] {
            let process = try ServerProcess(
                [
                    "python3", "-c",
                    "import socket,sys;s=socket.socket(socket.AF_UNIX);s.connect(sys.argv[1]);"
                        + "s.sendall(bytes(map(int,sys.argv[2].split())));s.shutdown(1);print(s.recv(100))",
                    office.place.socket, bytes.map(String.init).joined(separator: " "),
                ],
                log: office.box.folder + "/frames.log"
            )
            try waitUntil("the connection is closed") { !process.isRunning }
        }
        #expect(try office.status() != nil)
    }
}

/// Counts words from many threads.
private final class Tally: @unchecked Sendable {
    private let lock = NSLock()
    private var current: [String: Int] = [:]

    var counts: [String: Int] { lock.withLock { current } }
    var total: Int { counts.values.reduce(0, +) }
    func add(_ word: String) { lock.withLock { current[word, default: 0] += 1 } }
}
