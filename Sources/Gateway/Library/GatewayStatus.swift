internal import Backends
internal import GatewayProtocol
internal import Glibc
internal import Platform
internal import Settings
internal import Store

extension Gateway {
    /// What it has done so far, as JSON. Times are microseconds, sizes bytes.
    var status: String { json(servers: nil) }

    /// The same, with what each server says of itself and how fast it is.
    func examination(onProgress: () -> Void) -> String {
        json(servers: levels.map { examine($0, onProgress) })
    }

    private func json(servers: [String]?) -> String {
        let outbox = publisher.now
        var members = [
            ("version", Event.quoted(Version.text)), ("pid", "\(getpid())"),
            ("uptime", "\(Self.microseconds(.now - started))"),
            ("problems", "[" + problems.map(Event.quoted).joined(separator: ",") + "]"),
            ("queue", "\(outbox.left)"), ("published", "\(outbox.published)"), ("dropped", "\(outbox.dropped)"),
            ("publish_error", Event.quoted(outbox.lastError)),
        ]
        let levels = levels.enumerated().map { index, level in Self.json(level, servers?[index]) }
        members.append(("levels", "[" + levels.joined(separator: ",") + "]"))
        return Self.object(members)
    }

    private static func json(_ level: Level, _ servers: String?) -> String {
        let counts = level.now
        let state: String
        switch level.backend.state {
        case .closed: state = "closed"
        case .open: state = "open"
        case .trying: state = "trying"
        }
        let codes = counts.errorsByCode.sorted { $0.key < $1.key }.map { ($0.key, "\($0.value)") }
        var members = [
            ("name", Event.quoted(level.name)), ("server", Event.quoted(level.settings.redacted)),
            ("breaker", Event.quoted(state)), ("read_only", "\(level.settings.isReadOnly)"),
            ("hits", "\(counts.hits)"), ("misses", "\(counts.misses)"), ("errors", "\(counts.errors)"),
            ("errors_by_code", object(codes)), ("last_error", Event.quoted(counts.lastError)),
            ("bytes_fetched", "\(counts.bytesFetched)"), ("bytes_put", "\(counts.bytesPut)"),
            ("puts", "\(counts.put)"), ("fetch_time", "\(microseconds(counts.fetchTime))"),
            ("put_time", "\(microseconds(counts.putTime))"),
        ]
        if let servers { members.append(("servers", servers)) }
        return object(members)
    }

    private static func object(_ members: [(String, String)]) -> String {
        "{" + members.map { "\(Event.quoted($0.0)):\($0.1)" }.joined(separator: ",") + "}"
    }

    private static func microseconds(_ duration: Duration) -> Int64 {
        let (seconds, attoseconds) = duration.components
        return seconds * 1_000_000 + attoseconds / 1_000_000_000_000
    }

    // MARK: The servers

    private func examine(_ level: Level, _ onProgress: () -> Void) -> String {
        /// A person waits, and a server far away is what they want to know about.
        let patience = Duration.seconds(5)
        let box = Monitor<String?>(nil)
        let ran = DetachedThread.start {
            let servers = level.backend.check(deadline: .after(patience)).map(Self.json)
            let speed = Self.throughput(level, patience)
            box.update { $0 = "{\"health\":[" + servers.joined(separator: ",") + "],\"throughput\":\(speed)}" }
        }
        let deadline = Deadline.after(patience * 3)
        while ran, !deadline.hasPassed {
            if let text = box.wait(until: deadline.atMost(.milliseconds(200)), { $0 }) { return text }
            onProgress()
        }
        return "{\"health\":[],\"throughput\":null}"
    }

    private static func json(_ health: ServerHealth) -> String {
        func text(_ value: String?) -> String { value.map(Event.quoted) ?? "null" }
        func number(_ value: (some BinaryInteger)?) -> String { value.map { "\($0)" } ?? "null" }
        return object([
            ("server", Event.quoted(health.server)), ("role", text(health.role)), ("version", text(health.version)),
            ("round_trip", number(health.roundTrip.map(microseconds))), ("used", number(health.usedBytes)),
            ("limit", number(health.limitBytes)), ("eviction", text(health.evictionPolicy)),
            ("error", text(health.error?.message)), ("cause", text(health.error?.cause)),
            ("error_advice", text(health.error?.advice)),
            ("advice", "[" + health.advice.map(Event.quoted).joined(separator: ",") + "]"),
        ])
    }

    /// Bytes a second of a value put and fetched; `null` where that can't be done.
    private static func throughput(_ level: Level, _ patience: Duration) -> String {
        let key = "probe/\(getpid())"
        // Not all the same, lest something on the way compresses it.
        var word: UInt64 = 88_172_645_463_325_252
        let value = (0..<(2 << 20)).map { _ -> UInt8 in
            word ^= word << 13
            word ^= word >> 7
            word ^= word << 17
            return UInt8(truncatingIfNeeded: word)
        }
        let start = ContinuousClock.now
        guard !level.settings.isReadOnly,
            (try? level.backend.put(key, value, timeToLive: .seconds(60), deadline: .after(patience))) != nil
        else { return "null" }
        let middle = ContinuousClock.now
        let fetched = (try? level.backend.get(key, deadline: .after(patience))) ?? nil
        let end = ContinuousClock.now
        try? level.backend.remove(key, deadline: .after(patience))
        guard fetched == value else { return "null" }
        func rate(_ duration: Duration) -> Int64 { Int64(value.count) * 1_000_000 / max(1, microseconds(duration)) }
        return "{\"put\":\(rate(middle - start)),\"fetch\":\(rate(end - middle))}"
    }
}
