internal import CPlatform
internal import Glibc

/// Whole-file operations; each failure names its path.
package enum Files {
    /// Larger files are no part of what is read whole into memory.
    package static let readLimit = 256 << 20

    /// The content of the file at `path`.
    package static func read(_ path: String, limit: Int = readLimit) throws(SystemError) -> [UInt8] {
        let file = try Descriptor(opening: path, O_RDONLY, for: "read")
        return try read(file.number, path: path, limit: limit)
    }

    /// What is left to read of an open descriptor.
    package static func read(
        _ descriptor: Int32,
        path: String,
        limit: Int = readLimit
    ) throws(SystemError) -> [UInt8] {
        let expected = FileStamp(of: descriptor).map { $0.kind == .file ? Int(clamping: $0.size) : 0 } ?? 0
        guard expected <= limit else { throw SystemError("read", path, EFBIG) }
        var bytes = [UInt8]()
        var failure: SystemError?
        // One byte more than expected: the read that finds the end needs no second buffer.
        var room = max(expected + 1, 4096)
        while failure == nil {
            let start = bytes.count
            bytes.append(contentsOf: repeatElement(0, count: room))
            let got = bytes.withUnsafeMutableBytes { buffer in
                retryingInterrupts { Glibc.read(descriptor, buffer.baseAddress.map { $0 + start }, room) }
            }
            if got < 0 { failure = SystemError("read", path) }
            bytes.removeLast(room - max(got, 0))
            if got <= 0 { break }
            if bytes.count > limit { failure = SystemError("read", path, EFBIG) }
            room = got == room ? room : room - got
        }
        if let failure { throw failure }
        return bytes
    }

    /// Writes all of `bytes`.
    package static func write(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32, path: String) throws(SystemError) {
        try write(bytes, path) { start, count, _ in Glibc.write(descriptor, start, count) }
    }

    /// Writes all of `bytes` from `offset` on, wherever the descriptor stands.
    package static func write(
        _ bytes: UnsafeRawBufferPointer,
        to descriptor: Int32,
        at offset: UInt64,
        path: String
    ) throws(SystemError) {
        try write(bytes, path) { start, count, done in pwrite(descriptor, start, count, off_t(offset) + off_t(done)) }
    }

    /// Bytes of one write. For one of 2 MiB the kernel takes a huge page, which a virtual machine may have to get from its host
    /// first: measured on ext4, Linux 6.18, 20 MB take 47 ms in writes of 2 MiB and 3.5 ms in these.
    private static let mostAtOnce = 256 << 10

    /// - Parameter body: writes what begins there and is that long, after so many bytes, or a part of it.
    private static func write(
        _ bytes: UnsafeRawBufferPointer,
        _ path: String,
        _ body: (UnsafeRawPointer?, Int, Int) -> Int
    ) throws(SystemError) {
        var done = 0
        while done < bytes.count {
            let most = min(bytes.count - done, mostAtOnce)
            let count = retryingInterrupts { body(bytes.baseAddress.map { $0 + done }, most, done) }
            guard count > 0 else { throw SystemError("write", path) }
            done += count
        }
    }

    /// Puts `bytes` at `path` by a temporary file and a rename, so that a reader sees all of them or none.
    package static func replace(_ path: String, with bytes: [UInt8], mode: UInt32 = 0o600) throws(SystemError) {
        let temporary = temporaryName(beside: path)
        do throws(SystemError) {
            let file = try Descriptor(opening: temporary, O_WRONLY | O_CREAT | O_EXCL, mode: mode, for: "create")
            try bytes.withUnsafeBufferPointer { bytes throws(SystemError) in
                try write(UnsafeRawBufferPointer(bytes), to: file.number, path: temporary)
            }
            if rename(temporary, path) != 0 { throw SystemError("rename to", path) }
        } catch {
            unlink(temporary)
            throw error
        }
    }

    /// A name in the folder of `path` that no other process uses.
    package static func temporaryName(beside path: String) -> String {
        "\(folder(of: path))/.larder-\(getpid())-\(larder_monotonic_microseconds())-\(nextNumber()).tmp"
    }

    /// The folder part of `path`: `.` where there is none.
    package static func folder(of path: String) -> String {
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "." }
        return slash == path.utf8.startIndex ? "/" : String(path[..<slash])
    }

    /// `path` with all links followed; `nil` if nothing is there.
    package static func realPath(_ path: String) -> String? {
        guard let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        return String(validatingCString: resolved)
    }

    /// The text of the symbolic link at `path`; `nil` if it is none.
    package static func linkText(_ path: String) -> [UInt8]? {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink(path, &buffer, buffer.count)
        return count < 0 ? nil : buffer[..<count].map { UInt8(bitPattern: $0) }
    }

    /// Bytes that this user can still write to the file system of `path`; `nil` where that can't be told.
    package static func freeSpace(_ path: String) -> UInt64? {
        var info = statvfs()
        guard statvfs(path, &info) == 0 else { return nil }
        return UInt64(info.f_bavail) &* UInt64(info.f_frsize)
    }

    /// The last part of `path`.
    package static func name(of path: String) -> String {
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return path }
        return String(path[path.utf8.index(after: slash)...])
    }

    /// Makes `path` and the folders above it; no error where it is already there.
    package static func makeFolder(_ path: String, mode: UInt32 = 0o777) throws(SystemError) {
        if mkdir(path, mode) == 0 { return }
        let code = errno
        if code == EEXIST, FileStamp(of: path)?.kind == .folder { return }
        guard code == ENOENT, path != "/", !path.isEmpty else { throw SystemError("make folder", path, code) }
        try makeFolder(folder(of: path), mode: mode)
        if mkdir(path, mode) != 0, errno != EEXIST { throw SystemError("make folder", path) }
    }

    /// The names in a folder, sorted by their bytes, without `.` and `..`.
    package static func list(_ path: String) throws(SystemError) -> [[UInt8]] {
        guard let stream = opendir(path) else { throw SystemError("list", path) }
        defer { closedir(stream) }
        var names: [[UInt8]] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { tuple in
                tuple.withMemoryRebound(to: UInt8.self, capacity: 256) { start in
                    [UInt8](
                        UnsafeBufferPointer(
                            start: start,
                            count: strnlen(UnsafePointer<CChar>(OpaquePointer(start)), 256)
                        )
                    )
                }
            }
            if name != [UInt8(ascii: ".")], name != [UInt8(ascii: "."), UInt8(ascii: ".")] { names.append(name) }
        }
        return names.sorted { $0.lexicographicallyPrecedes($1) }
    }

    /// The same as text; a name that is no UTF-8 is left out.
    package static func listNames(_ path: String) throws(SystemError) -> [String] {
        try list(path).compactMap { String(validating: $0, as: UTF8.self) }
    }

    /// Copies an open file to a new file at `path`: shared blocks where the file system can, else inside the kernel.
    ///
    /// - Returns: the new file's stamp.
    package static func copy(
        from source: Int32,
        size: UInt64,
        to path: String,
        mode: UInt32
    ) throws(SystemError) -> FileStamp {
        let target = try Descriptor(opening: path, O_WRONLY | O_CREAT | O_EXCL, mode: mode, for: "create")
        if size > 0, !Reflink.share(source, target.number) {
            try copyBytes(from: source, to: target.number, path: path)
        }
        guard let stamp = FileStamp(of: target.number) else { throw SystemError("stat", path) }
        return stamp
    }

    /// Copies the first `count` bytes of an open file into another, from `offset` on, inside the kernel.
    package static func copy(
        from source: Int32,
        count: Int,
        to target: Int32,
        at offset: Int,
        path: String
    ) throws(SystemError) {
        var from = off_t(0)
        var to = off_t(offset)
        while from < count {
            let copied = retryingInterrupts {
                larder_copy_file_range(source, &from, target, &to, count - Int(from))
            }
            guard copied > 0 else { throw SystemError("copy to", path, copied < 0 ? errno : EIO) }
        }
    }

    /// Makes an empty file share the blocks of another, where the file system can.
    package static func shareBlocks(from source: Int32, to target: Int32) -> Bool { Reflink.share(source, target) }

    private static func copyBytes(from source: Int32, to target: Int32, path: String) throws(SystemError) {
        /// As much as one call may be asked for; the kernel cuts it to what it does at once.
        let most = 1 << 30
        var copiedAny = false
        while true {
            let count = retryingInterrupts { larder_copy_file_range(source, nil, target, nil, most) }
            if count == 0 { return }
            if count < 0 {
                // Across file systems and on some network ones the kernel refuses; then by hand, unless half done.
                guard !copiedAny, [EXDEV, ENOSYS, EINVAL, EOPNOTSUPP, EPERM].contains(errno) else {
                    throw SystemError("copy to", path)
                }
                return try copyThroughMemory(from: source, to: target, path: path)
            }
            copiedAny = true
        }
    }

    private static func copyThroughMemory(from source: Int32, to target: Int32, path: String) throws(SystemError) {
        let capacity = 1 << 20
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: capacity, alignment: 16)
        defer { buffer.deallocate() }
        while true {
            let count = retryingInterrupts { Glibc.read(source, buffer.baseAddress, capacity) }
            if count == 0 { return }
            guard count > 0 else { throw SystemError("copy to", path) }
            try write(UnsafeRawBufferPointer(rebasing: buffer[..<count]), to: target, path: path)
        }
    }

    /// Removes a folder and all below it; what can't be removed stays.
    package static func removeTree(_ path: String) {
        if unlink(path) == 0 { return }
        for name in (try? list(path)) ?? [] {
            guard let text = String(validating: name, as: UTF8.self) else { continue }
            removeTree("\(path)/\(text)")
        }
        rmdir(path)
    }
}

/// Whether file systems share blocks, remembered from the first refusal on: one failing call a process is enough.
private enum Reflink {
    nonisolated(unsafe) private static var refused = false

    static func share(_ source: Int32, _ target: Int32) -> Bool {
        if refused { return false }
        if larder_reflink(source, target) == 0 { return true }
        refused = true
        return false
    }
}

nonisolated(unsafe) private var counter: Int64 = 0

/// A number that no other caller in this process has got.
package func nextNumber() -> Int64 { atomicAdd(&counter, 1) }

/// Adds to a number that several threads change, and gives what it then is.
func atomicAdd(_ number: inout Int64, _ amount: Int64) -> Int64 { larder_atomic_add(&number, amount) }
