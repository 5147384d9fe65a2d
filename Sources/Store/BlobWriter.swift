package import Digest
internal import Glibc
package import Platform

/// Writes a blob that comes from elsewhere. It has its name only once it is known to be what the name says.
struct BlobWriter: ~Copyable {
    private let digest: Digest
    private let size: UInt64
    private let blob: String
    private let temporary: String
    private let file: Descriptor
    private var hasher = Hasher256()
    private var written: UInt64 = 0
    private var isInPlace = false

    /// - Parameters:
    ///   - digest, size: what it is going to be.
    init(_ digest: Digest, size: UInt64, in store: borrowing Store) throws(SystemError) {
        self.digest = digest
        self.size = size
        blob = store.path("blobs", digest)
        let temporary = Files.temporaryName(beside: blob)
        self.temporary = temporary
        file = try Store.makingFolder(of: blob) { () throws(SystemError) in
            try Descriptor(opening: temporary, O_WRONLY | O_CREAT | O_EXCL, mode: 0o600, for: "create")
        }
    }

    deinit { if !isInPlace { unlink(temporary) } }

    mutating func write(_ piece: UnsafeRawBufferPointer) throws(SystemError) {
        written &+= UInt64(piece.count)
        guard written <= size else { throw SystemError("write", blob, EFBIG) }
        hasher.update(piece)
        try Files.write(piece, to: file.number, path: temporary)
    }

    /// Puts the blob in place, if it is what it was to be.
    ///
    /// - Throws: with the code `EBADMSG` if it is not.
    consuming func finish(in store: borrowing Store) throws(SystemError) {
        guard written == size, hasher.finish() == digest else { throw SystemError("keep", blob, EBADMSG) }
        guard rename(temporary, blob) == 0 else { throw SystemError("rename to", blob) }
        isInPlace = true
        store.noteNew(blob, digest, size: size)
    }
}

extension Store {
    /// Whether a blob is there, in its full length.
    package func hasBlob(_ digest: Digest, size: UInt64) -> Bool {
        guard let stamp = FileStamp(of: path("blobs", digest)) else { return false }
        return stamp.kind == .file && stamp.size == size
    }

    /// Whether a result is there, be it packed.
    package func hasResult(_ id: Digest) -> Bool {
        Self.resultFolders.contains { access(path($0, id), R_OK) == 0 }
    }

    /// Whether a result has been there since before this moment. Nanoseconds since 1970.
    package func hasResult(_ id: Digest, olderThan moment: Int64) -> Bool {
        Self.resultFolders.contains { kind in
            FileStamp(of: path(kind, id)).map { $0.modified < moment } ?? false
        }
    }

    /// Whether a unit has a manifest.
    package func hasManifest(_ key: Digest) -> Bool { access(path("manifests", key), R_OK) == 0 }

    /// Adds the entries of another manifest of the same unit, behind those that are known.
    ///
    /// - Returns: whether there was one that is new.
    package mutating func merge(_ other: Manifest, into key: Digest) throws(SystemError) -> Bool {
        var manifest = manifest(key) ?? Manifest()
        guard manifest.merge(other) else { return false }
        try replace(path("manifests", key), with: manifest.encoded)
        return true
    }
}

extension Manifest {
    /// Adds the entries of another manifest behind those that are here. Where there are too many of both, half the room
    /// stays for those that are here.
    ///
    /// - Returns: whether one was added.
    package mutating func merge(_ other: Manifest) -> Bool {
        let known = Set(entries.map(\.result))
        let room = max(Self.mostEntries / 2, Self.mostEntries - entries.count)
        let added = other.entries.filter { !known.contains($0.result) }.prefix(room)
        if added.isEmpty { return false }
        entries = Array(entries.prefix(Self.mostEntries - added.count)) + added
        return true
    }
}
