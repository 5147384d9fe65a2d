package import ArgumentParser
internal import RustcCall
internal import Settings

/// The parts of the manual page that follow tables in the source.
package struct ManualTablesCommand: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "manual-tables",
        abstract: "Print the tables of the manual page.",
        shouldDisplay: false
    )

    package init() {}

    package func run() throws {
        print(".\\\" Settings", Self.settings, ".\\\" Reasons", Self.reasons, separator: "\n")
    }

    /// Each setting in the form of man(7).
    package static var settings: String {
        Setting.allCases.map { setting in
            let names = setting.variables.map(escaped).joined(separator: " \", \" ")
            let form = setting.variables.count == 1 ? ".B" : ".BR"
            let fallback = setting.fallback.isEmpty ? "" : " Default: \(escaped(setting.fallback))."
            let summary = setting.summary.prefix(1).uppercased() + setting.summary.dropFirst()
            return ".TP\n\(form) \(names)\n\(escaped(summary)).\(fallback)\nIn the file:\n.BR \(escaped(setting.key)) ."
        }.joined(separator: "\n")
    }

    /// Each reason for not caching in the form of man(7).
    package static var reasons: String {
        Uncached.allCases.map { ".TP\n.B \(escaped($0.rawValue))\n\(escaped($0.explanation))." }.joined(separator: "\n")
    }

    /// Text that troff takes as it is.
    private static func escaped(_ text: String) -> String {
        text.replacing("\\", with: "\\e").replacing("-", with: "\\-").replacing("~", with: "\\(ti")
            .replacing("'", with: "\\(aq").replacing("`", with: "\\(ga")
    }
}
