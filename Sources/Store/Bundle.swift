package import Compression
package import Digest
package import Platform

/// What goes over the network, and lies in `packs` as it came: a manifest, or a result with the blobs it names.
///
///     bundle = head data*
///     head   = magic kind version name length count part* check
///     magic  = "LARDER-B"           8 bytes
///     kind   = "M" manifest | "R" result
///     version = one byte, `Bundle.version`
///     name   = digest               the unit key or result id: a value found under another key is refused
///     length = 4 bytes              of the head, all of it; numbers have their lowest byte first
///     count  = 4 bytes              parts
///     part   = digest size packed sum pieces piece*
///     digest = 32 bytes, SHA-256 of the part as it is when unpacked
///     size   = 8 bytes              bytes when unpacked
///     packed = 8 bytes              bytes in the bundle
///     sum    = 32 bytes, SHA-256 of the part as it is in the bundle
///     pieces = 4 bytes              of which the part consists, one behind the other
///     piece  = form size packed
///     form   = 0 as it is | 1 a zstd frame | 2 all of another part, whose number stands for `packed` (as 8 bytes)
///     check  = SHA-256 of the head before it
///     data   = as many bytes as `packed` says, for each part in order, and nothing after the last
///
/// A manifest has one part, its record. A result has its record first, then the blobs the record names, each once, in
/// the order in which it names them first. Digests and sizes must be those of the record.
///
/// A large file has a frame for every `Bundle.frameBytes`, so that two can be unpacked at once. An rlib holds its crate's
/// metadata once more, as it is in the rmeta beside it: there the piece names that part instead.
///
/// Nothing is believed before it is checked: the head by its own digest, then its limits, then each part as it came, by its
/// sum or by the digests of the chunks that it came in. A file is then kept as it came, and unpacked where it goes, never to more bytes than were declared, with zstd's
/// own checksum of what was packed. Who packed it made sure that this had the digest.
package enum Bundle {
    package static let version: UInt8 = 3
    package static let magic = Array("LARDER-B".utf8)
    /// Bytes of a frame, unpacked. Many times what zstd looks back, so that hardly a byte is lost by it.
    package static let frameBytes = 8 << 20

    package enum Kind: UInt8, Sendable {
        case manifest = 0x4D
        case result = 0x52
    }

    /// What a bundle may hold at most.
    package enum Limits {
        /// Bytes of a head: more than `parts` need.
        package static let headBytes = 1 << 20
        /// A compile has some ten outputs; with `save-temps` some hundreds.
        package static let parts = 4096
        /// Bytes of a record: what a compile said is at most 64 MiB (`Run.limit`), twice.
        package static let recordBytes = 160 << 20
        /// Of a part. The largest file has a frame for each 8 MiB.
        package static let pieces = 1024
        /// Bytes of one file.
        package static let blobBytes = 2 << 30
        /// Bytes of all parts, unpacked.
        package static let totalBytes = 4 << 30
        /// Unpacked bytes for each packed one. rlibs have 4 to 10; what has more than this is sent as it is.
        package static let ratio = 400
        /// Bytes of an output's path, as Linux has it.
        package static let pathBytes = 4096
        /// Entries of a manifest, and inputs of each.
        package static let entries = 1024
        package static let inputs = 100_000
    }

    /// Why a bundle is refused, or can't be made.
    package struct Refused: Error, Sendable, CustomStringConvertible {
        /// Who is at fault.
        package enum Fault: Sendable {
            /// The bundle, or the result it was to be made of: it will never be of use.
            case bundle
            /// Nobody: another version of larder made it, and can use it.
            case version
            /// This machine: a full disk, no memory. The bundle may be sound.
            case machine
        }

        package let description: String
        package let fault: Fault

        package init(_ description: String, _ fault: Fault = .bundle) {
            self.description = description
            self.fault = fault
        }

        /// What was to be packed and is not there any more won't come back.
        package init(_ error: SystemError) { self.init(error.description, error.isMissing ? .bundle : .machine) }

        package init(_ error: CompressionError) {
            switch error {
            case .damaged: self.init(error.description)
            case .refused: self.init(error.description, .machine)
            case .sink(let cause): self.init(cause)
            }
        }
    }

    /// What a part consists of.
    package enum Piece: Equatable, Sendable {
        /// So many bytes, as they are.
        case plain(Int)
        case zstd(size: Int, packed: Int)
        /// All of another part, which has no such piece itself.
        case part(Int, size: Int)

        /// Bytes when unpacked, and in the bundle.
        package var size: Int {
            switch self {
            case .plain(let size), .zstd(let size, _), .part(_, let size): size
            }
        }

        package var packed: Int {
            switch self {
            case .plain(let size): size
            case .zstd(_, let packed): packed
            case .part: 0
            }
        }

        fileprivate static let encodedSize = 1 + 8 + 8
    }

    package struct Part: Equatable, Sendable {
        package let digest: Digest
        package let sum: Digest
        package let pieces: [Piece]
        /// Bytes when unpacked, and in the bundle.
        package let size: Int
        package let packed: Int

        package init(digest: Digest, sum: Digest, pieces: [Piece]) {
            self.digest = digest
            self.sum = sum
            self.pieces = pieces
            size = pieces.reduce(0) { $0 + $1.size }
            packed = pieces.reduce(0) { $0 + $1.packed }
        }

        /// Whether another part is in it.
        package var holdsAnother: Bool { pieces.contains { if case .part = $0 { true } else { false } } }

        fileprivate static let fixedSize = Digest.size + 8 + 8 + Digest.size + 4
    }

    /// What a bundle begins with.
    package struct Head: Sendable {
        package let name: Digest
        package let parts: [Part]
        /// Bytes of the head itself.
        package let length: Int

        /// Bytes before the parts: enough to know the length.
        package static let fixedSize = Bundle.magic.count + 2 + Digest.size + 4 + 4
    }
}

// MARK: Writing

extension Bundle.Head {
    /// The head of a bundle with these parts.
    package static func encoded(_ kind: Bundle.Kind, name: Digest, _ parts: [Bundle.Part]) -> [UInt8] {
        let length =
            fixedSize + Digest.size
            + parts.reduce(0) { $0 + Bundle.Part.fixedSize + $1.pieces.count * Bundle.Piece.encodedSize }
        var bytes = Bundle.magic + [kind.rawValue, Bundle.version] + name.bytes
        bytes.reserveCapacity(length)
        append(length, 4, to: &bytes)
        append(parts.count, 4, to: &bytes)
        for part in parts {
            bytes += part.digest.bytes
            append(part.size, 8, to: &bytes)
            append(part.packed, 8, to: &bytes)
            bytes += part.sum.bytes
            append(part.pieces.count, 4, to: &bytes)
            for piece in part.pieces {
                switch piece {
                case .plain: bytes.append(0)
                case .zstd: bytes.append(1)
                case .part: bytes.append(2)
                }
                append(piece.size, 8, to: &bytes)
                if case .part(let number, _) = piece {
                    append(number, 8, to: &bytes)
                } else {
                    append(piece.packed, 8, to: &bytes)
                }
            }
        }
        return bytes + Digest(of: bytes).bytes
    }

    private static func append(_ number: Int, _ width: Int, to bytes: inout [UInt8]) {
        for index in 0..<width { bytes.append(UInt8(truncatingIfNeeded: number >> (8 * index))) }
    }
}

// MARK: Reading

extension Bundle.Head {
    /// How long the head is that begins with these `fixedSize` bytes.
    package static func length(_ start: ArraySlice<UInt8>) throws(Bundle.Refused) -> Int {
        guard start.count >= fixedSize, start.starts(with: Bundle.magic) else {
            throw Bundle.Refused("no bundle of larder's")
        }
        let version = start[start.startIndex + Bundle.magic.count + 1]
        guard version == Bundle.version else { throw Bundle.Refused("a bundle of version \(version)", .version) }
        var reader = Reader(start.dropFirst(fixedSize - 8))
        let length = reader.number(4) ?? 0
        guard length >= fixedSize + Digest.size, length <= Bundle.Limits.headBytes else {
            throw Bundle.Refused("a head of \(length) bytes")
        }
        return length
    }

    /// Reads and checks a head, and that the parts are what follows it, to the byte.
    ///
    /// - Parameters:
    ///   - bytes: the head, as long as it says.
    ///   - total: bytes of the whole bundle.
    package init(_ bytes: ArraySlice<UInt8>, kind: Bundle.Kind, name: Digest, total: Int) throws(Bundle.Refused) {
        length = try Self.length(bytes)
        guard bytes.count == length else { throw Bundle.Refused("a head cut short") }
        let body = bytes.dropLast(Digest.size)
        guard Digest(bytes.suffix(Digest.size)) == Digest(of: body) else { throw Bundle.Refused("a damaged head") }
        guard bytes[bytes.startIndex + Bundle.magic.count] == kind.rawValue else {
            throw Bundle.Refused("another kind of bundle")
        }
        var reader = Reader(body.dropFirst(Bundle.magic.count + 2))
        guard reader.digest() == name else { throw Bundle.Refused("the bundle of another key") }
        self.name = name
        guard reader.number(4) != nil, let count = reader.number(4), count >= 1, count <= Bundle.Limits.parts else {
            throw Bundle.Refused("a bundle of too many parts, or none")
        }
        var parts: [Bundle.Part] = []
        for index in 0..<count { parts.append(try reader.part(isRecord: index == 0)) }
        guard reader.isAtEnd else { throw Bundle.Refused("a head with something behind it") }
        self.parts = parts
        try check(total: total)
    }

    /// What can only be told of all parts together. Each is within its limits.
    private func check(total: Int) throws(Bundle.Refused) {
        guard parts.reduce(0, { $0 + $1.size }) <= Bundle.Limits.totalBytes else {
            throw Bundle.Refused("more than 4 GiB")
        }
        guard parts.reduce(length, { $0 + $1.packed }) == total else {
            throw Bundle.Refused("a bundle cut short, or with something behind it")
        }
        for piece in parts.lazy.flatMap(\.pieces) {
            guard case .part(let number, let size) = piece else { continue }
            guard parts.indices.contains(number), parts[number].size == size, !parts[number].holdsAnother else {
                throw Bundle.Refused("a part made of one that can't be")
            }
        }
    }

    /// Takes one thing after the other.
    private struct Reader {
        private var rest: ArraySlice<UInt8>

        init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

        var isAtEnd: Bool { rest.isEmpty }

        /// `nil` where there is less, or where it is no number of bytes.
        mutating func number(_ width: Int) -> Int? {
            guard rest.count >= width else { return nil }
            defer { rest = rest.dropFirst(width) }
            return Int(exactly: rest.prefix(width).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
        }

        mutating func digest() -> Digest? {
            guard rest.count >= Digest.size else { return nil }
            defer { rest = rest.dropFirst(Digest.size) }
            return Digest(rest.prefix(Digest.size))
        }

        mutating func part(isRecord: Bool) throws(Bundle.Refused) -> Bundle.Part {
            guard let digest = digest(), let size = number(8), let packed = number(8), let sum = self.digest(),
                let count = number(4), count <= min(Bundle.Limits.pieces, rest.count / Bundle.Piece.encodedSize)
            else { throw Bundle.Refused("a part of an unknown form") }
            let limit = isRecord ? Bundle.Limits.recordBytes : Bundle.Limits.blobBytes
            guard size <= limit else { throw Bundle.Refused("a part of \(size) bytes") }
            var pieces: [Bundle.Piece] = []
            pieces.reserveCapacity(count)
            for _ in 0..<count { pieces.append(try piece(limit)) }
            // As many as fit into a head, each within the limit: no sum that overflows.
            let part = Bundle.Part(digest: digest, sum: sum, pieces: pieces)
            guard part.size == size, part.packed == packed, !isRecord || !part.holdsAnother else {
                throw Bundle.Refused("a part of \(size) bytes, packed into \(packed)")
            }
            return part
        }

        private mutating func piece(_ limit: Int) throws(Bundle.Refused) -> Bundle.Piece {
            guard let form = number(1), let size = number(8), let packed = number(8), 1...limit ~= size, packed <= limit
            else { throw Bundle.Refused("a piece of an unknown form") }
            switch form {
            case 0 where packed == size: return .plain(size)
            case 1 where packed > 0 && size / packed <= Bundle.Limits.ratio: return .zstd(size: size, packed: packed)
            case 2: return .part(packed, size: size)
            default: throw Bundle.Refused("a piece of \(size) bytes, packed into \(packed)")
            }
        }
    }
}
