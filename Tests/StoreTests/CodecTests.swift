import Digest
import Store
import Testing

@Suite struct CodecTests {
    @Test func `a manifest comes back as it was written`() throws {
        let back = try Manifest(Sample.manifest.encoded)
        #expect(back.entries.map(\.result) == Sample.manifest.entries.map(\.result))
        #expect(back.entries.map(\.inputs) == Sample.manifest.entries.map(\.inputs))
    }

    @Test func `a result comes back as it was written`() throws {
        let back = try Outcome(Sample.outcome.encoded)
        #expect(back.exitCode == 3)
        #expect(back.standardOutput == Sample.outcome.standardOutput)
        #expect(back.standardError == [0, 0xFF, 0x80])
        #expect(back.duration == 1_234_567)
        #expect(back.outputs.map(\.path) == Sample.outcome.outputs.map(\.path))
        #expect(back.outputs.map(\.isExecutable) == [false, true, false])
        #expect(back.outputs.map(\.size) == [300, 7, 4])
        #expect(back.blobs == Sample.outcome.blobs)
        #expect(back.encoded == Sample.outcome.encoded)
    }

    @Test func `every flipped bit of a manifest or a result is damage`() {
        var survivors: [String] = []
        for (bytes, isManifest) in [(Sample.manifest.encoded, true), (Sample.outcome.encoded, false)] {
            for index in bytes.indices {
                for bit in 0..<8 {
                    var damaged = bytes
                    damaged[index] ^= 1 << UInt8(bit)
                    if isRead(damaged, isManifest) { survivors.append("byte \(index), bit \(bit)") }
                }
            }
        }
        #expect(survivors == [])
    }

    private func isRead(_ bytes: [UInt8], _ isManifest: Bool) -> Bool {
        isManifest ? (try? Manifest(bytes)) != nil : (try? Outcome(bytes)) != nil
    }

    @Test func `every truncation and every addition is damage`() {
        for (bytes, isManifest) in [(Sample.manifest.encoded, true), (Sample.outcome.encoded, false)] {
            #expect(isRead(bytes, isManifest))
            let survivors = (0..<bytes.count).filter { isRead(Array(bytes.prefix($0)), isManifest) }
            #expect(survivors == [])
            #expect(!isRead(bytes + [0], isManifest))
        }
    }

    /// The check protects against accidents, not against someone who computes it anew: foreign numbers must do no harm.
    @Test func `numbers beyond all bounds under a right check are damage`() {
        var generator = SystemRandomNumberGenerator()
        for round in 0..<3000 {
            let original = round % 2 == 0 ? Sample.manifest.encoded : Sample.outcome.encoded
            var body = Array(original.dropLast(Digest.size))
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                let index = Int.random(in: 8..<body.count, using: &generator)
                body[index] = [0xFF, 0x80, 0, .random(in: 0...255, using: &generator)].randomElement() ?? 0
            }
            let bytes = body + Digest(of: body).bytes
            // Damaged or not, it is read without a trap.
            if round % 2 == 0 { _ = try? Manifest(bytes) } else { _ = try? Outcome(bytes) }
        }
        for number: [UInt8] in [
            [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01],
            [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F],
            [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80],
        ] {
            let body = Array(Sample.manifest.encoded.prefix(8)) + number
            #expect(throws: Codec.Damaged.self) { _ = try Manifest(body + Digest(of: body).bytes) }
        }
    }

    @Test func `one kind of file is not read as another`() {
        #expect(throws: Codec.Damaged.self) { _ = try Outcome(Sample.manifest.encoded) }
        #expect(throws: Codec.Damaged.self) { _ = try Manifest(Sample.outcome.encoded) }
    }

    @Test func `an entry of another version is not read`() {
        var body = Array(Sample.manifest.encoded.dropLast(Digest.size))
        body[7] = Codec.version + 1
        #expect(throws: Codec.Damaged.self) { _ = try Manifest(body + Digest(of: body).bytes) }
    }

    @Test func `a manifest keeps the newest entries up to its limit`() {
        var manifest = Manifest()
        for index in 0..<(Manifest.mostEntries + 5) {
            manifest.add(Manifest.Entry(result: Digest(of: "\(index)".utf8), inputs: []))
        }
        #expect(manifest.entries.count == Manifest.mostEntries)
        #expect(manifest.entries.first?.result == Digest(of: "\(Manifest.mostEntries + 4)".utf8))
        #expect(!manifest.entries.contains { $0.result == Digest(of: "0".utf8) })
    }
}
