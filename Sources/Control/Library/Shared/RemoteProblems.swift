internal import CPlatform
internal import GatewayProtocol
internal import Platform
internal import Settings

/// What is wrong with the settings of the shared caches. Only the gateway understands servers' URLs, so that is asked.
enum RemoteProblems {
    /// One line each; empty too where there is no gateway to ask.
    static func find(_ session: Session) -> [String] {
        let remote = RemoteVariables(session.environment, session.settings)
        // sccache's caches that larder lacks are named by other variables.
        let others = session.environment.entries.filter { entry in
            entry.starts(with: "SCCACHE_".utf8) && !entry.starts(with: "SCCACHE_REDIS".utf8)
                && !entry.starts(with: "SCCACHE_MEMCACHED".utf8)
        }
        guard remote.isConfigured || !others.isEmpty, let program = Installation()?.gateway else { return [] }
        let entries = remote.entries.map { Array($0.utf8) } + others
        guard let run = try? Run(program, [program, GatewayPlace.problemsFlag], environment: entries),
            let end = try? run.collect(), larder_exited(end.status) != 0, larder_exit_code(end.status) == 0
        else { return [] }
        return String(decoding: end.standardOutput, as: UTF8.self).split(separator: "\n").map {
            named(String($0), session)
        }
    }

    /// A problem that names a variable, with the key and the file where it was really set.
    static func named(_ problem: String, _ session: Session) -> String {
        var text = problem
        for (variable, given) in session.settings.fileValues where session.environment.bytes(variable) == nil {
            guard case .file(let path, let key) = given.origin else { continue }
            for end in [":", ","] { text = text.replacing("\(variable)\(end)", with: "\(key) in \(path)\(end)") }
        }
        return text
    }
}
