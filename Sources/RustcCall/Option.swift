/// One option of a rustc command line in its full name, or a plain argument.
///
/// rustc parses its arguments with the `getopts` crate: `--name value`, `--name=value`, `-Cvalue`, `-C value`, and short
/// flags run together (`-vV`, `-gO`). Source: `rustc_session::config::rustc_optgroups`.
package struct Option: Equatable, Sendable {
    /// The long name without dashes (`codegen` for `-C`); empty for a plain argument; with its dashes if unknown.
    package let name: String
    package let value: String?

    package init(_ name: String, _ value: String? = nil) {
        self.name = name
        self.value = value
    }

    /// Short options that take a value.
    static let shortWithValue: [UInt8: String] = [
        UInt8(ascii: "L"): "library-path", UInt8(ascii: "l"): "link", UInt8(ascii: "o"): "output",
        UInt8(ascii: "A"): "allow", UInt8(ascii: "W"): "warn", UInt8(ascii: "D"): "deny",
        UInt8(ascii: "F"): "forbid", UInt8(ascii: "C"): "codegen", UInt8(ascii: "Z"): "unstable",
    ]
    /// Short options that are mere flags.
    static let shortFlags: [UInt8: String] = [
        UInt8(ascii: "h"): "help", UInt8(ascii: "g"): "debuginfo-full", UInt8(ascii: "O"): "optimize",
        UInt8(ascii: "V"): "version", UInt8(ascii: "v"): "verbose",
    ]
    /// Long options that take a value.
    static let longWithValue: Set<String> = [
        "cfg", "check-cfg", "crate-type", "crate-name", "edition", "emit", "print", "out-dir", "explain", "target",
        "allow", "warn", "force-warn", "deny", "forbid", "cap-lints", "codegen", "extern", "sysroot", "error-format",
        "json", "color", "diagnostic-width", "remap-path-prefix", "remap-path-scope", "env-set",
    ]
    static let longFlags: Set<String> = ["help", "test", "version", "verbose"]

    /// Splits a command line, without the compiler's own name, into options.
    ///
    /// - Throws: `PassedOn` where an option's value is missing.
    package static func parse(_ arguments: [String]) throws(PassedOn) -> [Option] {
        var options: [Option] = []
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            let bytes = Array(argument.utf8)
            if argument == "--" {
                options += rest.map { Option("", $0) }
                break
            } else if bytes.count < 2 || bytes[0] != UInt8(ascii: "-") {
                options.append(Option("", argument))
            } else if bytes[1] == UInt8(ascii: "-") {
                options.append(try long(argument, &rest))
            } else {
                try short(bytes, argument, &rest, &options)
            }
        }
        return options
    }

    private static func long(_ argument: String, _ rest: inout ArraySlice<String>) throws(PassedOn) -> Option {
        let body = argument.dropFirst(2)
        if let equals = body.utf8.firstIndex(of: UInt8(ascii: "=")) {
            let name = String(body[..<equals])
            let value = String(body[body.utf8.index(after: equals)...])
            return longWithValue.contains(name) ? Option(name, value) : Option(argument)
        }
        let name = String(body)
        if longFlags.contains(name) { return Option(name) }
        guard longWithValue.contains(name) else { return Option(argument) }
        guard let value = rest.popFirst() else { throw PassedOn(.missingValue, argument) }
        return Option(name, value)
    }

    private static func short(
        _ bytes: [UInt8],
        _ argument: String,
        _ rest: inout ArraySlice<String>,
        _ options: inout [Option]
    ) throws(PassedOn) {
        var index = 1
        while index < bytes.count {
            if let flag = shortFlags[bytes[index]] {
                options.append(Option(flag))
                index += 1
            } else if let name = shortWithValue[bytes[index]] {
                if index + 1 < bytes.count {
                    options.append(Option(name, String(decoding: bytes[(index + 1)...], as: UTF8.self)))
                } else if let value = rest.popFirst() {
                    options.append(Option(name, value))
                } else {
                    throw PassedOn(.missingValue, argument)
                }
                return
            } else {
                options.append(Option(argument))
                return
            }
        }
    }
}
