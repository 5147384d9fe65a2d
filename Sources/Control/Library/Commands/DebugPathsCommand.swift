package import ArgumentParser
internal import Foundation
internal import Keying
internal import Platform

package struct DebugPathsCommand: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "debug-paths",
        abstract: "Print what tells a debugger where the sources of dependencies lie.",
        discussion: """
            Members of the workspace need nothing where the debugger is started in its root. For the rest: \
            `larder debug-paths --gdb > .gdbinit`, or into a file for `gdb -x` and `lldb -s`.
            """
    )

    @Flag(help: "For gdb; the default.")
    package var gdb = false

    @Flag(help: "For lldb.")
    package var lldb = false

    @Option(help: ArgumentHelp("The package or workspace; the one here by default.", valueName: "path"))
    package var manifestPath: String?

    package init() {}

    package func validate() throws {
        if gdb && lldb { throw ValidationError("say --gdb or --lldb: no file can be read by both") }
    }

    package func run() throws {
        let paths = try DebugPaths(metadata: try metadata())
        print(lldb ? paths.lldb : paths.gdb, terminator: "")
    }

    private func metadata() throws -> Data {
        let environment = Environment()
        let name = environment.filled("CARGO") ?? "cargo"
        guard let cargo = World.program(name, environment) else {
            throw Failure("can't find cargo in PATH: install Rust, or name it by CARGO")
        }
        var arguments = [cargo, "metadata", "--format-version", "1", "--quiet"]
        if let manifestPath { arguments += ["--manifest-path", manifestPath] }
        let end = try Run(cargo, arguments, environment: nil).collect()
        guard end.status == 0 else {
            throw Failure("cargo metadata failed: \(String(decoding: end.standardError, as: UTF8.self))")
        }
        return Data(end.standardOutput)
    }
}
