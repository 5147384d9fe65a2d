import Digest
import Foundation
import Platform
import Store
import Testing

/// A folder of a test's own, removed with it.
final class Workspace: Sendable {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.path + "/larder-test-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    var cache: String { path + "/cache" }

    func store() throws -> Store { try Store(in: cache) }

    /// Writes a file and gives its path.
    func write(_ name: String, _ bytes: [UInt8]) throws -> String {
        let path = "\(path)/\(name)"
        try Files.replace(path, with: bytes, mode: 0o644)
        return path
    }

    /// Sets both times of a file; seconds before now.
    static func age(_ path: String, by seconds: Int) throws {
        let date = Date(timeIntervalSinceNow: -Double(seconds))
        try FileManager.default.setAttributes([.modificationDate: date], ofItemAtPath: path)
    }
}

/// Samples of what the cache keeps.
enum Sample {
    static let digest = Digest(of: "content".utf8)

    static let manifest = Manifest(entries: [
        Manifest.Entry(
            result: Digest(of: "first".utf8),
            inputs: [
                Input(.file, "{cwd}/src/lib.rs", Digest(of: "a".utf8)),
                Input(.variable, "FEATURE", Digest(of: "b".utf8)),
            ]
        ),
        Manifest.Entry(result: Digest(of: "second".utf8), inputs: []),
    ])

    static let outcome = Outcome(
        exitCode: 3,
        standardOutput: Array("out\n".utf8),
        standardError: [0, 0xFF, 0x80],
        duration: 1_234_567,
        outputs: [
            Outcome.Output(path: "{target}/liba.rlib", isExecutable: false, size: 300, content: .blob(digest)),
            Outcome.Output(path: "{target}/a", isExecutable: true, size: 7, content: .blob(Digest(of: "x".utf8))),
            Outcome.Output(path: "{target}/a.d", isExecutable: false, size: 4, content: .text(Array("a: b".utf8))),
        ]
    )
}
