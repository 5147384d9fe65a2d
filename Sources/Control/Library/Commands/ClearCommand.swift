package import ArgumentParser
internal import Store

package struct ClearCommand: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "clear",
        abstract: "Empty the cache.",
        discussion: "Builds may go on meanwhile: what they find missing they compile."
    )

    @Flag(help: "Don't ask.")
    package var yes = false

    @Flag(help: "Remove the statistics and the remembered digests, too.")
    package var all = false

    package init() {}

    package func run() throws {
        let session = Session()
        let folder = try session.folder()
        guard session.hasCache else {
            print("There is no cache at \(folder): nothing to clear.")
            return
        }
        var store = try Store(in: folder)
        let size = Sizes.text(store.size)
        guard yes || Terminal.confirm("Remove all entries of \(folder) (\(size))?") else {
            throw ExitCode(1)
        }
        try store.clear(log: all)
        print("Removed \(size) from \(folder).")
    }
}
