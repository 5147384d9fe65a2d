import Digest
import Foundation
import Platform
import Store
import Testing

@Suite struct TrimTests {
    /// Stores a result with one output; each content differs.
    private func fill(
        _ store: inout Store,
        _ workspace: Workspace,
        _ name: String,
        bytes: Int,
        shared: [UInt8]? = nil
    ) throws -> (id: Digest, blob: Digest) {
        let content = shared ?? Array(name.utf8) + [UInt8](repeating: 7, count: bytes - name.utf8.count)
        let source = try workspace.write("source-\(name)", content)
        let kept = try #require(try store.keep(source))
        let id = Digest(of: "result \(name)".utf8)
        let output = Outcome.Output(
            path: "{target}/\(name)",
            isExecutable: false,
            size: kept.stamp.size,
            content: .blob(kept.digest)
        )
        try store.put(
            Outcome(exitCode: 0, standardOutput: [], standardError: [], duration: 1, outputs: [output]),
            as: id
        )
        try store.add(Manifest.Entry(result: id, inputs: []), to: Digest(of: "unit \(name)".utf8))
        return (id, kept.digest)
    }

    private func exists(_ store: borrowing Store, _ kind: String, _ digest: Digest) -> Bool {
        FileStamp(of: store.path(kind, digest)) != nil
    }

    @Test func `the results used longest ago go, down to nine tenths`() throws {
        let workspace = try Workspace()
        var store = try workspace.store()
        var filled: [(id: Digest, blob: Digest)] = []
        for index in 0..<10 {
            filled.append(try fill(&store, workspace, "unit-\(index)", bytes: 100_000))
            // The later ones were used longer ago.
            try Workspace.age(store.path("results", filled[index].id), by: 1000 + index * 100)
        }
        let report = try #require(try Trim.run(store, limit: 1_000_000))
        #expect(report.before > 1_000_000)
        #expect(report.after <= 900_000)
        #expect(report.results == 2)
        #expect(report.blobs == 2)
        #expect(report.entries == 2)
        for (index, entry) in filled.enumerated() {
            #expect(exists(store, "results", entry.id) == (index < 8))
            #expect(exists(store, "blobs", entry.blob) == (index < 8))
        }
        #expect(store.manifest(Digest(of: "unit unit-0".utf8))?.entries.count == 1)
        #expect(exists(store, "manifests", Digest(of: "unit unit-9".utf8)) == false)
        #expect(store.size == report.after)
    }

    @Test func `no more goes than must where manifests are the larger part`() throws {
        let workspace = try Workspace()
        var store = try workspace.store()
        let inputs = (0..<500).map { Input(.file, "{cwd}/src/module-\($0).rs", Digest(of: "\($0)".utf8)) }
        for index in 0..<9 {
            let entry = try fill(&store, workspace, "unit-\(index)", bytes: 100)
            try store.add(Manifest.Entry(result: entry.id, inputs: inputs), to: Digest(of: "unit unit-\(index)".utf8))
            try Workspace.age(store.path("results", entry.id), by: 1000 + index)
        }
        let all = try #require(try Trim.run(store, limit: 1 << 30)).after
        let report = try #require(try Trim.run(store, limit: all - 1))
        #expect(report.results == 1)
        #expect(report.entries == 1)
        #expect(report.after <= all / 10 * 9)
    }

    @Test func `below its limit nothing goes`() throws {
        let workspace = try Workspace()
        var store = try workspace.store()
        let entry = try fill(&store, workspace, "a", bytes: 5000)
        let report = try #require(try Trim.run(store, limit: 1_000_000))
        #expect(report.results == 0)
        #expect(report.before == report.after)
        #expect(report.before > 5000)
        #expect(exists(store, "results", entry.id) == true)
    }

    @Test func `a blob stays as long as one result names it`() throws {
        let workspace = try Workspace()
        var store = try workspace.store()
        let shared = [UInt8](repeating: 3, count: 50_000)
        let old = try fill(&store, workspace, "old", bytes: 0, shared: shared)
        let new = try fill(&store, workspace, "new", bytes: 0, shared: shared)
        #expect(old.blob == new.blob)
        try Workspace.age(store.path("results", old.id), by: 5000)
        // Room for the blob and one result, but not for two.
        let report = try #require(try Trim.run(store, limit: 50_300))
        #expect(report.results >= 1)
        #expect(exists(store, "results", old.id) == false)
        #expect(exists(store, "blobs", new.blob) == exists(store, "results", new.id))
    }

    @Test func `trimming to nothing empties the cache`() throws {
        let workspace = try Workspace()
        var store = try workspace.store()
        for index in 0..<3 { _ = try fill(&store, workspace, "unit-\(index)", bytes: 1000) }
        let report = try #require(try Trim.run(store, limit: 0))
        #expect(report.after == 0)
        #expect(report.results == 3)
        #expect(report.blobs == 3)
        #expect(store.size == 0)
    }

    @Test func `a young blob that no result names stays, an old one goes`() throws {
        let workspace = try Workspace()
        var store = try workspace.store()
        let young = try #require(try store.keep(try workspace.write("young", Array("young".utf8))))
        _ = try fill(&store, workspace, "a", bytes: 1000)
        var report = try #require(try Trim.run(store, limit: 0))
        #expect(exists(store, "blobs", young.digest) == true)
        #expect(report.results == 1)
        // Eleven minutes later.
        report = try #require(try Trim.run(store, limit: 1 << 30, now: fileClockNow() + 660_000_000_000))
        #expect(exists(store, "blobs", young.digest) == false)
        #expect(report.blobs == 1)
    }

    @Test func `damaged and foreign files go and are counted`() throws {
        let workspace = try Workspace()
        var store = try workspace.store()
        let entry = try fill(&store, workspace, "a", bytes: 1000)
        try Data("rubbish".utf8).write(to: URL(fileURLWithPath: store.path("results", entry.id)))
        try Data("rubbish".utf8).write(
            to: URL(fileURLWithPath: store.path("manifests", Digest(of: "unit a".utf8)))
        )
        try Data("rubbish".utf8).write(to: URL(fileURLWithPath: workspace.cache + "/results/nothing of ours"))
        var other = Array(Sample.outcome.encoded.dropLast(Digest.size))
        other[7] = Codec.version + 1
        let newer = store.path("results", Sample.digest)
        try FileManager.default.createDirectory(
            atPath: Files.folder(of: newer),
            withIntermediateDirectories: true
        )
        try Data(other + Digest(of: other).bytes).write(to: URL(fileURLWithPath: newer))
        let report = try #require(try Trim.run(store, limit: 1 << 30))
        #expect(report.damaged == 4)
        #expect(FileStamp(of: newer) == nil)
        #expect(try Files.listNames(workspace.cache + "/results").allSatisfy { $0.utf8.count == 1 })
    }

    @Test func `what killed processes left behind goes after an hour`() throws {
        let workspace = try Workspace()
        let store = try workspace.store()
        let places = [
            "blobs/ab/.larder-1-2-3.tmp", "results/cd/.larder-1-2-4.tmp", ".larder-9-9-9.tmp", "tmp/1-2.trace",
        ]
        for place in places {
            let path = "\(workspace.cache)/\(place)"
            try Files.makeFolder(Files.folder(of: path))
            try Files.replace(path, with: [1, 2, 3])
        }
        var report = try #require(try Trim.run(store, limit: 0))
        #expect(report.leftovers == 0)
        #expect(report.damaged == 0)
        report = try #require(try Trim.run(store, limit: 0, now: fileClockNow() + 3_700_000_000_000))
        #expect(report.leftovers == places.count)
        for place in places { #expect(FileStamp(of: "\(workspace.cache)/\(place)") == nil) }
        #expect(FileStamp(of: workspace.cache + "/memo") != nil)
        #expect(FileStamp(of: workspace.cache + "/CACHEDIR.TAG") != nil)
    }

    @Test func `a trim is due over the limit`() throws {
        let workspace = try Workspace()
        var store = try workspace.store()
        _ = try fill(&store, workspace, "a", bytes: 10_000)
        #expect(Trim.isDue(store, limit: 5000) == true)
        #expect(Trim.isDue(store, limit: 50_000) == false)
        _ = try Trim.run(store, limit: 5000)
        #expect(Trim.isDue(store, limit: 5000) == false)
        _ = try fill(&store, workspace, "b", bytes: 10_000)
        #expect(Trim.isDue(store, limit: 5000) == true)
    }

    @Test func `a trim that could not free enough is not tried again at once`() throws {
        let workspace = try Workspace()
        let store = try workspace.store()
        _ = try store.keep(try workspace.write("young", [UInt8](repeating: 1, count: 10_000)))
        _ = try Trim.run(store, limit: 5000)
        #expect(store.size > 5000)
        #expect(Trim.isDue(store, limit: 5000) == false)
        try Workspace.age(workspace.cache + "/trim.lock", by: 120)
        #expect(Trim.isDue(store, limit: 5000) == true)
    }

    @Test func `builds go on while the cache is trimmed`() async throws {
        let workspace = try Workspace()
        _ = try workspace.store()
        await withTaskGroup(of: String?.self) { group in
            for worker in 0..<3 {
                group.addTask {
                    do {
                        var store = try workspace.store()
                        for round in 0..<60 {
                            let name = "\(worker)-\(round % 10)"
                            let id = Digest(of: "result \(name)".utf8)
                            let expected = Array(name.utf8) + [UInt8](repeating: 7, count: 20_000 - name.utf8.count)
                            if let outcome = store.result(id), case .blob(let blob)? = outcome.outputs.first?.content {
                                let target = "\(workspace.path)/out-\(worker)"
                                do {
                                    try store.restore(
                                        blob,
                                        of: Sample.digest,
                                        size: 20_000,
                                        to: target,
                                        isExecutable: false
                                    )
                                    guard try Files.read(target) == expected else { return "\(target) is wrong" }
                                    continue
                                } catch {
                                    // Trimmed under our hands: a miss.
                                    guard case Store.RestoreFailure.lost = error else { return "\(error)" }
                                }
                            }
                            _ = try fill(&store, workspace, name, bytes: 20_000)
                        }
                        return store.damaged.isEmpty ? nil : "damage: \(store.damaged)"
                    } catch { return "\(error)" }
                }
            }
            group.addTask {
                do {
                    let store = try workspace.store()
                    for _ in 0..<40 {
                        let report = try Trim.run(store, limit: 150_000)
                        if let report, report.damaged > 0 { return "trim found \(report.damaged) damaged files" }
                    }
                    return nil
                } catch { return "\(error)" }
            }
            for await failure in group { #expect(failure == nil) }
        }
    }

    @Test func `clearing removes entries and keeps the log unless all goes`() throws {
        let workspace = try Workspace()
        var store = try workspace.store()
        let entry = try fill(&store, workspace, "a", bytes: 1000)
        let log = EventLog(folder: workspace.cache + "/events")
        try log.append(Event())
        try store.clear(log: false)
        #expect(exists(store, "results", entry.id) == false)
        #expect(exists(store, "blobs", entry.blob) == false)
        #expect(store.size == 0)
        #expect(log.files.count == 1)
        // It goes on working.
        let again = try fill(&store, workspace, "a", bytes: 1000)
        #expect(exists(store, "blobs", again.blob) == true)
        try store.clear(log: true)
        #expect(log.files.isEmpty)
    }
}
