package import ArgumentParser
internal import Settings
package import Store

package struct TrimCommand: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "trim",
        abstract: "Remove the least recently used entries until the cache is below its size.",
        discussion: "Builds may go on meanwhile. A cache over its limit is trimmed to nine tenths of it."
    )

    @Option(name: .customLong("to"), help: ArgumentHelp("Trim to this size; 500M, 10G, …", valueName: "size"))
    package var target: String?

    @Flag(help: .hidden)
    package var background = false

    package init() {}

    package func run() throws {
        let session = Session()
        var limit = session.settings.cacheSize
        if let target {
            guard let bytes = Settings.bytes(target) else {
                throw ValidationError("\"\(target)\" is no size: write 500M, 10G or a number of bytes")
            }
            limit = bytes
        }
        let folder = try session.folder()
        guard session.hasCache else {
            if !background { print("There is no cache at \(folder): nothing to trim.") }
            return
        }
        let store = try Store(in: folder)
        guard let report = try Trim.run(store, limit: limit) else {
            if background { return }
            throw Failure("another process is trimming \(folder): try again when it has ended")
        }
        if !background { print(Self.text(report, limit: limit), terminator: "") }
    }

    package static func text(_ report: Trim.Report, limit: UInt64) -> String {
        let freed = report.before > report.after ? report.before - report.after : 0
        var table = Table()
        table.add("Freed", "\(Sizes.text(freed)): \(report.results) results, \(report.blobs) files of output")
        table.add("Left", "\(Sizes.text(report.after)) of \(Sizes.text(limit))")
        if report.damaged > 0 { table.add("Damaged", "\(report.damaged) files, taken away") }
        if report.leftovers > 0 { table.add("Leftovers", "\(report.leftovers) temporary files, taken away") }
        return table.text
    }
}
