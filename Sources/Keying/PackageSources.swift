internal import Glibc
internal import Platform
package import RustcCall

/// Where the sources of a compile's dependencies lie in this checkout.
///
/// What is found must be the same in every compile of a unit, or rustc would not trust its incremental session: so it
/// goes by the crates that the call names and by the workspace's lock file, not by what the target folder holds by now.
package enum PackageSources {
    /// Rules by which the sources were mapped, of packages outside the workspace.
    package static func rules(_ call: RustcCall, currentFolder: String) -> [Remapping.Rule] {
        var rules: Set<Remapping.Rule> = []
        for dependency in call.externs {
            guard let path = dependency.path.map({ Roots.absolute($0, in: currentFolder) }),
                let source = firstSource(depInfo(beside: path)), source.utf8.first == UInt8(ascii: "/"),
                let package = package(above: source)
            else { continue }
            rules.insert(package)
        }
        // Only where a member is compiled is this the folder with the lock file.
        guard case .file(let source) = call.input, source.utf8.first != UInt8(ascii: "/") else { return Array(rules) }
        let registries = Set(rules.filter { Files.name(of: $0.from) == $0.to }.map { Files.folder(of: $0.from) })
        guard !registries.isEmpty else { return Array(rules) }
        for name in lockedPackages(currentFolder + "/Cargo.lock") {
            for registry in registries where access("\(registry)/\(name)", F_OK) == 0 {
                rules.insert(Remapping.Rule(from: "\(registry)/\(name)", to: name))
            }
        }
        return Array(rules)
    }

    /// `libname-hash.rmeta` has its dep-info in `name-hash.d`.
    private static func depInfo(beside library: String) -> String {
        let name = Files.name(of: library)
        let stem = name.prefix { $0 != "." }
        return "\(Files.folder(of: library))/\(stem.hasPrefix("lib") ? stem.dropFirst("lib".count) : stem).d"
    }

    /// Names and versions, joined, of the packages that a lock file takes from registries.
    private static func lockedPackages(_ path: String) -> [String] {
        guard let text = try? Files.read(path, limit: 16 << 20) else { return [] }
        var names: [String] = []
        var package = (name: "", version: "")
        for line in text.split(separator: UInt8(ascii: "\n")) {
            let line = String(decoding: line, as: UTF8.self)
            if line == "[[package]]" {
                package = ("", "")
            } else if let name = value(of: "name", line) {
                package.name = name
            } else if let version = value(of: "version", line) {
                package.version = version
            } else if let source = value(of: "source", line), !source.hasPrefix("git+"), !package.name.isEmpty {
                names.append("\(package.name)-\(package.version)")
            }
        }
        return names
    }

    private static func value(of name: String, _ line: String) -> String? {
        let start = "\(name) = \""
        guard line.hasPrefix(start), line.hasSuffix("\"") else { return nil }
        return String(line.dropFirst(start.count).dropLast())
    }

    /// The first file that a dep-info file's rule names: the crate's root.
    private static func firstSource(_ path: String) -> String? {
        /// Enough for a target and one source. Bytes.
        let most = 3 * Int(PATH_MAX)
        guard let file = try? Descriptor(opening: path, O_RDONLY) else { return nil }
        var bytes = [UInt8](repeating: 0, count: most)
        let count = bytes.withUnsafeMutableBytes { pread(file.number, $0.baseAddress, $0.count, 0) }
        guard count > 0 else { return nil }
        let line = bytes[..<count].prefix { $0 != UInt8(ascii: "\n") }
        guard let colon = line.indices.first(where: { line[$0...].starts(with: ": ".utf8) }) else { return nil }
        var source: [UInt8] = []
        for byte in line[(colon + 2)...] {
            if byte == UInt8(ascii: " ") {
                guard source.last == UInt8(ascii: "\\") else { break }
                source.removeLast()
            }
            source.append(byte)
        }
        return String(validating: source, as: UTF8.self)
    }

    /// The package that a source belongs to, as Cargo names it to larder: by its manifest's folder, name and version.
    private static func package(above source: String) -> Remapping.Rule? {
        var folder = Files.folder(of: source)
        while folder != "/", folder != "." {
            let manifest = folder + "/Cargo.toml"
            if access(manifest, R_OK) == 0 {
                let section = values(of: "package", in: manifest)
                guard let name = section["name"] else { return nil }
                guard let version = section["version"] ?? inheritedVersion(above: folder) else { return nil }
                return Remapping.Rule(from: folder, to: "\(name)-\(version)")
            }
            folder = Files.folder(of: folder)
        }
        return nil
    }

    private static func inheritedVersion(above package: String) -> String? {
        var folder = Files.folder(of: package)
        while folder != "/", folder != "." {
            if let version = values(of: "workspace.package", in: folder + "/Cargo.toml")["version"] { return version }
            folder = Files.folder(of: folder)
        }
        return nil
    }

    /// The plain texts of one section of a manifest. A manifest written in another way only costs the quoted source.
    private static func values(of section: String, in manifest: String) -> [String: String] {
        guard let text = try? Files.read(manifest, limit: 1 << 20) else { return [:] }
        var values: [String: String] = [:]
        var isInside = false
        for line in String(decoding: text, as: UTF8.self).split(separator: "\n") {
            let line = line.drop { $0 == " " || $0 == "\t" }
            if line.hasPrefix("[") {
                isInside = line.hasPrefix("[\(section)]")
            } else if isInside, let equals = line.firstIndex(of: "=") {
                let name = line[..<equals].filter { $0 != " " && $0 != "\t" }
                let parts = line[line.index(after: equals)...].split(separator: "\"", omittingEmptySubsequences: false)
                if parts.count >= 3, parts[0].allSatisfy({ $0 == " " || $0 == "\t" }) {
                    values[name] = String(parts[1])
                }
            }
        }
        return values
    }
}
