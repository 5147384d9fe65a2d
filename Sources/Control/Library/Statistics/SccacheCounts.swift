internal import RustcCall

/// The statistics in sccache's terms. Source: sccache 0.16.0, `ServerStats` in src/server.rs, and what it prints.
///
///     requests  every call, queries among them
///     executed  calls that were looked up: hits, misses and failed compiles, without queries
///     requests = executed + notCacheable + notCompile + unsupported
package struct SccacheCounts: Sendable, Equatable {
    package let requests: Int
    package let executed: Int
    package let hits: Int
    /// Without those whose compile failed.
    package let misses: Int
    package let failures: Int
    package let forced: Int
    package let readErrors: Int
    package let writes: Int
    package let writeErrors: Int
    /// Compiles that ran well and were not such as can be stored.
    package let notCacheableCompiles: Int
    /// Calls left to rustc.
    package let notCacheable: Int
    /// Calls that ask for something other than a compile: `-vV`, `--print`.
    package let notCompile: Int
    package let unsupported: Int
    /// Reasons of `notCacheable`.
    package let reasons: [String: Int]

    package init(_ statistics: Statistics) {
        requests = statistics.requests
        hits = statistics.hits - statistics.queries.hits
        let looked = statistics.misses - statistics.queries.misses
        executed = hits + looked
        failures = min(statistics.unstored(.failed), looked)
        misses = looked - failures
        forced = statistics.missed[Uncached.forced.rawValue] ?? 0
        readErrors = ["damaged-entry", "restore-failed"].reduce(0) { $0 + (statistics.missed[$1] ?? 0) }
        writes = statistics.stored
        writeErrors = statistics.unstored(.storeFailed)
        let others = statistics.unstored.filter { reason, _ in
            ![Uncached.failed, .storeFailed, .readOnly].map(\.rawValue).contains(reason)
        }
        notCacheableCompiles = others.values.reduce(0, +)
        unsupported = statistics.passed(.unknownCompiler)
        var reasons = statistics.passed
        reasons[Uncached.unknownCompiler.rawValue] = nil
        notCompile = statistics.queries.hits + statistics.queries.misses + statistics.passed(.information)
        reasons[Uncached.information.rawValue] = nil
        self.reasons = reasons
        notCacheable = requests - executed - notCompile - unsupported
    }
}
