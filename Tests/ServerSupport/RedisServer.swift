import Foundation

/// A real redis-server of a test's own.
package final class RedisServer: @unchecked Sendable {
    package let folder: TemporaryFolder
    package let port: UInt16
    package let busPort: UInt16
    package let socketPath: String
    private let arguments: [String]
    private let password: String?
    package private(set) var process: ServerProcess

    /// Starts it on a free port and a Unix socket.
    /// - Parameters:
    ///   - settings: lines of its configuration, as in `maxmemory 10mb`.
    ///   - password: of the default user.
    ///   - certificates: makes the port a TLS one.
    package init(
        settings: [String] = [],
        password: String? = nil,
        certificates: TestCertificates? = nil
    ) throws {
        folder = try TemporaryFolder()
        let ports = try Loopback.freePorts(2)
        port = ports[0]
        busPort = ports[1]
        socketPath = folder.appending("redis.sock")
        var lines = [
            "bind 127.0.0.1", "unixsocket \(socketPath)", "dir \(folder.path)", "save \"\"", "appendonly no",
            "io-threads 1", "loglevel notice", "cluster-port \(ports[1])", "enable-debug-command yes",
        ]
        if let certificates {
            lines += [
                "port 0", "tls-port \(port)", "tls-cert-file \(certificates.certificate)",
                "tls-key-file \(certificates.key)", "tls-auth-clients no",
            ]
        } else {
            lines.append("port \(port)")
        }
        if let password { lines.append("requirepass \"\(password)\"") }
        self.password = password
        let file = try folder.write("redis.conf", (lines + settings).joined(separator: "\n") + "\n")
        arguments = ["redis-server", file]
        process = try ServerProcess(arguments, log: folder.appending("log"))
        try waitUntilReady()
    }

    private func waitUntilReady() throws {
        try process.wait(for: "redis-server (package redis-server) answers") {
            (try? command("PING").contains("PONG")) ?? false
        }
    }

    /// Runs one command through redis-cli and the Unix socket.
    @discardableResult
    package func command(_ words: String...) throws -> String {
        let login = password.map { ["-a", $0, "--no-auth-warning"] } ?? []
        let process = ["redis-cli", "-s", socketPath] + login + words
        return try run(process).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Kills it, without waiting for it to save anything.
    package func stop() {
        process.kill()
    }

    /// Starts it again on the same port, empty.
    package func restart() throws {
        process.kill()
        try? FileManager.default.removeItem(atPath: socketPath)
        process = try ServerProcess(arguments, log: folder.appending("log"))
        try waitUntilReady()
    }
}
