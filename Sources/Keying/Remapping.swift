package import Platform
package import RustcCall

/// The `--remap-path-prefix` flags by which a compile's outputs become the same in every checkout, and their undoing in
/// what people read.
///
/// The mapping is that of Cargo's trim-paths (RFC 3127): the workspace's root becomes `.`, a package outside it
/// `name-version`, the target folder `target`. The flags stand before the user's own, which win: rustc takes the last
/// that matches. Their scope is everything, for any narrower one leaves the real paths in the crate's metadata.
package struct Remapping: Sendable {
    package struct Rule: Sendable, Hashable {
        package let from: String
        package let to: String

        package init(from: String, to: String) {
            self.from = from
            self.to = to
        }
    }

    /// Whether the package is none of the workspace's.
    package private(set) var isOutside = false
    /// What rustc may write without our mapping: a mapping of the user's own to the same, a source given as `./a.rs`.
    private var written: Set<String> = []
    /// The rules that outputs depend on.
    package let rules: [Rule]
    /// Where the sources of the crates lie that this one depends on: rustc undoes a mapping it is given, and so finds
    /// them to quote them in messages. No output depends on these rules: this compile reads no source there.
    private var sources: [Rule] = []

    private init(rules: [Rule]) { self.rules = rules }

    /// For a query: it writes no output that could hold a path.
    package static let none = Remapping(rules: [])

    /// - Parameters:
    ///   - currentFolder: where rustc runs: Cargo gives a member the workspace's root, any other package its own.
    package init(_ call: RustcCall, _ environment: Environment, roots: Roots, currentFolder: String) {
        var rules: [Rule] = []
        let package = environment.filled("CARGO_PKG_NAME").map { "\($0)-\(environment["CARGO_PKG_VERSION"] ?? "")" }
        // Cargo names a member's source by a path from the workspace's root, any other package's by a full one.
        if case .file(let source) = call.input { isOutside = source.utf8.first == UInt8(ascii: "/") }
        if let package, isOutside {
            rules.append(Rule(from: currentFolder, to: package))
            if let manifest = environment.filled("CARGO_MANIFEST_DIR"), manifest != currentFolder {
                rules.append(Rule(from: manifest, to: package))
            }
        } else {
            rules.append(Rule(from: currentFolder, to: "."))
        }
        // After the folder it mostly lies in: the last rule that matches counts.
        if let target = roots.roots.first(where: { $0.name == "target" })?.path {
            rules.append(Rule(from: target, to: "target"))
        }
        self.rules = rules.filter { $0.from != "/" }
        written = Set(
            call.remaps.compactMap { $0.split(separator: "=", omittingEmptySubsequences: false).last.map(String.init) }
        )
        if case .file(let source) = call.input, source.hasPrefix("./") { written.insert(".") }
    }

    /// The same, with the packages known that this compile may speak of.
    package func withSources(_ packages: [Rule]) -> Remapping {
        var copy = self
        let own = Set(rules.map(\.to))
        // Two packages of one name and version: rustc would undo neither.
        let names = Dictionary(grouping: Set(packages), by: \.to)
        copy.sources = names.values.compactMap { $0.count == 1 ? $0.first : nil }
            .filter { !own.contains($0.to) }.sorted { $0.to < $1.to }
        return copy
    }

    /// The packages whose sources are known, as roots for what messages say of them.
    package var packageRoots: [(name: String, path: String?)] { sources.map { (Roots.packageMark + $0.to, $0.from) } }

    /// What rustc gets, before its other arguments. The last rule that matches a path counts.
    package var arguments: [String] { (sources + rules).map { "--remap-path-prefix=\($0.from)=\($0.to)" } }

    /// Lines of diagnostics with the real paths where rustc wrote mapped ones: what it would have said without us.
    package func undone(_ lines: ArraySlice<UInt8>) -> [UInt8] {
        let slash = UInt8(ascii: "/")
        guard lines.contains(slash) else { return Array(lines) }
        let mappings = (sources + rules).reversed().filter { !written.contains($0.to) }
            .map { (from: $0.from, to: Array($0.to.utf8) + [slash]) }
        var result: [UInt8] = []
        result.reserveCapacity(lines.count + 1024)
        var rest = lines
        while !rest.isEmpty {
            let end = rest.firstIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? rest.endIndex
            let line = Array(rest[..<end])
            rest = rest[end...]
            var done = 0
            for start in PathPlaces.find(in: line) where start >= done {
                let path = line[start...]
                guard let (from, to) = mappings.first(where: { path.starts(with: $0.to) }) else { continue }
                result += line[done..<start]
                result += Self.isInJSON(line) ? Self.escaped(from) : Array(from.utf8)
                result.append(slash)
                done = start + to.count
            }
            result += line[done...]
        }
        return result
    }

    private static func isInJSON(_ line: [UInt8]) -> Bool { line.first == UInt8(ascii: "{") }

    private static func escaped(_ path: String) -> [UInt8] {
        path.utf8.flatMap { byte -> [UInt8] in
            byte == UInt8(ascii: "\\") || byte == UInt8(ascii: "\"") ? [UInt8(ascii: "\\"), byte] : [byte]
        }
    }
}
