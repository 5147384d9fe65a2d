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
        if let folder {
            do {
                try EventLog(folder: folder + "/events").append(event)
                return
            } catch {
                log.write(.warn, "\(error): events go to the fallback folder")
            }
        }
        try? EventLog.fallback(environment)?.append(event)
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

    func write(_ level: Settings.LogLevel, _ text: @autoclosure () -> String) {
        guard level != .off, level.rawValue <= self.level.rawValue else { return }
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        var line = "larder[\(getpid())] \(now.tv_sec).\(now.tv_nsec / 1_000_000) \(level): \(text())\n"
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
