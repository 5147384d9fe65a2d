internal import Compression
package import Digest
internal import Glibc
internal import Platform

/// A bundle, in memory or in a file: in `packs` a result's outputs lie as they came over the network.
///
/// Whoever waits for a result has its blobs unpacked straight to where they go: to write them all twice, in a file each, is
/// what takes longest of a fetch. They become blobs like others when there is time.
package final class Pack {
    /// The record first, then the blobs.
    package let parts: [Bundle.Part]
    /// Empty where it is in memory.
    let path: String
    let stamp: FileStamp?
    private let dataStart: Int
    private let bytes: PackBytes
    private let file: Descriptor?
    /// Memory for one part at a time: each page of it that is new costs the system as much as unpacking into it.
    private var unpacker: Unpacker
    /// A part that others hold, as it was last written to a file, which can be read.
    private var written: Written?

    private struct Written: ~Copyable {
        let part: Int
        let file: Descriptor
    }

    /// Two pieces of a part that are at least this long are unpacked at once. Bytes.
    private static let worthAThread = 2 << 20

    /// Opens the bundle of a result that is at `path`.
    package init(at path: String, of result: Digest) throws(Bundle.Refused) {
        do throws(SystemError) {
            let file = try Descriptor(opening: path, O_RDONLY, for: "read")
            guard let stamp = FileStamp(of: file.number) else { throw SystemError("stat", path) }
            self.stamp = stamp
            bytes = .file(file.number, path: path, count: Int(clamping: stamp.size))
            self.file = consume file
        } catch { throw Bundle.Refused(error.description, .machine) }
        self.path = path
        unpacker = try Self.unpacker()
        let head = try bytes.head(.result, result)
        parts = head.parts
        dataStart = head.length
    }

    /// Reads a bundle that is in memory.
    package init(_ bytes: [UInt8], _ kind: Bundle.Kind, name: Digest) throws(Bundle.Refused) {
        self.bytes = .memory(bytes)
        file = nil
        stamp = nil
        path = ""
        unpacker = try Self.unpacker()
        let head = try self.bytes.head(kind, name)
        parts = head.parts
        dataStart = head.length
    }

    private static func unpacker() throws(Bundle.Refused) -> Unpacker {
        do { return try Unpacker() } catch { throw Bundle.Refused(error) }
    }

    /// The first part, checked.
    package func record() throws(Bundle.Refused) -> [UInt8] {
        var record: [UInt8] = []
        var isAsItCame = false
        do throws(CompressionError) {
            isAsItCame = try sum(of: 0) == parts[0].sum
            if isAsItCame { try read(0) { piece throws(SystemError) in record += piece } }
        } catch { throw Bundle.Refused(error) }
        guard isAsItCame, Digest(of: record) == parts[0].digest else { throw Bundle.Refused("a damaged record") }
        return record
    }

    /// What its record says.
    package func outcome() throws(Bundle.Refused) -> Outcome {
        let record = try record()
        guard let outcome = try? Outcome(record) else { throw Bundle.Refused("a damaged result") }
        return outcome
    }

    /// The part of a blob.
    func index(of digest: Digest) -> Int? { parts.dropFirst().firstIndex { $0.digest == digest } }

    private func start(of index: Int) -> Int { parts[..<index].reduce(dataStart) { $0 + $1.packed } }

    /// Hands a part's content on, a piece at a time.
    func read(
        _ index: Int,
        _ sink: (UnsafeRawBufferPointer) throws(SystemError) -> Void
    ) throws(CompressionError) {
        var at = start(of: index)
        for piece in parts[index].pieces {
            switch piece {
            // That one has none of these.
            case .part(let other, _): try read(other, sink)
            default: try unpacker.unpack(bytes, at, piece, sink)
            }
            at += piece.packed
        }
    }

    /// Writes a part's content to a new file, several pieces at once where there are several: the last call of a build is
    /// its largest, and the other processors have nothing left to do.
    func write(_ index: Int, to target: Int32, _ targetPath: String) throws(CompressionError) {
        let pieces = parts[index].pieces
        var places: [(from: Int, to: Int)] = []
        var place = (from: start(of: index), to: 0)
        for piece in pieces {
            places.append(place)
            place.from += piece.packed
            place.to += piece.size
        }
        let isWorthThreads = pieces.count { $0.packed > 0 && $0.size >= Self.worthAThread } > 1
        if isWorthThreads { try writePacked(pieces, places, to: target, targetPath) }
        // What is in another part is copied when the rest is there.
        for (piece, place) in zip(pieces, places) where !isWorthThreads || piece.packed == 0 {
            try write(piece, place.from, to: target, at: place.to, targetPath)
        }
    }

    /// Writes all pieces that are in the part itself, on as many threads as there are processors.
    private func writePacked(
        _ pieces: [Bundle.Piece],
        _ places: [(from: Int, to: Int)],
        to target: Int32,
        _ targetPath: String
    ) throws(CompressionError) {
        let failure = Locked<CompressionError?>(nil)
        Parallel.forEach(places.count) { [bytes] number in
            if pieces[number].packed == 0 || failure.use({ $0 != nil }) { return }
            do throws(CompressionError) {
                var unpacker = try Unpacker()
                try unpacker.unpack(
                    bytes,
                    places[number].from,
                    pieces[number],
                    to: target,
                    at: places[number].to,
                    targetPath
                )
            } catch { failure.use { $0 = $0 ?? error } }
        }
        if let failure = failure.use({ $0 }) { throw failure }
    }

    private func write(
        _ piece: Bundle.Piece,
        _ start: Int,
        to target: Int32,
        at offset: Int,
        _ path: String
    ) throws(CompressionError) {
        guard case .part(let other, let size) = piece else {
            return try unpacker.unpack(bytes, start, piece, to: target, at: offset, path)
        }
        if let source = written?.file.number, written?.part == other {
            // Where the file system can't, it is unpacked once more.
            if (try? Files.copy(from: source, count: size, to: target, at: offset, path: path)) != nil { return }
        }
        var offset = offset
        try read(other) { bytes throws(SystemError) in
            try Files.write(bytes, to: target, at: UInt64(offset), path: path)
            offset += bytes.count
        }
    }

    /// Takes note of a file that a part was just written to, for those that hold it.
    func keepOpen(_ index: Int, _ file: consuming Descriptor) {
        let isHeld = parts.contains { part in
            part.pieces.contains { if case .part(index, _) = $0 { true } else { false } }
        }
        if isHeld { written = Written(part: index, file: file) }
    }

    /// Whether a part is, as it is packed, what was packed.
    package func isAsItCame(_ index: Int) -> Bool { (try? sum(of: index)) == parts[index].sum }

    private func sum(of index: Int) throws(CompressionError) -> Digest {
        var hasher = Hasher256()
        try unpacker.read(bytes, start(of: index), parts[index].packed) { hasher.update($0) }
        return hasher.finish()
    }

    /// Whether a part unpacks to what its name says.
    package func isWhole(_ index: Int) -> Bool {
        var hasher = Hasher256()
        do throws(CompressionError) {
            try read(index) { piece throws(SystemError) in hasher.update(piece) }
        } catch { return false }
        return hasher.finish() == parts[index].digest
    }
}
