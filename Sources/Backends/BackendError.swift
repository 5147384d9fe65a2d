/// Why a shared cache could not do what it was asked.
package struct BackendError: Error, Sendable, CustomStringConvertible {
    /// What kind of failure it is.
    package enum Code: String, Sendable {
        /// A setting can't be used; nothing was sent.
        case invalidSettings
        /// The server can't store under this key; nothing was sent.
        case invalidKey
        /// The value is over the server's limit.
        case valueTooLarge
        /// No connection: no such host, refused, no route, no such socket.
        case unreachable
        /// The deadline passed.
        case timedOut
        /// A connection that stood broke.
        case connectionLost
        /// TLS failed: no TLS there, or a certificate that does not verify.
        case insecure
        /// The server wants a login, or refuses the one it got.
        case authentication
        /// The server sent what its protocol does not allow.
        case protocolViolation
        /// The server has no room, and does not make any.
        case serverFull
        /// The server refused for another reason: it is loading, a replica, in a cluster that is down, …
        case refused
        /// The backend is for reading only.
        case readOnly
        /// The breaker is open: the server failed before, and is left alone for a while.
        case breakerOpen
        /// The backend was closed.
        case closed
    }

    package var code: Code
    /// What happened, in one sentence.
    package var message: String
    /// The server, without secrets.
    package var server: String?
    /// The key it happened to.
    package var key: String?
    /// What the server, the library or the system said.
    package var cause: String?
    /// What a person can do about it.
    package var advice: String

    package init(
        _ code: Code,
        _ message: String,
        server: String? = nil,
        key: String? = nil,
        cause: String? = nil,
        advice: String
    ) {
        self.code = code
        self.message = message
        self.server = server
        self.key = key
        self.cause = cause
        self.advice = advice
    }

    /// Whether it speaks against the server's health, and so counts for the breaker.
    ///
    /// A full server still answers reads, and a bad key says nothing about the server.
    package var speaksAgainstServer: Bool {
        switch code {
        case .unreachable, .timedOut, .connectionLost, .insecure, .authentication, .protocolViolation, .refused: true
        case .invalidSettings, .invalidKey, .valueTooLarge, .serverFull, .readOnly, .breakerOpen, .closed: false
        }
    }

    /// One line: what, where, to which key, why, what to do.
    package var description: String {
        var text = message
        if let server { text += " (server \(server))" }
        if let key { text += " (key \(key))" }
        if let cause { text += ": \(cause)" }
        return text + ". " + advice
    }
}

extension BackendError {
    /// The deadline passed while doing something.
    static func timedOut(_ doing: String, server: String) -> BackendError {
        BackendError(
            .timedOut,
            "no answer in time while \(doing)",
            server: server,
            advice: "Check that the server is running, not overloaded, and near."
        )
    }

    static func closed(server: String) -> BackendError {
        BackendError(.closed, "the backend was closed", server: server, advice: "Nothing to do: the gateway is ending.")
    }

    /// Text from outside, made fit for a message: one line of printable ASCII, at most 200 characters.
    static func cleaned(_ bytes: some Sequence<UInt8>) -> String {
        let longest = 200
        var text = ""
        for (index, byte) in bytes.enumerated() {
            if index == longest { return text + "…" }
            text.unicodeScalars.append(0x20...0x7E ~= byte ? Unicode.Scalar(byte) : "?")
        }
        return text
    }
}
