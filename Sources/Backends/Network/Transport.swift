/// A byte stream to a server: a socket, with or without TLS.
final class Transport {
    private let socket: Socket
    private let tls: TLSSession?

    init(socket: Socket, tls: TLSSession?) {
        self.socket = socket
        self.tls = tls
    }

    var server: String { socket.server }

    /// Whether an idle connection can be used again.
    var isQuiet: Bool { socket.isQuiet }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(BackendError) -> Socket.Progress {
        if let tls { return try tls.read(into: buffer) }
        return try socket.read(into: buffer)
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws(BackendError) -> Socket.Progress {
        if let tls { return try tls.write(bytes) }
        return try socket.write(bytes)
    }

    func wait(for readiness: Socket.Readiness, deadline: Deadline, doing: String) throws(BackendError) {
        try socket.wait(for: readiness, deadline: deadline, doing: doing)
    }
}
