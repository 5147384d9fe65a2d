internal import CPlatform
internal import Digest
internal import Glibc
package import Platform

/// Looks for roots that reached an output in spite of the mapping: `env!("CARGO_MANIFEST_DIR")` used at run time, say.
/// Such a result holds only where these roots are the same folders.
package struct LeakCheck {
    private let sought: SoughtPaths
    /// The end of what was searched: a path may go on in the next piece.
    private var rest: [UInt8] = []
    /// Names of the roots found so far.
    package private(set) var leaked: Set<String> = []

    /// - Parameter visited: folders above the current one; where one shows, so may have what the current one is called by.
    package init(_ roots: Roots, visited: Set<String> = []) {
        sought = SoughtPaths(roots.roots + visited.map { Roots.Root(name: "cwd", path: $0) })
    }

    /// Searches a file.
    package mutating func search(_ path: String) throws(SystemError) {
        let file = try Descriptor(opening: path, O_RDONLY, for: "read")
        begin()
        _ = try Digest.read(file.number, path: path) { add($0) }
    }

    /// Searches bytes in memory.
    package mutating func search(_ bytes: UnsafeRawBufferPointer) {
        begin()
        add(bytes)
    }

    /// Begins a file whose bytes come a piece at a time.
    package mutating func begin() { rest.removeAll(keepingCapacity: true) }

    /// Searches the next piece.
    package mutating func add(_ piece: UnsafeRawBufferPointer) {
        let overlap = max(0, sought.longest - 1)
        if !rest.isEmpty {
            rest += UnsafeRawBufferPointer(rebasing: piece[..<min(overlap, piece.count)])
            rest.withUnsafeBytes { leaked.formUnion(sought.names(in: $0)) }
        }
        leaked.formUnion(sought.names(in: piece))
        if piece.count >= overlap {
            rest.removeAll(keepingCapacity: true)
            // `suffix` would go through all of it.
            rest += UnsafeRawBufferPointer(rebasing: piece[(piece.count - overlap)...])
        } else {
            // It was taken in above, or is all there is.
            if rest.isEmpty { rest += piece }
            rest.removeFirst(max(0, rest.count - overlap))
        }
    }
}

/// Paths that are looked for all at once.
private final class SoughtPaths {
    /// So many fit into what a search gives; there are ten roots, and seldom a folder above.
    private static let most = 64

    let longest: Int
    private let names: [String]
    private let paths: [UnsafePointer<CChar>?]
    private let lengths: [Int]

    init(_ roots: [Roots.Root]) {
        // Every output mentions it.
        let roots = roots.filter { $0.path.utf8.count > 1 }.prefix(Self.most)
        names = roots.map(\.name)
        lengths = roots.map { $0.path.utf8.count }
        paths = roots.map { root in strdup(root.path).map { UnsafePointer($0) } }
        longest = lengths.max() ?? 0
    }

    deinit { for path in paths { free(UnsafeMutableRawPointer(mutating: path)) } }

    /// Names of the paths that stand anywhere in these bytes.
    func names(in bytes: UnsafeRawBufferPointer) -> [String] {
        let found = larder_mentions(bytes.baseAddress, bytes.count, paths, lengths, paths.count)
        return found == 0 ? [] : names.indices.filter { found >> UInt64($0) & 1 == 1 }.map { names[$0] }
    }
}
