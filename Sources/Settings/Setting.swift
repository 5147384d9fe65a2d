/// One thing that can be set: its names everywhere, its default, what it means.
///
/// The one table of settings: the wrapper, `larder config`, the manual page and the README go by it.
package enum Setting: String, CaseIterable, Sendable {
    case folder = "dir"
    case cacheSize = "cache_size"
    case disabled = "disable"
    case mode = "local_rw_mode"
    case recache = "recache"
    case paths = "paths"
    case observer = "observer"
    case log = "log"
    case logFile = "log_file"
    case remoteTimeout = "remote_timeout"
    case remoteCompression = "remote_compression"
    case idleTimeout = "idle_timeout"

    /// Names in the environment, the first that is set wins.
    package var variables: [String] {
        switch self {
        case .folder: ["LARDER_DIR", "SCCACHE_DIR"]
        case .cacheSize: ["LARDER_CACHE_SIZE", "SCCACHE_CACHE_SIZE"]
        case .disabled: ["LARDER_DISABLE"]
        case .mode: ["LARDER_LOCAL_RW_MODE", "SCCACHE_LOCAL_RW_MODE"]
        case .recache: ["LARDER_RECACHE", "SCCACHE_RECACHE"]
        case .paths: ["LARDER_PATHS"]
        case .observer: ["LARDER_OBSERVER"]
        case .log: ["LARDER_LOG", "SCCACHE_LOG"]
        case .logFile: ["LARDER_LOG_FILE", "SCCACHE_ERROR_LOG"]
        case .remoteTimeout: ["LARDER_REMOTE_TIMEOUT"]
        case .remoteCompression: ["LARDER_REMOTE_COMPRESSION"]
        case .idleTimeout: ["LARDER_IDLE_TIMEOUT", "SCCACHE_IDLE_TIMEOUT"]
        }
    }

    /// The key in `config.toml`.
    package var key: String { rawValue }

    /// The default as a person would write it; empty: none.
    package var fallback: String {
        switch self {
        case .folder: "${XDG_CACHE_HOME:-~/.cache}/larder"
        case .cacheSize: "10G"
        case .disabled: "false"
        case .mode: "READ_WRITE"
        case .recache: "false"
        case .paths: "portable"
        case .observer: "on"
        case .log: "off"
        case .logFile: ""
        case .remoteTimeout: "2000"
        case .remoteCompression: "3"
        case .idleTimeout: "600"
        }
    }

    package var summary: String {
        switch self {
        case .folder: "folder of the local cache (SCCACHE_DIR: its subfolder `larder`)"
        case .cacheSize: "most that the local cache may hold; 500M, 10G, 1T or a number of bytes"
        case .disabled: "pass every call on to rustc"
        case .mode: "READ_WRITE, or READ_ONLY to use the local cache but add nothing to it"
        case .recache: "compile anew and overwrite what is stored"
        case .paths:
            "portable: entries hold in every checkout; exact: rustc's own paths, entries hold where they were made"
        case .observer: "off: answer what is stored already, store nothing new"
        case .log: "off, error, warn, info or debug"
        case .logFile: "file for the log; standard error if unset"
        case .remoteTimeout: "milliseconds after which a shared cache that has not answered counts as having nothing"
        case .remoteCompression: "zstd level of what is published, 1 to 19"
        case .idleTimeout: "seconds without a request after which the gateway to the shared cache ends; 0: never"
        }
    }
}

/// Where a value came from.
package enum SettingOrigin: Equatable, Sendable {
    case fallback
    case variable(String)
    /// A file and the key in it.
    case file(String, String)

    /// Whether the value is sccache's own folder, of which larder uses a subfolder.
    package var isSccacheFolder: Bool {
        switch self {
        case .variable("SCCACHE_DIR"), .file(_, "cache.disk.dir"): true
        default: false
        }
    }
}
