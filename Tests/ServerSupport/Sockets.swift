import Foundation

#if canImport(Glibc)
    import Glibc
#endif

/// Ports and raw connections on this machine's loopback.
package enum Loopback {
    /// Below those that the kernel gives to connections that go out: one of these could take the port before the server
    /// does. Source: ip(7), `ip_local_port_range`.
    private static let ports: Range<UInt16> = 10_000..<32_000
    private static let given = Given()

    /// Ports that this process has given away: the server that one is for may not have taken it yet.
    private final class Given: @unchecked Sendable {
        private let lock = NSLock()
        private var ports: Set<UInt16> = []

        func take(_ port: UInt16) -> Bool { lock.withLock { ports.insert(port).inserted } }
    }

    /// A port no one listens on now, and that nobody else in this process gets.
    package static func freePort() throws -> UInt16 {
        for _ in 0..<1000 {
            let port = UInt16.random(in: ports)
            if given.take(port), (try? Listener(port: port)) != nil { return port }
        }
        throw ServerFailure("no free port on loopback")
    }

    /// Several of them, all different.
    package static func freePorts(_ count: Int) throws -> [UInt16] { try (0..<count).map { _ in try freePort() } }

    /// Whether someone accepts connections there.
    package static func accepts(port: UInt16) -> Bool {
        guard let descriptor = try? connect(port: port) else { return false }
        close(descriptor)
        return true
    }

    static func connect(port: UInt16) throws -> CInt {
        let descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = loopbackAddress(port: port)
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard status == 0 else {
            close(descriptor)
            throw ServerFailure("can't connect to port \(port)")
        }
        return descriptor
    }

    fileprivate static func loopbackAddress(port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return address
    }
}

/// A listening socket.
final class Listener: Sendable {
    let descriptor: CInt
    let port: UInt16

    /// - Parameter port: 0: one that the system chooses.
    init(port wanted: UInt16 = 0) throws {
        descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = Loopback.loopbackAddress(port: wanted)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = descriptor
        let status = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address -> CInt in
                guard bind(descriptor, address, length) == 0, listen(descriptor, 64) == 0 else { return -1 }
                return getsockname(descriptor, address, &length)
            }
        }
        port = UInt16(bigEndian: address.sin_port)
        guard status == 0 else { throw ServerFailure("can't listen on loopback") }
    }

    deinit {
        // Wakes a thread that is in accept, which close does not.
        shutdown(descriptor, CInt(SHUT_RDWR))
        close(descriptor)
    }

    /// The next connection; nil once the listener is shut down.
    func accept() -> CInt? {
        let connection = Glibc.accept(descriptor, nil, nil)
        guard connection >= 0 else { return nil }
        // A server started meanwhile must not hold it open.
        _ = fcntl(connection, F_SETFD, FD_CLOEXEC)
        return connection
    }

    func stop() {
        shutdown(descriptor, CInt(SHUT_RDWR))
    }
}

/// Writes all bytes; false when the other side is gone.
func writeAll(_ descriptor: CInt, _ bytes: UnsafeRawBufferPointer) -> Bool {
    var rest = bytes[...]
    while !rest.isEmpty {
        let count = send(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count, CInt(MSG_NOSIGNAL))
        if count <= 0 { return false }
        rest = rest.dropFirst(count)
    }
    return true
}
