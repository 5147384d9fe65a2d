internal import Compression
internal import Digest
internal import Glibc
internal import Platform

/// The bytes of a bundle.
enum PackBytes: Sendable {
    case memory([UInt8])
    /// An open file; who made this keeps it open.
    case file(Int32, path: String, count: Int)

    var count: Int {
        switch self {
        case .memory(let bytes): bytes.count
        case .file(_, _, let count): count
        }
    }

    /// Calls `body` with `count` bytes from `start` on, as many at a time as the buffer has room for.
    func read(
        _ start: Int,
        _ count: Int,
        _ buffer: UnsafeMutableRawBufferPointer,
        _ body: (UnsafeRawBufferPointer) throws(CompressionError) -> Void
    ) throws(CompressionError) {
        guard start >= 0, count >= 0, count <= self.count - start else { throw .damaged("it is cut short") }
        switch self {
        case .memory(let bytes):
            try bytes.withUnsafeBufferPointer { all throws(CompressionError) in
                try body(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: all[start..<(start + count)])))
            }
        case .file(let file, let path, _):
            var done = 0
            while done < count {
                let got = retryingInterrupts {
                    pread(file, buffer.baseAddress, min(buffer.count, count - done), off_t(start + done))
                }
                guard got >= 0 else { throw .refused("\(SystemError("read", path))") }
                guard got > 0 else { throw .damaged("\(path) is cut short") }
                try body(UnsafeRawBufferPointer(rebasing: buffer[..<got]))
                done += got
            }
        }
    }

    /// The head, which is what it should be.
    func head(_ kind: Bundle.Kind, _ name: Digest) throws(Bundle.Refused) -> Bundle.Head {
        // Nearly always all of it.
        var start = try bytes(min(count, 4096))
        let length = try Bundle.Head.length(start[...])
        if length > start.count { start = try bytes(min(count, length)) }
        return try Bundle.Head(start.prefix(length), kind: kind, name: name, total: count)
    }

    /// The first so many bytes, no more than there are.
    private func bytes(_ count: Int) throws(Bundle.Refused) -> [UInt8] {
        if case .memory(let bytes) = self { return Array(bytes.prefix(count)) }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, count), alignment: 16)
        defer { buffer.deallocate() }
        var found: [UInt8] = []
        do { try read(0, count, buffer) { found += $0 } } catch { throw Bundle.Refused(error) }
        return found
    }
}

/// Reads pieces, packed or not.
struct Unpacker: ~Copyable {
    private var decompressor: Decompressor
    private let buffer: UnsafeMutableRawBufferPointer

    init() throws(CompressionError) {
        decompressor = try Decompressor()
        buffer = .allocate(byteCount: 128 << 10, alignment: 64)
    }

    deinit { buffer.deallocate() }

    /// Hands bytes on as they are.
    func read(
        _ bytes: PackBytes,
        _ start: Int,
        _ count: Int,
        _ body: (UnsafeRawBufferPointer) throws(CompressionError) -> Void
    ) throws(CompressionError) { try bytes.read(start, count, buffer, body) }

    /// Hands on what a piece unpacks to. One that is in another part is nothing here.
    mutating func unpack(
        _ bytes: PackBytes,
        _ start: Int,
        _ piece: Bundle.Piece,
        _ sink: (UnsafeRawBufferPointer) throws(SystemError) -> Void
    ) throws(CompressionError) {
        switch piece {
        case .part: return
        case .plain(let size):
            try bytes.read(start, size, buffer) { piece throws(CompressionError) in
                do throws(SystemError) { try sink(piece) } catch { throw .sink(error) }
            }
        case .zstd(let size, let packed):
            decompressor.begin(size: size)
            try bytes.read(start, packed, buffer) { piece throws(CompressionError) in
                try decompressor.unpack(piece, into: sink)
            }
            try decompressor.finish()
        }
    }

    mutating func unpack(
        _ bytes: PackBytes,
        _ start: Int,
        _ piece: Bundle.Piece,
        to target: Int32,
        at offset: Int,
        _ path: String
    ) throws(CompressionError) {
        var offset = offset
        try unpack(bytes, start, piece) { content throws(SystemError) in
            try Files.write(content, to: target, at: UInt64(offset), path: path)
            offset += content.count
        }
    }
}
