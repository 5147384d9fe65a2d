import COpenSSL

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// How the connections to one server are secured. Shared by all of them; OpenSSL allows that for an `SSL_CTX`.
final class TLSContext: @unchecked Sendable {
    fileprivate let context: OpaquePointer
    /// Whether the server must prove who it is. False is sccache's `#insecure`, which also sends no server name.
    let verifies: Bool

    /// - Parameter authorityFile: certificates (PEM) trusted besides the system's; nil for the system's alone. OpenSSL
    ///   itself honours `SSL_CERT_FILE` and `SSL_CERT_DIR`.
    init(verifies: Bool, authorityFile: String?) throws(BackendError) {
        guard let context = SSL_CTX_new(TLS_client_method()) else {
            throw TLSContext.failure("can't start OpenSSL", server: nil)
        }
        self.context = context
        self.verifies = verifies
        Self.ignoreBrokenPipes()
        larder_ssl_require_tls12(context)
        larder_ssl_allow_partial_writes(context)
        guard verifies else {
            SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nil)
            return
        }
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nil)
        SSL_CTX_set_default_verify_paths(context)
        if let authorityFile, SSL_CTX_load_verify_locations(context, authorityFile, nil) != 1 {
            var error = TLSContext.failure("can't read the certificates in \(authorityFile)", server: nil)
            error.code = .invalidSettings
            error.advice = "Name a file of certificates in PEM form that this user can read."
            throw error
        }
        // Old errors stay in the thread's queue and would be mistaken for those of the next call.
        ERR_clear_error()
    }

    deinit {
        SSL_CTX_free(context)
    }

    /// OpenSSL writes without `MSG_NOSIGNAL`: a server that hangs up would end the process. A handler of the process' own
    /// is left alone.
    private static func ignoreBrokenPipes() {
        var action = sigaction()
        guard sigaction(SIGPIPE, nil, &action) == 0 else { return }
        #if canImport(Darwin)
            let isDefault = action.__sigaction_u.__sa_handler == nil
        #else
            let isDefault = action.__sigaction_handler.sa_handler == nil
        #endif
        if isDefault { signal(SIGPIPE, SIG_IGN) }
    }

    fileprivate static func failure(_ message: String, server: String?) -> BackendError {
        let number = ERR_get_error()
        ERR_clear_error()
        return BackendError(
            .insecure,
            message,
            server: server,
            cause: number == 0 ? nil : ERR_reason_error_string(number).map { String(cString: $0) },
            advice: "Check that the server speaks TLS on this port (rediss://), and which certificate it shows."
        )
    }
}

/// TLS over one socket.
final class TLSSession {
    private let session: OpaquePointer
    private let socket: Socket
    /// The context must outlive the session's handshakes with the settings it was made for.
    private let context: TLSContext

    /// Shakes hands.
    /// - Parameter host: the name or address that the certificate must be for.
    init(over socket: Socket, context: TLSContext, host: String, deadline: Deadline) throws(BackendError) {
        guard let session = SSL_new(context.context) else {
            throw TLSContext.failure("can't start a TLS session", server: socket.server)
        }
        self.session = session
        self.socket = socket
        self.context = context
        guard SSL_set_fd(session, socket.descriptor) == 1, expect(host) else {
            throw TLSContext.failure("can't set up the TLS session for \(host)", server: socket.server)
        }
        while true {
            ERR_clear_error()
            let status = SSL_connect(session)
            if status == 1 { return }
            switch SSL_get_error(session, status) {
            case SSL_ERROR_WANT_READ:
                try socket.wait(for: .readable, deadline: deadline, doing: "agreeing on TLS")
            case SSL_ERROR_WANT_WRITE:
                try socket.wait(for: .writable, deadline: deadline, doing: "agreeing on TLS")
            default: throw handshakeFailure()
            }
        }
    }

    deinit {
        // No SSL_shutdown: it could block, and Redis does not wait for it.
        SSL_free(session)
    }

    private func expect(_ host: String) -> Bool {
        guard context.verifies else { return true }
        // An address can't be a server name (RFC 6066), and is looked for in the certificate's addresses.
        if larder_ssl_require_address(session, host) == 1 { return true }
        ERR_clear_error()
        return larder_ssl_set_server_name(session, host) == 1 && SSL_set1_host(session, host) == 1
    }

    private func handshakeFailure() -> BackendError {
        let verdict = SSL_get_verify_result(session)
        guard context.verifies, verdict != X509_V_OK else {
            return TLSContext.failure("TLS could not be agreed on", server: socket.server)
        }
        ERR_clear_error()
        return BackendError(
            .insecure,
            "the server's certificate can't be trusted",
            server: socket.server,
            cause: X509_verify_cert_error_string(verdict).map { String(cString: $0) },
            advice: "Name your own authority's file in LARDER_REDIS_CA_FILE, or use the host name in the certificate."
        )
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(BackendError) -> Socket.Progress {
        var count = 0
        ERR_clear_error()
        let status = SSL_read_ex(session, buffer.baseAddress, buffer.count, &count)
        return try progress(status, count)
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws(BackendError) -> Socket.Progress {
        var count = 0
        ERR_clear_error()
        let status = SSL_write_ex(session, bytes.baseAddress, bytes.count, &count)
        return try progress(status, count)
    }

    private func progress(_ status: CInt, _ count: Int) throws(BackendError) -> Socket.Progress {
        if status == 1 { return .moved(count) }
        switch SSL_get_error(session, status) {
        case SSL_ERROR_WANT_READ: return .blocked(.readable)
        case SSL_ERROR_WANT_WRITE: return .blocked(.writable)
        case SSL_ERROR_ZERO_RETURN: return .ended
        default:
            var error = TLSContext.failure("the TLS connection broke", server: socket.server)
            error.code = .connectionLost
            error.advice = "The server ended, or the network did; the next request connects again."
            throw error
        }
    }
}
