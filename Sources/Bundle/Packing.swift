internal import CPlatform
internal import Compression
internal import Digest
internal import Glibc
internal import Platform
internal import Store

/// Packs parts one after the other, a piece at a time.
struct Packer: ~Copyable {
    private let compressor: Compressor
    private(set) var data: [UInt8] = []
    private(set) var parts: [Bundle.Part] = []

    /// Another part that a file has in it.
    struct Held {
        let part: Int
        /// Where in the file.
        let range: Range<Int>
    }

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
        let isWorthIt = Self.isWorthIt(record.count, packed.count)
        let piece: Bundle.Piece = isWorthIt ? .zstd(size: record.count, packed: packed.count) : .plain(record.count)
        add(isWorthIt ? packed : record, Digest(of: record), [piece])
    }

    /// Packs the file at `path`, which must have this digest and size.
    mutating func add(
        file path: String,
        digest: Digest,
        size: UInt64,
        holding held: Held? = nil
    ) throws(Bundle.Refused) {
        guard size <= UInt64(Bundle.Limits.blobBytes) else { throw Bundle.Refused("a file of \(size) bytes") }
        let file = try FileBytes(path)
        var hasher = Hasher256()
        var packed: [UInt8] = []
        var pieces: [Bundle.Piece] = []
        for range in Self.ranges(Int(size), around: held) {
            if let held, held.range == range {
                try file.read(range) { piece throws(Bundle.Refused) in hasher.update(piece) }
                pieces.append(.part(held.part, size: range.count))
                continue
            }
            let start = packed.count
            var done = 0
            compressor.begin(size: range.count)
            try file.read(range) { piece throws(Bundle.Refused) in
                hasher.update(piece)
                done += piece.count
                try compress(piece, isLast: done == range.count, into: &packed)
            }
            if Self.isWorthIt(range.count, packed.count - start) {
                pieces.append(.zstd(size: range.count, packed: packed.count - start))
            } else {
                packed.removeLast(packed.count - start)
                try file.read(range) { piece throws(Bundle.Refused) in packed += piece }
                pieces.append(.plain(range.count))
            }
        }
        guard try file.isAtEnd(Int(size)), hasher.finish() == digest else {
            throw Bundle.Refused("\(path) is damaged")
        }
        add(packed, digest, pieces)
    }

    /// What a file is packed in.
    private static func ranges(_ size: Int, around held: Held?) -> [Range<Int>] {
        func cut(_ range: Range<Int>) -> [Range<Int>] {
            stride(from: range.lowerBound, to: range.upperBound, by: Bundle.frameBytes).map {
                $0..<min($0 + Bundle.frameBytes, range.upperBound)
            }
        }
        guard let held else { return cut(0..<size) }
        return cut(0..<held.range.lowerBound) + [held.range] + cut(held.range.upperBound..<size)
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

    private mutating func add(_ packed: [UInt8], _ digest: Digest, _ pieces: [Bundle.Piece]) {
        data += packed
        parts.append(Bundle.Part(digest: digest, sum: Digest(of: packed), pieces: pieces))
    }
}

/// The bytes of a file that nobody changes.
struct FileBytes: ~Copyable {
    private let file: Descriptor
    private let path: String
    private let buffer: UnsafeMutableRawBufferPointer

    init(_ path: String) throws(Bundle.Refused) {
        do { file = try Descriptor(opening: path, O_RDONLY, for: "read") } catch { throw Bundle.Refused(error) }
        self.path = path
        buffer = .allocate(byteCount: 1 << 20, alignment: 64)
    }

    deinit { buffer.deallocate() }

    /// Hands on the bytes of a range, a piece at a time.
    func read(
        _ range: Range<Int>,
        _ body: (UnsafeRawBufferPointer) throws(Bundle.Refused) -> Void
    ) throws(Bundle.Refused) {
        var done = range.lowerBound
        while done < range.upperBound {
            // Never less than was asked for but at its end, as it is a file.
            let wanted = min(buffer.count, range.upperBound - done)
            guard try read(done, wanted) == wanted else { throw Bundle.Refused("\(path) is not what it was") }
            try body(UnsafeRawBufferPointer(rebasing: buffer[..<wanted]))
            done += wanted
        }
    }

    /// Whether it is no longer than this.
    func isAtEnd(_ size: Int) throws(Bundle.Refused) -> Bool { try read(size, 1) == 0 }

    private func read(_ start: Int, _ count: Int) throws(Bundle.Refused) -> Int {
        let got = retryingInterrupts { pread(file.number, buffer.baseAddress, count, off_t(start)) }
        guard got >= 0 else { throw Bundle.Refused(SystemError("read", path)) }
        return got
    }
}

/// Looks for one file in another.
enum FileSearch {
    /// Bytes that are looked for first: a file that is shorter is not worth it.
    private static let needleBytes = 64
    /// So many places are tried.
    private static let tries = 4

    /// Where in the file at `path` all of another is; `nil` where it isn't, or that can't be told.
    static func offset(of other: String, _ otherSize: Int, in path: String, _ size: Int) -> Int? {
        guard otherSize >= needleBytes, size >= otherSize, let file = try? FileBytes(path),
            let source = try? FileBytes(other)
        else { return nil }
        var needle: [UInt8] = []
        guard (try? source.read(0..<needleBytes) { needle += $0 }) != nil else { return nil }
        // All places first: the buffer that is searched is used by the comparison, too.
        var candidates: [Int] = []
        var start = 0
        while start <= size - otherSize, candidates.count < tries {
            let range = start..<min(start + (1 << 20), size)
            let read: Void? = try? file.read(range) { bytes in
                var rest = bytes[...]
                while candidates.count < tries {
                    let left = UnsafeRawBufferPointer(rebasing: rest)
                    let place = larder_find(left.baseAddress, left.count, needle, needle.count)
                    guard place >= 0 else { return }
                    candidates.append(start + rest.startIndex + place)
                    rest = rest.dropFirst(place + 1)
                }
            }
            guard read != nil else { return nil }
            start = range.upperBound == size ? size : range.upperBound - needleBytes + 1
        }
        return candidates.prefix(tries).first { place in
            place + otherSize <= size && isSame(source, file, from: place, count: otherSize)
        }
    }

    private static func isSame(
        _ source: borrowing FileBytes,
        _ file: borrowing FileBytes,
        from place: Int,
        count: Int
    ) -> Bool {
        var done = 0
        var isSame = true
        let read: Void? = try? source.read(0..<count) { (piece) throws(Bundle.Refused) in
            guard isSame else { return }
            try file.read((place + done)..<(place + done + piece.count)) { other in
                guard let one = piece.baseAddress, let two = other.baseAddress else { return }
                if memcmp(one, two, piece.count) != 0 { isSame = false }
            }
            done += piece.count
        }
        return read != nil && isSame
    }
}
