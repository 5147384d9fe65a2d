internal import Glibc
package import Platform
package import RustcCall

/// The folders that differ from one checkout, home or machine to the next, and the tokens that stand for them.
///
/// Wherever larder stores a path or a text, these folders are written as tokens; what is put back carries the folders of
/// the call that asks. A path that starts with a token can't be mixed up with a real one, which starts with `/`. In texts
/// a token stands between two bytes 0x01, which no diagnostic or dep-info file holds; one that does stays as it is.
package struct Roots: Sendable {
    package struct Root: Sendable, Equatable {
        package let name: String
        package let path: String
    }

    /// Longest path first, so that the innermost folder gives the token.
    package let roots: [Root]
    /// How each root is spelled in each kind of text, longest first.
    private let spellings: [Flavor: [Spelling]]

    private struct Spelling: Sendable {
        let root: String
        let bytes: [UInt8]
        let token: [UInt8]
    }

    /// How paths are escaped where they stand.
    private enum Flavor: String, CaseIterable {
        case plain = ""
        /// In a makefile's rule. Source: `rustc_interface::passes::escape_dep_filename`.
        case make
        /// In dep-info's comments. Source: `rustc_interface::passes::escape_dep_env`.
        case text
        /// Source: serde_json.
        case json

        func escape(_ path: [UInt8]) -> [UInt8] {
            let special: [UInt8]
            switch self {
            case .plain: return path
            case .make: special = [UInt8(ascii: " ")]
            case .text: special = [UInt8(ascii: "\\")]
            case .json: special = [UInt8(ascii: "\\"), UInt8(ascii: "\"")]
            }
            return path.flatMap { special.contains($0) ? [UInt8(ascii: "\\"), $0] : [$0] }
        }
    }

    private static let mark: UInt8 = 1
    /// Before a package's name and version: a root that is known where the package's dependents are compiled.
    static let packageMark = "of "

    package init(_ candidates: [(name: String, path: String?)]) {
        var roots: [Root] = []
        for (name, path) in candidates {
            guard var path, path.utf8.first == UInt8(ascii: "/") else { continue }
            while path.utf8.count > 1, path.utf8.last == UInt8(ascii: "/") { path.removeLast() }
            // A root that holds everything would turn every path into a token.
            guard path != "/", !roots.contains(where: { $0.path == path || $0.name == name }) else { continue }
            roots.append(Root(name: name, path: path))
        }
        self.roots = roots.sorted { ($1.path.utf8.count, $0.name) < ($0.path.utf8.count, $1.name) }
        var spellings: [Flavor: [Spelling]] = [:]
        for flavor in Flavor.allCases {
            spellings[flavor] = self.roots.map { root in
                let name = flavor == .plain ? root.name : "\(root.name):\(flavor.rawValue)"
                return Spelling(
                    root: root.name,
                    bytes: flavor.escape(Array(root.path.utf8)),
                    token: [Self.mark] + Array(name.utf8) + [Self.mark]
                )
            }
        }
        self.spellings = spellings
    }

    /// The same and more.
    package func adding(_ more: [(name: String, path: String?)]) -> Roots {
        more.isEmpty ? self : Roots(roots.map { ($0.name, $0.path) } + more)
    }

    /// The roots of one call.
    ///
    /// - Parameters:
    ///   - currentFolder: absolute, as the kernel tells it.
    ///   - sysroot: of the compiler in use.
    package init(_ call: RustcCall, _ environment: Environment, currentFolder: String, sysroot: String) {
        let output = call.outputFolder.map { Self.absolute($0, in: currentFolder) }
        let target = output.flatMap { Self.targetFolder(above: $0, call) }
        self.init([
            ("cwd", currentFolder),
            ("target", target),
            ("out", target == nil ? output : nil),
            ("pkg", environment["CARGO_MANIFEST_DIR"]),
            ("cargo_home", environment.filled("CARGO_HOME") ?? environment.filled("HOME").map { $0 + "/.cargo" }),
            ("sysroot", sysroot),
            ("home", environment.filled("HOME")),
        ])
    }

    /// Cargo's target folder, found upwards from an output folder.
    ///
    /// A profile's folder (`debug`) holds Cargo's lock, which is there before the first compile; the target folder is
    /// above it, or above the folder of the `--target` triple. Its `CACHEDIR.TAG` tells less: Cargo writes none into a
    /// folder that was there before. Source: `cargo::core::compiler::layout`.
    private static func targetFolder(above output: String, _ call: RustcCall) -> String? {
        /// Cargo nests no deeper: target, triple, profile, `build`, package, `out`.
        let deepest = 7
        let triple = call.options.last { $0.name == "target" }?.value.map { value in
            let name = Files.name(of: value)
            return name.hasSuffix(".json") ? String(name.dropLast(".json".count)) : name
        }
        var folder = output
        for _ in 0..<deepest {
            let parent = Files.folder(of: folder)
            if parent == "/" || parent == "." { return nil }
            if locks.contains(where: { access("\(folder)/\($0)", F_OK) == 0 }) {
                return Files.name(of: parent) == triple ? Files.folder(of: parent) : parent
            }
            folder = parent
        }
        return nil
    }

    private static let locks = [".cargo-lock", ".cargo-build-lock"]

    /// `path` made absolute; nothing else is changed in it.
    package static func absolute(_ path: String, in folder: String) -> String {
        if path.utf8.first == UInt8(ascii: "/") { return path }
        if path.isEmpty || path == "." { return folder }
        return path.hasPrefix("./") ? "\(folder)/\(path.dropFirst(2))" : "\(folder)/\(path)"
    }

    // MARK: Paths

    /// A path with its root as a token: `{cwd}/src/lib.rs`.
    package func tokenized(path: String) -> String {
        for root in roots where path.hasPrefix(root.path) {
            let rest = path.utf8.dropFirst(root.path.utf8.count)
            if rest.isEmpty || rest.first == UInt8(ascii: "/") { return "{\(root.name)}\(Substring(rest))" }
        }
        return path
    }

    /// The path here of one with a token; `nil` where this call has no such root.
    package func expanded(path: String) -> String? {
        guard path.utf8.first == UInt8(ascii: "{") else { return path }
        guard let close = path.utf8.firstIndex(of: UInt8(ascii: "}")) else { return nil }
        let name = path[path.utf8.index(after: path.startIndex)..<close]
        guard let root = roots.first(where: { $0.name == name }) else { return nil }
        return root.path + path[path.utf8.index(after: close)...]
    }

    // MARK: Texts

    /// Whether a text has the byte that tokens begin with, and can't be told from one with tokens.
    package static func holdsMarks(_ text: [UInt8]) -> Bool { text.contains(mark) }

    /// A text with every mention of a root as a token.
    package func tokenized(text: [UInt8]) -> [UInt8] { text.contains(Self.mark) ? text : tokenized(text[...], .plain) }

    /// A dep-info file with every mention of a root as a token.
    ///
    /// rustc escapes the files a rule names, not the output before them. Source: `rustc_interface::passes`.
    package func tokenized(depInfo text: [UInt8]) -> [UInt8] {
        let comment = Array("# env-dep:".utf8)
        return tokenized(text) { line in
            if line.starts(with: comment) { return tokenized(line, .text) }
            guard let colon = line.indices.first(where: { line[$0...].starts(with: ": ".utf8) }) else {
                return tokenized(line, .make)
            }
            return tokenized(line[..<colon], .plain) + tokenized(line[colon...], .make)
        }
    }

    /// rustc's messages with every mention of a root as a token.
    package func tokenized(messages text: [UInt8]) -> [UInt8] {
        tokenized(text) { tokenized($0, $0.first == UInt8(ascii: "{") ? .json : .plain) }
    }

    /// By the kind of each line, even where all spellings are one: they need not be where the text is put back.
    private func tokenized(_ text: [UInt8], line: (ArraySlice<UInt8>) -> [UInt8]) -> [UInt8] {
        guard !text.contains(Self.mark) else { return text }
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        var rest = text[...]
        while !rest.isEmpty {
            let end = rest.firstIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? rest.endIndex
            result += line(rest[..<end])
            rest = rest[end...]
        }
        return result
    }

    private func tokenized(_ text: ArraySlice<UInt8>, _ flavor: Flavor) -> [UInt8] {
        text.withUnsafeBufferPointer { text in
            var result: [UInt8] = []
            result.reserveCapacity(text.count)
            var index = 0
            var start = 0
            while index < text.count {
                guard text[index] == UInt8(ascii: "/"), let spelling = spelling(at: index, in: text, flavor) else {
                    index += 1
                    continue
                }
                result += text[start..<index]
                result += spelling.token
                index += spelling.bytes.count
                start = index
            }
            result += text[start...]
            return result
        }
    }

    /// Names of the roots that a text mentions.
    ///
    /// - Parameter known: places where a mention does not count.
    package func mentioned(in text: [UInt8], except known: Set<Int> = []) -> Set<String> {
        var names: Set<String> = []
        text.withUnsafeBufferPointer { text in
            for index in text.indices where text[index] == UInt8(ascii: "/") && !known.contains(index) {
                for flavor in Flavor.allCases {
                    if let spelling = spelling(at: index, in: text, flavor) { names.insert(spelling.root) }
                }
            }
        }
        return names
    }

    private func spelling(
        at index: Int,
        in text: UnsafeBufferPointer<UInt8>,
        _ flavor: Flavor
    ) -> Spelling? {
        if index > 0, Self.isNamePart(text[index - 1]) {
            // `-L/root/…` is a mention, and so is one after a colour's `ESC[0m`; `other/root/…` is none.
            guard index > 1, text[index - 2] == UInt8(ascii: "-") || Self.isColor(before: index, in: text) else {
                return nil
            }
        }
        return spellings[flavor]?.first { spelling in
            let end = index + spelling.bytes.count
            guard end <= text.count, end == text.count || !Self.isNamePart(text[end]) else { return false }
            return spelling.bytes.indices.allSatisfy { text[index + $0] == spelling.bytes[$0] }
        }
    }

    /// Whether an escape sequence for colours ends here: ESC, or its escape in JSON, then `[`, numbers and `m`.
    private static func isColor(before index: Int, in text: UnsafeBufferPointer<UInt8>) -> Bool {
        guard text[index - 1] == UInt8(ascii: "m") else { return false }
        var start = index - 2
        while start >= 0,
            text[start] == UInt8(ascii: ";") || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(text[start])
        {
            start -= 1
        }
        guard start >= 1, text[start] == UInt8(ascii: "[") else { return false }
        let escape = Array("\\u001b".utf8)
        return text[start - 1] == 0x1B || text[..<start].suffix(escape.count).elementsEqual(escape)
    }

    private static func isNamePart(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "."),
            UInt8(ascii: "+"), UInt8(ascii: "@"), UInt8(ascii: "~"), 0x80...:
            true
        default: false
        }
    }

    /// A text with this call's folders in place of the tokens; `nil` where it has no such root.
    package func expanded(text: [UInt8]) -> [UInt8]? {
        guard text.contains(Self.mark) else { return text }
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        var rest = text[...]
        while let open = rest.firstIndex(of: Self.mark) {
            result += rest[..<open]
            guard let close = rest[(open + 1)...].firstIndex(of: Self.mark) else { return nil }
            guard let spelled = spelled(rest[(open + 1)..<close]) else { return nil }
            result += spelled
            rest = rest[(close + 1)...]
        }
        result += rest
        return result
    }

    /// Whether a text names packages, whose roots have to be added to expand it.
    package static func namesPackages(_ text: [UInt8]) -> Bool {
        let start = [mark] + packageMark.utf8
        return text.indices.contains { text[$0] == mark && text[$0...].starts(with: start) }
    }

    private func spelled(_ token: ArraySlice<UInt8>) -> [UInt8]? {
        let parts = token.split(separator: UInt8(ascii: ":"), maxSplits: 1)
        guard let name = parts.first,
            let flavor = Flavor(rawValue: parts.count == 2 ? String(decoding: parts[1], as: UTF8.self) : "")
        else { return nil }
        if let root = roots.first(where: { name.elementsEqual($0.name.utf8) }) {
            return flavor.escape(Array(root.path.utf8))
        }
        // A package that can't be found here goes by its name, as in rustc's own message where it knows no better.
        return name.starts(with: Self.packageMark.utf8) ? Array(name.dropFirst(Self.packageMark.utf8.count)) : nil
    }
}
