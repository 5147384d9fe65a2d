internal import Foundation

/// C code made for a test, with the real tools.
package enum Native {
    /// The machine that the toolchain compiles for.
    package static let triple: String = {
        let version = (try? Tools.run("rustc", ["-vV"])) ?? ""
        let line = version.split(separator: "\n").first { $0.hasPrefix("host: ") }
        return line.map { String($0.dropFirst("host: ".count)) } ?? ""
    }()

    /// Compiles C source to an object file.
    package static func object(_ path: String, _ source: String, _ flags: [String] = []) throws {
        let text = path + ".c"
        Files.write(text, source + "\n")
        try Tools.run("cc", ["-c", "-fPIC", "-o", path, text] + flags)
    }

    /// Makes a static library of one object; a thin one names the object and does not hold it.
    package static func archive(_ path: String, _ source: String, isThin: Bool = false) throws {
        try object(path + ".o", source)
        Files.remove(path)
        try Tools.run("ar", [isThin ? "rcsT" : "rcs", path, path + ".o"])
    }

    /// Makes a shared library.
    package static func shared(_ path: String, _ source: String) throws {
        let text = path + ".c"
        Files.write(text, source + "\n")
        try Tools.run("cc", ["-shared", "-fPIC", "-o", path, text])
    }
}
