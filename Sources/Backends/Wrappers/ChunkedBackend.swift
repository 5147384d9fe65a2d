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
    /// The longest value taken.
    private let longestValue: Int

    /// Bytes asked for or sent in one go: enough to hide the way to the server, and what is held in memory.
    private static let batchBytes = 8 * 1024 * 1024
    /// So many chunks are fetched on two connections.
    private static let worthAThread = 3

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
        for (place, key) in keys.enumerated() {
            switch open(&values[place], of: key) {
            case .nothing: values[place] = nil
            case .plain: break
            case .index(let index):
                let value = AssembledValue()
                values[place] = try fetch(index, to: value, deadline: deadline) ? value.bytes : nil
            }
        }
        return values
    }

    package func fetch(
        _ key: String,
        deadline: Deadline,
        to sink: (Int) -> (any ValueSink)?
    ) throws(BackendError) -> FetchedValue? {
        var value = try base.get(key, deadline: deadline)
        switch open(&value, of: key) {
        case .nothing: return nil
        case .plain: return value.map { .whole($0) }
        case .index(let index):
            guard let sink = sink(index.total), try fetch(index, to: sink, deadline: deadline) else { return nil }
            return .streamed(length: index.total)
        }
    }

    /// What a stored value is.
    private enum Opened {
        /// Nothing, or nothing of ours.
        case nothing
        case plain
        case index(ChunkIndex)
    }

    /// Tells what a stored value is, takes off of it what says so, and remembers it.
    private func open(_ value: inout [UInt8]?, of key: String) -> Opened {
        guard let kind = value?.popLast() else { return .nothing }
        if kind == ChunkIndex.plainKind {
            remember(key, .plain)
            return .plain
        }
        guard kind == ChunkIndex.indexKind, let bytes = value,
            let index = ChunkIndex(bytes[...], longestValue: longestValue)
        else { return .nothing }
        remember(key, .chunks(index.digests.map(self.key)))
        return .index(index)
    }

    /// Fetches the chunks of a value, on two connections where there are many: a build that ends with its largest call has
    /// a processor to spare for it.
    ///
    /// - Returns: whether all were there, right, and taken.
    private func fetch(
        _ index: ChunkIndex,
        to sink: any ValueSink,
        deadline: Deadline
    ) throws(BackendError) -> Bool {
        let count = index.digests.count
        guard count >= Self.worthAThread else {
            return try fetch(0..<count, of: index, to: sink, deadline: deadline)
        }
        let half = count / 2
        let other = Monitor<Result<Bool, BackendError>?>(nil)
        // Once one half has failed nobody wants the other.
        let shared = StoppableSink(sink)
        let hasStarted = DetachedThread.start { [self] in
            do throws(BackendError) {
                let isWhole = try fetch(half..<count, of: index, to: shared, deadline: deadline)
                other.update { $0 = .success(isWhole) }
                if !isWhole { shared.stop() }
            } catch {
                other.update { $0 = .failure(error) }
                shared.stop()
            }
        }
        var isWhole = false
        defer { if !isWhole { shared.stop() } }
        isWhole = try fetch(0..<(hasStarted ? half : count), of: index, to: shared, deadline: deadline)
        if !isWhole, hasStarted, case .failure(let error) = other.read({ $0 }) { throw error }
        guard isWhole, hasStarted else { return isWhole }
        guard let rest = other.wait(until: deadline, { $0 }) else {
            throw .timedOut("reading the second half of a value", server: name)
        }
        return try rest.get()
    }

    /// Fetches some chunks of a value.
    private func fetch(
        _ range: Range<Int>,
        of index: ChunkIndex,
        to sink: any ValueSink,
        deadline: Deadline
    ) throws(BackendError) -> Bool {
        let batch = max(1, Self.batchBytes / index.chunkBytes)
        var next = range.lowerBound
        while next < range.upperBound {
            let places = next..<min(next + batch, range.upperBound)
            let keys = places.map { key(of: index.digests[$0]) }
            let chunks = try base.get(keys, deadline: deadline)
            for (place, chunk) in zip(places, chunks) {
                guard let chunk else { return false }
                guard chunk.count == index.length(ofChunk: place),
                    Checksum.of(chunk).elementsEqual(index.digests[place])
                else {
                    // Gone, it is stored anew by the next put, which skips chunks that are there. Best effort: a server
                    // that lets us read only keeps it.
                    try? base.remove(keys[place - places.lowerBound], deadline: deadline)
                    return false
                }
                let isTaken = chunk.withUnsafeBytes { sink.write($0, at: place * index.chunkBytes) }
                guard isTaken else { return false }
            }
            next = places.upperBound
        }
        return true
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
        var stored = try base.get(key, deadline: deadline)
        guard case .index(let index) = open(&stored, of: key) else { return .plain }
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

/// Takes a value until it is told that nobody wants it any more.
private final class StoppableSink: ValueSink {
    private let base: any ValueSink
    private let isStopped = Monitor(false)

    init(_ base: any ValueSink) { self.base = base }

    func stop() { isStopped.update { $0 = true } }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> Bool {
        !isStopped.read { $0 } && base.write(bytes, at: offset)
    }
}

/// A value put together in memory, which is set aside as its pieces really come: the index was made by someone else.
private final class AssembledValue: ValueSink {
    private let pieces = Monitor<[Int: [UInt8]]>([:])

    var bytes: [UInt8] { pieces.read { $0.sorted { $0.key < $1.key }.flatMap(\.value) } }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> Bool {
        pieces.update { $0[offset] = Array(bytes) }
        return true
    }
}
