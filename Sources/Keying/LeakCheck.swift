internal import CPlatform
internal import Glibc
package import Platform

/// Looks for roots that reached an output in spite of the mapping: `env!("CARGO_MANIFEST_DIR")` used at run time, say.
/// Such a result holds only where these roots are the same folders.
package struct LeakCheck {
    private let candidates: [Roots.Root]
    /// Names of the roots found so far.
    package private(set) var leaked: Set<String> = []

    /// - Parameter visited: folders above the current one; where one shows, so may have what the current one is called by.
    package init(_ roots: Roots, visited: Set<String> = []) {
        let above = visited.map { Roots.Root(name: "cwd", path: $0) }
        // Shortest first: an output that does not mention a folder mentions nothing below it.
        candidates = (roots.roots + above).sorted { $0.path.utf8.count < $1.path.utf8.count }
    }

    /// Searches a file.
    package mutating func search(_ path: String) throws(SystemError) {
        let file = try Descriptor(opening: path, O_RDONLY, for: "read")
        /// Large enough that overlaps don't count, small enough to stay in the processor's cache.
        let capacity = 1 << 20
        let overlap = Int(PATH_MAX)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: capacity, alignment: 64)
        defer { buffer.deallocate() }
        var offset: off_t = 0
        while candidates.contains(where: { !leaked.contains($0.name) }) {
            let count = retryingInterrupts { pread(file.number, buffer.baseAddress, capacity, offset) }
            guard count >= 0 else { throw SystemError("read", path) }
            search(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            if count <= overlap { return }
            offset += off_t(count - overlap)
        }
    }

    /// Searches bytes in memory.
    package mutating func search(_ bytes: UnsafeRawBufferPointer) {
        var clean: [String] = []
        for root in candidates where !leaked.contains(root.name) {
            if clean.contains(where: { root.path.hasPrefix($0 + "/") }) { continue }
            var path = root.path
            let isMentioned = path.withUTF8 {
                larder_mentions(bytes.baseAddress, bytes.count, $0.baseAddress, $0.count)
            }
            if isMentioned != 0 { leaked.insert(root.name) } else { clean.append(root.path) }
        }
    }
}
