package import Foundation
internal import Glibc

/// A program to run: arguments and environment as bytes, since neither need be UTF-8.
package struct Command {
    package var program: String
    package var arguments: [[UInt8]]
    /// `name=value` entries; nothing is inherited.
    package var environment: [[UInt8]]
    package var folder: String
    /// Descriptors 1 and 2 go to files of these names.
    package var standardOutput: String
    package var standardError: String
    /// What is read from descriptor 0; `nil`: `/dev/null`.
    package var standardInput: String?

    package init(
        _ program: String,
        _ arguments: [String],
        environment: [String: String],
        folder: String,
        outputFolder: String
    ) {
        self.program = program
        self.arguments = arguments.map { Array($0.utf8) }
        self.environment = environment.sorted { $0.key < $1.key }.map { Array("\($0.key)=\($0.value)".utf8) }
        self.folder = folder
        let name = "\(outputFolder)/run-\(UUID().uuidString)"
        standardOutput = name + ".out"
        standardError = name + ".err"
    }

    /// Starts the program in a process group of its own.
    package func start() throws -> RunningCommand {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, standardInput ?? "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, standardOutput, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        posix_spawn_file_actions_addopen(&actions, 2, standardError, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // Its own group, so that a test can send it what Ctrl-C sends; every signal as a shell would leave it.
        var signals = sigset_t()
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes,
            Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK)
        )
        var child: pid_t = 0
        // Glibc's module hides `posix_spawn_file_actions_addchdir_np`; env changes the folder and becomes the program.
        let env = "/usr/bin/env"
        let words = [env, "-C", folder, program].map { Array($0.utf8) } + arguments
        let code = Self.withPointers(words) { arguments in
            Self.withPointers(environment) { environment in
                posix_spawn(&child, env, &actions, &attributes, arguments, environment)
            }
        }
        guard code == 0 else {
            throw TestFault("can't run \(program) in \(folder): \(String(cString: strerror(code)))")
        }
        return RunningCommand(command: self, process: child)
    }

    /// Runs the program to its end.
    package func run(limit: TimeInterval = 240) throws -> Ended { try start().wait(limit: limit) }

    private static func withPointers<Result>(
        _ strings: [[UInt8]],
        _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
    ) -> Result {
        let pointers = strings.map { bytes in
            let copy = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count + 1)
            for (index, byte) in bytes.enumerated() { copy[index] = CChar(bitPattern: byte) }
            copy[bytes.count] = 0
            return copy
        }
        defer { for pointer in pointers { pointer.deallocate() } }
        return body(pointers + [nil])
    }
}

/// A program that was started.
package struct RunningCommand {
    package let command: Command
    /// Also the number of its process group.
    package let process: pid_t

    package func signalGroup(_ signal: Int32) { kill(-process, signal) }

    /// Waits for its end.
    ///
    /// - Parameter limit: seconds; a program that takes longer is killed, and that is a fault.
    package func wait(limit: TimeInterval = 240) throws -> Ended {
        let deadline = Date().addingTimeInterval(limit)
        var status: Int32 = 0
        while true {
            let waited = waitpid(process, &status, WNOHANG)
            if waited == process { break }
            guard waited == 0 || errno == EINTR else { throw TestFault("lost process \(process)") }
            if Date() > deadline {
                signalGroup(SIGKILL)
                waitpid(process, &status, 0)
                throw TestFault("\(command.program) ran for more than \(limit) s")
            }
            usleep(2000)
        }
        let signal = status & 0x7F
        return Ended(
            code: signal == 0 ? (status >> 8) & 0xFF : 128 + signal,
            signal: signal == 0 ? nil : signal,
            output: Self.text(command.standardOutput),
            errors: Self.text(command.standardError)
        )
    }

    private static func text(_ path: String) -> String {
        let text = FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) } ?? ""
        unlink(path)
        return text
    }
}

/// How a program ended.
package struct Ended: Sendable {
    /// As a shell would say it: 128 and the signal for one that was killed.
    package let code: Int32
    package let signal: Int32?
    package let output: String
    package let errors: String
}

/// A fault of the test's own surroundings, or a difference that a comparison found.
package struct TestFault: Error, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}
