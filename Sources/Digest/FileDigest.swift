internal import Glibc
package import Platform

extension Digest {
    /// The digest of an open file's bytes, read from its start, with the stamp it had before and after.
    ///
    /// - Returns: `nil` when the file changed while it was read: its digest would be of no content it ever had.
    package static func ofFile(_ descriptor: Int32, path: String) throws(SystemError) -> (Digest, FileStamp)? {
        var hasher = Hasher256()
        guard let stamp = try read(descriptor, path: path, { hasher.update($0) }) else { return nil }
        return (hasher.finish(), stamp)
    }

    /// Hands on an open file's bytes from its start, a piece at a time.
    ///
    /// - Returns: its stamp; `nil` when it changed meanwhile.
    package static func read(
        _ descriptor: Int32,
        path: String,
        _ sink: (UnsafeRawBufferPointer) -> Void
    ) throws(SystemError) -> FileStamp? {
        guard let before = FileStamp(of: descriptor) else { throw SystemError("stat", path) }
        guard before.kind == .file else { throw SystemError("read", path, before.kind == .folder ? EISDIR : EINVAL) }
        /// Large enough that the system call's cost vanishes, small enough for the processor's cache.
        let capacity = 256 << 10
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: capacity, alignment: 64)
        defer { buffer.deallocate() }
        var offset: off_t = 0
        while true {
            let count = retryingInterrupts { pread(descriptor, buffer.baseAddress, capacity, offset) }
            guard count >= 0 else { throw SystemError("read", path) }
            if count == 0 { break }
            sink(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            offset += off_t(count)
        }
        guard FileStamp(of: descriptor) == before, before.size == UInt64(offset) else { return nil }
        return before
    }
}
