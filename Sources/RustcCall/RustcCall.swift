/// What one rustc command line asks for.
package struct RustcCall: Sendable {
    package enum Kind: Sendable, Equatable {
        /// Asks for facts (`-vV`, `--print cfg`) and compiles nothing.
        case query
        /// Compiles.
        case compile
    }

    package enum Input: Sendable, Equatable {
        case file(String)
        case standardInput
        case none
    }

    /// One `--emit` kind and, where given, its own path.
    package struct Emit: Sendable, Equatable {
        package let kind: String
        package let path: String?
    }

    /// One `--extern`: its name with options (`priv,noprelude:serde`), and its path if it has one.
    package struct Extern: Sendable, Equatable {
        package let name: String
        package let path: String?
    }

    /// One `-L`: its kind (`all` where none is written) and folder.
    package struct SearchPath: Sendable, Equatable {
        package let kind: String
        package let path: String
    }

    /// The options in the order given, `@file`s opened.
    package let options: [Option]
    package private(set) var kind = Kind.compile
    package private(set) var input = Input.none
    package private(set) var crateName: String?
    package private(set) var crateTypes: [String] = []
    package private(set) var emits: [Emit] = []
    package private(set) var isTest = false
    package private(set) var outputFolder: String?
    package private(set) var outputFile: String?
    package private(set) var extraFilename = ""
    /// Whether the call has `-C metadata`, as all of Cargo's own have.
    package private(set) var hasMetadata = false
    package private(set) var target: String?
    package private(set) var sysroot: String?
    /// The folder of `-C incremental`.
    package private(set) var incremental: String?
    package private(set) var externs: [Extern] = []
    package private(set) var searchPaths: [SearchPath] = []
    package private(set) var remaps: [String] = []
    package private(set) var usesNativeCPU = false
    package private(set) var instrumentsCoverage = false
    /// Whether programs get a run path, which leads from their own folder to the toolchain's.
    package private(set) var usesRunPath = false
    /// Whether the user narrows what path mappings apply to.
    package private(set) var scopesRemapping = false
    /// Whether diagnostics go out as JSON, one object a line, or as text for people.
    package private(set) var hasJSONDiagnostics = false
    package private(set) var hasColorChoice = false

    /// Whether lints are silenced, as Cargo does for packages of a registry: they have next to nothing to say.
    package private(set) var capsLints = false

    /// Reads a command line.
    ///
    /// - Parameters:
    ///   - arguments: without the compiler's name.
    ///   - readFile: gives the text of an `@file`, or `nil` if it can't be read.
    /// - Throws: `PassedOn` with the reason where larder leaves the call to rustc.
    package init(_ arguments: [String], readFile: (String) -> String?) throws(PassedOn) {
        options = try Option.parse(try Self.openArgumentFiles(arguments, readFile: readFile))
        var prints: [String] = []
        var inputs: [String] = []
        var isInformation = false
        for option in options {
            let value = option.value ?? ""
            switch option.name {
            case "": inputs.append(value)
            case "help", "explain": isInformation = true
            case "version": kind = .query
            case "print":
                prints.append(value)
                // "native (currently znver5)"
                if value == "target-cpus" { usesNativeCPU = true }
            case "crate-name": crateName = value
            case "crate-type": crateTypes += Self.list(value)
            case "emit":
                for part in Self.list(value) {
                    let (kind, path) = Self.split(part, at: UInt8(ascii: "="))
                    emits.append(Emit(kind: kind, path: path))
                }
            case "test": isTest = true
            case "out-dir": outputFolder = value
            case "output": outputFile = value
            case "target": target = value
            case "sysroot": sysroot = value
            case "extern":
                let (name, path) = Self.split(value, at: UInt8(ascii: "="))
                externs.append(Extern(name: name, path: path))
            case "library-path":
                let (kind, path) = Self.split(value, at: UInt8(ascii: "="))
                if let path, Self.searchKinds.contains(kind) {
                    searchPaths.append(SearchPath(kind: kind, path: path))
                } else {
                    searchPaths.append(SearchPath(kind: "all", path: value))
                }
            case "cap-lints": capsLints = value == "allow"
            case "remap-path-prefix": remaps.append(value)
            case "remap-path-scope": scopesRemapping = true
            case "error-format": hasJSONDiagnostics = value == "json"
            case "color": hasColorChoice = true
            case "codegen": readCodegen(value)
            case "unstable":
                let (name, setting) = Self.split(value, at: UInt8(ascii: "="))
                if name.replacingUnderscores == "tune-cpu", setting == "native" { usesNativeCPU = true }
                if Self.profilingOptions.contains(name.replacingUnderscores) {
                    throw PassedOn(.profiling, "-Z \(value)")
                }
                if name == "help" { isInformation = true }
            default: break
            }
        }
        if isInformation || (options.isEmpty && inputs.isEmpty) { throw PassedOn(.information) }
        if inputs.count > 1 { throw PassedOn(.severalInputs, inputs[1]) }
        if let only = inputs.first { input = only == "-" ? .standardInput : .file(only) }
        if prints.contains(where: { $0.utf8.contains(UInt8(ascii: "=")) }) { throw PassedOn(.printToFile) }
        if !prints.isEmpty, prints.allSatisfy({ Self.factPrints.contains($0) }) { kind = .query }
        if kind == .compile, input == .none { throw PassedOn(.noInput) }
    }

    private mutating func readCodegen(_ value: String) {
        let (name, setting) = Self.split(value, at: UInt8(ascii: "="))
        switch name.replacingUnderscores {
        case "extra-filename": extraFilename = setting ?? ""
        case "metadata": hasMetadata = true
        case "incremental": incremental = setting
        case "target-cpu": usesNativeCPU = usesNativeCPU || setting == "native"
        case "instrument-coverage": instrumentsCoverage = !Self.no.contains(setting ?? "")
        case "rpath": usesRunPath = !Self.no.contains(setting ?? "")
        default: break
        }
    }

    /// Whether the call writes a dep-info file, which names the variables that the source reads.
    package var writesDepInfo: Bool { emits.contains { $0.kind == "dep-info" } }

    /// Names in the output folder that this call must write, as far as the command line alone tells them.
    ///
    /// Crate types may also stand in the source, so that a call may write others beside them.
    package var expectedNames: [String] {
        guard let crateName, outputFile == nil else { return [] }
        let stem = crateName + extraFilename
        var names: [String] = []
        for emit in emits where emit.path == nil {
            switch emit.kind {
            case "dep-info": names.append(stem + ".d")
            case "metadata": names.append("lib\(stem).rmeta")
            case "link" where !isTest:
                for type in crateTypes {
                    switch type {
                    case "lib", "rlib": names.append("lib\(stem).rlib")
                    default: break
                    }
                }
            default: break
            }
        }
        return names
    }

    /// Source: `rustc_session::options::parse`, `parse_bool`.
    private static let no = ["off", "no", "n", "false", "0"]

    static let searchKinds: Set<String> = ["dependency", "crate", "native", "framework", "all"]

    /// `-Z` options by which rustc measures itself: their output is of that one run.
    static let profilingOptions: Set<String> = [
        "time-passes", "self-profile", "self-profile-events", "time-llvm-passes", "llvm-time-trace", "print-type-sizes",
        "dump-mono-stats", "input-stats", "hir-stats", "print-codegen-stats", "incremental-info",
    ]

    /// `--print` kinds that need no compile: alone they make the call a query.
    /// Source: `rustc_driver_impl::print_crate_info`.
    static let factPrints: Set<String> = [
        "all-target-specs-json", "calling-conventions", "cfg", "check-cfg", "code-models", "crate-name",
        "crate-root-lint-levels", "deployment-target", "file-names", "host-tuple", "relocation-models",
        "split-debuginfo", "stack-protector-strategies", "supported-crate-types", "sysroot", "target-cpus",
        "target-features", "target-libdir", "target-list", "target-spec-json", "target-spec-json-schema", "tls-models",
    ]

    /// Opens `@file`: each line of it is one argument, an empty one too; no quoting; not opened again inside.
    /// Source: `rustc_driver_impl::args`.
    private static func openArgumentFiles(
        _ arguments: [String],
        readFile: (String) -> String?
    ) throws(PassedOn) -> [String] {
        guard arguments.contains(where: { $0.utf8.first == UInt8(ascii: "@") }) else { return arguments }
        var opened: [String] = []
        for argument in arguments {
            guard argument.utf8.first == UInt8(ascii: "@") else {
                opened.append(argument)
                continue
            }
            let path = String(argument.dropFirst())
            guard !path.hasPrefix("shell:"), let text = readFile(path) else { throw PassedOn(.argumentFile, path) }
            var lines = text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            if lines.last?.isEmpty == true { lines.removeLast() }
            opened += lines.map { line in String(Substring(line.last == UInt8(ascii: "\r") ? line.dropLast() : line)) }
        }
        return opened
    }

    private static func list(_ value: String) -> [String] {
        value.utf8.split(separator: UInt8(ascii: ",")).map { String(Substring($0)) }
    }

    /// Cuts at the first `separator`; the second part is `nil` where there is none.
    package static func split(_ text: String, at separator: UInt8) -> (String, String?) {
        guard let index = text.utf8.firstIndex(of: separator) else { return (text, nil) }
        return (String(text[..<index]), String(text[text.utf8.index(after: index)...]))
    }
}

extension String {
    /// rustc takes `_` and `-` alike in the names of codegen and unstable options.
    var replacingUnderscores: String {
        String(decoding: utf8.map { $0 == UInt8(ascii: "_") ? UInt8(ascii: "-") : $0 }, as: UTF8.self)
    }
}
