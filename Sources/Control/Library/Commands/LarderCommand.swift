package import ArgumentParser
internal import GatewayProtocol
internal import Settings

/// `larder` with a word or a flag: what a person types. Its flags are sccache's, so that scripts made for sccache go on.
package struct LarderCommand: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "larder",
        abstract: "A compiler cache for Rust.",
        usage: """
            larder <word> [<options>]
            larder <rustc> <arguments>
            """,
        discussion: """
            Set RUSTC_WRAPPER=larder, or run `larder setup` once, and build with Cargo as ever. Called with a compiler in \
            first place, larder answers from its cache or runs the compiler.
            """,
        version: "larder \(Version.text)",
        subcommands: [
            StatsCommand.self, ExplainCommand.self, DoctorCommand.self, SetupCommand.self, ConfigCommand.self,
            TrimCommand.self, ClearCommand.self, FlushCommand.self, InspectCommand.self, DebugPathsCommand.self,
            ManualTablesCommand.self,
        ]
    )

    @Flag(name: [.customShort("s"), .long], help: "Show statistics as sccache does.")
    package var showStats = false

    @Flag(help: "The same, with languages by their short names.")
    package var showAdvStats = false

    @Option(help: "Form of the statistics.")
    package var statsFormat = StatsFormat.text

    @Flag(name: [.customShort("z"), .long], help: "Make statistics start anew.")
    package var zeroStats = false

    @Flag(help: "Start the gateway to the shared cache; without a shared cache there is no server to start.")
    package var startServer = false

    @Flag(help: "Publish what waits, end the gateway to the shared cache, and show the statistics.")
    package var stopServer = false

    @Flag(help: "Say that there is no distributed compiling.")
    package var distStatus = false

    @Flag(name: .customShort("V"), help: .hidden)
    package var isVersionAsked = false

    package init() {}

    /// The whole program, by the process's own arguments.
    package static func start() { main() }

    package mutating func run() throws {
        if isVersionAsked {
            print("larder \(Version.text)")
        } else if showStats || showAdvStats {
            try printStatistics()
        } else if zeroStats {
            try Session().events.zero()
            Terminal.standardError("Statistics zeroed.\n")
        } else if startServer {
            try start()
        } else if stopServer {
            print("Stopping larder server...")
            try stop()
            try printStatistics()
        } else if distStatus {
            print("{\"Disabled\":\"disabled\"}")
        } else {
            Terminal.standardError(Self.helpMessage() + "\n")
            throw ExitCode(2)
        }
    }

    private func start() throws {
        // sccache says these lines on standard output, too.
        print("larder: Starting the server...")
        guard let shared = SharedCacheAccess(Session()) else {
            print("larder: There is no server: nothing to start.")
            return
        }
        _ = try shared.ask(.status, mayStart: true)
    }

    private func stop() throws {
        /// What is published within this time need not wait for the next gateway; the rest stays queued.
        let patience: UInt32 = 60_000
        guard let shared = SharedCacheAccess(Session()),
            let report = try shared.report(
                .flush(all: false, milliseconds: patience),
                milliseconds: Int64(patience) + 5000
            )
        else { return }
        if report.queue > 0 {
            Terminal.standardError("larder: \(report.queue) results stay queued: \(report.publishError)\n")
        }
        _ = try shared.ask(.stop, mayStart: false)
    }

    private func printStatistics() throws {
        let session = Session()
        let report = SccacheReport(
            session.events.statistics(),
            CacheState(session.settings),
            isAdvanced: showAdvStats
        )
        switch statsFormat {
        case .text: print(report.text, terminator: "")
        case .json: print(report.json.compact)
        }
    }
}

package enum StatsFormat: String, ExpressibleByArgument, CaseIterable, Sendable { case text, json }
