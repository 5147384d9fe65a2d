#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// One address to connect to, as `connect` takes it.
struct SocketAddress: Sendable, Hashable {
    let family: CInt
    let bytes: [UInt8]

    init(family: CInt, bytes: [UInt8]) {
        self.family = family
        self.bytes = bytes
    }

    /// A Unix socket's address.
    /// - Throws: `.invalidSettings` when the path does not fit into `sockaddr_un` (108 bytes on Linux).
    init(unixPath: String) throws(BackendError) {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let path = Array(unixPath.utf8)
        let room = MemoryLayout.size(ofValue: address.sun_path) - 1
        guard !path.isEmpty, path.count <= room, !path.contains(0) else {
            throw BackendError(
                .invalidSettings,
                "the path of the Unix socket is empty or longer than \(room) bytes",
                server: unixPath,
                advice: "Use a shorter path."
            )
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) }
        family = AF_UNIX
        bytes = withUnsafeBytes(of: address) { Array($0) }
    }
}

/// Host names to addresses, with a deadline, which `getaddrinfo` does not have.
///
/// Each lookup runs on a thread of its own. All who want the same host wait for the same thread, so that a dead name
/// server costs one thread per host, not one per request. Answers are kept for a short while; when a lookup fails or
/// takes too long, an older answer is used.
final class Resolver: Sendable {
    /// One for the whole process.
    static let shared = Resolver()

    private struct Place: Hashable {
        let host: String
        let port: UInt16
    }

    private enum Answer {
        case addresses([SocketAddress])
        case failure(String)
    }

    private struct Entry {
        var isRunning = false
        /// Counts finished lookups, so that a waiter knows a new answer from the one it found.
        var round = 0
        var latest: Answer?
        var addresses: [SocketAddress] = []
        var resolvedAt: ContinuousClock.Instant?
    }

    /// How long an answer is used without asking again: short, as a server may move; a reconnect is rare anyway.
    private static let freshFor = Duration.seconds(30)
    /// How long to wait for a new answer when an old one is at hand.
    private static let patienceWithOldAnswer = Duration.milliseconds(300)

    private let entries = Monitor<[Place: Entry]>([:])

    /// The addresses of a host, in the system's order of preference; at least one.
    func addresses(
        of host: String,
        port: UInt16,
        server: String,
        deadline: Deadline
    ) throws(BackendError) -> [SocketAddress] {
        // A numeric address needs no name server, and so no thread.
        if case .addresses(let numeric) = Self.lookUp(host, port, numericOnly: true) { return numeric }
        let place = Place(host: host, port: port)
        var mustStart = false
        let (round, old, isFresh) = entries.update { entries -> (Int, [SocketAddress], Bool) in
            var entry = entries[place] ?? Entry()
            if let at = entry.resolvedAt, .now - at < Self.freshFor { return (entry.round, entry.addresses, true) }
            mustStart = !entry.isRunning
            entry.isRunning = true
            entries[place] = entry
            return (entry.round, entry.addresses, false)
        }
        if isFresh { return old }
        if mustStart { startLookUp(place) }
        let patience = old.isEmpty ? deadline : deadline.atMost(Self.patienceWithOldAnswer)
        let answer = entries.wait(until: patience) { entries -> Answer? in
            guard let entry = entries[place], entry.round > round else { return nil }
            return entry.latest
        }
        switch answer {
        case .addresses(let addresses): return addresses
        case .failure(let cause) where old.isEmpty:
            throw BackendError(
                .unreachable,
                "can't find the host \(host)",
                server: server,
                cause: cause,
                advice: "Check the name in the settings, and this machine's name server."
            )
        case nil where old.isEmpty: throw .timedOut("looking up the host \(host)", server: server)
        case .failure, nil: return old
        }
    }

    private func startLookUp(_ place: Place) {
        let didStart = DetachedThread.start {
            self.finish(place, Self.lookUp(place.host, place.port, numericOnly: false))
        }
        if !didStart { finish(place, .failure("no thread for the lookup")) }
    }

    private func finish(_ place: Place, _ answer: Answer) {
        entries.update { entries in
            var entry = entries[place] ?? Entry()
            entry.isRunning = false
            entry.round += 1
            entry.latest = answer
            if case .addresses(let addresses) = answer {
                entry.addresses = addresses
                entry.resolvedAt = .now
            }
            entries[place] = entry
        }
    }

    private static func lookUp(_ host: String, _ port: UInt16, numericOnly: Bool) -> Answer {
        var hints = addrinfo()
        hints.ai_family = AF_UNSPEC
        #if canImport(Darwin)
            hints.ai_socktype = SOCK_STREAM
        #else
            hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
        #endif
        hints.ai_flags = AI_NUMERICSERV | (numericOnly ? AI_NUMERICHOST : AI_ADDRCONFIG)
        var list: UnsafeMutablePointer<addrinfo>?
        let status = getaddrinfo(host, String(port), &hints, &list)
        guard status == 0 else { return .failure(String(cString: gai_strerror(status))) }
        defer { freeaddrinfo(list) }
        var found: [SocketAddress] = []
        var next = list
        while let info = next {
            if let address = info.pointee.ai_addr {
                let bytes = UnsafeRawBufferPointer(start: address, count: Int(info.pointee.ai_addrlen))
                found.append(SocketAddress(family: info.pointee.ai_family, bytes: Array(bytes)))
            }
            next = info.pointee.ai_next
        }
        return found.isEmpty ? .failure("the name has no address") : .addresses(found)
    }
}
