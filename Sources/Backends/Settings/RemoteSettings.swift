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
    /// Where each setting came from, for `larder config`.
    package private(set) var values: [SettingValue] = []

    package init(environment: [String: String]) {
        var reader = SettingsReader(environment: environment)
        let redis = reader.redisLevel()
        let memcached = reader.memcachedLevel()
        levels = reader.chain(redis: redis, memcached: memcached)
        problems = reader.problems
        values = reader.values
    }

    /// A name for these settings, the same for the same ones. It tells nothing about passwords.
    package var fingerprint: String {
        var bytes: [UInt8] = []
        for level in levels {
            // Lengths first, or two lists of fields could run together into the same bytes.
            for field in level.identity {
                bytes += Array("\(field.utf8.count):".utf8) + Array(field.utf8)
            }
            bytes.append(UInt8(ascii: ";"))
        }
        // 128 bits: it names a socket, and no two settings of one user will ever meet.
        return Checksum.hexadecimal(Checksum.of(bytes).prefix(16))
    }

    /// The levels for people, one line each, without secrets.
    package var redacted: String {
        levels.map { "\($0.name): \($0.redacted)" }.joined(separator: "\n")
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

/// A setting as it was found; a password shows as `***`.
package struct SettingValue: Sendable, Hashable {
    package var variable: String
    package var value: String
}
