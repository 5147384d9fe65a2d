internal import Foundation

/// One real call of the compiler, as the counting toolchain noted it.
package struct CompilerCall: Sendable {
    /// `rustc`, `clippy-driver` or `rustdoc`.
    package let tool: String
    package let process: Int
    /// The program that started it.
    package let parent: String
    package let arguments: [String]
    /// Nanoseconds of the monotonic clock.
    package let started: Int
    /// `nil` unless ends were asked for.
    package var ended: Int?

    /// The value of an option given as `--name value` or `--name=value`.
    package func value(_ option: String) -> String? {
        for (index, argument) in arguments.enumerated() {
            if argument == option { return index + 1 < arguments.count ? arguments[index + 1] : nil }
            if argument.hasPrefix(option + "=") { return String(argument.dropFirst(option.count + 1)) }
        }
        return nil
    }

    /// Whether a build script ran it without asking the wrapper, as older versions of autocfg do.
    package var isBehindWrapper: Bool { parent.contains("/build-script-") || parent.contains("/build_script_") }

    package var crate: String { value("--crate-name") ?? "" }
    /// Whether it only asks the compiler about itself.
    package var isQuery: Bool {
        arguments.contains { $0 == "-vV" || $0 == "-V" || $0 == "--version" || $0.hasPrefix("--print") }
    }
}

/// What the counting toolchain noted.
package enum CompilerLog {
    package static func read(_ path: String) -> [CompilerCall] {
        guard let bytes = FileManager.default.contents(atPath: path) else { return [] }
        var calls: [CompilerCall] = []
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
            let fields = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
            guard fields.count >= 3, let time = Int(fields[1]), let process = Int(fields[2]) else { continue }
            if fields[0] == "start", fields.count >= 5 {
                let arguments = Array(fields.dropFirst(5))
                calls.append(
                    CompilerCall(
                        tool: fields[4],
                        process: process,
                        parent: fields[3],
                        arguments: arguments,
                        started: time
                    )
                )
            } else if fields[0] == "end", let index = calls.lastIndex(where: { $0.process == process }) {
                calls[index].ended = time
            }
        }
        return calls
    }
}
