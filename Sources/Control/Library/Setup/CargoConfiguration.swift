internal import TOMLKit

/// The text of one of Cargo's configuration files, and the one change larder makes to it.
///
/// Source: https://doc.rust-lang.org/cargo/reference/config.html#buildrustc-wrapper
package struct CargoConfiguration: Equatable, Sendable {
    package let text: [UInt8]

    private static let path = ["build", "rustc-wrapper"]

    package init(_ text: [UInt8]) { self.text = text }

    /// The wrapper it names; `nil` if none.
    ///
    /// - Throws: where the text is no TOML.
    package func wrapper() throws(Failure) -> String? {
        let table = try parsed()
        guard let build = table["build"] else { return nil }
        guard let inner = build.table else { throw Failure("`build` is no table in it") }
        guard let value = inner["rustc-wrapper"] else { return nil }
        guard let wrapper = value.string else { throw Failure("`build.rustc-wrapper` is no text in it") }
        return wrapper
    }

    /// The same text with the wrapper set to `wrapper`, all else as it was to the byte.
    package func setting(_ wrapper: String) throws(Failure) -> CargoConfiguration {
        let quoted = Self.quoted(wrapper)
        let scan = try TOMLScanner(text)
        let assignment = Array("rustc-wrapper = \(quoted)".utf8)
        let changed: [UInt8]
        if let statement = scan.statements.first(where: { $0.path == Self.path }) {
            changed = replacing(statement.value, Array(quoted.utf8))
        } else if let inline = scan.statements.first(where: { $0.path == ["build"] }) {
            let isEmpty = !scan.statements.contains { $0.path.count > 1 && inline.value.contains($0.value.lowerBound) }
            let start = inline.value.lowerBound + 1
            changed = replacing(start..<start, [UInt8(ascii: " ")] + assignment + Array((isEmpty ? " " : ",").utf8))
        } else if let header = scan.headers.first(where: { $0.path == ["build"] }) {
            changed = inserting(assignment, at: header.end)
        } else if let other = scan.statements.first(where: { $0.isAtRoot && $0.path.first == "build" }) {
            // A header would define `build` twice.
            changed = inserting(Array("build.".utf8) + assignment, at: other.start)
        } else {
            let gap = text.isEmpty || text.last == UInt8(ascii: "\n") ? [] : newline
            let space = text.isEmpty ? [] : newline
            changed = text + gap + space + Array("[build]".utf8) + newline + assignment + newline
        }
        return try checked(changed, wrapper)
    }

    /// The same text without a wrapper.
    ///
    /// - Parameter withHeader: also without the header of `[build]`, if nothing else stands under it.
    package func removing(withHeader: Bool) throws(Failure) -> CargoConfiguration {
        let scan = try TOMLScanner(text)
        guard let statement = scan.statements.first(where: { $0.path == Self.path }) else { return self }
        var range = statement.start..<statement.end
        if let inline = scan.statements.first(where: { $0.path == ["build"] }) {
            // With the comma that follows it, or else the one before it.
            var end = statement.value.upperBound
            while end < inline.value.upperBound, text[end] == UInt8(ascii: " ") { end += 1 }
            if end < text.count, text[end] == UInt8(ascii: ",") {
                range = statement.start..<(end + 1)
                if end + 1 < text.count, text[end + 1] == UInt8(ascii: " ") { range = statement.start..<(end + 2) }
            } else {
                let before = text[inline.value.lowerBound..<statement.start].lastIndex { $0 != UInt8(ascii: " ") }
                let start = before.map { text[$0] == UInt8(ascii: ",") ? $0 : statement.start } ?? statement.start
                range = start..<statement.value.upperBound
            }
        } else if withHeader, let header = scan.headers.first(where: { $0.path == ["build"] }),
            header.end == range.lowerBound,
            scan.headers.first(where: { $0.start > header.start }).map({ isBlank(range.upperBound..<$0.start) })
                ?? isBlank(range.upperBound..<text.count)
        {
            range = header.start..<range.upperBound
        }
        return try checked(replacing(range, []), nil)
    }

    // MARK: Pieces

    private func isBlank(_ range: Range<Int>) -> Bool {
        text[range].allSatisfy {
            [UInt8(ascii: " "), UInt8(ascii: "\n"), UInt8(ascii: "\r"), UInt8(ascii: "\t")].contains($0)
        }
    }

    /// The line end that the file uses.
    private var newline: [UInt8] {
        guard let end = text.firstIndex(of: UInt8(ascii: "\n")), end > 0, text[end - 1] == UInt8(ascii: "\r") else {
            return [UInt8(ascii: "\n")]
        }
        return Array("\r\n".utf8)
    }

    private func replacing(_ range: Range<Int>, _ bytes: [UInt8]) -> [UInt8] {
        Array(text[..<range.lowerBound]) + bytes + Array(text[range.upperBound...])
    }

    /// A line of its own at the start of a line, or after a last line that has no end.
    private func inserting(_ line: [UInt8], at position: Int) -> [UInt8] {
        let isAtLineStart = position == 0 || text[position - 1] == UInt8(ascii: "\n")
        return replacing(position..<position, isAtLineStart ? line + newline : newline + line)
    }

    private func parsed() throws(Failure) -> TOMLTable { try TOMLText.parse(text) }

    /// The changed text, once a parser has found that it says what it should and all else is as it was.
    private func checked(_ changed: [UInt8], _ wrapper: String?) throws(Failure) -> CargoConfiguration {
        let result = CargoConfiguration(changed)
        guard try result.wrapper() == wrapper, try result.rest() == rest() else {
            throw Failure("it is written in a way that can't be changed safely: set build.rustc-wrapper by hand")
        }
        return result
    }

    /// All but the wrapper, for comparison.
    private func rest() throws(Failure) -> String {
        let table = try parsed()
        if let build = table["build"]?.table {
            build.remove(at: "rustc-wrapper")
            if build.isEmpty { table.remove(at: "build") }
        }
        return table.convert(to: .json)
    }

    /// A basic string of TOML.
    static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\u{0}"..."\u{1F}", "\u{7F}":
                let digits = String(scalar.value, radix: 16)
                quoted += "\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
