internal import Compression
package import Digest
internal import Glibc
package import Platform

extension Store {
    private func packPath(_ result: Digest) -> String { path("packs", result) }

    /// Keeps the bundle of a result, which the caller has found to be as it was packed.
    package func keep(_ bundle: [UInt8], of result: Digest) throws(SystemError) {
        let path = packPath(result)
        try replace(path, with: bundle)
        noteNew(path, result, size: UInt64(bundle.count))
    }

    package func keep(_ incoming: IncomingPack, of result: Digest) throws(SystemError) {
        let path = packPath(result)
        try incoming.place(at: path)
        noteNew(path, result, size: FileStamp(of: path)?.size ?? 0)
    }

    /// The pack of a result; `nil` if there is none, or none that can be opened now. One that is damaged goes.
    mutating func pack(of result: Digest) -> Pack? {
        do { return try Pack(at: packPath(result), of: result) } catch {
            dropPack(of: result, error)
            return nil
        }
    }

    private mutating func dropPack(of result: Digest, _ error: Bundle.Refused) {
        // Not there, or out of descriptors: that says nothing of a pack.
        if error.fault != .machine { dropPack(of: result) }
    }

    private mutating func dropPack(of result: Digest) {
        // What is fetched in its place is opened anew.
        opened = nil
        drop(packPath(result))
    }

    /// Results that are packed.
    package static func packed(in folder: String) -> [Digest] {
        var found: [Digest] = []
        forEach("packs", in: folder) { if let digest = $0.digest { found.append(digest) } }
        return found
    }

    /// What the pack of a result says it is; one that is damaged goes.
    mutating func packedResult(_ id: Digest) -> Outcome? {
        markPackUsed(id)
        guard let pack = pack(of: id) else { return nil }
        do {
            let outcome = try pack.outcome()
            opened = pack
            return outcome
        } catch {
            dropPack(of: id, error)
            return nil
        }
    }

    /// Marks a pack as used; one that was vouched for still is.
    private func markPackUsed(_ result: Digest) {
        let path = packPath(result)
        guard let before = FileStamp(of: path) else { return }
        let isVouched = self.isVouched(before, result)
        guard markUsed(path), isVouched, let after = FileStamp(of: path), after.inode == before.inode else { return }
        memo.remember(result, for: after, salt: bootSalt)
    }

    /// Whether a pack with this stamp was found to be what it should be since the machine started.
    private func isVouched(_ stamp: FileStamp, _ result: Digest) -> Bool {
        memo.digest(for: stamp, salt: bootSalt) == result
    }

    /// Makes a packed result, and its blobs, ones like others; nothing is done where none is packed. What is damaged goes.
    package mutating func unpack(_ result: Digest) throws(SystemError) {
        guard let pack = pack(of: result) else { return }
        let outcome: Outcome
        do { outcome = try pack.outcome() } catch { return dropPack(of: result, error) }
        for (index, part) in pack.parts.enumerated().dropFirst()
        where !hasBlob(part.digest, size: UInt64(part.size)) {
            var writer = try BlobWriter(part.digest, size: UInt64(part.size), in: self)
            do throws(CompressionError) {
                try pack.read(index) { piece throws(SystemError) in try writer.write(piece) }
            } catch {
                switch error {
                case .sink(let cause) where cause.code != EFBIG: throw cause
                case .refused(let what): throw SystemError("unpack (\(what))", pack.path, EIO)
                case .damaged, .sink: return dropPack(of: result)
                }
            }
            do { try writer.finish(in: self) } catch {
                if error.code != EBADMSG { throw error }
                return dropPack(of: result)
            }
        }
        try put(outcome, as: result)
        if unlink(pack.path) == 0 { addToSize(-Int64(clamping: pack.stamp?.size ?? 0)) }
    }

    /// Unpacks a blob of a result to a new file at `path`.
    ///
    /// - Returns: the new file's stamp; `nil` where the result has no pack, or that not this blob.
    mutating func unpack(
        _ digest: Digest,
        of result: Digest,
        size: UInt64,
        to path: String,
        mode: UInt32
    ) throws(RestoreFailure) -> FileStamp? {
        if opened?.path != packPath(result) { opened = pack(of: result) }
        guard let pack = opened, let index = pack.index(of: digest) else { return nil }
        do throws(CompressionError) {
            guard pack.parts[index].size == Int(clamping: size) else { throw .damaged("a file of another length") }
            return try unpack(pack, index, of: result, to: path, mode)
        } catch {
            switch error {
            case .sink(let cause): throw .target(cause)
            case .refused(let what): throw .target(SystemError("unpack (\(what))", pack.path, ENOMEM))
            case .damaged:
                dropPack(of: result)
                throw .lost
            }
        }
    }

    private func unpack(
        _ pack: Pack,
        _ index: Int,
        of result: Digest,
        to path: String,
        _ mode: UInt32
    ) throws(CompressionError) -> FileStamp {
        // Checked when it came, or now: a frame's own checksum sees most damage, not all.
        let isVouched = pack.stamp.map { self.isVouched($0, result) } ?? false
        let target = try Self.create(path, mode)
        guard isVouched || pack.isWhole(index) else { throw .damaged("another file") }
        try pack.write(index, to: target.number, path)
        guard let written = FileStamp(of: target.number) else { throw .sink(SystemError("stat", path)) }
        pack.keepOpen(index, target)
        return written
    }

    private static func create(_ path: String, _ mode: UInt32) throws(CompressionError) -> Descriptor {
        // To be read, too, where another file holds the same.
        do { return try Descriptor(opening: path, O_RDWR | O_CREAT | O_EXCL, mode: mode, for: "create") } catch {
            throw .sink(error)
        }
    }
}
