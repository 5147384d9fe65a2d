package import Platform
package import Settings
internal import TOMLKit

/// Reads larder's and sccache's configuration files.
package enum ConfigurationFiles {
    /// What both files say, and what is wrong with them.
    package static func read(_ environment: Environment) -> FileValues {
        let paths = SettingsFiles.paths(environment)
        // Before reading: a file that changes meanwhile makes the snapshot stale at once.
        var values = FileValues(files: paths.map(FileValues.File.init))
        let own = ownPath(environment)
        for file in values.files {
            guard file.stamp != nil else {
                if let variable = SettingsFiles.isNamed(file.path, environment) {
                    values.add(problem: "\(variable) names \(file.path), and there is no such file: it had no effect")
                }
                continue
            }
            read(file.path, isOwn: file.path == own, into: &values)
        }
        return values
    }

    private static func ownPath(_ environment: Environment) -> String? {
        environment.filled("LARDER_CONF")
            ?? Settings.base(environment, "XDG_CONFIG_HOME", ".config").map { $0 + "/larder/config.toml" }
    }

    private static func read(_ path: String, isOwn: Bool, into values: inout FileValues) {
        let text: [UInt8]
        do { text = try Files.read(path, limit: 1 << 20) } catch {
            values.add(problem: "\(error): it had no effect")
            return
        }
        do {
            walk(try TOMLText.parse(text), prefix: "", path: path, isOwn: isOwn, into: &values)
        } catch {
            values.add(problem: "\(path), \(error): the file had no effect")
        }
    }

    /// Goes through a table and those in it; the keys of tables are joined by dots.
    private static func walk(
        _ table: TOMLTable,
        prefix: String,
        path: String,
        isOwn: Bool,
        into values: inout FileValues
    ) {
        for key in table.keys.sorted() {
            let name = prefix + key
            guard let value = table[key] else { continue }
            if let known = FileKey.all.first(where: { (isOwn ? $0.own : $0.sccache) == name }) {
                switch convert(value, known.kind) {
                case .success(let text): values.add(known.variable, text, key: name, file: path)
                case .failure(let wrong):
                    values.add(
                        problem: "\(name) in \(path) is \(wrong.actual), not \(wrong.expected): it had no effect"
                    )
                }
            } else if let inner = value.table, isTable(name, isOwn) {
                walk(inner, prefix: name + ".", path: path, isOwn: isOwn, into: &values)
            } else if isOwn {
                values.add(problem: "\(name) in \(path) is no setting of larder's: it had no effect")
            }
            // sccache's file may hold much that concerns sccache alone.
        }
    }

    private static func isTable(_ name: String, _ isOwn: Bool) -> Bool {
        FileKey.all.contains { ((isOwn ? $0.own : $0.sccache) ?? "").hasPrefix(name + ".") }
    }

    private struct WrongType: Error {
        let actual: String
        let expected: String
    }

    private static func convert(_ value: any TOMLValueConvertible, _ kind: FileKey.Kind) -> Result<String, WrongType> {
        switch kind {
        case .text:
            if let text = value.string { return .success(text) }
            return .failure(WrongType(actual: describe(value), expected: "a text in quotes"))
        case .boolean:
            if let boolean = value.bool { return .success(boolean ? "true" : "false") }
            if let text = value.string { return .success(text) }
            return .failure(WrongType(actual: describe(value), expected: "true or false"))
        case .number:
            if let number = value.int { return .success(String(number)) }
            if let text = value.string { return .success(text) }
            return .failure(WrongType(actual: describe(value), expected: "a number"))
        case .size:
            if let number = value.int { return .success(String(number)) }
            if let text = value.string { return .success(text) }
            return .failure(WrongType(actual: describe(value), expected: "a size such as \"10G\""))
        }
    }

    private static func describe(_ value: any TOMLValueConvertible) -> String {
        switch value.type {
        case .table: "a table"
        case .array: "an array"
        case .string: "a text"
        case .int: "a number"
        case .double: "a number with a point"
        case .bool: "true or false"
        case .date, .time, .dateTime: "a date or a time"
        }
    }
}
