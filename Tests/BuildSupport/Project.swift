package import Foundation
internal import Glibc

/// A Cargo project's folder.
package struct Project: Sendable {
    package let folder: String

    package init(folder: String) { self.folder = folder }

    package func path(_ path: String) -> String { "\(folder)/\(path)" }

    package func write(_ path: String, _ text: String) { Files.write(self.path(path), text) }

    /// Writes a program that can be run.
    package func script(_ path: String, _ text: String) {
        // Copied by a process of its own: a fork of another test, between our write and its exec, would hold the script
        // open for writing, and running it would fail with "Text file busy".
        write(path + ".text", text)
        _ = try? Tools.run("install", ["-m", "755", self.path(path + ".text"), self.path(path)])
        remove(path + ".text")
    }

    package func read(_ path: String) -> String { Files.read(self.path(path)) ?? "" }

    package func remove(_ path: String) { Files.remove(self.path(path)) }

    package func exists(_ path: String) -> Bool { access(self.path(path), F_OK) == 0 }

    /// Replaces a text that must be there.
    package func edit(_ path: String, _ old: String, _ new: String) throws {
        let text = read(path)
        guard text.contains(old) else { throw TestFault("\(path) holds no \"\(old)\"") }
        write(path, text.replacingOccurrences(of: old, with: new))
    }

    /// Copies the project, without what was built, to another folder.
    package func copy(to folder: String) throws -> Project {
        let parent = URL(fileURLWithPath: folder).deletingLastPathComponent().path
        try FileManager.default.createDirectory(atPath: parent, withIntermediateDirectories: true)
        try FileManager.default.copyItem(atPath: self.folder, toPath: folder)
        let copy = Project(folder: folder)
        copy.remove("target")
        return copy
    }

    /// Paths of all files below a folder, relative to it.
    package func files(_ below: String = "target") -> [String] { Files.tree(path(below)) }

    /// A package's manifest.
    package static func manifest(_ name: String, _ rest: String = "") -> String {
        "[package]\nname = \"\(name)\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\(rest)\n"
    }

    /// Cargo's configuration for crates that Debian packages.
    package static let debianRegistry = """
        [source.crates-io]
        replace-with = "debian"
        [source.debian]
        directory = "/usr/share/cargo/registry"
        """
}

/// Small things about files.
package enum Files {
    package static func write(_ path: String, _ text: String) { write(path, Data(text.utf8)) }

    package static func write(_ path: String, _ bytes: Data) {
        let parent = URL(fileURLWithPath: path).deletingLastPathComponent().path
        try? FileManager.default.createDirectory(atPath: parent, withIntermediateDirectories: true)
        if !FileManager.default.createFile(atPath: path, contents: bytes) {
            FileHandle.standardError.write(Data("can't write \(path)\n".utf8))
        }
    }

    package static func read(_ path: String) -> String? {
        FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) }
    }

    package static func remove(_ path: String) { try? FileManager.default.removeItem(atPath: path) }

    /// Paths of all files and links below a folder, relative to it, sorted.
    package static func tree(_ folder: String) -> [String] {
        guard let enumerator = FileManager.default.enumerator(atPath: folder) else { return [] }
        var paths: [String] = []
        for case let path as String in enumerator {
            var info = stat()
            if lstat("\(folder)/\(path)", &info) == 0, info.st_mode & S_IFMT != S_IFDIR { paths.append(path) }
        }
        return paths.sorted()
    }

    /// Permission bits; `nil` if there is nothing.
    package static func mode(_ path: String) -> mode_t? {
        var info = stat()
        return lstat(path, &info) == 0 ? info.st_mode & 0o7777 : nil
    }
}
