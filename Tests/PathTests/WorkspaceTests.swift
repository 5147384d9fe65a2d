import BuildSupport
import Foundation
import Testing

/// A workspace with one of everything, and the demo's program of some 140 calls, for two people who share nothing but the
/// cache.
///
/// All builds of a subject are done once, in an order in which each test's are there: see `TwoCheckouts`.
@Suite("Two checkouts", .serialized)
struct WorkspaceTests {
    enum Subject: String, CaseIterable {
        case workspace, program

        var builds: TwoCheckouts {
            get throws {
                switch self {
                case .workspace: try TwoCheckouts.workspace.get()
                case .program: try TwoCheckouts.program.get()
                }
            }
        }

        /// Units that really hold their path: a test that runs a program of its package holds that program's.
        var pathHolders: Set<String> { self == .workspace ? ["shop test"] : [] }
        /// Hits that there are at least.
        var leastHits: Int { self == .workspace ? 40 : 135 }
        /// A crate that the change concerns.
        var changed: String { self == .workspace ? "jars" : "larder_demo" }
        /// What the second checkout's build must say, besides what plain Cargo's does.
        var warning: String { self == .workspace ? "unused variable" : "Finished" }
    }

    @Test("the second checkout misses only what really holds its path, and runs no rustc", arguments: Subject.allCases)
    func misses(_ subject: Subject) throws {
        let builds = try subject.builds
        let misses = builds.secondEvents.filter { $0.result != "hit" }
        #expect(Set(misses.map { "\($0.crate ?? "") \($0.type ?? "")" }).isSubset(of: subject.pathHolders), "\(misses)")
        #expect(builds.secondEvents.filter { $0.unstored != nil }.isEmpty, "\(misses)")
        #expect(builds.secondEvents.filter { $0.result == "hit" }.count >= subject.leastHits)
        #expect(builds.second.built.processes.count == misses.count, "\(builds.second.built.processes)")
    }

    @Test("all that the second checkout has and says mentions its own paths only", arguments: Subject.allCases)
    func mentions(_ subject: Subject) throws {
        let builds = try subject.builds
        let foreign = builds.first.folders
        #expect(Mentions.find(foreign, below: builds.secondOutputs) == [])
        for folder in foreign { #expect(!builds.second.built.errors.contains(folder)) }
        #expect(builds.second.built.errors.contains(subject.warning))
        // Which of two units that warn of the same thing comes first is chance; Cargo says so of the second.
        func lines(_ text: String) -> [String] {
            Normal.sorted(Normal.lines(text).filter { !$0.contains(" generated ") })
        }
        #expect(lines(builds.second.built.errors) == lines(builds.plain.errors))
    }

    @Test("its dep-info files are those of plain Cargo", arguments: Subject.allCases)
    func depInfo(_ subject: Subject) throws {
        let builds = try subject.builds
        let differences = Tree.compare(builds.plainOutputs, builds.secondOutputs, comparesBytes: false)
        #expect(differences == [])
    }

    @Test("its tests pass, its program works, and Cargo finds everything fresh", arguments: Subject.allCases)
    func fresh(_ subject: Subject) throws {
        let builds = try subject.builds
        #expect(builds.tests.code == 0, "\(builds.tests.output)\(builds.tests.errors)")
        switch subject {
        case .workspace: #expect(builds.tests.output.contains("test the_counter_counts ... ok"))
        case .program:
            let said = try Tools.run("\(builds.secondOutputs)/debug/larder-demo", [])
            #expect(said == "1000 kinds on the shelves, 100 of them asked for, 592 jars\n")
        }
        #expect(builds.again.processes.isEmpty)
        #expect(!builds.again.errors.contains("Compiling"), "\(builds.again.errors)")
    }

    @Test("a change of one line compiles there only what plain Cargo would compile", arguments: Subject.allCases)
    func change(_ subject: Subject) throws {
        let builds = try subject.builds
        #expect(!builds.plainChange.compiled.isEmpty)
        var rest = builds.plainChange.compiled
        for crate in builds.change.compiled {
            guard let index = rest.firstIndex(of: crate) else {
                Issue.record("\(crate) was compiled, not so by plain Cargo: \(builds.plainChange.compiled)")
                continue
            }
            rest.remove(at: index)
        }
        #expect(builds.change.compiled.contains(subject.changed))
    }

    @Test(
        "outputs of both, compiled apart, are the same bit for bit but for what really holds its path",
        arguments: Subject.allCases
    )
    func sameBytes(_ subject: Subject) throws {
        let builds = try subject.builds
        let differing = Outputs.differing(builds.firstOutputs, builds.apartOutputs)
        // The test of the package's programs holds their paths.
        let unexpected = differing.filter { !Outputs.crate($0).hasPrefix("programs-") }
        #expect(unexpected == [], "all that differ: \(differing)")
    }

    @Test("exact outputs are plain Cargo's, bit for bit", arguments: Subject.allCases)
    func exact(_ subject: Subject) throws {
        let builds = try subject.builds
        #expect(Tree.compare(builds.plainOutputs, builds.exactOutputs, comparesBytes: true) == [])
    }
}

/// The demo's program in the other profile, at one place. A suite of its own, which runs beside the others.
@Suite("A release build of the program")
struct ReleaseTests {
    @Test("cold, from the cache, and after a touched file")
    func release() throws {
        let box = try Sandbox("release")
        let test = try Differential([:], programs: ["release/larder-demo"], box: box)
        test.project = try Project(folder: TwoCheckouts.programFolder).copy(to: box.folder + "/program")
        test.isOrdered = false
        let command = ["build", "--release"]
        let cold = try test.step("cold", .anything, command)
        #expect(cold.plain.built.code == 0, "\(cold.plain.built.errors)")
        let warm = try test.step("from the cache", .nothing, command, like: cold)
        #expect(warm.larder.programs.first?.contains("592 jars") == true, "\(warm.larder.programs)")

        try Tools.run("mv", [warm.larder.target, test.project.path("target")])
        let again = try box.cargo(command, in: test.project).succeeded()
        #expect(again.processes.isEmpty && !again.errors.contains("Compiling"), "\(again.errors)")
        try Tools.run("touch", [test.project.path("src/main.rs")])
        let touched = try box.cargo(command, in: test.project).succeeded()
        #expect(touched.errors.components(separatedBy: "Compiling").count == 2, "\(touched.errors)")
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
