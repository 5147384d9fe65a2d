package import Digest

/// The form of every file of the cache that larder parses.
///
///     file    = magic kind version payload check
///     magic   = "LARDER"            6 bytes
///     kind    = one byte: "M" manifest, "R" result, "T" toolchain
///     version = one byte, `Codec.version`
///     check   = SHA-256 of all before it, 32 bytes
///     number  = unsigned LEB128
///     bytes   = number (length), then as many bytes
///     text    = bytes, UTF-8
///     digest  = 32 bytes
///
/// A file with another magic, version or check is no entry: it counts as damaged, or as foreign, and is replaced.
package enum Codec {
    /// Raised whenever a form or the meaning of a key changes; entries of another version are never read.
    package static let version: UInt8 = 3
    static let magic = Array("LARDER".utf8)
    static let headerSize = 8

    package enum Kind: UInt8, Sendable {
        case manifest = 0x4D
        case result = 0x52
        case toolchain = 0x54
    }

    package struct Damaged: Error { package init() {} }
}

package struct Encoder {
    private var buffer: [UInt8]

    package init(_ kind: Codec.Kind) { buffer = Codec.magic + [kind.rawValue, Codec.version] }

    package mutating func number(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            buffer.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        buffer.append(UInt8(truncatingIfNeeded: rest))
    }

    package mutating func count(_ value: Int) { number(UInt64(value)) }

    package mutating func bytes(_ value: [UInt8]) {
        count(value.count)
        buffer += value
    }

    package mutating func text(_ value: String) {
        count(value.utf8.count)
        buffer += value.utf8
    }

    package mutating func digest(_ value: Digest) { withUnsafeBytes(of: value.words) { buffer += $0 } }

    /// The file's content, check included.
    package consuming func finish() -> [UInt8] {
        digest(buffer.withUnsafeBytes { Digest(of: $0) })
        return buffer
    }
}

/// Reads what `Encoder` wrote; throws on every input that is not such.
package struct Decoder {
    private let buffer: [UInt8]
    private var position = Codec.headerSize
    private let end: Int

    package init(_ bytes: [UInt8], _ kind: Codec.Kind) throws(Codec.Damaged) {
        let end = bytes.count - Digest.size
        guard end >= Codec.headerSize, bytes.starts(with: Codec.magic), bytes[6] == kind.rawValue,
            bytes[7] == Codec.version
        else { throw Codec.Damaged() }
        let check = bytes.withUnsafeBytes { Digest(of: UnsafeRawBufferPointer(rebasing: $0[..<end])) }
        guard Self.digest(bytes[end...]) == check else { throw Codec.Damaged() }
        self.buffer = bytes
        self.end = end
    }

    package var isAtEnd: Bool { position == end }

    package mutating func number() throws(Codec.Damaged) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while position < end, shift < 64 {
            let byte = buffer[position]
            position += 1
            value |= UInt64(byte & 0x7F) << shift
            if byte & 0x80 == 0 { return value }
            shift += 7
        }
        throw Codec.Damaged()
    }

    /// A number of things that each take at least one byte: never more than there are bytes left.
    package mutating func count() throws(Codec.Damaged) -> Int {
        guard let value = Int(exactly: try number()), value <= end - position else { throw Codec.Damaged() }
        return value
    }

    private mutating func slice(_ count: Int) throws(Codec.Damaged) -> ArraySlice<UInt8> {
        guard count >= 0, count <= end - position else { throw Codec.Damaged() }
        defer { position += count }
        return buffer[position..<(position + count)]
    }

    package mutating func bytes() throws(Codec.Damaged) -> [UInt8] { Array(try slice(try count())) }

    package mutating func text() throws(Codec.Damaged) -> String {
        guard let text = String(validating: try slice(try count()), as: UTF8.self) else { throw Codec.Damaged() }
        return text
    }

    package mutating func digest() throws(Codec.Damaged) -> Digest {
        Self.digest(try slice(Digest.size))
    }

    /// Word by word: a manifest holds hundreds, and a generic initializer of another module takes 4 µs for each.
    ///
    /// - Parameter bytes: `Digest.size` of them.
    private static func digest(_ bytes: ArraySlice<UInt8>) -> Digest {
        bytes.withUnsafeBytes { buffer in
            func word(_ index: Int) -> UInt64 {
                UInt64(littleEndian: buffer.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self))
            }
            return Digest(words: (word(0), word(1), word(2), word(3)))
        }
    }
}
