import Digest
import Platform
import ServerSupport
import Store
import Testing

@testable import Bundle

/// The wire form: what was put in comes out, and nothing else ever does.
@Suite struct BundleTests {
    private let folder: TemporaryFolder
    private let id = Digest(of: "result".utf8)

    init() throws { folder = try TemporaryFolder() }

    private func store(_ name: String) throws -> Store { try Store(in: folder.appending(name)) }

    /// A result in the store `name`, with blobs of these contents.
    private func put(_ contents: [[UInt8]], in name: String, path: String = "{target}/lib") throws -> Outcome {
        let store = try store(name)
        var outputs: [Outcome.Output] = []
        for (index, bytes) in contents.enumerated() {
            let file = folder.appending("content")
            try Files.replace(file, with: bytes)
            let stored = try store.keep(file)
            let kept = try #require(stored)
            outputs.append(
                Outcome.Output(
                    path: "\(path)\(index)",
                    isExecutable: index % 2 == 0,
                    size: UInt64(bytes.count),
                    content: .blob(kept.digest)
                )
            )
        }
        outputs.append(
            Outcome.Output(path: "{target}/a.d", isExecutable: false, size: 4, content: .text(Array("a: b".utf8)))
        )
        let outcome = Outcome(
            exitCode: 0,
            standardOutput: [],
            standardError: Array("warning".utf8),
            duration: 5,
            outputs: outputs
        )
        try store.put(outcome, as: id)
        return outcome
    }

    private static func noise(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8.random(in: 0...255) } }

    @Test func `a result comes out as it went in, empty, plain, repeated and packed parts alike`() throws {
        let contents: [[UInt8]] = [
            [], [1], Self.noise(3_000_000), Array(repeating: 7, count: 5_000_000), Array(repeating: 8, count: 8 << 20),
            Array(repeatElement(Self.noise(1000), count: 20_000).joined()),
            Array(repeatElement(Array("compressible text ".utf8), count: 50_000).joined()), [1],
        ]
        let outcome = try put(contents, in: "from")
        let bytes = try encode(outcome)
        var target = try store("to")
        try Bundle.keep(bytes, id: id, in: target)
        // As it came, then unpacked into blobs.
        for isPacked in [true, false] {
            #expect(Store.packed(in: target.folder) == (isPacked ? [id] : []))
            let result = target.result(id)
            let found = try #require(result)
            #expect(found.encoded == outcome.encoded)
            for (output, content) in zip(found.outputs, contents) {
                guard case .blob(let digest) = output.content else { continue }
                let path = folder.appending("restored")
                try target.restore(digest, of: id, size: output.size, to: path, isExecutable: output.isExecutable)
                #expect(try Files.read(path) == content)
                #expect(target.hasBlob(digest, size: output.size) == !isPacked)
            }
            try target.unpack(id)
        }
        // What came from one shared cache can go to another.
        let again = try Bundle.encode(outcome, id: id, from: &target, level: 3)
        #expect(again == bytes)
    }

    @Test func `a result that is still packed is published whole`() throws {
        let outcome = try put([Array(repeating: 3, count: 20_000_000), Self.noise(10)], in: "from")
        let bytes = try encode(outcome)
        var target = try store("to")
        try Bundle.keep(bytes, id: id, in: target)
        let again = try Bundle.encode(outcome, id: id, from: &target, level: 3)
        #expect(again == bytes)
    }

    /// The bundle of a result in the store `from`.
    private func encode(_ outcome: Outcome) throws -> [UInt8] {
        var store = try store("from")
        return try Bundle.encode(outcome, id: id, from: &store, level: 3)
    }

    @Test func `a manifest comes out as it went in`() throws {
        let key = Digest(of: "unit".utf8)
        let manifest = Manifest(entries: [
            Manifest.Entry(result: id, inputs: [Input(.file, "{cwd}/src/lib.rs", Digest(of: "a".utf8))])
        ])
        let bytes = try Bundle.encode(manifest, key: key, level: 3)
        #expect(try Bundle.manifest(bytes, key: key).encoded == manifest.encoded)
        #expect(throws: Bundle.Refused.self) { try Bundle.manifest(bytes, key: id) }
        #expect(throws: Bundle.Refused.self) { try Bundle.keep(bytes, id: key, in: try store("to")) }
    }

    @Test func `a bundle with any one bit flipped, or cut anywhere, gives the right result or none`() throws {
        let outcome = try put([Self.noise(200), Array(repeating: 1, count: 3000)], in: "from")
        let bytes = try encode(outcome)
        let target = try store("to")
        var accepted = 0
        for place in bytes.indices {
            var damaged = bytes
            damaged[place] ^= 1 << UInt8(place % 8)
            if (try? Bundle.keep(damaged, id: id, in: target)) != nil { accepted += 1 }
        }
        #expect(accepted == 0)
        for count in bytes.indices {
            #expect(throws: Bundle.Refused.self, "\(count) bytes") {
                try Bundle.keep(Array(bytes.prefix(count)), id: id, in: try store("to"))
            }
        }
        #expect(throws: Bundle.Refused.self) { try Bundle.keep(bytes + [0], id: id, in: try store("to")) }
        #expect(throws: Bundle.Refused.self) {
            try Bundle.keep(bytes, id: Digest(of: "another".utf8), in: try store("to"))
        }
        let hasResult = target.hasResult(id)
        #expect(!hasResult)
        #expect(Store.packed(in: folder.appending("to")) == [])
    }

    @Test func `random bytes are refused`() throws {
        for _ in 0..<300 {
            var bytes = Self.noise(Int.random(in: 0...300))
            // Past the first checks, too.
            let head = Bundle.magic + [Bundle.Kind.result.rawValue, Bundle.version] + id.bytes
            if Bool.random() { bytes = head + bytes }
            #expect(throws: Bundle.Refused.self) { try Bundle.keep(bytes, id: id, in: try store("to")) }
        }
    }

    /// A bundle whose head says this of its parts.
    private func forged(_ parts: [Bundle.Part], _ data: [UInt8]) -> [UInt8] {
        Bundle.Head.encoded(.result, name: id, parts) + data
    }

    private func refuses(_ bytes: [UInt8], _ comment: Comment? = nil) {
        #expect(throws: Bundle.Refused.self, comment) { try Bundle.keep(bytes, id: id, in: try store("to")) }
    }

    @Test func `a part that claims more than it packs, or unpacks to more than it claims, is refused`() throws {
        let text = Array("some text, some text, some text, some text, some text".utf8)
        var packer = try Packer(level: 3)
        try packer.add(text)
        let honest = packer.parts[0]
        let data = packer.data
        let ratio = Bundle.Limits.ratio
        for size in [0, 1, honest.size - 1, honest.size + 1, honest.packed * (ratio + 1), 1 << 40, .max / 2] {
            let piece = Bundle.Piece.zstd(size: size, packed: honest.packed)
            refuses(forged([Bundle.Part(digest: honest.digest, sum: honest.sum, pieces: [piece])], data), "\(size)")
        }
        let empty = Bundle.Part(digest: Digest(of: []), sum: Digest(of: []), pieces: [])
        refuses(forged([honest] + Array(repeating: empty, count: Bundle.Limits.parts), data))
        refuses(forged([], []))
    }

    @Test func `a part made of one that is not there, or of itself, or of a record, is refused`() throws {
        let outcome = try put([[1, 2, 3, 4], [5, 6, 7, 8]], in: "from")
        var packer = try Packer(level: 3)
        try packer.add(outcome.encoded)
        try packer.add([1, 2, 3, 4])
        let sum = Digest(of: [])
        let digest = Digest(of: [5, 6, 7, 8])
        for number in [-1, 0, 2, 3, 4000] {
            let part = Bundle.Part(digest: digest, sum: sum, pieces: [.part(number, size: 4)])
            refuses(forged(packer.parts + [part], packer.data), "\(number)")
        }
        // What it leads to is no longer than it says, and is not made of another itself.
        let long = Bundle.Part(digest: digest, sum: sum, pieces: [.part(1, size: 5)])
        refuses(forged(packer.parts + [long], packer.data))
        let one = Bundle.Part(digest: Digest(of: [1, 2, 3, 4]), sum: sum, pieces: [.part(2, size: 4)])
        let other = Bundle.Part(digest: digest, sum: sum, pieces: [.part(1, size: 4)])
        let record = packer.data.prefix(packer.parts[0].packed)
        refuses(forged([packer.parts[0], one, other], Array(record)))
        let itself = Bundle.Part(
            digest: packer.parts[0].digest,
            sum: sum,
            pieces: [.part(0, size: packer.parts[0].size)]
        )
        refuses(forged([itself], []))
    }

    /// Bytes that can be packed.
    private static func pattern(_ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: $0 >> 9 ^ $0 & 7) }
    }

    /// An rlib as rustc makes it: its metadata somewhere in it.
    private func library(_ metadata: [UInt8], before: Int, after: Int) throws -> (Outcome, [[UInt8]]) {
        let contents = [metadata, Self.noise(before) + metadata + Self.pattern(after)]
        let store = try store("from")
        let outputs = try zip(contents, ["{target}/liba.rmeta", "{target}/liba.rlib"]).map { content, path in
            let file = folder.appending("output")
            try Files.replace(file, with: content)
            let kept = try #require(try store.keep(file))
            return Outcome.Output(
                path: path,
                isExecutable: false,
                size: UInt64(content.count),
                content: .blob(kept.digest)
            )
        }
        let outcome = Outcome(exitCode: 0, standardOutput: [], standardError: [], duration: 1, outputs: outputs)
        _ = try store.put(outcome, as: id)
        return (outcome, contents)
    }

    @Test(arguments: [(64, 0, 0), (5000, 0, 10), (70_000, 1 << 20, 0), (1_500_000, 1_048_500, 9_000_000)])
    func `what an rlib holds of the rmeta beside it goes over the network once`(
        metadata: Int,
        before: Int,
        after: Int
    ) throws {
        let (outcome, contents) = try library(Self.noise(metadata), before: before, after: after)
        let bytes = try encode(outcome)
        let overhead = after / 10 + 3000
        #expect(bytes.count < metadata + before + overhead)
        // Whichever of them is put back first.
        for order in [[0, 1], [1, 0]] {
            Files.removeTree(folder.appending("to"))
            var target = try store("to")
            try Bundle.keep(bytes, id: id, in: target)
            for index in order {
                guard case .blob(let digest) = outcome.outputs[index].content else { continue }
                let path = folder.appending("restored")
                let size = UInt64(contents[index].count)
                try target.restore(digest, of: id, size: size, to: path, isExecutable: false)
                #expect(try Files.read(path) == contents[index])
            }
            try target.unpack(id)
            #expect(target.damaged == [])
            let hasResult = target.hasResult(id)
            #expect(hasResult)
            #expect(try Bundle.encode(outcome, id: id, from: &target, level: 3) == bytes)
        }
    }

    @Test func `an rlib whose metadata is only like the rmeta is packed whole`() throws {
        var metadata = Self.noise(10_000)
        let (_, contents) = try library(metadata, before: 100, after: 100)
        metadata[9999] ^= 1
        let file = folder.appending("output")
        try Files.replace(file, with: metadata)
        try Files.replace(folder.appending("rlib"), with: contents[1])
        #expect(FileSearch.offset(of: file, metadata.count, in: folder.appending("rlib"), contents[1].count) == nil)
        metadata[9999] ^= 1
        try Files.replace(file, with: metadata)
        #expect(FileSearch.offset(of: file, metadata.count, in: folder.appending("rlib"), contents[1].count) == 100)
    }

    @Test func `a bundle that comes in pieces from two sides is kept as one that comes at once`() throws {
        let outcome = try put([Self.noise(5000), Array(repeating: 1, count: 3000)], in: "from")
        let bytes = try encode(outcome)
        var target = try store("to")
        let incoming = try IncomingPack(of: id, in: target)
        let half = bytes.count / 2
        for range in [half..<bytes.count, 0..<half] {
            let isTaken = bytes[range].withUnsafeBytes { incoming.write($0, at: range.lowerBound) }
            #expect(isTaken)
        }
        try Bundle.keep(incoming, id: id, in: target)
        #expect(try Files.read(target.path("packs", id)) == bytes)
        let kept = target.result(id)
        #expect(kept?.encoded == outcome.encoded)

        // One that does not come whole leaves nothing.
        try target.clear(log: false)
        do {
            let incoming = try IncomingPack(of: id, in: target)
            _ = bytes[..<half].withUnsafeBytes { incoming.write($0, at: 0) }
            #expect(throws: Bundle.Refused.self) { try Bundle.keep(incoming, id: id, in: target) }
        }
        let packs = target.path("packs", id)
        #expect(try Files.list(Files.folder(of: packs)) == [])
    }

    @Test func `outputs that would land outside are refused`() throws {
        for path in ["/etc/passwd", "{target}/../../x", "..", "", "{home}/a/../.ssh/keys", "{target}/a\u{0}b"] {
            let outcome = Outcome(
                exitCode: 0,
                standardOutput: [],
                standardError: [],
                duration: 1,
                outputs: [Outcome.Output(path: path, isExecutable: false, size: 1, content: .text([1]))]
            )
            let bytes = try encode(outcome)
            #expect(throws: Bundle.Refused.self, "\(path)") { try Bundle.keep(bytes, id: id, in: try store("to")) }
        }
    }

    @Test func `blobs other than those the record names are refused`() throws {
        let outcome = try put([[1, 2, 3], [4, 5, 6]], in: "from")
        var packer = try Packer(level: 3)
        try packer.add(outcome.encoded)
        try packer.add([1, 2, 3])
        #expect(throws: Bundle.Refused.self) {
            try Bundle.keep(forged(packer.parts, packer.data), id: id, in: try store("to"))
        }
        try packer.add([9, 9, 9])
        #expect(throws: Bundle.Refused.self) {
            try Bundle.keep(forged(packer.parts, packer.data), id: id, in: try store("to"))
        }
    }

    @Test func `a blob damaged on disk is not published`() throws {
        let outcome = try put([Self.noise(5000)], in: "from")
        let store = try store("from")
        guard case .blob(let digest) = outcome.outputs[0].content else { return }
        try Files.replace(store.path("blobs", digest), with: Self.noise(5000))
        #expect(throws: Bundle.Refused.self) { try encode(outcome) }
    }
}
