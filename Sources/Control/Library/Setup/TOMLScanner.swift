/// Finds where things stand in a TOML text, so that it can be changed without touching the rest of it.
///
/// Knows just enough of TOML for that: tables, keys, and where a value ends. Source: https://toml.io/en/v1.0.0
/// What it makes of a text is checked with a real parser afterwards.
struct TOMLScanner {
    /// `key = value`, in a table or inline.
    struct Statement {
        /// With the table it stands in.
        let path: [String]
        /// Whether it stands before the first header.
        let isAtRoot: Bool
        /// From the first character of its line (in an inline table: of the key).
        let start: Int
        let value: Range<Int>
        /// Past the end of its line, or of the value in an inline table.
        let end: Int
    }

    /// `[table]`
    struct Header {
        let path: [String]
        let start: Int
        /// Past the end of its line.
        let end: Int
    }

    private(set) var statements: [Statement] = []
    private(set) var headers: [Header] = []
    private let text: [UInt8]
    private var position = 0

    /// - Throws: where the text is no TOML as far as this scanner can tell.
    init(_ text: [UInt8]) throws(Failure) {
        self.text = text
        // A byte order mark may stand first.
        if text.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
        var table: [String] = []
        while let byte = skipBlank() {
            let start = lineStart(position)
            if byte == UInt8(ascii: "[") {
                let isArray = position + 1 < text.count && text[position + 1] == UInt8(ascii: "[")
                position += isArray ? 2 : 1
                table = try keyPath()
                for _ in 0..<(isArray ? 2 : 1) { try expect(UInt8(ascii: "]")) }
                skipToLineEnd()
                if !isArray { headers.append(Header(path: table, start: start, end: position)) }
                // Never equal to a table's path.
                if isArray { table.append("[]") }
            } else {
                try statement(in: table, isAtRoot: headers.isEmpty && table.isEmpty, start: start)
                skipToLineEnd()
            }
        }
    }

    private mutating func statement(in table: [String], isAtRoot: Bool, start: Int) throws(Failure) {
        let path = table + (try keyPath())
        try expect(UInt8(ascii: "="))
        skipSpaces()
        let valueStart = position
        var inner: [Statement] = []
        if position < text.count, text[position] == UInt8(ascii: "{") {
            inner = try inlineTable(path)
        } else {
            try skipValue()
        }
        let value = valueStart..<position
        guard !value.isEmpty else { throw wrong }
        statements.append(
            Statement(path: path, isAtRoot: isAtRoot, start: start, value: value, end: lineEnd(position))
        )
        statements += inner
    }

    private mutating func inlineTable(_ path: [String]) throws(Failure) -> [Statement] {
        var found: [Statement] = []
        // Nobody nests so deep, and each level takes of the stack.
        guard path.count < 100 else { throw wrong }
        position += 1
        while true {
            skipSpaces()
            guard position < text.count else { throw wrong }
            if text[position] == UInt8(ascii: "}") {
                position += 1
                return found
            }
            let start = position
            let inner = path + (try keyPath())
            try expect(UInt8(ascii: "="))
            skipSpaces()
            let valueStart = position
            if position < text.count, text[position] == UInt8(ascii: "{") {
                found += try inlineTable(inner)
            } else {
                try skipValue()
            }
            let value = valueStart..<position
            guard !value.isEmpty else { throw wrong }
            found.append(Statement(path: inner, isAtRoot: false, start: start, value: value, end: position))
            skipSpaces()
            if position < text.count, text[position] == UInt8(ascii: ",") { position += 1 }
        }
    }

    // MARK: Pieces

    private var wrong: Failure {
        Failure("line \(text[..<min(position, text.count)].count { $0 == 10 } + 1) is no TOML")
    }

    /// Goes past white space, empty lines and comments; the byte that follows, `nil` at the end.
    private mutating func skipBlank() -> UInt8? {
        while position < text.count {
            switch text[position] {
            case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\n"), UInt8(ascii: "\r"): position += 1
            case UInt8(ascii: "#"): skipToLineEnd()
            default: return text[position]
            }
        }
        return nil
    }

    private mutating func skipSpaces() {
        while position < text.count, text[position] == UInt8(ascii: " ") || text[position] == UInt8(ascii: "\t") {
            position += 1
        }
    }

    private mutating func skipToLineEnd() { position = lineEnd(position) }

    private func lineStart(_ position: Int) -> Int {
        text[..<position].lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
    }

    private func lineEnd(_ position: Int) -> Int {
        text[position...].firstIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? text.count
    }

    private mutating func expect(_ byte: UInt8) throws(Failure) {
        skipSpaces()
        guard position < text.count, text[position] == byte else { throw wrong }
        position += 1
    }

    private mutating func keyPath() throws(Failure) -> [String] {
        var path: [String] = []
        while true {
            skipSpaces()
            guard position < text.count else { throw wrong }
            let start = position
            if text[position] == UInt8(ascii: "\"") || text[position] == UInt8(ascii: "'") {
                try skipString()
                path.append(String(decoding: text[(start + 1)..<(position - 1)], as: UTF8.self))
            } else {
                while position < text.count, Self.isBare(text[position]) { position += 1 }
                guard position > start else { throw wrong }
                path.append(String(decoding: text[start..<position], as: UTF8.self))
            }
            skipSpaces()
            guard position < text.count, text[position] == UInt8(ascii: ".") else { return path }
            position += 1
        }
    }

    private static func isBare(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default: false
        }
    }

    /// Goes past a value: to a comma, a closing bracket, a comment or the end of the line outside all brackets.
    private mutating func skipValue() throws(Failure) {
        var open: [UInt8] = []
        var end = position
        while position < text.count {
            switch text[position] {
            case UInt8(ascii: "\""), UInt8(ascii: "'"):
                try skipString()
                end = position
                continue
            case UInt8(ascii: "["): open.append(UInt8(ascii: "]"))
            case UInt8(ascii: "{"): open.append(UInt8(ascii: "}"))
            case UInt8(ascii: "]"), UInt8(ascii: "}"):
                if open.isEmpty { return position = end }
                guard open.removeLast() == text[position] else { throw wrong }
            case UInt8(ascii: ","):
                if open.isEmpty { return position = end }
            case UInt8(ascii: "#"):
                if open.isEmpty { return position = end }
                skipToLineEnd()
                continue
            case UInt8(ascii: "\n"), UInt8(ascii: "\r"):
                if open.isEmpty { return position = end }
            case UInt8(ascii: " "), UInt8(ascii: "\t"):
                position += 1
                continue
            default: break
            }
            position += 1
            end = position
        }
        guard open.isEmpty else { throw wrong }
        position = end
    }

    /// Goes past a string of one of the four kinds.
    private mutating func skipString() throws(Failure) {
        let quote = text[position]
        let isLong = text[position...].prefix(3) == [quote, quote, quote]
        position += isLong ? 3 : 1
        while position < text.count {
            if text[position] == UInt8(ascii: "\\"), quote == UInt8(ascii: "\"") {
                position += 2
            } else if text[position] == quote {
                if !isLong {
                    position += 1
                    return
                }
                // A long string may end in up to two quotes of its own.
                let count = text[position...].prefix(5).prefix { $0 == quote }.count
                position += count
                if count >= 3 { return }
            } else {
                if !isLong, text[position] == UInt8(ascii: "\n") { throw wrong }
                position += 1
            }
        }
        position = text.count
        throw wrong
    }
}
