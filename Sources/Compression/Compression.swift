internal import CZstd
package import Platform

/// Why something could not be packed or unpacked.
package enum CompressionError: Error, Sendable, CustomStringConvertible {
    /// What was to be unpacked is no frame, or not the one it should be.
    case damaged(String)
    /// zstd can't work here: no memory.
    case refused(String)
    /// What was unpacked could not be put where it goes.
    case sink(SystemError)

    package var description: String {
        switch self {
        case .damaged(let what), .refused(let what): "zstd: \(what)"
        case .sink(let error): error.description
        }
    }

    static func message(_ code: Int) -> String { String(cString: ZSTD_getErrorName(code)) }
}

/// Makes zstd frames that say how long they are unpacked, and carry a checksum of that.
package struct Compressor: ~Copyable {
    private let context: OpaquePointer
    private let level: Int
    private let output: UnsafeMutableRawBufferPointer

    /// - Parameter level: zstd's.
    package init(level: Int) throws(CompressionError) {
        guard let context = ZSTD_createCCtx() else { throw .refused("no memory to compress") }
        self.context = context
        self.level = level
        output = .allocate(byteCount: ZSTD_CStreamOutSize(), alignment: 16)
    }

    deinit {
        ZSTD_freeCCtx(context)
        output.deallocate()
    }

    /// Begins a frame of `size` bytes.
    package func begin(size: Int) {
        ZSTD_CCtx_reset(context, ZSTD_reset_session_and_parameters)
        ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, CInt(level))
        ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1)
        // Who unpacks does it in a process of its own, and gets each page of the window anew: half of level 3's window makes
        // 1 % more bytes.
        ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, 20)
        ZSTD_CCtx_setPledgedSrcSize(context, UInt64(size))
    }

    package func compress(
        _ piece: UnsafeRawBufferPointer,
        isLast: Bool,
        into data: inout [UInt8]
    ) throws(CompressionError) {
        var input = ZSTD_inBuffer(src: piece.baseAddress, size: piece.count, pos: 0)
        while true {
            var target = ZSTD_outBuffer(dst: output.baseAddress, size: output.count, pos: 0)
            let left = ZSTD_compressStream2(context, &target, &input, isLast ? ZSTD_e_end : ZSTD_e_continue)
            if ZSTD_isError(left) != 0 { throw .refused(CompressionError.message(left)) }
            data += UnsafeRawBufferPointer(rebasing: output[..<target.pos])
            if isLast ? left == 0 : input.pos == input.size { return }
        }
    }
}

/// Unpacks zstd frames, one after the other, a piece at a time and to no more than was declared, and checks their checksums.
package struct Decompressor: ~Copyable {
    private let context: OpaquePointer
    private let output: UnsafeMutableRawBufferPointer
    private var size = 0
    private var done = 0
    private var isComplete = false

    package init() throws(CompressionError) {
        guard let context = ZSTD_createDCtx() else { throw .refused("no memory to decompress") }
        self.context = context
        // A frame that wants a larger window than our levels use is none of ours: it would take that much memory.
        ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, 27)
        output = .allocate(byteCount: ZSTD_DStreamOutSize(), alignment: 64)
    }

    deinit {
        ZSTD_freeDCtx(context)
        output.deallocate()
    }

    /// Begins a frame.
    ///
    /// - Parameter size: the bytes it must unpack to.
    package mutating func begin(size: Int) {
        ZSTD_DCtx_reset(context, ZSTD_reset_session_only)
        self.size = size
        done = 0
        isComplete = false
    }

    /// Unpacks the next piece of the frame.
    ///
    /// - Parameter sink: takes the unpacked bytes as they come; they are gone when it returns.
    package mutating func unpack(
        _ piece: UnsafeRawBufferPointer,
        into sink: (UnsafeRawBufferPointer) throws(SystemError) -> Void
    ) throws(CompressionError) {
        var input = ZSTD_inBuffer(src: piece.baseAddress, size: piece.count, pos: 0)
        while true {
            // Nothing may follow the frame: a second one would begin here.
            if isComplete {
                guard input.pos == input.size else { throw .damaged("something follows the frame") }
                return
            }
            var target = ZSTD_outBuffer(dst: output.baseAddress, size: output.count, pos: 0)
            let left = ZSTD_decompressStream(context, &target, &input)
            if ZSTD_isError(left) != 0 { throw .damaged(CompressionError.message(left)) }
            done += target.pos
            guard done <= size else { throw .damaged("it unpacks to more than \(size) bytes") }
            do { try sink(UnsafeRawBufferPointer(rebasing: output[..<target.pos])) } catch { throw .sink(error) }
            isComplete = left == 0
            // All is taken, and there was room for more to come out.
            if !isComplete, input.pos == input.size, target.pos < target.size { return }
        }
    }

    /// Makes sure that the frame has come to its end.
    package func finish() throws(CompressionError) {
        guard isComplete else { throw .damaged("it is cut short") }
        guard done == size else { throw .damaged("it unpacks to \(done) bytes, not \(size)") }
    }
}
