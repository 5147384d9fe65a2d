import CHiredis

/// One command: its words, the value among them kept apart because it can be megabytes long.
struct RedisCommand {
    private var words: [String]
    /// Stands after the second word, as in `SET key value EX 60`.
    private var value: [UInt8]?

    init(_ words: String...) {
        self.words = words
    }

    static func set(_ item: BackendItem, timeToLive: Duration?) -> RedisCommand {
        var command = RedisCommand("SET", item.key)
        command.value = item.value
        if let timeToLive { command.words += ["EX", String(timeToLive.wholeSeconds)] }
        return command
    }

    /// The first word, for messages: it never is a secret.
    var name: String { words.first ?? "" }

    /// Appends the command in Redis' protocol, as hiredis writes it.
    /// - Returns: false when there is no memory for it.
    func encode(to output: inout [UInt8]) -> Bool {
        let short = words.flatMap { Array($0.utf8) }
        return short.withUnsafeBytes { short in
            guard let start = short.baseAddress?.assumingMemoryBound(to: CChar.self) else { return false }
            var pointers: [UnsafePointer<CChar>?] = []
            var lengths: [Int] = []
            var offset = 0
            for word in words {
                pointers.append(start + offset)
                lengths.append(word.utf8.count)
                offset += word.utf8.count
            }
            guard let value else { return Self.encode(pointers, lengths, to: &output) }
            return value.withUnsafeBytes { value in
                // An empty array may have no address; hiredis reads nothing from a word of length 0.
                pointers.insert(value.baseAddress?.assumingMemoryBound(to: CChar.self) ?? start, at: 2)
                lengths.insert(value.count, at: 2)
                return Self.encode(pointers, lengths, to: &output)
            }
        }
    }

    private static func encode(
        _ words: [UnsafePointer<CChar>?],
        _ lengths: [Int],
        to output: inout [UInt8]
    ) -> Bool {
        var words = words
        var target: UnsafeMutablePointer<CChar>?
        // The length comes back as an int: a command of 2 GiB is refused here rather than sent wrong.
        guard lengths.reduce(0, +) < Int(CInt.max) / 2 else { return false }
        let count = redisFormatCommandArgv(&target, CInt(words.count), &words, lengths)
        guard count > 0, let target else { return false }
        defer { redisFreeCommand(target) }
        output.append(contentsOf: UnsafeRawBufferPointer(start: target, count: Int(count)))
        return true
    }
}
