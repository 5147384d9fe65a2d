package import Platform

/// What is set about shared caches, for the wrapper: whether there is one, and what the gateway has to be told.
///
/// The wrapper links no client library and understands no server's URL; it knows these variables by their names.
package struct RemoteVariables: Sendable {
    /// Variables that name a shared cache, without `LARDER_` or `SCCACHE_`; one of larder's hides all of sccache's.
    private static let redisPlaces = ["REDIS", "REDIS_ENDPOINT", "REDIS_CLUSTER_ENDPOINTS", "REDIS_SENTINEL_ENDPOINTS"]
    private static let memcachedPlaces = ["MEMCACHED", "MEMCACHED_ENDPOINT"]
    private static let chain = "MULTILEVEL_CHAIN"
    private static let own = "LARDER_"
    private static let sccaches = "SCCACHE_"
    /// What is no part of where entries go: with another password the same entries go to the same server.
    private static let noDestination = [
        "USERNAME", "PASSWORD", "RW_MODE", "TTL", "EXPIRATION", "TIMEOUT", "COMPRESSION", "CA_FILE",
    ]

    /// All that concerns shared caches, by name; the files' values among them where the environment is silent.
    package let values: [String: String]
    /// Whether some shared cache is named. The gateway tells whether it can be used.
    package let isConfigured: Bool

    package init(_ environment: Environment, _ settings: Settings) {
        var values: [String: String] = [:]
        for (name, bytes) in environment.values where Self.concerns(name) {
            values[name] = String(decoding: bytes, as: UTF8.self)
        }
        for places in [Self.redisPlaces, Self.memcachedPlaces] {
            // A server of the environment's takes the place of the files', even where it is named another way.
            let isNamed = places.contains { values[Self.own + $0] != nil || values[Self.sccaches + $0] != nil }
            let hidden = isNamed ? Set(places.flatMap { [Self.own + $0, Self.sccaches + $0] }) : []
            for (name, given) in settings.fileValues
            where Self.concerns(name) && values[name] == nil && !hidden.contains(name) {
                values[name] = given.text
            }
        }
        self.values = values
        isConfigured = Self.isConfigured(values)
    }

    private static func concerns(_ name: String) -> Bool {
        let rest: Substring
        if name.hasPrefix(own) {
            rest = name.dropFirst(own.count)
        } else if name.hasPrefix(sccaches) {
            rest = name.dropFirst(sccaches.count)
        } else {
            return false
        }
        return rest.hasPrefix("REDIS") || rest.hasPrefix("MEMCACHED") || rest == chain
    }

    private static func isConfigured(_ values: [String: String]) -> Bool {
        if let levels = values[own + chain] ?? values[sccaches + chain], !levels.isEmpty {
            let names = levels.lowercased()
            guard names.contains("redis") || names.contains("memcached") else { return false }
        }
        return [redisPlaces, memcachedPlaces].contains { places in
            let owns = places.compactMap { values[own + $0] }
            let named = owns.isEmpty ? places.compactMap { values[sccaches + $0] } : owns
            return named.contains { !$0.isEmpty }
        }
    }

    /// `NAME=value` of all of them, in order.
    package var entries: [String] { values.map { "\($0.key)=\($0.value)" }.sorted() }

    /// Those of them that decide where entries go. An outbox belongs to a destination: what was made for one server
    /// must never be published to another.
    package var destination: [String] {
        values.filter { value in !Self.noDestination.contains { value.key.hasSuffix($0) } }
            .map { "\($0.key)=\($0.value)" }.sorted()
    }
}
