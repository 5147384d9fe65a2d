/// The lines of Redis' `INFO`.
struct RedisInfo {
    private var fields: [Substring: Substring] = [:]

    init(_ text: String) {
        for line in text.split(whereSeparator: \.isNewline) {
            guard let colon = line.firstIndex(of: ":") else { continue }
            fields[line[..<colon]] = line[line.index(after: colon)...]
        }
    }

    /// Fills in what the server says, and what should be changed about it.
    func describe(in health: inout ServerHealth) {
        health.version = fields["redis_version"].map(String.init)
        health.usedBytes = fields["used_memory"].flatMap { UInt64($0) }
        health.role = fields["role"].map { $0 == "slave" ? "replica" : String($0) }
        health.evictionPolicy = fields["maxmemory_policy"].map(String.init)
        let limit = fields["maxmemory"].flatMap { UInt64($0) }
        health.limitBytes = limit == 0 ? nil : limit
        if limit == 0 {
            health.advice.append("No maxmemory is set: the cache grows until the server is out of memory.")
        } else if health.evictionPolicy == "noeviction" {
            health.advice.append(
                "maxmemory-policy is noeviction: once full, nothing new is stored. allkeys-lru suits a cache."
            )
        }
        if health.role == "replica" {
            health.advice.append("This is a replica: it takes no writes.")
        }
    }
}
