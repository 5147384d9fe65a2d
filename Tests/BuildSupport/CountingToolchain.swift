internal import Foundation
internal import Glibc

/// Proxies of the kind that rustup puts before a toolchain: each call of `rustc`, `clippy-driver` and `rustdoc` is noted in
/// a file, then the real program runs in its place. Proof of what really ran, that owes nothing to larder.
package struct CountingToolchain: Sendable {
    /// The folder that comes first in `PATH`.
    package let binaries: String
    /// The real toolchain.
    package let sysroot: String

    package var rustc: String { binaries + "/rustc" }
    package var cargo: String { sysroot + "/bin/cargo" }

    /// The one that all tests use; made once and kept in `.build`.
    package static let shared = Result { try make() }

    private static func make() throws -> CountingToolchain {
        let sysroot = try Tools.run("rustc", ["--print", "sysroot"]).trimmingCharacters(in: .whitespacesAndNewlines)
        let source = Places.tools + "/counting-compiler.c"
        // A folder of its own for each toolchain and each state of the program.
        let text = try Data(contentsOf: URL(fileURLWithPath: source)) + Data("bin lib \(sysroot)".utf8)
        let hash = text.reduce(UInt32(5381)) { ($0 &* 33) ^ UInt32($1) }
        let folder = "\(Places.build)/tests/proxies-\(String(hash, radix: 16))"
        let toolchain = CountingToolchain(binaries: folder + "/bin", sysroot: sysroot)
        if access(folder, F_OK) == 0 { return toolchain }

        let draft = "\(folder)-\(getpid())"
        try FileManager.default.createDirectory(atPath: draft + "/bin", withIntermediateDirectories: true)
        defer { Files.remove(draft) }
        // Under rustup's own name, with links to it: the layout by which a proxy is known.
        try Tools.run(
            "cc",
            ["-O1", "-Wall", "-Werror", "-DSYSROOT=\"\(sysroot)\"", "-o", "\(draft)/bin/rustup", source]
        )
        for name in ["rustc", "clippy-driver", "rustdoc"] {
            guard access("\(sysroot)/bin/\(name)", X_OK) == 0 else {
                throw TestFault("no \(name) in \(sysroot): install it with rustup component add clippy")
            }
            try Tools.run("ln", ["-s", "rustup", "\(draft)/bin/\(name)"])
        }
        // It looks for clippy-driver beside itself, and for its libraries beside that folder.
        try Tools.run("ln", ["-s", "\(sysroot)/lib", "\(draft)/lib"])
        try Tools.run("cp", ["\(sysroot)/bin/cargo-clippy", "\(draft)/bin/cargo-clippy"])
        // Of two test runs at once the second finds the folder taken, and takes it too.
        guard rename(draft, folder) == 0 || access(folder, F_OK) == 0 else {
            throw TestFault("can't rename \(draft) to \(folder): \(String(cString: strerror(errno)))")
        }
        return toolchain
    }
}

/// Where things lie.
package enum Places {
    /// The package.
    package static let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path
    package static let build = package + "/.build"
    package static let tools = package + "/Tests/BuildSupport/Tools"
    package static let projects = package + "/Tests/Projects"
    /// The installed product under test: `LARDER_STAGE`, or what `make stage` made.
    package static let stage = ProcessInfo.processInfo.environment["LARDER_STAGE"] ?? package + "/.stage"
    package static let larder = stage + "/bin/larder"
}

/// Programs that the tests themselves use.
package enum Tools {
    /// Runs a program with the environment of the tests and returns what it printed; a failure is thrown.
    @discardableResult
    package static func run(_ program: String, _ arguments: [String], in folder: String = "/") throws -> String {
        let environment = ProcessInfo.processInfo.environment
        let ended = try Command(
            try path(program),
            arguments,
            environment: environment,
            folder: folder,
            outputFolder: NSTemporaryDirectory()
        ).run()
        guard ended.code == 0 else {
            throw TestFault("\(program) \(arguments.joined(separator: " ")) ended with \(ended.code): \(ended.errors)")
        }
        return ended.output
    }

    /// The full path of a program in `PATH`. A missing tool is a failure, never a skip.
    package static func path(_ program: String) throws -> String {
        if program.contains("/") { return program }
        for folder in (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":") {
            let candidate = "\(folder)/\(program)"
            if access(candidate, X_OK) == 0 { return candidate }
        }
        throw TestFault("no \(program) in PATH: run scripts/install-deps")
    }
}
