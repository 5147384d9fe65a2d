internal import Platform

/// What the configuration files say, in the form that the wrapper reads.
///
///     snapshot = "larder settings " version "\n" file* line* "end\n"
///     file     = "file " stamp " " path "\n"        larder's own first, then sccache's
///     stamp    = "none" | inode " " size " " modified " " changed
///     line     = "!" problem "\n"
///              | variable " " key " " index " " value "\n"      index: which file, 0 or 1
///
/// In paths, problems and values, `\n` stands for a new line and `\\` for a backslash. Without `end` it is half a file.
package struct FileValues: Sendable, Equatable {
    /// The two files, whether there or not.
    package let files: [File]
    /// By variable; the first file's come before the second's.
    package private(set) var values: [String: Settings.Given] = [:]
    /// One clear line for each thing that is wrong with the files.
    package private(set) var problems: [String] = []

    /// A configuration file as it was when it was read.
    package struct File: Sendable, Equatable {
        package let path: String
        /// Inode, size in bytes, times of the last write and change in nanoseconds; `nil`: not there.
        package let stamp: [Int64]?

        package init(_ path: String) {
            self.path = path
            stamp = FileStamp(of: path).map {
                [Int64(truncatingIfNeeded: $0.inode), Int64(truncatingIfNeeded: $0.size), $0.modified, $0.changed]
            }
        }

        fileprivate init(path: String, stamp: [Int64]?) {
            self.path = path
            self.stamp = stamp
        }
    }

    package init(files: [File]) { self.files = files }

    /// Adds a value; the stronger file must come first.
    package mutating func add(_ variable: String, _ text: String, key: String, file: String) {
        if values[variable] == nil { values[variable] = Settings.Given(text: text, origin: .file(file, key)) }
    }

    package mutating func add(problem: String) { problems.append(problem) }

    // MARK: The snapshot

    private static let header = "larder settings \(Version.text)"
    private static let none = "none"

    package var snapshot: String {
        var text = Self.header + "\n"
        for file in files {
            let stamp = file.stamp.map { $0.map(String.init).joined(separator: " ") } ?? Self.none
            text += "file \(stamp) \(Self.escaped(file.path))\n"
        }
        for problem in problems { text += "!\(Self.escaped(problem))\n" }
        for (variable, given) in values.sorted(by: { $0.key < $1.key }) {
            guard case .file(let path, let key) = given.origin, let index = files.firstIndex(where: { $0.path == path })
            else { continue }
            text += "\(variable) \(key) \(index) \(Self.escaped(given.text))\n"
        }
        return text + "end\n"
    }

    /// Reads a snapshot; `nil` if it is none, of another version, or not whole.
    package init?(snapshot: [UInt8]) {
        guard let text = String(validating: snapshot, as: UTF8.self) else { return nil }
        var lines = text.utf8.split(separator: UInt8(ascii: "\n")).map { Substring($0) }
        guard lines.first == Substring(Self.header), lines.popLast() == "end" else { return nil }
        var files: [File] = []
        var rest: [Substring] = []
        for line in lines.dropFirst() {
            guard line.utf8.starts(with: "file ".utf8) else {
                rest.append(line)
                continue
            }
            guard let file = Self.file(line.dropFirst(5)) else { return nil }
            files.append(file)
        }
        self.init(files: files)
        for line in rest {
            if line.utf8.first == UInt8(ascii: "!") {
                problems.append(Self.unescaped(line.dropFirst()))
                continue
            }
            let parts = line.utf8.split(separator: UInt8(ascii: " "), maxSplits: 3, omittingEmptySubsequences: false)
            guard parts.count == 4, let index = Int(Substring(parts[2])), files.indices.contains(index) else {
                return nil
            }
            add(
                String(Substring(parts[0])),
                Self.unescaped(Substring(parts[3])),
                key: String(Substring(parts[1])),
                file: files[index].path
            )
        }
    }

    private static func file(_ line: Substring) -> File? {
        let space = UInt8(ascii: " ")
        if line.utf8.starts(with: (none + " ").utf8) {
            return File(path: unescaped(line.dropFirst(none.utf8.count + 1)), stamp: nil)
        }
        let parts = line.utf8.split(separator: space, maxSplits: 4, omittingEmptySubsequences: false)
        let stamp = parts.prefix(4).compactMap { Int64(Substring($0)) }
        guard parts.count == 5, stamp.count == 4 else { return nil }
        return File(path: unescaped(Substring(parts[4])), stamp: stamp)
    }

    private static func escaped(_ text: String) -> String {
        var escaped: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\n"): escaped += "\\n".utf8
            case UInt8(ascii: "\\"): escaped += "\\\\".utf8
            default: escaped.append(byte)
            }
        }
        return String(decoding: escaped, as: UTF8.self)
    }

    private static func unescaped(_ text: Substring) -> String {
        var plain: [UInt8] = []
        var isEscape = false
        for byte in text.utf8 {
            if isEscape {
                plain.append(byte == UInt8(ascii: "n") ? UInt8(ascii: "\n") : byte)
                isEscape = false
            } else if byte == UInt8(ascii: "\\") {
                isEscape = true
            } else {
                plain.append(byte)
            }
        }
        return String(decoding: plain, as: UTF8.self)
    }
}
