import BuildSupport
import Foundation
import GatewayProtocol
import Glibc
import ServerSupport
import Testing

/// Whatever happens to a server or the gateway, the build is right, loses at most 3 s as a whole, and nothing that was
/// accepted for publishing is lost.
@Suite("Faults of the shared cache", .serialized)
struct FaultTests {

    private func redis(_ port: UInt16) -> [String: String] { ["SCCACHE_REDIS_ENDPOINT": "redis://127.0.0.1:\(port)"] }

    /// Builds, and checks what the build waited.
    @discardableResult
    private func build(_ office: Office) throws -> Office.Outcome {
        let built = try office.build()
        // One call may wait for a server, or the gateway, that hangs: two seconds. All others are short. So it is 3 s in all,
        // where nothing else keeps the machine busy.
        #expect(built.waits.count { $0 > 1 } <= 1, "\(built.events.map(\.phases))")
        #expect(built.waits.dropLast().reduce(0, +) < 3, "\(built.events.map(\.phases))")
        return built
    }

    @Test func `27: no server at all, or another port`() throws {
        let office = try Office(redis(try Loopback.freePorts(1)[0]))
        #expect(try build(office).hits("redis") == 0)
        let status = try #require(try office.status())
        #expect(status.levels[0].errors > 0)
        #expect(status.queue > 0)
        #expect(office.waiting == status.queue)
    }

    @Test func `a wrong password: what waited goes out once it is right`() throws {
        let server = try RedisServer(password: "right")
        let wrong = try Office(redis(server.port).merging(["SCCACHE_REDIS_PASSWORD": "wrong"]) { $1 })
        try build(wrong)
        #expect(try wrong.larder("flush", "--timeout", "5").code == 1)
        #expect(wrong.waiting > 0)
        let right = wrong.with(["SCCACHE_REDIS_PASSWORD": "right"])
        try right.flush()
        #expect(right.waiting == 0)
        try right.wipe()
        let built = try build(right)
        #expect(built.count("hit") == built.events.count)
    }

    @Test func `33: a server that hangs before and during a build adds no seconds to every call`() throws {
        let server = try RedisServer()
        let office = try Office(redis(server.port))
        try build(office)
        try office.flush()
        try office.wipe()
        server.process.pause()
        #expect(try build(office).hits("redis") == 0)
        server.process.resume()
        try office.wipe()
        let relay = try FaultyRelay(to: server.port)
        relay.fault = .stalls(after: 5000)
        let stalled = office.with(redis(relay.port))
        try build(stalled)
    }

    @Test func `a connection that is cut within a value`() throws {
        let server = try RedisServer()
        let office = try Office(redis(server.port))
        try build(office)
        try office.flush()
        try office.wipe()
        let relay = try FaultyRelay(to: server.port)
        relay.fault = .cuts(after: 5000)
        try build(office.with(redis(relay.port)))
    }

    @Test func `a slow server is used`() throws {
        let server = try RedisServer()
        let office = try Office(redis(server.port))
        try build(office)
        try office.flush()
        try office.wipe()
        let relay = try FaultyRelay(to: server.port)
        relay.fault = .delays(.milliseconds(300))
        let built = try office.with(redis(relay.port)).build()
        // The relay holds up each piece of a large value as well: that one may come too late.
        #expect(built.hits("redis") > 0)
    }

    @Test func `a server that talks nonsense`() throws {
        let server = try FaultyServer(.sends(Array("HTTP/1.1 400 Bad Request\r\n\r\nwhat?".utf8)))
        let office = try Office(redis(server.port))
        #expect(try build(office).hits("redis") == 0)
        let memcached = try Office(["SCCACHE_MEMCACHED": "127.0.0.1:\(server.port)"])
        #expect(try build(memcached).hits("memcached") == 0)
    }

    @Test func `a full server: what did not fit goes out once there is room`() throws {
        let server = try RedisServer(settings: ["maxmemory 1mb", "maxmemory-policy noeviction"])
        let office = try Office(redis(server.port))
        try build(office)
        #expect(try office.larder("flush", "--timeout", "5").code == 1)
        #expect(office.waiting > 0)
        try server.command("CONFIG", "SET", "maxmemory", "0")
        try office.flush()
        #expect(office.waiting == 0)
        try office.wipe()
        let built = try build(office)
        #expect(built.count("hit") == built.events.count)
    }

    @Test func `a memcached that is away, hangs or is killed within a build`() throws {
        let server = try MemcachedProcess()
        let office = try Office(["SCCACHE_MEMCACHED": "127.0.0.1:\(server.port)"], Office.large)
        _ = try office.build()
        try office.flush()
        for fault in ["hangs", "is killed", "is away"] {
            try office.wipe()
            let trouble = Thread {
                usleep(300_000)
                if fault == "hangs" { server.process.pause() } else { server.stop() }
            }
            trouble.start()
            // The build checks its program.
            let built = try office.build()
            #expect(built.waits.count { $0 > 1 } <= 1, "\(fault): \(built.events.map(\.phases))")
            while !trouble.isFinished { usleep(5000) }
            if fault == "hangs" { server.process.resume() }
        }
        try server.restart()
        try office.larder("--stop-server").succeeded()
        try office.flush()
        #expect(office.waiting == 0)
    }

    @Test func `a full disk here takes nothing from the server`() throws {
        let server = try RedisServer()
        let office = try Office(redis(server.port), Office.large)
        try build(office)
        try office.flush()
        try office.larder("--stop-server").succeeded()
        let size = try server.command("DBSIZE")
        // A cache of its own on a small file system, in a mount namespace in which the gateway is, too.
        let cache = office.box.folder + "/small"
        try FileManager.default.createDirectory(atPath: cache, withIntermediateDirectories: true)
        office.project.remove("target")
        let script = """
            mount -t tmpfs -o size=4800k,mode=700 tmpfs "$LARDER_DIR" || exit 99
            \(office.box.toolchain.cargo) build || exit 98
            \(Places.larder) --stop-server
            """
        var variables = office.variables.mapValues { Optional($0) }
        variables["LARDER_DIR"] = cache
        let built = try office.box.start(
            "/usr/bin/unshare",
            ["-rm", "/bin/sh", "-c", script],
            in: office.project.folder,
            variables
        ).wait()
        #expect(built.code == 0, "\(built.errors)")
        #expect(try server.command("DBSIZE") == size)
        try office.wipe()
        let again = try build(office)
        #expect(again.count("hit") == again.events.count)
    }

    @Test func `35: another user's process gets no answer, even where it can reach the socket`() throws {
        let server = try RedisServer()
        let office = try Office(redis(server.port))
        try office.larder("--start-server").succeeded()
        var folder = office.place.folder
        while folder != "/" {
            chmod(folder, 0o755)
            folder = (folder as NSString).deletingLastPathComponent
        }
        chmod(office.place.socket, 0o777)
        defer { chmod(office.place.folder, 0o700) }
        // Connects, asks for the status, says how many bytes come back. Source of the frame: `Frame`.
        let script = """
            import socket, sys
            s = socket.socket(socket.AF_UNIX)
            s.connect(sys.argv[1])
            try:
                s.sendall(bytes([2, 0, 0, 0, \(Frame.version), 5]))
                print("got", len(s.recv(100)))
            except OSError:
                print("got 0")
            """
        // Debian's own: another one may lie in a home that nobody else may enter.
        let arguments = ["/usr/bin/python3", "-c", script, office.place.socket]
        #expect(try run(arguments) != "got 0\n")
        #expect(
            try run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"] + arguments) == "got 0\n"
        )
    }

    @Test func `a server that comes back empty is filled again`() throws {
        let server = try RedisServer()
        let office = try Office(redis(server.port))
        try build(office)
        try office.flush()
        try server.restart()
        try office.wipe()
        #expect(try build(office).hits("redis") == 0)
        try office.flush()
        try office.wipe()
        let built = try build(office)
        #expect(built.count("hit") == built.events.count)
    }

    @Test func `34: entries that were tampered with are misses, and are replaced`() throws {
        let server = try RedisServer()
        let office = try Office(redis(server.port))
        try build(office)
        try office.flush()
        for key in try server.command("KEYS", "*").split(separator: "\n") {
            // In the middle of it.
            try server.command("SETRANGE", String(key), "150", "tampered")
        }
        try office.wipe()
        #expect(try build(office).hits("redis") == 0)
        try office.flush()
        try office.wipe()
        let built = try build(office)
        #expect(built.count("hit") == built.events.count)
    }

    @Test func `the gateway killed again and again: nothing is lost`() throws {
        let server = try RedisServer()
        let office = try Office(redis(server.port), Office.large)
        let isOver = Flag()
        let hasEnded = DispatchSemaphore(value: 0)
        let killer = Thread {
            while !isOver.isSet {
                if let pid = try? office.status()?.pid { kill(pid, SIGKILL) }
                usleep(UInt32.random(in: 20_000...200_000))
            }
            hasEnded.signal()
        }
        killer.start()
        let first = try office.build()
        isOver.set()
        hasEnded.wait()
        #expect(first.hits("redis") == 0)
        try office.flush()
        #expect(office.waiting == 0)
        try office.wipe()
        let built = try build(office)
        #expect(built.count("hit") == built.events.count)
    }

    @Test func `a gateway that hangs is left alone`() throws {
        let server = try RedisServer()
        let office = try Office(redis(server.port))
        try build(office)
        try office.flush()
        try office.wipe()
        let pid = try #require(try office.status()).pid
        kill(pid, SIGSTOP)
        defer { kill(pid, SIGKILL) }
        #expect(try build(office).hits("redis") == 0)
    }

    @Test func `a folder that no socket can be made in`() throws {
        let server = try RedisServer()
        let office = try Office(redis(server.port))
        BuildSupport.Files.write(office.box.cache + "/gateway", "in the way")
        #expect(try build(office).hits("redis") == 0)
        #expect(office.waiting > 0)
        BuildSupport.Files.remove(office.box.cache + "/gateway")
        try office.flush()
        #expect(office.waiting == 0)
    }

    @Test func `35: a folder, and a socket, of another user`() throws {
        let server = try RedisServer()
        let office = try Office(redis(server.port))
        let place = office.place
        try FileManager.default.createDirectory(atPath: place.folder, withIntermediateDirectories: true)
        let nobody: uid_t = 65534
        #expect(chown(place.folder, nobody, nobody) == 0)
        #expect(try build(office).hits("redis") == 0)
        #expect(chown(place.folder, getuid(), getgid()) == 0)
        chmod(place.folder, 0o700)
        // The kernel notes who a listener is when it starts to listen.
        let script = """
            import os, socket, sys, time
            s = socket.socket(socket.AF_UNIX)
            s.bind(sys.argv[1])
            os.seteuid(\(nobody))
            s.listen(50)
            time.sleep(60)
            """
        let impostor = try ServerProcess(
            ["python3", "-c", script, place.socket],
            log: office.box.folder + "/impostor.log"
        )
        try impostor.wait(for: "the impostor listens") { access(place.socket, F_OK) == 0 }
        try office.wipe()
        let built = try build(office)
        #expect(built.hits("redis") == 0)
        #expect(built.waits.allSatisfy { $0 < 1 })
        impostor.kill()
    }
}

/// Set once, read by many.
final class Flag: @unchecked Sendable {
    private let lock = NSLock()
    private var value = false

    var isSet: Bool { lock.withLock { value } }
    func set() { lock.withLock { value = true } }
}
