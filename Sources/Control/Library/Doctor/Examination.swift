internal import CPlatform
internal import Digest
internal import GatewayProtocol
internal import Glibc
internal import Keying
internal import Platform
internal import RustcCall
internal import Settings
internal import Store

/// Looks at everything that larder needs.
package struct Examination {
    private let session: Session
    private let installation: Installation?
    /// Where builds are started, absolute.
    private let currentFolder: String

    package init(_ session: Session, installation: Installation?, currentFolder: String) {
        self.session = session
        self.installation = installation
        self.currentFolder = currentFolder
    }

    package func run() -> [Finding] { settings() + cache() + compiler() + observer() + cargo() + events() + shared() }

    private var environment: Environment { session.environment }

    private func settings() -> [Finding] {
        if session.settings.isDisabled {
            return [
                Finding(
                    .problem,
                    "settings",
                    "larder is switched off: every call goes to rustc",
                    advice: "`larder config` shows what set `disable`; take it out."
                )
            ]
        }
        let problems = session.settings.problems + RemoteProblems.find(session)
        guard !problems.isEmpty else { return [Finding(.good, "settings", "nothing wrong")] }
        return problems.map { Finding(.problem, "settings", $0, advice: "Correct it where it is set.") }
    }

    // MARK: The cache

    /// A large program's outputs. Bytes.
    private static let leastRoom: UInt64 = 512 << 20

    private func cache() -> [Finding] {
        guard let folder = session.settings.folder else {
            return [
                Finding(
                    .problem,
                    "cache",
                    "there is no place for it",
                    advice: "Set LARDER_DIR to a folder, or set HOME."
                )
            ]
        }
        let advice = "Make the folder writable for this user, or set LARDER_DIR to another one."
        do throws(SystemError) {
            let store = try Store(in: folder)
            let trial = Files.temporaryName(beside: folder + "/tmp/doctor")
            defer { unlink(trial) }
            try Files.replace(trial, with: Array("larder\n".utf8))
            let limit = session.settings.cacheSize
            let text = "\(folder) holds \(Sizes.text(store.size)) of \(Sizes.text(limit))"
            if let free = Files.freeSpace(folder), free < Self.leastRoom {
                let advice = "Free space on that disk: new results may not fit."
                return [Finding(.note, "cache", "\(text), and the disk has \(Sizes.text(free)) left", advice: advice)]
            }
            if store.size > limit {
                return [Finding(.note, "cache", text, advice: "It is trimmed by itself; `larder trim` does it now.")]
            }
            return [Finding(.good, "cache", text)]
        } catch {
            let isFull = error.code == ENOSPC || error.code == EDQUOT
            let room = "Free space on that disk, or set LARDER_DIR to a folder on another one."
            return [Finding(.problem, "cache", "\(error)", advice: isFull ? room : advice)]
        }
    }

    // MARK: The compiler

    private func compiler() -> [Finding] {
        guard let program = World.program(environment.filled("RUSTC") ?? "rustc", environment) else {
            return [
                Finding(
                    .problem,
                    "compiler",
                    "there is no rustc in PATH",
                    advice: "Install Rust (https://rustup.rs), or put its `bin` into PATH."
                )
            ]
        }
        guard let folder = session.settings.folder, var store = try? Store(in: folder),
            let call = try? RustcCall(["-vV"], readFile: { _ in nil })
        else { return [Finding(.note, "compiler", "\(program), not looked into without a cache folder")] }
        do {
            let toolchain = try Toolchain.identify(
                program,
                call,
                environment,
                currentFolder: currentFolder,
                store: &store
            )
            let identity = toolchain.identity.hex.prefix(16)
            return [Finding(.good, "compiler", "\(toolchain.compiler) of \(toolchain.sysroot), identity \(identity)")]
        } catch {
            return [
                Finding(
                    .problem,
                    "compiler",
                    "\(program) could not be identified: \(error.detail)",
                    advice: "`rustc -vV` says whether it works at all."
                )
            ]
        }
    }

    // MARK: The observer

    private func observer() -> [Finding] {
        guard session.settings.observes else {
            return [Finding(.note, "observer", "switched off: units that need it are not cached")]
        }
        guard let library = installation?.observer else {
            return [
                Finding(
                    .problem,
                    "observer",
                    "liblarder-observer.so is not beside larderctl: nothing new is cached",
                    advice: "Install larder anew with `make install`."
                )
            ]
        }
        if library.utf8.contains(where: { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: ":") }) {
            return [
                Finding(
                    .problem,
                    "observer",
                    "\(library): LD_PRELOAD can't name a path with a space or a colon",
                    advice: "Install larder to another PREFIX."
                )
            ]
        }
        guard let program = World.program(environment.filled("RUSTC") ?? "rustc", environment) else { return [] }
        var entries = environment.values.map { Array($0.key.utf8) + [UInt8(ascii: "=")] + $0.value }
        entries.removeAll { $0.starts(with: "LD_PRELOAD=".utf8) }
        entries.append(Array("LD_PRELOAD=\(library)".utf8))
        do {
            let end = try Run(program, [program, "-vV"], environment: entries).collect()
            let errors = String(decoding: end.standardError, as: UTF8.self)
            // The loader goes on without a library it can't load, and says so.
            if larder_exited(end.status) != 0, larder_exit_code(end.status) == 0, !errors.contains("LD_PRELOAD") {
                return [Finding(.good, "observer", "\(library) loads into rustc")]
            }
            return [
                Finding(
                    .problem,
                    "observer",
                    "\(library) does not load into rustc: \(errors.prefix(300))",
                    advice: "It must be of this machine's kind and libc; install larder anew."
                )
            ]
        } catch {
            return [Finding(.problem, "observer", "\(error)", advice: "`rustc -vV` says whether it works at all.")]
        }
    }

    // MARK: Cargo

    private func cargo() -> [Finding] {
        var problems: [String] = []
        let wiring = CargoWiring.find(environment, folder: currentFolder, problems: &problems)
        var findings = problems.map {
            Finding(.problem, "cargo", $0, advice: "Cargo reads this file, too: correct it.")
        }
        let advice = "`larder setup` writes it into Cargo's configuration; or set RUSTC_WRAPPER=larder."
        guard let wiring, !wiring.wrapper.isEmpty else {
            let off = wiring.map { " (\($0.source) is empty)" } ?? ""
            return findings + [Finding(.problem, "cargo", "does not use larder here\(off)", advice: advice)]
        }
        let own = installation?.wrapper.flatMap { FileStamp(of: $0) }
        guard let program = World.program(wiring.wrapper, environment), let stamp = FileStamp(of: program) else {
            findings.append(
                Finding(
                    .problem,
                    "cargo",
                    "\(wiring.source) names \(wiring.wrapper), and there is no such program",
                    advice: advice
                )
            )
            return findings
        }
        if let own, own.inode == stamp.inode, own.device == stamp.device {
            findings.append(Finding(.good, "cargo", "uses larder, by \(wiring.source)"))
        } else if Files.name(of: wiring.wrapper) == "larder" {
            findings.append(Finding(.note, "cargo", "uses another larder, \(program), by \(wiring.source)"))
        } else {
            let isVariable = wiring.source.hasPrefix("RUSTC_WRAPPER") || wiring.source.hasPrefix("CARGO_BUILD_")
            findings.append(
                Finding(
                    .problem,
                    "cargo",
                    "uses \(wiring.wrapper), by \(wiring.source)",
                    advice: isVariable
                        ? "Unset the variable, or set it to larder: it is stronger than Cargo's configuration."
                        : "`larder setup --replace` puts larder in its place."
                )
            )
        }
        return findings
    }

    // MARK: The shared cache

    private func shared() -> [Finding] {
        guard let access = SharedCacheAccess(session) else { return [] }
        /// As long as the slowest server may take, twice. Milliseconds.
        let patience: Int64 = 40_000
        do {
            guard let report = try access.report(.examine, mayStart: true, milliseconds: patience) else { return [] }
            return report.findings
        } catch {
            return [
                Finding(
                    .problem,
                    "gateway",
                    error.description,
                    advice: "Builds go on without the shared cache. The file `gateway/log` in the cache may say more."
                )
            ]
        }
    }

    // MARK: Events

    private func events() -> [Finding] {
        let statistics = session.events.statistics()
        var findings: [Finding] = []
        var unwritten = 0
        var newest = LoggedEvent()
        session.events.forEachUnwritten(since: session.events.zeroTime) { event in
            unwritten += 1
            newest = event
        }
        if unwritten > 0 {
            findings.append(
                Finding(
                    .note,
                    "events",
                    "\(unwritten) calls could not write to the cache, the last for: \(newest.detail.isEmpty ? newest.reason : newest.detail)",
                    advice: "If that is mended, `larder --zero-stats` starts anew."
                )
            )
        }
        if statistics.damaged > 0 {
            findings.append(
                Finding(
                    .note,
                    "events",
                    "\(statistics.damaged) files of the cache were found damaged and taken away",
                    advice: "If there are more of them, look after the disk."
                )
            )
        }
        return findings
    }
}
