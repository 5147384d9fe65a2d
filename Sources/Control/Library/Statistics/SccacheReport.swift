internal import Settings

/// The statistics as sccache prints them, with larder's own below. Source: the output of sccache 0.16.0.
package struct SccacheReport {
    private let statistics: Statistics
    private let counts: SccacheCounts
    private let state: CacheState
    /// What it calls Rust: `Rust`, and `rust` in the advanced statistics.
    private let language: String

    package init(_ statistics: Statistics, _ state: CacheState, isAdvanced: Bool = false) {
        self.statistics = statistics
        self.state = state
        counts = SccacheCounts(statistics)
        language = isAdvanced ? "rust" : "Rust"
    }

    // MARK: Text

    private struct Row {
        let name: String
        let value: String
        let suffix: String
    }

    package var text: String {
        let rows = self.rows
        let reasons = counts.reasons.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
            .map { Row(name: $0.key, value: "\($0.value)", suffix: "") }
        let nameWidth = (rows + reasons).map(\.name.count).max() ?? 0
        let valueWidth = (rows + reasons).map { $0.value.count + $0.suffix.count }.max() ?? 0
        func line(_ row: Row) -> String {
            "\(row.name.padded(to: nameWidth)) \(row.value.aligned(to: valueWidth))\(row.suffix)\n"
        }
        func line(_ name: String, _ value: String) -> String { "\(name.padded(to: nameWidth)) \(value)\n" }
        var text = rows.map(line).joined()
        if !reasons.isEmpty { text += "\nNon-cacheable reasons:\n" + reasons.map(line).joined() + "\n" }
        text += line("Cache location", state.location)
        text += line("Base directories", "(none)")
        text += line("Use direct/preprocessor mode?", "no")
        text += line("Version (client)", Version.text)
        if let size = state.size { text += line(Self.size("Cache size", size)) }
        text += line(Self.size("Max cache size", state.limit))
        return text + "\n" + LarderReport(statistics, state).lines.map { line($0.name, $0.value) }.joined()
    }

    private var rows: [Row] {
        func count(_ name: String, _ value: Int) -> Row { Row(name: name, value: "\(value)", suffix: "") }
        func average(_ name: String, _ total: Int64, _ number: Int) -> Row {
            let seconds = number > 0 ? Double(total) / Double(number) / 1e6 : 0
            return Row(name: name, value: Sizes.fixed(seconds, 3), suffix: " s")
        }
        var rows = [
            count("Compile requests", counts.requests), count("Compile requests executed", counts.executed),
            count("Cache hits", counts.hits),
        ]
        if counts.hits > 0 { rows.append(count("Cache hits (\(language))", counts.hits)) }
        rows.append(count("Cache misses", counts.misses))
        if counts.misses > 0 { rows.append(count("Cache misses (\(language))", counts.misses)) }
        let looked = counts.hits + counts.misses
        if looked > 0 {
            let rate = Sizes.fixed(100 * Double(counts.hits) / Double(looked), 2)
            rows.append(Row(name: "Cache hits rate", value: rate, suffix: " %"))
            rows.append(Row(name: "Cache hits rate (\(language))", value: rate, suffix: " %"))
        } else {
            rows.append(Row(name: "Cache hits rate", value: "-", suffix: ""))
        }
        return rows + [
            count("Cache timeouts", 0), count("Cache read errors", counts.readErrors),
            count("Forced recaches", counts.forced), count("Cache write errors", counts.writeErrors),
            count("Cache errors", 0), count("Compilations", counts.misses),
            count("Compilation failures", counts.failures),
            count("Non-cacheable compilations", counts.notCacheableCompiles),
            count("Non-cacheable calls", counts.notCacheable), count("Non-compilation calls", counts.notCompile),
            count("Unsupported compiler calls", counts.unsupported),
            average("Average cache write", statistics.storeDuration, counts.writes),
            average("Average compiler", statistics.compileDuration, counts.misses + counts.failures),
            average("Average cache read hit", statistics.compileHitDuration, counts.hits),
            count("Failed distributed compilations", 0),
        ]
    }

    private static func size(_ name: String, _ bytes: UInt64) -> Row {
        if bytes < 1024 { return Row(name: name, value: "\(bytes)", suffix: " bytes") }
        var value = Double(bytes)
        var unit = ""
        for next in ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"] where value >= 1024 {
            value /= 1024
            unit = next
        }
        return Row(name: name, value: Sizes.fixed(value, 0), suffix: " " + unit)
    }

    // MARK: JSON

    package var json: JSON {
        func number(_ value: Int) -> JSON { .number(Int64(value)) }
        func languages(_ value: Int) -> JSON {
            .members([
                "counts": .counts(value > 0 ? ["Rust": value] : [:]),
                "adv_counts": .counts(value > 0 ? ["rust": value] : [:]),
            ])
        }
        func duration(_ microseconds: Int64) -> JSON {
            .members(["secs": .number(microseconds / 1_000_000), "nanos": .number(microseconds % 1_000_000 * 1000)])
        }
        let stats = JSON.members([
            "compile_requests": number(counts.requests),
            "requests_unsupported_compiler": number(counts.unsupported),
            "requests_not_compile": number(counts.notCompile),
            "requests_not_cacheable": number(counts.notCacheable),
            "requests_executed": number(counts.executed),
            "cache_errors": languages(0),
            "cache_hits": languages(counts.hits),
            "cache_misses": languages(counts.misses),
            "cache_timeouts": number(0),
            "cache_read_errors": number(counts.readErrors),
            "non_cacheable_compilations": number(counts.notCacheableCompiles),
            "forced_recaches": number(counts.forced),
            "cache_write_errors": number(counts.writeErrors),
            "cache_writes": number(counts.writes),
            "cache_write_duration": duration(statistics.storeDuration),
            "cache_read_hit_duration": duration(statistics.compileHitDuration),
            "compilations": number(counts.misses),
            "compiler_write_duration": duration(statistics.compileDuration),
            "compile_fails": number(counts.failures),
            "not_cached": .counts(counts.reasons),
            "dist_compiles": .object([]),
            "dist_errors": number(0),
            "multi_level": .null,
        ])
        return .members([
            "stats": stats,
            "cache_location": .text(state.location),
            "cache_size": state.size.map { .number(Int64(clamping: $0)) } ?? .null,
            "max_cache_size": .number(Int64(clamping: state.limit)),
            "use_preprocessor_cache_mode": .boolean(false),
            "version": .text(Version.text),
            "basedirs": .array([]),
            "larder": LarderReport(statistics, state).json,
        ])
    }
}
