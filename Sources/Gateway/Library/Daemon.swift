internal import Backends
internal import GatewayProtocol
internal import Glibc
package import Platform
internal import Settings

/// `larderd`: what the process does, start to end.
package enum Daemon {
    /// - Parameters:
    ///   - arguments: its own, its name first; then those of `GatewayPlace.arguments`.
    package static func run(_ arguments: [String], environment: Environment) -> Int32 {
        let remote = environment.values.mapValues { String(decoding: $0, as: UTF8.self) }
        if arguments.dropFirst().elementsEqual([GatewayPlace.problemsFlag]) {
            let asked = RemoteSettings(environment: remote)
            for problem in asked.problems where problem.severity == .error || !asked.levels.isEmpty { print(problem) }
            for level in asked.levels {
                do throws(BackendError) { _ = try Level(level, breaker: BreakerBackend.Rules()) } catch {
                    print("error: \(level.name): \(error)")
                }
            }
            return 0
        }
        guard arguments.count == 5 else {
            return fail("larderd is started by larder; to start it by hand use `larder --start-server`", 2)
        }
        signal(SIGPIPE, SIG_IGN)
        umask(0o077)
        let place = GatewayPlace(
            cache: arguments[1],
            folder: arguments[2],
            fingerprint: arguments[3],
            outbox: arguments[4]
        )
        let settings = Settings(environment)
        let gateway = Gateway(place, settings, remote)
        do {
            try Server(gateway, idleTimeout: settings.idleTimeout).run()
            return 0
        } catch {
            gateway.log.write("\(error)")
            return fail("\(error)", 1)
        }
    }

    private static func fail(_ message: String, _ code: Int32) -> Int32 {
        let line = Array("larderd: \(message)\n".utf8)
        line.withUnsafeBytes { try? Files.write($0, to: 2, path: "standard error") }
        return code
    }
}
