internal import Keying
internal import Platform

/// Passes rustc's messages on: as they come, or, where paths are mapped, line by line with the real paths put back.
///
/// Errors that may be our doing wait for the end: such a compile is done again, and then they are not rustc's last word.
struct Diagnostics {
    private let remapping: Remapping?
    /// What a message that waits has in it; `nil`: none waits.
    private let waiting: String?
    private var rest: [UInt8] = []
    /// What waits.
    private(set) var held: [UInt8] = []
    /// Whether Cargo was told of a file that dependents can start with.
    var hasAnnounced = false

    /// - Parameter isJSON: whether messages come as one object a line, so that they can be told apart.
    init(_ remapping: Remapping?, isJSON: Bool) {
        self.remapping = remapping
        // A member's own errors are what its author waits for; those of its link step come last anyway.
        let isOutside = remapping?.isOutside == true
        waiting = !isJSON ? nil : isOutside ? "\"level\":\"error" : "\"message\":\"linking with "
    }

    mutating func pass(_ piece: UnsafeRawBufferPointer) {
        guard remapping != nil || waiting != nil else { return Self.write(piece) }
        rest += piece
        guard let end = rest.lastIndex(of: UInt8(ascii: "\n")) else { return }
        pass(lines: rest[...end])
        rest.removeFirst(end + 1)
    }

    private mutating func pass(lines: ArraySlice<UInt8>) {
        let undone = remapping?.undone(lines) ?? Array(lines)
        if held.isEmpty, waiting.map(undone.holds) != true {
            undone.withUnsafeBytes { Self.write($0) }
        } else {
            held += undone
        }
    }

    /// Passes on what is left.
    mutating func finish() {
        if !rest.isEmpty { pass(lines: rest[...]) }
        rest = []
        held.withUnsafeBytes { Self.write($0) }
        held = []
    }

    /// All of a compile's messages with the real paths.
    static func undone(_ messages: [UInt8], _ remapping: Remapping?) -> [UInt8] {
        remapping?.undone(messages[...]) ?? messages
    }

    private static func write(_ bytes: UnsafeRawBufferPointer) {
        try? Files.write(bytes, to: 2, path: "standard error")
    }
}
