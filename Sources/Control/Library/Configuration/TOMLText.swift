internal import TOMLKit

/// Parsing TOML that anybody may have written.
enum TOMLText {
    /// - Throws: a line on where the text is no TOML.
    static func parse(_ text: [UInt8]) throws(Failure) -> TOMLTable {
        guard let content = String(validating: text, as: UTF8.self) else { throw Failure("it is no UTF-8") }
        // The parser would take it for the end.
        if text.contains(0) { throw Failure("a zero byte is in it") }
        // Some wrong brackets end the parser's whole process with a failed assertion.
        _ = try TOMLScanner(text)
        do { return try TOMLTable(string: content) } catch let error as TOMLParseError {
            throw Failure("line \(error.source.begin.line): \(error.description)")
        } catch { throw Failure("\(error)") }
    }
}
