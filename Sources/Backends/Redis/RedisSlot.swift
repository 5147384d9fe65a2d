/// A cluster's hash slots.
/// https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/
enum RedisSlot {
    static let count = 16384
    static let all = 0..<count

    /// The slot of a key: CRC16 of the part between the first `{` and the next `}`, if there is one, or of all.
    static func of(_ key: String) -> Int {
        var hashed = Array(key.utf8)[...]
        if let open = hashed.firstIndex(of: UInt8(ascii: "{")) {
            let inner = hashed[(open + 1)...]
            if let close = inner.firstIndex(of: UInt8(ascii: "}")), close > inner.startIndex {
                hashed = inner[..<close]
            }
        }
        return Int(crc16(hashed)) % count
    }

    /// CRC-16/XMODEM: polynomial 0x1021, start 0, no reflection.
    static func crc16(_ bytes: some Sequence<UInt8>) -> UInt16 {
        var crc: UInt16 = 0
        for byte in bytes {
            crc ^= UInt16(byte) << 8
            for _ in 0..<8 {
                crc = crc & 0x8000 != 0 ? crc << 1 ^ 0x1021 : crc << 1
            }
        }
        return crc
    }
}
