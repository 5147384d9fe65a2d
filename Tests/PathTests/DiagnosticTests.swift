import BuildSupport
import Foundation
import Testing

/// Entry 25 of the ways a Rust compile cache has gone wrong, where paths are mapped: rustc's messages are what they are
/// without larder, sources of other crates quoted and all.
@Suite("Messages where paths are mapped")
struct DiagnosticTests {
    private static let leaf = """
        pub fn takes<T: std::fmt::Display>(_: T) {}
        #[macro_export]
        macro_rules! waste { ($name:ident) => { let $name = 1; } }
        #[deprecated(note = "ask \\"leaf-0.1.0/src/lib.rs\\"")]
        pub fn old() { let unused_here = 2; }
        pub struct Deep(pub Vec<u8>);

        """

    @Test(
        "errors quote sources of a package outside the workspace",
        arguments: [
            [], ["--color", "always"], ["--message-format=short"], ["--message-format=json"],
            ["--message-format=json-diagnostic-rendered-ansi"],
        ]
    )
    func errors(_ flags: [String]) throws {
        let test = try Differential(
            Demo.outside(
                Self.leaf,
                "fn main() { leaf::takes(|| 3); leaf::Deep(1); leaf::old(); leaf::waste!(unused); leaf::missing(); }\n"
            )
        )
        test.isOrdered = false
        test.project = Project(folder: test.project.path("demo"))
        let step = try test.step("failing", .anything, ["build"] + flags)
        #expect(step.larder.built.code == 101)
    }

    @Test(
        "warnings of macros, generated code and other packages are the same from the cache, in colour too",
        arguments: [
            [], ["--color", "always"], ["--message-format=short"], ["--message-format=json"],
            ["--message-format=json-diagnostic-rendered-ansi"],
        ]
    )
    func warnings(_ flags: [String]) throws {
        var files = Demo.outside(
            Self.leaf,
            "mod made { include!(concat!(env!(\"OUT_DIR\"), \"/made.rs\")); }\n"
                + "fn main() { made::made(); leaf::old(); leaf::waste!(unused); let f = || 1; let g = 2; }\n"
        )
        files["demo/build.rs"] = """
            fn main() {
                let out = std::env::var("OUT_DIR").unwrap();
                std::fs::write(out + "/made.rs", "pub fn made() { let unused_made = 1; }\\n").unwrap();
            }

            """
        let test = try Differential(files)
        test.isOrdered = false
        let root = test.project
        test.project = Project(folder: root.path("demo"))
        let first = try test.step("first", .anything, ["build"] + flags)
        try test.step("again", .nothing, ["build"] + flags, like: first)
        test.project = Project(folder: try root.copy(to: test.box.folder + "/other/place of b").path("demo"))
        let second = try test.step("other checkout", .anything, ["build"] + flags)
        let said = second.larder.built.errors + second.larder.built.output
        #expect(said.contains("unused_made"))
        #expect(!said.contains(root.folder + "/"))
    }

    @Test("errors quote sources of crates of a registry, needed by way of others")
    func registry() throws {
        let test = try Differential(
            Demo.program(
                "fn main() { let a: anyhow::Result<()> = Ok(()); a.context(1, 2); memchr::memchr(\"a\", 1); }\n",
                [
                    "Cargo.toml": Project.manifest("demo", "[dependencies]\nanyhow = \"1\"\nmemchr = \"2\""),
                    ".cargo/config.toml": Project.debianRegistry,
                ]
            )
        )
        test.isOrdered = false
        let step = try test.step("failing", .anything)
        #expect(step.larder.built.errors.contains("pub fn memchr("))
    }

    @Test("an error after a package outside the workspace has told Cargo of its metadata is said once")
    func lateError() throws {
        // LLVM's, which comes last.
        let leaf = "pub fn late() { unsafe { std::arch::asm!(\"own_bogus\") } }\n"
        let test = try Differential(Demo.outside(leaf, "fn main() { leaf::late(); }\n"))
        test.isOrdered = false
        test.project = Project(folder: test.project.path("demo"))
        let step = try test.step("failing", .anything)
        #expect(step.larder.built.code == 101)
        #expect(step.larder.built.errors.contains("own_bogus"))
        #expect(step.larder.built.calls.filter { $0.crate == "leaf" && !$0.isQuery }.count == 1)
    }
}
