internal import CPlatform
internal import Glibc
package import Platform

/// The file in which the observer writes down what the processes of one compile do.
///
/// Its form is the comment above `Sources/Observer/include/larder_trace.h`.
package enum TraceFile {
    /// Room for some 400,000 records. The file is sparse: what isn't written takes no space. Bytes.
    package static let capacity: UInt64 = 64 << 20
    /// Blocks that the file has from the start, where most compiles end. File systems that can't set blocks aside later
    /// (some network ones) have no more than this. Bytes.
    static let allocated: UInt64 = 1 << 20
    static let magic = Array("LARDTRC\n".utf8)
    static let version: UInt32 = 1
    static let headerSize = 128

    /// Makes an empty trace.
    package static func create(at path: String) throws(SystemError) {
        let file = try Descriptor(opening: path, O_RDWR | O_CREAT | O_EXCL, mode: 0o600, for: "create")
        // Where files may not be as large, a trace that is full is noticed.
        var limit = rlimit()
        let isLimited = getrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0
        let capacity = max(allocated, min(capacity, isLimited ? UInt64(limit.rlim_cur) : capacity))
        var header = magic
        func append<Number: FixedWidthInteger>(_ number: Number) {
            withUnsafeBytes(of: number) { header += $0 }
        }
        append(version)
        append(UInt32(headerSize))
        append(capacity)
        append(UInt64(headerSize))  // next
        append(allocated)
        append(UInt64(0))  // flags, images
        header += [UInt8](repeating: 0, count: headerSize - header.count)
        var failure: SystemError?
        header.withUnsafeBytes { bytes in
            do throws(SystemError) { try Files.write(bytes, to: file.number, path: path) } catch { failure = error }
        }
        if failure == nil, ftruncate(file.number, off_t(capacity)) != 0 { failure = SystemError("make room in", path) }
        if failure == nil {
            let error = posix_fallocate(file.number, 0, off_t(allocated))
            if error != 0 { failure = SystemError("make room in", path, error) }
        }
        if let failure {
            unlink(path)
            throw failure
        }
    }

    /// Reads what has been written by now.
    package static func read(_ path: String) throws(SystemError) -> Trace {
        let file = try Descriptor(opening: path, O_RDONLY, for: "read")
        // What was written is in memory; reading on would fetch a megabyte of nothing.
        posix_fadvise(file.number, 0, 0, POSIX_FADV_RANDOM)
        var head = [UInt8](repeating: 0, count: headerSize)
        let got = head.withUnsafeMutableBytes { pread(file.number, $0.baseAddress, $0.count, 0) }
        let fields = ByteFields(head)
        guard got == headerSize, head.starts(with: magic), fields.number(at: 8, as: UInt32.self) == version else {
            throw SystemError("read", path, EINVAL)
        }
        let flags = fields.number(at: 40, as: UInt32.self)
        let next = min(fields.number(at: 24, as: UInt64.self), capacity)
        guard let count = Int(exactly: next), count >= headerSize else { throw SystemError("read", path, EINVAL) }
        var bytes = [UInt8](repeating: 0, count: count)
        var done = 0
        while done < count {
            let some = bytes.withUnsafeMutableBytes { buffer in
                retryingInterrupts {
                    pread(file.number, buffer.baseAddress.map { $0 + done }, count - done, off_t(done))
                }
            }
            guard some >= 0 else { throw SystemError("read", path) }
            if some == 0 { break }
            done += some
        }
        return Trace(ByteFields(bytes), start: headerSize, hasOverflowed: flags & 1 != 0)
    }
}

/// Numbers in bytes, in this machine's order; past the end they read as zero.
struct ByteFields {
    let bytes: [UInt8]

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    func number<Number: FixedWidthInteger>(at offset: Int, as type: Number.Type) -> Number {
        let size = MemoryLayout<Number>.size
        guard offset >= 0, offset <= bytes.count - size else { return 0 }
        return bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: Number.self) }
    }
}

/// The records of one compile, in the order in which they were begun.
package struct Trace: Sendable {
    enum Kind: UInt16, Sendable {
        case hello = 1
        case environment, object, open, look, readLink, resolve, list, variable, currentFolder, exec, execFailed, spawn
        case spawned, rename, unlink, link, symlink, makeFolder, load, connect, unseen, moment
    }

    /// The observer's hash of a name or a value: 64-bit FNV-1a.
    package static func hash(_ bytes: some Sequence<UInt8>) -> UInt64 {
        bytes.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    }

    /// The observer's hash of what was opened. Times are nanoseconds.
    package static func stamp(device: UInt64, inode: UInt64, size: UInt64, modified: Int64) -> UInt64 {
        hash(
            [device, inode, size, UInt64(bitPattern: modified)].flatMap { word in
                withUnsafeBytes(of: word) { Array($0) }
            }
        )
    }

    struct Record: Sendable {
        let offset: UInt64
        let kind: Kind
        /// The program image that made the call.
        let image: UInt32
        let pid: Int32
        /// The shared object whose code made the call; 0 where it isn't known.
        let object: UInt32
        /// The errno of a call that failed, else 0.
        let error: Int32
        let flags: UInt32
        /// A file's type as in `st_mode >> 12`.
        let type: UInt32
        let value: UInt64
        let first: ArraySlice<UInt8>
        let second: ArraySlice<UInt8>
    }

    private(set) var records: [Record] = []
    /// Whether there was more to write down than there was room for.
    let hasOverflowed: Bool
    /// Whether some process was stopped in the middle of a record.
    private(set) var isBroken = false

    private static let ready: UInt16 = 0x4C52
    private static let fixedSize = 48

    init(_ fields: ByteFields, start: Int, hasOverflowed: Bool) {
        self.hasOverflowed = hasOverflowed
        let count = fields.bytes.count
        records.reserveCapacity(512)
        var offset = start
        while offset <= count - 8 {
            let state = fields.number(at: offset, as: UInt16.self)
            let size = Int(fields.number(at: offset + 4, as: UInt32.self))
            guard state == Self.ready, size >= Self.fixedSize, size % 8 == 0, size <= count - offset else {
                // Room that was reserved by a process which was then killed.
                isBroken = true
                offset += 8
                continue
            }
            let firstLength = Int(fields.number(at: offset + 40, as: UInt32.self))
            let secondLength = Int(fields.number(at: offset + 44, as: UInt32.self))
            let text = offset + Self.fixedSize
            if firstLength + secondLength <= size - Self.fixedSize,
                let kind = Kind(rawValue: fields.number(at: offset + 2, as: UInt16.self))
            {
                records.append(
                    Record(
                        offset: UInt64(offset),
                        kind: kind,
                        image: fields.number(at: offset + 8, as: UInt32.self),
                        pid: fields.number(at: offset + 12, as: Int32.self),
                        object: fields.number(at: offset + 16, as: UInt32.self),
                        error: fields.number(at: offset + 20, as: Int32.self),
                        flags: fields.number(at: offset + 24, as: UInt32.self),
                        type: fields.number(at: offset + 28, as: UInt32.self),
                        value: fields.number(at: offset + 32, as: UInt64.self),
                        first: fields.bytes[text..<(text + firstLength)],
                        second: fields.bytes[(text + firstLength)..<(text + firstLength + secondLength)]
                    )
                )
            } else {
                isBroken = true
            }
            offset += size
        }
    }
}
