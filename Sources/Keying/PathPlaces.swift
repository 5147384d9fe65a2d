/// Where rustc writes paths in its messages: in JSON, in the text rendered in it, and in text for people.
///
/// Anywhere else a path is a text that a source or a macro wrote, which no one may change.
package enum PathPlaces {
    /// What stands before a path. `@` is that of `{closure@src/lib.rs:1:2: 1:3}`; `rendered` begins a short message.
    private static let openings = [
        "\"file_name\":\"", "\"artifact\":\"", "\"rendered\":\"", "--> ", "::: ", "@",
    ].map { Array($0.utf8) }

    /// Offsets at which a path begins, in order, if one is there.
    package static func find(in text: [UInt8]) -> [Int] {
        var places: [Int] = []
        var index = 0
        var isLineStart = true
        while index < text.count {
            let byte = text[index]
            if isLineStart, byte != UInt8(ascii: "{"), isShortMessage(text, index) {
                places.append(skipColors(text, index))
            }
            isLineStart = byte == UInt8(ascii: "\n")
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "-"), UInt8(ascii: ":"), UInt8(ascii: "@"):
                let rest = text[index...]
                guard let opening = openings.first(where: { rest.starts(with: $0) }) else { break }
                index += opening.count
                places.append(skipColors(text, index))
                continue
            default: break
            }
            index += 1
        }
        return places
    }

    /// Whether a line begins as `--error-format=short` would begin it: `path:line:column: `.
    private static func isShortMessage(_ text: [UInt8], _ start: Int) -> Bool {
        let line = text[start...].prefix { $0 != UInt8(ascii: "\n") }
        let fields = line.split(separator: UInt8(ascii: ":"), maxSplits: 3, omittingEmptySubsequences: false)
        return fields.count == 4 && fields[1...2].allSatisfy { isNumber($0) }
    }

    private static func isNumber(_ bytes: ArraySlice<UInt8>) -> Bool {
        !bytes.isEmpty && bytes.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    }

    /// How an escape sequence for colours begins: as it is, and in JSON.
    private static let escapes = [[0x1B, UInt8(ascii: "[")], Array("\\u001b[".utf8)]

    private static func skipColors(_ text: [UInt8], _ start: Int) -> Int {
        var index = start
        while let escape = escapes.first(where: { text[index...].starts(with: $0) }) {
            guard let end = text[(index + escape.count)...].firstIndex(of: UInt8(ascii: "m")) else { break }
            index = end + 1
        }
        return index
    }
}
