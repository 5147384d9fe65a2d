package import RustcCall

/// What became of all calls since statistics were zeroed.
package struct Statistics: Sendable, Equatable {
    package struct Tally: Sendable, Equatable {
        package var hits = 0
        package var misses = 0
        package var passed = 0

        package init(hits: Int = 0, misses: Int = 0, passed: Int = 0) {
            self.hits = hits
            self.misses = misses
            self.passed = passed
        }
    }

    /// All calls.
    package var requests = 0
    package var hits = 0
    package var misses = 0
    /// Calls that asked for the compiler's version, cfg and so on, answered or not; hits and misses count them, too.
    package var queries = Tally()
    /// Calls left to rustc, by reason.
    package var passed: [String: Int] = [:]
    /// Misses whose result was not stored, by reason.
    package var unstored: [String: Int] = [:]
    /// Misses by reason.
    package var missed: [String: Int] = [:]
    package var stored = 0
    package var levels: [String: Int] = [:]
    package var types: [String: Tally] = [:]
    /// Files of the cache that were found damaged.
    package var damaged = 0
    /// Lines of the event log that were no events.
    package var damagedLines = 0
    package var bytesRestored: Int64 = 0
    package var bytesStored: Int64 = 0
    /// Microseconds that compiles took which hits made needless.
    package var compileSaved: Int64 = 0
    /// Microseconds that hits took.
    package var hitDuration: Int64 = 0
    /// The same without queries.
    package var compileHitDuration: Int64 = 0
    /// Microseconds that compiles took.
    package var compileDuration: Int64 = 0
    /// Microseconds that storing took.
    package var storeDuration: Int64 = 0
    /// Microseconds of CPU of all wrappers.
    package var cpu: Int64 = 0
    /// Time of the first and the last event; microseconds since 1970.
    package var first: Int64 = 0
    package var last: Int64 = 0

    package init() {}

    /// The time that hits saved, less what they took themselves; microseconds.
    package var timeSaved: Int64 { compileSaved &- hitDuration }

    package mutating func add(_ event: LoggedEvent) {
        requests += 1
        first = first == 0 ? event.time : min(first, event.time)
        last = max(last, event.time)
        damaged &+= Int(clamping: event.damaged)
        cpu &+= event.cpu
        let type = event.type.isEmpty ? "other" : event.type
        let isQuery = type == "query"
        switch event.result {
        case "hit":
            hits += 1
            types[type, default: Tally()].hits += 1
            if isQuery { queries.hits += 1 }
            levels[event.level.isEmpty ? "disk" : event.level, default: 0] += 1
            bytesRestored &+= event.bytes
            compileSaved &+= event.compile
            hitDuration &+= event.duration
            if !isQuery { compileHitDuration &+= event.duration }
        case "miss":
            misses += 1
            types[type, default: Tally()].misses += 1
            if isQuery { queries.misses += 1 }
            missed[event.reason.isEmpty ? "unknown" : event.reason, default: 0] += 1
            if !isQuery { compileDuration &+= event.compile }
            storeDuration &+= event.phases["store"] ?? 0
            if event.isStored {
                stored += 1
                bytesStored &+= event.bytes
            } else {
                let reason = event.unstored.isEmpty ? Uncached.internalError.rawValue : event.unstored
                unstored[reason, default: 0] += 1
            }
        default:
            types[type, default: Tally()].passed += 1
            if isQuery { queries.passed += 1 }
            passed[event.reason.isEmpty ? Uncached.internalError.rawValue : event.reason, default: 0] += 1
        }
    }

    package func unstored(_ reason: Uncached) -> Int { unstored[reason.rawValue] ?? 0 }
    package func passed(_ reason: Uncached) -> Int { passed[reason.rawValue] ?? 0 }
}

extension EventReader {
    /// The statistics since the last zeroing.
    package func statistics() -> Statistics {
        var statistics = Statistics()
        let damaged = forEach(since: zeroTime) { statistics.add($0) }
        statistics.damagedLines = damaged
        return statistics
    }
}
