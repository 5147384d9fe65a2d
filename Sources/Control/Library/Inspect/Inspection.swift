internal import Digest
internal import Platform
package import Store

/// Entries of the cache in readable form.
package struct Inspection {
    private let folder: String

    package init(folder: String) { self.folder = folder }

    /// Digits by which an entry may be named, at least: fewer would name a whole folder of them.
    package static let leastDigits = 4

    /// Entries whose key begins with these hexadecimal digits, as kind and file.
    package func find(_ prefix: String) -> [(kind: String, file: Store.Listed)] {
        let prefix = prefix.lowercased()
        var found: [(kind: String, file: Store.Listed)] = []
        for kind in Store.entryFolders {
            Store.forEach(kind, in: folder) { file in
                if let digest = file.digest, digest.hex.hasPrefix(prefix) { found.append((kind, file)) }
            }
        }
        return found
    }

    package func text(_ kind: String, _ file: Store.Listed) -> String {
        let name = file.digest?.hex ?? file.path
        let head =
            "\(kind.dropLast()) \(name)\n  \(Sizes.text(file.stamp.size)), last used "
            + "\(Clock.text(file.stamp.modified / 1000))\n"
        if kind == "blobs" { return head + blob(file) }
        if kind == "packs" { return head + pack(file) }
        guard let bytes = try? Files.read(file.path) else { return head + "  can't be read\n" }
        switch kind {
        case "manifests": return head + ((try? Manifest(bytes)).map(text) ?? Self.damaged)
        case "results": return head + ((try? Outcome(bytes)).map { text($0, file) } ?? Self.damaged)
        default: return head + ((try? Decoder(bytes, .toolchain)) == nil ? Self.damaged : "")
        }
    }

    private static let damaged = "  damaged, or of another version of larder\n"

    private func text(_ manifest: Manifest) -> String {
        var text = "  \(manifest.entries.count) sets of inputs, newest first\n"
        for entry in manifest.entries {
            let state = Store.knows(entry.result, in: folder) ? "" : " (gone)"
            text += "\n  result \(entry.result.hex)\(state)\n"
            var table = Table()
            for input in entry.inputs {
                table.add("    \(input.kind)", String(input.digest.hex.prefix(16)), input.name)
            }
            text += table.text
        }
        return text
    }

    private func text(_ outcome: Outcome, _ file: Store.Listed) -> String {
        let packed = Set(pack(of: file)?.parts.map(\.digest) ?? [])
        var text = "  exit code \(outcome.exitCode), compiled in \(Sizes.time(Int64(clamping: outcome.duration)))\n"
        var table = Table()
        for output in outcome.outputs {
            let content: String
            switch output.content {
            case .blob(let digest):
                let isBlob = FileStamp(of: path("blobs", digest)) != nil
                let state = isBlob ? "" : packed.contains(digest) ? " (packed)" : " (gone)"
                content = String(digest.hex.prefix(16)) + state
            case .text: content = "kept as text"
            }
            table.add("    \(Sizes.text(output.size))", output.isExecutable ? "program" : "file", content, output.path)
        }
        text += table.text
        for (name, bytes) in [("stdout", outcome.standardOutput), ("stderr", outcome.standardError)]
        where !bytes.isEmpty {
            text += "\n  \(name)\n"
            for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") { text += "    \(line)\n" }
        }
        return text
    }

    private func blob(_ file: Store.Listed) -> String {
        guard let descriptor = try? Descriptor(opening: file.path, 0),
            let (digest, _) = try? Digest.ofFile(descriptor.number, path: file.path)
        else { return "  can't be read\n" }
        var text = digest == file.digest ? "  whole\n" : "  damaged: its content is not what its name says\n"
        var users: [String] = []
        Store.forEach("results", in: folder) { result in
            guard let bytes = try? Files.read(result.path), let outcome = try? Outcome(bytes), let name = file.digest,
                outcome.blobs.contains(name)
            else { return }
            users.append(result.digest?.hex ?? "")
        }
        Store.forEach("packs", in: folder) { result in
            guard let pack = pack(of: result), let name = file.digest,
                pack.parts.dropFirst().contains(where: { $0.digest == name })
            else { return }
            users.append(result.digest?.hex ?? "")
        }
        for user in users { text += "  output of result \(user)\n" }
        if users.isEmpty { text += "  output of no result\n" }
        return text
    }

    private func pack(of result: Store.Listed) -> Pack? {
        result.digest.flatMap { try? Pack(at: path("packs", $0), of: $0) }
    }

    private func pack(_ file: Store.Listed) -> String {
        guard let result = file.digest, let pack = try? Pack(at: file.path, of: result),
            let outcome = try? pack.outcome()
        else { return Self.damaged }
        var table = Table()
        for (index, part) in pack.parts.enumerated().dropFirst() {
            let size = Sizes.text(UInt64(part.size))
            table.add("    \(size)", String(part.digest.hex.prefix(16)), pack.isWhole(index) ? "whole" : "damaged")
        }
        return "  result \(result.hex) as it was fetched, yet to be unpacked\n" + text(outcome, file) + table.text
    }

    private func path(_ kind: String, _ digest: Digest) -> String { Store.path(kind, digest, in: folder) }
}
