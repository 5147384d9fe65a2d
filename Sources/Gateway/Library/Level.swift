internal import Backends
internal import Platform

/// One shared cache, and what was seen of it.
final class Level: Sendable {
    let settings: RemoteLevel
    let backend: BreakerBackend
    private let counts = Monitor(Counts())

    struct Counts: Sendable {
        var hits = 0
        var misses = 0
        var errors = 0
        /// By `BackendError.Code`.
        var errorsByCode: [String: Int] = [:]
        var lastError = ""
        /// Bytes fetched and put, as they went over the network.
        var bytesFetched = 0
        var bytesPut = 0
        /// Time spent waiting for fetches and puts.
        var fetchTime = Duration.zero
        var putTime = Duration.zero
        var put = 0
    }

    init(_ settings: RemoteLevel, breaker: BreakerBackend.Rules) throws(BackendError) {
        self.settings = settings
        backend = try settings.makeBackend(breaker: breaker)
    }

    var name: String { settings.name }
    var now: Counts { counts.read { $0 } }

    /// The value of a key.
    func get(_ key: String, deadline: Deadline) throws(BackendError) -> [UInt8]? {
        try counting(\.count) { () throws(BackendError) in try backend.get(key, deadline: deadline) }
    }

    /// The same; a long value goes to the sink that `sink` makes for its length.
    func fetch(
        _ key: String,
        deadline: Deadline,
        to sink: (Int) -> (any ValueSink)?
    ) throws(BackendError) -> FetchedValue? {
        try counting(\.count) { () throws(BackendError) in
            try backend.fetch(key, deadline: deadline, to: sink)
        }
    }

    private func counting<Value>(
        _ bytes: (Value) -> Int,
        _ fetch: () throws(BackendError) -> Value?
    ) throws(BackendError) -> Value? {
        let start = ContinuousClock.now
        do {
            let value = try fetch()
            counts.update { counts in
                counts.fetchTime += .now - start
                if let value {
                    counts.hits += 1
                    counts.bytesFetched += bytes(value)
                } else {
                    counts.misses += 1
                }
            }
            return value
        } catch {
            note(error)
            throw error
        }
    }

    func put(_ key: String, _ value: [UInt8], deadline: Deadline) throws(BackendError) {
        let start = ContinuousClock.now
        do {
            try backend.put(key, value, timeToLive: settings.timeToLive, deadline: deadline)
            counts.update { counts in
                counts.putTime += .now - start
                counts.put += 1
                counts.bytesPut += value.count
            }
        } catch {
            note(error)
            throw error
        }
    }

    /// A value that came and was not what it should be.
    func noteDamage(_ reason: String) { noteUseless("damaged", reason) }

    /// A value that came and could not be used here.
    func noteUnused(_ reason: String) { noteUseless("unused", reason) }

    /// A value that was there and could not be taken: it counts as a miss already.
    func noteProblem(_ reason: String) { noteUseless("unused", reason, wasHit: false) }

    private func noteUseless(_ code: String, _ reason: String, wasHit: Bool = true) {
        counts.update { counts in
            if wasHit {
                counts.hits -= 1
                counts.misses += 1
            }
            counts.errors += 1
            counts.errorsByCode[code, default: 0] += 1
            counts.lastError = reason
        }
    }

    private func note(_ error: BackendError) {
        counts.update { counts in
            counts.errors += 1
            counts.errorsByCode[error.code.rawValue, default: 0] += 1
            // What opened the breaker says more than that it is open.
            if error.code != .breakerOpen || counts.lastError.isEmpty { counts.lastError = error.description }
        }
    }
}
