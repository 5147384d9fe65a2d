internal import CPlatform
internal import Digest
internal import Glibc
internal import Keying
internal import Platform
internal import RustcCall
internal import Settings
internal import Store
internal import Trace

/// Running the compiler, and storing what it made.
struct Miss {
    let call: RustcCall
    let key: UnitKey
    let roots: Roots
    /// `nil` in exact mode.
    let remapping: Remapping?
    let place: Answer.Place
    let toolchain: Toolchain
    /// Path of the library to preload.
    let observer: String
    let standardInput: [UInt8]?

    /// A compile whose result isn't stored, and why.
    struct Unstored: Error {
        let reason: Uncached
        let detail: String

        init(_ reason: Uncached, _ detail: String = "") {
            self.reason = reason
            self.detail = detail
        }
    }

    /// Runs the compiler and stores its result if that can be trusted.
    ///
    /// - Returns: its wait status.
    /// - Throws: where the compiler could not be started this way; nothing has happened then.
    func run(
        _ session: inout Session,
        before: inout World,
        store: inout Store,
        shared: inout SharedCache
    ) throws(PassedOn) -> Int32 {
        let tracePath = "\(place.folder)/tmp/\(getpid())-\(larder_monotonic_microseconds()).trace"
        do { try TraceFile.create(at: tracePath) } catch { throw PassedOn(.cacheFolder, "\(error)") }
        defer { unlink(tracePath) }
        session.event.result = .miss
        let sessionsBefore = incrementalSessions()
        lookAhead(&before, store.memo)
        let started = hasYoungSources(session.environment) ? Self.afterTick(of: session.began) : fileClockNow()
        let startedAt = larder_monotonic_microseconds()
        let end: Run.End
        var diagnostics = Diagnostics(remapping, isJSON: call.hasJSONDiagnostics)
        do { end = try compile(session, tracePath, store, &diagnostics) } catch {
            throw PassedOn(.internalError, "\(error)")
        }
        if mayHaveFailedByUs(end, diagnostics, tracePath, session), let status = tryAgain(session) {
            session.event.compile = larder_monotonic_microseconds() &- startedAt
            session.endPhase("compile")
            session.event.unstored = (Uncached.failed.rawValue, "it was done again as without larder")
            return status
        }
        diagnostics.finish()
        session.event.compile = larder_monotonic_microseconds() &- startedAt
        session.endPhase("compile")
        do throws(Unstored) {
            let id = try keep(
                end,
                tracePath,
                &session,
                &before,
                &store,
                started: started,
                sessionsBefore: sessionsBefore
            )
            session.event.isStored = true
            session.endPhase("store")
            shared.publish(unit: key.digest, result: id)
        } catch {
            session.event.unstored = (error.reason.rawValue, error.detail)
            session.endPhase("store")
        }
        return end.status
    }

    // MARK: The compile

    private func compile(
        _ session: borrowing Session,
        _ tracePath: String,
        _ store: borrowing Store,
        _ diagnostics: inout Diagnostics
    ) throws(SystemError) -> Run.End {
        let run = try start(
            compileArguments(session.compiler),
            environment: compileEnvironment(session.environment, tracePath)
        )
        var notices = Notices()
        return try run.collect(
            onOutput: { try? Files.write($0, to: 1, path: "standard output") },
            onErrors: { piece in
                diagnostics.pass(piece)
                // Cargo starts dependents now, and each of them will ask for this file's digest: it is worked out once,
                // here, while rustc still generates code.
                for path in notices.metadata(in: piece) {
                    diagnostics.hasAnnounced = true
                    _ = try? store.keep(path)
                }
            }
        )
    }

    /// Starts the compiler; the source that was read from standard input goes there.
    func start(_ arguments: [String], environment: [[UInt8]]) throws(SystemError) -> Run {
        var input: Int32 = -1
        if let standardInput {
            input = standardInput.withUnsafeBytes { larder_memory_file($0.baseAddress, $0.count) }
            guard input >= 0 else { throw SystemError("hand on", "the source from standard input") }
        }
        defer { if input >= 0 { close(input) } }
        return try Run(place.program, arguments, environment: environment, standardInput: input)
    }

    /// The arguments as Cargo gave them, the mapping's flags before all of rustc's own.
    private func compileArguments(_ compiler: Invocation.Compiler) -> [String] {
        let leading = compiler.arguments.count - compiler.rustcArguments.count
        return [compiler.program] + compiler.arguments.prefix(leading) + (remapping?.arguments ?? [])
            + compiler.rustcArguments
    }

    /// The environment as it is, with the observer preloaded; an `LD_PRELOAD` of the user's stays behind ours.
    private func compileEnvironment(_ environment: Environment, _ tracePath: String) -> [[UInt8]] {
        let preload = Array("LD_PRELOAD=".utf8)
        let traceName = Array("LARDER_TRACE=".utf8)
        var entries = environment.entries.filter { !$0.starts(with: preload) && !$0.starts(with: traceName) }
        var library = preload + Array(observer.utf8)
        if let own = environment.bytes("LD_PRELOAD"), !own.isEmpty { library += [UInt8(ascii: ":")] + own }
        entries.append(library)
        entries.append(traceName + Array(tracePath.utf8))
        return entries
    }

    // MARK: Storing

    /// - Returns: the result's id.
    private func keep(
        _ end: Run.End,
        _ tracePath: String,
        _ session: inout Session,
        _ before: inout World,
        _ store: inout Store,
        started: Int64,
        sessionsBefore: Set<String>
    ) throws(Unstored) -> Digest {
        let isProbe = call.isProbe(session.environment, currentFolder: place.currentFolder)
        guard larder_exited(end.status) != 0, let code = UInt8(exactly: larder_exit_code(end.status)) else {
            throw Unstored(.failed, "ended by signal \(larder_term_signal(end.status))")
        }
        guard code == 0 || isProbe || call.kind == .query else { throw Unstored(.failed, "exit code \(code)") }
        // A full disk or a missing right may be gone the next time; rustc names the system's error.
        if code != 0, String(decoding: end.standardError, as: UTF8.self).contains("(os error ") {
            throw Unstored(.failed, "the system refused something")
        }
        guard end.isWhole else { throw Unstored(.storeFailed, "its messages are larger than \(Run.limit) bytes") }
        if session.settings.isReadOnly { throw Unstored(.readOnly) }
        let trace: Trace
        do { trace = try TraceFile.read(tracePath) } catch { throw Unstored(.unobservable, "\(error)") }
        var observation = observed(trace, session.environment, process: end.process)
        session.endPhase("trace")
        if let reason = observation.unobservable { throw Unstored(.unobservable, reason) }
        if code != 0, observation.ranPrograms {
            throw Unstored(.failed, "exit code \(code), with a program that it ran")
        }
        if code != 0, let path = observation.failedWrite { throw Unstored(.failed, "can't write \(path)") }
        if let path = observation.sideEffects { throw Unstored(.sideEffect, path) }
        if call.incremental != nil, incrementalSessions().isSubset(of: sessionsBefore) {
            throw Unstored(.incrementalReuse)
        }
        var holding = HeldPaths(roots, session.environment, currentFolder: place.currentFolder)
        if let path = depInfoPath, code == 0 {
            guard let text = try? Files.read(path) else { throw Unstored(.outputMissing, path) }
            let depInfo = DepInfo(text)
            observation.inputs += depInfo.variables.map { (Input.Kind.variable, $0) }
            if remapping != nil { holding.count(depInfo) }
        } else if call.kind == .compile, mayAskForVariables(observation) {
            observation.inputs += Observation.compilerVariables.map { (Input.Kind.variable, $0) }
        }
        if remapping != nil {
            holding.count(observation.guests)
            if observation.tellsOfFolders { holding.countEnvironment() }
            // It leads from the program's folder to the toolchain's by the folders between them.
            if call.usesRunPath { holding.count(["cwd", "out", "target", "sysroot"]) }
        }
        var inputs = try inputs(observation, session.environment, &before, store, started: started)
        var leaks = LeakCheck(roots, visited: observation.visited)
        // A source that names one of the folders means that one, wherever it is compiled; and so does the code that is
        // written to standard output, with the lengths of its texts in it.
        if remapping != nil, call.kind == .compile {
            for input in observation.inputs where input.kind == .file && input.name.hasSuffix(".rs") {
                try? leaks.search(input.name)
            }
            end.standardOutput.withUnsafeBytes { leaks.search($0) }
        }
        let outputs = try outputs(observation, store, &leaks, isComplete: code == 0, mustExist: code == 0 && !isProbe)
        let errors = Diagnostics.undone(end.standardError, remapping)
        if remapping != nil { holding.count(messages: errors) }
        inputs += leaks.leaked.union(holding.roots).sorted().compactMap { name in
            roots.roots.first { $0.name == name }.map { Input(.root, name, Digest(of: $0.path.utf8)) }
        }
        guard !Roots.holdsMarks(errors), !Roots.holdsMarks(end.standardOutput) else {
            throw Unstored(.storeFailed, "its messages hold bytes that stand for folders in the cache")
        }
        var hasher = FieldHasher()
        hasher.field("larder result")
        hasher.field(key.digest)
        for input in inputs {
            hasher.field(UInt64(input.kind.rawValue))
            hasher.field(input.name)
            hasher.field(input.digest)
        }
        let id = hasher.finish()
        let outcome = Outcome(
            exitCode: code,
            standardOutput: call.kind == .query ? roots.tokenized(text: end.standardOutput) : end.standardOutput,
            standardError: roots.adding(remapping?.packageRoots ?? []).tokenized(messages: errors),
            duration: session.event.compile,
            outputs: outputs
        )
        session.event.bytes = outcome.size
        do {
            try store.put(outcome, as: id)
            try store.add(Manifest.Entry(result: id, inputs: inputs), to: key.digest)
        } catch { throw Unstored(.storeFailed, "\(error)") }
        return id
    }

    /// Whether the source may ask for variables with `env!`, where no dep-info says for which.
    private func mayAskForVariables(_ observation: Observed) -> Bool {
        // A macro of another crate may hold the `env!`.
        if !call.externs.isEmpty { return true }
        let sources = observation.inputs.filter { $0.kind == .file && $0.name.hasSuffix(".rs") }.map(\.name)
        var named = Sources(sources)
        if let standardInput { named.search(standardInput) }
        return !named.isEmpty
    }

    /// Digests what was read, as it is now, and refuses what may have changed since.
    private func inputs(
        _ observation: Observed,
        _ environment: Environment,
        _ before: inout World,
        _ store: borrowing Store,
        started: Int64
    ) throws(Unstored) -> [Input] {
        var world = World(call, roots: roots, environment: environment, currentFolder: place.currentFolder)
        var inputs: [Input] = []
        inputs.reserveCapacity(observation.inputs.count)
        for (kind, name) in observation.inputs {
            let stored: String
            switch kind {
            case .file, .absent, .exists, .listing, .link, .target: stored = roots.tokenized(path: name)
            case .variable, .program, .currentFolder, .root, .environment, .extern: stored = name
            }
            guard let digest = world.digest(kind, stored, memo: store.memo) else {
                throw Unstored(.inputChanged, "\(name) is not as the compile saw it")
            }
            // A file written as late as this may differ from what the compile read, unless we know who wrote it.
            if kind == .file, let stamp = world.stamp(of: name), stamp.latest >= started,
                !store.wrote(digest, stamp), before.known(.file, stored) != digest
            {
                throw Unstored(.inputChanged, name)
            }
            // Another file may lie there by now, by a link or a folder that was moved, which changes no time of a file.
            if kind == .file, let opened = observation.opened[name], let stamp = world.stamp(of: name),
                opened != [stamp.traceStamp], before.known(.file, stored) != digest
            {
                throw Unstored(.inputChanged, name)
            }
            if kind == .listing, let stamp = FileStamp(of: name), stamp.latest >= started {
                throw Unstored(.inputChanged, name)
            }
            inputs.append(Input(kind, stored, digest))
        }
        for name in World.externs(call) {
            guard let digest = world.digest(.extern, name, memo: store.memo) else {
                throw Unstored(.inputChanged, "--extern \(name)")
            }
            inputs.append(Input(.extern, name, digest))
        }
        return Set(inputs).sorted { ($0.kind.rawValue, $0.name) < ($1.kind.rawValue, $1.name) }
    }

    private func outputs(
        _ observation: Observed,
        _ store: borrowing Store,
        _ leaks: inout LeakCheck,
        isComplete: Bool,
        mustExist: Bool
    ) throws(Unstored) -> [Outcome.Output] {
        var paths = observation.outputs
        // What a failed compile did not write itself is left from another one.
        if isComplete, let folder = call.outputFolder.map({ Roots.absolute($0, in: place.currentFolder) }) {
            for name in call.expectedNames {
                let path = "\(folder)/\(name)"
                if FileStamp(of: path) != nil {
                    paths.insert(path)
                } else if mustExist {
                    throw Unstored(.outputMissing, path)
                }
            }
        }
        var outputs: [Outcome.Output] = []
        // In reverse: the rmeta before the rlib that holds the same, which can be packed without it then.
        for path in paths.sorted(by: >) {
            guard let stamp = FileStamp(of: path), stamp.kind == .file else { continue }
            let output: Outcome.Output
            do throws(SystemError) {
                if path == depInfoPath {
                    let text = roots.tokenized(depInfo: try Files.read(path))
                    output = Outcome.Output(
                        path: roots.tokenized(path: path),
                        isExecutable: false,
                        size: UInt64(text.count),
                        content: .text(text)
                    )
                } else {
                    leaks.begin()
                    let kept = remapping == nil ? try store.keep(path) : try store.keep(path) { leaks.add($0) }
                    guard let kept else { throw SystemError("keep", path, EAGAIN) }
                    output = Outcome.Output(
                        path: roots.tokenized(path: path),
                        isExecutable: kept.stamp.isExecutable,
                        size: kept.stamp.size,
                        content: .blob(kept.digest)
                    )
                }
            } catch { throw Unstored(.storeFailed, "\(error)") }
            outputs.append(output)
        }
        return outputs
    }

    /// Where the call's dep-info goes.
    private var depInfoPath: String? {
        guard let emit = call.emits.first(where: { $0.kind == "dep-info" }) else { return nil }
        if let own = emit.path { return Roots.absolute(own, in: place.currentFolder) }
        guard let folder = call.outputFolder, let crate = call.crateName else { return nil }
        return Roots.absolute("\(folder)/\(crate)\(call.extraFilename).d", in: place.currentFolder)
    }

    // MARK: Incremental sessions

    /// Session folders that this crate may use. A compile that finds its own there builds on it, and is not stored;
    /// after a first build the only new one is its own.
    /// Source: `rustc_incremental::persist::fs`: `{incremental}/{crate name}-{stable crate id}/`.
    private func incrementalSessions() -> Set<String> {
        guard let folder = call.incremental, let crate = call.crateName else { return [] }
        let names = (try? Files.listNames(Roots.absolute(folder, in: place.currentFolder))) ?? []
        return Set(names.filter { $0.hasPrefix(crate + "-") })
    }
}

extension FileStamp {
    /// As the observer notes what is opened.
    fileprivate var traceStamp: UInt64 {
        Trace.stamp(device: device, inode: inode, size: size, modified: modified)
    }
}
