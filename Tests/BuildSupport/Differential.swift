internal import Foundation
internal import Glibc

/// The same steps in plain Cargo and through larder, at the same path, and every difference between the two.
///
/// A step edits the project once, then builds it plainly, puts what was built aside, builds it again through larder and
/// compares: exit codes, messages, the programs' own output, files and their modes. In a sandbox with exact paths also
/// their bytes: both were made at one path by one compiler, so they have no reason to differ.
package final class Differential {
    package let box: Sandbox
    /// The checkout that steps build.
    package var project: Project
    /// Entries of the environment that need not be UTF-8.
    package var raw: [[UInt8]] = []
    /// Programs that a step runs after a build that went well, relative to the target folder.
    package var programs: [String]
    /// Whether messages must come in the same order: not with crates that build at once.
    package var isOrdered = true
    private var steps = 0
    /// Steps of several tests may share a sandbox.
    private let own = UUID().uuidString.prefix(8)

    package init(
        _ files: [String: String],
        programs: [String] = [],
        paths: Sandbox.Paths = .portable,
        box: Sandbox? = nil
    ) throws {
        self.box = try box ?? Sandbox(paths: paths)
        project = try self.box.project(files)
        self.programs = programs
    }

    /// What must really have been compiled in larder's half.
    package enum Expected {
        case anything
        /// These crates and no others, each as often as named.
        case these([String])
        /// No process of rustc at all, not even one that asks for its version.
        case nothing

        package static func compiles(_ crates: String...) -> Expected { .these(crates) }
    }

    /// A step's two halves.
    package struct Step {
        package let plain: Half
        package let larder: Half
    }

    package struct Half {
        package let built: Built
        /// Output of each program that was run.
        package let programs: [String]
        /// Where the target folder was put.
        package let target: String
    }

    /// Does one step.
    ///
    /// - Parameters:
    ///   - isClean: whether both halves start without a target folder, or each with its own of the step before.
    ///   - earlier: a step whose plain half stands for this one's, since everything is as it was then.
    /// - Throws: `TestFault` naming every difference.
    @discardableResult
    package func step(
        _ name: String,
        _ expected: Expected,
        _ command: [String] = ["build"],
        _ changes: [String: String?] = [:],
        isClean: Bool = true,
        like earlier: Step? = nil,
        edit: (Project) throws -> Void = { _ in }
    ) throws -> Step {
        steps += 1
        try edit(project)
        // Cargo says that it makes a lock file; it is there before the first half.
        if project.exists("Cargo.toml"), !project.exists("Cargo.lock") {
            _ = try box.cargo(["generate-lockfile"], in: project, larder: false, changes)
        }
        let plain = try earlier?.plain ?? half("plain", command, changes, isClean, larder: false)
        let before = box.events.count
        let larder = try half("larder", command, changes, isClean, larder: true)
        var differences = Self.compare(plain, larder, isOrdered: isOrdered, comparesBytes: box.paths == .exact)
        if let earlier {
            // What comes from the cache is what was put there.
            differences += Tree.compare(earlier.larder.target, larder.target, comparesBytes: true)
        }
        switch expected {
        case .anything: break
        case .these(let crates):
            if larder.built.compiled != crates.sorted() {
                differences.append("rustc compiled \(larder.built.compiled), not \(crates.sorted())")
            }
        case .nothing:
            for call in larder.built.processes {
                differences.append("a rustc ran: \(call.tool) \(call.arguments.prefix(6).joined(separator: " "))")
            }
        }
        if !differences.isEmpty {
            var events = box.events.dropFirst(before).map { "    " + $0.description }
            // Why an earlier step left nothing to answer with.
            events += box.events.prefix(before).filter { $0.unstored != nil }.map { "    earlier: " + $0.description }
            throw TestFault(
                "step \"\(name)\":\n" + differences.joined(separator: "\n") + "\n  events:\n"
                    + events.joined(separator: "\n")
            )
        }
        return Step(plain: plain, larder: larder)
    }

    private func half(
        _ kind: String,
        _ command: [String],
        _ changes: [String: String?],
        _ isClean: Bool,
        larder: Bool
    ) throws -> Half {
        let target = project.path("target")
        let live = live(kind)
        Files.remove(target)
        if !isClean, rename(live, target) != 0, errno != ENOENT { throw TestFault("can't put \(live) back") }
        let built = try box.startCargo(command, in: project, larder: larder, changes, raw: raw).wait()
        var outputs: [String] = []
        if built.code == 0 {
            for program in programs where access("\(target)/\(program)", F_OK) == 0 {
                let ended = try Command(
                    "\(target)/\(program)",
                    [],
                    environment: box.environment,
                    folder: project.folder,
                    outputFolder: box.outputs
                ).run()
                outputs.append("\(program) \(ended.code) \(ended.output)\(ended.errors)")
            }
        }
        // A clean step's outputs stay as they are for a later comparison; others live on.
        let kept = isClean ? "\(live)-\(steps)" : live
        if rename(target, kept) != 0, errno != ENOENT { throw TestFault("can't put \(target) aside") }
        if isClean, larder { Files.remove(live) }
        return Half(built: built, programs: outputs, target: kept)
    }

    /// Where a target folder that is kept from step to step waits for the next one.
    private func live(_ kind: String) -> String { "\(box.folder)/target-\(own)-\(kind)" }

    /// Forgets the target folders that were kept: the next step starts without.
    package func removeKept() { for kind in ["plain", "larder"] { Files.remove(live(kind)) } }

    // MARK: Comparing

    /// Every difference between two halves, as lines of text.
    package static func compare(
        _ plain: Half,
        _ larder: Half,
        isOrdered: Bool,
        comparesBytes: Bool
    ) -> [String] {
        var differences: [String] = []
        if plain.built.code != larder.built.code {
            differences.append("exit code \(larder.built.code), plain \(plain.built.code):\n\(larder.built.errors)")
        }
        for (name, one, other) in [
            ("stderr", plain.built.errors, larder.built.errors), ("stdout", plain.built.output, larder.built.output),
        ] {
            var (one, other) = (Normal.lines(one), Normal.lines(other))
            if !isOrdered { (one, other) = (Normal.sorted(one), Normal.sorted(other)) }
            if one != other {
                differences.append(
                    "\(name) differs\n--- plain\n\(one.joined(separator: "\n"))\n--- larder\n"
                        + other.joined(separator: "\n")
                )
            }
        }
        if plain.programs != larder.programs {
            differences.append("programs say\n\(larder.programs)\nplain\n\(plain.programs)")
        }
        return differences + Tree.compare(plain.target, larder.target, comparesBytes: comparesBytes)
    }
}

/// Texts without what differs from one run to the next.
package enum Normal {
    package static func lines(_ text: String) -> [String] {
        text.replacingOccurrences(of: Places.larder + " ", with: "")
            .replacing(/\b(in|finished in) (\d+\.\d+s|\d+m \d+s)/) { "\($0.output.1) …s" }
            // A panic names its thread by a number of the system's.
            .replacing(/thread '([^']*)' \(\d+\)/) { "thread '\($0.output.1)'" }
            // A folder for one link, named at random.
            .replacing(/\/rustc[A-Za-z0-9]{6}\//, with: "/rustc……/")
            .split(separator: "\n", omittingEmptySubsequences: false)
            // Whether another Cargo held a lock for a moment says nothing.
            .filter { !$0.contains("Blocking waiting for file lock") }
            .map(String.init)
    }
}

extension Normal {
    /// Lines of crates that were built at once: which of two said something first says nothing. Cargo names a package
    /// once, by the unit that came first: checked or compiled, where it has both.
    package static func sorted(_ lines: [String]) -> [String] {
        lines.map { line in
            line.replacing(/(generated \d+ warnings?) \(.*/) { "\($0.output.1) …" }
                .replacing(#/^    Checking /#, with: "   Compiling ")
        }
        .sorted()
    }
}

/// Two folders of outputs, compared.
package enum Tree {
    /// What differs between two target folders, as lines of text.
    package static func compare(_ one: String, _ other: String, comparesBytes: Bool) -> [String] {
        let ones = Set(Files.tree(one).filter(counts))
        let others = Set(Files.tree(other).filter(counts))
        var differences = ones.subtracting(others).sorted().map { "missing: \($0)" }
        differences += others.subtracting(ones).sorted().map { "too much: \($0)" }
        for path in ones.intersection(others).sorted() {
            let (a, b) = ("\(one)/\(path)", "\(other)/\(path)")
            if Files.mode(a) != Files.mode(b) {
                differences.append(
                    "mode of \(path): \(String(Files.mode(b) ?? 0, radix: 8)), plain \(String(Files.mode(a) ?? 0, radix: 8))"
                )
            }
            guard comparesBytes || path.hasSuffix(".d"), !hasOwnBytes(path) else { continue }
            if contents(a) != contents(b) {
                differences.append("bytes of \(path) differ")
            }
        }
        return differences
    }

    /// Cargo's own notes about compilers and locks, and rustc's incremental sessions, are not outputs.
    private static func counts(_ path: String) -> Bool {
        path != ".rustc_info.json" && !path.contains("incremental/") && !path.hasSuffix(".cargo-lock")
    }

    private static func contents(_ path: String) -> Data? {
        let bytes = FileManager.default.contents(atPath: path)
        // Cargo's own list of a program's files comes in no certain order, and where a library is built in two forms the
        // one written last stays: its name, the first word, is left out.
        guard path.hasSuffix(".d"), !path.contains("/deps/"), !path.contains("/build/"), let bytes else { return bytes }
        return Data(
            bytes.split(separator: UInt8(ascii: " ")).dropFirst().map { Array($0) }.sorted {
                $0.lexicographicallyPrecedes($1)
            }
            .joined()
        )
    }

    /// Files that hold a time or the compiler's own version.
    private static func hasOwnBytes(_ path: String) -> Bool {
        // rustdoc is not wrapped, and its pages differ from one run to the next.
        path.contains(".fingerprint/") || path.hasPrefix("doc/")
    }
}
