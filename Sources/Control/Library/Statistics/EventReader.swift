package import Platform
package import Settings
package import Store

/// The events of a cache: those in its folder, and those of calls that could not write there.
package struct EventReader: Sendable {
    /// The log in the cache's folder; `nil` without a cache folder.
    private let main: EventLog?
    /// Where calls of all this user's caches meet that could not be written to their own.
    private let fallback: EventLog?
    /// How those of this cache are marked there.
    private let mark: String

    package init(folder: String?, fallback: EventLog?) {
        main = folder.map { EventLog(folder: $0 + "/events") }
        self.fallback = fallback
        mark = folder ?? Event.noCache
    }

    package init(_ settings: Settings, _ environment: Environment) {
        self.init(folder: settings.folder, fallback: .fallback(environment, isMade: false))
    }

    /// Events before this don't count, in microseconds since 1970.
    package var zeroTime: Int64 { [main, fallback].compactMap { $0?.zeroTime }.max() ?? 0 }

    /// Makes statistics start anew.
    package func zero() throws(SystemError) {
        guard let main else {
            try fallback?.zero()
            return
        }
        do throws(SystemError) { try main.zero() } catch {
            guard let fallback else { throw error }
            try fallback.zero()
        }
    }

    /// Calls `body` with each event since `time`.
    ///
    /// - Returns: how many lines were no events.
    @discardableResult
    package func forEach(since time: Int64, _ body: (LoggedEvent) -> Void) -> Int {
        var damaged = 0
        main?.forEachLine { line in
            guard line.count > 0 else { return }
            guard let event = LoggedEvent(line: line) else {
                damaged += 1
                return
            }
            if event.time >= time { body(event) }
        }
        forEachUnwritten(since: time, body)
        return damaged
    }

    /// Calls `body` with each event since `time` that could not be written to the cache.
    package func forEachUnwritten(since time: Int64, _ body: (LoggedEvent) -> Void) {
        fallback?.forEachLine { line in
            if let event = LoggedEvent(line: line), event.time >= time, event.cache == mark { body(event) }
        }
    }
}
