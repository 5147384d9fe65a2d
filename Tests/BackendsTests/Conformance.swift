import Backends
import Foundation
import ServerSupport
import Testing

/// A backend under test and what can be done to its server.
struct Subject {
    let backend: any Backend
    /// Chunks of this length suit the backend.
    var chunkBytes = 900 * 1024
    /// Makes the server silent, and goes on. Nil where other tests do it.
    var pause: (() -> Void)?
    var resume: (() -> Void)?
    /// Ends the server, and starts it again empty.
    var stop: (() -> Void)?
    var restart: (() throws -> Void)?
}

/// Long enough for any healthy answer on a busy machine.
var patience: Deadline { .after(.seconds(20)) }

/// Bytes that no text has, different for each seed, from a small linear generator.
func noise(_ count: Int, seed: UInt64) -> [UInt8] {
    var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
    var bytes = [UInt8](repeating: 0, count: count)
    bytes.withUnsafeMutableBytes { buffer in
        for place in stride(from: 0, to: count, by: 8) {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            for offset in 0..<min(8, count - place) {
                buffer[place + offset] = UInt8(truncatingIfNeeded: state >> (offset * 7))
            }
        }
    }
    return bytes
}

/// The code of the error that a call throws; nil when it throws none.
func code(_ call: () throws(BackendError) -> Void) -> BackendError.Code? {
    do {
        try call()
        return nil
    } catch {
        return error.code
    }
}

/// What every backend must do. Each runs it against its real server.
func checkConformance(of subject: Subject) throws {
    let backend = subject.backend
    try checkValues(backend)
    try checkBatches(backend)
    try checkTimeToLive(backend)
    try checkLongValue(subject)
    try checkManyThreads(backend)
    try checkSilentServer(subject)
    try checkRestartedServer(subject)
    backend.close()
    #expect(code { () throws(BackendError) in _ = try backend.get("closed", deadline: patience) } == .closed)
}

private func checkValues(_ backend: any Backend) throws {
    #expect(try backend.get("missing", deadline: patience) == nil, "a missing key is nil")
    #expect(try !backend.exists("missing", deadline: patience))
    #expect(try !backend.renew("missing", timeToLive: .seconds(60), deadline: patience))
    try backend.remove("missing", deadline: patience)

    let values: [(String, [UInt8])] = [
        ("text", Array("hello".utf8)), ("empty", []), ("zero", [0]), ("all bytes", Array(0...255)),
        ("line ends", Array("END\r\n$5\r\n-ERR\r\n\0".utf8)), ("half a megabyte", noise(500_000, seed: 1)),
    ]
    for (name, value) in values {
        let key = "value/" + name.replacing(" ", with: "-")
        try backend.put(key, value, timeToLive: nil, deadline: patience)
        #expect(try backend.get(key, deadline: patience) == value, "\(name) comes back")
        #expect(try backend.exists(key, deadline: patience), "\(name) exists")
    }
    try backend.put("value/text", noise(10, seed: 2), timeToLive: .seconds(60), deadline: patience)
    #expect(try backend.get("value/text", deadline: patience) == noise(10, seed: 2), "overwritten")
    try backend.remove("value/text", deadline: patience)
    #expect(try backend.get("value/text", deadline: patience) == nil, "removed")

    let past = Deadline.after(.zero)
    #expect(code { () throws(BackendError) in _ = try backend.get("value/zero", deadline: past) } == .timedOut)
    #expect(try backend.get("value/zero", deadline: patience) == [0], "a time-out leaves nothing behind")
}

private func checkBatches(_ backend: any Backend) throws {
    #expect(try backend.get([], deadline: patience).isEmpty)
    let items = (0..<60).map { BackendItem(key: "batch/\($0)", value: noise($0 * 1000, seed: UInt64($0))) }
    try backend.put(items, timeToLive: .seconds(600), deadline: patience)
    let keys = items.map(\.key).reversed() + ["batch/absent", "batch/0"]
    let values = try backend.get(keys, deadline: patience)
    #expect(values == items.map(\.value).reversed() + [nil, []], "values come in the order of their keys")
    #expect(try backend.exists(keys, deadline: patience) == keys.map { $0 != "batch/absent" })
    #expect(try backend.renew(keys, timeToLive: .seconds(900), deadline: patience) == keys.map { $0 != "batch/absent" })
    try backend.remove(keys, deadline: patience)
    #expect(try backend.get(keys, deadline: patience).allSatisfy { $0 == nil })
}

private func checkTimeToLive(_ backend: any Backend) throws {
    // Long enough to be renewed on a busy machine: memcached's clock goes by whole seconds.
    try backend.put("ttl/renewed", [1], timeToLive: .seconds(6), deadline: patience)
    try backend.put("ttl/left", [2], timeToLive: .seconds(6), deadline: patience)
    #expect(try backend.renew("ttl/renewed", timeToLive: .seconds(3600), deadline: patience))
    try waitUntil("a value is gone after its time to live") {
        try backend.get("ttl/left", deadline: patience) == nil
    }
    #expect(try backend.get("ttl/renewed", deadline: patience) == [1], "a renewed value stays")
    // memcached reads more than 30 days as a moment in 1970, unless the client thinks of it.
    try backend.put("ttl/long", [3], timeToLive: .seconds(90 * 86_400), deadline: patience)
    #expect(try backend.get("ttl/long", deadline: patience) == [3], "a time to live over 30 days is no past moment")
    #expect(try backend.renew("ttl/long", timeToLive: .seconds(365 * 86_400), deadline: patience))
    #expect(try backend.get("ttl/long", deadline: patience) == [3])
}

private func checkLongValue(_ subject: Subject) throws {
    let chunked = ChunkedBackend(subject.backend, chunkBytes: subject.chunkBytes)
    let value = noise(100_000_000, seed: 7)
    try chunked.put("long", value, timeToLive: .seconds(600), deadline: patience)
    #expect(try chunked.get("long", deadline: patience) == value, "100 MB come back")
}

private func checkManyThreads(_ backend: any Backend) throws {
    let failures = Failures()
    DispatchQueue.concurrentPerform(iterations: 16) { thread in
        for round in 0..<25 {
            let key = "many/\(thread)/\(round % 5)"
            let value = noise(10_000 + thread * 100 + round, seed: UInt64(thread * 1000 + round))
            do throws(BackendError) {
                try backend.put(key, value, timeToLive: .seconds(60), deadline: patience)
                let found = try backend.get(key, deadline: patience)
                if found != value { failures.add("\(key) comes back different") }
            } catch {
                failures.add("\(error)")
            }
        }
    }
    #expect(failures.all.isEmpty, "16 threads at once")
}

private func checkSilentServer(_ subject: Subject) throws {
    guard let pause = subject.pause, let resume = subject.resume else { return }
    try subject.backend.put("silent", [1, 2, 3], timeToLive: nil, deadline: patience)
    pause()
    let start = ContinuousClock.now
    let failure = code { () throws(BackendError) in
        _ = try subject.backend.get("silent", deadline: .after(.milliseconds(300)))
    }
    let took = ContinuousClock.now - start
    resume()
    #expect(failure == .timedOut, "a server that says nothing times out")
    #expect(took < .seconds(2), "the deadline holds")
    #expect(try subject.backend.get("silent", deadline: patience) == [1, 2, 3], "the server is used again")
}

private func checkRestartedServer(_ subject: Subject) throws {
    guard let stop = subject.stop, let restart = subject.restart else { return }
    stop()
    let failure = code { () throws(BackendError) in
        _ = try subject.backend.get("silent", deadline: .after(.seconds(2)))
    }
    #expect(failure == .unreachable || failure == .connectionLost, "a server that is gone is an error, not a miss")
    #expect(subject.backend.check(deadline: .after(.seconds(2))).contains { $0.error != nil })
    try restart()
    #expect(try subject.backend.get("silent", deadline: patience) == nil, "a server that came back empty has misses")
    try subject.backend.put("back", [4], timeToLive: nil, deadline: patience)
    #expect(try subject.backend.get("back", deadline: patience) == [4])
}

/// Messages from several threads.
final class Failures: @unchecked Sendable {
    private let lock = NSLock()
    private var messages: [String] = []

    func add(_ message: String) {
        lock.withLock { messages.append(message) }
    }

    var all: [String] { lock.withLock { messages } }
}
