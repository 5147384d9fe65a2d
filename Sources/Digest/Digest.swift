internal import CCrypto

/// A SHA-256 digest.
package struct Digest: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// Bytes of a digest.
    package static let size = 32

    /// The digest's bytes, eight at a time, first byte lowest.
    package var words: (UInt64, UInt64, UInt64, UInt64)

    package init(words: (UInt64, UInt64, UInt64, UInt64)) { self.words = words }

    /// The digest with these bytes; `nil` unless there are 32.
    package init?(_ bytes: some Collection<UInt8>) {
        guard bytes.count == Self.size else { return nil }
        var parts: [UInt64] = [0, 0, 0, 0]
        for (index, byte) in bytes.enumerated() { parts[index >> 3] |= UInt64(byte) << UInt64((index & 7) * 8) }
        words = (parts[0], parts[1], parts[2], parts[3])
    }

    /// The digest written as 64 hexadecimal digits.
    package init?(hex: some StringProtocol) {
        var hex = String(hex)
        guard let digest = hex.withUTF8(Self.digest) else { return nil }
        self = digest
    }

    private static func digest(_ digits: UnsafeBufferPointer<UInt8>) -> Digest? {
        guard digits.count == size * 2 else { return nil }
        var parts: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        let isRight = withUnsafeMutableBytes(of: &parts) { bytes in
            for index in 0..<size {
                guard let high = value(digits[index * 2]), let low = value(digits[index * 2 + 1]) else { return false }
                bytes[index] = high << 4 | low
            }
            return true
        }
        return isRight ? Digest(words: parts) : nil
    }

    private static func value(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        default: nil
        }
    }

    /// The digest of `bytes`.
    package init(of bytes: some Sequence<UInt8>) {
        self = Array(bytes).withUnsafeBytes { Digest(of: $0) }
    }

    package init(of bytes: UnsafeRawBufferPointer) {
        var hasher = Hasher256()
        hasher.update(bytes)
        self = hasher.finish()
    }

    package static func == (left: Digest, right: Digest) -> Bool { left.words == right.words }

    package static func < (left: Digest, right: Digest) -> Bool { left.words < right.words }

    package func hash(into hasher: inout Swift.Hasher) { hasher.combine(words.0) }

    package var bytes: [UInt8] {
        [words.0, words.1, words.2, words.3].flatMap { word in
            (0..<8).map { UInt8(truncatingIfNeeded: word >> ($0 * 8)) }
        }
    }

    package var hex: String {
        let digits: StaticString = "0123456789abcdef"
        return String(unsafeUninitializedCapacity: Self.size * 2) { buffer in
            for (index, byte) in bytes.enumerated() {
                buffer[index * 2] = digits.utf8Start[Int(byte >> 4)]
                buffer[index * 2 + 1] = digits.utf8Start[Int(byte & 15)]
            }
            return Self.size * 2
        }
    }

    package var description: String { hex }
}

/// A SHA-256 computation under way.
package struct Hasher256 {
    private var context = SHA256_CTX()

    package init() { SHA256_Init(&context) }

    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count > 0 else { return }
        SHA256_Update(&context, bytes.baseAddress, bytes.count)
    }

    package mutating func update(_ bytes: [UInt8]) { bytes.withUnsafeBytes { update($0) } }

    package mutating func finish() -> Digest {
        var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        withUnsafeMutableBytes(of: &words) { buffer in
            _ = SHA256_Final(buffer.baseAddress?.assumingMemoryBound(to: UInt8.self), &context)
        }
        return Digest(words: words)
    }
}

/// SHA-256 over fields that each carry their length, so that no two lists of fields read alike.
package struct FieldHasher {
    private var hasher = Hasher256()

    package init() {}

    package mutating func field(_ bytes: UnsafeRawBufferPointer) {
        var length = UInt64(bytes.count).littleEndian
        withUnsafeBytes(of: &length) { hasher.update($0) }
        hasher.update(bytes)
    }

    package mutating func field(_ bytes: [UInt8]) { bytes.withUnsafeBytes { field($0) } }

    package mutating func field(_ text: String) {
        var text = text
        text.withUTF8 { field(UnsafeRawBufferPointer($0)) }
    }

    package mutating func field(_ digest: Digest) { withUnsafeBytes(of: digest.words) { field($0) } }

    package mutating func field(_ number: UInt64) {
        var number = number.littleEndian
        withUnsafeBytes(of: &number) { field($0) }
    }

    package mutating func finish() -> Digest { hasher.finish() }
}
