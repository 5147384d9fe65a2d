package import Platform

/// The settings in force, with the origin of each and all that is wrong with them.
package struct Settings: Sendable {
    package enum PathMode: String, Sendable { case portable, exact }
    package enum LogLevel: Int, Sendable { case off, error, warn, info, debug }

    /// A value that was set: as written, and by what.
    package struct Given: Equatable, Sendable {
        package let text: String
        package let origin: SettingOrigin

        package init(text: String, origin: SettingOrigin) {
            self.text = text
            self.origin = origin
        }
    }

    package private(set) var given: [Setting: Given] = [:]
    /// One clear line for each bad value; the default stands in for it.
    package private(set) var problems: [String]
    /// All that the configuration files set, by the variable of the same meaning: what concerns servers among it.
    package let fileValues: [String: Given]

    /// The local cache's folder, absolute; `nil` when there is neither a setting nor a home.
    package private(set) var folder: String?
    /// Bytes.
    package private(set) var cacheSize: UInt64 = 10 << 30
    package private(set) var isDisabled = false
    package private(set) var isReadOnly = false
    package private(set) var recaches = false
    package private(set) var paths = PathMode.portable
    package private(set) var observes = true
    package private(set) var logLevel = LogLevel.off
    package private(set) var logFile: String?
    /// Milliseconds.
    package private(set) var remoteTimeout = 2000
    package private(set) var remoteCompression = 3
    /// Seconds; 0: never.
    package private(set) var idleTimeout = 600

    /// - Parameters:
    ///   - files: what the configuration files say.
    package init(_ environment: Environment, files: FileValues = FileValues(files: [])) {
        problems = files.problems
        fileValues = files.values
        for setting in Setting.allCases {
            for name in setting.variables {
                guard let bytes = environment.bytes(name), !bytes.isEmpty else { continue }
                guard let text = environment[name] else {
                    problems.append("\(name) is no UTF-8: the default stands in for it")
                    continue
                }
                given[setting] = Given(text: text, origin: .variable(name))
                break
            }
            if given[setting] == nil { given[setting] = fileValue(setting) }
        }
        readFolder(environment)
        if let size = read(.cacheSize, expected: "a size such as 500M, 10G or 1T", Self.bytes) { cacheSize = size }
        if let value = read(.disabled, expected: "true or false", Self.boolean) { isDisabled = value }
        if let value = read(.recache, expected: "true or false", Self.boolean) { recaches = value }
        if let value = read(.observer, expected: "on or off", Self.boolean) { observes = value }
        if let value = read(.mode, expected: "READ_ONLY or READ_WRITE", Self.readOnly) { isReadOnly = value }
        if let value = read(.paths, expected: "portable or exact", { PathMode(rawValue: $0) }) { paths = value }
        if let value = read(.log, expected: "off, error, warn, info or debug", Self.level) { logLevel = value }
        logFile = given[.logFile]?.text
        if let value = read(.remoteTimeout, expected: "1 to 600000", Self.number(1...600_000)) { remoteTimeout = value }
        if let value = read(.remoteCompression, expected: "1 to 19", Self.number(1...19)) { remoteCompression = value }
        if let value = read(.idleTimeout, expected: "a number of seconds", Self.number(0...31_536_000)) {
            idleTimeout = value
        }
    }

    /// What the files say; the stronger file, where both say something under different variables.
    private func fileValue(_ setting: Setting) -> Given? { setting.variables.lazy.compactMap { fileValues[$0] }.first }

    /// The value in force as a person would write it.
    package func text(_ setting: Setting) -> String {
        if setting == .folder { return folder ?? "" }
        return given[setting]?.text ?? setting.fallback
    }

    package func origin(_ setting: Setting) -> SettingOrigin { given[setting]?.origin ?? .fallback }

    private mutating func read<Value>(
        _ setting: Setting,
        expected: String,
        _ parse: (String) -> Value?
    ) -> Value? {
        guard let value = given[setting] else { return nil }
        if let parsed = parse(value.text) { return parsed }
        let place: String
        switch value.origin {
        case .variable(let name): place = name
        case .file(let path, let key): place = "\(key) in \(path)"
        case .fallback: place = setting.key
        }
        problems.append("\(place) is \"\(value.text)\", which is not \(expected): \(setting.fallback) stands in for it")
        given[setting] = nil
        return nil
    }

    private mutating func readFolder(_ environment: Environment) {
        if let value = given[.folder] {
            var path = value.text
            if value.origin.isSccacheFolder { path += "/larder" }
            if path.utf8.first == UInt8(ascii: "/") {
                folder = path
                return
            }
            problems.append("the cache folder \"\(path)\" is not an absolute path: the default stands in for it")
            given[.folder] = nil
        }
        folder = Self.defaultFolder(environment)
    }

    /// `${XDG_CACHE_HOME:-~/.cache}/larder`; `nil` without a home.
    package static func defaultFolder(_ environment: Environment) -> String? {
        base(environment, "XDG_CACHE_HOME", ".cache").map { $0 + "/larder" }
    }

    /// A folder of the XDG base directory specification: `variable`, or `below` the home.
    package static func base(_ environment: Environment, _ variable: String, _ below: String) -> String? {
        if let path = environment.filled(variable), path.utf8.first == UInt8(ascii: "/") { return path }
        guard let home = environment.filled("HOME"), home.utf8.first == UInt8(ascii: "/") else { return nil }
        return "\(home)/\(below)"
    }

    /// `10G`, `500MiB`, `1024`: powers of 1024, as sccache reads them.
    package static func bytes(_ text: String) -> UInt64? {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard let number = UInt64(digits) else { return nil }
        let factor: UInt64
        switch text.dropFirst(digits.count).uppercased() {
        case "", "B": factor = 1
        case "K", "KB", "KIB": factor = 1 << 10
        case "M", "MB", "MIB": factor = 1 << 20
        case "G", "GB", "GIB": factor = 1 << 30
        case "T", "TB", "TIB": factor = 1 << 40
        default: return nil
        }
        let (product, overflow) = number.multipliedReportingOverflow(by: factor)
        return overflow ? nil : product
    }

    package static func boolean(_ text: String) -> Bool? {
        switch text.lowercased() {
        case "1", "true", "yes", "on": true
        case "0", "false", "no", "off": false
        default: nil
        }
    }

    private static func number(_ range: ClosedRange<Int>) -> (String) -> Int? {
        { Int($0).flatMap { range.contains($0) ? $0 : nil } }
    }

    private static func readOnly(_ text: String) -> Bool? {
        switch text.uppercased() {
        case "READ_ONLY": true
        case "READ_WRITE": false
        default: nil
        }
    }

    /// Also in the form of Rust's `env_logger`, which sccache takes: `warn,sccache=trace`. What is said of larder or sccache
    /// counts, else what is said of all.
    private static func level(_ text: String) -> LogLevel? {
        let parts = text.lowercased().split(separator: ",").map { $0.filter { $0 != " " } }
        let own = parts.first { $0.hasPrefix("sccache=") || $0.hasPrefix("larder=") }
        let name = own.flatMap { $0.split(separator: "=").last.map(String.init) } ?? parts.first { !$0.contains("=") }
        return switch name {
        case "off": .off
        case "error": .error
        case "warn": .warn
        case "info": .info
        case "debug", "trace": .debug
        default: nil
        }
    }
}
