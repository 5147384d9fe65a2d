internal import RustcCall
internal import Store

/// The statistics in larder's own terms.
package struct LarderReport {
    private let statistics: Statistics
    private let state: CacheState

    package init(_ statistics: Statistics, _ state: CacheState) {
        self.statistics = statistics
        self.state = state
    }

    /// A name and a value for each line.
    package var lines: [(name: String, value: String)] {
        var lines: [(name: String, value: String)] = [
            ("Hits", "\(statistics.hits)"), ("Misses", "\(statistics.misses)"),
        ]
        lines.append(("Passed on to rustc", "\(statistics.passed.values.reduce(0, +))"))
        lines += Self.sorted(statistics.passed).map { ("  " + $0.name, "\($0.count)") }
        lines.append(("Compiled and not stored", "\(statistics.unstored.values.reduce(0, +))"))
        lines += Self.sorted(statistics.unstored).map { ("  " + $0.name, "\($0.count)") }
        for (level, count) in Self.sorted(statistics.levels) { lines.append(("Hits from \(level)", "\(count)")) }
        lines.append(("Restored", Sizes.text(UInt64(clamping: statistics.bytesRestored))))
        lines.append(("Stored", Sizes.text(UInt64(clamping: statistics.bytesStored))))
        lines.append(("Compile time saved", Sizes.time(statistics.timeSaved)))
        lines.append(("CPU of the wrapper", Sizes.time(statistics.cpu)))
        lines.append(("Damaged files", "\(statistics.damaged)"))
        if statistics.damagedLines > 0 { lines.append(("Damaged log lines", "\(statistics.damagedLines)")) }
        return lines
    }

    package static func sorted(_ counts: [String: Int]) -> [(name: String, count: Int)] {
        counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { ($0.key, $0.value) }
    }

    package var json: JSON {
        func seconds(_ microseconds: Int64) -> JSON { .decimal(Double(microseconds) / 1e6) }
        let types = statistics.types.sorted { $0.key < $1.key }.map { type, tally in
            JSON.Member(
                name: type,
                value: .members([
                    "hits": .number(Int64(tally.hits)), "misses": .number(Int64(tally.misses)),
                    "passed": .number(Int64(tally.passed)),
                ])
            )
        }
        return .members([
            "requests": .number(Int64(statistics.requests)),
            "hits": .number(Int64(statistics.hits)),
            "misses": .number(Int64(statistics.misses)),
            "miss_reasons": .counts(statistics.missed),
            "passed": .counts(statistics.passed),
            "unstored": .counts(statistics.unstored),
            "stored": .number(Int64(statistics.stored)),
            "damaged": .number(Int64(statistics.damaged)),
            "damaged_log_lines": .number(Int64(statistics.damagedLines)),
            "hits_by_level": .counts(statistics.levels),
            "types": .object(types),
            "bytes_restored": .number(statistics.bytesRestored),
            "bytes_stored": .number(statistics.bytesStored),
            "time_saved_seconds": seconds(statistics.timeSaved),
            "hit_seconds": seconds(statistics.hitDuration),
            "compile_seconds": seconds(statistics.compileDuration),
            "store_seconds": seconds(statistics.storeDuration),
            "wrapper_cpu_seconds": seconds(statistics.cpu),
            "first_event_microseconds": .number(statistics.first),
            "last_event_microseconds": .number(statistics.last),
        ])
    }

    /// For a person: `larder stats`.
    package var text: String {
        let passed = statistics.passed.values.reduce(0, +)
        guard statistics.requests > 0 else {
            return "No calls yet. Set RUSTC_WRAPPER=larder, or run `larder setup`, and build something.\n"
                + "\n" + cacheLines
        }
        let looked = statistics.hits + statistics.misses
        var summary = Table()
        let rate = looked > 0 ? " (\(Sizes.fixed(100 * Double(statistics.hits) / Double(looked), 1)) %)" : ""
        summary.add("Calls", "\(statistics.requests)")
        summary.add("  from the cache", "\(statistics.hits)\(rate)")
        if statistics.levels.count > 1 || statistics.levels["disk"] == nil {
            for (level, count) in Self.sorted(statistics.levels) { summary.add("    \(level)", "\(count)") }
        }
        summary.add("  compiled", "\(statistics.misses), \(statistics.stored) of them stored")
        summary.add("  passed on to rustc", "\(passed)")
        summary.add("Compile time saved", Sizes.time(statistics.timeSaved))
        summary.add("CPU of the wrapper", Sizes.time(statistics.cpu) + ", \(perCall) a call")
        summary.add("Restored", Sizes.text(UInt64(clamping: statistics.bytesRestored)))
        summary.add("Stored", Sizes.text(UInt64(clamping: statistics.bytesStored)))
        if statistics.damaged > 0 { summary.add("Damaged files", "\(statistics.damaged), taken away") }
        if statistics.damagedLines > 0 { summary.add("Damaged log lines", "\(statistics.damagedLines)") }
        return summary.text + section("Why compiled", statistics.missed) { MissReason(rawValue: $0)?.explanation }
            + section("Why not stored", statistics.unstored) { Uncached(rawValue: $0)?.explanation }
            + section("Why passed on", statistics.passed) { Uncached(rawValue: $0)?.explanation }
            + typesTable + "\n" + cacheLines
    }

    private var perCall: String { Sizes.time(statistics.cpu / Int64(max(statistics.requests, 1))) }

    private func section(_ title: String, _ counts: [String: Int], _ explain: (String) -> String?) -> String {
        guard !counts.isEmpty else { return "" }
        var table = Table()
        for (name, count) in Self.sorted(counts) { table.add("  \(count)", name, explain(name) ?? "") }
        return "\n\(title)\n" + table.text
    }

    private var typesTable: String {
        guard !statistics.types.isEmpty else { return "" }
        var table = Table()
        table.add("  Unit", "hits", "misses", "passed on")
        for (type, tally) in statistics.types.sorted(by: { $0.key < $1.key }) {
            table.add("  \(type)", "\(tally.hits)", "\(tally.misses)", "\(tally.passed)")
        }
        return "\n" + table.text
    }

    private var cacheLines: String {
        var table = Table()
        table.add("Cache", state.folder ?? "none: neither LARDER_DIR nor HOME is set")
        let size = state.size.map(Sizes.text) ?? "nothing yet"
        table.add("Size", "\(size) of \(Sizes.text(state.limit))")
        return table.text
    }
}
