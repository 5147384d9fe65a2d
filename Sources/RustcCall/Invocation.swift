/// How the wrapper itself was called.
package enum Invocation: Sendable, Equatable {
    /// A word for `larderctl`, or nothing at all.
    case management([String])
    /// A compiler and its arguments. `program` is as given: a path, or a name for `PATH`.
    case compiler(Compiler)

    /// The compiler to stand in for.
    package struct Compiler: Sendable, Equatable {
        package enum Driver: Sendable, Equatable { case rustc, clippy, unknown }

        package let driver: Driver
        package let program: String
        /// Everything after the program.
        package let arguments: [String]
        /// The arguments that are rustc's own: without the `rustc` that Cargo puts first for a workspace wrapper.
        package let rustcArguments: [String]
        /// Whether larder was called by a link named after the compiler, so that `program` must be looked for further on
        /// in `PATH`.
        package let isLookedUp: Bool
    }

    /// Words that `larderctl` answers; anything else in first place is a compiler.
    package static let managementWords: Set<String> = [
        "stats", "explain", "doctor", "setup", "config", "flush", "trim", "clear", "inspect", "help", "debug-paths",
    ]

    /// - Parameters:
    ///   - arguments: as the process was given them, its own name first.
    package init(_ arguments: [String]) {
        let name = Self.baseName(arguments.first ?? "larder")
        let rest = Array(arguments.dropFirst())
        if let driver = Self.driver(named: name) {
            self = .compiler(
                Compiler(driver: driver, program: name, arguments: rest, rustcArguments: rest, isLookedUp: true)
            )
            return
        }
        guard let first = rest.first, !first.isEmpty, first.utf8.first != UInt8(ascii: "-"),
            !Self.isForControl(first, rest.dropFirst())
        else {
            self = .management(rest)
            return
        }
        let driver = Self.driver(named: Self.baseName(first)) ?? .unknown
        let after = Array(rest.dropFirst())
        var own = after
        // With RUSTC_WORKSPACE_WRAPPER Cargo calls `larder clippy-driver /path/to/rustc ARGUMENTS`.
        if driver == .clippy, let inner = after.first, Self.driver(named: Self.baseName(inner)) == .rustc {
            own.removeFirst()
        }
        self = .compiler(
            Compiler(driver: driver, program: first, arguments: after, rustcArguments: own, isLookedUp: false)
        )
    }

    /// Whether somebody typed this word: one of ours, or one misspelled. Cargo gives every compiler arguments, and names it
    /// by its path or by what it is.
    private static func isForControl(_ word: String, _ rest: ArraySlice<String>) -> Bool {
        if managementWords.contains(word) { return true }
        guard !word.utf8.contains(UInt8(ascii: "/")), driver(named: word) == nil else { return false }
        // Cargo asks a compiler for its version first, and gives it flags ever after.
        if rest.contains(where: { $0.hasPrefix("-") && $0 != "--help" || $0.hasSuffix(".rs") }) { return false }
        return rest.isEmpty || managementWords.contains { $0.hasPrefix(word.prefix(3)) && word.utf8.count >= 3 }
    }

    private static func driver(named name: String) -> Compiler.Driver? {
        switch name {
        case "rustc": return .rustc
        case "clippy-driver": return .clippy
        default:
            // Distributions name a second compiler by its version: `rustc-1.85`.
            for (prefix, driver) in [("rustc-", Compiler.Driver.rustc), ("clippy-driver-", .clippy)]
            where name.hasPrefix(prefix) {
                if let first = name.dropFirst(prefix.count).first, first.isNumber { return driver }
            }
            return nil
        }
    }

    private static func baseName(_ path: String) -> String {
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return path }
        return String(path[path.utf8.index(after: slash)...])
    }
}
