internal import CPlatform
internal import Glibc

/// A program under way, its output coming through pipes.
package struct Run: ~Copyable {
    package struct End: Sendable {
        package let process: Int32
        /// As `wait` gives it.
        package let status: Int32
        package let standardOutput: [UInt8]
        package let standardError: [UInt8]
        /// Whether all of the output is there; more than `limit` is passed on but not kept.
        package let isWhole: Bool
    }

    /// Output of one compile that is kept; more is some runaway diagnostic, not worth a place in a cache. Bytes.
    package static let limit = 64 << 20

    package let pid: Int32
    private let output: Descriptor
    private let errors: Descriptor

    /// Starts a program; all descriptors but the standard ones are inherited, Cargo's jobserver among them.
    ///
    /// - Parameters:
    ///   - environment: `NAME=value` entries; `nil` for this process's own.
    ///   - standardInput: its standard input; -1 for this process's own.
    package init(
        _ program: String,
        _ arguments: [String],
        environment: [[UInt8]]?,
        standardInput: Int32 = -1
    ) throws(SystemError) {
        var first: [Int32] = [-1, -1]
        var second: [Int32] = [-1, -1]
        guard larder_pipe(&first) == 0 else { throw SystemError("make a pipe for", program) }
        let output = Descriptor(taking: first[0])
        let outputEnd = Descriptor(taking: first[1])
        guard larder_pipe(&second) == 0 else { throw SystemError("make a pipe for", program) }
        let errors = Descriptor(taking: second[0])
        let errorsEnd = Descriptor(taking: second[1])
        var pid: Int32 = -1
        let code = CStrings.with(arguments.map { Array($0.utf8) }) { argv in
            guard let environment else {
                return larder_spawn(
                    program,
                    argv,
                    larder_environ(),
                    standardInput,
                    outputEnd.number,
                    errorsEnd.number,
                    &pid
                )
            }
            return CStrings.with(environment) { envp in
                larder_spawn(program, argv, envp, standardInput, outputEnd.number, errorsEnd.number, &pid)
            }
        }
        guard code == 0 else { throw SystemError("run", program, code) }
        self.pid = pid
        self.output = output
        self.errors = errors
    }

    /// Waits for the end; hands on what comes as it comes, and keeps it.
    ///
    /// - Parameters:
    ///   - onOutput, onErrors: called with each piece in order.
    package consuming func collect(
        onOutput: (UnsafeRawBufferPointer) -> Void = { _ in },
        onErrors: (UnsafeRawBufferPointer) -> Void = { _ in }
    ) throws(SystemError) -> End {
        var kept: [[UInt8]] = [[], []]
        var isWhole = true
        var polls = [
            pollfd(fd: output.number, events: Int16(POLLIN), revents: 0),
            pollfd(fd: errors.number, events: Int16(POLLIN), revents: 0),
        ]
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 16)
        defer { buffer.deallocate() }
        while polls.contains(where: { $0.fd >= 0 }) {
            if poll(&polls, nfds_t(polls.count), -1) < 0 {
                if errno == EINTR { continue }
                throw SystemError("wait for the output of", "process \(pid)")
            }
            for index in 0..<2 where polls[index].fd >= 0 && polls[index].revents != 0 {
                let count = retryingInterrupts { read(polls[index].fd, buffer.baseAddress, buffer.count) }
                guard count > 0 else {
                    polls[index].fd = -1
                    continue
                }
                let piece = UnsafeRawBufferPointer(rebasing: buffer[..<count])
                index == 0 ? onOutput(piece) : onErrors(piece)
                if kept[index].count + count <= Self.limit { kept[index] += piece } else { isWhole = false }
            }
        }
        var status: Int32 = 0
        guard larder_wait(pid, &status) == pid else { throw SystemError("wait for", "process \(pid)") }
        return End(process: pid, status: status, standardOutput: kept[0], standardError: kept[1], isWhole: isWhole)
    }
}

/// Text for C: an array of zero-terminated strings that ends with a null pointer.
package enum CStrings {
    package static func with<Result>(
        _ strings: [[UInt8]],
        _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
    ) -> Result {
        let copies = strings.map { bytes -> UnsafeMutablePointer<CChar> in
            let copy = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count + 1)
            for (index, byte) in bytes.enumerated() { copy[index] = CChar(bitPattern: byte) }
            copy[bytes.count] = 0
            return copy
        }
        defer { for copy in copies { copy.deallocate() } }
        return body(copies + [nil])
    }
}
