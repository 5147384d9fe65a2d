import Backends
import ServerSupport
import Testing

@Suite(.serialized)
struct RedisTLSTests {
    @Test func `conforms over TLS with a verified certificate`() throws {
        let certificates = try TestCertificates()
        let server = try RedisServer(certificates: certificates)
        var options = RedisOptions()
        options.authorityFile = certificates.authority
        let byAddress = RedisEndpoint(
            address: .tcp(host: "127.0.0.1", port: server.port),
            security: .tls(verifies: true)
        )
        try RedisBackend(endpoint: byAddress, options: options).put("key", [1], timeToLive: nil, deadline: patience)
        let backend = try RedisBackend(
            endpoint: RedisEndpoint(url: "rediss://localhost:\(server.port)"),
            options: options
        )
        try checkConformance(of: Subject(backend, on: server))
    }

    @Test func `an unknown authority and a wrong name are refused, unless insecure is asked for`() throws {
        let certificates = try TestCertificates(names: ["DNS:cache.example"])
        let server = try RedisServer(certificates: certificates)
        var options = RedisOptions()
        func failure(_ end: String) throws -> BackendError? {
            let endpoint = try RedisEndpoint(url: "rediss://localhost:\(server.port)\(end)")
            let backend = try RedisBackend(endpoint: endpoint, options: options)
            do throws(BackendError) {
                try backend.put("key", [1], timeToLive: nil, deadline: patience)
                return nil
            } catch {
                return error
            }
        }
        let unknown = try #require(try failure(""))
        #expect(unknown.code == .insecure)
        #expect("\(unknown)".contains("LARDER_REDIS_CA_FILE"))
        options.authorityFile = certificates.authority
        let wrongName = try #require(try failure(""))
        #expect(wrongName.code == .insecure)
        #expect("\(wrongName)".lowercased().contains("hostname mismatch"))
        #expect(try failure("#insecure") == nil)
        options.authorityFile = server.folder.appending("no such file")
        #expect(throws: BackendError.self) { try failure("") }
    }

    @Test func `TLS and no TLS do not mix`() throws {
        let certificates = try TestCertificates()
        let secure = try RedisServer(certificates: certificates)
        let plain = try RedisServer()
        let toPlain = try RedisBackend(endpoint: RedisEndpoint(url: "rediss://127.0.0.1:\(plain.port)#insecure"))
        // Redis takes the handshake for the start of a command, and waits for its end.
        #expect(
            code { () throws(BackendError) in _ = try toPlain.get("key", deadline: .after(.seconds(2))) } == .timedOut
        )
        let toSecure = try RedisBackend(endpoint: RedisEndpoint(url: "redis://127.0.0.1:\(secure.port)"))
        let failure = code { () throws(BackendError) in _ = try toSecure.get("key", deadline: .after(.seconds(2))) }
        #expect(failure == .connectionLost || failure == .protocolViolation)
    }

    @Test func `a server that is silent during the handshake does not outlast the deadline`() throws {
        let server = try FaultyServer(.isSilent)
        let backend = try RedisBackend(endpoint: RedisEndpoint(url: "rediss://127.0.0.1:\(server.port)"))
        let start = ContinuousClock.now
        #expect(
            code { () throws(BackendError) in _ = try backend.get("key", deadline: .after(.milliseconds(300))) }
                == .timedOut
        )
        #expect(.now - start < .seconds(2))
    }
}
