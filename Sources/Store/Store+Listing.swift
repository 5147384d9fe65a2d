package import Digest
internal import Glibc
package import Platform

extension Store {
    /// Folders of entries, each with subfolders named by the first digit: a folder holds thousands of files as well as it
    /// holds ten, and hundreds of folders take longer to make than what goes into them.
    package static let entryFolders = ["manifests", "results", "blobs", "packs", "toolchains"]

    /// Those of them in which results are, unpacked and packed.
    static let resultFolders = ["results", "packs"]

    /// Whether the cache in `folder` has something for this result.
    package static func knows(_ result: Digest, in folder: String) -> Bool {
        resultFolders.contains { access(path($0, result, in: folder), F_OK) == 0 }
    }

    /// Where an entry of the cache in `folder` is.
    package static func path(_ kind: String, _ digest: Digest, in folder: String) -> String {
        let hex = digest.hex
        return "\(folder)/\(kind)/\(hex.prefix(1))/\(hex)"
    }

    /// A file in a folder of entries.
    package struct Listed: Sendable {
        package let path: String
        /// What the name says; `nil`: no name of ours.
        package let digest: Digest?
        package let stamp: FileStamp

        /// Whether it is a file that a process is writing, or left behind when it was killed.
        package var isTemporary: Bool { Store.isTemporary(Files.name(of: path)) }
    }

    static func isTemporary(_ name: String) -> Bool { name.hasPrefix(".larder-") && name.hasSuffix(".tmp") }

    /// Calls `body` with every file below one of the folders of entries; what vanishes meanwhile is left out.
    package static func forEach(_ kind: String, in folder: String, _ body: (Listed) -> Void) {
        for part in (try? Files.listNames("\(folder)/\(kind)")) ?? [] {
            let subfolder = "\(folder)/\(kind)/\(part)"
            guard let names = try? Files.listNames(subfolder) else {
                if let stamp = FileStamp(of: subfolder), stamp.kind != .folder {
                    body(Listed(path: subfolder, digest: nil, stamp: stamp))
                }
                continue
            }
            for name in names {
                let path = "\(subfolder)/\(name)"
                guard let stamp = FileStamp(of: path) else { continue }
                let digest = name.hasPrefix(part) ? Digest(hex: name) : nil
                body(Listed(path: path, digest: digest, stamp: stamp))
            }
        }
    }

    /// Removes all entries, and with `log` also the events and the digests remembered of files.
    ///
    /// Safe while builds run: what they find missing they compile. Waits for a trim to end.
    package mutating func clear(log: Bool) throws(SystemError) {
        let lock = try Descriptor(opening: Trim.lockPath(folder), O_RDWR | O_CREAT, mode: 0o600)
        guard retryingInterrupts({ flock(lock.number, LOCK_EX) }) == 0 else { throw SystemError("lock", folder) }
        var failure: SystemError?
        // Manifests first: what nothing leads to is not missed.
        for kind in Self.entryFolders {
            Self.forEach(kind, in: folder) { file in
                if unlink(file.path) != 0, errno != ENOENT { failure = failure ?? SystemError("remove", file.path) }
            }
        }
        setSize(0)
        if log {
            EventLog(folder: folder + "/events").clear()
            unlink(folder + "/memo")
        }
        if let failure { throw failure }
    }
}

extension Store {
    /// Bytes that the cache in `folder` holds, about right, without making anything there; `nil`: no cache.
    package static func recordedSize(in folder: String?) -> UInt64? {
        guard let folder, FileStamp(of: folder)?.kind == .folder else { return nil }
        guard let bytes = try? Files.read(folder + "/size", limit: 4096) else { return 0 }
        // In this machine's order, as `changeSize` writes it.
        return bytes.count < 8 ? 0 : bytes.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) }
    }
}
