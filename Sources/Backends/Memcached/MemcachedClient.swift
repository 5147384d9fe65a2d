import CMemcached

/// libmemcached with one server and one connection. Used by one thread only.
///
/// After an error that concerns the connection, it must be dropped: what the server sends late would be taken for the
/// answer to the next request.
final class MemcachedClient {
    /// A key nothing is ever stored under. Long enough that a server of the binary protocol sees a whole header of 24
    /// bytes in a text request, and hangs up instead of waiting for the rest.
    static let probeKey = "larder-asks-whether-a-login-is-needed"

    private let handle: UnsafeMutablePointer<memcached_st>
    private let server: MemcachedServer
    /// Whether the server has answered before: a failure then is a lost connection, not a missing server.
    private var hasAnswered = false

    /// Connects and logs in.
    init(server: MemcachedServer, options: MemcachedOptions, deadline: Deadline) throws(BackendError) {
        self.server = server
        guard let handle = memcached_create(nil) else {
            throw BackendError(
                .unreachable,
                "no memory for a connection",
                server: server.name,
                advice: "Free memory on this machine."
            )
        }
        self.handle = handle
        let connectMilliseconds = deadline.atMost(options.connectTimeout).remainingMilliseconds
        let usesSASL = options.credentials != nil && options.loginMethod == .sasl
        set(MEMCACHED_BEHAVIOR_BINARY_PROTOCOL, usesSASL ? 1 : 0)
        set(MEMCACHED_BEHAVIOR_TCP_NODELAY, 1)
        set(MEMCACHED_BEHAVIOR_TCP_KEEPALIVE, 1)
        set(MEMCACHED_BEHAVIOR_CONNECT_TIMEOUT, UInt64(connectMilliseconds))
        if usesSASL, let credentials = options.credentials {
            let status = memcached_set_sasl_auth_data(handle, credentials.username ?? "", credentials.password.value)
            try check(status, key: nil)
        }
        switch server.address {
        case .tcp(let host, let port): try check(memcached_server_add(handle, host, port), key: nil)
        case .unix(let path): try check(memcached_server_add_unix_socket(handle, path), key: nil)
        }
        if let credentials = options.credentials, !usesSASL {
            try logIn(credentials, deadline: deadline)
        } else {
            _ = try exists(Self.probeKey, deadline: deadline)
        }
    }

    deinit {
        memcached_free(handle)
    }

    /// Logs in by the text protocol: the first `set` of a connection, under any key, carries the login.
    ///
    /// A server that wants no login would store it; so the server is first asked for something.
    /// https://github.com/memcached/memcached/blob/master/doc/protocol.txt ("Authentication")
    private func logIn(_ credentials: Credentials, deadline: Deadline) throws(BackendError) {
        do {
            _ = try exists(Self.probeKey, deadline: deadline)
            return
        } catch {
            guard error.code == .authentication else { throw error }
        }
        let login = Array("\(credentials.username ?? "") \(credentials.password.value)".utf8)
        try store(Self.probeKey, login, expiry: 1, deadline: deadline)
    }

    // MARK: Requests

    /// The stored bytes of different keys, as a dictionary without those that are not there.
    func get(_ keys: [String], deadline: Deadline) throws(BackendError) -> [String: [UInt8]] {
        try prepare(deadline)
        let wanted = Set(keys)
        let bytes = keys.flatMap { Array($0.utf8) }
        let lengths = keys.map(\.utf8.count)
        let status = bytes.withUnsafeBytes { bytes -> memcached_return_t in
            var offset = 0
            let pointers = lengths.map { length -> UnsafePointer<CChar>? in
                defer { offset += length }
                return bytes.baseAddress.map { ($0 + offset).assumingMemoryBound(to: CChar.self) }
            }
            return memcached_mget(handle, pointers, lengths, keys.count)
        }
        try check(status, key: keys.first)
        var found: [String: [UInt8]] = [:]
        while true {
            var status = MEMCACHED_SUCCESS
            guard let result = memcached_fetch_result(handle, nil, &status) else {
                // What ends a list of results: an end, or the lack of any. But an error reads "not found" here as well,
                // and only the last error tells.
                let error = memcached_last_error(handle)
                if error != MEMCACHED_NOTFOUND { try check(error, key: keys.first) }
                if status != MEMCACHED_END && status != MEMCACHED_NOTFOUND { try check(status, key: keys.first) }
                hasAnswered = true
                return found
            }
            defer { memcached_result_free(result) }
            try check(status, key: keys.first)
            let key = UnsafeRawBufferPointer(
                start: memcached_result_key_value(result),
                count: memcached_result_key_length(result)
            )
            let value = UnsafeRawBufferPointer(
                start: memcached_result_value(result),
                count: memcached_result_length(result)
            )
            let name = String(decoding: key, as: UTF8.self)
            guard wanted.contains(name) else { throw failure(MEMCACHED_PROTOCOL_ERROR, key: keys.first) }
            found[name] = Array(value)
            if deadline.hasPassed { throw .timedOut("reading values", server: server.name) }
        }
    }

    /// - Parameter expiry: as memcached takes it; see `MemcachedExpiry`.
    func store(_ key: String, _ value: [UInt8], expiry: Int, deadline: Deadline) throws(BackendError) {
        try prepare(deadline)
        let status = value.withUnsafeBytes { value in
            memcached_set(
                handle,
                key,
                key.utf8.count,
                value.baseAddress?.assumingMemoryBound(to: CChar.self),
                value.count,
                expiry,
                0
            )
        }
        try check(status, key: key)
    }

    /// Sets a new expiry; false when the key is not there.
    func touch(_ key: String, expiry: Int, deadline: Deadline) throws(BackendError) -> Bool {
        try prepare(deadline)
        return try isThere(memcached_touch(handle, key, key.utf8.count, expiry), key: key)
    }

    /// libmemcached's `memcached_exist` is no good: in the text protocol it is an `add`, which a login may forbid and
    /// which writes. So is asking for the value, if it is large; a `touch` would change the expiry.
    func exists(_ key: String, deadline: Deadline) throws(BackendError) -> Bool {
        try get([key], deadline: deadline)[key] != nil
    }

    func remove(_ key: String, deadline: Deadline) throws(BackendError) {
        try prepare(deadline)
        _ = try isThere(memcached_delete(handle, key, key.utf8.count, 0), key: key)
    }

    /// What the server says of itself.
    func describe(in health: inout ServerHealth, deadline: Deadline) throws(BackendError) {
        let start = ContinuousClock.now
        _ = try exists(Self.probeKey, deadline: deadline)
        health.roundTrip = .now - start
        try prepare(deadline)
        var status = MEMCACHED_SUCCESS
        guard let list = memcached_stat(handle, nil, &status) else {
            try check(status, key: nil)
            return
        }
        defer { memcached_stat_free(handle, list) }
        try check(status, key: nil)
        health.usedBytes = list.pointee.bytes
        health.limitBytes = list.pointee.limit_maxbytes
        health.version = withUnsafeBytes(of: list.pointee.version) { BackendError.cleaned($0.prefix { $0 != 0 }) }
        health.evictionPolicy = "lru"
    }

    // MARK: Plumbing

    private func set(_ behaviour: memcached_behavior_t, _ value: UInt64) {
        memcached_behavior_set(handle, behaviour, value)
    }

    /// Gives libmemcached the time that is left for each of its waits.
    private func prepare(_ deadline: Deadline) throws(BackendError) {
        if deadline.hasPassed { throw .timedOut("starting", server: server.name) }
        set(MEMCACHED_BEHAVIOR_POLL_TIMEOUT, UInt64(deadline.remainingMilliseconds))
    }

    private func isThere(_ status: memcached_return_t, key: String) throws(BackendError) -> Bool {
        if status == MEMCACHED_NOTFOUND {
            hasAnswered = true
            return false
        }
        try check(status, key: key)
        return true
    }

    private func check(_ status: memcached_return_t, key: String?) throws(BackendError) {
        switch status {
        case MEMCACHED_SUCCESS, MEMCACHED_STORED, MEMCACHED_DELETED, MEMCACHED_BUFFERED, MEMCACHED_END:
            hasAnswered = true
        default: throw failure(status, key: key)
        }
    }

    private func failure(_ status: memcached_return_t, key: String?) -> BackendError {
        // Not libmemcached's last error: it may quote a request, and with it a login. `memcached_strerror` is constant.
        let meaning = memcached_strerror(handle, status).map { String(cString: $0) } ?? "code \(status.rawValue)"
        let detail = memcached_last_error_message(handle).map { String(cString: $0) } ?? ""
        let (code, message, advice) = kind(of: status, detail: detail)
        return BackendError(code, message, server: server.name, key: key, cause: meaning, advice: advice)
    }

    private func kind(of status: memcached_return_t, detail: String) -> (BackendError.Code, String, String) {
        let checkServer = "Check that the server runs, and its address and port in the settings."
        let checkLogin = "Check SCCACHE_MEMCACHED_USERNAME and SCCACHE_MEMCACHED_PASSWORD."
        switch status {
        case MEMCACHED_TIMEOUT: return (.timedOut, "no answer in time", checkServer)
        case MEMCACHED_AUTH_FAILURE, MEMCACHED_AUTH_PROBLEM, MEMCACHED_AUTH_CONTINUE:
            return (.authentication, "the server refuses the login", checkLogin)
        case MEMCACHED_CLIENT_ERROR where detail.contains("authent"):
            return (.authentication, "the server wants a login, or refuses the one it got", checkLogin)
        case MEMCACHED_E2BIG:
            return (.valueTooLarge, "the value is over the server's item size", "Start memcached with a larger -I.")
        case MEMCACHED_KEY_TOO_BIG, MEMCACHED_BAD_KEY_PROVIDED, MEMCACHED_CLIENT_ERROR:
            return (.refused, "the server does not take the request", "See the server's log (memcached -vv).")
        case MEMCACHED_SERVER_MEMORY_ALLOCATION_FAILURE:
            return (.serverFull, "the server's memory is full", "Let it evict (start it without -M), or raise -m.")
        case MEMCACHED_SERVER_ERROR where detail.contains("too large"):
            return (.valueTooLarge, "the value is over the server's item size", "Start memcached with a larger -I.")
        case MEMCACHED_SERVER_ERROR where detail.contains("memory"):
            return (.serverFull, "the server's memory is full", "Let it evict (start it without -M), or raise -m.")
        case MEMCACHED_NOT_SUPPORTED:
            return (
                .invalidSettings, "this libmemcached was built without SASL",
                "Set LARDER_MEMCACHED_LOGIN=text if the server takes it (memcached -Y)."
            )
        // A declared length that no memory suffices for.
        case MEMCACHED_MEMORY_ALLOCATION_FAILURE,
            MEMCACHED_PROTOCOL_ERROR, MEMCACHED_UNKNOWN_READ_FAILURE, MEMCACHED_ERROR, MEMCACHED_SERVER_ERROR,
            MEMCACHED_PARTIAL_READ, MEMCACHED_UNKNOWN_STAT_KEY:
            return (.protocolViolation, "the server sent what is not memcached's protocol", checkServer)
        default:
            return hasAnswered
                ? (.connectionLost, "the connection broke", "The next request connects again.")
                : (.unreachable, "can't connect", checkServer)
        }
    }
}

/// How memcached takes a time to live.
enum MemcachedExpiry {
    /// Up to 30 days it is relative; more is read as a moment in Unix time, and would be one in 1970.
    /// https://github.com/memcached/memcached/blob/master/doc/protocol.txt ("Expiration times")
    static let longestRelative: Int64 = 30 * 86_400

    /// - Parameter now: seconds of Unix time.
    /// - Returns: 0 for no end.
    static func of(_ timeToLive: Duration?, now: Int64) -> Int {
        guard let timeToLive else { return 0 }
        let seconds = timeToLive.wholeSeconds
        if seconds <= longestRelative { return Int(seconds) }
        // The server holds it in 32 bits.
        let (moment, isTooFar) = now.addingReportingOverflow(seconds)
        return isTooFar ? Int(Int32.max) : Int(min(moment, Int64(Int32.max)))
    }
}
