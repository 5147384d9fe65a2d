package import Digest

/// One thing that a compile was seen to depend on, and what it was then.
///
/// Paths are written with the tokens of `Roots` (`{cwd}/src/lib.rs`).
package struct Input: Hashable, Sendable {
    package enum Kind: UInt8, Sendable, CaseIterable {
        /// The file's content has this digest.
        case file = 1
        /// Nothing is at this path.
        case absent
        /// A file, a folder or something else is at this path: digest of the kind's number.
        case exists
        /// The folder's entry names, sorted, have this digest.
        case listing
        /// The environment variable has this value; `unset` is a value of its own.
        case variable
        /// The program of this name in `PATH`: digest of its place, with tokens, and its content. A compiler finds its own
        /// files by its place.
        case program
        /// The process's current folder, as text with tokens, has this digest.
        case currentFolder
        /// The root of this name is this folder: an output holds its path.
        case root
        /// All variables together have this digest, those that tell one session from the next left out.
        case environment
        /// The symbolic link's text, with tokens, has this digest.
        case link
        /// The path leads here with all links followed: digest of that path, with tokens.
        case target
        /// The file that the call names for this `--extern` now has this digest: its number and name.
        case extern
    }

    package let kind: Kind
    package let name: String
    package let digest: Digest

    package init(_ kind: Kind, _ name: String, _ digest: Digest) {
        self.kind = kind
        self.name = name
        self.digest = digest
    }
}

/// The sets of inputs that compiles of one unit were seen to read, newest first.
///
///     manifest = number (entries) entry*
///     entry    = digest (result) number (inputs) input*
///     input    = number (kind) text (name) digest
package struct Manifest: Sendable {
    package struct Entry: Sendable {
        package let result: Digest
        package let inputs: [Input]

        package init(result: Digest, inputs: [Input]) {
            self.result = result
            self.inputs = inputs
        }
    }

    /// Above this number the entry that was used longest ago goes.
    package static let mostEntries = 32

    package var entries: [Entry]

    package init(entries: [Entry] = []) { self.entries = entries }

    /// Puts an entry in front; one with the same result goes.
    package mutating func add(_ entry: Entry) {
        entries.removeAll { $0.result == entry.result }
        entries.insert(entry, at: 0)
        if entries.count > Self.mostEntries { entries.removeLast(entries.count - Self.mostEntries) }
    }

    package init(_ bytes: [UInt8]) throws(Codec.Damaged) {
        var decoder = try Decoder(bytes, .manifest)
        entries = []
        for _ in 0..<(try decoder.count()) {
            let result = try decoder.digest()
            var inputs: [Input] = []
            let count = try decoder.count()
            inputs.reserveCapacity(count)
            for _ in 0..<count {
                guard let raw = UInt8(exactly: try decoder.number()), let kind = Input.Kind(rawValue: raw) else {
                    throw Codec.Damaged()
                }
                let name = try decoder.text()
                inputs.append(Input(kind, name, try decoder.digest()))
            }
            entries.append(Entry(result: result, inputs: inputs))
        }
        guard decoder.isAtEnd else { throw Codec.Damaged() }
    }

    package var encoded: [UInt8] {
        var encoder = Encoder(.manifest)
        encoder.count(entries.count)
        for entry in entries {
            encoder.digest(entry.result)
            encoder.count(entry.inputs.count)
            for input in entry.inputs {
                encoder.number(UInt64(input.kind.rawValue))
                encoder.text(input.name)
                encoder.digest(input.digest)
            }
        }
        return encoder.finish()
    }
}

/// What a compile, a query or a probe gave.
///
///     result = number (exit code) text (stdout) text (stderr) number (µs) number (outputs) output*
///     output = text (path) number (flags) number (bytes) body
///     body   = digest             flag 2 unset: the blob with the content
///            | bytes              flag 2 set: text with tokens, kept here
///
/// Flag 1: executable. Paths carry tokens. stdout and stderr are bytes with tokens.
package struct Outcome: Sendable {
    package struct Output: Sendable {
        package enum Content: Sendable {
            case blob(Digest)
            /// Text with tokens: a dep-info file.
            case text([UInt8])
        }

        package let path: String
        package let isExecutable: Bool
        /// Bytes of the file; for text: as it was stored.
        package let size: UInt64
        package let content: Content

        package init(path: String, isExecutable: Bool, size: UInt64, content: Content) {
            self.path = path
            self.isExecutable = isExecutable
            self.size = size
            self.content = content
        }
    }

    package let exitCode: UInt8
    package let standardOutput: [UInt8]
    package let standardError: [UInt8]
    /// What the compile itself took, in microseconds of wall clock.
    package let duration: UInt64
    package let outputs: [Output]

    package init(
        exitCode: UInt8,
        standardOutput: [UInt8],
        standardError: [UInt8],
        duration: UInt64,
        outputs: [Output]
    ) {
        self.exitCode = exitCode
        self.standardOutput = standardOutput
        self.standardError = standardError
        self.duration = duration
        self.outputs = outputs
    }

    package init(_ bytes: [UInt8]) throws(Codec.Damaged) {
        var decoder = try Decoder(bytes, .result)
        guard let code = UInt8(exactly: try decoder.number()) else { throw Codec.Damaged() }
        exitCode = code
        standardOutput = try decoder.bytes()
        standardError = try decoder.bytes()
        duration = try decoder.number()
        var outputs: [Output] = []
        for _ in 0..<(try decoder.count()) {
            let path = try decoder.text()
            let flags = try decoder.number()
            let size = try decoder.number()
            let content: Output.Content = flags & 2 == 0 ? .blob(try decoder.digest()) : .text(try decoder.bytes())
            outputs.append(Output(path: path, isExecutable: flags & 1 != 0, size: size, content: content))
        }
        self.outputs = outputs
        guard decoder.isAtEnd else { throw Codec.Damaged() }
    }

    package var encoded: [UInt8] {
        var encoder = Encoder(.result)
        encoder.number(UInt64(exitCode))
        encoder.bytes(standardOutput)
        encoder.bytes(standardError)
        encoder.number(duration)
        encoder.count(outputs.count)
        for output in outputs {
            encoder.text(output.path)
            var flags: UInt64 = output.isExecutable ? 1 : 0
            if case .text = output.content { flags |= 2 }
            encoder.number(flags)
            encoder.number(output.size)
            switch output.content {
            case .blob(let digest): encoder.digest(digest)
            case .text(let text): encoder.bytes(text)
            }
        }
        return encoder.finish()
    }

    /// Bytes of all outputs together.
    package var size: UInt64 { outputs.reduce(0) { $0 &+ $1.size } }
}
