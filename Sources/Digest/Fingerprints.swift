internal import CXxhash
internal import Glibc
package import Platform

/// What tells the files of a compiler apart: XXH3, 128 bits, which reads a toolchain's half gigabyte in a quarter of SHA-256's
/// time. It resists chance, not design: who could put a file of his own making there needs no collision.
///
/// Works on as many processors as there are: a build's first call waits for it.
package enum Fingerprints {
    /// Keeps fingerprints apart from digests in the memo.
    package static let salt: UInt64 = 0x6C61_7264_6572_0003

    /// A fingerprint in a digest's form: its two words, and the file's size.
    private static func read(_ file: Int32, path: String) throws(SystemError) -> (Digest, FileStamp)? {
        guard let state = XXH3_createState() else { throw SystemError("read", path, ENOMEM) }
        defer { XXH3_freeState(state) }
        XXH3_128bits_reset(state)
        let stamp = try Digest.read(file, path: path) { XXH3_128bits_update(state, $0.baseAddress, $0.count) }
        guard let stamp else { return nil }
        let hash = XXH3_128bits_digest(state)
        return (Digest(words: (hash.low64, hash.high64, stamp.size, 0)), stamp)
    }

    /// The fingerprint of each file and its stamp then; `nil` for one that can't be read, or changed meanwhile.
    package static func of(_ paths: [String]) -> [(fingerprint: Digest, stamp: FileStamp)?] {
        let found = Locked<[(fingerprint: Digest, stamp: FileStamp)?]>(Array(repeating: nil, count: paths.count))
        Parallel.forEach(paths.count) { index in
            guard let file = try? Descriptor(opening: paths[index], O_RDONLY),
                let (fingerprint, stamp) = try? read(file.number, path: paths[index])
            else { return }
            found.use { $0[index] = (fingerprint, stamp) }
        }
        return found.use { $0 }
    }
}
