package import ArgumentParser

package struct StatsCommand: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "stats",
        abstract: "Show what was answered, what was not, and why."
    )

    @Option(help: "Form of the statistics.")
    package var format = StatsFormat.text

    @Flag(help: "Make statistics start anew, after showing them.")
    package var zero = false

    package init() {}

    package func run() throws {
        let session = Session()
        let statistics = session.events.statistics()
        let state = CacheState(session.settings)
        switch format {
        case .text:
            print(LarderReport(statistics, state).text, terminator: "")
            // A gateway that does not answer is for `doctor` to look into.
            if let shared = SharedCacheAccess(session), let report = try? shared.report() {
                print("\n" + report.text, terminator: "")
            }
        case .json: print(SccacheReport(statistics, state).json.compact)
        }
        if zero { try session.events.zero() }
    }
}
