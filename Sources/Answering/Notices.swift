/// Finds rustc's artifact notices in its standard error as it comes.
///
/// A notice is one line: `{"$message_type":"artifact","artifact":"PATH","emit":"metadata"}`.
/// Source: the rustc book, "JSON Output".
struct Notices {
    private var line: [UInt8] = []
    private static let start = Array(#"{"$message_type":"artifact","artifact":""#.utf8)
    private static let end = Array(#"","emit":"metadata"}"#.utf8)
    /// A notice is a path and little more; longer lines are diagnostics.
    private static let longest = 16 << 10

    /// Paths of metadata files that are complete by now.
    mutating func metadata(in piece: UnsafeRawBufferPointer) -> [String] {
        var paths: [String] = []
        for byte in piece {
            guard byte == UInt8(ascii: "\n") else {
                if line.count <= Self.longest { line.append(byte) }
                continue
            }
            if line.starts(with: Self.start), line.count > Self.start.count + Self.end.count,
                line[(line.count - Self.end.count)...].elementsEqual(Self.end)
            {
                let path = line[Self.start.count..<(line.count - Self.end.count)]
                if !path.contains(UInt8(ascii: "\\")), let text = String(validating: path, as: UTF8.self) {
                    paths.append(text)
                }
            }
            line.removeAll(keepingCapacity: true)
        }
        return paths
    }
}
