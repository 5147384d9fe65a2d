package import Digest
internal import Glibc
package import Platform

/// Bringing the cache down to its size: the results used longest ago go, and the blobs that only they named.
///
/// Runs beside any number of wrappers. What they store while it looks is seen by a second look before blobs go; what
/// they miss for all that they compile anew.
package struct Trim {
    /// What came of it.
    package struct Report: Sendable, Equatable {
        /// Bytes in blobs, packs, results and manifests.
        package var before: UInt64 = 0
        package var after: UInt64 = 0
        package var results = 0
        package var blobs = 0
        /// Entries of manifests whose result is no more.
        package var entries = 0
        /// Files that were not what their name says, or of another version.
        package var damaged = 0
        /// Files that killed processes left behind.
        package var leftovers = 0
    }

    /// Trimming goes on down to this part of the limit, so that the next store does not start it again.
    private static func target(_ limit: UInt64) -> UInt64 { limit / 10 * 9 }
    /// A blob that no result names may belong to one that is being stored: a compile's outputs are kept as they come.
    /// Ten minutes is longer than rustc takes from its metadata to its end. Nanoseconds.
    static let blobYouth: Int64 = 600_000_000_000
    /// A temporary file older than this is nobody's. Nanoseconds.
    static let temporaryYouth: Int64 = 3_600_000_000_000
    /// After a trim that could not free enough the next one waits. Nanoseconds.
    static let pause: Int64 = 60_000_000_000

    static func lockPath(_ folder: String) -> String { folder + "/trim.lock" }

    /// Whether the cache is over its limit and nobody is trimming it, or has just tried in vain.
    package static func isDue(_ store: borrowing Store, limit: UInt64) -> Bool {
        guard store.size > limit else { return false }
        let path = lockPath(store.folder)
        if let stamp = FileStamp(of: path), stamp.size > 0, fileClockNow() &- stamp.modified < pause { return false }
        guard let lock = try? Descriptor(opening: path, O_RDWR | O_CREAT, mode: 0o600) else { return false }
        return flock(lock.number, LOCK_EX | LOCK_NB) == 0
    }

    /// Trims the cache to `limit` bytes.
    ///
    /// - Parameter now: nanoseconds since 1970.
    /// - Returns: `nil` when another process is trimming.
    package static func run(
        _ store: borrowing Store,
        limit: UInt64,
        now: Int64 = fileClockNow()
    ) throws(SystemError) -> Report? {
        let lock = try Descriptor(opening: lockPath(store.folder), O_RDWR | O_CREAT, mode: 0o600, for: "lock")
        guard flock(lock.number, LOCK_EX | LOCK_NB) == 0 else { return nil }
        var trim = Trim(folder: store.folder, now: now)
        trim.collect()
        trim.evict(to: limit)
        trim.removeOrphans()
        trim.cleanManifests()
        trim.removeLeftovers()
        store.setSize(trim.report.after)
        // Not empty where a trim could not free enough; its time says when that was.
        ftruncate(lock.number, 0)
        if trim.report.after > limit { _ = pwrite(lock.number, "over\n", 5, 0) }
        return trim.report
    }

    private struct KnownResult {
        let path: String
        let stamp: FileStamp
        let blobs: [Digest]
    }

    private struct KnownBlob {
        let path: String
        let size: UInt64
        let isYoung: Bool
        /// How many results name it.
        var users = 0
        /// Whether one did when we first looked: then it is not of a result that is yet to come.
        var wasNamed = false

        /// Whether it may go.
        var isOrphan: Bool { users == 0 && (wasNamed || !isYoung) }
    }

    private struct KnownManifest {
        let path: String
        let stamp: FileStamp
        let results: [Digest]
    }

    private let folder: String
    private let now: Int64
    private var report = Report()
    private var results: [Digest: KnownResult] = [:]
    private var blobs: [Digest: KnownBlob] = [:]
    private var manifests: [KnownManifest] = []
    /// Results as they were fetched that are unpacked, too: they go with these. Others are results like any.
    private var packs: [Digest: Store.Listed] = [:]

    private init(folder: String, now: Int64) {
        self.folder = folder
        self.now = now
    }

    // MARK: Looking

    private mutating func collect() {
        // Blobs before results: a result found later names none that was not there.
        for file in files("blobs") {
            guard let digest = file.digest else { continue }
            blobs[digest] = KnownBlob(
                path: file.path,
                size: file.stamp.size,
                isYoung: now &- file.stamp.latest < Self.blobYouth
            )
            report.before &+= file.stamp.size
        }
        for file in files("packs") {
            guard let digest = file.digest else { continue }
            packs[digest] = file
            report.before &+= file.stamp.size
        }
        for (digest, result) in readResults() {
            results[digest] = result
            report.before &+= result.stamp.size
            for blob in Set(result.blobs) {
                blobs[blob]?.users += 1
                blobs[blob]?.wasNamed = true
            }
        }
        for (digest, pack) in packs where results[digest] == nil {
            results[digest] = KnownResult(path: pack.path, stamp: pack.stamp, blobs: [])
            packs[digest] = nil
        }
        manifests = readManifests()
        for file in manifests { report.before &+= file.stamp.size }
        report.after = report.before
    }

    /// The files of a kind that have a name of ours; others go.
    private mutating func files(_ kind: String) -> [Store.Listed] {
        var found: [Store.Listed] = []
        var foreign: [Store.Listed] = []
        Store.forEach(kind, in: folder) { file in
            file.digest != nil && file.stamp.kind == .file ? found.append(file) : foreign.append(file)
        }
        for file in foreign {
            if file.isTemporary {
                removeIfOld(file)
            } else if unlink(file.path) == 0 {
                report.damaged += 1
            }
        }
        return found
    }

    /// The results that are not known yet; damaged ones go.
    private mutating func readResults() -> [(Digest, KnownResult)] {
        var found: [(Digest, KnownResult)] = []
        for file in files("results") {
            guard let digest = file.digest, results[digest]?.path != file.path, let bytes = try? Files.read(file.path)
            else { continue }
            guard let outcome = try? Outcome(bytes) else {
                if unlink(file.path) == 0 { report.damaged += 1 }
                continue
            }
            found.append((digest, KnownResult(path: file.path, stamp: file.stamp, blobs: outcome.blobs)))
        }
        return found
    }

    /// The manifests; damaged ones go.
    private mutating func readManifests() -> [KnownManifest] {
        var found: [KnownManifest] = []
        for file in files("manifests") {
            guard let bytes = try? Files.read(file.path) else { continue }
            guard let manifest = try? Manifest(bytes) else {
                if unlink(file.path) == 0 { report.damaged += 1 }
                continue
            }
            found.append(
                KnownManifest(path: file.path, stamp: file.stamp, results: manifest.entries.map(\.result))
            )
        }
        return found
    }

    // MARK: Removing

    private mutating func evict(to limit: UInt64) {
        guard report.before > limit else { return }
        let target = Self.target(limit)
        // What will be left once the blobs that nothing names are gone, too: they go after the second look.
        var left = report.before
        for blob in blobs.values where blob.isOrphan { left &-= min(blob.size, left) }
        // A result takes its part of the manifests that lead to it along.
        var parts: [Digest: UInt64] = [:]
        for manifest in manifests where !manifest.results.isEmpty {
            let part = manifest.stamp.size / UInt64(manifest.results.count)
            for result in manifest.results { parts[result, default: 0] &+= part }
        }
        for (digest, result) in results.sorted(by: { $0.value.stamp.modified < $1.value.stamp.modified }) {
            if left <= target { break }
            // Used since we looked, or gone.
            guard FileStamp(of: result.path)?.modified == result.stamp.modified, unlink(result.path) == 0 else {
                continue
            }
            results[digest] = nil
            report.results += 1
            let packed = packs[digest]?.stamp.size ?? 0
            left &-= min(result.stamp.size &+ packed &+ (parts[digest] ?? 0), left)
            for digest in Set(result.blobs) {
                guard var blob = blobs[digest], blob.users > 0 else { continue }
                blob.users -= 1
                blobs[digest] = blob
                if blob.isOrphan { left &-= min(blob.size, left) }
            }
        }
    }

    private mutating func removeOrphans() {
        // A result stored since the first look may name a blob that no other does.
        for (digest, result) in readResults() {
            results[digest] = result
            report.after &+= result.stamp.size
            for blob in Set(result.blobs) { blobs[blob]?.users += 1 }
        }
        for (digest, blob) in blobs where blob.isOrphan { remove(blob: digest) }
        for (digest, pack) in packs where results[digest] == nil {
            if unlink(pack.path) == 0 || errno == ENOENT { packs[digest] = nil }
        }
        report.after = manifests.reduce(0) { $0 &+ $1.stamp.size }
        for result in results.values { report.after &+= result.stamp.size }
        for blob in blobs.values { report.after &+= blob.size }
        for pack in packs.values { report.after &+= pack.stamp.size }
    }

    private mutating func remove(blob digest: Digest) {
        guard let blob = blobs[digest], unlink(blob.path) == 0 || errno == ENOENT else { return }
        blobs[digest] = nil
        report.blobs += 1
    }

    /// Takes entries out of manifests whose result is no more, and manifests that have none left.
    private mutating func cleanManifests() {
        for file in manifests {
            guard file.results.isEmpty || file.results.contains(where: isGone),
                // A wrapper that has just added an entry keeps it: it will be looked at next time.
                FileStamp(of: file.path) == file.stamp, let bytes = try? Files.read(file.path),
                var manifest = try? Manifest(bytes)
            else { continue }
            let before = manifest.entries.count
            manifest.entries.removeAll { isGone($0.result) }
            report.entries += before - manifest.entries.count
            report.after &-= min(file.stamp.size, report.after)
            if manifest.entries.isEmpty {
                unlink(file.path)
            } else {
                let encoded = manifest.encoded
                try? Files.replace(file.path, with: encoded)
                report.after &+= UInt64(encoded.count)
            }
        }
    }

    private func isGone(_ result: Digest) -> Bool { results[result] == nil && !Store.knows(result, in: folder) }

    private mutating func removeLeftovers() {
        _ = files("toolchains")
        for place in ["", "/tmp", "/events"] {
            for name in (try? Files.listNames(folder + place)) ?? []
            where Store.isTemporary(name) || (place == "/tmp" && name.hasSuffix(".trace")) {
                let path = "\(folder)\(place)/\(name)"
                guard let stamp = FileStamp(of: path) else { continue }
                removeIfOld(Store.Listed(path: path, digest: nil, stamp: stamp))
            }
        }
    }

    private mutating func removeIfOld(_ file: Store.Listed) {
        guard now &- file.stamp.latest > Self.temporaryYouth, unlink(file.path) == 0 else { return }
        report.leftovers += 1
    }
}

extension Outcome {
    /// The blobs its outputs are kept in.
    package var blobs: [Digest] {
        outputs.compactMap { output in
            if case .blob(let digest) = output.content { digest } else { nil }
        }
    }
}
