package import Foundation

/// What tells a debugger where the sources lie whose paths larder mapped, for one checkout.
package struct DebugPaths: Sendable, Equatable {
    /// A mapped folder and the real one.
    package struct Rule: Sendable, Equatable {
        package let from: String
        package let to: String
    }

    /// Where members' sources lie.
    package let workspace: String
    package let rules: [Rule]

    /// The part of `cargo metadata`'s answer that matters.
    /// Source: https://doc.rust-lang.org/cargo/commands/cargo-metadata.html
    private struct Metadata: Decodable {
        struct Package: Decodable {
            let name: String
            let version: String
            /// `nil` for a package that is found by its path.
            let source: String?
            let manifest: String

            enum CodingKeys: String, CodingKey {
                case name, version, source
                case manifest = "manifest_path"
            }
        }

        let packages: [Package]
        let root: String
        let target: String

        enum CodingKeys: String, CodingKey {
            case packages
            case root = "workspace_root"
            case target = "target_directory"
        }
    }

    /// - Parameter metadata: what `cargo metadata --format-version 1` printed.
    package init(metadata: Data) throws {
        let metadata = try JSONDecoder().decode(Metadata.self, from: metadata)
        workspace = metadata.root
        var rules: [Rule] = []
        for package in metadata.packages {
            guard let slash = package.manifest.lastIndex(of: "/") else { continue }
            let folder = String(package.manifest[..<slash])
            // Cargo names what lies in the workspace by paths from its root, and so does the debug information.
            if package.source == nil, (folder + "/").hasPrefix(metadata.root + "/") { continue }
            rules.append(Rule(from: "\(package.name)-\(package.version)", to: folder))
        }
        rules.sort { $0.from < $1.from }
        // Generated code is found from the workspace's root where the target folder has its usual place.
        if metadata.target != metadata.root + "/target" { rules.append(Rule(from: "target", to: metadata.target)) }
        self.rules = rules
    }

    /// Lines for gdb's command file.
    /// Source: https://sourceware.org/gdb/current/onlinedocs/gdb.html/Source-Path.html
    package var gdb: String {
        "directory \(Self.quoted(workspace))\n"
            + rules.map { "set substitute-path \(Self.quoted($0.from)) \(Self.quoted($0.to))\n" }.joined()
    }

    /// Lines for lldb's command file.
    package var lldb: String {
        // Each command's mappings are tried in order: the folder that begins every relative path comes last.
        let all = rules + [Rule(from: ".", to: workspace)]
        return "settings set target.source-map "
            + all.map { "\(Self.quoted($0.from)) \(Self.quoted($0.to))" }.joined(separator: " ") + "\n"
    }

    /// Both debuggers split their commands as a shell would.
    private static func quoted(_ path: String) -> String {
        if path.utf8.allSatisfy({ isPlain($0) }) { return path }
        return "\"" + path.flatMap { $0 == "\"" || $0 == "\\" ? ["\\", $0] : [$0] } + "\""
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "/"), UInt8(ascii: "."), UInt8(ascii: "-"),
            UInt8(ascii: "_"), UInt8(ascii: "+"), 0x80...:
            true
        default: false
        }
    }
}
