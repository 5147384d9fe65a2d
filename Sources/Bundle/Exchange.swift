internal import Compression
package import Digest
internal import Platform
package import Store

extension Bundle {
    // MARK: Manifests

    /// The bundle of a unit's manifest.
    package static func encode(_ manifest: Manifest, key: Digest, level: Int) throws(Refused) -> [UInt8] {
        var packer = try Packer(level: level)
        try packer.add(manifest.encoded)
        return Head.encoded(.manifest, name: key, packer.parts) + packer.data
    }

    /// The manifest of this unit out of a bundle.
    package static func manifest(_ bytes: [UInt8], key: Digest) throws(Refused) -> Manifest {
        let pack = try Pack(bytes, .manifest, name: key)
        guard pack.parts.count == 1 else { throw Refused("a manifest of several parts") }
        guard let manifest = try? Manifest(try pack.record()) else { throw Refused("a damaged manifest") }
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
        let blobs = try blobs(of: outcome)
        let metadata = metadata(in: outcome)
        for blob in blobs {
            let path = store.path("blobs", blob.digest)
            var held: Packer.Held?
            // In the rlib there is what the rmeta holds.
            if let rmeta = metadata[blob.digest],
                let part = packer.parts.firstIndex(where: { $0.digest == rmeta && !$0.holdsAnother })
            {
                let size = packer.parts[part].size
                let rmetaPath = store.path("blobs", rmeta)
                let offset = FileSearch.offset(of: rmetaPath, size, in: path, Int(clamping: blob.size))
                held = offset.map { Packer.Held(part: part, range: $0..<($0 + size)) }
            }
            try packer.add(file: path, digest: blob.digest, size: blob.size, holding: held)
        }
        guard packer.parts.count <= Limits.parts else { throw Refused("\(packer.parts.count) parts") }
        guard packer.parts.reduce(0, { $0 + $1.size }) <= Limits.totalBytes else { throw Refused("more than 4 GiB") }
        return Head.encoded(.result, name: id, packer.parts) + packer.data
    }

    /// For each rlib among the outputs the rmeta of the same name.
    private static func metadata(in outcome: Outcome) -> [Digest: Digest] {
        var files: [String: Digest] = [:]
        for output in outcome.outputs {
            if case .blob(let digest) = output.content { files[output.path] = digest }
        }
        var found: [Digest: Digest] = [:]
        for (path, digest) in files where path.hasSuffix(".rlib") {
            found[digest] = files[path.dropLast("rlib".count) + "rmeta"]
        }
        return found
    }

    /// Checks the bundle of a result and puts it as it is into the store.
    ///
    /// - Parameter onProgress: called for every file.
    package static func keep(
        _ bytes: [UInt8],
        id: Digest,
        in store: borrowing Store,
        onProgress: () -> Void = {}
    ) throws(Refused) {
        let pack = try Pack(bytes, .result, name: id)
        // The record's is checked when it is read.
        for index in pack.parts.indices.dropFirst() {
            onProgress()
            guard pack.isAsItCame(index) else { throw Refused("a file that is damaged") }
        }
        if try !keepWithoutBlobs(pack, id, store) {
            do { try store.keep(bytes, of: id) } catch { throw Refused(error.description, .machine) }
        }
    }

    /// The same for one that came piece by piece, each of which was found to be what it should be.
    package static func keep(_ incoming: IncomingPack, id: Digest, in store: borrowing Store) throws(Refused) {
        let pack = try incoming.open(as: id)
        if try !keepWithoutBlobs(pack, id, store) {
            do { try store.keep(incoming, of: id) } catch { throw Refused(error.description, .machine) }
        }
    }

    /// Checks what a result's record says, and puts it into the store where all its blobs are there already.
    private static func keepWithoutBlobs(
        _ pack: Pack,
        _ id: Digest,
        _ store: borrowing Store
    ) throws(Refused) -> Bool {
        let outcome = try pack.outcome()
        for output in outcome.outputs { try check(path: output.path) }
        let blobs = try blobs(of: outcome)
        guard blobs.count == pack.parts.count - 1,
            zip(blobs, pack.parts.dropFirst()).allSatisfy({ $0.digest == $1.digest && $0.size == UInt64($1.size) })
        else { throw Refused("other files than its record names") }
        guard blobs.allSatisfy({ store.hasBlob($0.digest, size: $0.size) }) else { return false }
        do { try store.put(outcome, as: id) } catch { throw Refused(error.description, .machine) }
        return true
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
