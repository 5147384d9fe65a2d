package import ArgumentParser

package struct InspectCommand: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Show an entry of the cache: a manifest, a result or a stored file.",
        discussion: "Keys stand in the event log: `events` in the cache's folder."
    )

    @Argument(help: "First hexadecimal digits of the key, four at least.")
    package var key: String

    package init() {}

    package func validate() throws {
        guard key.count >= Inspection.leastDigits, key.allSatisfy({ $0.isASCII && $0.isHexDigit }) else {
            throw ValidationError("\"\(key)\" is no key: write its first four hexadecimal digits, or more")
        }
    }

    package func run() throws {
        let folder = try Session().folder()
        let inspection = Inspection(folder: folder)
        let found = inspection.find(key)
        guard !found.isEmpty else { throw Failure("no entry of \(folder) has a key that begins with \(key)") }
        print(found.map { inspection.text($0.kind, $0.file) }.joined(separator: "\n"), terminator: "")
    }
}
