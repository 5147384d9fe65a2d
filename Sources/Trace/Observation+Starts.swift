internal import Glibc
internal import Platform

extension Observation {
    /// Programs that were started, and what came of it.
    struct Starts {
        /// The error of each exec or spawn that failed, by the offset of its record.
        var failures: [UInt64: Int32] = [:]
        /// The child of each spawn that succeeded; 0 where the call does not tell.
        var children: [UInt64: Int32] = [:]
        var hellos: [Hello] = []

        struct Hello {
            let offset: UInt64
            let pid: Int32
            let parent: Int32
            /// The path that exec was given.
            let path: ArraySlice<UInt8>
        }

        init() {}

        init(_ trace: Trace) {
            for record in trace.records {
                switch record.kind {
                case .execFailed: failures[record.value] = record.error
                case .spawned where record.error != 0: failures[record.value] = record.error
                case .spawned: children[record.value] = Int32(bitPattern: record.type)
                case .hello:
                    hellos.append(
                        Hello(
                            offset: record.offset,
                            pid: record.pid,
                            parent: Int32(truncatingIfNeeded: record.value),
                            path: record.second
                        )
                    )
                default: break
                }
            }
        }
    }

    /// Every program that was started must have said hello, by the name it was started with: one that did not is static,
    /// or of another libc, even if a program that it then ran in its place was seen.
    mutating func checkStarts(_ trace: Trace) {
        for record in trace.records where asker(record) != .nobody {
            switch record.kind {
            case .exec where starts.failures[record.offset] == nil:
                let next = starts.hellos.first { $0.pid == record.pid && $0.offset > record.offset }
                if !isNamed(next, record) { failUnseen(record) }
            case .spawn where starts.failures[record.offset] == nil:
                // Without an outcome the caller was killed while it waited for one.
                let child = starts.children[record.offset] ?? 0
                let isSeen =
                    child == 0
                    ? starts.hellos.contains {
                        $0.parent == record.pid && $0.offset > record.offset && isNamed($0, record)
                    }
                    : isNamed(starts.hellos.first { $0.pid == child && $0.offset > record.offset }, record)
                if !isSeen { failUnseen(record) }
            case .unseen: fail("a process did what can't be followed: \(text(record.first) ?? "?")")
            case .connect where record.error == 0 && asker(record) != .compiler:
                let name = text(record.first) ?? "?"
                if !Noise.isNameService(name) { fail("a process talked to \(name)") }
            default: break
            }
        }
    }

    private func isNamed(_ hello: Starts.Hello?, _ record: Trace.Record) -> Bool {
        guard let hello else { return false }
        let slash = UInt8(ascii: "/")
        // An exec by descriptor has no other name than that.
        if hello.path.starts(with: "/dev/fd/".utf8) { return true }
        if record.first.contains(slash) { return hello.path == record.first }
        return hello.path.split(separator: slash).last == record.first
    }

    private mutating func failUnseen(_ record: Trace.Record) {
        hasUnseenProgram = true
        fail("\(text(record.first) ?? "?") was run and could not be observed (a static program, or of another libc)")
    }

    /// What an exec or a spawn depends on.
    mutating func takeStart(_ record: Trace.Record) {
        guard let program = text(record.first), !program.isEmpty else { return }
        guard program.utf8.contains(UInt8(ascii: "/")) else { return takeLookup(program, record) }
        guard let path = path(record.first) else { return }
        switch starts.failures[record.offset] {
        case nil: insert(.file, path)
        case ENOENT, ENOTDIR: insert(.absent, path)
        default: insert(.exists, path)
        }
    }

    /// A name that was looked up in `PATH`. Where that is the wrapper's own, but for folders of the toolchain that rustc
    /// puts before it, the name can be looked up again later; else each place is an input.
    private mutating func takeLookup(_ program: String, _ record: Trace.Record) {
        let places = record.second.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        let others = places.filter { place in
            guard let folder = text(place) else { return true }
            return !isBelow(folder, rules.sysroot)
        }
        let isOurs = [places, others].contains {
            hash($0.joined(separator: [UInt8(ascii: ":")])) == rules.variables["PATH"]
        }
        if isOurs {
            dependencies.insert(.program(program))
            return
        }
        for place in others {
            guard let folder = text(place) else { return }
            guard folder.utf8.first == UInt8(ascii: "/") else {
                return fail("\(program) was looked up in the relative folder '\(folder)' of PATH")
            }
            let path = "\(folder)/\(program)"
            if access(path, X_OK) == 0 { return insert(.file, path) }
            insert(access(path, F_OK) == 0 ? .exists : .absent, path)
        }
    }

    private func hash(_ bytes: some Sequence<UInt8>) -> UInt64 { Trace.hash(bytes) }

    // MARK: What a program is told

    mutating func takeProgram(_ record: Trace.Record, _ asker: Asker) {
        guard asker == .child, let program = path(record.first) else { return }
        insert(.file, program)
        if Noise.isInterpreter(program) {
            dependencies.insert(.environment)
            if images[record.image]?.isIndifferent != true { tellsOfFolders = true }
        }
        if Noise.isOfTheMoment(program) { fail("\(program) was run, whose answer is of this moment or machine alone") }
    }

    /// Whether a shell runs a script that can be seen to make nothing of the folders that its variables tell it: it uses no
    /// variable but its arguments. A linker's `exec cc "$@"` is one; a command given as text can't be seen.
    mutating func isPlainScript(_ record: Trace.Record, of program: String) -> Bool {
        guard Noise.isShell(program), let script = path(record.second), script != program,
            let text = try? Files.read(script, limit: 1 << 20), text.starts(with: "#!".utf8)
        else { return false }
        let harmless = Set("@*#?!123456789(".utf8)
        let usesVariables = text.indices.contains { index in
            text[index] == UInt8(ascii: "$") && !(index + 1 < text.count && harmless.contains(text[index + 1]))
        }
        let lowercased = String(decoding: text, as: UTF8.self).lowercased()
        let others = ["pwd", "~", "env", "set", "export", "`", "eval", "source", ". ", "declare", "dirs"]
        return !usesVariables && !others.contains { lowercased.contains($0) }
    }
}
