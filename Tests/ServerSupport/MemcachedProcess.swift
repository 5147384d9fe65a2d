import Foundation

/// A real memcached of a test's own.
package final class MemcachedProcess: @unchecked Sendable {
    /// How its clients have to log in, if at all: as `larder` with the password `pass word`.
    package enum Login: Sendable {
        case none
        /// `-Y`: the text protocol's login.
        case text
        /// `-S`: SASL, which means the binary protocol.
        case sasl
    }

    package static let username = "larder"
    package static let password = "pass-word"

    package let folder: TemporaryFolder
    package let port: UInt16
    private let arguments: [String]
    private let environment: [String: String]
    package private(set) var process: ServerProcess

    /// - Parameter options: further options of its command line, as in `-M`.
    package init(login: Login = .none, megabytes: Int = 256, options: [String] = []) throws {
        folder = try TemporaryFolder()
        port = try Loopback.freePort()
        // As root, memcached insists on a user to become.
        let user = getuid() == 0 ? ["-u", "root"] : []
        var arguments = ["memcached", "-l", "127.0.0.1", "-p", "\(port)", "-U", "0", "-t", "2", "-m", "\(megabytes)"]
        arguments += user + options
        var environment: [String: String] = [:]
        switch login {
        case .none: break
        case .text: arguments += ["-Y", try folder.write("users", "\(Self.username):\(Self.password)\n")]
        case .sasl:
            arguments.append("-S")
            try Self.makePasswords(in: folder)
            try folder.write(
                "memcached.conf",
                "mech_list: plain\nsasldb_path: \(folder.appending("sasldb2"))\npwcheck_method: auxprop\n"
            )
            environment["SASL_CONF_PATH"] = folder.path
        }
        self.arguments = arguments
        self.environment = environment
        process = try ServerProcess(arguments, log: folder.appending("log"), environment: environment)
        try waitUntilReady()
    }

    private func waitUntilReady() throws {
        let port = port
        try process.wait(for: "memcached (package memcached) accepts") { Loopback.accepts(port: port) }
    }

    package func stop() {
        process.kill()
    }

    /// Starts it again on the same port, empty.
    package func restart() throws {
        process.kill()
        process = try ServerProcess(arguments, log: folder.appending("log"), environment: environment)
        try waitUntilReady()
    }

    /// Makes a SASL password file. The tool for it, saslpasswd2, is in a package of its own; libsasl can do it too.
    private static func makePasswords(in folder: TemporaryFolder) throws {
        let path = folder.appending("sasldb2")
        let source = try folder.write(
            "passwords.c",
            """
            #include <sasl/sasl.h>
            #include <string.h>
            #include <stdio.h>
            static int option(void *c, const char *p, const char *name, const char **result, unsigned *len) {
                *result = !strcmp(name, "sasldb_path") ? "\(path)" : !strcmp(name, "auxprop_plugin") ? "sasldb" : 0;
                if (len) *len = *result ? strlen(*result) : 0;
                return *result ? SASL_OK : SASL_FAIL;
            }
            int main(void) {
                sasl_callback_t callbacks[] = {{SASL_CB_GETOPT, (int (*)(void))option, 0}, {SASL_CB_LIST_END, 0, 0}};
                char host[256] = "";
                sasl_conn_t *connection;
                int status = sasl_server_init(callbacks, "memcached");
                extern int gethostname(char *, unsigned long);
                gethostname(host, sizeof host - 1);
                if (!status) status = sasl_server_new("memcached", host, host, 0, 0, 0, 0, &connection);
                if (!status)
                    status = sasl_setpass(connection, "\(username)", "\(password)", \(password.utf8.count), 0, 0,
                        SASL_SET_CREATE);
                if (status) printf("%d %s\\n", status, connection ? sasl_errdetail(connection) : "");
                return status != 0;
            }

            """
        )
        let tool = folder.appending("passwords")
        try run("cc", "-o", tool, source, "-lsasl2")
        try run(tool)
    }
}
