/// Reads JSON in one go over a line of the log: a log holds hundreds of thousands of them, and people wait for statistics.
///
/// Each function goes past what it read, or gives `false` where something else stands. Source: RFC 8259.
struct JSONReader {
    private let bytes: UnsafeRawBufferPointer
    private var position = 0
    /// Deeper nesting is no event of ours; each level takes of the stack.
    private var depth = 0
    private static let mostDepth = 16

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    var isAtEnd: Bool {
        mutating get {
            skipSpace()
            return position == bytes.count
        }
    }

    private mutating func skipSpace() {
        while position < bytes.count, Self.isSpace(bytes[position]) { position += 1 }
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 }

    /// The next byte that is no space; `nil` at the end.
    private mutating func peek() -> UInt8? {
        skipSpace()
        return position < bytes.count ? bytes[position] : nil
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard peek() == byte else { return false }
        position += 1
        return true
    }

    private mutating func take(word: StaticString) -> Bool {
        skipSpace()
        let count = word.utf8CodeUnitCount
        guard bytes.count - position >= count,
            bytes[position..<(position + count)].elementsEqual(UnsafeBufferPointer(start: word.utf8Start, count: count))
        else { return false }
        position += count
        return true
    }

    /// - Parameter member: called with each name, and must read its value.
    mutating func object(_ member: (String, inout JSONReader) -> Bool) -> Bool {
        guard take(UInt8(ascii: "{")) else { return false }
        if take(UInt8(ascii: "}")) { return true }
        while true {
            var name = ""
            guard text(into: &name), take(UInt8(ascii: ":")), member(name, &self) else { return false }
            if take(UInt8(ascii: "}")) { return true }
            guard take(UInt8(ascii: ",")) else { return false }
        }
    }

    mutating func boolean(into value: inout Bool) -> Bool {
        if take(word: "true") {
            value = true
        } else if take(word: "false") {
            value = false
        } else {
            return false
        }
        return true
    }

    /// A whole number that is not negative: events hold no other.
    mutating func number(into value: inout Int64) -> Bool {
        skipSpace()
        let start = position
        var sum: Int64 = 0
        while position < bytes.count, case let digit = bytes[position] &- 0x30, digit < 10 {
            let (product, first) = sum.multipliedReportingOverflow(by: 10)
            let (next, second) = product.addingReportingOverflow(Int64(digit))
            guard !first, !second else { return false }
            sum = next
            position += 1
        }
        value = sum
        return position > start
    }

    mutating func text(into value: inout String) -> Bool {
        guard take(UInt8(ascii: "\"")) else { return false }
        let start = position
        while position < bytes.count {
            switch bytes[position] {
            case UInt8(ascii: "\""):
                guard let text = String(validating: bytes[start..<position], as: UTF8.self) else { return false }
                value = text
                position += 1
                return true
            case UInt8(ascii: "\\"): return escapedText(from: start, into: &value)
            case ..<0x20: return false
            default: position += 1
            }
        }
        return false
    }

    private mutating func escapedText(from start: Int, into value: inout String) -> Bool {
        var units = Array(bytes[start..<position])
        while position < bytes.count {
            let byte = bytes[position]
            position += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let text = String(validating: units, as: UTF8.self) else { return false }
                value = text
                return true
            case UInt8(ascii: "\\"):
                guard let scalar = escape() else { return false }
                units += Array(String(scalar).utf8)
            case ..<0x20: return false
            default: units.append(byte)
            }
        }
        return false
    }

    /// What follows a backslash.
    private mutating func escape() -> Unicode.Scalar? {
        guard position < bytes.count else { return nil }
        let byte = bytes[position]
        position += 1
        switch byte {
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
        case UInt8(ascii: "u"):
            guard let unit = hexUnit() else { return nil }
            guard unit & 0xF800 == 0xD800 else { return Unicode.Scalar(UInt32(unit)) }
            // Two halves of a scalar beyond the first plane.
            guard unit < 0xDC00, take(word: "\\u"), let low = hexUnit(), low & 0xFC00 == 0xDC00 else { return nil }
            return Unicode.Scalar(0x10000 + (UInt32(unit & 0x3FF) << 10 | UInt32(low & 0x3FF)))
        default: return nil
        }
    }

    private mutating func hexUnit() -> UInt16? {
        guard bytes.count - position >= 4 else { return nil }
        var unit: UInt16 = 0
        for byte in bytes[position..<(position + 4)] {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): unit = unit << 4 | UInt16(byte - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): unit = unit << 4 | UInt16(byte - UInt8(ascii: "a") + 10)
            case UInt8(ascii: "A")...UInt8(ascii: "F"): unit = unit << 4 | UInt16(byte - UInt8(ascii: "A") + 10)
            default: return nil
            }
        }
        position += 4
        return unit
    }

    /// Goes past a value of any kind.
    mutating func skip() -> Bool {
        depth += 1
        defer { depth -= 1 }
        guard depth < Self.mostDepth, let byte = peek() else { return false }
        switch byte {
        case UInt8(ascii: "{"): return object { _, reader in reader.skip() }
        case UInt8(ascii: "["):
            position += 1
            if take(UInt8(ascii: "]")) { return true }
            while true {
                guard skip() else { return false }
                if take(UInt8(ascii: "]")) { return true }
                guard take(UInt8(ascii: ",")) else { return false }
            }
        case UInt8(ascii: "\""):
            var text = ""
            return self.text(into: &text)
        case UInt8(ascii: "t"), UInt8(ascii: "f"):
            var value = false
            return boolean(into: &value)
        case UInt8(ascii: "n"): return take(word: "null")
        default:
            let start = position
            while position < bytes.count, Self.isNumeric(bytes[position]) { position += 1 }
            return position > start
        }
    }

    private static func isNumeric(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "."),
            UInt8(ascii: "e"), UInt8(ascii: "E"):
            true
        default: false
        }
    }
}
