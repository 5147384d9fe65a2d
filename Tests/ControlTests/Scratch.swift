import Foundation
import LarderControl
import Platform
import Testing

/// A folder of a test's own, removed with it.
final class Scratch: Sendable {
    let path: String

    init() throws {
        let base = FileManager.default.temporaryDirectory.resolvingSymlinksInPath().path
        path = base + "/larder-test-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    @discardableResult
    func write(_ name: String, _ text: String) throws -> String {
        let path = "\(path)/\(name)"
        try Files.makeFolder(Files.folder(of: path))
        try Files.replace(path, with: Array(text.utf8), mode: 0o644)
        return path
    }

    func text(_ name: String) -> String? {
        (try? Files.read("\(path)/\(name)")).map { String(decoding: $0, as: UTF8.self) }
    }

    /// An environment whose home is this folder.
    func environment(_ values: [String: String] = [:]) -> Environment {
        Environment(["HOME": Array(path.utf8)].merging(values.mapValues { Array($0.utf8) }) { $1 })
    }

    /// The built program, run with this folder as home.
    func larder(_ arguments: [String], _ values: [String: String] = [:]) throws -> (
        code: Int32, out: String, err: String
    ) {
        try start(try Self.program, arguments, values)
    }

    /// A program in this folder, run with this folder as home.
    func run(
        _ program: String,
        _ arguments: [String],
        _ values: [String: String] = [:]
    ) throws -> (code: Int32, out: String, err: String) {
        try start("\(path)/\(program)", arguments, values)
    }

    private func start(
        _ program: String,
        _ arguments: [String],
        _ values: [String: String]
    ) throws -> (code: Int32, out: String, err: String) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.environment = [
            "HOME": path, "XDG_RUNTIME_DIR": path, "PATH": ProcessInfo.processInfo.environment["PATH"] ?? "",
        ].merging(values) { $1 }
        process.currentDirectoryURL = URL(fileURLWithPath: path)
        // Files: what another test starts meanwhile would inherit a pipe and hold it open.
        let paths = ["out", "err"].map { "\(NSTemporaryDirectory())larder-\(UUID().uuidString).\($0)" }
        defer { paths.forEach { unlink($0) } }
        for path in paths { _ = FileManager.default.createFile(atPath: path, contents: nil) }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = try FileHandle(forWritingTo: URL(fileURLWithPath: paths[0]))
        process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: paths[1]))
        try process.run()
        process.waitUntilExit()
        let texts = try paths.map { String(decoding: try Data(contentsOf: URL(fileURLWithPath: $0)), as: UTF8.self) }
        return (process.terminationStatus, texts[0], texts[1])
    }

    /// `larderctl`, beside the test program in the build folder.
    static var program: String {
        get throws {
            for bundle in [URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()] + arguments {
                let path = bundle.deletingLastPathComponent().appendingPathComponent("larderctl").path
                if FileManager.default.isExecutableFile(atPath: path) { return path }
            }
            throw Failure("larderctl is not beside the tests: build all products first")
        }
    }

    private static var arguments: [URL] {
        CommandLine.arguments.map { URL(fileURLWithPath: $0).resolvingSymlinksInPath() }
    }
}
