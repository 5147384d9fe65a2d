internal import CPlatform
internal import Digest
internal import Glibc
internal import Keying
internal import Platform
internal import RustcCall
internal import Settings
internal import Store

/// One call of the wrapper, start to end.
package enum Answer {
    /// Answers the call this process was started for.
    ///
    /// - Parameters:
    ///   - arguments: the process's own, its name first.
    package static func call(_ arguments: [String]) -> Never {
        larder_settle()
        let environment = Environment()
        switch Invocation(arguments) {
        case .management(let words): Handover.becomeControl(words)
        case .compiler(let compiler):
            let settings = SettingsFiles.settings(environment, control: Layout.helper(Layout.controlName))
            answer(Session(compiler, environment: environment, settings: settings))
        }
    }

    private static func answer(_ call: consuming Session) -> Never {
        var session = call
        var standardInput: [UInt8]?
        do throws(PassedOn) {
            if session.settings.isDisabled { throw PassedOn(.disabled) }
            let call = try parse(session.compiler)
            session.event.type = type(of: call, session.environment, currentFolder: currentFolder() ?? "/")
            if session.event.crate.isEmpty { session.event.crate = call.crateName ?? "" }
            if call.input == .standardInput { standardInput = try readStandardInput() }
            guard let folder = session.settings.folder else {
                throw PassedOn(.cacheFolder, "no LARDER_DIR and no HOME")
            }
            guard let currentFolder = currentFolder() else { throw PassedOn(.notText, "current folder") }
            guard let program = Handover.path(of: session.compiler, session.environment) else {
                throw PassedOn(.toolchain, session.compiler.program)
            }
            try answer(
                &session,
                call,
                Place(folder: folder, currentFolder: currentFolder, program: program),
                standardInput
            )
        } catch {
            session.event.result = .passed
            session.event.reason = error.reason.rawValue
            session.event.detail = error.detail
            session.record(folder: session.settings.folder)
        }
        Handover.become(session.compiler, session.environment, standardInput: standardInput)
    }

    /// Where a call takes place.
    struct Place {
        /// The cache.
        let folder: String
        let currentFolder: String
        /// What is to be run, absolute.
        let program: String
    }

    private static func answer(
        _ session: inout Session,
        _ call: RustcCall,
        _ place: Place,
        _ standardInput: [UInt8]?
    ) throws(PassedOn) {
        var store: Store
        do { store = try Store(in: place.folder) } catch { throw PassedOn(.cacheFolder, "\(error)") }
        let toolchain: Toolchain
        do {
            toolchain = try Toolchain.identify(
                place.program,
                call,
                session.environment,
                currentFolder: place.currentFolder,
                store: &store
            )
        } catch { throw PassedOn(.toolchain, error.detail) }
        let roots = Roots(
            call,
            session.environment,
            currentFolder: place.currentFolder,
            sysroot: toolchain.sysroot
        )
        let remapping = remapping(session, call, roots, place)
        let key = UnitKey(
            call,
            toolchain: toolchain.identity,
            isClippy: session.compiler.driver == .clippy,
            standardInput: standardInput,
            roots: roots,
            remapping: remapping,
            environment: session.environment,
            currentFolder: place.currentFolder
        )
        session.event.key = key.digest.hex
        session.endPhase("key")

        var world = World(
            call,
            roots: roots,
            environment: session.environment,
            currentFolder: place.currentFolder
        )
        var shared = SharedCache(session, folder: place.folder)
        let frame = Hit.Frame(roots, remapping, call, currentFolder: place.currentFolder)
        if session.settings.recaches {
            session.event.reason = MissReason.forced.rawValue
        } else if Hit.answer(&session, key, frame, world: &world, store: &store, shared: &shared) {
            session.record(folder: place.folder)
            exit(session.exitCode)
        }
        if session.settings.isReadOnly { throw PassedOn(.readOnly) }
        guard session.settings.observes else { throw PassedOn(.noObserver, "LARDER_OBSERVER is off") }
        guard let observer = Layout.helper(Layout.observerName),
            !observer.utf8.contains(where: { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: ":") })
        else { throw PassedOn(.noObserver, "a path that LD_PRELOAD can name is needed") }
        let miss = Miss(
            call: call,
            key: key,
            roots: roots,
            // Only for messages, of which such packages have none; rustc takes 2 % of a first build for these rules.
            remapping: call.kind == .query || call.capsLints
                ? remapping : remapping?.withSources(PackageSources.rules(call, currentFolder: place.currentFolder)),
            place: place,
            toolchain: toolchain,
            observer: observer,
            standardInput: standardInput
        )
        shared.rest()
        let status = try miss.run(&session, before: &world, store: &store, shared: &shared)
        session.event.damaged = store.damaged.count
        session.record(folder: place.folder)
        if session.event.isStored, Trim.isDue(store, limit: session.settings.cacheSize) { startTrimming(session) }
        larder_exit_like(status)
    }

    /// Starts `larderctl trim` on its own: nobody's build waits for it.
    private static func startTrimming(_ session: borrowing Session) {
        guard let control = Layout.helper(Layout.controlName) else { return }
        let code = CStrings.with([control, "trim", "--background"].map { Array($0.utf8) }) { arguments in
            larder_spawn_detached(control, arguments, larder_environ())
        }
        if code != 0 { session.log.write(.warn, "\(SystemError("run", control, code))") }
    }

    /// How the call's paths are mapped; `nil` where its outputs are to hold the real ones. The files of a coverage run
    /// must name sources that exist.
    private static func remapping(
        _ session: borrowing Session,
        _ call: RustcCall,
        _ roots: Roots,
        _ place: Place
    ) -> Remapping? {
        guard session.settings.paths == .portable, !call.instrumentsCoverage, !call.scopesRemapping else { return nil }
        if call.kind == .query { return Remapping.none }
        // A build script goes to the file that `file!` names, or tells Cargo to watch it: it must be there.
        if case .file(let source) = call.input, source.utf8.first == UInt8(ascii: "/"), isBuildScript(call),
            let text = try? Files.read(source, limit: 1 << 20), text.holds("file!")
        {
            return nil
        }
        return Remapping(call, session.environment, roots: roots, currentFolder: place.currentFolder)
    }

    private static func parse(_ compiler: Invocation.Compiler) throws(PassedOn) -> RustcCall {
        if compiler.driver == .unknown { throw PassedOn(.unknownCompiler, compiler.program) }
        // Swift repairs what is no UTF-8; the repair shows as U+FFFD.
        if let bad = compiler.arguments.first(where: { $0.unicodeScalars.contains("\u{FFFD}") }) {
            throw PassedOn(.notText, bad)
        }
        let call = try RustcCall(compiler.rustcArguments) { path in
            // A pipe can be read once, and rustc has to.
            guard FileStamp(of: path)?.kind == .file else { return nil }
            return (try? Files.read(path)).flatMap { String(validating: $0, as: UTF8.self) }
        }
        // Diagnostics for people depend on the terminal they go to, and a pipe in between would take their colours.
        if call.kind == .compile, !call.hasJSONDiagnostics, !call.hasColorChoice, isatty(2) == 1 {
            throw PassedOn(.terminal)
        }
        return call
    }

    private static func readStandardInput() throws(PassedOn) -> [UInt8] {
        if isatty(0) == 1 { throw PassedOn(.terminal, "source from a terminal") }
        do { return try Files.read(0, path: "standard input") } catch { throw PassedOn(.noInput, "\(error)") }
    }

    private static func currentFolder() -> String? {
        guard let path = getcwd(nil, 0) else { return nil }
        defer { free(path) }
        return String(validatingCString: path)
    }

    private static func isBuildScript(_ call: RustcCall) -> Bool { call.crateName?.hasPrefix("build_script_") == true }

    /// What kind of unit a call makes, as a person would say it.
    private static func type(of call: RustcCall, _ environment: Environment, currentFolder: String) -> String {
        if call.kind == .query { return "query" }
        if call.isProbe(environment, currentFolder: currentFolder) { return "probe" }
        if isBuildScript(call) { return "build-script" }
        if call.isTest { return "test" }
        return call.crateTypes.first ?? "bin"
    }
}

extension RustcCall {
    /// Whether a build script asks, to find out what this compiler can do: it fails on purpose, every time.
    ///
    /// Cargo sets these variables together for build scripts alone, and gives its own calls of rustc no source on
    /// standard input. A script that runs Cargo is no probe: what that calls has metadata of its own, and a shell may export
    /// these variables for a whole build; a probe is read or written in the script's own folder.
    /// Source: the Cargo book, "Environment variables Cargo sets for build scripts".
    func isProbe(_ environment: Environment, currentFolder: String) -> Bool {
        guard kind == .compile else { return false }
        if input == .standardInput { return true }
        guard let folder = environment.filled("OUT_DIR"), environment.bytes("NUM_JOBS") != nil,
            environment.bytes("TARGET") != nil, !hasMetadata
        else { return false }
        var paths = [outputFolder, outputFile].compactMap(\.self)
        if case .file(let source) = input { paths.append(source) }
        return paths.contains { (Roots.absolute($0, in: currentFolder) + "/").hasPrefix(folder + "/") }
    }
}

extension [UInt8] {
    /// Whether a word stands anywhere in these bytes.
    func holds(_ word: String) -> Bool {
        var word = word
        return word.withUTF8 { word in
            withUnsafeBytes { larder_contains($0.baseAddress, $0.count, word.baseAddress, word.count) != 0 }
        }
    }
}
