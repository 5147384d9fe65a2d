import BuildSupport
import Foundation
import Testing

/// Ways a Rust compile cache has gone wrong: messages put back wrongly.
@Suite("Put back wrongly: messages")
struct MessageTests {
    private static let warning = "fn main() { let unused_one = 1; println!(\"a\"); }\n"

    @Test("25: warnings come again on a hit, in colour too", arguments: ["never", "always"])
    func warnings(_ colour: String) throws {
        let test = try Differential(Programs.program(Self.warning), programs: [Programs.demo])
        let first = try test.step("first", .compiles("demo"), ["build", "--color", colour])
        #expect(first.plain.built.errors.contains("unused_one"))
        try test.step("again", .nothing, ["build", "--color", colour], like: first)
        // Cargo keeps a unit's messages and shows them again: nothing of larder's is among them.
        try test.step("shown by Cargo", .these([]), ["build", "--color", colour], isClean: false) {
            $0.remove("target")
        }
        try test.step("shown again", .nothing, ["build", "--color", colour], isClean: false)
    }

    @Test("25: a warning names this checkout's paths, not the producer's")
    func paths() throws {
        // A crate outside the workspace is named by its full path.
        let test = try Differential([
            "demo/Cargo.toml": Project.manifest("demo", "[dependencies]\nleaf = { path = \"../leaf\" }"),
            "demo/src/main.rs": Self.warning,
            "leaf/Cargo.toml": Project.manifest("leaf"), "leaf/src/lib.rs": "pub fn a() { let unused_two = 1; }\n",
        ])
        test.isOrdered = false
        let root = test.project.folder
        func checkout(_ folder: String) -> Project { Project(folder: folder + "/demo") }
        test.project = checkout(root)
        try test.step("first", .compiles("demo", "leaf"))
        let other = try Project(folder: root).copy(to: test.box.folder + "/other/place")
        test.project = checkout(other.folder)
        // Cargo names a crate outside the workspace by its full path: it may be another unit there.
        let second = try test.step("other checkout", .anything)
        #expect(second.plain.built.errors.contains("unused_two"))
        #expect(!second.larder.built.errors.contains(root))
    }

    @Test("25: the width of the terminal changes what a warning looks like only where rustc would")
    func width() throws {
        let long = (0..<12).map { "let unused_variable_number_\($0) = \($0);" }.joined(separator: " ")
        let test = try Differential(Programs.program("fn main() { \(long) }\n"))
        try test.step("first", .anything)
        try test.step("again", .nothing)
    }

    @Test("26: JSON messages come as they do without larder")
    func json() throws {
        let test = try Differential([
            "Cargo.toml": "[workspace]\nmembers = [\"leaf\", \"demo\"]\nresolver = \"2\"\n",
            "leaf/Cargo.toml": Project.manifest("leaf"), "leaf/src/lib.rs": "pub fn a() { let unused_two = 1; }\n",
            "demo/Cargo.toml": Project.manifest("demo", "[dependencies]\nleaf = { path = \"../leaf\" }"),
            "demo/src/main.rs": "fn main() { leaf::a(); }\n",
        ])
        test.isOrdered = false
        let command = ["build", "--message-format=json"]
        let first = try test.step("first", .compiles("demo", "leaf"), command)
        #expect(first.plain.built.output.contains("compiler-artifact"))
        try test.step("again", .nothing, command, like: first)
        let rendered = ["build", "--message-format=json-diagnostic-rendered-ansi,json-diagnostic-short"]
        let second = try test.step("otherwise", .anything, rendered)
        try test.step("otherwise again", .nothing, rendered, like: second)
    }

    @Test("26: rustc's own artifact notices are the same on a miss and on a hit")
    func notices() throws {
        let box = try Sandbox(paths: .exact)
        Files.write(box.folder + "/own.rs", "pub fn a() { let unused = 1; }\n")
        let arguments = [
            "--error-format=json", "--json=diagnostic-rendered-ansi,artifacts,future-incompat", "--crate-type=lib",
            "--emit=dep-info,metadata,link", "--out-dir=out", "own.rs",
        ]
        var errors: [String] = []
        for larder in [false, true, true] {
            Files.remove(box.folder + "/out")
            Files.write(box.folder + "/out/.keep", "")
            errors.append(try box.rustc(arguments, in: box.folder, larder: larder).succeeded().errors)
        }
        #expect(errors[0].contains("\"emit\":\"metadata\""))
        #expect(errors[0] == errors[1])
        #expect(errors[0] == errors[2])
        #expect(box.events.last?.result == "hit")
    }

    @Test("36: a failing compile is never cached, and says all it has to say every time")
    func failing() throws {
        let test = try Differential(
            Programs.program("fn main() { let a: u32 = \"one\"; let b: u32 = \"two\"; let unused = 3; }\n")
        )
        for name in ["first", "second", "third"] {
            let step = try test.step(name, .compiles("demo"))
            #expect(step.larder.built.code == 101)
            #expect(step.larder.built.errors.components(separatedBy: "E0308").count == 4, "two errors and the hint")
        }
        try test.step("mended", .compiles("demo")) { $0.write("src/main.rs", "fn main() {}\n") }
        try test.step("mended, again", .nothing)
    }

    @Test("36: a compile that fails only in the linker is never cached")
    func failingLink() throws {
        let test = try Differential(
            Programs.program("extern \"C\" { fn missing_one(); }\nfn main() { unsafe { missing_one() } }\n")
        )
        for name in ["first", "second"] {
            let step = try test.step(name, .compiles("demo"))
            #expect(step.larder.built.code == 101)
        }
    }
}
