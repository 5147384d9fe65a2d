import Digest
import Foundation
import Platform
import Store
import Testing

@Suite struct BlobTests {
    private let content = [UInt8]((0..<70_000).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ ($0 >> 7)) })

    /// Puts a blob of no program back.
    private func restore(
        _ blob: Digest,
        size: UInt64,
        to path: String,
        _ store: inout Store
    ) throws(Store.RestoreFailure) {
        try store.restore(blob, of: Sample.digest, size: size, to: path, isExecutable: false)
    }

    @Test func `a kept file is put back as it was`() throws {
        let workspace = try Workspace()
        var store = try workspace.store()
        let source = try workspace.write("liba.rlib", content)
        let kept = try #require(try store.keep(source))
        #expect(kept.digest == Digest(of: content))
        let target = workspace.path + "/back"
        try restore(kept.digest, size: kept.stamp.size, to: target, &store)
        #expect(try Files.read(target) == content)
        #expect(FileStamp(of: target)?.isExecutable == false)
        #expect(FileStamp(of: target)?.inode != FileStamp(of: store.path("blobs", kept.digest))?.inode)
    }

    @Test func `a restored program keeps its execute bit`() throws {
        let workspace = try Workspace()
        var store = try workspace.store()
        let kept = try #require(try store.keep(try workspace.write("tool", content)))
        let target = workspace.path + "/back"
        try store.restore(kept.digest, of: Sample.digest, size: kept.stamp.size, to: target, isExecutable: true)
        #expect(FileStamp(of: target)?.isExecutable == true)
    }

    @Test func `restoring replaces what is in the way`() throws {
        let workspace = try Workspace()
        var store = try workspace.store()
        let kept = try #require(try store.keep(try workspace.write("a", content)))
        let target = try workspace.write("back", Array("something older".utf8))
        try restore(kept.digest, size: kept.stamp.size, to: target, &store)
        #expect(try Files.read(target) == content)
    }

    @Test func `an empty file is kept and put back`() throws {
        let workspace = try Workspace()
        var store = try workspace.store()
        let kept = try #require(try store.keep(try workspace.write("empty", [])))
        try restore(kept.digest, size: 0, to: workspace.path + "/back", &store)
        #expect(try Files.read(workspace.path + "/back") == [])
    }

    @Test func `a flipped byte in a blob is found and the blob goes`() throws {
        let workspace = try Workspace()
        var store = try workspace.store()
        let kept = try #require(try store.keep(try workspace.write("a", content)))
        let blob = store.path("blobs", kept.digest)
        var damaged = content
        damaged[40_000] ^= 1
        try Data(damaged).write(to: URL(fileURLWithPath: blob))
        let target = workspace.path + "/back"
        #expect(throws: Store.RestoreFailure.self) {
            try restore(kept.digest, size: kept.stamp.size, to: target, &store)
        }
        #expect(FileStamp(of: target) == nil)
        #expect(FileStamp(of: blob) == nil)
        #expect(store.damaged == [blob])
    }

    @Test func `a truncated blob is found and the blob goes`() throws {
        let workspace = try Workspace()
        var store = try workspace.store()
        let kept = try #require(try store.keep(try workspace.write("a", content)))
        let blob = store.path("blobs", kept.digest)
        try Data(content.prefix(1000)).write(to: URL(fileURLWithPath: blob))
        #expect(throws: Store.RestoreFailure.self) {
            try restore(kept.digest, size: kept.stamp.size, to: workspace.path + "/back", &store)
        }
        #expect(FileStamp(of: blob) == nil)
        // The next compile's output takes its place.
        _ = try store.keep(try workspace.write("again", content))
        try restore(kept.digest, size: kept.stamp.size, to: workspace.path + "/back", &store)
        #expect(try Files.read(workspace.path + "/back") == content)
    }

    @Test func `a blob that is gone is lost and not damaged`() throws {
        let workspace = try Workspace()
        var store = try workspace.store()
        #expect(throws: Store.RestoreFailure.self) {
            try restore(Sample.digest, size: 3, to: workspace.path + "/back", &store)
        }
        #expect(store.damaged == [])
    }

    @Test func `a target that can't be written says so and leaves nothing`() throws {
        let workspace = try Workspace()
        var store = try workspace.store()
        let kept = try #require(try store.keep(try workspace.write("a", content)))
        do {
            try restore(kept.digest, size: kept.stamp.size, to: workspace.path + "/no/such/a", &store)
            Issue.record("it was restored into a folder that is not there")
        } catch {
            guard case .target(let cause) = error else {
                Issue.record("\(error)")
                return
            }
            #expect(cause.isMissing)
        }
        #expect(FileStamp(of: store.path("blobs", kept.digest)) != nil)
    }

    @Test func `a damaged manifest or result is a miss, counted, and replaced`() throws {
        let workspace = try Workspace()
        var store = try workspace.store()
        try store.put(Sample.outcome, as: Sample.digest)
        let entry = Manifest.Entry(result: Sample.digest, inputs: [])
        try store.add(entry, to: Sample.digest)
        for kind in ["manifests", "results"] {
            try Data("LARDER rubbish".utf8).write(to: URL(fileURLWithPath: store.path(kind, Sample.digest)))
        }
        #expect(store.manifest(Sample.digest) == nil)
        #expect(store.result(Sample.digest) == nil)
        #expect(store.damaged.count == 2)
        try store.put(Sample.outcome, as: Sample.digest)
        try store.add(entry, to: Sample.digest)
        #expect(store.result(Sample.digest)?.encoded == Sample.outcome.encoded)
        #expect(store.manifest(Sample.digest)?.entries.count == 1)
    }

    @Test func `many writers and readers at once put back what was kept`() async throws {
        let workspace = try Workspace()
        _ = try workspace.store()
        let size = 20_000
        await withTaskGroup(of: String?.self) { group in
            for worker in 0..<4 {
                group.addTask {
                    do {
                        var store = try workspace.store()
                        for round in 0..<40 {
                            // The same eight contents from all: they meet in the same blobs.
                            let bytes = [UInt8](repeating: UInt8(round % 8), count: size)
                            let source = try workspace.write("in-\(worker)-\(round)", bytes)
                            guard let kept = try store.keep(source) else { return "\(source) changed" }
                            let id = Digest(of: "\(round % 8)".utf8)
                            let output = Outcome.Output(
                                path: "a",
                                isExecutable: false,
                                size: UInt64(size),
                                content: .blob(kept.digest)
                            )
                            try store.put(
                                Outcome(
                                    exitCode: 0,
                                    standardOutput: [],
                                    standardError: [],
                                    duration: 1,
                                    outputs: [output]
                                ),
                                as: id
                            )
                            try store.add(Manifest.Entry(result: id, inputs: []), to: id)
                            guard let outcome = store.result(id), case .blob(let blob)? = outcome.outputs.first?.content
                            else { return "result \(round % 8) is missing" }
                            let target = "\(workspace.path)/out-\(worker)-\(round)"
                            try store.restore(
                                blob,
                                of: Sample.digest,
                                size: UInt64(size),
                                to: target,
                                isExecutable: false
                            )
                            guard try Files.read(target) == bytes else { return "\(target) is wrong" }
                        }
                        return store.damaged.isEmpty ? nil : "damage: \(store.damaged)"
                    } catch { return "\(error)" }
                }
            }
            for await failure in group { #expect(failure == nil) }
        }
    }
}
