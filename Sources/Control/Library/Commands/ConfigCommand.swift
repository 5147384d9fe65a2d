package import ArgumentParser
internal import Platform
internal import Settings

package struct ConfigCommand: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "config",
        abstract: "Show each setting, its value and where it came from.",
        discussion: "Ends with exit code 1 if something is wrong with a setting; builds go on with the default then."
    )

    @Flag(help: "Print JSON.")
    package var json = false

    @Flag(help: .hidden)
    package var snapshot = false

    package init() {}

    package func run() throws {
        if snapshot { return try writeSnapshot() }
        let session = Session()
        let report = ConfigurationReport(
            session.settings,
            session.environment,
            remoteProblems: RemoteProblems.find(session)
        )
        print(json ? report.json.compact + "\n" : report.text, terminator: "")
        if !report.problems.isEmpty { throw ExitCode(1) }
    }

    /// What the wrapper reads in place of the files. Printed, too: the folder may not be writable.
    private func writeSnapshot() throws {
        let environment = Environment()
        let text = ConfigurationFiles.read(environment).snapshot
        print(text, terminator: "")
        guard let path = SettingsFiles.snapshotPath(environment) else { return }
        // Passwords may be in it: for this user alone.
        try Files.makeFolder(Files.folder(of: Files.folder(of: path)))
        try Files.makeFolder(Files.folder(of: path), mode: 0o700)
        try Files.replace(path, with: Array(text.utf8), mode: 0o600)
    }
}
