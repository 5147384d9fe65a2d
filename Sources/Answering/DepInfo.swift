internal import Platform

/// What rustc's dep-info file says.
///
/// A makefile: a rule for each output, then each file alone (`path:`), then `# env-dep:NAME=VALUE` for each variable
/// that the source asks for, without `=VALUE` where it is unset. Source: `rustc_interface::passes::write_out_deps`.
struct DepInfo {
    /// Files that the compile read as source, as rustc names them.
    private(set) var files: [String] = []
    /// Variables that `env!` and `option_env!` ask for.
    private(set) var variables: [String] = []

    init(_ text: [UInt8]) {
        let variable = Array("# env-dep:".utf8)
        for line in text.split(separator: UInt8(ascii: "\n")) {
            if line.starts(with: variable) {
                let name = line.dropFirst(variable.count).prefix { $0 != UInt8(ascii: "=") }
                if let name = String(validating: name, as: UTF8.self) { variables.append(name) }
            } else if line.last == UInt8(ascii: ":"), line.first != UInt8(ascii: "#") {
                if let path = String(validating: Self.plain(line.dropLast()), as: UTF8.self) { files.append(path) }
            }
        }
    }

    /// A path without the backslashes before its spaces.
    private static func plain(_ path: ArraySlice<UInt8>) -> [UInt8] {
        var result: [UInt8] = []
        for byte in path {
            if byte == UInt8(ascii: " "), result.last == UInt8(ascii: "\\") { result.removeLast() }
            result.append(byte)
        }
        return result
    }
}
