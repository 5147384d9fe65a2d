package import Platform

/// Which wrapper Cargo would use for a build in a folder, and what says so.
package struct CargoWiring: Sendable, Equatable {
    /// Empty: none.
    package let wrapper: String
    /// A variable or a file.
    package let source: String

    package static func home(_ environment: Environment) -> String? {
        environment.filled("CARGO_HOME") ?? environment.filled("HOME").map { $0 + "/.cargo" }
    }

    /// Source: https://doc.rust-lang.org/cargo/reference/config.html#hierarchical-structure
    ///
    /// - Parameters:
    ///   - folder: where Cargo is started, absolute.
    ///   - problems: gets a line for each file that Cargo would stumble over.
    package static func find(
        _ environment: Environment,
        folder: String,
        problems: inout [String]
    ) -> CargoWiring? {
        // Set but empty means no wrapper, whatever the files say.
        if let value = environment["RUSTC_WRAPPER"] { return CargoWiring(wrapper: value, source: "RUSTC_WRAPPER") }
        if let value = environment.filled("CARGO_BUILD_RUSTC_WRAPPER") {
            return CargoWiring(wrapper: value, source: "CARGO_BUILD_RUSTC_WRAPPER")
        }
        var folders: [String] = []
        var current = folder
        while true {
            folders.append(current == "/" ? "/.cargo" : current + "/.cargo")
            if current == "/" || current.isEmpty || current == "." { break }
            current = Files.folder(of: current)
        }
        if let home = home(environment), !folders.contains(home) { folders.append(home) }
        for folder in folders {
            let path = CargoSetup.file(in: folder)
            guard FileStamp(of: path) != nil else { continue }
            do {
                let text = try Files.read(path, limit: 1 << 20)
                if let wrapper = try CargoConfiguration(text).wrapper() {
                    return CargoWiring(wrapper: wrapper, source: path)
                }
            } catch { problems.append("\(path): \(error)") }
        }
        return nil
    }
}
