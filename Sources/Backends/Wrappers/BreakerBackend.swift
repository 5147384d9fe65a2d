/// Leaves a failing server alone for a while, so that a dead one costs a build next to nothing.
///
/// Failures in a row open the breaker: three of them, or as few as took the allowed time together, as a server that hangs
/// costs a whole deadline each time. While it is open, every call fails at once with `.breakerOpen`. After the pause
/// the next call still fails at once, and starts a trial behind its back: one `check`. When that goes well the breaker
/// closes; else the pause starts again. No call ever waits for a trial.
package final class BreakerBackend: Backend {
    /// When to open, and for how long.
    package struct Rules: Sendable {
        /// Failures in a row that open the breaker. One or two may be a connection that idled too long.
        package var failures = 3
        /// Time lost to failures in a row that opens it: a build may lose 3 s to a dead server in all.
        package var lostTime = Duration.seconds(2)
        /// How long it stays open.
        package var pause = Duration.seconds(30)
        /// How long a trial may take.
        package var trialTime = Duration.seconds(2)

        package init() {}
    }

    /// What the breaker does now.
    package enum State: Sendable {
        case closed
        /// Calls fail at once, because of this.
        case open(BackendError, until: ContinuousClock.Instant)
        /// Calls fail at once while one trial is made.
        case trying(BackendError)

        package var isClosed: Bool {
            if case .closed = self { true } else { false }
        }
    }

    private struct Record {
        var state = State.closed
        var failuresInARow = 0
        var lostTime = Duration.zero
    }

    private let base: any Backend
    private let rules: Rules
    private let now: @Sendable () -> ContinuousClock.Instant
    private let record = Monitor(Record())

    /// - Parameter now: the clock.
    package init(
        _ base: any Backend,
        rules: Rules = Rules(),
        now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }
    ) {
        self.base = base
        self.rules = rules
        self.now = now
    }

    package var name: String { base.name }
    package var limits: BackendLimits { base.limits }

    /// What it does now, for `status`.
    package var state: State { record.read { $0.state } }

    package func get(_ keys: [String], deadline: Deadline) throws(BackendError) -> [[UInt8]?] {
        try guarded { () throws(BackendError) in try base.get(keys, deadline: deadline) }
    }

    package func fetch(
        _ key: String,
        deadline: Deadline,
        to sink: (Int) -> (any ValueSink)?
    ) throws(BackendError) -> FetchedValue? {
        try guarded { () throws(BackendError) in try base.fetch(key, deadline: deadline, to: sink) }
    }

    package func put(_ items: [BackendItem], timeToLive: Duration?, deadline: Deadline) throws(BackendError) {
        try guarded { () throws(BackendError) in
            try base.put(items, timeToLive: timeToLive, deadline: deadline)
        }
    }

    package func renew(_ keys: [String], timeToLive: Duration, deadline: Deadline) throws(BackendError) -> [Bool] {
        try guarded { () throws(BackendError) in
            try base.renew(keys, timeToLive: timeToLive, deadline: deadline)
        }
    }

    package func exists(_ keys: [String], deadline: Deadline) throws(BackendError) -> [Bool] {
        try guarded { () throws(BackendError) in try base.exists(keys, deadline: deadline) }
    }

    package func remove(_ keys: [String], deadline: Deadline) throws(BackendError) {
        try guarded { () throws(BackendError) in try base.remove(keys, deadline: deadline) }
    }

    /// Asks the servers even while the breaker is open: a person wants to know.
    package func check(deadline: Deadline) -> [ServerHealth] {
        base.check(deadline: deadline)
    }

    package func close() {
        base.close()
    }

    /// Ends the pause: the next call starts a trial. For somebody who waits, or knows that the server is back.
    package func endPause() {
        record.update { record in
            if case .open(let reason, _) = record.state { record.state = .open(reason, until: now()) }
        }
    }

    private func guarded<Result>(_ call: () throws(BackendError) -> Result) throws(BackendError) -> Result {
        if let refusal = refusal() { throw refusal }
        let start = now()
        do {
            let result = try call()
            note(success: true)
            return result
        } catch {
            if error.speaksAgainstServer {
                note(error, took: now() - start)
            } else {
                // The server answered, though not as wished; or it was not asked at all, which says nothing.
                note(success: error.code == .serverFull)
            }
            throw error
        }
    }

    /// Why a call may not be made now, if so. Starts the trial when it is time.
    private func refusal() -> BackendError? {
        var mustTry = false
        let reason = record.update { record -> BackendError? in
            switch record.state {
            case .closed: return nil
            case .trying(let reason): return reason
            case .open(let reason, let until):
                if now() >= until {
                    record.state = .trying(reason)
                    mustTry = true
                }
                return reason
            }
        }
        guard let reason else { return nil }
        if mustTry, !DetachedThread.start({ [self] in makeTrial(reason) }) {
            record.update { $0.state = .open(reason, until: now() + rules.pause) }
        }
        return BackendError(
            .breakerOpen,
            "the shared cache failed before and is left alone for now",
            server: name,
            cause: reason.message + (reason.cause.map { ": " + $0 } ?? ""),
            advice: "It is tried again every \(rules.pause.components.seconds) s. " + reason.advice
        )
    }

    private func makeTrial(_ reason: BackendError) {
        let health = base.check(deadline: .after(rules.trialTime))
        // A ring or cluster works on with a part of its servers.
        let isUsable = health.contains { $0.error == nil }
        record.update { record in
            record = Record()
            if !isUsable {
                let newest = health.lazy.compactMap(\.error).first
                record.state = .open(newest ?? reason, until: now() + rules.pause)
            }
        }
    }

    private func note(success: Bool) {
        guard success else { return }
        record.update { record in
            record.failuresInARow = 0
            record.lostTime = .zero
        }
    }

    private func note(_ error: BackendError, took: Duration) {
        record.update { record in
            guard record.state.isClosed else { return }
            record.failuresInARow += 1
            record.lostTime += took
            if record.failuresInARow >= rules.failures || record.lostTime >= rules.lostTime {
                record.state = .open(error, until: now() + rules.pause)
            }
        }
    }
}
