package import Digest
internal import Glibc
package import Platform

/// The local cache: a folder that any number of processes read and write at once.
///
///     manifests/a/<unit key>      sets of inputs and the result each led to
///     results/a/<result id>       exit code, messages, outputs; time of change = last use
///     blobs/a/<content digest>    outputs as they were, kept once
///     packs/a/<result id>         a result and its outputs as they came over the network, until they are unpacked
///     toolchains/a/<key>          identities of compilers
///     memo                        digests of files by what `stat` says
///     events/                     what happened, JSON lines
///     tmp/                        traces of compiles under way
///     size                        bytes in blobs, packs and results, about right; trimming counts them anew
///
/// Nothing is ever changed in place but `memo` and `size`: a file appears complete, by a rename, and what it names is
/// written before it. A process killed at any instant leaves at most temporary files, which trimming takes away.
package struct Store: ~Copyable {
    /// The folder, absolute.
    package let folder: String
    package let memo: Memo
    /// Salt of memo entries that say "this blob's bytes were checked against its name since the machine started".
    let bootSalt: UInt64
    /// What was found damaged in this process and taken away.
    package private(set) var damaged: [String] = []
    /// The pack that was read last.
    var opened: Pack?

    /// Opens the cache in `folder`, making what is missing.
    package init(in folder: String) throws(SystemError) {
        self.folder = folder
        try Self.prepare(folder)
        memo = try Memo(at: folder + "/memo")
        bootSalt = Self.readBootSalt()
    }

    private static func prepare(_ folder: String) throws(SystemError) {
        // One look is enough where all is there already.
        if FileStamp(of: folder + "/tmp")?.kind == .folder { return }
        if FileStamp(of: folder) == nil {
            try Files.makeFolder(Files.folder(of: folder))
            try Files.makeFolder(folder, mode: 0o700)
        }
        // Backup programs leave out a folder with this file. Source: https://bford.info/cachedir/
        let tag =
            "Signature: 8a477f597d28d172789f06886806bc55\n# This folder is larder's cache of compiled Rust code.\n"
        try Files.replace(folder + "/CACHEDIR.TAG", with: Array(tag.utf8))
        for name in ["manifests", "results", "blobs", "packs", "toolchains", "events", "tmp"] {
            try Files.makeFolder("\(folder)/\(name)", mode: 0o700)
        }
    }

    private static func readBootSalt() -> UInt64 {
        let id = (try? Files.read("/proc/sys/kernel/random/boot_id", limit: 4096)) ?? []
        return Digest(of: id).words.0 | 1
    }

    package func path(_ kind: String, _ digest: Digest) -> String { Self.path(kind, digest, in: folder) }

    /// Takes a file out of the cache that is not what its name says.
    package mutating func drop(_ path: String) {
        damaged.append(path)
        unlink(path)
    }

    // MARK: Manifests and results

    /// The manifest of a unit; `nil` if there is none, or none that can be read.
    package mutating func manifest(_ key: Digest) -> Manifest? {
        let path = path("manifests", key)
        guard let bytes = try? Files.read(path) else { return nil }
        if let manifest = try? Manifest(bytes) { return manifest }
        drop(path)
        return nil
    }

    /// Adds an entry to a unit's manifest. Of two processes that add at once one may lose: a miss later, no more.
    package mutating func add(_ entry: Manifest.Entry, to key: Digest) throws(SystemError) {
        var manifest = manifest(key) ?? Manifest()
        manifest.add(entry)
        try replace(path("manifests", key), with: manifest.encoded)
    }

    /// Writes a manifest anew without the entry of a result that is no more.
    package mutating func remove(result: Digest, from key: Digest) {
        guard var manifest = manifest(key) else { return }
        manifest.entries.removeAll { $0.result == result }
        try? replace(path("manifests", key), with: manifest.encoded)
    }

    /// The result with this id; marks it as used.
    package mutating func result(_ id: Digest) -> Outcome? {
        // Between the first two looks the gateway may have unpacked it.
        unpackedResult(id) ?? packedResult(id) ?? unpackedResult(id)
    }

    private mutating func unpackedResult(_ id: Digest) -> Outcome? {
        let path = path("results", id)
        guard let bytes = try? Files.read(path) else { return nil }
        guard let outcome = try? Outcome(bytes) else {
            drop(path)
            return nil
        }
        markUsed(path)
        return outcome
    }

    package func put(_ outcome: Outcome, as id: Digest) throws(SystemError) {
        let encoded = outcome.encoded
        try replace(path("results", id), with: encoded)
        addToSize(Int64(encoded.count))
    }

    /// Uses closer together than this are one: a build need not write a time for each of its hits. Nanoseconds.
    private static let useGrain: Int64 = 60_000_000_000

    /// Marks a file as used now.
    ///
    /// - Returns: whether its time is a new one.
    @discardableResult
    func markUsed(_ path: String) -> Bool {
        guard let stamp = FileStamp(of: path), fileClockNow() &- stamp.modified > Self.useGrain else { return false }
        return utimensat(AT_FDCWD, path, nil, 0) == 0
    }

    /// Puts `bytes` at `path`.
    func replace(_ path: String, with bytes: [UInt8]) throws(SystemError) {
        try Self.makingFolder(of: path) { () throws(SystemError) in try Files.replace(path, with: bytes) }
    }

    /// Does something in the folder of `path`; where that is missing it is made, and the same done again.
    static func makingFolder<Made: ~Copyable>(
        of path: String,
        _ body: () throws(SystemError) -> Made
    ) throws(SystemError) -> Made {
        do { return try body() } catch {
            guard error.isMissing else { throw error }
            try Files.makeFolder(Files.folder(of: path), mode: 0o700)
            return try body()
        }
    }

    // MARK: Blobs

    /// Keeps a copy of the file at `path`, which a compile of ours has just written.
    ///
    /// - Returns: its digest and stamp; `nil` when it changed meanwhile.
    package func keep(_ path: String) throws(SystemError) -> (digest: Digest, stamp: FileStamp)? {
        try keep(path, isAsked: false) { _ in }
    }

    /// Does the same, and hands on the file's bytes, a piece at a time: they are read once for all that is done with them.
    package func keep(
        _ path: String,
        _ sink: (UnsafeRawBufferPointer) -> Void
    ) throws(SystemError) -> (digest: Digest, stamp: FileStamp)? {
        try keep(path, isAsked: true, sink)
    }

    private func keep(
        _ path: String,
        isAsked: Bool,
        _ sink: (UnsafeRawBufferPointer) -> Void
    ) throws(SystemError) -> (digest: Digest, stamp: FileStamp)? {
        let source = try Descriptor(opening: path, O_RDONLY, for: "read")
        guard let now = FileStamp(of: source.number) else { throw SystemError("stat", path) }
        if let digest = memo.digest(for: now), hasSoundBlob(digest, size: now.size, at: self.path("blobs", digest)) {
            if isAsked {
                guard try Digest.read(source.number, path: path, sink) == now else { return nil }
            }
            rememberWritten(digest, now)
            return (digest, now)
        }
        // Its digest is known once it is read: until then it lies in the folder that traces lie in.
        let temporary = Files.temporaryName(beside: folder + "/tmp/blob")
        do throws(SystemError) {
            guard let digest = try copy(source.number, now, path: path, to: temporary, sink) else {
                unlink(temporary)
                return nil
            }
            try place(temporary, digest, size: now.size)
            rememberWritten(digest, now)
            return (digest, now)
        } catch {
            unlink(temporary)
            throw error
        }
    }

    /// Copies a file to a new one, reading it once.
    ///
    /// - Returns: its digest; `nil` when it changed meanwhile.
    private func copy(
        _ source: Int32,
        _ stamp: FileStamp,
        path: String,
        to temporary: String,
        _ sink: (UnsafeRawBufferPointer) -> Void
    ) throws(SystemError) -> Digest? {
        let target = try Descriptor(opening: temporary, O_WRONLY | O_CREAT | O_EXCL, mode: 0o600, for: "create")
        let sharesBlocks = Files.shareBlocks(from: source, to: target.number)
        var hasher = Hasher256()
        var failure: SystemError?
        let read = try Digest.read(source, path: path) { piece in
            hasher.update(piece)
            sink(piece)
            if sharesBlocks || failure != nil { return }
            do throws(SystemError) { try Files.write(piece, to: target.number, path: temporary) } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        guard read == stamp, FileStamp(of: target.number)?.size == stamp.size else { return nil }
        return hasher.finish()
    }

    /// Gives a file that was just copied its name as a blob, unless there is one.
    private func place(_ temporary: String, _ digest: Digest, size: UInt64) throws(SystemError) {
        let blob = self.path("blobs", digest)
        if hasSoundBlob(digest, size: size, at: blob) {
            unlink(temporary)
            return
        }
        try Self.makingFolder(of: blob) { () throws(SystemError) in
            if rename(temporary, blob) != 0 { throw SystemError("rename to", blob) }
        }
        noteNew(blob, digest, size: size)
    }

    /// Why a blob could not be put back.
    package enum RestoreFailure: Error {
        /// The blob is gone, or was not what its name says and has been taken away.
        case lost
        /// The target's file system refused.
        case target(SystemError)
    }

    /// Puts a copy of a blob at `path`, replacing what is there.
    ///
    /// - Parameter result: the result it is an output of, which may have it packed.
    package mutating func restore(
        _ digest: Digest,
        of result: Digest,
        size: UInt64,
        to path: String,
        isExecutable: Bool
    ) throws(RestoreFailure) {
        let temporary = Files.temporaryName(beside: path)
        // The user's umask applies, as it does to rustc's files.
        let mode: UInt32 = isExecutable ? 0o777 : 0o666
        let new: FileStamp
        do throws(RestoreFailure) {
            if let copied = try copy(digest, size: size, to: temporary, mode: mode) {
                new = copied
            } else if let unpacked = try unpack(digest, of: result, size: size, to: temporary, mode: mode) {
                new = unpacked
            } else if let copied = try copy(digest, size: size, to: temporary, mode: mode) {
                // The gateway had unpacked it between the two looks.
                new = copied
            } else {
                // Gone is not damaged: trimming took it between the look at the result and this one.
                throw .lost
            }
            guard new.size == size else { throw .target(SystemError("copy to", path, EIO)) }
            if rename(temporary, path) != 0 { throw .target(SystemError("rename to", path)) }
        } catch {
            unlink(temporary)
            throw error
        }
        // After the rename, which changes the stamp. Another process may have put its own file there meanwhile.
        if let written = FileStamp(of: path), written.inode == new.inode, written.device == new.device {
            rememberWritten(digest, written)
        }
    }

    /// Copies a blob to a new file at `path`.
    ///
    /// - Returns: the new file's stamp; `nil` where there is no such blob.
    private mutating func copy(
        _ digest: Digest,
        size: UInt64,
        to path: String,
        mode: UInt32
    ) throws(RestoreFailure) -> FileStamp? {
        let blob = self.path("blobs", digest)
        guard let source = try? Descriptor(opening: blob, O_RDONLY) else { return nil }
        guard let stamp = FileStamp(of: source.number), stamp.size == size, isSound(source.number, stamp, digest, blob)
        else {
            drop(blob)
            throw .lost
        }
        do { return try Files.copy(from: source.number, size: size, to: path, mode: mode) } catch {
            throw .target(error)
        }
    }

    /// Salt of memo entries that say "larder wrote this file itself, or saw the compile end that wrote it": nobody is
    /// about to change it, however young it is. The time of change stays out of these: Cargo gives finished files a
    /// second link, and their content is compared anyway.
    private static let writtenSalt: UInt64 = 0x6C61_7264_6572_0002

    private func rememberWritten(_ digest: Digest, _ stamp: FileStamp) {
        memo.remember(digest, for: stamp)
        memo.remember(digest, for: stamp.withoutChange, salt: Self.writtenSalt)
    }

    /// Whether a file is as larder itself, or a compile that it watched, left it with this content.
    package func wrote(_ digest: Digest, _ stamp: FileStamp) -> Bool {
        memo.digest(for: stamp.withoutChange, salt: Self.writtenSalt) == digest
    }

    private func hasSoundBlob(_ digest: Digest, size: UInt64, at path: String) -> Bool {
        guard let file = try? Descriptor(opening: path, O_RDONLY), let stamp = FileStamp(of: file.number) else {
            return false
        }
        return stamp.size == size && isSound(file.number, stamp, digest, path)
    }

    private func isSound(_ file: Int32, _ stamp: FileStamp, _ digest: Digest, _ path: String) -> Bool {
        if memo.digest(for: stamp, salt: bootSalt) == digest { return true }
        guard let (actual, _) = try? Digest.ofFile(file, path: path), actual == digest else { return false }
        memo.remember(digest, for: stamp, salt: bootSalt)
        return true
    }

    /// Takes note of a new file of the store that was seen to be what its name says.
    func noteNew(_ path: String, _ digest: Digest, size: UInt64) {
        if let stamp = FileStamp(of: path) { memo.remember(digest, for: stamp, salt: bootSalt) }
        addToSize(Int64(clamping: size))
    }

    // MARK: Size

    /// Bytes held, about right; 0 where it is not known.
    package var size: UInt64 { changeSize { $0 } }

    func addToSize(_ amount: Int64) { _ = changeSize { $0 &+ UInt64(bitPattern: amount) } }

    package func setSize(_ size: UInt64) { _ = changeSize { _ in size } }

    private func changeSize(_ change: (UInt64) -> UInt64) -> UInt64 {
        guard let file = try? Descriptor(opening: folder + "/size", O_RDWR | O_CREAT, mode: 0o600) else { return 0 }
        // Nobody's build waits for a number that need only be about right.
        guard flock(file.number, LOCK_EX | LOCK_NB) == 0 else { return 0 }
        var value: UInt64 = 0
        _ = withUnsafeMutableBytes(of: &value) { pread(file.number, $0.baseAddress, 8, 0) }
        let changed = change(value)
        guard changed != value else { return value }
        withUnsafeBytes(of: changed) { _ = pwrite(file.number, $0.baseAddress, 8, 0) }
        return changed
    }
}
