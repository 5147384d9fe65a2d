internal import Compression
package import Digest
internal import Glibc
internal import Platform
package import Store

extension Bundle {
    // MARK: Manifests

    /// The bundle of a unit's manifest.
    package static func encode(_ manifest: Manifest, key: Digest, level: Int) throws(Refused) -> [UInt8] {
        var packer = try Packer(level: level)
        try packer.add(manifest.encoded)
        return Head(kind: .manifest, name: key, parts: packer.parts).encoded + packer.data
    }

    /// The manifest of this unit out of a bundle.
    package static func manifest(_ bytes: [UInt8], key: Digest) throws(Refused) -> Manifest {
        let head = try Head(bytes, kind: .manifest, name: key)
        guard head.parts.count == 1 else { throw Refused("a manifest of several parts") }
        let record = try record(head, bytes)
        guard let manifest = try? Manifest(record) else { throw Refused("a damaged manifest") }
        guard manifest.entries.count <= Limits.entries,
            manifest.entries.allSatisfy({ $0.inputs.count <= Limits.inputs })
        else { throw Refused("a manifest of too many entries") }
        for input in manifest.entries.lazy.flatMap(\.inputs) { try check(name: input.name) }
        return manifest
    }

    // MARK: Results

    /// The bundle of a result, its blobs read from `store` and checked.
    package static func encode(
        _ outcome: Outcome,
        id: Digest,
        from store: inout Store,
        level: Int
    ) throws(Refused) -> [UInt8] {
        // What came from another shared cache may still be packed.
        do { try store.unpack(id) } catch { throw Refused(error) }
        var packer = try Packer(level: level)
        try packer.add(outcome.encoded)
        for (digest, size) in try blobs(of: outcome) {
            try packer.add(file: store.path("blobs", digest), digest: digest, size: size)
        }
        guard packer.parts.count <= Limits.parts else { throw Refused("\(packer.parts.count) parts") }
        guard packer.parts.reduce(0, { $0 + $1.size }) <= Limits.totalBytes else { throw Refused("more than 4 GiB") }
        return Head(kind: .result, name: id, parts: packer.parts).encoded + packer.data
    }

    /// Checks the bundle of a result and puts its blobs as they are, then the result, into the store.
    ///
    /// - Parameter onProgress: called for every file.
    package static func keep(
        _ bytes: [UInt8],
        id: Digest,
        in store: borrowing Store,
        onProgress: () -> Void = {}
    ) throws(Refused) {
        let head = try Head(bytes, kind: .result, name: id)
        let record = try record(head, bytes)
        guard let outcome = try? Outcome(record) else { throw Refused("a damaged result") }
        for output in outcome.outputs { try check(path: output.path) }
        let blobs = try blobs(of: outcome)
        guard blobs.count == head.parts.count - 1,
            zip(blobs, head.parts.dropFirst()).allSatisfy({ $0.digest == $1.digest && $0.size == UInt64($1.size) })
        else { throw Refused("other files than its record names") }
        try bytes.withUnsafeBufferPointer { all throws(Refused) in
            let start = Head.size(parts: head.parts.count) + head.parts[0].packed
            let data = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(all)[start...])
            var parts: [Pack.Part] = []
            for part in head.parts.dropFirst() {
                onProgress()
                let done = parts.reduce(0) { $0 + $1.packed }
                parts.append(try check(part, UnsafeRawBufferPointer(rebasing: data[done..<(done + part.packed)])))
            }
            if blobs.allSatisfy({ store.hasBlob($0.digest, size: $0.size) }) { return }
            do throws(SystemError) { try store.keep(parts, data: data, of: id) } catch { throw Refused(error) }
        }
        do { try store.put(outcome, as: id) } catch { throw Refused(error) }
    }

    /// Makes sure that a part is what was packed, and says how it is made up.
    private static func check(_ part: Part, _ packed: UnsafeRawBufferPointer) throws(Refused) -> Pack.Part {
        guard Digest(of: packed) == part.sum else { throw Refused("a file that is damaged") }
        if part.method == .plain { return Pack.Part(digest: part.digest, size: part.size, frames: []) }
        guard let frames = Decompressor.frames(in: packed),
            frames.reduce(0, { $0 + min($1.size, Limits.blobBytes) }) == part.size
        else { throw Refused("a part that unpacks to another length") }
        return Pack.Part(digest: part.digest, size: part.size, frames: frames)
    }

    /// The blobs a result names, each once, in the order of their first mention.
    private static func blobs(of outcome: Outcome) throws(Refused) -> [(digest: Digest, size: UInt64)] {
        var sizes: [Digest: UInt64] = [:]
        var blobs: [(digest: Digest, size: UInt64)] = []
        for output in outcome.outputs {
            guard case .blob(let digest) = output.content else { continue }
            if let known = sizes[digest] {
                guard known == output.size else { throw Refused("one file in two sizes") }
            } else {
                sizes[digest] = output.size
                blobs.append((digest, output.size))
            }
        }
        return blobs
    }

    private static func record(_ head: Head, _ bytes: [UInt8]) throws(Refused) -> [UInt8] {
        let part = head.parts[0]
        let start = Head.size(parts: head.parts.count)
        let packed = Array(bytes[start..<(start + part.packed)])
        guard Digest(of: packed) == part.sum else { throw Refused("a damaged record") }
        if part.method == .plain { return packed }
        var record: [UInt8] = []
        do throws(CompressionError) {
            var decompressor = try Decompressor()
            decompressor.begin(size: part.size)
            try packed.withUnsafeBufferPointer { packed throws(CompressionError) in
                try decompressor.unpack(UnsafeRawBufferPointer(packed)) { record += $0 }
            }
            try decompressor.finish()
        } catch { throw Refused(error) }
        guard Digest(of: record) == part.digest else { throw Refused("a damaged record") }
        return record
    }

    // MARK: Names

    /// An output's path starts with a root's token and leads nowhere else.
    private static func check(path: String) throws(Refused) {
        try check(name: path)
        guard path.utf8.first == UInt8(ascii: "{"),
            !path.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: true)
                .contains(where: { $0.elementsEqual("..".utf8) })
        else { throw Refused("an output at \(Event.quoted(path))") }
    }

    private static func check(name: String) throws(Refused) {
        guard name.utf8.count <= Limits.pathBytes, !name.utf8.contains(0) else {
            throw Refused("a name of \(name.utf8.count) bytes, or with a zero in it")
        }
    }
}
