package import ArgumentParser

package struct ExplainCommand: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Say why units of the last build were compiled, and what changed first.",
        discussion: "With a crate: of the last build that compiled it. Paths are written as larder keeps them."
    )

    @Argument(help: "Name of a crate.")
    package var crate: String?

    package init() {}

    package func run() throws {
        let session = Session()
        let events = session.events.lastBuild(of: crate)
        guard !events.isEmpty else {
            print(crate.map { "Nothing is known of \($0) being compiled." } ?? "No build is known yet.")
            return
        }
        let explanation = Explanation(events)
        guard let crate else { return print(explanation.text, terminator: "") }
        let wanted = Explanation.normalized(crate)
        for cause in explanation.causes where Explanation.normalized(cause.chain[0].crate) == wanted {
            print(Explanation.text(of: cause), terminator: "")
        }
        for event in events where event.result == "passed" && Explanation.normalized(event.crate) == wanted {
            print("\(Explanation.unit(event)): passed on: \(event.reason) \(event.detail)")
        }
    }
}

extension Explanation {
    /// One unit's chain, a line for each link.
    package static func text(of cause: Cause) -> String {
        var text = "\(Clock.text(cause.chain[0].time))  \(unit(cause.chain[0])): \(reason(cause.chain[0]))\n"
        for link in cause.chain.dropFirst() { text += "  made by \(unit(link)): \(reason(link))\n" }
        return text + unstored(cause.chain[0])
    }
}
