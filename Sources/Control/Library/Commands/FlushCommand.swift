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
            print("No shared cache is in use: nothing is to be published.")
            return
        }
        let milliseconds = timeout.multipliedReportingOverflow(by: 1000)
        let limit = milliseconds.overflow ? UInt32.max : milliseconds.partialValue
        let before = try shared.report(mayStart: true)
        let after = try shared.report(
            .flush(all: all, milliseconds: limit),
            mayStart: true,
            milliseconds: Int64(limit) + 5000
        )
        guard let before, let after else { throw Failure("the gateway gave no answer") }
        if !after.levels.isEmpty, after.levels.allSatisfy(\.readOnly) {
            print("The shared cache is read only from here: nothing is published.")
            return
        }
        // A gateway that was replaced meanwhile counts anew.
        let published = after.pid == before.pid ? after.published - before.published : after.published
        if after.dropped > 0 {
            print("\(after.dropped) results were given up since the gateway started: \(after.publishError)")
        }
        guard after.queue > 0 else {
            print(published > 0 ? "Published \(published) results. Nothing is waiting." : "Nothing is waiting.")
            return
        }
        let cause = after.levels.map(\.lastError).first { !$0.isEmpty } ?? after.publishError
        throw Failure("\(after.queue) results could not be published and stay queued: \(cause)")
    }
}
