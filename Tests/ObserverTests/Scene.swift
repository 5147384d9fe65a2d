import Foundation
import Platform
import Testing

@testable import Trace

/// A folder of its own for one test, in which programs are made and run under the observer. Removed with the object.
final class Scene {
    let folder: String

    init() throws {
        let made = FileManager.default.temporaryDirectory.appendingPathComponent("larder-observer-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: made, withIntermediateDirectories: true)
        folder = made.resolvingSymlinksInPath().path
        try FileManager.default.createDirectory(atPath: path("out"), withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    func path(_ name: String) -> String { "\(folder)/\(name)" }

    @discardableResult
    func write(_ name: String, _ text: String, mode: Int = 0o644) throws -> String {
        let path = path(name)
        let parent = URL(fileURLWithPath: path).deletingLastPathComponent()
        try FileManager.default.createDirectory(at: parent, withIntermediateDirectories: true)
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
        return path
    }

    /// What a program did, and what was seen of it.
    struct Outcome {
        let status: Int32
        let process: Int32
        let output: String
        let errors: String
        let trace: Trace
    }

    /// Runs a program and takes what it says; nothing is observed.
    @discardableResult
    func run(_ program: String, _ arguments: [String], environment: [String: String]? = nil) throws -> Outcome {
        try start(program, arguments, environment ?? Self.environment, trace: nil)
    }

    /// Runs a program under the observer.
    func observe(
        _ program: String,
        _ arguments: [String] = [],
        environment: [String: String] = Scene.environment,
        library: String? = nil,
        capacity: UInt64? = nil
    ) throws -> Outcome {
        let trace = path("\(UUID().uuidString).trace")
        try TraceFile.create(at: trace)
        if let capacity { try limit(trace, to: capacity) }
        var environment = environment
        let others = environment["LD_PRELOAD"].map { ":\($0)" } ?? ""
        environment["LD_PRELOAD"] = try (library ?? Self.library()) + others
        environment["LARDER_TRACE"] = trace
        return try start(program, arguments, environment, trace: trace)
    }

    /// Says in the header that there is less room.
    private func limit(_ trace: String, to capacity: UInt64) throws {
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: trace))
        defer { try? file.close() }
        for offset: UInt64 in [16, 32] {
            try file.seek(toOffset: offset)
            try file.write(contentsOf: withUnsafeBytes(of: capacity) { Data($0) })
        }
    }

    private func start(
        _ program: String,
        _ arguments: [String],
        _ environment: [String: String],
        trace: String?
    ) throws -> Outcome {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.environment = environment
        process.currentDirectoryURL = URL(fileURLWithPath: folder)
        // Files rather than pipes: nothing is lost and nothing waits.
        let name = UUID().uuidString
        let (output, errors) = (path("\(name).output"), path("\(name).errors"))
        for path in [output, errors] { _ = FileManager.default.createFile(atPath: path, contents: nil) }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = try FileHandle(forWritingTo: URL(fileURLWithPath: output))
        process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: errors))
        try process.run()
        process.waitUntilExit()
        return Outcome(
            status: process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus,
            process: process.processIdentifier,
            output: try String(contentsOfFile: output, encoding: .utf8),
            errors: try String(contentsOfFile: errors, encoding: .utf8),
            trace: try trace.map { path throws in try TraceFile.read(path) }
                ?? Trace(ByteFields([]), start: 0, hasOverflowed: false)
        )
    }

    /// Compiles a C program that stands beside the tests.
    func program(_ name: String, _ flags: [String] = []) throws -> String {
        let source = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
            "Programs/\(name).c"
        )
        let made = path(name)
        let outcome = try run("/usr/bin/gcc", ["-O1", "-g", "-pthread", "-o", made, source.path] + flags)
        try #require(outcome.status == 0, "\(outcome.errors)")
        return made
    }

    /// The tests' own environment without what Cargo or a caller may have put there.
    static let environment: [String: String] = ProcessInfo.processInfo.environment.filter { name, _ in
        !name.hasPrefix("CARGO_") && !name.hasPrefix("LARDER_") && name != "LD_PRELOAD" && name != "LD_LIBRARY_PATH"
    }

    /// The observer as this package builds it, beside the tests' own program.
    static func library() throws -> String {
        let program = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let path = URL(fileURLWithPath: program).deletingLastPathComponent().appendingPathComponent(
            "liblarder-observer.so"
        ).path
        try #require(FileManager.default.fileExists(atPath: path), "\(path) is missing: run swift build first")
        return path
    }
}

extension Trace {
    /// The first texts of all records of one kind, made plain.
    func texts(_ kind: Kind, where isWanted: (Record) -> Bool = { _ in true }) -> [String] {
        records.filter { $0.kind == kind && isWanted($0) }.map { String(decoding: $0.first, as: UTF8.self) }
    }
}
