internal import Keying
internal import Platform

/// Passes rustc's messages on: as they come, or, where paths are mapped, line by line with the real paths put back.
struct Diagnostics {
    private let remapping: Remapping?
    private var rest: [UInt8] = []

    init(_ remapping: Remapping?) { self.remapping = remapping }

    mutating func pass(_ piece: UnsafeRawBufferPointer) {
        guard let remapping else {
            try? Files.write(piece, to: 2, path: "standard error")
            return
        }
        rest += piece
        guard let end = rest.lastIndex(of: UInt8(ascii: "\n")) else { return }
        Self.write(remapping.undone(rest[...end]))
        rest.removeFirst(end + 1)
    }

    /// Passes on a last line without an end.
    mutating func finish() {
        if let remapping, !rest.isEmpty { Self.write(remapping.undone(rest[...])) }
        rest = []
    }

    /// All of a compile's messages with the real paths.
    static func undone(_ messages: [UInt8], _ remapping: Remapping?) -> [UInt8] {
        remapping?.undone(messages[...]) ?? messages
    }

    private static func write(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { try? Files.write($0, to: 2, path: "standard error") }
    }
}
