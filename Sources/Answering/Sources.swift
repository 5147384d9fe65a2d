internal import Platform

/// The sources of a crate, searched for how they use a variable.
struct Sources {
    enum Use {
        /// Only to name files to include.
        case included
        /// As a text, or in a way that can't be told.
        case text
        case unmentioned
    }

    /// The argument of one `env!` or `option_env!`.
    private struct Mention {
        /// `nil` where it is no plain text.
        let variable: String?
        let isIncluded: Bool
    }

    private var mentions: [Mention] = []

    /// - Parameters:
    ///   - files: all that the compile read as source. What can't be read counts as using every variable.
    init(_ files: [String]) {
        /// Included data may be larger; it then holds no Rust. Bytes.
        let limit = 32 << 20
        for path in files {
            guard let text = try? Files.read(path, limit: limit) else {
                if path.hasSuffix(".rs") { mentions.append(Mention(variable: nil, isIncluded: false)) }
                continue
            }
            search(text)
        }
    }

    /// Whether no variable is asked for.
    var isEmpty: Bool { mentions.isEmpty }

    func use(of variable: String) -> Use {
        let found = mentions.filter { $0.variable == nil || $0.variable == variable }
        if found.contains(where: { !$0.isIncluded }) { return .text }
        return found.isEmpty ? .unmentioned : .included
    }

    private static let name = Array("env".utf8)
    private static let alias = Array("as".utf8)
    private static let inclusions = ["include", "include_str", "include_bytes"].map { Array($0.utf8) }

    /// Finds `env!`, with spaces where Rust takes them, and `env as`, by which it gets another name.
    mutating func search(_ text: [UInt8]) {
        var index = 0
        let last = text.count - Self.name.count
        while index < last {
            guard text[index] == Self.name[0], text[index...].starts(with: Self.name) else {
                index += 1
                continue
            }
            let start = index
            index += Self.name.count
            let next = text[index...].drop(while: Self.isSpace)
            if next.first == UInt8(ascii: "!"), next.dropFirst().first != UInt8(ascii: "=") {
                if Self.isComment(text, start) { continue }
                let argument = Self.argument(text, next.startIndex + 1)
                mentions.append(Mention(variable: argument, isIncluded: Self.isIncluded(text[..<start])))
            } else if next.startIndex > index, next.starts(with: Self.alias),
                next.dropFirst(2).first.map(Self.isSpace) == true
            {
                mentions.append(Mention(variable: nil, isIncluded: false))
            }
        }
    }

    /// Whether the line begins with `//`.
    private static func isComment(_ text: [UInt8], _ index: Int) -> Bool {
        let start = text[..<index].lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        return text[start..<index].drop(while: isSpace).starts(with: "//".utf8)
    }

    /// The text in `("…"`; `nil` if something else is there.
    private static func argument(_ text: [UInt8], _ start: Int) -> String? {
        var rest = text[start...].drop(while: isSpace)
        guard let open = rest.popFirst(), isOpening(open) else { return nil }
        rest = rest.drop(while: isSpace)
        guard rest.popFirst() == UInt8(ascii: "\"") else { return nil }
        let name = rest.prefix { $0 != UInt8(ascii: "\"") }
        guard !name.contains(UInt8(ascii: "\\")) else { return nil }
        return String(validating: name, as: UTF8.self)
    }

    /// Whether what stands before an `env!` makes it the beginning of a path to include: `include_str!(concat!(`.
    private static func isIncluded(_ before: ArraySlice<UInt8>) -> Bool {
        var rest = before
        // `option_env!` gives no text that could be a path.
        if let byte = rest.last, isNamePart(byte) { return false }
        dropModule(&rest)
        guard dropOpening(&rest) else { return false }
        if dropName(Array("concat".utf8), &rest) {
            guard dropOpening(&rest) else { return false }
        }
        return inclusions.contains { dropName($0, &rest) }
    }

    /// Drops `std::`, `::core::` and the like from the end.
    private static func dropModule(_ text: inout ArraySlice<UInt8>) {
        while text.suffix(2).elementsEqual("::".utf8) {
            text.removeLast(2)
            while let byte = text.last, isNamePart(byte) { text.removeLast() }
        }
    }

    private static func dropOpening(_ text: inout ArraySlice<UInt8>) -> Bool {
        while let byte = text.last, isSpace(byte) { text.removeLast() }
        guard let byte = text.last, isOpening(byte) else { return false }
        text.removeLast()
        while let byte = text.last, isSpace(byte) { text.removeLast() }
        return true
    }

    /// Drops `name!` from the end, with the module it may be named by.
    private static func dropName(_ name: [UInt8], _ text: inout ArraySlice<UInt8>) -> Bool {
        let call = name + [UInt8(ascii: "!")]
        guard text.suffix(call.count).elementsEqual(call) else { return false }
        let rest = text.dropLast(call.count)
        if let byte = rest.last, isNamePart(byte) { return false }
        text = rest
        dropModule(&text)
        return true
    }

    private static func isOpening(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "(") || byte == UInt8(ascii: "[") || byte == UInt8(ascii: "{")
    }

    private static func isSpace(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: " ") || (UInt8(ascii: "\t")...UInt8(ascii: "\r")).contains(byte)
    }

    private static func isNamePart(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), 0x80...:
            true
        default: false
        }
    }
}
