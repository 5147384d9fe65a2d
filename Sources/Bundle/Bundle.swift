internal import Compression
internal import Digest
internal import Platform

/// What goes over the network: a manifest, or a result with the blobs it names.
///
///     bundle = head data*
///     head   = magic kind version name count part* check
///     magic  = "LARDER-B"           8 bytes
///     kind   = "M" manifest | "R" result
///     version = one byte, `Bundle.version`
///     name   = digest               the unit key or result id: a value found under another key is refused
///     count  = 4 bytes              parts; numbers have their lowest byte first
///     part   = digest method size packed sum
///     digest = 32 bytes, SHA-256 of the part as it is when unpacked
///     method = 0 as it is | 1 zstd frames, of `Bundle.frameBytes` each but for the last: two can be unpacked at once
///     size   = 8 bytes              bytes when unpacked
///     packed = 8 bytes              bytes in the bundle
///     sum    = 32 bytes, SHA-256 of the part as it is in the bundle
///     check  = SHA-256 of the head before it
///     data   = as many bytes as `packed` says, for each part in order, and nothing after the last
///
/// A manifest has one part, its record. A result has its record first, then the blobs the record names, each once, in
/// the order in which it names them first. Digests and sizes must be those of the record.
///
/// Nothing is believed before it is checked: the head by its own digest, then its limits, then each part as it came by its
/// sum. A file is then kept as it came, and unpacked where it goes, never to more bytes than were declared, with zstd's
/// own checksum of what was packed. Who packed it made sure that this had the digest.
package enum Bundle {
    package static let version: UInt8 = 2
    static let magic = Array("LARDER-B".utf8)
    /// Bytes of a frame, unpacked. Many times what zstd looks back, so that hardly a byte is lost by it.
    static let frameBytes = 8 << 20

    package enum Kind: UInt8, Sendable {
        case manifest = 0x4D
        case result = 0x52
    }

    enum Method: UInt8 {
        case plain = 0
        case zstd = 1
    }

    /// What a bundle may hold at most.
    package enum Limits {
        /// A compile has some ten outputs; with `save-temps` some hundreds.
        package static let parts = 4096
        /// Bytes of a record: what a compile said is at most 64 MiB (`Run.limit`), twice.
        package static let recordBytes = 160 << 20
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

        init(_ description: String, _ fault: Fault = .bundle) {
            self.description = description
            self.fault = fault
        }

        /// What is not there any more won't come back.
        init(_ error: SystemError) { self.init(error.description, error.isMissing ? .bundle : .machine) }

        init(_ error: CompressionError) {
            switch error {
            case .damaged: self.init(error.description)
            case .refused: self.init(error.description, .machine)
            case .sink(let cause): self.init(cause)
            }
        }
    }

    struct Part: Equatable {
        let digest: Digest
        let method: Method
        let size: Int
        let packed: Int
        let sum: Digest

        static let encodedSize = Digest.size + 1 + 8 + 8 + Digest.size
    }
}

/// The head of a bundle.
struct Head {
    let kind: Bundle.Kind
    let name: Digest
    let parts: [Bundle.Part]

    private static let fixedSize = Bundle.magic.count + 2 + Digest.size + 4

    static func size(parts: Int) -> Int { fixedSize + parts * Bundle.Part.encodedSize + Digest.size }

    var encoded: [UInt8] {
        var bytes = Bundle.magic + [kind.rawValue, Bundle.version] + name.bytes
        Self.append(UInt64(parts.count), 4, to: &bytes)
        for part in parts {
            bytes += part.digest.bytes + [part.method.rawValue]
            Self.append(UInt64(part.size), 8, to: &bytes)
            Self.append(UInt64(part.packed), 8, to: &bytes)
            bytes += part.sum.bytes
        }
        return bytes + Digest(of: bytes).bytes
    }

    private static func append(_ number: UInt64, _ width: Int, to bytes: inout [UInt8]) {
        for index in 0..<width { bytes.append(UInt8(truncatingIfNeeded: number >> UInt64(8 * index))) }
    }

    private static func number(_ bytes: some Sequence<UInt8>) -> UInt64 {
        bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// Reads and checks the head of `bytes`, and that the parts are what follows it, to the byte.
    init(_ bytes: [UInt8], kind: Bundle.Kind, name: Digest) throws(Bundle.Refused) {
        guard bytes.count >= Self.size(parts: 0), bytes.starts(with: Bundle.magic) else {
            throw Bundle.Refused("no bundle of larder's")
        }
        var at = Bundle.magic.count
        guard bytes[at] == kind.rawValue else { throw Bundle.Refused("another kind of bundle") }
        guard bytes[at + 1] == Bundle.version else {
            throw Bundle.Refused("a bundle of version \(bytes[at + 1])", .version)
        }
        at += 2
        guard Digest(bytes[at..<(at + Digest.size)]) == name else { throw Bundle.Refused("the bundle of another key") }
        at += Digest.size
        let count = Int(Self.number(bytes[at..<(at + 4)]))
        at += 4
        guard count >= 1, count <= Bundle.Limits.parts, bytes.count >= Self.size(parts: count) else {
            throw Bundle.Refused("a bundle of \(count) parts, or cut short")
        }
        let end = Self.size(parts: count) - Digest.size
        guard Digest(bytes[end..<(end + Digest.size)]) == Digest(of: bytes[..<end]) else {
            throw Bundle.Refused("a damaged head")
        }
        var parts: [Bundle.Part] = []
        parts.reserveCapacity(count)
        var total = 0
        var packedTotal = end + Digest.size
        for index in 0..<count {
            guard let digest = Digest(bytes[at..<(at + Digest.size)]),
                let method = Bundle.Method(rawValue: bytes[at + Digest.size])
            else { throw Bundle.Refused("a part of an unknown form") }
            at += Digest.size + 1
            let size = Self.number(bytes[at..<(at + 8)])
            let packed = Self.number(bytes[(at + 8)..<(at + 16)])
            guard let sum = Digest(bytes[(at + 16)..<(at + 16 + Digest.size)]) else {
                throw Bundle.Refused("a part of an unknown form")
            }
            at += 16 + Digest.size
            let limit = index == 0 ? Bundle.Limits.recordBytes : Bundle.Limits.blobBytes
            guard size <= UInt64(limit), packed <= UInt64(bytes.count) else {
                throw Bundle.Refused("a part of \(size) bytes, packed \(packed)")
            }
            let isRightSize =
                switch method {
                case .plain: packed == size && sum == digest
                case .zstd: packed > 0 && size / packed <= UInt64(Bundle.Limits.ratio)
                }
            guard isRightSize else { throw Bundle.Refused("a part of \(size) bytes, packed into \(packed)") }
            total += Int(size)
            packedTotal += Int(packed)
            guard total <= Bundle.Limits.totalBytes else { throw Bundle.Refused("more than 4 GiB") }
            parts.append(
                Bundle.Part(digest: digest, method: method, size: Int(size), packed: Int(packed), sum: sum)
            )
        }
        guard packedTotal == bytes.count else {
            throw Bundle.Refused("a bundle cut short, or with something behind it")
        }
        self.kind = kind
        self.name = name
        self.parts = parts
    }

    init(kind: Bundle.Kind, name: Digest, parts: [Bundle.Part]) {
        self.kind = kind
        self.name = name
        self.parts = parts
    }
}
