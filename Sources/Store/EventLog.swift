internal import CPlatform
internal import Glibc
package import Platform

/// What one call came to, as one line of JSON.
package struct Event: Sendable {
    package enum Result: String, Sendable {
        case hit, miss
        /// Left to rustc without a look into the cache.
        case passed
    }

    /// Microseconds since 1970.
    package var time: Int64
    /// The build it belongs to: the calling process and when that started.
    package var build = ""
    package var crate = ""
    package var version = ""
    /// `lib`, `bin`, `proc-macro`, `test`, `query`, `probe`, …
    package var type = ""
    package var key = ""
    package var result = Result.passed
    /// For a hit: the level that had it, `disk` or a server's kind.
    package var level = ""
    /// A word of `Uncached`, or of a miss.
    package var reason = ""
    /// The argument, path or input that the reason is about.
    package var detail = ""
    /// Whether the result of a miss was stored.
    package var isStored = false
    /// For a miss that was not: a word of `Uncached`, and what it is about.
    package var unstored: (reason: String, detail: String)?
    /// Microseconds of each phase, in order.
    package var phases: [(name: String, duration: UInt64)] = []
    /// CPU of the wrapper itself, in microseconds.
    package var cpu: UInt64 = 0
    /// What the compile took, now or when it was stored, in microseconds.
    package var compile: UInt64 = 0
    /// Bytes put back or stored.
    package var bytes: UInt64 = 0
    /// Files of the cache found damaged and taken away.
    package var damaged = 0
    /// Of an event that could not be written to its cache: that cache's folder, or `Event.noCache`.
    package var cache = ""

    package static let noCache = "none"

    package init() {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        time = Int64(now.tv_sec) &* 1_000_000 &+ Int64(now.tv_nsec) / 1000
    }

    package var json: String {
        var line = "{\"v\":1,\"time\":\(time),\"pid\":\(getpid())"
        func text(_ name: String, _ value: String) {
            if !value.isEmpty { line += ",\"\(name)\":\(Self.quoted(value))" }
        }
        text("build", build)
        text("crate", crate)
        text("version", version)
        text("type", type)
        text("key", key)
        text("result", result.rawValue)
        text("level", level)
        text("reason", reason)
        text("detail", detail)
        if isStored { line += ",\"stored\":true" }
        if let unstored {
            text("unstored", unstored.reason)
            text("unstored_detail", unstored.detail)
        }
        if !phases.isEmpty {
            line +=
                ",\"phases\":{" + phases.map { "\(Self.quoted($0.name)):\($0.duration)" }.joined(separator: ",") + "}"
        }
        line += ",\"cpu\":\(cpu),\"compile\":\(compile),\"bytes\":\(bytes)"
        if damaged > 0 { line += ",\"damaged\":\(damaged)" }
        text("cache", cache)
        return line + "}\n"
    }

    /// A JSON string. Source: RFC 8259, section 7.
    package static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\n": quoted += "\\n"
            case "\u{0}"..."\u{1F}":
                let digits = String(scalar.value, radix: 16)
                quoted += "\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}

/// The log of events: `current.jsonl`, and older ones that a full log was renamed to.
package struct EventLog: Sendable {
    /// A log that has grown to this many bytes is put aside.
    package static let fileLimit: UInt64 = 8 << 20
    /// So many logs put aside are kept: some 300,000 calls with the current one.
    package static let filesKept = 8

    package let folder: String

    package init(folder: String) { self.folder = folder }

    /// Where events go when the cache's own folder can't be written; `nil` if that folder isn't this user's alone.
    ///
    /// - Parameter isMade: whether to make the folder if it is missing.
    package static func fallback(_ environment: Environment, isMade: Bool = true) -> EventLog? {
        let base = environment.filled("XDG_RUNTIME_DIR") ?? environment.filled("TMPDIR") ?? "/tmp"
        let folder = "\(base)/larder-\(getuid())"
        if isMade { mkdir(folder, 0o700) }
        var info = stat()
        guard lstat(folder, &info) == 0, info.st_mode & S_IFMT == S_IFDIR, info.st_uid == getuid(),
            info.st_mode & 0o077 == 0
        else { return nil }
        return EventLog(folder: folder)
    }

    /// Appends an event. One write to a file opened for appending: lines of many processes never mix.
    package func append(_ event: Event) throws(SystemError) {
        let path = folder + "/current.jsonl"
        let file = try Descriptor(opening: path, O_WRONLY | O_APPEND | O_CREAT, mode: 0o600, for: "append to")
        var line = event.json
        var failure: SystemError?
        line.withUTF8 { buffer in
            do throws(SystemError) {
                try Files.write(UnsafeRawBufferPointer(buffer), to: file.number, path: path)
            } catch { failure = error }
        }
        if let failure { throw failure }
        if let stamp = FileStamp(of: file.number), stamp.size > Self.fileLimit { rotate(path, stamp) }
    }

    private func rotate(_ path: String, _ stamp: FileStamp) {
        // One at a time: between the look at the name and the rename nobody else may rename.
        guard let lock = try? Descriptor(opening: folder + "/rotate.lock", O_RDWR | O_CREAT, mode: 0o600),
            flock(lock.number, LOCK_EX | LOCK_NB) == 0
        else { return }
        // Whoever comes second finds another file, or none, under the name and leaves it.
        guard FileStamp(of: path)?.inode == stamp.inode else { return }
        rename(path, "\(folder)/events-\(stamp.modified).jsonl")
        let old = files.filter { $0 != path }
        for path in old.dropLast(Self.filesKept) { unlink(path) }
    }

    /// Paths of all logs, oldest first.
    package var files: [String] {
        let names = (try? Files.listNames(folder)) ?? []
        var paths = names.filter { $0.hasPrefix("events-") && $0.hasSuffix(".jsonl") }.map { "\(folder)/\($0)" }
        if names.contains("current.jsonl") { paths.append(folder + "/current.jsonl") }
        return paths
    }
}
