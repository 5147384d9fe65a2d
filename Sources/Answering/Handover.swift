internal import CPlatform
internal import Glibc
internal import Keying
internal import Platform
internal import RustcCall

/// Calls that become another program: no process of larder's stays.
enum Handover {
    private static let guardVariable = "LARDER_LOOKED_UP"

    /// Becomes the compiler, with this process's own arguments: byte for byte what Cargo gave.
    ///
    /// - Parameters:
    ///   - standardInput: what was read of standard input already.
    static func become(_ compiler: Invocation.Compiler, _ environment: Environment, standardInput: [UInt8]?) -> Never {
        if let standardInput {
            let file = standardInput.withUnsafeBytes { larder_memory_file($0.baseAddress, $0.count) }
            if file >= 0 {
                dup2(file, 0)
                close(file)
            }
        }
        let skipped = compiler.isLookedUp ? 0 : 1
        if compiler.isLookedUp {
            // Copies of larder named rustc would find each other for ever. A process keeps its number over exec.
            let own = "\(getpid())"
            if environment[guardVariable] == own { fail("PATH has no \(compiler.program) but copies of larder", 127) }
            setenv(guardVariable, own, 1)
        }
        guard let program = path(of: compiler, environment) else {
            fail("can't find \(compiler.program) in PATH: install it, or name it by its full path", 127)
        }
        // The process's own argument pointers, since an argument need not be UTF-8.
        let arguments = CommandLine.unsafeArgv + skipped
        execv(program, arguments)
        fail("\(SystemError("run", program))", 126)
    }

    /// The absolute path of the compiler to run; `nil` if `PATH` has none.
    static func path(of compiler: Invocation.Compiler, _ environment: Environment) -> String? {
        guard compiler.isLookedUp else { return World.program(compiler.program, environment) }
        // Called by a link named `rustc`: the next one in PATH that is not this program.
        let own = FileStamp(of: "/proc/self/exe")
        for folder in (environment["PATH"] ?? "").utf8.split(separator: UInt8(ascii: ":")) {
            let candidate = "\(Substring(folder))/\(compiler.program)"
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
