#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A connected stream socket that never blocks. Closed with its last reference.
final class Socket {
    /// What `poll` is asked to wait for.
    struct Readiness: OptionSet {
        let rawValue: Int16
        static let readable = Readiness(rawValue: Int16(POLLIN))
        static let writable = Readiness(rawValue: Int16(POLLOUT))
    }

    /// What one read or write came to.
    enum Progress {
        case moved(Int)
        /// Nothing now; wait for this first.
        case blocked(Readiness)
        /// The other side closed the connection.
        case ended
    }

    let descriptor: CInt
    /// The server's name, for errors.
    let server: String

    private init(descriptor: CInt, server: String) {
        self.descriptor = descriptor
        self.server = server
    }

    deinit {
        close(descriptor)
    }

    /// Connects to the first of these addresses that accepts. Each gets its share of the time that is left.
    static func connect(
        to addresses: [SocketAddress],
        server: String,
        deadline: Deadline
    ) throws(BackendError) -> Socket {
        var failure = BackendError.timedOut("connecting", server: server)
        for (index, address) in addresses.enumerated() {
            if deadline.hasPassed { break }
            do {
                let share = deadline.remaining / (addresses.count - index)
                return try connect(to: address, server: server, deadline: deadline.atMost(share))
            } catch {
                failure = error
            }
        }
        throw failure
    }

    private static func connect(
        to address: SocketAddress,
        server: String,
        deadline: Deadline
    ) throws(BackendError) -> Socket {
        #if canImport(Darwin)
            let descriptor = socket(address.family, SOCK_STREAM, 0)
        #else
            let kind = CInt(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
            let descriptor = socket(address.family, kind, 0)
        #endif
        guard descriptor >= 0 else { throw unreachable("can't make a socket", server: server, errno) }
        let made = Socket(descriptor: descriptor, server: server)
        made.prepare(family: address.family)
        let status = address.bytes.withUnsafeBytes { bytes -> CInt in
            guard let start = bytes.assumingMemoryBound(to: sockaddr.self).baseAddress else { return -1 }
            #if canImport(Glibc)
                return Glibc.connect(descriptor, start, socklen_t(bytes.count))
            #elseif canImport(Musl)
                return Musl.connect(descriptor, start, socklen_t(bytes.count))
            #else
                return Darwin.connect(descriptor, start, socklen_t(bytes.count))
            #endif
        }
        if status == 0 { return made }
        // A Unix socket whose queue is full answers EAGAIN instead of waiting.
        guard errno == EINPROGRESS || errno == EINTR else {
            throw unreachable("can't connect", server: server, errno)
        }
        try made.wait(for: .writable, deadline: deadline, doing: "connecting")
        var problem: CInt = 0
        var length = socklen_t(MemoryLayout<CInt>.size)
        guard getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &problem, &length) == 0, problem == 0 else {
            throw unreachable("can't connect", server: server, problem == 0 ? errno : problem)
        }
        return made
    }

    private func prepare(family: CInt) {
        var on: CInt = 1
        #if canImport(Darwin)
            _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
            _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
            setsockopt(descriptor, SOL_SOCKET, SO_NOSIGPIPE, &on, socklen_t(MemoryLayout<CInt>.size))
        #endif
        guard family != AF_UNIX else { return }
        // Requests are small and answers awaited: Nagle's delay would add up to 40 ms to each.
        setsockopt(descriptor, CInt(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<CInt>.size))
        // A connection kept for minutes notices a server that vanished without a word.
        setsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &on, socklen_t(MemoryLayout<CInt>.size))
    }

    /// Waits until something can be done.
    /// - Throws: `.timedOut` when the deadline passes first.
    func wait(for readiness: Readiness, deadline: Deadline, doing: String) throws(BackendError) {
        var request = pollfd(fd: descriptor, events: readiness.rawValue, revents: 0)
        while true {
            guard !deadline.hasPassed else { throw .timedOut(doing, server: server) }
            let count = poll(&request, 1, deadline.remainingMilliseconds)
            if count > 0 { return }
            if count < 0, errno != EINTR, errno != EAGAIN { throw lost("poll failed", errno) }
        }
    }

    /// Whether an idle connection is still good: nothing to read, and not closed. A server never speaks first.
    var isQuiet: Bool {
        var request = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&request, 1, 0) == 0
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(BackendError) -> Progress {
        while true {
            let count = recv(descriptor, buffer.baseAddress, buffer.count, 0)
            if count > 0 { return .moved(count) }
            if count == 0 { return .ended }
            switch errno {
            case EINTR: continue
            case EAGAIN, EWOULDBLOCK: return .blocked(.readable)
            default: throw lost("the connection broke while reading", errno)
            }
        }
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws(BackendError) -> Progress {
        #if canImport(Darwin)
            let flags: CInt = 0
        #else
            let flags = CInt(MSG_NOSIGNAL)
        #endif
        while true {
            let count = send(descriptor, bytes.baseAddress, bytes.count, flags)
            if count >= 0 { return .moved(count) }
            switch errno {
            case EINTR: continue
            case EAGAIN, EWOULDBLOCK: return .blocked(.writable)
            default: throw lost("the connection broke while writing", errno)
            }
        }
    }

    private func lost(_ message: String, _ number: CInt) -> BackendError {
        BackendError(
            .connectionLost,
            message,
            server: server,
            cause: String(cString: strerror(number)),
            advice: "The server ended, or the network did; the next request connects again."
        )
    }

    private static func unreachable(_ message: String, server: String, _ number: CInt) -> BackendError {
        BackendError(
            .unreachable,
            message,
            server: server,
            cause: String(cString: strerror(number)),
            advice: "Check that the server runs, and its address and port in the settings."
        )
    }
}
