/// Stores values of any length on servers that limit it, or that a long value would hold up.
///
/// A value that fits is stored under its key. A longer one is cut into chunks, each stored under its own SHA-256 digest,
/// and their index (`ChunkIndex`) under the key, last: whoever finds the index finds the chunks, unless the server
/// dropped one. A chunk that is missing or not what its name says makes the whole value a miss.
///
/// Two values that share a chunk share it on the server, and a value that is there already is not sent again.
package final class ChunkedBackend: Backend {
    /// What was found under a key.
    private enum Form {
        case plain
        case chunks([String])
    }

    private let base: any Backend
    /// Values longer than this are cut, into pieces of this length.
    private let chunkBytes: Int
    private let keyPrefix: String
    /// The longest value taken, put together in memory.
    private let longestValue: Int

    /// Bytes asked for or sent in one go: enough to hide the way to the server, and what is held in memory twice.
    private static let batchBytes = 16 * 1024 * 1024

    /// Keys whose form is remembered, so that renewing what was just read needs no second reading: those of one build.
    private static let longestMemory = 4096

    private let forms = Monitor<[String: Form]>([:])

    /// - Parameters:
    ///   - chunkBytes: at most what the server takes, less one byte.
    ///   - keyPrefix: what chunks' keys begin with.
    ///   - longestValue: limit in bytes of what `get` believes and `put` takes.
    package init(
        _ base: any Backend,
        chunkBytes: Int,
        keyPrefix: String = "c/",
        longestValue: Int = 4 * 1024 * 1024 * 1024
    ) {
        self.base = base
        self.chunkBytes = max(1, min(chunkBytes, base.limits.valueBytes - 1, Int(UInt32.max)))
        self.keyPrefix = keyPrefix
        self.longestValue = longestValue
    }

    package var name: String { base.name }

    package var limits: BackendLimits {
        BackendLimits(valueBytes: longestValue, keyBytes: base.limits.keyBytes)
    }

    package func get(_ keys: [String], deadline: Deadline) throws(BackendError) -> [[UInt8]?] {
        var values = try base.get(keys, deadline: deadline)
        for place in values.indices {
            guard let kind = values[place]?.popLast() else {
                // Nothing there, or an empty value: not one of ours.
                values[place] = nil
                continue
            }
            if kind == ChunkIndex.plainKind {
                remember(keys[place], .plain)
                continue
            }
            guard kind == ChunkIndex.indexKind, let bytes = values[place],
                let index = ChunkIndex(bytes[...], longestValue: longestValue)
            else {
                values[place] = nil
                continue
            }
            remember(keys[place], .chunks(index.digests.map(key)))
            values[place] = try assemble(index, deadline: deadline)
        }
        return values
    }

    /// Fetches the chunks of a value; nil when one is missing or wrong.
    private func assemble(_ index: ChunkIndex, deadline: Deadline) throws(BackendError) -> [UInt8]? {
        var value: [UInt8] = []
        // The index was made by someone else: memory is set aside as chunks really come.
        value.reserveCapacity(min(index.total, Self.batchBytes))
        let batch = max(1, Self.batchBytes / index.chunkBytes)
        var next = 0
        while next < index.digests.count {
            let range = next..<min(next + batch, index.digests.count)
            let keys = range.map { key(of: index.digests[$0]) }
            let chunks = try base.get(keys, deadline: deadline)
            for (place, chunk) in zip(range, chunks) {
                guard let chunk else { return nil }
                guard chunk.count == index.length(ofChunk: place),
                    Checksum.of(chunk).elementsEqual(index.digests[place])
                else {
                    // Gone, it is stored anew by the next put, which skips chunks that are there. Best effort: a server
                    // that lets us read only keeps it.
                    try? base.remove(keys[place - range.lowerBound], deadline: deadline)
                    return nil
                }
                value.append(contentsOf: chunk)
            }
            next = range.upperBound
        }
        return value
    }

    package func put(_ items: [BackendItem], timeToLive: Duration?, deadline: Deadline) throws(BackendError) {
        var heads: [BackendItem] = []
        for item in items {
            guard item.value.count <= longestValue else {
                throw BackendError(
                    .valueTooLarge,
                    "a value of \(item.value.count) bytes is over the limit of \(longestValue)",
                    server: name,
                    key: item.key,
                    advice: "Nothing to do: it is not shared."
                )
            }
            if item.value.count <= chunkBytes {
                heads.append(BackendItem(key: item.key, value: item.value + [ChunkIndex.plainKind]))
                remember(item.key, .plain)
            } else {
                let index = try putChunks(of: item.value, timeToLive: timeToLive, deadline: deadline)
                heads.append(BackendItem(key: item.key, value: index.encoded))
                remember(item.key, .chunks(index.digests.map(key)))
            }
        }
        try base.put(heads, timeToLive: timeToLive, deadline: deadline)
    }

    private func putChunks(
        of value: [UInt8],
        timeToLive: Duration?,
        deadline: Deadline
    ) throws(BackendError) -> ChunkIndex {
        let ranges = stride(from: 0, to: value.count, by: chunkBytes).map { start in
            start..<min(start + chunkBytes, value.count)
        }
        let digests = ranges.map { range in
            value.withUnsafeBytes { Checksum.of(UnsafeRawBufferPointer(rebasing: $0[range])) }[...]
        }
        let keys = digests.map(key)
        // Renewing tells which are there as well, and keeps them as long as the index.
        let isThere =
            if let timeToLive {
                try base.renew(keys, timeToLive: timeToLive, deadline: deadline)
            } else {
                try base.exists(keys, deadline: deadline)
            }
        var batch: [BackendItem] = []
        let longestBatch = max(1, Self.batchBytes / chunkBytes)
        for (place, range) in ranges.enumerated() where !isThere[place] {
            batch.append(BackendItem(key: keys[place], value: Array(value[range])))
            if batch.count == longestBatch {
                try base.put(batch, timeToLive: timeToLive, deadline: deadline)
                batch = []
            }
        }
        if !batch.isEmpty { try base.put(batch, timeToLive: timeToLive, deadline: deadline) }
        return ChunkIndex(total: value.count, chunkBytes: chunkBytes, digests: digests)
    }

    /// Renews the index and the chunks it names. A key whose chunks are not all there counts as missing.
    package func renew(_ keys: [String], timeToLive: Duration, deadline: Deadline) throws(BackendError) -> [Bool] {
        var found = try base.renew(keys, timeToLive: timeToLive, deadline: deadline)
        for (place, isThere) in found.enumerated() where isThere {
            guard case .chunks(let chunks) = try form(of: keys[place], deadline: deadline) else { continue }
            found[place] = try !base.renew(chunks, timeToLive: timeToLive, deadline: deadline).contains(false)
        }
        return found
    }

    /// The form of a value that is there, from memory if it was read lately.
    private func form(of key: String, deadline: Deadline) throws(BackendError) -> Form {
        if let known = forms.read({ $0[key] }) { return known }
        guard let stored = try base.get(key, deadline: deadline), stored.last == ChunkIndex.indexKind,
            let index = ChunkIndex(stored.dropLast(), longestValue: longestValue)
        else { return .plain }
        return .chunks(index.digests.map(self.key))
    }

    private func remember(_ key: String, _ form: Form) {
        forms.update { forms in
            if forms.count >= Self.longestMemory { forms.removeAll(keepingCapacity: true) }
            forms[key] = form
        }
    }

    /// Whether the keys are there; of a long value, whether its index is.
    package func exists(_ keys: [String], deadline: Deadline) throws(BackendError) -> [Bool] {
        try base.exists(keys, deadline: deadline)
    }

    /// Removes the keys. Chunks stay, as other values may share them; the server drops them in time.
    package func remove(_ keys: [String], deadline: Deadline) throws(BackendError) {
        try base.remove(keys, deadline: deadline)
    }

    package func check(deadline: Deadline) -> [ServerHealth] {
        base.check(deadline: deadline)
    }

    package func close() {
        base.close()
    }

    private func key(of digest: ArraySlice<UInt8>) -> String {
        keyPrefix + Checksum.hexadecimal(digest)
    }
}
