internal import RustcCall
internal import Store

/// Why units of a build were compiled: each miss with its reason, followed up to what changed first.
package struct Explanation {
    /// A miss and what led to it: each one's changed input is an output of the next.
    package struct Cause: Sendable {
        package let chain: [LoggedEvent]

        /// What is at the end of the chain.
        package var first: LoggedEvent { chain[chain.count - 1] }
    }

    /// All events of the build, in order.
    package let events: [LoggedEvent]
    /// Units compiled, in order.
    package let causes: [Cause]

    /// - Parameter events: of one build, in the order of their time.
    package init(_ events: [LoggedEvent]) {
        self.events = events
        let misses = events.filter { $0.result == "miss" }
        causes = misses.map { Cause(chain: Self.chain(from: $0, in: misses)) }
    }

    private static func chain(from event: LoggedEvent, in misses: [LoggedEvent]) -> [LoggedEvent] {
        var chain = [event]
        var seen: Set<String> = [event.key]
        while let next = maker(of: chain[chain.count - 1], in: misses), seen.insert(next.key).inserted {
            chain.append(next)
        }
        return chain
    }

    /// The miss that made the file in which `event` found a change.
    private static func maker(of event: LoggedEvent, in misses: [LoggedEvent]) -> LoggedEvent? {
        guard event.reason == "file-changed", let library = libraryName(event.detail) else { return nil }
        return misses.last { candidate in
            candidate.key != event.key && candidate.time <= event.time && libraryTypes.contains(candidate.type)
                && normalized(candidate.crate) == library
        }
    }

    /// Types whose outputs other units read.
    private static let libraryTypes: Set<String> = ["lib", "rlib", "dylib", "proc-macro", "cdylib", "staticlib"]

    /// The crate that a file is an output of, by its name: `{target}/debug/deps/libserde_json-0123abcd.rmeta`.
    package static func libraryName(_ path: String) -> String? {
        let name = path.split(separator: "/").last ?? ""
        let parts = name.split(separator: ".")
        guard parts.count == 2, ["rmeta", "rlib", "so", "dylib", "dll"].contains(parts[1]) else { return nil }
        var stem = parts[0]
        if stem.hasPrefix("lib") { stem = stem.dropFirst(3) }
        if let dash = stem.lastIndex(of: "-") { stem = stem[..<dash] }
        return stem.isEmpty ? nil : String(stem)
    }

    package static func normalized(_ crate: String) -> String { crate.replacing("-", with: "_") }

    // MARK: Text

    package var text: String {
        guard let first = events.first, let last = events.last else { return "" }
        let hits = events.count { $0.result == "hit" }
        let passed = events.filter { $0.result != "hit" && $0.result != "miss" }
        var text = "Build of \(Clock.text(first.time)) to \(Clock.text(last.time)): \(hits) from the cache, "
        text += "\(causes.count) compiled, \(passed.count) passed on to rustc\n"
        if hits < events.count { text += "\n" }
        // Units with the same first cause stand together, in the order in which the causes came.
        var groups: [(first: LoggedEvent, members: [Cause])] = []
        for cause in causes {
            if let index = groups.firstIndex(where: { $0.first.key == cause.first.key && !cause.first.key.isEmpty }) {
                groups[index].members.append(cause)
            } else {
                groups.append((cause.first, [cause]))
            }
        }
        for group in groups {
            text += "\(Self.unit(group.first)): \(Self.reason(group.first))\n"
            text += Self.unstored(group.first)
            for member in group.members where member.chain.count > 1 {
                let path = member.chain.dropFirst().map(Self.unit).joined(separator: ", itself after ")
                text += "  then \(Self.unit(member.chain[0])), after \(path)\n"
                text += Self.unstored(member.chain[0])
            }
        }
        for event in passed {
            let detail = event.detail.isEmpty ? "" : " (\(event.detail))"
            let why = Uncached(rawValue: event.reason)?.explanation ?? event.reason
            text += "\(Self.unit(event)): passed on: \(why)\(detail)\n"
        }
        return text
    }

    package static func unit(_ event: LoggedEvent) -> String {
        var unit = event.crate.isEmpty ? "(no crate)" : event.crate
        if !event.version.isEmpty { unit += " \(event.version)" }
        return event.type.isEmpty ? unit : "\(unit) (\(event.type))"
    }

    package static func reason(_ event: LoggedEvent) -> String {
        let explanation = MissReason(rawValue: event.reason)?.explanation ?? event.reason
        return event.detail.isEmpty ? explanation : "\(explanation): \(event.detail)"
    }

    static func unstored(_ event: LoggedEvent) -> String {
        guard !event.isStored, !event.unstored.isEmpty else { return "" }
        let why = Uncached(rawValue: event.unstored)?.explanation ?? event.unstored
        return "  not stored: \(why)" + (event.unstoredDetail.isEmpty ? "" : ": \(event.unstoredDetail)") + "\n"
    }
}

extension EventReader {
    /// The events of the last build, or of the last one in which `crate` was compiled; in the order of their time.
    ///
    /// Queries are left out: every Cargo asks for the compiler's version, also when it compiles nothing.
    package func lastBuild(of crate: String? = nil) -> [LoggedEvent] {
        let wanted = crate.map(Explanation.normalized)
        var newest: LoggedEvent?
        forEach(since: 0) { event in
            guard event.type != "query", event.time >= newest?.time ?? 0 else { return }
            if let wanted, Explanation.normalized(event.crate) != wanted || event.result == "hit" { return }
            newest = event
        }
        guard let newest else { return [] }
        var events: [LoggedEvent] = []
        forEach(since: 0) { event in
            if event.build == newest.build, event.type != "query" { events.append(event) }
        }
        return events.sorted { $0.time < $1.time }
    }
}
