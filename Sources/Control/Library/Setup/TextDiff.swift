/// The one place where two texts differ, as `diff -u` would show it.
package enum TextDiff {
    /// Lines around the change.
    private static let context = 3

    package static func text(_ path: String, _ before: [UInt8]?, _ after: [UInt8]?) -> String {
        let old = lines(before)
        let new = lines(after)
        var start = 0
        while start < old.count, start < new.count, old[start] == new[start] { start += 1 }
        var end = 0
        while end < old.count - start, end < new.count - start, old[old.count - 1 - end] == new[new.count - 1 - end] {
            end += 1
        }
        let first = max(0, start - context)
        let last = min(old.count, old.count - end + context)
        let shift = new.count - old.count
        var text = "--- \(before == nil ? "/dev/null" : path)\n+++ \(after == nil ? "/dev/null" : path)\n"
        text += "@@ -\(range(first, last)) +\(range(first, last + shift)) @@\n"
        for line in old[first..<start] { text += " \(line)\n" }
        for line in old[start..<(old.count - end)] { text += "-\(line)\n" }
        for line in new[start..<(new.count - end)] { text += "+\(line)\n" }
        for line in old[(old.count - end)..<last] { text += " \(line)\n" }
        return text
    }

    private static func range(_ start: Int, _ end: Int) -> String {
        "\(end > start ? start + 1 : start),\(end - start)"
    }

    private static func lines(_ text: [UInt8]?) -> [String] {
        guard let text, !text.isEmpty else { return [] }
        var lines = text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            .map { String(decoding: $0, as: UTF8.self) }
        if lines.last == "" { lines.removeLast() }
        return lines
    }
}
