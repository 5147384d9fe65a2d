package import Digest
internal import Glibc
package import Platform
package import RustcCall
package import Store
internal import Trace

/// The world as this call finds it: what each input is now. Asked once for each input, however many sets name it.
package struct World {
    private let roots: Roots
    private let environment: Environment
    private let currentFolder: String
    private let externs: [RustcCall.Extern]
    private var known: [Key: Digest?] = [:]
    private var stamps: [String: FileStamp] = [:]

    private struct Key: Hashable {
        let kind: Input.Kind
        let name: String
    }

    /// What stands for a thing that is not there.
    private static let nothing = Digest(words: (0, 0, 0, 0))
    private static let unset = Digest(words: (0, 0, 0, 1))

    package init(_ call: RustcCall, roots: Roots, environment: Environment, currentFolder: String) {
        externs = call.externs
        self.roots = roots
        self.environment = environment
        self.currentFolder = currentFolder
        known.reserveCapacity(512)
    }

    /// Names of the inputs that a call's `--extern` files are, whatever their paths.
    package static func externs(_ call: RustcCall) -> [String] {
        call.externs.enumerated().filter { $0.element.path != nil }.map { "\($0.offset) \($0.element.name)" }
    }

    /// The stamp of a file that was looked at as an input, by its path.
    package func stamp(of path: String) -> FileStamp? { stamps[path] }

    /// What an input is now; `nil` where it isn't of its kind at all.
    ///
    /// - Parameter name: as in `Input`, with tokens.
    package mutating func digest(_ kind: Input.Kind, _ name: String, memo: borrowing Memo) -> Digest? {
        let key = Key(kind: kind, name: name)
        if let known = known[key] { return known }
        let digest = look(kind, name, memo)
        known[key] = .some(digest)
        return digest
    }

    /// What an input was when it was asked for; `nil` where it never was.
    package func known(_ kind: Input.Kind, _ name: String) -> Digest? { known[Key(kind: kind, name: name)] ?? nil }

    /// The first input of a set that is not as it was; `nil` if the set holds.
    package mutating func firstDifference(_ inputs: [Input], memo: borrowing Memo) -> Input? {
        for input in inputs where digest(input.kind, input.name, memo: memo) != input.digest { return input }
        return nil
    }

    private mutating func look(_ kind: Input.Kind, _ name: String, _ memo: borrowing Memo) -> Digest? {
        switch kind {
        case .variable:
            guard let value = environment.bytes(name) else { return Self.unset }
            return Digest(of: roots.tokenized(text: value))
        case .currentFolder:
            return Digest(of: roots.tokenized(path: currentFolder).utf8)
        case .environment:
            var hasher = FieldHasher()
            for name in environment.values.keys.sorted() where !Noise.isSession(name) {
                hasher.field(name)
                hasher.field(roots.tokenized(text: environment.bytes(name) ?? []))
            }
            return hasher.finish()
        case .root:
            return roots.roots.first { $0.name == name }.map { Digest(of: $0.path.utf8) }
        case .program:
            guard let path = Self.program(name, environment) else { return Self.nothing }
            guard let content = file(path, memo) else { return nil }
            var hasher = FieldHasher()
            hasher.field(roots.tokenized(path: path))
            hasher.field(content)
            return hasher.finish()
        case .link:
            return roots.expanded(path: name).flatMap { Files.linkText($0) }.map {
                Digest(of: roots.tokenized(text: $0))
            }
        case .target:
            return roots.expanded(path: name).flatMap { Files.realPath($0) }
                .map { Digest(of: roots.tokenized(path: $0).utf8) }
        case .extern:
            guard let index = Int(name.prefix { $0 != " " }), externs.indices.contains(index),
                let path = externs[index].path
            else { return nil }
            // A library that is named and not used need not be there.
            return file(Roots.absolute(path, in: currentFolder), memo) ?? Self.nothing
        case .file:
            return roots.expanded(path: name).flatMap { file($0, memo) }
        case .absent:
            guard let path = roots.expanded(path: name) else { return nil }
            return FileStamp(of: path) == nil ? Self.nothing : nil
        case .exists:
            guard let path = roots.expanded(path: name), let stamp = FileStamp(of: path) else { return nil }
            return Digest(words: (UInt64(stamp.kind.rawValue), 0, 0, 2))
        case .listing:
            guard let path = roots.expanded(path: name), let names = try? Files.list(path) else { return nil }
            var hasher = FieldHasher()
            for name in names { hasher.field(name) }
            return hasher.finish()
        }
    }

    private mutating func file(_ path: String, _ memo: borrowing Memo) -> Digest? {
        guard let stamp = FileStamp(of: path), stamp.kind == .file else { return nil }
        stamps[path] = stamp
        if let digest = memo.digest(for: stamp) { return digest }
        guard let file = try? Descriptor(opening: path, O_RDONLY | O_NONBLOCK),
            let (digest, read) = try? Digest.ofFile(file.number, path: path)
        else { return nil }
        stamps[path] = read
        if fileClockNow() &- read.latest > Memo.youth { memo.remember(digest, for: read) }
        return digest
    }

    /// The folders of `PATH`, or those that stand in for it where it is unset. One that is no UTF-8 is left out.
    package static func searchPath(_ environment: Environment) -> [String] {
        /// Source: execvp(3), glibc.
        let path = environment.bytes("PATH") ?? Array("/bin:/usr/bin".utf8)
        return path.split(separator: UInt8(ascii: ":")).compactMap { String(validating: $0, as: UTF8.self) }
    }

    /// The file that `name` means in `PATH`, as `execvp` would find it.
    package static func program(_ name: String, _ environment: Environment) -> String? {
        if name.utf8.contains(UInt8(ascii: "/")) { return name }
        for folder in searchPath(environment) {
            let candidate = "\(folder)/\(name)"
            if access(candidate, X_OK) == 0, FileStamp(of: candidate)?.kind == .file { return candidate }
        }
        return nil
    }
}
