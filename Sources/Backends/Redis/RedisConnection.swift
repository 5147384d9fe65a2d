import CHiredis

/// One connection to a Redis server, logged in and with its database selected.
///
/// hiredis writes the commands and parses the replies; reading and writing the socket is done here. A `redisContext`
/// bounds single system calls only, so a server that trickles would hold a request for ever, and in version 0.14 it has
/// no TLS, short of a thread and a socket pair for each connection.
///
/// After any error the connection is out of step with the server: whoever gets one must drop it.
final class RedisConnection {
    /// Read in pieces that a few system calls fill from a fast network.
    private static let bufferBytes = 256 * 1024
    /// hiredis moves all that it has not parsed after each reply, so it gets little at a time: 200 values of 20 kB come
    /// twice as fast as with the whole buffer at once.
    private static let feedBytes = 16 * 1024
    /// Pipelined commands are sent in pieces of about this size.
    private static let outputBytes = 64 * 1024
    /// Redis' own limit of one value (`proto-max-bulk-len`) and some room: more unread bytes are no reply.
    private static let longestReply = 513 * 1024 * 1024

    private let transport: Transport
    private let reader: UnsafeMutablePointer<redisReader>
    private let buffer: UnsafeMutableRawBufferPointer

    init(transport: Transport) throws(BackendError) {
        guard let reader = redisReaderCreate() else {
            throw BackendError(
                .connectionLost,
                "no memory for a connection",
                server: transport.server,
                advice: "Free memory on this machine."
            )
        }
        // hiredis gives its buffer back whenever it is empty and over 16 KiB, to allocate it again for the next value.
        reader.pointee.maxbuf = 0
        self.transport = transport
        self.reader = reader
        buffer = .allocate(byteCount: Self.bufferBytes, alignment: 16)
    }

    deinit {
        buffer.deallocate()
        redisReaderFree(reader)
    }

    /// Whether an idle connection can be used again.
    var isUsable: Bool { transport.isQuiet }

    var server: String { transport.server }

    /// Sends one command and gives its reply.
    func exchange(_ command: RedisCommand, deadline: Deadline) throws(BackendError) -> RedisReply {
        guard let reply = try exchange([command], deadline: deadline).first else {
            throw violation("sent no reply", nil)
        }
        return reply
    }

    /// Sends all commands in one go and gives their replies, in order. An error reply is a reply, not an error.
    func exchange(_ commands: [RedisCommand], deadline: Deadline) throws(BackendError) -> [RedisReply] {
        var replies: [RedisReply] = []
        replies.reserveCapacity(commands.count)
        var unsent = commands[...]
        var output: [UInt8] = []
        var written = 0
        while replies.count < commands.count {
            var awaited: Socket.Readiness = []
            if written == output.count, !unsent.isEmpty {
                output.removeAll(keepingCapacity: true)
                written = 0
                try fill(&output, from: &unsent)
            }
            if written < output.count {
                let progress = try output.withUnsafeBufferPointer { bytes throws(BackendError) in
                    try transport.write(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: bytes[written...])))
                }
                switch progress {
                case .moved(let count): written += count
                case .blocked(let readiness): awaited.formUnion(readiness)
                case .ended: throw ended()
                }
            }
            // Replies are read while commands are still being sent: neither side may wait for the other for ever.
            let isSending = written < output.count || !unsent.isEmpty
            switch try transport.read(into: buffer) {
            case .moved(let count):
                try take(count, to: &replies, upTo: commands.count)
                if replies.count == commands.count { return replies }
                awaited = []
            case .blocked(let readiness):
                if isSending && awaited.isEmpty { continue }
                awaited.formUnion(readiness)
            case .ended: throw ended()
            }
            let doing = "waiting for the reply to \(commands[replies.count].name)"
            if deadline.hasPassed { throw .timedOut(doing, server: server) }
            if !awaited.isEmpty { try transport.wait(for: awaited, deadline: deadline, doing: doing) }
        }
        return replies
    }

    private func fill(_ output: inout [UInt8], from commands: inout ArraySlice<RedisCommand>) throws(BackendError) {
        while output.count < Self.outputBytes, let command = commands.popFirst() {
            guard command.encode(to: &output) else {
                throw BackendError(
                    .valueTooLarge,
                    "a \(command.name) command can't be written: too long, or no memory",
                    server: server,
                    advice: "Store smaller values."
                )
            }
        }
    }

    /// Gives bytes to hiredis and takes the replies they complete.
    private func take(_ count: Int, to replies: inout [RedisReply], upTo expected: Int) throws(BackendError) {
        var start = 0
        while start < count {
            let end = min(count, start + Self.feedBytes)
            try feed(UnsafeRawBufferPointer(rebasing: buffer[start..<end]), to: &replies, upTo: expected)
            start = end
        }
    }

    private func feed(
        _ bytes: UnsafeRawBufferPointer,
        to replies: inout [RedisReply],
        upTo expected: Int
    ) throws(BackendError) {
        redisReaderFeed(reader, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count)
        while true {
            var raw: UnsafeMutableRawPointer?
            guard redisReaderGetReply(reader, &raw) == REDIS_OK else {
                let cause = withUnsafeBytes(of: reader.pointee.errstr) { BackendError.cleaned($0.prefix { $0 != 0 }) }
                throw violation("sent what is not Redis' protocol", cause)
            }
            guard let raw else { break }
            defer { freeReplyObject(raw) }
            guard replies.count < expected else { throw violation("sent more replies than commands", nil) }
            guard let reply = RedisReply(raw.assumingMemoryBound(to: redisReply.self)) else {
                throw violation("sent an unknown kind of reply", nil)
            }
            replies.append(reply)
        }
        guard reader.pointee.len < Self.longestReply else { throw violation("sends a reply without end", nil) }
    }

    private func violation(_ message: String, _ cause: String?) -> BackendError {
        BackendError(
            .protocolViolation,
            "the server \(message)",
            server: server,
            cause: cause,
            advice: "Check that a Redis server listens there, and whether it wants TLS (rediss://)."
        )
    }

    private func ended() -> BackendError {
        BackendError(
            .connectionLost,
            "the server closed the connection",
            server: server,
            advice: "It ended, or has too many clients, or wants TLS (rediss://); the next request connects again."
        )
    }
}
