import Foundation

/// A certificate authority of a test's own and a server certificate it signed, made by openssl.
package final class TestCertificates: Sendable {
    private let folder: TemporaryFolder
    package let authority: String
    package let certificate: String
    package let key: String

    /// - Parameter names: what the server's certificate is for, as in `DNS:localhost` or `IP:127.0.0.1`.
    package init(names: [String] = ["DNS:localhost", "IP:127.0.0.1"]) throws {
        folder = try TemporaryFolder()
        authority = folder.appending("ca.pem")
        certificate = folder.appending("server.pem")
        key = folder.appending("server.key")
        let authorityKey = folder.appending("ca.key")
        let newKey = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
            .split(separator: " ").map(String.init)
        try run(newKey + ["-keyout", authorityKey, "-out", authority, "-subj", "/CN=larder test authority"])
        let extensions = ["subjectAltName=" + names.joined(separator: ","), "basicConstraints=critical,CA:FALSE"]
        try run(
            newKey + ["-keyout", key, "-out", certificate, "-subj", "/CN=larder test server"]
                + ["-CA", authority, "-CAkey", authorityKey] + extensions.flatMap { ["-addext", $0] }
        )
    }
}
