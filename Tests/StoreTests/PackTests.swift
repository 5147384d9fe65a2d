import Compression
import Digest
import Foundation
import Platform
import Testing

@testable import Store

/// Blobs of a result as they came over the network.
@Suite struct PackTests {
    private let workspace: Workspace
    private let id = Digest(of: "result".utf8)
    private let contents: [[UInt8]] = [
        Array(repeatElement(Array("words and words ".utf8), count: 2000).joined()), [UInt8](0...255), [],
    ]

    init() throws { workspace = try Workspace() }

    /// Puts a pack of `contents` into the store: the first part as two frames, the others as they are.
    private func fill(_ store: borrowing Store) throws {
        let compressor = try Compressor(level: 3)
        var data: [UInt8] = []
        let half = contents[0].count / 2
        for piece in [contents[0][..<half], contents[0][half...]] {
            compressor.begin(size: piece.count)
            try piece.withUnsafeBytes { try compressor.compress($0, isLast: true, into: &data) }
        }
        let frames = try #require(data.withUnsafeBytes { Decompressor.frames(in: $0) })
        #expect(frames.count == 2)
        var parts = [Pack.Part(digest: Digest(of: contents[0]), size: contents[0].count, frames: frames)]
        for content in contents.dropFirst() {
            parts.append(Pack.Part(digest: Digest(of: content), size: content.count, frames: []))
            data += content
        }
        try data.withUnsafeBytes { try store.keep(parts, data: $0, of: id) }
    }

    private func path(_ store: borrowing Store) -> String { store.path("packs", id) }

    private func restore(_ store: inout Store, _ content: [UInt8]) throws -> [UInt8] {
        let target = workspace.path + "/back"
        try store.restore(
            Digest(of: content),
            of: id,
            size: UInt64(content.count),
            to: target,
            isExecutable: false
        )
        return try Files.read(target)
    }

    @Test func `each blob is unpacked to where it goes`() throws {
        var store = try workspace.store()
        try fill(store)
        for content in contents { #expect(try restore(&store, content) == content) }
        #expect(store.damaged.isEmpty)
        // Of another result it is not known.
        let target = workspace.path + "/elsewhere"
        #expect(throws: Store.RestoreFailure.self) {
            try store.restore(Digest(of: contents[1]), of: Sample.digest, size: 256, to: target, isExecutable: false)
        }
    }

    @Test func `unpacked, the blobs are like any others and the pack is gone`() throws {
        var store = try workspace.store()
        try fill(store)
        let packed = store.size
        try store.unpack(id)
        #expect(Store.packed(in: store.folder).isEmpty)
        let whole = UInt64(contents.reduce(0) { $0 + $1.count })
        #expect(packed < whole)
        #expect(store.size == whole)
        for content in contents {
            let isBlob = store.hasBlob(Digest(of: content), size: UInt64(content.count))
            #expect(isBlob)
            #expect(try restore(&store, content) == content)
        }
        try store.unpack(id)
        #expect(store.damaged.isEmpty)
    }

    @Test func `a pack with any byte flipped, or cut anywhere, gives the right content or none`() throws {
        let store = try workspace.store()
        try fill(store)
        let whole = try Files.read(path(store))
        var refused = 0
        for place in whole.indices {
            var damaged = whole
            damaged[place] ^= 1 << UInt8(place % 8)
            try Files.replace(path(store), with: damaged)
            // Opened anew, as another process does.
            var store = try workspace.store()
            for content in contents {
                do { #expect(try restore(&store, content) == content) } catch { refused += 1 }
            }
            // Nor does it become a blob.
            try Files.replace(path(store), with: damaged)
            try store.unpack(id)
            for content in contents where store.hasBlob(Digest(of: content), size: UInt64(content.count)) {
                #expect(try Files.read(store.path("blobs", Digest(of: content))) == content)
            }
            try store.clear(log: false)
        }
        #expect(refused >= whole.count - 10)
        for count in stride(from: 0, to: whole.count, by: 7) {
            try Files.replace(path(store), with: Array(whole.prefix(count)))
            var store = try workspace.store()
            #expect(throws: Store.RestoreFailure.self) { try restore(&store, contents[0]) }
            // What is damaged is gone, so that it is fetched anew.
            #expect(FileStamp(of: path(store)) == nil)
            #expect(store.damaged == [path(store)])
        }
    }

    @Test func `bytes that changed since they were checked are found by the frame's own checksum`() throws {
        var store = try workspace.store()
        try fill(store)
        let whole = try Files.read(path(store))
        let file = try Descriptor(opening: path(store), O_RDWR)
        let before = try #require(FileStamp(of: file.number))
        // In the first frame's data, behind the checks of opening.
        let place = whole.count - 256 - 60
        try [whole[place] ^ 0xFF].withUnsafeBytes { try Files.write($0, to: file.number, at: UInt64(place), path: "") }
        // As a disk would change it: with no trace in what `stat` says.
        let after = try #require(FileStamp(of: file.number))
        store.memo.remember(id, for: after, salt: store.bootSalt)
        #expect(after != before)
        #expect(throws: Store.RestoreFailure.self) { try restore(&store, contents[0]) }
        #expect(store.damaged == [path(store)])
    }

    @Test func `trimming takes a pack along with its result, and one that has none once it is old`() throws {
        let store = try workspace.store()
        try fill(store)
        let outcome = Outcome(
            exitCode: 0,
            standardOutput: [],
            standardError: [],
            duration: 1,
            outputs: contents.enumerated().map { index, content in
                Outcome.Output(
                    path: "{target}/\(index)",
                    isExecutable: false,
                    size: UInt64(content.count),
                    content: .blob(Digest(of: content))
                )
            }
        )
        // Young, it may belong to a result that is yet to come.
        _ = try Trim.run(store, limit: 1 << 30)
        #expect(Store.packed(in: store.folder) == [id])
        try store.put(outcome, as: id)
        let ran = try Trim.run(store, limit: 1 << 30)
        let report = try #require(ran)
        let bytes = (FileStamp(of: path(store))?.size ?? 0) + (FileStamp(of: store.path("results", id))?.size ?? 0)
        #expect(report.before == bytes)
        #expect(report.after == bytes)
        #expect(store.size == bytes)
        _ = try Trim.run(store, limit: 0)
        #expect(Store.packed(in: store.folder).isEmpty)
        #expect(store.size == 0)

        try fill(store)
        _ = try Trim.run(store, limit: 1 << 30, now: fileClockNow() + 3_600_000_000_000)
        #expect(Store.packed(in: store.folder).isEmpty)
    }
}
