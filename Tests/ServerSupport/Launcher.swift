import Foundation

#if canImport(Glibc)
    import Glibc
#endif

/// Starts processes that the kernel kills when this one ends, however it ends.
///
/// `setpriv --pdeathsig` binds a child to the *thread* that started it, and the threads tests run on come and go; so all
/// are started by one thread that stays.
final class Launcher: @unchecked Sendable {
    static let shared = Launcher()

    private let condition = NSCondition()
    private var orders: [() -> Void] = []

    private init() {
        let thread = Thread { [self] in
            while true {
                condition.lock()
                while orders.isEmpty { condition.wait() }
                let order = orders.removeFirst()
                condition.unlock()
                order()
            }
        }
        thread.name = "server launcher"
        thread.start()
    }

    /// Starts a program found in `PATH`.
    /// - Parameters:
    ///   - log: takes its stdout and stderr.
    ///   - environment: variables set besides this process's own.
    /// - Returns: the process's id.
    func start(_ arguments: [String], log: String, environment: [String: String]) throws -> pid_t {
        let finished = DispatchSemaphore(value: 0)
        nonisolated(unsafe) var result: Result<pid_t, ServerFailure> = .failure(ServerFailure("not started"))
        condition.lock()
        orders.append {
            result = Self.spawn(arguments, log: log, environment: environment)
            finished.signal()
        }
        condition.signal()
        condition.unlock()
        finished.wait()
        return try result.get()
    }

    private static func spawn(
        _ arguments: [String],
        log: String,
        environment: [String: String]
    ) -> Result<pid_t, ServerFailure> {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        let words = ["setpriv", "--pdeathsig", "KILL", "--"] + arguments
        var argv: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        let variables = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        var envp: [UnsafeMutablePointer<CChar>?] = variables.map { strdup("\($0)=\($1)") } + [nil]
        defer { (argv + envp).forEach { free($0) } }
        var pid: pid_t = 0
        let status = posix_spawnp(&pid, "setpriv", &actions, nil, &argv, &envp)
        guard status == 0 else {
            let reason = String(cString: strerror(status))
            return .failure(ServerFailure("can't start setpriv (package util-linux): \(reason)"))
        }
        return .success(pid)
    }
}

/// A server started by a test; killed with its last reference, or with the test process.
package final class ServerProcess: @unchecked Sendable {
    package let pid: Int32
    package let log: String
    private let lock = NSLock()
    private var hasEnded = false

    package init(_ arguments: [String], log: String, environment: [String: String] = [:]) throws {
        self.log = log
        pid = try Launcher.shared.start(arguments, log: log, environment: environment)
    }

    deinit {
        kill()
    }

    /// SIGSTOP: it stays connected and says nothing more.
    package func pause() {
        lock.withLock {
            if hasEnded { return }
            _ = Foundation.kill(pid, SIGSTOP)
            // Its threads stop one after the other; until then it may still answer.
            var status: CInt = 0
            while waitpid(pid, &status, WUNTRACED) < 0 && errno == EINTR {}
        }
    }

    /// SIGCONT: it goes on as if nothing had been.
    package func resume() {
        signal(SIGCONT)
    }

    /// SIGKILL, and wait until it is gone.
    package func kill() {
        lock.withLock {
            if hasEnded { return }
            _ = Foundation.kill(pid, SIGKILL)
            var status: CInt = 0
            while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
            hasEnded = true
        }
    }

    /// Whether it still runs.
    package var isRunning: Bool {
        lock.withLock {
            if hasEnded { return false }
            var status: CInt = 0
            hasEnded = waitpid(pid, &status, WNOHANG) == pid
            return !hasEnded
        }
    }

    private func signal(_ number: CInt) {
        lock.withLock {
            if !hasEnded { _ = Foundation.kill(pid, number) }
        }
    }

    /// Waits until `isReady` says so.
    /// - Throws: with the end of the log, when the process ends or 10 seconds pass first.
    package func wait(for what: String, _ isReady: () -> Bool) throws {
        do {
            try waitUntil(what) {
                if isReady() { return true }
                guard isRunning else { throw ServerFailure("ended early") }
                return false
            }
        } catch {
            let text = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
            throw ServerFailure("\(what): \(error). Its log ends: \(text.suffix(1000))")
        }
    }
}

/// Asks again every few milliseconds until the answer is yes.
///
/// A tool that fails meanwhile is no answer yet: a server that changes its role hangs up on its clients.
/// - Throws: after `limit`, far more than it takes on a loaded machine.
package func waitUntil(_ what: String, limit: Duration = .seconds(30), _ isTrue: () throws -> Bool) throws {
    let end = ContinuousClock.now + limit
    var obstacle = ""
    while true {
        do {
            if try isTrue() { return }
            obstacle = ""
        } catch let failure as ToolFailure {
            obstacle = " (\(failure))"
        }
        guard .now < end else { throw ServerFailure("not within \(limit): \(what)\(obstacle)") }
        usleep(5000)
    }
}

/// A tool that ended with an error.
package struct ToolFailure: Error, CustomStringConvertible {
    package let description: String
}

/// Runs a tool to its end and gives its standard output.
@discardableResult
package func run(_ arguments: String...) throws -> String {
    try run(arguments)
}

/// Runs a tool to its end and gives its standard output.
@discardableResult
package func run(_ arguments: [String]) throws -> String {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = arguments
    // A file: a server that another test starts meanwhile would inherit a pipe, and this would wait for that server's end.
    let path = NSTemporaryDirectory() + "larder-run-\(UUID().uuidString)"
    _ = FileManager.default.createFile(atPath: path, contents: nil)
    defer { unlink(path) }
    let output = try FileHandle(forWritingTo: URL(filePath: path))
    process.standardOutput = output
    process.standardError = output
    process.standardInput = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
    guard process.terminationStatus == 0 else {
        let command = arguments.joined(separator: " ")
        throw ToolFailure(description: "\(command) exits with \(process.terminationStatus): \(text)")
    }
    return text
}
