package import ArgumentParser
internal import GatewayProtocol

package struct FlushCommand: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "flush",
        abstract: "Wait until all that is to be published to the shared cache is there.",
        discussion: "Ends with exit code 1 if something could not be published; it stays queued."
    )

    @Flag(help: "Publish everything that the local cache holds.")
    package var all = false

    @Option(help: "Wait at most so many seconds.")
    package var timeout: UInt32 = 600

    package init() {}

    package func run() throws {
        guard let shared = SharedCacheAccess(Session()) else {
            // What is stored is on disk before the wrapper ends: without a shared cache nothing can be waiting.
            print("No shared cache is in use: nothing is waiting to be published.")
            return
        }
        let milliseconds = timeout.multipliedReportingOverflow(by: 1000)
        let limit = milliseconds.overflow ? UInt32.max : milliseconds.partialValue
        let report = try shared.report(
            .flush(all: all, milliseconds: limit),
            mayStart: true,
            milliseconds: Int64(limit) + 5000
        )
        guard let report else { throw Failure("the gateway gave no answer") }
        guard report.queue > 0 else {
            print("Nothing is waiting to be published.")
            if report.dropped > 0 {
                print("\(report.dropped) results were given up since the gateway started: \(report.publishError)")
            }
            return
        }
        throw Failure("\(report.queue) results could not be published; they stay queued. \(report.publishError)")
    }
}
