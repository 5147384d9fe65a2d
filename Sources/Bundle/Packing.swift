internal import Compression
internal import Digest
internal import Glibc
internal import Platform

/// Packs parts one after the other, a piece at a time.
struct Packer: ~Copyable {
    private let compressor: Compressor
    private(set) var data: [UInt8] = []
    private(set) var parts: [Bundle.Part] = []

    /// - Parameter level: zstd's.
    init(level: Int) throws(Bundle.Refused) {
        do { compressor = try Compressor(level: level) } catch { throw Bundle.Refused(error) }
    }

    /// Packs the bytes of `record`.
    mutating func add(_ record: [UInt8]) throws(Bundle.Refused) {
        guard record.count <= Bundle.Limits.recordBytes else {
            throw Bundle.Refused("a record of \(record.count) bytes")
        }
        var packed: [UInt8] = []
        compressor.begin(size: record.count)
        try record.withUnsafeBufferPointer { bytes throws(Bundle.Refused) in
            try compress(UnsafeRawBufferPointer(bytes), isLast: true, into: &packed)
        }
        add(Self.isWorthIt(record.count, packed.count) ? packed : record, Digest(of: record), size: record.count)
    }

    /// Packs the file at `path`, which must have this digest and size.
    mutating func add(file path: String, digest: Digest, size: UInt64) throws(Bundle.Refused) {
        guard size <= UInt64(Bundle.Limits.blobBytes) else { throw Bundle.Refused("a file of \(size) bytes") }
        let size = Int(size)
        var packed: [UInt8] = []
        var done = 0
        try Self.read(path, digest, size: size) { piece throws(Bundle.Refused) in
            // A frame is a whole number of pieces.
            if done % Bundle.frameBytes == 0 { compressor.begin(size: min(Bundle.frameBytes, size - done)) }
            done += piece.count
            try compress(piece, isLast: done % Bundle.frameBytes == 0 || done == size, into: &packed)
        }
        if !Self.isWorthIt(size, packed.count) {
            packed.removeAll()
            packed.reserveCapacity(size)
            try Self.read(path, digest, size: size) { piece throws(Bundle.Refused) in packed += piece }
        }
        add(packed, digest, size: size)
    }

    private func compress(
        _ piece: UnsafeRawBufferPointer,
        isLast: Bool,
        into packed: inout [UInt8]
    ) throws(Bundle.Refused) {
        do { try compressor.compress(piece, isLast: isLast, into: &packed) } catch { throw Bundle.Refused(error) }
    }

    private static func isWorthIt(_ size: Int, _ packed: Int) -> Bool {
        packed > 0 && packed < size && size / packed <= Bundle.Limits.ratio
    }

    private mutating func add(_ packed: [UInt8], _ digest: Digest, size: Int) {
        data += packed
        // What did not shrink was put in as it is, and has the same size then.
        let method = packed.count == size ? Bundle.Method.plain : .zstd
        let sum = method == .plain ? digest : Digest(of: packed)
        parts.append(Bundle.Part(digest: digest, method: method, size: size, packed: packed.count, sum: sum))
    }

    private static let pieceBytes = 1 << 20

    /// Reads a file in pieces of `pieceBytes`, the last one shorter, and makes sure that it was what it should be.
    private static func read(
        _ path: String,
        _ digest: Digest,
        size: Int,
        _ body: (UnsafeRawBufferPointer) throws(Bundle.Refused) -> Void
    ) throws(Bundle.Refused) {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw Bundle.Refused(SystemError("read", path)) }
        defer { close(file) }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: pieceBytes, alignment: 64)
        defer { buffer.deallocate() }
        var hasher = Hasher256()
        var done = 0
        repeat {
            // Never less than was asked for but at its end, as it is a file.
            let count = retryingInterrupts { Glibc.pread(file, buffer.baseAddress, buffer.count, off_t(done)) }
            guard count >= 0 else { throw Bundle.Refused(SystemError("read", path)) }
            guard count == min(pieceBytes, size - done) else { throw Bundle.Refused("\(path) is not what it was") }
            done += count
            let piece = UnsafeRawBufferPointer(rebasing: buffer[..<count])
            hasher.update(piece)
            try body(piece)
        } while done < size
        guard hasher.finish() == digest else { throw Bundle.Refused("\(path) is damaged") }
    }
}
