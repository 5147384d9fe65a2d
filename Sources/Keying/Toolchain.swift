internal import CPlatform
package import Digest
internal import Glibc
package import Platform
package import RustcCall
package import Store

/// The compiler behind a call: which one it is, told by its bytes and not by its name or version text.
///
///     toolchain = text (sysroot) text (compiler) digest (identity) number (witnesses) witness*
///     witness   = text (path) number (0: nothing there, 1: there) [device inode size modified changed]
///
/// Kept in the cache by what the call names. It holds for as long as every witness is as it was: the compiler's own
/// files, and for a rustup proxy also the files by which rustup chooses. So a proxy is asked once, and no compiler is
/// started to be identified.
package struct Toolchain: Sendable {
    /// The folder that holds `bin`, `lib` and `lib/rustlib`.
    package let sysroot: String
    /// The real compiler, behind any proxy.
    package let compiler: String
    /// Digest over the compiler, its libraries and the standard libraries it links.
    package let identity: Digest

    /// The libraries in which the compiler really is. The identity has their content.
    package var libraries: [String] { Self.driverLibraries(sysroot) }

    /// Why a compiler could not be identified.
    package struct Unidentified: Error {
        package let detail: String
    }

    /// Identifies the compiler that a call names.
    ///
    /// - Parameters:
    ///   - program: absolute path of what is to be run.
    package static func identify(
        _ program: String,
        _ call: RustcCall,
        _ environment: Environment,
        currentFolder: String,
        store: inout Store
    ) throws(Unidentified) -> Toolchain {
        let isProxy = isRustupProxy(program)
        var hasher = FieldHasher()
        hasher.field("larder toolchain")
        hasher.field(UInt64(Codec.version))
        hasher.field(program)
        hasher.field(call.target ?? "")
        hasher.field(call.sysroot.map { Roots.absolute($0, in: currentFolder) } ?? "")
        let choice = isProxy ? RustupChoice(environment, currentFolder: currentFolder) : nil
        choice?.add(to: &hasher)
        let path = store.path("toolchains", hasher.finish())
        if let bytes = try? Files.read(path) {
            if let record = try? Record(bytes) {
                if record.holds { return record.toolchain }
            } else {
                store.drop(path)
            }
        }
        let record = try make(program, choice, call, environment, currentFolder, store.memo)
        // Not kept: the next call finds out again.
        if (try? Files.makeFolder(Files.folder(of: path), mode: 0o700)) != nil {
            try? Files.replace(path, with: record.encoded)
        }
        return record.toolchain
    }

    /// rustup's proxies are links to `rustup`, or copies of it that stand beside it.
    private static func isRustupProxy(_ program: String) -> Bool {
        let real = Files.realPath(program) ?? program
        if Files.name(of: real).hasPrefix("rustup") { return true }
        guard let own = FileStamp(of: real), let rustup = FileStamp(of: Files.folder(of: real) + "/rustup") else {
            return false
        }
        return own.inode == rustup.inode || own.size == rustup.size
    }

    // MARK: Making a record

    private static func make(
        _ program: String,
        _ choice: RustupChoice?,
        _ call: RustcCall,
        _ environment: Environment,
        _ currentFolder: String,
        _ memo: borrowing Memo
    ) throws(Unidentified) -> Record {
        var witnesses = Witnesses()
        witnesses.add(program)
        var sysroot = Files.folder(of: Files.folder(of: Files.realPath(program) ?? program))
        for path in choice?.files ?? [] { witnesses.add(path) }
        if choice != nil || driverLibraries(sysroot).isEmpty {
            sysroot = try ask(program, environment)
        }
        guard !driverLibraries(sysroot).isEmpty else {
            throw Unidentified(detail: "no librustc_driver in \(sysroot)/lib")
        }
        let compiler = choice != nil ? "\(sysroot)/bin/\(Files.name(of: program))" : program
        var files = [compiler]
        let rustc = "\(sysroot)/bin/rustc"
        if rustc != compiler, access(rustc, F_OK) == 0 { files.append(rustc) }
        files += driverLibraries(sysroot)
        var libraries = ["\(sysroot)/lib/rustlib"]
        if let other = call.sysroot {
            libraries.append(Roots.absolute(other, in: currentFolder) + "/lib/rustlib")
        }
        // A target may be given by its file, `NAME.json`; its libraries lie under the name.
        let target = call.target.map { $0.hasSuffix(".json") ? String(Files.name(of: $0).dropLast(5)) : $0 }
        for folder in libraries {
            witnesses.add(folder)
            for triple in (try? Files.listNames(folder)) ?? [] {
                // A proc macro links the host's standard library, the crate the target's; others change nothing.
                guard triple == target || isHost(triple, sysroot), triple != "etc", triple != "src" else { continue }
                addTree("\(folder)/\(triple)", &files, &witnesses)
            }
        }
        var hasher = FieldHasher()
        hasher.field("larder toolchain identity")
        for (file, found) in zip(files, fingerprints(files, memo)) {
            guard let (fingerprint, stamp) = found else { throw Unidentified(detail: "can't read \(file)") }
            witnesses.add(file, stamp)
            hasher.field(file.hasPrefix(sysroot) ? String(file.dropFirst(sysroot.count)) : Files.name(of: file))
            hasher.field(fingerprint)
        }
        return Record(
            toolchain: Toolchain(sysroot: sysroot, compiler: compiler, identity: hasher.finish()),
            witnesses: witnesses
        )
    }

    /// The triple that the compiler itself runs on: the one whose folder holds its tools, or the only one there is.
    private static func isHost(_ triple: String, _ sysroot: String) -> Bool {
        let folder = "\(sysroot)/lib/rustlib"
        if access("\(folder)/\(triple)/bin", F_OK) == 0 || access("\(folder)/\(triple)/codegen-backends", F_OK) == 0 {
            return true
        }
        let triples = ((try? Files.listNames(folder)) ?? []).filter { access("\(folder)/\($0)/lib", F_OK) == 0 }
        return !triples.contains { access("\(folder)/\($0)/bin", F_OK) == 0 }
    }

    /// The libraries in which the compiler really is. The folder's own `lib`, or a distribution's.
    private static func driverLibraries(_ sysroot: String) -> [String] {
        var found: [String] = []
        let base = sysroot + "/lib"
        for folder in [base]
            + ((try? Files.listNames(base)) ?? []).filter({ $0.hasSuffix("-linux-gnu") }).map({
                "\(base)/\($0)"
            })
        {
            for name in (try? Files.listNames(folder)) ?? []
            where name.hasPrefix("librustc_driver") || name.hasPrefix("libLLVM") {
                found.append("\(folder)/\(name)")
            }
        }
        return found.contains { $0.contains("librustc_driver") } ? found : []
    }

    private static func addTree(_ folder: String, _ files: inout [String], _ witnesses: inout Witnesses) {
        witnesses.add(folder)
        for name in (try? Files.listNames(folder)) ?? [] {
            let path = "\(folder)/\(name)"
            switch FileStamp(of: path)?.kind {
            case .folder: addTree(path, &files, &witnesses)
            case .file: files.append(path)
            default: break
            }
        }
    }

    /// Each file's fingerprint, and its stamp when it had that.
    private static func fingerprints(_ files: [String], _ memo: borrowing Memo) -> [(Digest, FileStamp)?] {
        var found = files.map { path -> (Digest, FileStamp)? in
            guard let stamp = FileStamp(of: path), let known = memo.digest(for: stamp, salt: Fingerprints.salt) else {
                return nil
            }
            return (known, stamp)
        }
        let unknown = files.indices.filter { found[$0] == nil }
        for (index, read) in zip(unknown, Fingerprints.of(unknown.map { files[$0] })) {
            guard let read else { continue }
            if fileClockNow() &- read.stamp.latest > Memo.youth {
                memo.remember(read.fingerprint, for: read.stamp, salt: Fingerprints.salt)
            }
            found[index] = (read.fingerprint, read.stamp)
        }
        return found
    }

    /// Set while a compiler is asked, or looked for further on in `PATH`: a copy of larder that is found there must not ask
    /// the next copy, which would ask the first.
    package static let guardVariable = "LARDER_LOOKED_UP"

    /// Asks a compiler for its sysroot.
    private static func ask(_ program: String, _ environment: Environment) throws(Unidentified) -> String {
        guard environment.bytes(guardVariable) == nil else {
            throw Unidentified(detail: "\(program) leads back to larder")
        }
        let rustc = Files.folder(of: program) + "/rustc"
        let asked = access(rustc, X_OK) == 0 ? rustc : program
        let entries = environment.entries + [Array("\(guardVariable)=\(getpid())".utf8)]
        guard let run = try? Run(asked, [asked, "--print", "sysroot"], environment: entries),
            let end = try? run.collect(), larder_exited(end.status) != 0, larder_exit_code(end.status) == 0,
            let line = String(validating: end.standardOutput, as: UTF8.self)?.split(separator: "\n").first,
            line.utf8.first == UInt8(ascii: "/")
        else { throw Unidentified(detail: "\(asked) --print sysroot gives no folder") }
        return String(line)
    }
}

/// Files by whose stamps a record is seen to hold still.
struct Witnesses {
    var stamps: [(path: String, stamp: FileStamp?)] = []

    mutating func add(_ path: String) { add(path, FileStamp(of: path)) }

    mutating func add(_ path: String, _ stamp: FileStamp?) {
        guard !stamps.contains(where: { $0.path == path }) else { return }
        stamps.append((path, stamp))
    }
}

private struct Record {
    let toolchain: Toolchain
    let witnesses: Witnesses

    init(toolchain: Toolchain, witnesses: Witnesses) {
        self.toolchain = toolchain
        self.witnesses = witnesses
    }

    var holds: Bool {
        witnesses.stamps.allSatisfy { path, stamp in
            guard let now = FileStamp(of: path), let stamp else { return stamp == nil && FileStamp(of: path) == nil }
            return now.device == stamp.device && now.inode == stamp.inode && now.size == stamp.size
                && now.modified == stamp.modified && now.changed == stamp.changed
        }
    }

    init(_ bytes: [UInt8]) throws(Codec.Damaged) {
        var decoder = try Decoder(bytes, .toolchain)
        let sysroot = try decoder.text()
        let compiler = try decoder.text()
        toolchain = Toolchain(sysroot: sysroot, compiler: compiler, identity: try decoder.digest())
        var witnesses = Witnesses()
        for _ in 0..<(try decoder.count()) {
            let path = try decoder.text()
            guard try decoder.number() == 1 else {
                witnesses.stamps.append((path, nil))
                continue
            }
            let device = try decoder.number()
            let inode = try decoder.number()
            let size = try decoder.number()
            let modified = Int64(bitPattern: try decoder.number())
            let changed = Int64(bitPattern: try decoder.number())
            let stamp = FileStamp(
                device: device,
                inode: inode,
                size: size,
                modified: modified,
                changed: changed,
                mode: 0
            )
            witnesses.stamps.append((path, stamp))
        }
        self.witnesses = witnesses
        guard decoder.isAtEnd else { throw Codec.Damaged() }
    }

    var encoded: [UInt8] {
        var encoder = Encoder(.toolchain)
        encoder.text(toolchain.sysroot)
        encoder.text(toolchain.compiler)
        encoder.digest(toolchain.identity)
        encoder.count(witnesses.stamps.count)
        for (path, stamp) in witnesses.stamps {
            encoder.text(path)
            guard let stamp else {
                encoder.number(0)
                continue
            }
            encoder.number(1)
            for word in [
                stamp.device, stamp.inode, stamp.size, UInt64(bitPattern: stamp.modified),
                UInt64(bitPattern: stamp.changed),
            ] { encoder.number(word) }
        }
        return encoder.finish()
    }
}
