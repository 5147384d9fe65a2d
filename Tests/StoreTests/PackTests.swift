import Compression
import Digest
import Foundation
import Platform
import Testing

import enum Store.Bundle

@testable import Store

/// Blobs of a result as they came over the network.
@Suite struct PackTests {
    private let workspace: Workspace
    private let id = Digest(of: "result".utf8)
    private let contents: [[UInt8]] = [
        (0..<4000).flatMap { Array("word \($0) ".utf8) } + [UInt8](0...255),
        [UInt8](0...255), [],
    ]

    init() throws { workspace = try Workspace() }

    /// The result of which `contents` are the outputs.
    private var outcome: Outcome {
        Outcome(
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
    }

    /// Puts a pack of the result into the store: its first output as two frames and what the second one is, the others as
    /// they are.
    private func fill(_ store: borrowing Store) throws {
        let compressor = try Compressor(level: 3)
        let record = outcome.encoded
        var data = record
        var parts = [Bundle.Part(digest: Digest(of: record), sum: Digest(of: record), pieces: [.plain(record.count)])]
        var pieces: [Bundle.Piece] = []
        let half = (contents[0].count - contents[1].count) / 2
        for piece in [contents[0][..<half], contents[0][half..<(2 * half)]] {
            let start = data.count
            compressor.begin(size: piece.count)
            try piece.withUnsafeBytes { try compressor.compress($0, isLast: true, into: &data) }
            pieces.append(.zstd(size: piece.count, packed: data.count - start))
        }
        pieces.append(.part(2, size: contents[1].count))
        parts.append(
            Bundle.Part(digest: Digest(of: contents[0]), sum: Digest(of: data[record.count...]), pieces: pieces)
        )
        for content in contents.dropFirst() {
            let digest = Digest(of: content)
            parts.append(
                Bundle.Part(digest: digest, sum: digest, pieces: content.isEmpty ? [] : [.plain(content.count)])
            )
            data += content
        }
        try store.keep(Bundle.Head.encoded(.result, name: id, parts) + data, of: id)
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
        #expect(store.size == whole + UInt64(outcome.encoded.count))
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

    @Test func `a pack that can't be opened for now stays, and what is fetched in place of a damaged one is used`()
        throws
    {
        var store = try workspace.store()
        try fill(store)
        let whole = try Files.read(path(store))
        // A link that leads nowhere is nothing that can be opened.
        rename(path(store), workspace.path + "/aside")
        symlink(path(store), path(store))
        let none = store.result(id)
        rename(workspace.path + "/aside", path(store))
        #expect(none == nil)
        #expect(store.damaged == [])
        #expect(try restore(&store, contents[0]) == contents[0])

        // Damaged behind its head, while this process has it open.
        var damaged = whole
        damaged[whole.count - 1] ^= 1
        try store.keep(damaged, of: id)
        _ = store.result(id)
        try store.memo.remember(Sample.digest, for: #require(FileStamp(of: path(store))), salt: store.bootSalt)
        #expect(throws: Store.RestoreFailure.self) { try restore(&store, contents[0]) }
        #expect(Store.packed(in: store.folder).isEmpty)
        try store.keep(whole, of: id)
        #expect(try restore(&store, contents[0]) == contents[0])
    }

    @Test func `using a pack is seen by trimming, and costs it no new check`() throws {
        var store = try workspace.store()
        try fill(store)
        let long = fileClockNow() / 1_000_000_000 - 3600
        var times = [timespec(tv_sec: Int(long), tv_nsec: 0), timespec(tv_sec: Int(long), tv_nsec: 0)]
        utimensat(AT_FDCWD, path(store), &times, 0)
        let old = try #require(FileStamp(of: path(store)))
        store.memo.remember(id, for: old, salt: store.bootSalt)
        let found = store.result(id)
        #expect(found != nil)
        let new = try #require(FileStamp(of: path(store)))
        #expect(new.modified > old.modified)
        #expect(store.memo.digest(for: new, salt: store.bootSalt) == id)
    }

    @Test func `a packed result is a result, of which trimming takes the one that was used longest ago`() throws {
        var store = try workspace.store()
        try fill(store)
        let known = store.result(id)
        #expect(known?.encoded == outcome.encoded)
        let hasResult = store.hasResult(id)
        #expect(hasResult)
        let manifest = Manifest.Entry(result: id, inputs: [])
        try store.add(manifest, to: Sample.digest)
        // However old it is: whoever is to unpack it may not have got to it.
        var ran = try Trim.run(store, limit: 1 << 30, now: fileClockNow() + 3_600_000_000_000)
        #expect(Store.packed(in: store.folder) == [id])
        let bytes = (FileStamp(of: path(store))?.size ?? 0)
        let other = FileStamp(of: store.path("manifests", Sample.digest))?.size ?? 0
        var report = try #require(ran)
        #expect(report.before == bytes + other)
        #expect(report.after == bytes + other)
        #expect(report.entries == 0)
        #expect(store.size == bytes + other)

        ran = try Trim.run(store, limit: 0)
        report = try #require(ran)
        #expect(report.results == 1)
        #expect(report.entries == 1)
        #expect(Store.packed(in: store.folder).isEmpty)
        #expect(store.size == 0)
    }

    @Test func `a pack that was left behind beside its result goes with it`() throws {
        var store = try workspace.store()
        try fill(store)
        let pack = try Files.read(path(store))
        try store.unpack(id)
        try store.keep(pack, of: id)
        let ran = try Trim.run(store, limit: 1 << 30)
        let report = try #require(ran)
        #expect(report.before == store.size)
        #expect(Store.packed(in: store.folder) == [id])
        _ = try Trim.run(store, limit: 0)
        #expect(Store.packed(in: store.folder).isEmpty)
        let hasResult = store.hasResult(id)
        #expect(!hasResult)
    }
}
