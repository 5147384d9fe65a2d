/// The list of chunks that a long value was cut into, as it is stored under the value's key.
///
///     index  = version total chunk-length *digest check kind
///     version = %x01
///     total = 8 bytes, big endian: the value's length
///     chunk-length = 4 bytes, big endian: the length of every chunk but the last
///     digest = 32 bytes: SHA-256 of one chunk; as many as total and chunk-length ask for
///     check = 32 bytes: SHA-256 of all before
///     kind = %x01; a value that was not cut ends in %x00 instead and is otherwise as it was given
struct ChunkIndex: Equatable {
    /// The last byte of a stored value tells which of the two it is. At the end it is taken off without moving the rest.
    static let plainKind: UInt8 = 0
    static let indexKind: UInt8 = 1

    private static let version: UInt8 = 1
    private static let headBytes = 1 + 8 + 4

    var total: Int
    var chunkBytes: Int
    var digests: [ArraySlice<UInt8>]

    init(total: Int, chunkBytes: Int, digests: [ArraySlice<UInt8>]) {
        self.total = total
        self.chunkBytes = chunkBytes
        self.digests = digests
    }

    /// How many chunks a value of this length has.
    static func chunkCount(total: Int, chunkBytes: Int) -> Int {
        total / chunkBytes + (total % chunkBytes == 0 ? 0 : 1)
    }

    /// Reads an index without its kind byte.
    /// - Parameter longestValue: a total over this is not believed.
    /// - Returns: nil when it is damaged.
    init?(_ bytes: ArraySlice<UInt8>, longestValue: Int) {
        let digestBytes = Checksum.byteCount
        guard bytes.count >= Self.headBytes + digestBytes, bytes.first == Self.version else { return nil }
        let body = bytes.dropLast(digestBytes)
        guard bytes.suffix(digestBytes).elementsEqual(Checksum.of(Array(body))) else { return nil }
        let numbers = body.dropFirst()
        let total = numbers.prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        let chunkBytes = numbers.dropFirst(8).prefix(4).reduce(0) { $0 << 8 | Int($1) }
        let list = numbers.dropFirst(12)
        guard total <= UInt64(longestValue), chunkBytes > 0, list.count % digestBytes == 0,
            list.count / digestBytes == Self.chunkCount(total: Int(total), chunkBytes: chunkBytes)
        else { return nil }
        self.total = Int(total)
        self.chunkBytes = chunkBytes
        digests = stride(from: list.startIndex, to: list.endIndex, by: digestBytes).map {
            list[$0..<($0 + digestBytes)]
        }
    }

    /// The index as it is stored.
    var encoded: [UInt8] {
        var bytes = [Self.version]
        bytes += (0..<8).reversed().map { UInt8(truncatingIfNeeded: total >> ($0 * 8)) }
        bytes += (0..<4).reversed().map { UInt8(truncatingIfNeeded: chunkBytes >> ($0 * 8)) }
        for digest in digests { bytes += digest }
        bytes += Checksum.of(bytes)
        bytes.append(Self.indexKind)
        return bytes
    }

    /// The length of the chunk at this place.
    func length(ofChunk index: Int) -> Int {
        index == digests.count - 1 ? total - chunkBytes * index : chunkBytes
    }
}
