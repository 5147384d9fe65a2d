package import Platform
package import Settings

/// Each setting, its value and where it came from.
package struct ConfigurationReport {
    private let settings: Settings
    private let environment: Environment
    /// One line for each thing that is wrong with a setting.
    package let problems: [String]

    /// - Parameters:
    ///   - environment: where the variables of shared caches are looked up.
    ///   - remoteProblems: what is wrong with those.
    package init(
        _ settings: Settings,
        _ environment: Environment = Environment([:]),
        remoteProblems: [String] = []
    ) {
        self.settings = settings
        self.environment = environment
        problems = settings.problems + remoteProblems
    }

    /// What is shown in place of a password.
    private static let hidden = "(set, not shown)"

    /// A value that is no local setting: of a shared cache, or of sccache's file.
    private struct Other {
        let name: String
        let shown: String
        let origin: SettingOrigin
    }

    /// Those that are set, the environment's in place of the files'.
    private var others: [Other] {
        let local = Set(Setting.allCases.flatMap(\.variables))
        let inEnvironment = RemoteVariables(environment, Settings(environment)).values
        var others: [Other] = []
        for key in FileKey.all where !local.contains(key.variable) && inEnvironment[key.variable] == nil {
            guard let given = settings.fileValues[key.variable] else { continue }
            others.append(
                Other(
                    name: key.own ?? key.variable,
                    shown: key.isSecret ? Self.hidden : FileKey.withoutLogin(given.text),
                    origin: given.origin
                )
            )
        }
        for (variable, text) in inEnvironment.sorted(by: { $0.key < $1.key }) {
            let isSecret =
                variable.hasSuffix("PASSWORD") || FileKey.all.contains { $0.variable == variable && $0.isSecret }
            others.append(
                Other(
                    name: variable,
                    shown: isSecret ? Self.hidden : FileKey.withoutLogin(text),
                    origin: .variable(variable)
                )
            )
        }
        return others
    }

    package var text: String {
        var table = Table()
        for setting in Setting.allCases {
            let value = settings.text(setting)
            table.add(setting.key, value.isEmpty ? "-" : value, Self.text(settings.origin(setting)))
        }
        for other in others { table.add(other.name, other.shown, Self.text(other.origin)) }
        var text = table.text
        if !problems.isEmpty {
            text += "\nProblems\n" + problems.map { "  \($0)\n" }.joined()
        }
        return text
    }

    package var json: JSON {
        var members = Setting.allCases.map { setting in
            JSON.Member(
                name: setting.key,
                value: .members([
                    "value": .text(settings.text(setting)), "origin": .text(Self.text(settings.origin(setting))),
                ])
            )
        }
        members += others.map { other in
            JSON.Member(
                name: other.name,
                value: .members(["value": .text(other.shown), "origin": .text(Self.text(other.origin))])
            )
        }
        return .members([
            "settings": .object(members), "problems": .array(problems.map { .text($0) }),
        ])
    }

    private static func text(_ origin: SettingOrigin) -> String {
        switch origin {
        case .fallback: "default"
        case .variable(let name): "environment: \(name)"
        case .file(let path, let key): "\(path): \(key)"
        }
    }
}
