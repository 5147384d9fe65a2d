import Foundation
import RustcCall
import Settings
import Testing

/// The README and the manual page say what the code's own tables say.
@Suite struct ReadmeTests {
    private let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// The document's text without the marks of a code span, so that a table's prose may set them as it reads best.
    private func lines(of document: String) throws -> [String] {
        try String(contentsOf: root.appendingPathComponent(document), encoding: .utf8)
            .replacingOccurrences(of: "`", with: "").components(separatedBy: "\n")
    }

    @Test func `README names each reason with its explanation`() throws {
        let lines = try lines(of: "README.md")
        for reason in Uncached.allCases {
            #expect(lines.contains("| \(reason.rawValue) | \(reason.explanation) |"))
        }
    }

    @Test func `README names no reason that is gone`() throws {
        let lines = try lines(of: "README.md")
        let start = try #require(lines.firstIndex { $0.hasPrefix("<!-- reasons") })
        let end = try #require(lines.firstIndex { $0 == "<!-- end of reasons -->" })
        #expect(end - start - 1 == Uncached.allCases.count)
    }

    @Test func `README names each setting with its variables, key, default and meaning`() throws {
        let lines = try lines(of: "README.md")
        for setting in Setting.allCases {
            let own = setting.variables.filter { $0.hasPrefix("LARDER_") }.joined(separator: ", ")
            let others = setting.variables.filter { !$0.hasPrefix("LARDER_") }.joined(separator: ", ")
            let cells = [own, others, setting.key, setting.fallback].map { $0.isEmpty ? "" : "\($0) " }
            let row = "| " + cells.joined(separator: "| ") + "| "
            let summary = setting.summary.replacingOccurrences(of: "`", with: "")
            #expect(lines.contains("\(row)\(summary) |"), "wanted: \(row)\(summary) |")
        }
    }

    @Test func `manual page names each variable`() throws {
        let page = try lines(of: "share/man/larder.1").joined(separator: "\n")
        for variable in Setting.allCases.flatMap(\.variables) {
            #expect(page.contains(variable), "share/man/larder.1 lacks \(variable)")
        }
    }

    @Test func `README and manual page name every setting of the shared caches`() throws {
        let readme = try lines(of: "README.md").filter { $0.hasPrefix("| LARDER_") }.joined(separator: "\n")
        let page = try lines(of: "share/man/larder.1").joined(separator: "\n")
        for key in FileKey.all {
            guard let own = key.own, let dot = own.firstIndex(of: ".") else { continue }
            #expect(readme.contains(own[own.index(after: dot)...]), "README.md lacks \(own)")
            let variable = key.variable.replacing("SCCACHE_", with: "LARDER_")
            #expect(page.contains(variable), "share/man/larder.1 lacks \(variable)")
            // The README writes those that share a beginning as `…_END`.
            #expect(readme.contains("_" + (variable.split(separator: "_").last ?? "")), "README.md lacks \(variable)")
        }
    }
}
