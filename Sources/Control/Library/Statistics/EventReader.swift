package import Platform
package import Settings
package import Store

/// The events of this user: those in the cache's folder, and those of calls that could not write there.
package struct EventReader: Sendable {
    package let logs: [EventLog]
    /// The log in the cache's folder; `nil` without a cache folder.
    package let main: EventLog?

    package init(folder: String?, fallback: EventLog?) {
        main = folder.map { EventLog(folder: $0 + "/events") }
        logs = [main, fallback].compactMap(\.self)
    }

    package init(_ settings: Settings, _ environment: Environment) {
        self.init(
            folder: settings.folder,
            fallback: .fallback(environment, isMade: false)
        )
    }

    /// Events before this don't count, in microseconds since 1970.
    package var zeroTime: Int64 { logs.map(\.zeroTime).max() ?? 0 }

    /// Makes statistics start anew.
    package func zero() throws(SystemError) {
        for log in logs where log.folder == main?.folder || !log.files.isEmpty { try log.zero() }
    }

    /// Calls `body` with each event since `time`.
    ///
    /// - Returns: how many lines were no events.
    @discardableResult
    package func forEach(since time: Int64, _ body: (LoggedEvent) -> Void) -> Int {
        var damaged = 0
        for log in logs {
            log.forEachLine { line in
                guard line.count > 0 else { return }
                guard let event = LoggedEvent(line: line) else {
                    damaged += 1
                    return
                }
                if event.time >= time { body(event) }
            }
        }
        return damaged
    }
}
