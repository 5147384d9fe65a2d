internal import Glibc
package import Platform

extension EventLog {
    private var zeroPath: String { folder + "/zeroed" }

    /// Events before this time don't count; microseconds since 1970.
    package var zeroTime: Int64 {
        guard let bytes = try? Files.read(zeroPath, limit: 4096), let text = String(validating: bytes, as: UTF8.self)
        else { return 0 }
        return text.utf8.split(separator: UInt8(ascii: "\n")).first.flatMap { Int64(Substring($0)) } ?? 0
    }

    /// Makes statistics start anew; the log itself stays, for `explain`.
    ///
    /// - Parameter time: microseconds since 1970.
    package func zero(at time: Int64 = Event().time) throws(SystemError) {
        try Files.makeFolder(folder, mode: 0o700)
        try Files.replace(zeroPath, with: Array("\(time)\n".utf8))
    }

    /// Removes all events and the mark of the last zeroing.
    package func clear() {
        for path in files + [zeroPath] { unlink(path) }
    }

    /// Calls `body` with each line, oldest first, without its end. Lines are read in pieces: a log may be large.
    package func forEachLine(_ body: (UnsafeRawBufferPointer) -> Void) {
        // All opened before the first is read, so that a rotation meanwhile takes none away.
        let files = files.compactMap { path -> Int32? in (try? Descriptor(opening: path, O_RDONLY))?.release() }
        for file in files {
            Self.forEachLine(of: file, body)
            close(file)
        }
    }

    private static func forEachLine(of file: Int32, _ body: (UnsafeRawBufferPointer) -> Void) {
        let capacity = 256 << 10
        /// A line longer than this is no event of ours. Bytes.
        let longest = 4 << 20
        var pending: [UInt8] = []
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: capacity, alignment: 16)
        defer { buffer.deallocate() }
        while true {
            let count = retryingInterrupts { read(file, buffer.baseAddress, capacity) }
            guard count > 0 else { break }
            var rest = UnsafeRawBufferPointer(rebasing: buffer[..<count])
            while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
                let line = UnsafeRawBufferPointer(rebasing: rest[..<end])
                if pending.isEmpty {
                    body(line)
                } else {
                    pending += line
                    pending.withUnsafeBytes(body)
                    pending = []
                }
                rest = UnsafeRawBufferPointer(rebasing: rest[(end + 1)...])
            }
            pending += rest
            if pending.count > longest { pending = [0] }
        }
        // A last line without an end is a write that a full disk or a crash cut short.
        if !pending.isEmpty { pending.withUnsafeBytes(body) }
    }
}
