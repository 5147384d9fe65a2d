internal import Glibc

/// A system call that failed: what was tried, on which path, and the errno.
package struct SystemError: Error, CustomStringConvertible, Equatable {
    package let operation: String
    package let path: String
    package let code: Int32

    package init(_ operation: String, _ path: String, _ code: Int32 = errno) {
        self.operation = operation
        self.path = path
        self.code = code
    }

    package var isMissing: Bool { code == ENOENT || code == ENOTDIR }

    package var description: String {
        let text = strerror(code).map { String(cString: $0) } ?? "errno \(code)"
        return "can't \(operation) \(path): \(text)"
    }
}
