/// What processes read that says nothing about what a compile makes. Each entry has its reason.
package enum Noise {
    /// Folders whose content is the kernel's, or another user's of this moment.
    static let folders = [
        "/proc", "/sys",  // the kernel's view of processes and machine
        "/dev/pts", "/dev/fd", "/dev/char", "/dev/block",  // terminals and descriptors
        "/usr/share/locale", "/usr/lib/locale",  // translations of messages, which nobody asks a linker for
    ]

    static let files: Set<String> = [
        // Devices. Not all of /dev: /dev/shm is a file system as any other.
        "/dev/null", "/dev/zero", "/dev/full", "/dev/tty", "/dev/random", "/dev/urandom", "/dev/stdin", "/dev/stdout",
        "/dev/stderr", "/dev/console", "/dev",
        "/etc/malloc.conf",  // settings of jemalloc, rustc's allocator
        "/etc/ld.so.cache",  // an index of libraries that are inputs themselves
        "/etc/localtime",  // the time zone of messages
        "/etc/nsswitch.conf", "/var/run/nscd/socket", "/run/nscd/socket",  // how user names are looked up
    ]

    /// Sockets of the name service: `getpwuid` asks there first.
    static func isNameService(_ socket: String) -> Bool { socket.hasSuffix("/nscd/socket") }

    /// Variables that a compile's child processes look at and that change no output.
    static let variables: Set<String> = [
        "MAKEFLAGS", "CARGO_MAKEFLAGS", "MFLAGS",  // the jobserver, new in every build
        "TMPDIR", "TMP", "TEMP", "TEMPDIR",  // where temporary files lie; they are gone afterwards
        "LD_PRELOAD", "LARDER_TRACE",  // the observer's own
        "LANG", "LANGUAGE", "LC_ALL", "LC_MESSAGES", "LC_CTYPE", "LOCPATH", "NLSPATH",  // the language of messages
        "OUTPUT_CHARSET", "CHARSET",
        "TERM", "COLORTERM", "COLUMNS", "LINES", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE",  // the terminal
        "GCC_COLORS", "LS_COLORS", "TERMINFO", "TERMCAP",
        "POSIXLY_CORRECT",  // the order of options on a command line that is an input itself
        "MALLOC_ARENA_MAX", "MALLOC_CHECK_", "MALLOC_PERTURB_", "MALLOC_CONF", "GLIBC_TUNABLES",  // the allocator
        "RUST_BACKTRACE", "RUST_LIB_BACKTRACE", "RUST_MIN_STACK",  // what a crashing program shows
        "DEBUGINFOD_URLS", "DEBUGINFOD_PROGRESS",  // where debuggers look for symbols
    ]

    /// Variables that Rust's std asks for by itself, in whatever program it is part of, and the observer's own. All others
    /// count if a proc macro asks for them: it may write their values into the program.
    static let guestVariables: Set<String> = [
        "RUST_BACKTRACE", "RUST_LIB_BACKTRACE", "RUST_MIN_STACK", "LD_PRELOAD", "LARDER_TRACE",
    ]

    /// Variables that tell one terminal, login or build from the next. They count where a program asks for them by name,
    /// but not where a shell merely has them.
    static let sessionVariables: Set<String> = [
        "PWD", "OLDPWD", "SHLVL", "_", "DISPLAY", "WAYLAND_DISPLAY", "WINDOWID", "DBUS_SESSION_BUS_ADDRESS",
        "SSH_AUTH_SOCK", "SSH_CLIENT", "SSH_CONNECTION", "SSH_TTY", "TERM_SESSION_ID", "TERM_PROGRAM",
        "TERM_PROGRAM_VERSION", "TMUX", "TMUX_PANE", "STY", "VTE_VERSION", "INVOCATION_ID", "JOURNAL_STREAM",
        "MANAGERPID", "SYSTEMD_EXEC_PID", "MAIL", "EDITOR", "VISUAL", "PAGER", "LESS", "HISTFILE",
        "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER",
    ]
    static let sessionPrefixes = [
        "XDG_", "LARDER_", "SCCACHE_", "KONSOLE_", "ITERM_", "VSCODE_",
    ]

    /// Whether a variable says nothing about a compile to a program that takes its environment as a whole.
    package static func isSession(_ variable: String) -> Bool {
        // A script's `sort` goes by the locale.
        if variable == "LANG" || variable.hasPrefix("LC_") { return false }
        return variables.contains(variable) || sessionVariables.contains(variable)
            || sessionPrefixes.contains { variable.hasPrefix($0) }
    }

    static func isShell(_ program: String) -> Bool {
        ["sh", "dash", "bash", "zsh", "ksh", "mksh"].contains(String(name(of: program)))
    }

    /// Programs that take their whole environment as it is, without asking for variables by name.
    static func isInterpreter(_ program: String) -> Bool {
        let plain = name(of: program).prefix { $0.isLetter }
        return [
            "sh", "dash", "bash", "zsh", "ksh", "mksh", "fish", "busybox", "env", "python", "perl", "ruby", "node",
            "nodejs", "lua", "tclsh", "make", "gmake",
        ].contains(String(plain))
    }

    /// Linkers, the compilers that drive them, and what those run: they ask for their folder and for paths behind links, and
    /// make nothing of the answers but messages.
    static func isLinkTool(_ program: String) -> Bool {
        // `x86_64-linux-gnu-gcc-12`, `clang-15`, `ld.lld`, `rust-lld`.
        let words = name(of: program).split { $0 == "-" || $0 == "." }
        let tools: Set<Substring> = [
            "cc", "c++", "gcc", "g++", "clang", "clang++", "cpp", "collect2", "ld", "ld64", "lld", "gold", "bfd",
            "mold",
            "wild", "as", "ar", "ranlib", "strip", "objcopy", "dwp", "lto1",
        ]
        return name(of: program) == "lto-wrapper" || words.contains { tools.contains($0) }
    }

    /// Programs that are run to learn the time, the machine's name or something random.
    static func isOfTheMoment(_ program: String) -> Bool {
        ["date", "hostname", "uuidgen"].contains(name(of: program))
    }

    private static func name(of program: String) -> Substring {
        guard let slash = program.utf8.lastIndex(of: UInt8(ascii: "/")) else { return program[...] }
        return program[program.utf8.index(after: slash)...]
    }
}
