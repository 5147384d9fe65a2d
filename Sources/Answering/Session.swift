internal import CPlatform
internal import Glibc
package import Platform
package import RustcCall
package import Settings
package import Store

/// One call of the wrapper: what is known of it, and what it comes to.
package struct Session: ~Copyable {
    package let settings: Settings
    package let environment: Environment
    package let compiler: Invocation.Compiler
    package var event = Event()
    /// What the call exits with after a hit.
    var exitCode: Int32 = 0
    let log: Log
    /// When this process began, by the clock that files are stamped with.
    let began = fileClockNow()
    private var phaseStart = larder_monotonic_microseconds()

    package init(_ compiler: Invocation.Compiler, environment: Environment, settings: Settings) {
        self.compiler = compiler
        self.environment = environment
        self.settings = settings
        log = Log(settings)
        event.crate = environment["CARGO_PKG_NAME"] ?? ""
        event.version = environment["CARGO_PKG_VERSION"] ?? ""
        event.build = Self.build
    }

    /// Whether the local cache may be changed.
    var mayWrite: Bool { !settings.isReadOnly }

    /// Ends a phase: its time goes into the event under this name, added to what it took before.
    mutating func endPhase(_ name: String) {
        let now = larder_monotonic_microseconds()
        let duration = now &- phaseStart
        if let index = event.phases.firstIndex(where: { $0.name == name }) {
            event.phases[index].duration &+= duration
        } else {
            event.phases.append((name, duration))
        }
        phaseStart = now
    }

    /// The calling process and its start, which together name one build: a number is used again, never with that time.
    /// Source: proc(5), `/proc/PID/stat`, field 22.
    private static var build: String {
        let parent = getppid()
        let line = (try? Files.read("/proc/\(parent)/stat", limit: 64 << 10)) ?? []
        // The second field is the program's name in brackets and may hold anything.
        guard let bracket = line.lastIndex(of: UInt8(ascii: ")")) else { return "\(parent)" }
        let fields = line[line.index(after: bracket)...].split(separator: UInt8(ascii: " "))
        /// Field 22 is the twentieth after the name.
        let startField = 19
        guard fields.count > startField else { return "\(parent)" }
        return "\(parent)-\(String(decoding: fields[startField], as: UTF8.self))"
    }

    /// Writes the event down: in the cache, or where that can't be written, in this user's runtime or temporary folder.
    mutating func record(folder: String?) {
        event.cpu = larder_cpu_microseconds()
        log.write(.info, event.summary)
        if let folder {
            do {
                try EventLog(folder: folder + "/events").append(event)
                return
            } catch {
                log.write(.warn, "\(error): events go to the fallback folder")
            }
        }
        // Calls of all caches of this user meet there.
        event.cache = folder ?? Event.noCache
        try? EventLog.fallback(environment)?.append(event)
    }
}

extension Event {
    /// What became of the call, in one line.
    fileprivate var summary: String {
        let name = [crate, version, type.isEmpty ? "" : "(\(type))"].filter { !$0.isEmpty }.joined(separator: " ")
        var text = "\(name): "
        switch result {
        case .hit: text += "from the cache (\(level))"
        case .miss: text += "compiled, \(reason) \(detail)"
        case .passed: text += "passed on, \(reason) \(detail)"
        }
        if let unstored { text += "; not stored, \(unstored.reason) \(unstored.detail)" }
        text += phases.map { "; \($0.name) \($0.duration) µs" }.joined()
        return key.isEmpty ? text : text + "; key \(key)"
    }
}

/// The wrapper's log: off by default, because Cargo would keep what it says and show it again.
struct Log: Sendable {
    private let level: Settings.LogLevel
    private let path: String?

    init(_ settings: Settings) {
        level = settings.logLevel
        path = settings.logFile
        for problem in settings.problems { write(.warn, problem) }
    }

    /// As RFC 3339 has it, with milliseconds.
    private static var now: String {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        var parts = tm()
        gmtime_r(&now.tv_sec, &parts)
        func padded(_ number: Int, _ width: Int) -> String {
            let digits = "\(number)"
            return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
        }
        let date = [Int(parts.tm_year) + 1900, Int(parts.tm_mon) + 1, Int(parts.tm_mday)].map { padded($0, 2) }
        let time = [parts.tm_hour, parts.tm_min, parts.tm_sec].map { padded(Int($0), 2) }
        return "\(date.joined(separator: "-"))T\(time.joined(separator: ":")).\(padded(now.tv_nsec / 1_000_000, 3))Z"
    }

    func write(_ level: Settings.LogLevel, _ text: @autoclosure () -> String) {
        guard level != .off, level.rawValue <= self.level.rawValue else { return }
        var line = "\(Self.now) larder[\(getpid())] \(level): \(text())\n"
        line.withUTF8 { buffer in
            let bytes = UnsafeRawBufferPointer(buffer)
            guard let path else {
                try? Files.write(bytes, to: 2, path: "standard error")
                return
            }
            guard let file = try? Descriptor(opening: path, O_WRONLY | O_APPEND | O_CREAT, mode: 0o600) else { return }
            try? Files.write(bytes, to: file.number, path: path)
        }
    }
}
