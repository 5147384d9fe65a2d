internal import CZstd
internal import Digest
internal import Glibc
internal import Platform

/// Packs parts one after the other, a piece at a time.
struct Packer: ~Copyable {
    private let compressor: Compressor
    private(set) var data: [UInt8] = []
    private(set) var parts: [Bundle.Part] = []

    /// - Parameter level: zstd's.
    init(level: Int) throws(Bundle.Refused) { compressor = try Compressor(level: level) }

    /// Packs the bytes of `record`.
    mutating func add(_ record: [UInt8]) throws(Bundle.Refused) {
        guard record.count <= Bundle.Limits.recordBytes else {
            throw Bundle.Refused("a record of \(record.count) bytes")
        }
        var packed: [UInt8] = []
        compressor.begin(size: record.count)
        try record.withUnsafeBufferPointer { bytes throws(Bundle.Refused) in
            try compressor.compress(UnsafeRawBufferPointer(bytes), isLast: true, into: &packed)
        }
        add(Self.isWorthIt(record.count, packed.count) ? packed : record, Digest(of: record), size: record.count)
    }

    /// Packs the file at `path`, which must have this digest and size.
    mutating func add(file path: String, digest: Digest, size: UInt64) throws(Bundle.Refused) {
        guard size <= UInt64(Bundle.Limits.blobBytes) else { throw Bundle.Refused("a file of \(size) bytes") }
        let size = Int(size)
        var packed: [UInt8] = []
        compressor.begin(size: size)
        try Self.read(path, digest, size: size) { piece, isLast throws(Bundle.Refused) in
            try compressor.compress(piece, isLast: isLast, into: &packed)
        }
        if !Self.isWorthIt(size, packed.count) {
            packed.removeAll()
            packed.reserveCapacity(size)
            try Self.read(path, digest, size: size) { piece, _ throws(Bundle.Refused) in packed += piece }
        }
        add(packed, digest, size: size)
    }

    private static func isWorthIt(_ size: Int, _ packed: Int) -> Bool {
        packed > 0 && packed < size && size / packed <= Bundle.Limits.ratio
    }

    private mutating func add(_ packed: [UInt8], _ digest: Digest, size: Int) {
        data += packed
        // What did not shrink was put in as it is, and has the same size then.
        let method = packed.count == size ? Bundle.Method.plain : .zstd
        parts.append(Bundle.Part(digest: digest, method: method, size: size, packed: packed.count))
    }

    /// Reads a file in pieces, and makes sure that it was what it should be.
    private static func read(
        _ path: String,
        _ digest: Digest,
        size: Int,
        _ body: (UnsafeRawBufferPointer, Bool) throws(Bundle.Refused) -> Void
    ) throws(Bundle.Refused) {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw Bundle.Refused(SystemError("read", path)) }
        defer { close(file) }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
        defer { buffer.deallocate() }
        var hasher = Hasher256()
        var done = 0
        repeat {
            let count = retryingInterrupts { Glibc.read(file, buffer.baseAddress, buffer.count) }
            guard count >= 0 else { throw Bundle.Refused(SystemError("read", path)) }
            done += count
            guard done <= size, count > 0 || done == size else { throw Bundle.Refused("\(path) is not what it was") }
            let piece = UnsafeRawBufferPointer(rebasing: buffer[..<count])
            hasher.update(piece)
            try body(piece, done == size)
        } while done < size
        guard hasher.finish() == digest else { throw Bundle.Refused("\(path) is damaged") }
    }
}

/// Makes zstd frames.
struct Compressor: ~Copyable {
    private let context: OpaquePointer
    private let level: Int
    private let output: UnsafeMutableRawBufferPointer

    init(level: Int) throws(Bundle.Refused) {
        guard let context = ZSTD_createCCtx() else { throw Bundle.Refused("no memory to compress", .machine) }
        self.context = context
        self.level = level
        output = .allocate(byteCount: ZSTD_CStreamOutSize(), alignment: 16)
    }

    deinit {
        ZSTD_freeCCtx(context)
        output.deallocate()
    }

    /// Begins a frame of `size` bytes.
    func begin(size: Int) {
        ZSTD_CCtx_reset(context, ZSTD_reset_session_and_parameters)
        ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, CInt(level))
        ZSTD_CCtx_setPledgedSrcSize(context, UInt64(size))
    }

    func compress(_ piece: UnsafeRawBufferPointer, isLast: Bool, into data: inout [UInt8]) throws(Bundle.Refused) {
        var input = ZSTD_inBuffer(src: piece.baseAddress, size: piece.count, pos: 0)
        while true {
            var target = ZSTD_outBuffer(dst: output.baseAddress, size: output.count, pos: 0)
            let left = ZSTD_compressStream2(context, &target, &input, isLast ? ZSTD_e_end : ZSTD_e_continue)
            if ZSTD_isError(left) != 0 { throw Bundle.Refused("zstd: \(String(cString: ZSTD_getErrorName(left)))") }
            data += UnsafeRawBufferPointer(rebasing: output[..<target.pos])
            if isLast ? left == 0 : input.pos == input.size { return }
        }
    }
}

/// Unpacks parts a piece at a time, to no more than was declared. That the bytes are what their digest says is checked by
/// who takes them: once, where they go.
struct Unpacker: ~Copyable {
    private let context: OpaquePointer
    private let output: UnsafeMutableRawBufferPointer

    init() throws(Bundle.Refused) {
        guard let context = ZSTD_createDCtx() else { throw Bundle.Refused("no memory to decompress", .machine) }
        self.context = context
        // A frame that wants a larger window than our levels use is none of ours: it would take that much memory.
        ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, 27)
        output = .allocate(byteCount: 1 << 20, alignment: 64)
    }

    deinit {
        ZSTD_freeDCtx(context)
        output.deallocate()
    }

    /// Hands on the unpacked bytes of a part as they come; who takes them must not use them before this returns.
    func unpack(
        _ part: Bundle.Part,
        _ packed: UnsafeRawBufferPointer,
        into sink: (UnsafeRawBufferPointer) -> Void
    ) throws(Bundle.Refused) {
        if part.method == .plain {
            sink(packed)
        } else {
            ZSTD_DCtx_reset(context, ZSTD_reset_session_only)
            var input = ZSTD_inBuffer(src: packed.baseAddress, size: packed.count, pos: 0)
            var done = 0
            while true {
                var target = ZSTD_outBuffer(dst: output.baseAddress, size: output.count, pos: 0)
                let left = ZSTD_decompressStream(context, &target, &input)
                if ZSTD_isError(left) != 0 { throw Bundle.Refused("zstd: \(String(cString: ZSTD_getErrorName(left)))") }
                done += target.pos
                guard done <= part.size else { throw Bundle.Refused("a part that unpacks to more than it says") }
                sink(UnsafeRawBufferPointer(rebasing: output[..<target.pos]))
                if left == 0 { break }
                // No progress is possible any more: the frame is cut short.
                guard input.pos < input.size || target.pos == target.size else {
                    throw Bundle.Refused("a frame cut short")
                }
            }
            guard done == part.size, input.pos == input.size else {
                throw Bundle.Refused("a part that is not as long as it says")
            }
        }
    }
}
