internal import Glibc

/// An open file descriptor, closed at the end of its life.
package struct Descriptor: ~Copyable {
    package let number: Int32

    package init(taking number: Int32) { self.number = number }

    /// Opens `path`; close-on-exec always, so that no compiler inherits it.
    package init(
        opening path: String,
        _ flags: Int32,
        mode: UInt32 = 0o666,
        for operation: String = "open"
    ) throws(SystemError) {
        let number = retryingInterrupts { open(path, flags | O_CLOEXEC, mode) }
        guard number >= 0 else { throw SystemError(operation, path) }
        self.number = number
    }

    deinit { close(number) }

    /// Gives the descriptor away: it stays open.
    package consuming func release() -> Int32 {
        let number = self.number
        discard self
        return number
    }
}

/// Calls again for as long as a signal interrupts the call.
@inline(__always)
package func retryingInterrupts<Result: SignedInteger>(_ call: () -> Result) -> Result {
    while true {
        let result = call()
        if result != -1 || errno != EINTR { return result }
    }
}
