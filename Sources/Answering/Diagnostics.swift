internal import Keying
internal import Platform

/// Passes rustc's messages on: as they come, or, where paths are mapped, line by line with the real paths put back.
///
/// Errors in JSON wait for the end: a compile that fails where it may be by our doing is done again, and then they are not
/// rustc's last word.
struct Diagnostics {
    private let remapping: Remapping?
    private let holdsErrors: Bool
    private var rest: [UInt8] = []
    private var held: [UInt8] = []

    init(_ remapping: Remapping?, holdsErrors: Bool) {
        self.remapping = remapping
        self.holdsErrors = holdsErrors
    }

    mutating func pass(_ piece: UnsafeRawBufferPointer) {
        guard remapping != nil || holdsErrors else { return Self.write(piece) }
        rest += piece
        guard let end = rest.lastIndex(of: UInt8(ascii: "\n")) else { return }
        pass(lines: rest[...end])
        rest.removeFirst(end + 1)
    }

    private mutating func pass(lines: ArraySlice<UInt8>) {
        let undone = remapping?.undone(lines) ?? Array(lines)
        if held.isEmpty, !holdsErrors || !undone.holds("\"level\":\"error") {
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
