import BuildSupport
import Foundation
import Testing

/// A workspace with one of everything, for two people who share nothing but the cache.
///
/// All builds are done once, in an order in which each test's are there: see `TwoCheckouts`.
@Suite("Two checkouts of a workspace", .serialized)
struct WorkspaceTests {
    @Test("the second checkout misses only what really holds its path")
    func misses() throws {
        let builds = try TwoCheckouts.workspace.get()
        let misses = builds.secondEvents.filter { $0.result != "hit" }
        // A test that runs a program of its package holds that program's path.
        let expected = ["shop test"]
        #expect(Set(misses.map { "\($0.crate ?? "") \($0.type ?? "")" }).isSubset(of: expected), "\(misses)")
        #expect(builds.secondEvents.filter { $0.unstored != nil }.isEmpty, "\(misses)")
        #expect(builds.secondEvents.filter { $0.result == "hit" }.count > 40)
    }

    @Test("all that the second checkout has and says mentions its own paths only")
    func mentions() throws {
        let builds = try TwoCheckouts.workspace.get()
        let foreign = builds.first.folders
        #expect(Mentions.find(foreign, below: builds.secondOutputs) == [])
        for folder in foreign { #expect(!builds.second.built.errors.contains(folder)) }
        #expect(builds.second.built.errors.contains("unused variable"))
        // Which of two units that warn of the same thing comes first is chance; Cargo says so of the second.
        func lines(_ text: String) -> [String] {
            Normal.lines(text).filter { !$0.contains(" generated ") }.sorted()
        }
        #expect(lines(builds.second.built.errors) == lines(builds.plain.errors))
    }

    @Test("its dep-info files are those of plain Cargo")
    func depInfo() throws {
        let builds = try TwoCheckouts.workspace.get()
        let differences = Tree.compare(builds.plainOutputs, builds.secondOutputs, comparesBytes: false)
        #expect(differences == [])
    }

    @Test("its tests pass, and Cargo finds everything fresh")
    func fresh() throws {
        let builds = try TwoCheckouts.workspace.get()
        #expect(builds.tests.code == 0, "\(builds.tests.output)\(builds.tests.errors)")
        #expect(builds.tests.output.contains("test the_counter_counts ... ok"))
        #expect(builds.again.processes.isEmpty)
        #expect(!builds.again.errors.contains("Compiling"), "\(builds.again.errors)")
    }

    @Test("a change of one line compiles there only what plain Cargo would compile")
    func change() throws {
        let builds = try TwoCheckouts.workspace.get()
        #expect(!builds.plainChange.compiled.isEmpty)
        var rest = builds.plainChange.compiled
        for crate in builds.change.compiled {
            guard let index = rest.firstIndex(of: crate) else {
                Issue.record("\(crate) was compiled, not so by plain Cargo: \(builds.plainChange.compiled)")
                continue
            }
            rest.remove(at: index)
        }
        #expect(builds.change.compiled.contains("jars"))
    }

    @Test("outputs of both, compiled apart, are the same bit for bit but for what really holds its path")
    func sameBytes() throws {
        let builds = try TwoCheckouts.workspace.get()
        let differing = Outputs.differing(builds.firstOutputs, builds.apartOutputs)
        // The test of the package's programs holds their paths.
        let unexpected = differing.filter { !Outputs.crate($0).hasPrefix("programs-") }
        #expect(unexpected == [], "all that differ: \(differing)")
    }

    @Test("exact outputs are plain Cargo's, bit for bit")
    func exact() throws {
        let builds = try TwoCheckouts.workspace.get()
        #expect(Tree.compare(builds.plainOutputs, builds.exactOutputs, comparesBytes: true) == [])
    }
}

/// The outputs of a build, seen as what rustc made.
enum Outputs {
    /// Files of one target folder that another lacks or has otherwise; what Cargo and build scripts write is no output
    /// of a compile, and dep-info names paths.
    static func differing(_ one: String, _ other: String) -> [String] {
        let names = Set(Files.tree(one)).union(Files.tree(other)).filter { path in
            !path.hasPrefix(".") && !path.contains(".fingerprint/") && !path.hasSuffix(".d")
                && !path.contains("/.cargo-") && !path.contains("/out/") && !path.hasSuffix("CACHEDIR.TAG")
                && !["output", "root-output", "stderr", "invoked.timestamp"].contains(
                    (path as NSString).lastPathComponent
                )
        }
        return names.sorted().filter { path in
            FileManager.default.contents(atPath: "\(one)/\(path)")
                != FileManager.default.contents(atPath: "\(other)/\(path)")
        }
    }

    /// The crate that a file is of.
    static func crate(_ path: String) -> String {
        let name = ((path as NSString).lastPathComponent as NSString).deletingPathExtension
        return name.hasPrefix("lib") ? String(name.dropFirst(3)) : name
    }
}
