/// What can be set in a configuration file: where it stands in larder's own and in sccache's, and what it stands for.
///
/// The wrapper reads no TOML: a value travels to it under the name of the environment variable with the same meaning.
package struct FileKey: Sendable {
    package enum Kind: Sendable { case text, boolean, number, size }

    /// The variable that means the same.
    package let variable: String
    /// Its key in larder's `config.toml`; `nil`: only in sccache's file.
    package let own: String?
    /// Its key in sccache's file, tables joined by dots; `nil`: only in larder's.
    package let sccache: String?
    package let kind: Kind
    /// Never shown.
    package var isSecret = false

    /// All of them.
    package static let all: [FileKey] = local + redis + memcached

    private static let local: [FileKey] =
        Setting.allCases.map { setting in
            let kind: Kind
            switch setting {
            case .cacheSize: kind = .size
            case .disabled, .recache, .observer: kind = .boolean
            case .remoteTimeout, .remoteCompression, .idleTimeout: kind = .number
            default: kind = .text
            }
            let sccache: String?
            switch setting {
            case .cacheSize: sccache = "cache.disk.size"
            case .mode: sccache = "cache.disk.rw_mode"
            default: sccache = nil
            }
            return FileKey(variable: setting.variables[0], own: setting.key, sccache: sccache, kind: kind)
        } + [
            // Its own variable, because larder keeps to a subfolder there.
            FileKey(variable: "SCCACHE_DIR", own: nil, sccache: "cache.disk.dir", kind: .text)
        ]

    /// Source: sccache's docs/Configuration.md.
    private static let redis: [FileKey] = [
        FileKey(variable: "SCCACHE_REDIS", own: "redis.url", sccache: "cache.redis.url", kind: .text, isSecret: true),
        FileKey(variable: "SCCACHE_REDIS_ENDPOINT", both: "redis.endpoint", kind: .text),
        FileKey(variable: "SCCACHE_REDIS_CLUSTER_ENDPOINTS", both: "redis.cluster_endpoints", kind: .text),
        FileKey(variable: "SCCACHE_REDIS_USERNAME", both: "redis.username", kind: .text),
        FileKey(variable: "SCCACHE_REDIS_PASSWORD", both: "redis.password", kind: .text, isSecret: true),
        FileKey(variable: "SCCACHE_REDIS_DB", both: "redis.db", kind: .number),
        FileKey(variable: "SCCACHE_REDIS_TTL", both: "redis.ttl", kind: .number),
        FileKey(variable: "SCCACHE_REDIS_EXPIRATION", both: "redis.expiration", kind: .number),
        FileKey(variable: "SCCACHE_REDIS_KEY_PREFIX", both: "redis.key_prefix", kind: .text),
        FileKey(variable: "SCCACHE_REDIS_RW_MODE", both: "redis.rw_mode", kind: .text),
        FileKey(variable: "LARDER_REDIS_CA_FILE", own: "redis.ca_file", sccache: nil, kind: .text),
        FileKey(
            variable: "LARDER_REDIS_SENTINEL_ENDPOINTS",
            own: "redis.sentinel_endpoints",
            sccache: nil,
            kind: .text
        ),
        FileKey(variable: "LARDER_REDIS_SENTINEL_MASTER", own: "redis.sentinel_master", sccache: nil, kind: .text),
        FileKey(variable: "LARDER_REDIS_SENTINEL_USERNAME", own: "redis.sentinel_username", sccache: nil, kind: .text),
        FileKey(
            variable: "LARDER_REDIS_SENTINEL_PASSWORD",
            own: "redis.sentinel_password",
            sccache: nil,
            kind: .text,
            isSecret: true
        ),
    ]

    private static let memcached: [FileKey] = [
        FileKey(variable: "SCCACHE_MEMCACHED", both: "memcached.url", kind: .text),
        FileKey(variable: "SCCACHE_MEMCACHED_ENDPOINT", both: "memcached.endpoint", kind: .text),
        FileKey(variable: "SCCACHE_MEMCACHED_USERNAME", both: "memcached.username", kind: .text),
        FileKey(variable: "SCCACHE_MEMCACHED_PASSWORD", both: "memcached.password", kind: .text, isSecret: true),
        FileKey(variable: "SCCACHE_MEMCACHED_EXPIRATION", both: "memcached.expiration", kind: .number),
        FileKey(variable: "SCCACHE_MEMCACHED_KEY_PREFIX", both: "memcached.key_prefix", kind: .text),
        FileKey(variable: "SCCACHE_MEMCACHED_RW_MODE", both: "memcached.rw_mode", kind: .text),
        FileKey(variable: "LARDER_MEMCACHED_LOGIN", own: "memcached.login", sccache: nil, kind: .text),
    ]

    init(variable: String, own: String?, sccache: String?, kind: Kind, isSecret: Bool = false) {
        self.variable = variable
        self.own = own
        self.sccache = sccache
        self.kind = kind
        self.isSecret = isSecret
    }

    private init(variable: String, both key: String, kind: Kind, isSecret: Bool = false) {
        self.init(variable: variable, own: key, sccache: "cache." + key, kind: kind, isSecret: isSecret)
    }

    /// Servers' URLs as they may be shown. A password may hold any character, so everything up to the last @ goes, even
    /// if that takes servers of a list with it, and so does what follows `pass=`.
    package static func withoutLogin(_ text: String) -> String {
        var shown = text
        if let at = text.lastIndex(of: "@") {
            let start = text.utf8.firstIndex(of: UInt8(ascii: ":")).map { text[..<$0] } ?? ""
            let hasScheme = text.dropFirst(start.count).hasPrefix("://")
            shown = (hasScheme ? start + "://" : "") + "***" + text[at...]
        }
        let parts = shown.split(separator: "?", maxSplits: 1)
        guard parts.count == 2, parts[1].hasPrefix("pass=") || parts[1].contains("&pass=") else { return shown }
        return parts[0] + "?***"
    }
}
