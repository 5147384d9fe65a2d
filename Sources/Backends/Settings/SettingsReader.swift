/// Reads variables, and collects what is wrong with them.
struct SettingsReader {
    /// A variable that is set to something.
    struct Setting {
        let variable: String
        let text: String
    }

    let environment: [String: String]
    private(set) var problems: [SettingsProblem] = []

    init(environment: [String: String]) {
        self.environment = environment
    }

    // MARK: Variables

    /// Those of a group of variables that are set: larder's, if it has any, else sccache's.
    func group(_ names: String...) -> [String: Setting] {
        let isLarders = names.contains { environment["LARDER_" + $0] != nil }
        var found: [String: Setting] = [:]
        for name in names {
            let variable = (isLarders ? "LARDER_" : "SCCACHE_") + name
            guard let text = environment[variable], !text.isEmpty else { continue }
            found[name] = Setting(variable: variable, text: text)
        }
        return found
    }

    /// One variable, larder's or sccache's.
    func single(_ name: String) -> Setting? {
        group(name)[name]
    }

    /// A variable of larder's alone.
    func own(_ name: String) -> Setting? {
        guard environment["LARDER_" + name] != nil else { return nil }
        return single(name)
    }

    // MARK: Problems

    mutating func fail(_ settings: [Setting], _ message: String, _ advice: String) {
        note(.error, settings.map(\.variable), message, advice)
    }

    mutating func warn(_ settings: [Setting], _ message: String, _ advice: String) {
        note(.warning, settings.map(\.variable), message, advice)
    }

    mutating func note(
        _ severity: SettingsProblem.Severity,
        _ variables: [String],
        _ message: String,
        _ advice: String
    ) {
        problems.append(
            SettingsProblem(severity: severity, variables: variables.sorted(), message: message, advice: advice)
        )
    }

    // MARK: Kinds of values

    /// A whole number; nil, with a problem noted, when it is none.
    mutating func number(_ setting: Setting?, upTo limit: UInt64, default value: UInt64) -> UInt64? {
        guard let setting else { return value }
        guard let number = UInt64(setting.text), number <= limit else {
            fail([setting], "is not a whole number up to \(limit)", "Write digits only.")
            return nil
        }
        return number
    }

    /// `…_RW_MODE`: sccache takes anything but READ_ONLY for READ_WRITE, and warns.
    mutating func isReadOnly(_ name: String) -> Bool {
        guard let setting = single(name) else { return false }
        if setting.text != "READ_ONLY" && setting.text != "READ_WRITE" {
            warn([setting], "is not READ_ONLY or READ_WRITE; READ_WRITE is taken", "Write one of the two.")
        }
        return setting.text == "READ_ONLY"
    }

    /// `…_KEY_PREFIX`, without the slashes at its end, as sccache has it, and then with one.
    mutating func keyPrefix(_ name: String) -> String {
        guard let setting = single(name) else { return "" }
        var prefix = Substring(setting.text)
        while prefix.last == "/" { prefix.removeLast() }
        return prefix.isEmpty ? "" : prefix + "/"
    }

    /// A login out of two variables, or the one in the URL.
    mutating func credentials(user: String, password: String, inURL: Credentials?) -> Credentials? {
        let name = single(user)
        let word = single(password)
        if let word { return Credentials(username: name?.text ?? inURL?.username, password: Secret(word.text)) }
        if let name, inURL == nil {
            warn([name], "a user without a password logs in nowhere", "Set …\(password) too.")
        }
        guard var login = inURL else { return nil }
        login.username = name?.text ?? login.username
        return login
    }

    // MARK: The chain

    /// sccache's other remote caches, and a variable that tells that one is set up.
    private static let foreign = [
        ("s3", "BUCKET"), ("gcs", "GCS_BUCKET"), ("azure", "AZURE_CONNECTION_STRING"), ("webdav", "WEBDAV_ENDPOINT"),
        ("oss", "OSS_BUCKET"), ("cos", "COS_BUCKET"), ("gha", "GHA_ENABLED"),
    ]

    /// The levels in the order that is asked for.
    ///
    /// Without a chain sccache uses the first that is set up, Redis before memcached, and only that.
    mutating func chain(redis: RemoteLevel?, memcached: RemoteLevel?) -> [RemoteLevel] {
        guard let setting = single("MULTILEVEL_CHAIN") else {
            for (name, variable) in Self.foreign where environment["SCCACHE_" + variable] != nil {
                note(.warning, ["SCCACHE_" + variable], "larder has no \(name) cache yet", "It is not used.")
            }
            if redis != nil, memcached != nil {
                note(
                    .warning,
                    ["SCCACHE_MEMCACHED_ENDPOINT"],
                    "memcached is not used, as Redis is set up too",
                    "To use both, set SCCACHE_MULTILEVEL_CHAIN=disk,redis,memcached."
                )
            }
            return [redis ?? memcached].compactMap { $0 }
        }
        var levels: [RemoteLevel] = []
        var seen: Set<String> = []
        for part in setting.text.split(separator: ",", omittingEmptySubsequences: false) {
            let name = part.filter { !$0.isWhitespace }.lowercased()
            guard seen.insert(name).inserted else {
                warn([setting], "names \(BackendError.cleaned(name.utf8)) twice", "The second one is left out.")
                continue
            }
            switch name {
            case "disk":
                if seen.count > 1 {
                    warn([setting], "disk is not first", "larder always asks its local cache first.")
                }
            case "redis": append(redis, name: name, setting, to: &levels)
            case "memcached": append(memcached, name: name, setting, to: &levels)
            case _ where Self.foreign.contains { $0.0 == name }:
                warn([setting], "larder has no \(name) cache yet", "It is left out.")
            default:
                fail(
                    [setting],
                    "\(BackendError.cleaned(name.utf8)) is no cache",
                    "Write a list of disk, redis and memcached."
                )
            }
        }
        return levels
    }

    private mutating func append(
        _ level: RemoteLevel?,
        name: String,
        _ setting: Setting,
        to levels: inout [RemoteLevel]
    ) {
        if let level {
            levels.append(level)
        } else {
            fail([setting], "names \(name), which is not set up", "Set SCCACHE_\(name.uppercased())_ENDPOINT.")
        }
    }
}
