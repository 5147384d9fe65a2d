internal import CPlatform
internal import Glibc
internal import Keying
internal import Platform
internal import RustcCall

/// Calls that become another program: no process of larder's stays.
enum Handover {
    /// Becomes the compiler, with this process's own arguments: byte for byte what Cargo gave.
    ///
    /// - Parameters:
    ///   - standardInput: what was read of standard input already.
    static func become(_ compiler: Invocation.Compiler, _ environment: Environment, standardInput: [UInt8]?) -> Never {
        if let standardInput {
            let file = standardInput.withUnsafeBytes { larder_memory_file($0.baseAddress, $0.count) }
            guard file >= 0, dup2(file, 0) == 0 else {
                fail("\(SystemError("hand on", "the source from standard input")): free memory or space in /tmp", 126)
            }
            close(file)
        }
        larder_unsettle()
        // The process's own argument pointers, since neither an argument nor a path need be UTF-8.
        if !compiler.isLookedUp {
            let arguments = CommandLine.unsafeArgv + 1
            if let program = arguments[0] { execvp(program, arguments) }
            let hint = errno == ENOENT ? ". Install it, or name it by its full path" : ""
            fail("\(SystemError("run", compiler.program))\(hint)", errno == ENOENT ? 127 : 126)
        }
        // Copies of larder named rustc would find each other for ever. A process keeps its number over exec.
        let own = "\(getpid())"
        guard environment[Toolchain.guardVariable] != own, let program = path(of: compiler, environment) else {
            fail("PATH has no \(compiler.program) but copies of larder: install Rust, or put it into PATH", 127)
        }
        setenv(Toolchain.guardVariable, own, 1)
        execv(program, CommandLine.unsafeArgv)
        fail("\(SystemError("run", program))", 126)
    }

    /// The absolute path of the compiler to run; `nil` if `PATH` has none.
    static func path(of compiler: Invocation.Compiler, _ environment: Environment) -> String? {
        guard compiler.isLookedUp else { return World.program(compiler.program, environment) }
        // Called by a link named `rustc`: the next one in PATH that is not this program.
        let own = FileStamp(of: "/proc/self/exe")
        for folder in World.searchPath(environment) {
            let candidate = "\(folder)/\(compiler.program)"
            guard let stamp = FileStamp(of: candidate), stamp.kind == .file, access(candidate, X_OK) == 0 else {
                continue
            }
            if stamp.inode != own?.inode || stamp.device != own?.device { return candidate }
        }
        return nil
    }

    /// Becomes `larderctl`.
    static func becomeControl(_ arguments: [String]) -> Never {
        guard let control = Layout.helper(Layout.controlName) else {
            fail("can't find larderctl in ../libexec/larder: install larder anew with `make install`", 127)
        }
        larder_unsettle()
        CStrings.with((["larder"] + arguments).map { Array($0.utf8) }) { argv in
            _ = execv(control, argv)
        }
        fail("\(SystemError("run", control))", 126)
    }

    private static func fail(_ message: String, _ code: Int32) -> Never {
        let line = Array("larder: \(message)\n".utf8)
        line.withUnsafeBytes { bytes in try? Files.write(bytes, to: 2, path: "standard error") }
        exit(code)
    }
}
