/// A shared cache: bytes under keys, on a server that others use too.
///
/// All calls block the calling thread and may be made from several threads at once.
///
/// What an implementation must keep to, and what every caller may rely on (`BackendsTests/Conformance.swift` checks it):
/// - **A miss is nil, not an error.** An error means that the question was not answered.
/// - **The deadline is real.** A call returns when it has passed, whatever the server sends or does not send. A call
///   that has used up its deadline fails with `.timedOut`.
/// - **Whole values only.** A value is what one `put` gave, byte for byte, or it is absent. Never a part, never another
///   key's.
/// - **Nothing lasts.** The server may drop any value at any time.
/// - **Failures stay local.** A failed call leaves nothing behind that hurts the next one: a connection on which
///   something went wrong is closed, and the next call makes a new one. A server that is back is used again.
/// - **Secrets stay secret.** No error, name or health text holds a password.
///
/// An implementation does the calls that take several keys in as few round trips as it can. A wrapper (prefix, chunks,
/// read-only, breaker) is a backend over a backend: it implements the same calls, and forwards `check` and `close`.
package protocol Backend: Sendable {
    /// The server or servers, for people and logs.
    var name: String { get }

    /// The largest value and key `put` takes.
    var limits: BackendLimits { get }

    /// The values of these keys, in their order; nil for a key that is not there.
    func get(_ keys: [String], deadline: Deadline) throws(BackendError) -> [[UInt8]?]

    /// The value of a key, one that is long piece by piece; `nil` where it is not there, or a sink did not take it.
    ///
    /// - Parameter sink: makes what takes a long value of so many bytes; called once at most. What it was given counts for
    ///   nothing unless the call says that the value was streamed.
    func fetch(
        _ key: String,
        deadline: Deadline,
        to sink: (Int) -> (any ValueSink)?
    ) throws(BackendError) -> FetchedValue?

    /// Stores each value under its key, in place of an older one.
    ///
    /// They are stored in order as far as the server allows; when one fails, the others may have been stored.
    /// - Parameter timeToLive: how long the server keeps them; nil for as long as it likes.
    func put(_ items: [BackendItem], timeToLive: Duration?, deadline: Deadline) throws(BackendError)

    /// Sets the time to live of keys anew. A server that tells how much is left is only written to when half is gone.
    /// - Returns: for each key whether it is there.
    func renew(_ keys: [String], timeToLive: Duration, deadline: Deadline) throws(BackendError) -> [Bool]

    /// Whether each key is there.
    func exists(_ keys: [String], deadline: Deadline) throws(BackendError) -> [Bool]

    /// Removes keys; one that is not there is no error.
    func remove(_ keys: [String], deadline: Deadline) throws(BackendError)

    /// What each server says of itself, for `doctor` and `status`. A server that fails is an entry with an error.
    func check(deadline: Deadline) -> [ServerHealth]

    /// Closes all connections. Calls after it fail with `.closed`.
    func close()
}

/// Takes a long value as it comes.
package protocol ValueSink: AnyObject, Sendable {
    /// Takes a piece of the value, in any order and from several threads.
    ///
    /// - Returns: whether there is use in more.
    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> Bool
}

/// A value as it was fetched.
package enum FetchedValue: Sendable, Equatable {
    case whole([UInt8])
    /// All of it went to the sink, each piece checked by its SHA-256.
    case streamed(length: Int)

    /// Bytes of the value.
    package var count: Int {
        switch self {
        case .whole(let bytes): bytes.count
        case .streamed(let length): length
        }
    }
}

/// A value and the key it goes under.
package struct BackendItem: Sendable {
    package var key: String
    package var value: [UInt8]

    package init(key: String, value: [UInt8]) {
        self.key = key
        self.value = value
    }
}

/// What a backend takes.
package struct BackendLimits: Sendable, Hashable {
    /// The longest value in bytes.
    package var valueBytes: Int
    /// The longest key in bytes.
    package var keyBytes: Int

    package init(valueBytes: Int, keyBytes: Int) {
        self.valueBytes = valueBytes
        self.keyBytes = keyBytes
    }
}

/// One server as it was found by `Backend.check`.
package struct ServerHealth: Sendable {
    /// The server, without secrets.
    package var server: String
    /// Its part in a cluster or ring: `master`, `replica`, `ring member`; nil for a server alone.
    package var role: String?
    package var version: String?
    /// The time of one empty request on a connection that stood already.
    package var roundTrip: Duration?
    /// Bytes of memory in use and allowed; no limit is nil.
    package var usedBytes: UInt64?
    package var limitBytes: UInt64?
    /// Redis' `maxmemory_policy`, or memcached's `lru`.
    package var evictionPolicy: String?
    /// Why it can't be used; nil when it can.
    package var error: BackendError?
    /// What a person should change, though it works.
    package var advice: [String] = []

    package init(server: String) {
        self.server = server
    }
}

extension Backend {
    package func fetch(
        _ key: String,
        deadline: Deadline,
        to sink: (Int) -> (any ValueSink)?
    ) throws(BackendError) -> FetchedValue? {
        try get(key, deadline: deadline).map { .whole($0) }
    }

    /// The value of one key, or nil.
    package func get(_ key: String, deadline: Deadline) throws(BackendError) -> [UInt8]? {
        try get([key], deadline: deadline).first ?? nil
    }

    /// Stores one value.
    package func put(
        _ key: String,
        _ value: [UInt8],
        timeToLive: Duration?,
        deadline: Deadline
    ) throws(BackendError) {
        try put([BackendItem(key: key, value: value)], timeToLive: timeToLive, deadline: deadline)
    }

    /// Sets one key's time to live anew; false when the key is not there.
    package func renew(_ key: String, timeToLive: Duration, deadline: Deadline) throws(BackendError) -> Bool {
        try renew([key], timeToLive: timeToLive, deadline: deadline).first ?? false
    }

    /// Whether one key is there.
    package func exists(_ key: String, deadline: Deadline) throws(BackendError) -> Bool {
        try exists([key], deadline: deadline).first ?? false
    }

    /// Removes one key.
    package func remove(_ key: String, deadline: Deadline) throws(BackendError) {
        try remove([key], deadline: deadline)
    }
}
