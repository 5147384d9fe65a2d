import Foundation
import Testing

@testable import Trace

@Suite("Reading a trace")
struct TraceFileTests {
    /// A record as the observer writes it: grammar in `larder_trace.h`.
    private func record(
        kind: UInt16,
        state: UInt16 = 0x4C52,
        size: UInt32? = nil,
        first: String = "/a",
        claim: UInt32? = nil
    )
        -> [UInt8]
    {
        let text = Array(first.utf8)
        let padding = (8 - (48 + text.count) % 8) % 8
        var bytes: [UInt8] = []
        func append(_ number: some FixedWidthInteger) { withUnsafeBytes(of: number) { bytes += $0 } }
        append(state)
        append(kind)
        append(size ?? UInt32(48 + text.count + padding))
        for field: UInt32 in [1, 2, 0, 0, 1, 8] { append(field) }
        append(UInt64(0))
        append(claim ?? UInt32(text.count))
        append(UInt32(0))
        return bytes + text + [UInt8](repeating: 0, count: padding)
    }

    private func read(_ parts: [UInt8]...) -> Trace {
        Trace(ByteFields(Array(parts.joined())), start: 0, hasOverflowed: false)
    }

    @Test("whole records come in order")
    func whole() {
        let trace = read(record(kind: 4, first: "/first"), record(kind: 4, first: "/second"))
        #expect(trace.texts(.open) == ["/first", "/second"])
        #expect(!trace.isBroken)
    }

    @Test("room that was reserved and never begun is skipped and noticed")
    func gap() {
        let trace = read(record(kind: 4), [UInt8](repeating: 0, count: 64), record(kind: 4, first: "/after"))
        #expect(trace.texts(.open) == ["/a", "/after"])
        #expect(trace.isBroken)
    }

    @Test("a record that was begun and not finished is noticed")
    func begun() {
        #expect(read(record(kind: 4, state: 0x4C42)).isBroken)
    }

    @Test("lengths and kinds that can't be are noticed", arguments: [UInt32(0), 8, 44, 4096, .max])
    func lengths(_ number: UInt32) {
        #expect(read(record(kind: 4, size: number)).isBroken)
        if number > 8 { #expect(read(record(kind: 4, claim: number)).isBroken) }
        #expect(read(record(kind: 999)).isBroken)
    }

    @Test("any bytes at all are read and judged without a trap")
    func anything() throws {
        let scene = try Scene()
        try scene.write("lib.rs", "")
        let seen = try scene.observe(
            "\(Scene.sysroot)/bin/rustc",
            ["lib.rs", "--crate-type", "lib", "--emit=metadata", "--out-dir", scene.path("out")]
        )
        let whole = seen.trace.records.flatMap { record in
            self.record(kind: record.kind.rawValue, first: String(decoding: record.first, as: UTF8.self))
        }
        var random = SystemRandomNumberGenerator()
        for _ in 0..<30 {
            var bytes = whole
            for _ in 0..<100 {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            var rules = ObservationRules()
            rules.rootProcess = 2
            _ = Observation(Trace(ByteFields(bytes), start: 0, hasOverflowed: false), rules)
        }
        // One that had no word damaged at all would have been read whole.
        #expect(Trace(ByteFields(whole), start: 0, hasOverflowed: false).records.count == seen.trace.records.count)
    }

    @Test("a shared object that can't be understood may name anything")
    func sharedObject() throws {
        let scene = try Scene()
        #expect(SharedObject.names("environ", in: try scene.write("text", "no ELF")))
        #expect(SharedObject.names("environ", in: scene.path("missing")))
        #expect(SharedObject.names("environ", in: "/usr/bin/ld.gold"))
        #expect(!SharedObject.names("larder_no_such_symbol", in: "/bin/sh"))
    }
}
