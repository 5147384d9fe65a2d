internal import Glibc
internal import Platform

/// What the processes of one compile read and wrote. **Who asks decides what counts**:
///
/// - The compiler's own reads count as files, or as places where nothing was. Its variables are in dep-info or in the
///   unit key; it lists folders to find what it then opens.
/// - A proc macro runs in the compiler's process but in a shared object of its own: all it asks for counts.
/// - So it does for a child process (a linker, `git`), but for the noise.
/// - Of the toolchain nothing counts: its identity is part of the unit key. Nor does what the compile wrote itself.
package struct Observation: Sendable {
    package internal(set) var dependencies: Set<Dependency> = []
    /// Files that were written and may still be there, where outputs belong.
    package internal(set) var outputs: Set<String> = []
    /// Files that were written elsewhere and may still be there.
    package internal(set) var sideEffects: Set<String> = []
    /// What proc macros asked for: variables, and paths that they looked at, opened or ran.
    package private(set) var guests = Guests()
    /// Why what was seen can't be all.
    package internal(set) var unobservable: String?
    /// A file that could not be opened for writing: what a failing compile then says may be no longer true.
    package private(set) var failedWrite: String?
    /// What was opened under each path, by the hash of its device, inode, size and time; several where it was replaced
    /// meanwhile.
    package private(set) var opened: [String: Set<UInt64>] = [:]
    /// Whether a program was run.
    package var ranPrograms: Bool { images.contains { $0.key != compilerImage && !$0.value.isProxy } }
    /// Whether a program was run that was not seen, so that it may be the observer that made it fail.
    package internal(set) var hasUnseenProgram = false
    /// Whether what a child process was told of this folder, or of the whole environment, may show in the result.
    package internal(set) var tellsOfFolders = false
    /// Folders above this compile's own in which a proc macro or a child found something.
    package private(set) var visited: Set<String> = []

    package struct Guests: Sendable {
        package internal(set) var variables: Set<String> = []
        package internal(set) var paths: Set<String> = []
        package internal(set) var askForCurrentFolder = false

        package init() {}
    }

    let rules: ObservationRules
    var images: [UInt32: Image] = [:]
    var compilerImage: UInt32?
    var starts = Starts()
    /// Paths that the compile made, moved or removed.
    var touched: Set<String> = []
    var madeFolders: [String] = []
    private var composed: [String: [UInt8]] = [:]

    struct Image {
        let pid: Int32
        let program: String
        /// Whether it makes nothing of the folders that it asks for: it only links, or is a shell with a plain script.
        var isIndifferent: Bool
        var objects: [UInt32: (path: String, isFromStart: Bool)] = [:]
        var environment: Set<Pair> = []
        /// Whether it ran before the compiler, in the same process: rustup's proxy.
        var isProxy = false
    }

    struct Pair: Hashable {
        let name: UInt64
        let value: UInt64
    }

    enum Asker { case compiler, guest, child, nobody }

    package init(_ trace: Trace, _ rules: ObservationRules) {
        self.rules = rules
        if trace.hasOverflowed { unobservable = "the compile did more than the trace has room for" }
        if trace.isBroken { unobservable = "a process of the compile was stopped while it was observed" }
        readImages(trace)
        readWrites(trace)
        starts = Starts(trace)
        for record in trace.records { take(record) }
        dropRejectedCandidates()
        checkStarts(trace)
        if compilerImage == nil, unobservable == nil { unobservable = "the compiler itself could not be observed" }
    }

    // MARK: Programs

    private mutating func readImages(_ trace: Trace) {
        for record in trace.records {
            switch record.kind {
            case .hello:
                guard let program = text(record.first) else { continue }
                let isIndifferent = Noise.isLinkTool(program) || isPlainScript(record, of: program)
                images[record.image] = Image(pid: record.pid, program: program, isIndifferent: isIndifferent)
                if record.pid == rules.rootProcess {
                    if let earlier = compilerImage { images[earlier]?.isProxy = true }
                    compilerImage = record.image
                }
            case .object:
                guard let path = text(record.first) else { continue }
                images[record.image]?.objects[record.object] = (path, record.flags & 1 != 0)
            case .environment:
                let fields = ByteFields(Array(record.first))
                for offset in stride(from: 0, to: record.first.count - 15, by: 16) {
                    images[record.image]?.environment.insert(
                        Pair(
                            name: fields.number(at: offset, as: UInt64.self),
                            value: fields.number(at: offset + 8, as: UInt64.self)
                        )
                    )
                }
            default: break
            }
        }
        if let image = compilerImage, images[image]?.program != rules.compiler {
            unobservable = "\(images[image]?.program ?? "?") ran where \(rules.compiler) was expected"
        }
    }

    func asker(_ record: Trace.Record) -> Asker {
        guard let image = images[record.image], !image.isProxy else { return .nobody }
        guard record.image == compilerImage else { return .child }
        guard let object = image.objects[record.object] else { return .guest }
        if object.isFromStart || object.path.isEmpty || isBelow(object.path, rules.sysroot) { return .compiler }
        return .guest
    }

    /// To find a proc macro by its hash rustc opens every library of its name in the dependency folder, those that another
    /// build left there too. What it takes it loads; the others say nothing about the compile.
    private mutating func dropRejectedCandidates() {
        guard let image = compilerImage.flatMap({ images[$0] }) else { return }
        let loaded = Set(image.objects.values.filter { !$0.isFromStart }.map { asGiven($0.path) })
        let names = Set(loaded.compactMap { Self.crateName(ofLibrary: $0) })
        for case .file(let path) in dependencies
        where path.hasSuffix(".so") && !loaded.contains(path)
            && Self.crateName(ofLibrary: path).map(names.contains) == true
            && rules.dependencyFolders.contains(where: { isBelow(path, $0) })
        {
            dependencies.remove(.file(path))
        }
    }

    /// `deps/libserde_derive` of `deps/libserde_derive-16865a92d8df4b7d.so`.
    private static func crateName(ofLibrary path: String) -> Substring? {
        guard let dash = path.utf8.lastIndex(of: UInt8(ascii: "-")), !path[dash...].utf8.contains(UInt8(ascii: "/"))
        else {
            return nil
        }
        return path[..<dash]
    }

    mutating func fail(_ reason: String) {
        if unobservable == nil { unobservable = reason }
    }

    // MARK: Reads

    private mutating func take(_ record: Trace.Record) {
        let asker = asker(record)
        guard asker != .nobody else { return }
        if asker == .guest { note(record) }
        if asker == .guest || asker == .child, record.error == 0 { visit(record) }
        switch record.kind {
        case .hello: takeProgram(record, asker)
        case .object: takeObject(record)
        case .open: takeOpen(record, asker)
        case .look: takeLook(record, asker)
        case .resolve, .readLink: takeLink(record, asker)
        case .list: takeListing(record, asker)
        case .variable: takeVariable(record, asker)
        case .currentFolder where asker != .compiler:
            dependencies.insert(.currentFolder)
            if asker == .child, images[record.image]?.isIndifferent != true { tellsOfFolders = true }
        case .exec, .spawn: takeStart(record)
        case .moment where asker == .guest: fail("a proc macro asked for \(text(record.first) ?? "?")")
        default: break
        }
    }

    private mutating func visit(_ record: Trace.Record) {
        guard [.open, .look, .resolve, .readLink, .list].contains(record.kind), let path = path(record.first),
            let slash = path.utf8.lastIndex(of: UInt8(ascii: "/"))
        else { return }
        for folder in [path, String(path[..<slash])] where rules.foldersAbove.contains(folder) {
            visited.insert(folder)
        }
    }

    private mutating func note(_ record: Trace.Record) {
        switch record.kind {
        case .open, .look, .resolve, .readLink, .list, .exec, .spawn:
            if let path = text(record.first) { guests.paths.insert(path) }
        case .variable:
            if let name = text(record.first), !Noise.guestVariables.contains(name) { guests.variables.insert(name) }
        case .currentFolder: guests.askForCurrentFolder = true
        default: break
        }
    }

    private mutating func takeObject(_ record: Trace.Record) {
        guard let path = path(record.first), path.utf8.first == UInt8(ascii: "/") else { return }
        // What the compiler starts with is its toolchain and the C library, on which its output does not depend.
        if record.image == compilerImage, record.flags & 1 != 0 { return }
        insert(.file, path)
        // A macro that goes through the whole environment makes no call that could be seen, but it names the variable.
        if record.image == compilerImage, !isBelow(path, rules.sysroot), SharedObject.names("environ", in: path) {
            dependencies.insert(.environment)
            tellsOfFolders = true
        }
        // The loader looks for a macro's own libraries by itself; where it looked in vain no call shows.
        if record.image == compilerImage, !isToolchain(path),
            !["/lib", "/lib64", "/usr"].contains(where: { isBelow(path, $0) }),
            !rules.dependencyFolders.contains(where: { isBelow(path, $0) })
        {
            dependencies.insert(.variable("LD_LIBRARY_PATH"))
        }
    }

    private mutating func takeOpen(_ record: Trace.Record, _ asker: Asker) {
        guard let path = path(record.first) else { return }
        if record.flags & 0b1110 != 0 {
            if record.error != 0, record.error != EEXIST, failedWrite == nil { failedWrite = path }
            return
        }
        if record.error != 0 { return takeFailure(record, path, asker) }
        if record.flags & 32 == 0, record.type == FileType.regular {
            if !touched.contains(path) { opened[path, default: []].insert(record.value) }
            if asker == .child { takeSearched(path) }
            return insert(.file, path)
        }
        if asker == .compiler { return }
        insert(.exists, path)
        // What comes through a pipe can't be asked for again. Make's jobserver is one, whose name says so.
        if record.flags & 32 == 0, record.type == FileType.pipe, !path.contains("GMfifo") {
            fail("a process read from the pipe \(path)")
        }
    }

    private mutating func takeLook(_ record: Trace.Record, _ asker: Asker) {
        guard let path = path(record.first) else { return }
        if record.error != 0 { return takeFailure(record, path, asker) }
        if asker == .compiler { return }
        if asker == .child { takeSearched(path) }
        // A stat tells a file's size and times, by which `git` for one knows that it was changed: only its content says
        // whether the answer would be the same. `access` tells that it is there.
        let isStat = record.flags & 2 == 0
        insert(isStat && record.type == FileType.regular ? .file : .exists, path)
    }

    /// `readlink` and `realpath`. What lies behind the link is the input, so a link that is pointed elsewhere is noticed
    /// by what it leads to. But a proc macro, `git` or a script may use the answer itself.
    private mutating func takeLink(_ record: Trace.Record, _ asker: Asker) {
        guard let path = path(record.first) else { return }
        if record.error != 0 { return takeFailure(record, path, asker) }
        if asker == .compiler { return }
        if asker == .guest || images[record.image]?.isIndifferent != true {
            insert(record.kind == .readLink ? .link : .target, path)
        }
        var found = stat()
        let isFile = stat(path, &found) == 0 && (found.st_mode & S_IFMT) == S_IFREG
        insert(isFile ? .file : .exists, path)
    }

    private mutating func takeFailure(_ record: Trace.Record, _ path: String, _ asker: Asker) {
        switch record.error {
        case ENOENT, ENOTDIR:
            // In what order crates come to lie in the dependency folder is Cargo's affair; rustc takes what it needs by
            // hash, and what it took is a file among the inputs.
            if asker == .compiler, rules.dependencyFolders.contains(where: { isBelow(path, $0) }) { return }
            insert(.absent, path)
        case EINVAL where record.kind == .readLink:  // no symbolic link
            if asker != .compiler { insert(.exists, path) }
        case EACCES where record.kind == .look && record.flags & 2 != 0, EROFS where record.kind == .look:
            if asker != .compiler { insert(.exists, path) }
        default:
            if !isIgnored(path), asker != .compiler { fail("\(path) could not be read (errno \(record.error))") }
        }
    }

    private mutating func takeListing(_ record: Trace.Record, _ asker: Asker) {
        guard let path = path(record.first) else { return }
        if record.error != 0 { return takeFailure(record, path, asker) }
        if asker == .compiler, !rules.crateFolders.contains(path) { return }
        insert(.listing, path)
    }

    private mutating func takeVariable(_ record: Trace.Record, _ asker: Asker) {
        guard let name = text(record.first) else { return }
        guard !(asker == .guest ? Noise.guestVariables : Noise.variables).contains(name) else { return }
        if asker == .compiler {
            guard rules.countsCompilerVariables, !Self.compilerVariables.contains(name) else { return }
        }
        // Another value than the wrapper's was made inside the compile, from what is an input already.
        let isSet = record.flags & 1 != 0
        guard rules.variables[name] == (isSet ? record.value : nil) else { return }
        dependencies.insert(.variable(name))
    }

    /// Variables that rustc, its libraries and LLVM ask for in every compile and that the unit key holds where they matter.
    ///
    /// `env!` may ask for them, too: dep-info says so where it is written.
    package static let compilerVariables: Set<String> = [
        "RUSTC_BOOTSTRAP", "RUSTC_LOG", "RUSTC_LOG_COLOR", "RUSTC_ICE", "RUSTC_COLOR", "CARGO", "PATH", "HOME",
        "RUST_TARGET_PATH", "RUSTC_OVERRIDE_VERSION_STRING", "RUSTC_FORCE_RUSTC_VERSION", "SYSROOT",
        "CARGO_PRIMARY_PACKAGE",
        "CLIPPY_ARGS", "CLIPPY_CONF_DIR", "CLIPPY_DISABLE_DOCS_LINKS", "LD_LIBRARY_PATH", "RAYON_NUM_THREADS",
        "RAYON_RS_NUM_CPUS", "XDG_CACHE_HOME", "RUSTC_TRANSLATION_NO_DEBUG_ASSERT",
    ]

    /// A child that finds a program where `PATH` leads to may have looked for it there, as gcc does for `ld.mold`: put
    /// another one before it, and the child finds that.
    private mutating func takeSearched(_ path: String) {
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return }
        let (folder, name) = (String(path[..<slash]), String(path[path.utf8.index(after: slash)...]))
        guard rules.searchPath.contains(folder),
            let first = rules.searchPath.first(where: { access("\($0)/\(name)", X_OK) == 0 }), first == folder
        else { return }
        dependencies.insert(.program(name))
    }

    enum PathKind { case file, absent, exists, listing, link, target }

    mutating func insert(_ kind: PathKind, _ path: String) {
        if isIgnored(path) || isToolchain(path) || touched.contains(path) { return }
        if madeFolders.contains(where: { isBelow(path, $0) }) { return }
        switch kind {
        case .file: dependencies.insert(.file(path))
        case .absent: dependencies.insert(.absent(path))
        case .exists: dependencies.insert(.exists(path))
        case .listing: dependencies.insert(.listing(path))
        case .link: dependencies.insert(.link(path))
        case .target: dependencies.insert(.target(path))
        }
    }

    /// Whether the toolchain's identity holds a file. The standard library's sources are not part of it: they are inputs
    /// where somebody builds them.
    func isToolchain(_ path: String) -> Bool {
        isBelow(path, rules.sysroot) && !isBelow(path, rules.sysroot + "/src")
    }

    func isIgnored(_ path: String) -> Bool {
        rules.ignoredFiles.contains(path) || Noise.files.contains(path) || path == "/"
            || Noise.folders.contains { isBelow(path, $0) } || rules.ignoredFolders.contains { isBelow(path, $0) }
    }

    func isBelow(_ path: String, _ folder: String) -> Bool {
        guard !folder.isEmpty, path.hasPrefix(folder) else { return false }
        let rest = path.utf8.dropFirst(folder.utf8.count)
        return rest.isEmpty || rest.first == UInt8(ascii: "/")
    }

    mutating func text(_ bytes: ArraySlice<UInt8>) -> String? {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            fail("a path or a variable's name is no UTF-8")
            return nil
        }
        if bytes.contains(where: { $0 >= 0x80 }) {
            // Swift takes two texts for one that differ only in how their letters are composed; a file system does not.
            if let known = composed[text], !known.elementsEqual(bytes) {
                fail("\(text) is written in two ways that look alike")
            }
            composed[text] = Array(bytes)
        }
        return text
    }

    /// A path without `//` and `/./`; what `..` means depends on links, so it stays.
    mutating func path(_ bytes: ArraySlice<UInt8>) -> String? {
        guard let text = text(bytes) else { return nil }
        guard text.utf8.first == UInt8(ascii: "/") else {
            if !text.isEmpty { fail("the path \(text) could not be made absolute") }
            return nil
        }
        var parts: [Substring] = []
        for part in text.utf8.split(separator: UInt8(ascii: "/")) where !part.elementsEqual(".".utf8) {
            parts.append(Substring(part))
        }
        let path = "/" + parts.joined(separator: "/")
        return asGiven(path)
    }

    /// A path in a folder that the compile was given by way of a link, by that way.
    private func asGiven(_ path: String) -> String {
        guard let link = rules.links.first(where: { isBelow(path, $0.real) }) else { return path }
        return link.given + path.dropFirst(link.real.count)
    }
}
