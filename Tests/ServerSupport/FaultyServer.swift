import Foundation

#if canImport(Glibc)
    import Glibc
#endif

/// A server in this process that misbehaves in a set way.
package final class FaultyServer: Sendable {
    /// What it does once a client has sent something.
    package enum Behaviour: Sendable {
        /// Sends these bytes at once, and then nothing.
        case sends([UInt8])
        /// Sends the first bytes at once and then one byte of `drop` after each pause, for ever: no single read times
        /// out.
        case trickles(start: [UInt8], drop: UInt8, every: Duration)
        /// Accepts and says nothing.
        case isSilent
        /// Closes the connection.
        case hangsUp
    }

    package let port: UInt16
    private let listener: Listener

    package init(_ behaviour: Behaviour) throws {
        listener = try Listener()
        port = listener.port
        let listener = listener
        Thread.detachNewThread {
            while let connection = listener.accept() {
                Thread.detachNewThread { Self.serve(connection, behaviour) }
            }
        }
    }

    deinit {
        listener.stop()
    }

    private static func serve(_ connection: CInt, _ behaviour: Behaviour) {
        defer { close(connection) }
        var byte: UInt8 = 0
        guard recv(connection, &byte, 1, 0) == 1 else { return }
        switch behaviour {
        case .hangsUp: return
        case .isSilent: break
        case .sends(let bytes): _ = bytes.withUnsafeBytes { writeAll(connection, $0) }
        case .trickles(let start, let drop, let pause):
            guard start.withUnsafeBytes({ writeAll(connection, $0) }) else { return }
            let microseconds = useconds_t(pause / .microseconds(1))
            while [drop].withUnsafeBytes({ writeAll(connection, $0) }) { usleep(microseconds) }
            return
        }
        while recv(connection, &byte, 1, 0) == 1 {}
    }
}

/// A relay in front of a real server that can slow, stall or cut what the server answers.
package final class FaultyRelay: @unchecked Sendable {
    /// What happens to the server's answers.
    package enum Fault: Sendable {
        case none
        /// Each piece waits so long first.
        case delays(Duration)
        /// After so many bytes of a connection, nothing more comes; the connection stays.
        case stalls(after: Int)
        /// After so many bytes of a connection, it is closed.
        case cuts(after: Int)
        /// After so many bytes of a connection, something is done, once; the answers go on.
        case does(after: Int, @Sendable () -> Void)
    }

    package let port: UInt16
    private let listener: Listener
    private let lock = NSLock()
    private var currentFault = Fault.none
    private var currentCount = 0

    package init(to target: UInt16) throws {
        listener = try Listener()
        port = listener.port
        let listener = listener
        Thread.detachNewThread { [weak self] in
            while let client = listener.accept() {
                guard let self, let server = try? Loopback.connect(port: target) else {
                    close(client)
                    continue
                }
                self.relay(client, server)
            }
        }
    }

    deinit {
        listener.stop()
    }

    package var fault: Fault {
        get { lock.withLock { currentFault } }
        set { lock.withLock { currentFault = newValue } }
    }

    /// Connections accepted so far.
    package var connections: Int { lock.withLock { currentCount } }

    private func relay(_ client: CInt, _ server: CInt) {
        lock.withLock { currentCount += 1 }
        // Closed only once neither thread uses them: their numbers are given out again at once.
        let asking = DispatchGroup()
        asking.enter()
        Thread.detachNewThread {
            Self.copy(client, server) { .none }
            asking.leave()
        }
        Thread.detachNewThread { [weak self] in
            Self.copy(server, client) { self?.fault ?? .none }
            asking.wait()
            close(client)
            close(server)
        }
    }

    /// Copies until one side ends, then ends the other's half.
    private static func copy(_ source: CInt, _ target: CInt, _ fault: () -> Fault) {
        var buffer = [UInt8](repeating: 0, count: 64 * 1024)
        var total = 0
        copying: while true {
            let count = recv(source, &buffer, buffer.count, 0)
            if count <= 0 { break }
            var allowed = count
            switch fault() {
            case .none: break
            case .delays(let pause): usleep(useconds_t(pause / .microseconds(1)))
            case .does(let limit, let action): if total < limit && total + count >= limit { action() }
            case .stalls(let limit): allowed = max(0, min(count, limit - total))
            case .cuts(let limit):
                allowed = max(0, min(count, limit - total))
                _ = buffer.withUnsafeBytes { writeAll(target, UnsafeRawBufferPointer(rebasing: $0[..<allowed])) }
                if allowed < count { break copying }
                total += count
                continue
            }
            total += count
            guard buffer.withUnsafeBytes({ writeAll(target, UnsafeRawBufferPointer(rebasing: $0[..<allowed])) })
            else { break }
        }
        shutdown(target, CInt(SHUT_RDWR))
        shutdown(source, CInt(SHUT_RDWR))
    }
}
