/// The shared caches that the environment asks for.
///
/// sccache's variables are read with sccache's meaning; each also as `LARDER_…`, which takes precedence. Variables that
/// exclude each other (the ways to name a Redis, say) are a group: one `LARDER_…` of a group hides all of sccache's. An
/// empty `LARDER_…` hides sccache's and sets nothing, so that larder can be kept off a server that sccache uses.
/// https://github.com/mozilla/sccache/blob/main/docs/Redis.md, Memcached.md, MultiLevel.md
package struct RemoteSettings: Sendable {
    /// The shared caches, to be asked in this order, after the local one.
    package private(set) var levels: [RemoteLevel] = []
    /// What is wrong or unusual. A level with an error is left out: no cache is better than a wrong one.
    package private(set) var problems: [SettingsProblem] = []

    package init(environment: [String: String]) {
        var reader = SettingsReader(environment: environment)
        let redis = reader.redisLevel()
        let memcached = reader.memcachedLevel()
        levels = reader.chain(redis: redis, memcached: memcached)
        problems = reader.problems
    }
}

/// A setting that can't be used as it stands.
package struct SettingsProblem: Sendable, Hashable, CustomStringConvertible {
    package enum Severity: String, Sendable {
        /// The shared cache it belongs to is not used.
        case error
        /// It is ignored, or something else is done.
        case warning
    }

    package var severity: Severity
    /// The variables it is about.
    package var variables: [String]
    package var message: String
    package var advice: String

    package var description: String {
        "\(severity.rawValue): \(variables.joined(separator: ", ")): \(message). \(advice)"
    }
}
