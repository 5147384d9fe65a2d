/// A server's URL taken apart: `scheme://user:password@place/path?query#fragment`.
///
/// Foundation's `URL` is not used: it refuses `redis+unix://` paths and passwords that people write unescaped.
struct ServerURL {
    var scheme: String?
    var username: String?
    var password: Secret?
    /// What stands between the login and the path; empty in `unix:///path`.
    var authority: Substring
    /// From the first `/`, percent-decoded; empty when there is none.
    var path: String
    var query: [String: String]
    var fragment: String?

    /// - Returns: nil when an escape is broken. The text may hold a password, so no message quotes it.
    init?(_ text: String) {
        var rest = Substring(text)
        if let mark = rest.range(ofText: "://") {
            scheme = rest[..<mark.lowerBound].lowercased()
            rest = rest[mark.upperBound...]
        }
        if let hash = rest.lastIndex(of: "#"), !rest[hash...].contains("@") {
            fragment = String(rest[rest.index(after: hash)...])
            rest = rest[..<hash]
        }
        // The last @ ends the login: a password may hold @, / and ?.
        if let at = rest.lastIndex(of: "@"), scheme.map({ !$0.contains("unix") }) ?? true {
            let login = rest[..<at]
            rest = rest[rest.index(after: at)...]
            let colon = login.firstIndex(of: ":")
            guard let name = Self.decoded(login[..<(colon ?? login.endIndex)]) else { return nil }
            username = name.isEmpty ? nil : name
            if let colon {
                guard let word = Self.decoded(login[login.index(after: colon)...]) else { return nil }
                password = word.isEmpty ? nil : Secret(word)
            }
        }
        query = [:]
        if let mark = rest.firstIndex(of: "?") {
            for pair in rest[rest.index(after: mark)...].split(separator: "&") {
                let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                guard let name = parts.first.flatMap(Self.decoded), parts.count == 2,
                    let value = Self.decoded(parts[1])
                else { return nil }
                query[name] = value
            }
            rest = rest[..<mark]
        }
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        authority = rest[..<slash]
        guard let decoded = Self.decoded(rest[slash...]) else { return nil }
        path = decoded
    }

    /// Undoes `%40` and the like.
    private static func decoded(_ text: Substring) -> String? {
        guard text.contains("%") else { return String(text) }
        var bytes: [UInt8] = []
        var rest = text.utf8
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let digits = String(rest.prefix(2)), digits.utf8.count == 2, let value = UInt8(digits, radix: 16)
            else { return nil }
            bytes.append(value)
            rest = rest.dropFirst(2)
        }
        return String(validating: bytes, as: UTF8.self)
    }
}

extension Substring {
    /// Where a text first stands in this one.
    fileprivate func range(ofText text: String) -> Range<Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(text) { return start..<index(start, offsetBy: text.count) }
            start = index(after: start)
        }
        return nil
    }
}
