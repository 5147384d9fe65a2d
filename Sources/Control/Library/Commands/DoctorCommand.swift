package import ArgumentParser
internal import Glibc

package struct DoctorCommand: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Look at everything that larder needs, and say what to do about what is wrong.",
        discussion: "Ends with exit code 1 if there is a problem."
    )

    package init() {}

    package func run() throws {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        guard getcwd(&buffer, buffer.count) != nil,
            let folder = String(validating: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        else { throw Failure("the current folder is gone, or its name is no UTF-8: go to another one") }
        let findings = Examination(Session(), installation: Installation(), currentFolder: folder).run()
        print(Finding.text(findings), terminator: "")
        if findings.contains(where: { $0.state == .problem }) { throw ExitCode(1) }
    }
}
