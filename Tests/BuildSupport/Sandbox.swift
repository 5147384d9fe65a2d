internal import Foundation
internal import Glibc
internal import Synchronization

/// A folder of its own for one test: cache, home, temporary files, projects. Gone with the object.
package final class Sandbox: Sendable {
    package let folder: String
    package let toolchain: CountingToolchain
    package let paths: Paths

    /// The modes of `LARDER_PATHS`. In the exact one outputs are plain Cargo's, bit for bit.
    package enum Paths: String, Sendable { case portable, exact }

    package var cache: String { folder + "/cache" }
    package var home: String { folder + "/home" }
    package var outputs: String { folder + "/outputs" }

    private static let number = Atomic<Int>(0)

    /// - Parameters:
    ///   - name: the folder's own name; a test may ask for spaces and quotes in it.
    ///   - paths: as users have it, unless a test compares bytes with plain Cargo's.
    ///   - knowsToolchain: whether the cache starts with the toolchain's identity in it. Finding that out means to digest
    ///     half a gigabyte, once for each new cache folder: all but a few tests do without.
    package init(_ name: String = "box", paths: Paths = .portable, knowsToolchain: Bool = true) throws {
        self.paths = paths
        toolchain = try CountingToolchain.shared.get()
        guard access(Places.larder, X_OK) == 0 else {
            throw TestFault("no \(Places.larder): run `make stage`, or set LARDER_STAGE")
        }
        let number = Self.number.add(1, ordering: .relaxed).newValue
        folder = "\(Self.base)/\(number)-\(name)"
        for part in ["home", "outputs", "tmp", "run"] {
            try FileManager.default.createDirectory(atPath: "\(folder)/\(part)", withIntermediateDirectories: true)
        }
        chmod(folder + "/run", 0o700)
        if knowsToolchain, let template = Self.template {
            try FileManager.default.createDirectory(
                atPath: cache,
                withIntermediateDirectories: true,
                attributes: [.posixPermissions: 0o700]
            )
            for part in ["toolchains", "memo"] {
                try FileManager.default.copyItem(atPath: "\(template)/\(part)", toPath: "\(cache)/\(part)")
            }
        }
    }

    deinit {
        if ProcessInfo.processInfo.environment["LARDER_KEEP_SANDBOX"] == nil { Files.remove(folder) }
    }

    /// Holds every sandbox of this process; gone when it exits.
    private static let base: String = {
        let temporary = NSTemporaryDirectory()
        let parent = temporary.hasSuffix("/") ? String(temporary.dropLast()) : temporary
        // What an earlier run that was killed left behind.
        for name in (try? FileManager.default.contentsOfDirectory(atPath: parent)) ?? []
        where name.hasPrefix("larder-build-tests-") {
            guard let process = pid_t(name.dropFirst("larder-build-tests-".count)) else { continue }
            if kill(process, 0) != 0, errno == ESRCH { Files.remove("\(parent)/\(name)") }
        }
        atexit {
            guard ProcessInfo.processInfo.environment["LARDER_KEEP_SANDBOX"] == nil else { return }
            Files.remove(Sandbox.base)
        }
        return "\(parent)/larder-build-tests-\(getpid())"
    }()

    /// A cache that has seen one compile with the counting toolchain.
    private static let template: String? = {
        guard let box = try? Sandbox("template", knowsToolchain: false) else { return nil }
        Files.write("\(box.folder)/lib.rs", "pub fn nothing() {}\n")
        var environment = box.environment
        environment["CARGO"] = box.toolchain.cargo
        let rustc = try? Command(
            Places.larder,
            [box.toolchain.rustc, "--crate-type", "lib", "--emit", "metadata", "lib.rs"],
            environment: environment,
            folder: box.folder,
            outputFolder: box.outputs
        ).run()
        let kept = base + "/template-cache"
        guard rustc?.code == 0, rename(box.cache, kept) == 0, access(kept + "/memo", F_OK) == 0 else { return nil }
        return kept
    }()

    /// What every program of this sandbox starts with: nothing of the outside but the locale's absence.
    package var environment: [String: String] {
        [
            "PATH": "\(toolchain.binaries):/usr/local/bin:/usr/bin:/bin",
            "HOME": home,
            "CARGO_HOME": home + "/.cargo",
            // As rustup sets it for Cargo, and where it lives: the same in every checkout and home.
            "RUSTUP_TOOLCHAIN": "counting",
            "RUSTUP_HOME": folder + "/rustup",
            "CARGO_INCREMENTAL": "0",
            "CARGO_TERM_COLOR": "never",
            "CARGO_NET_OFFLINE": "true",
            "CARGO_BUILD_JOBS": "2",
            "LARDER_DIR": cache,
            "LARDER_PATHS": paths.rawValue,
            "TMPDIR": folder + "/tmp",
            "XDG_RUNTIME_DIR": folder + "/run",
            "LANG": "C.UTF-8",
        ]
    }

    /// A project in a folder of this sandbox.
    package func project(_ files: [String: String], in name: String = "project") throws -> Project {
        let project = Project(folder: "\(folder)/\(name)")
        for (path, text) in files { project.write(path, text) }
        return project
    }

    package var events: [LoggedEvent] { LoggedEvent.read(cache) }

    /// Runs Cargo in a project's folder, through larder or plain.
    ///
    /// - Parameters:
    ///   - changes: variables to set, or with `nil` to unset.
    package func cargo(
        _ arguments: [String],
        in project: Project,
        larder: Bool = true,
        _ changes: [String: String?] = [:]
    ) throws -> Built {
        try startCargo(arguments, in: project, larder: larder, changes).wait()
    }

    package func startCargo(
        _ arguments: [String],
        in project: Project,
        larder: Bool = true,
        _ changes: [String: String?] = [:],
        raw: [[UInt8]] = [],
        log: String? = nil
    ) throws -> RunningCargo {
        try start(toolchain.cargo, arguments, in: project.folder, larder: larder, changes, raw: raw, log: log)
    }

    /// Runs rustc itself, through larder or plain.
    package func rustc(
        _ arguments: [String],
        in folder: String,
        larder: Bool = true,
        _ changes: [String: String?] = [:]
    ) throws -> Built {
        let words = larder ? [toolchain.rustc] + arguments : arguments
        return try start(larder ? Places.larder : toolchain.rustc, words, in: folder, larder: larder, changes).wait()
    }

    /// Any program, with this sandbox's environment.
    ///
    /// - Parameters:
    ///   - raw: further entries of the environment, which need not be UTF-8.
    ///   - log: where compilers are noted, for builds that run at once.
    package func start(
        _ program: String,
        _ arguments: [String],
        in folder: String,
        larder: Bool = true,
        _ changes: [String: String?] = [:],
        raw: [[UInt8]] = [],
        log: String? = nil
    ) throws -> RunningCargo {
        var environment = environment
        // The same in every build: programs that take their whole environment as it is see no change.
        let log = log ?? outputs + "/calls"
        environment["COUNTING_LOG"] = log
        if larder { environment["RUSTC_WRAPPER"] = Places.larder }
        for (name, value) in changes { environment[name] = value }
        var command = Command(
            program,
            arguments,
            environment: environment,
            folder: folder,
            outputFolder: outputs
        )
        command.environment += raw
        return RunningCargo(running: try command.start(), log: log)
    }
}

/// A build under way.
package struct RunningCargo {
    package let running: RunningCommand
    let log: String

    package func wait(limit: Double = 240) throws -> Built {
        let ended = try running.wait(limit: limit)
        defer { Files.remove(log) }
        return Built(ended: ended, calls: CompilerLog.read(log))
    }

    /// What was noted so far.
    package var calls: [CompilerCall] { CompilerLog.read(log) }
}

/// What a build came to.
package struct Built: Sendable {
    package let ended: Ended
    /// Every real call of a compiler.
    package let calls: [CompilerCall]

    package var code: Int32 { ended.code }
    package var output: String { ended.output }
    package var errors: String { ended.errors }

    /// Calls that larder could have answered.
    private var wrapped: [CompilerCall] { calls.filter { $0.tool != "rustdoc" && !$0.isBehindWrapper } }
    /// Crates that a real rustc or clippy-driver compiled, sorted.
    package var compiled: [String] { compiles.map(\.crate).sorted() }
    package var compiles: [CompilerCall] { wrapped.filter { !$0.isQuery } }
    /// Every real process of rustc or clippy-driver, queries among them.
    package var processes: [CompilerCall] { wrapped }

    /// Throws what Cargo said if it failed.
    @discardableResult
    package func succeeded() throws -> Built {
        guard code == 0 else { throw TestFault("the build ended with \(code): \(errors)\(output)") }
        return self
    }
}
