internal import CPlatform
internal import Glibc
internal import Platform

/// Milliseconds on a clock that never goes back.
package func millisecondsNow() -> Int64 { Int64(clamping: larder_monotonic_microseconds() / 1000) }

/// One end of a connection over the gateway's socket.
package struct Connection: ~Copyable {
    private let socket: Descriptor

    /// Why a frame did not come or go.
    package enum Failure: Error, Equatable {
        case timedOut
        /// The other end closed, before a frame or within it.
        case closed
        /// What came is no frame of this version.
        case foreign
    }

    /// Takes over a connected socket that does not block.
    ///
    /// - Returns: `nil` when the other end is another user's.
    package init?(taking number: Int32) {
        let socket = Descriptor(taking: number)
        guard larder_socket_peer(number) == Int(getuid()) else { return nil }
        self.socket = socket
    }

    /// Waits until something can be read, or the other end is gone.
    ///
    /// - Parameter milliseconds: at most so long; -1: without end.
    package func waitForRequest(milliseconds: Int32) -> Bool { wait(POLLIN, milliseconds) }

    private func wait(_ events: Int32, _ milliseconds: Int32) -> Bool {
        var item = pollfd(fd: socket.number, events: Int16(events), revents: 0)
        return retryingInterrupts { poll(&item, 1, milliseconds) } > 0
    }

    private func wait(_ events: Int32, until deadline: Int64) throws(Failure) {
        let left = deadline - millisecondsNow()
        guard left > 0, wait(events, Int32(clamping: left)) else { throw .timedOut }
    }

    /// Sends a frame.
    ///
    /// - Parameter deadline: in milliseconds of `millisecondsNow`.
    package func send(_ frame: Frame, deadline: Int64) throws(Failure) {
        let bytes = frame.encoded
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                retryingInterrupts {
                    larder_socket_send(socket.number, buffer.baseAddress.map { $0 + done }, buffer.count - done)
                }
            }
            if count > 0 {
                done += count
            } else if errno == EAGAIN {
                try wait(POLLOUT, until: deadline)
            } else {
                throw .closed
            }
        }
    }

    /// The next frame.
    package func receive(deadline: Int64) throws(Failure) -> Frame {
        let length = try receive(4, deadline: deadline).reversed().reduce(0) { $0 << 8 | Int($1) }
        guard length >= 2, length <= Frame.longest else { throw .foreign }
        let body = try receive(length, deadline: deadline)
        guard body[0] == Frame.version else { throw .foreign }
        return Frame(code: body[1], payload: Array(body[2...]))
    }

    private func receive(_ count: Int, deadline: Int64) throws(Failure) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var done = 0
        while done < count {
            let got = bytes.withUnsafeMutableBytes { buffer in
                retryingInterrupts { read(socket.number, buffer.baseAddress.map { $0 + done }, count - done) }
            }
            if got > 0 {
                done += got
            } else if got < 0, errno == EAGAIN {
                try wait(POLLIN, until: deadline)
            } else {
                throw .closed
            }
        }
        return bytes
    }
}
