internal import Backends
internal import CPlatform
internal import GatewayProtocol
internal import Glibc
internal import Platform

/// Listens, and answers each connection on a thread of its own.
final class Server: Sendable {
    private let gateway: Gateway
    private let place: GatewayPlace
    /// Seconds; 0: never.
    private let idleTimeout: Int
    private let state = Monitor(State())

    private struct State: Sendable {
        var connections = 0
        var lastUse = ContinuousClock.now
        var isStopping = false
        /// The socket that is listened at.
        var listening: Int32 = -1
    }

    /// As many wrappers as may ask at once without being turned away.
    private static let backlog: Int32 = 1024
    /// How often it looks whether it is still needed. Milliseconds.
    private static let tick: Int32 = 500
    /// Time for the other end to take a reply. Milliseconds.
    private static let sendTime: Int64 = 10_000
    /// A gateway that has just stopped lets go of the lock soon.
    private static let lockTries = 20

    init(_ gateway: Gateway, idleTimeout: Int) {
        self.gateway = gateway
        place = gateway.place
        self.idleTimeout = idleTimeout
    }

    /// Serves until it is idle for long enough, told to stop, or replaced.
    ///
    /// - Throws: where it can't listen.
    func run() throws(SystemError) {
        try place.prepare()
        let lock = try Descriptor(opening: place.lock, O_RDWR | O_CREAT, mode: 0o600, for: "lock")
        var tries = 0
        while flock(lock.number, LOCK_EX | LOCK_NB) != 0 {
            tries += 1
            // Another one is serving: it got here first.
            if tries > Self.lockTries { return }
            usleep(25_000)
        }
        let socket = try listen()
        state.update { $0.listening = socket.number }
        unlink(place.silenceMark)
        unlink(place.unreadyMark)
        gateway.start()
        let own = FileStamp(of: place.socket)?.inode
        while goesOn(own) {
            var item = pollfd(fd: socket.number, events: Int16(POLLIN), revents: 0)
            guard poll(&item, 1, Self.tick) > 0 else { continue }
            let connection = larder_socket_accept(socket.number)
            if connection >= 0 {
                serve(connection)
            } else if errno != EAGAIN, errno != EINTR {
                // No descriptor is left: one of those in use will be free soon.
                usleep(20_000)
            }
        }
        gateway.end()
        if FileStamp(of: place.socket)?.inode == own { unlink(place.socket) }
        // Whoever connected meanwhile finds the socket closed, and starts another gateway.
    }

    /// Listens under another name and moves the socket over whatever a dead gateway left there: there is always one.
    private func listen() throws(SystemError) -> Descriptor {
        let temporary = "\(place.socket).\(getpid())"
        unlink(temporary)
        let socket = larder_socket_listen(temporary, Self.backlog)
        guard socket >= 0 else { throw SystemError("listen at", temporary) }
        let descriptor = Descriptor(taking: socket)
        chmod(temporary, 0o600)
        guard rename(temporary, place.socket) == 0 else {
            let error = SystemError("rename to", place.socket)
            unlink(temporary)
            throw error
        }
        return descriptor
    }

    private func goesOn(_ own: UInt64?) -> Bool {
        // Its folder was removed, or something else is in its place: nobody can reach it any more.
        guard FileStamp(of: place.socket)?.inode == own else { return false }
        let (isStopping, connections, lastUse) = state.read { ($0.isStopping, $0.connections, $0.lastUse) }
        if isStopping { return false }
        guard idleTimeout > 0, connections == 0, gateway.publisher.now.isDone else { return true }
        return .now - lastUse < .seconds(idleTimeout)
    }

    private func serve(_ socket: Int32) {
        guard let connection = Connection(taking: socket) else { return }
        state.update { $0.connections += 1 }
        let handover = Handover(connection)
        let hasStarted = DetachedThread.start { [self] in
            handover.use { answer($0) }
            state.update { state in
                state.connections -= 1
                state.lastUse = .now
            }
        }
        if !hasStarted { state.update { $0.connections -= 1 } }
    }

    private func answer(_ connection: borrowing Connection) {
        while true {
            guard connection.waitForRequest(milliseconds: -1) else { return }
            do throws(Connection.Failure) {
                let frame = try connection.receive(deadline: millisecondsNow() + Self.sendTime)
                guard let request = Request(frame) else { return }
                // A poke wants no answer.
                if request == .publish {
                    gateway.publisher.scan()
                    continue
                }
                try send(.working, connection)
                let reply = reply(to: request, connection)
                if request == .stop {
                    // The process ends with the next line.
                    try? send(reply, connection)
                    state.update { $0.isStopping = true }
                    return
                }
                try send(reply, connection)
            } catch { return }
        }
    }

    private func send(_ reply: Reply, _ connection: borrowing Connection) throws(Connection.Failure) {
        try connection.send(reply.frame, deadline: millisecondsNow() + Self.sendTime)
    }

    private func reply(to request: Request, _ connection: borrowing Connection) -> Reply {
        /// Well under the patience of who asks. Milliseconds.
        let pulse: Int64 = 200
        var next = millisecondsNow() + pulse
        func isWorking() {
            guard millisecondsNow() >= next else { return }
            next = millisecondsNow() + pulse
            try? connection.send(Reply.working.frame, deadline: next)
        }
        switch request {
        case .fetchManifest(let key): return gateway.fetchManifest(key)
        case .fetchResult(let id): return gateway.fetchResult(id, onProgress: isWorking)
        case .publish: return .done
        case .stop:
            // Whoever asks from now on starts another one, and does not wait for this one to be gone.
            shutdown(state.read { $0.listening }, Int32(SHUT_RDWR))
            // Whoever stops it may look for what it fetched.
            gateway.end()
            return .done
        case .flush(let all, let milliseconds):
            let deadline = Deadline.after(.milliseconds(Int64(milliseconds)))
            gateway.flush(all: all, deadline: deadline, onWait: isWorking)
            return .text(gateway.status)
        case .status: return .text(gateway.status)
        case .examine: return .text(gateway.examination(onProgress: isWorking))
        }
    }
}

/// Carries a connection into its thread.
private final class Handover: @unchecked Sendable {
    private var connection: Connection?

    init(_ connection: consuming Connection) { self.connection = consume connection }

    func use(_ body: (borrowing Connection) -> Void) {
        guard let connection = connection.take() else { return }
        body(connection)
    }
}
