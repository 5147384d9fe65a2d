package import Compression
package import Digest
internal import Glibc
package import Platform

/// A result's blobs as they came over the network, in one file.
///
///     pack   = length record data*
///     length = 8 bytes, the record's; lowest byte first
///     record = number (parts) part*         a file of `Codec`'s form
///     part   = digest number (bytes) number (frames; 0: as it is) frame*
///     frame  = number (bytes) number (bytes in the pack)         of zstd
///     data   = each part, in order, and nothing behind the last
///
/// Whoever waits for a result has its blobs unpacked straight to where they go: to write them all twice, in a file each, is
/// what takes longest of a fetch. They become blobs like others when there is time.
package final class Pack {
    package struct Part: Sendable {
        package let digest: Digest
        package let size: Int
        /// What it is packed in, one behind the other; none: it is as it is.
        package let frames: [Decompressor.Frame]

        package init(digest: Digest, size: Int, frames: [Decompressor.Frame]) {
            self.digest = digest
            self.size = size
            self.frames = frames
        }

        /// Bytes in the pack.
        package var packed: Int { frames.isEmpty ? size : frames.reduce(0) { $0 + $1.packed } }
    }

    let path: String
    let stamp: FileStamp
    package let parts: [Part]
    private let file: Descriptor
    private let dataStart: UInt64
    /// Memory for one part at a time: each page of it that is new costs the system as much as unpacking into it.
    private var unpacker: Unpacker
    /// Bytes of a record: more than any bundle has parts for.
    private static let longestRecord: UInt64 = 1 << 20

    /// Opens the pack at `path`.
    ///
    /// - Throws: where it is none.
    package init(at path: String) throws(Codec.Damaged) {
        guard let file = try? Descriptor(opening: path, O_RDONLY), let stamp = FileStamp(of: file.number) else {
            throw Codec.Damaged()
        }
        var length: UInt64 = 0
        let got = withUnsafeMutableBytes(of: &length) { pread(file.number, $0.baseAddress, $0.count, 0) }
        length = UInt64(littleEndian: length)
        guard got == 8, length <= min(Self.longestRecord, stamp.size), let count = Int(exactly: length) else {
            throw Codec.Damaged()
        }
        let record = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            initialized = max(0, pread(file.number, buffer.baseAddress, count, 8))
        }
        parts = try Self.parts(record)
        dataStart = 8 + length
        guard parts.reduce(dataStart, { $0 + UInt64($1.packed) }) == stamp.size else { throw Codec.Damaged() }
        guard let unpacker = try? Unpacker() else { throw Codec.Damaged() }
        self.unpacker = unpacker
        self.path = path
        self.stamp = stamp
        self.file = file
    }

    static func parts(_ record: [UInt8]) throws(Codec.Damaged) -> [Part] {
        var decoder = try Decoder(record, .pack)
        var parts: [Part] = []
        for _ in 0..<(try decoder.count()) {
            let digest = try decoder.digest()
            let size = try length(&decoder)
            var frames: [Decompressor.Frame] = []
            for _ in 0..<(try decoder.count()) {
                let size = try length(&decoder)
                frames.append(Decompressor.Frame(packed: try length(&decoder), size: size))
            }
            guard frames.isEmpty || frames.reduce(0, { $0 + $1.size }) == size else { throw Codec.Damaged() }
            parts.append(Part(digest: digest, size: size, frames: frames))
        }
        guard decoder.isAtEnd else { throw Codec.Damaged() }
        return parts
    }

    /// A number of bytes, small enough that as many as a record names can be added up.
    private static func length(_ decoder: inout Decoder) throws(Codec.Damaged) -> Int {
        let number = try decoder.number()
        guard number < 1 << 40 else { throw Codec.Damaged() }
        return Int(number)
    }

    /// What stands before the data in a pack of these parts.
    static func head(_ parts: [Part]) -> [UInt8] {
        var encoder = Encoder(.pack)
        encoder.count(parts.count)
        for part in parts {
            encoder.digest(part.digest)
            encoder.count(part.size)
            encoder.count(part.frames.count)
            for frame in part.frames {
                encoder.count(frame.size)
                encoder.count(frame.packed)
            }
        }
        let record = encoder.finish()
        return withUnsafeBytes(of: UInt64(record.count).littleEndian) { Array($0) } + record
    }

    func index(of digest: Digest) -> Int? { parts.firstIndex { $0.digest == digest } }

    private func start(of index: Int) -> UInt64 { parts[..<index].reduce(dataStart) { $0 + UInt64($1.packed) } }

    /// Hands a part's content on, a piece at a time.
    func read(
        _ index: Int,
        _ sink: (UnsafeRawBufferPointer) throws(SystemError) -> Void
    ) throws(CompressionError) {
        let part = parts[index]
        var at = start(of: index)
        if part.frames.isEmpty { try unpacker.copy(file.number, path, at, part.size, sink) }
        for frame in part.frames {
            try unpacker.unpack(file.number, path, at, frame, sink)
            at += UInt64(frame.packed)
        }
    }

    /// Writes a part's content to a file, several frames at once where there are several: the last call of a build is
    /// its largest, and the other processors have nothing left to do.
    func write(_ index: Int, to target: Int32, _ targetPath: String) throws(CompressionError) {
        let part = parts[index]
        guard part.frames.count > 1 else {
            return try read(index) { piece throws(SystemError) in try Files.write(piece, to: target, path: targetPath) }
        }
        var places: [(from: UInt64, to: UInt64)] = []
        var place = (from: start(of: index), to: UInt64(0))
        for frame in part.frames {
            places.append(place)
            place.from += UInt64(frame.packed)
            place.to += UInt64(frame.size)
        }
        let failure = Locked<CompressionError?>(nil)
        Parallel.forEach(places.count) { [source = file.number, path, places] number in
            if failure.use({ $0 != nil }) { return }
            var offset = places[number].to
            do throws(CompressionError) {
                var unpacker = try Unpacker()
                try unpacker.unpack(source, path, places[number].from, part.frames[number]) {
                    piece throws(SystemError) in
                    try Files.write(piece, to: target, at: offset, path: targetPath)
                    offset += UInt64(piece.count)
                }
            } catch { failure.use { $0 = $0 ?? error } }
        }
        if let failure = failure.use({ $0 }) { throw failure }
    }

    /// Whether a part is what its name says.
    package func isWhole(_ index: Int) -> Bool {
        var hasher = Hasher256()
        do throws(CompressionError) {
            try read(index) { piece throws(SystemError) in hasher.update(piece) }
        } catch { return false }
        return hasher.finish() == parts[index].digest
    }
}

/// Reads parts of a file, packed or not.
private struct Unpacker: ~Copyable {
    private var decompressor: Decompressor
    private let buffer: UnsafeMutableRawBufferPointer

    init() throws(CompressionError) {
        decompressor = try Decompressor()
        buffer = .allocate(byteCount: 128 << 10, alignment: 64)
    }

    deinit { buffer.deallocate() }

    private func piece(
        _ file: Int32,
        _ path: String,
        _ start: UInt64,
        _ most: Int
    ) throws(CompressionError) -> UnsafeRawBufferPointer {
        let count = retryingInterrupts { pread(file, buffer.baseAddress, min(buffer.count, most), off_t(start)) }
        guard count > 0 else { throw .damaged(count < 0 ? "\(SystemError("read", path))" : "\(path) is cut short") }
        return UnsafeRawBufferPointer(rebasing: buffer[..<count])
    }

    mutating func unpack(
        _ file: Int32,
        _ path: String,
        _ start: UInt64,
        _ frame: Decompressor.Frame,
        _ sink: (UnsafeRawBufferPointer) throws(SystemError) -> Void
    ) throws(CompressionError) {
        decompressor.begin(size: frame.size)
        var done = 0
        while done < frame.packed {
            let piece = try piece(file, path, start + UInt64(done), frame.packed - done)
            done += piece.count
            try decompressor.unpack(piece, into: sink)
        }
        try decompressor.finish()
    }

    func copy(
        _ file: Int32,
        _ path: String,
        _ start: UInt64,
        _ count: Int,
        _ sink: (UnsafeRawBufferPointer) throws(SystemError) -> Void
    ) throws(CompressionError) {
        var done = 0
        while done < count {
            let piece = try piece(file, path, start + UInt64(done), count - done)
            done += piece.count
            do { try sink(piece) } catch { throw .sink(error) }
        }
    }
}

extension Store {
    private func packPath(_ result: Digest) -> String { path("packs", result) }

    /// Keeps a result's blobs as they came, which the caller has found to be as they were packed.
    ///
    /// - Parameter data: the parts, one behind the other.
    package func keep(_ parts: [Pack.Part], data: UnsafeRawBufferPointer, of result: Digest) throws(SystemError) {
        let path = packPath(result)
        let head = Pack.head(parts)
        try replace(path, with: head, data)
        noteNew(path, result, size: UInt64(head.count + data.count))
    }

    /// The pack of a result; `nil` if there is none. One that is damaged goes.
    mutating func pack(of result: Digest) -> Pack? {
        let path = packPath(result)
        if let pack = try? Pack(at: path) { return pack }
        if access(path, F_OK) == 0 { drop(path) }
        return nil
    }

    /// Results whose blobs are packed.
    package static func packed(in folder: String) -> [Digest] {
        var found: [Digest] = []
        forEach("packs", in: folder) { if let digest = $0.digest { found.append(digest) } }
        return found
    }

    /// Makes the blobs of a result ones like others; nothing is done where none are packed. What is damaged goes.
    package mutating func unpack(_ result: Digest) throws(SystemError) {
        guard let pack = pack(of: result) else { return }
        for (index, part) in pack.parts.enumerated() where !hasBlob(part.digest, size: UInt64(part.size)) {
            var writer = try BlobWriter(part.digest, size: UInt64(part.size), in: self)
            do throws(CompressionError) {
                try pack.read(index) { piece throws(SystemError) in try writer.write(piece) }
            } catch {
                guard case .sink(let cause) = error else { continue }
                throw cause
            }
            do { try writer.finish(in: self) } catch { if error.code != EBADMSG { throw error } }
        }
        if unlink(pack.path) == 0 { addToSize(-Int64(clamping: pack.stamp.size)) }
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
                drop(pack.path)
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
        let isVouched = memo.digest(for: pack.stamp, salt: bootSalt) == result
        let target = try Self.create(path, mode)
        guard isVouched || pack.isWhole(index) else { throw .damaged("another file") }
        try pack.write(index, to: target.number, path)
        guard let written = FileStamp(of: target.number) else { throw .sink(SystemError("stat", path)) }
        return written
    }

    private static func create(_ path: String, _ mode: UInt32) throws(CompressionError) -> Descriptor {
        do { return try Descriptor(opening: path, O_WRONLY | O_CREAT | O_EXCL, mode: mode, for: "create") } catch {
            throw .sink(error)
        }
    }
}
