import BuildSupport
import Foundation
import Testing

/// Everything that Cargo does with rustc, for a workspace with one of everything: the same results, exit codes and
/// messages as without larder, and the second time all of it from the cache.
@Suite("Cargo's commands", .serialized)
struct CommandTests {
    /// One copy of the workspace, and one cache, for all tests of this suite: most units are common to them.
    private static let shared = Result {
        let box = try Sandbox(knowsToolchain: true)
        return try Project(folder: Places.projects + "/workspace").copy(to: box.folder + "/project")
            .with(box: box)
    }

    private func workspace() throws -> Differential {
        let (box, _) = try Self.shared.get()
        let test = try Differential([:], programs: ["debug/shop", "release/shop", "debug/shop-counter"], box: box)
        test.isOrdered = false
        return test
    }

    @Test(
        "a workspace built, checked and documented as without larder, then from the cache",
        arguments: [
            ["build", "--workspace"], ["check", "--workspace", "--all-targets"],
            ["build", "-p", "recipes", "--target", Native.triple], ["doc", "-p", "jars", "-p", "odd", "--no-deps"],
        ]
    )
    func workspace(_ command: [String]) throws {
        let test = try workspace()
        let first = try test.step("first", .anything, command)
        #expect(first.plain.built.code == 0, "\(first.plain.built.errors)")
        try test.step("again", .nothing, command, like: first)
    }

    @Test("a workspace tested as without larder, doc tests too, then from the cache")
    func tests() throws {
        let test = try workspace()
        let first = try test.step("first", .anything, ["test", "--workspace"])
        #expect(first.plain.built.code == 0, "\(first.plain.built.errors)")
        try test.step("again", .nothing, ["test", "--workspace"], like: first)
    }

    @Test("a release build of a workspace, then from the cache")
    func release() throws {
        let test = try workspace()
        let command = ["build", "--release", "-p", "recipes", "-p", "capi", "-p", "archive"]
        let first = try test.step("first", .anything, command)
        try test.step("again", .nothing, command, like: first)
    }

    @Test("28: clippy says what it says without larder, then from the cache, and fails where it fails")
    func clippy() throws {
        let test = try Differential(
            Programs.program("fn main() { let a = vec![1]; if a.len() == 0 { return; } println!(\"a\"); }\n")
        )
        let first = try test.step("first", .anything, ["clippy"])
        #expect(first.plain.built.errors.contains("len_zero") || first.plain.built.errors.contains("is_empty"))
        try test.step("again", .nothing, ["clippy"], like: first)
        let denied = ["clippy", "--", "-D", "warnings"]
        for name in ["denied", "denied again"] {
            let step = try test.step(name, .compiles("demo"), denied)
            #expect(step.plain.built.code == 101)
        }
        // A check by rustc is another call than one by clippy.
        let check = try test.step("check", .compiles("demo"), ["check"])
        #expect(!check.plain.built.errors.contains("is_empty"))
        try test.step("clippy after all", .nothing, ["clippy"], like: first)
        // What configures clippy is an input, though no argument names it.
        let configured = try test.step("configured", .compiles("demo"), ["clippy"]) {
            $0.write("clippy.toml", "msrv = \"1.0.0\"\n")
            $0.write("src/main.rs", $0.read("src/main.rs"))
        }
        try test.step("configured again", .nothing, ["clippy"], like: configured)
    }

    @Test("28: clippy's configuration is seen when only it changes")
    func clippyConfiguration() throws {
        let test = try Differential(
            Programs.program("fn main() { own(1, 2, 3); }\nfn own(a: u8, b: u8, c: u8) { println!(\"{a}{b}{c}\"); }\n")
        )
        let first = try test.step("first", .anything, ["clippy"])
        let second = try test.step("fewer arguments allowed", .compiles("demo"), ["clippy"]) {
            $0.write("clippy.toml", "too-many-arguments-threshold = 2\n")
        }
        #expect(first.plain.built.errors != second.plain.built.errors)
        try test.step("put back", .nothing, ["clippy"], like: first) { $0.remove("clippy.toml") }
    }

    @Test("build scripts, their probes and their queries are answered too")
    func probes() throws {
        let build = """
            use std::{env, io::Write, process::{Command, Stdio}};
            fn rustc() -> Command {
                let mut words: Vec<String> = ["RUSTC_WRAPPER", "RUSTC"].iter()
                    .filter_map(|n| env::var(n).ok()).filter(|v| !v.is_empty()).collect();
                let mut command = Command::new(words.remove(0));
                command.args(words);
                command
            }
            fn probe(source: &str) -> bool {
                let out = env::var("OUT_DIR").unwrap();
                let mut child = rustc().args(["--crate-name", "probe", "--crate-type=lib", "--emit=metadata", "--out-dir"])
                    .arg(out).arg("-").stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
                child.stdin.take().unwrap().write_all(source.as_bytes()).unwrap();
                child.wait().unwrap().success()
            }
            fn main() {
                let good = probe("pub fn a() -> u32 { 1 }");
                let bad = probe("pub fn a() -> Missing { 1 }");
                let version = String::from_utf8(rustc().arg("-vV").output().unwrap().stdout).unwrap();
                let release = version.lines().find(|line| line.starts_with("release")).unwrap();
                println!("cargo:rustc-env=OWN_PROBES={good} {bad} {release}");
            }
            """
        let test = try Differential(
            Programs.program("fn main() { println!(\"{}\", env!(\"OWN_PROBES\")); }\n", ["build.rs": build]),
            programs: [Programs.demo]
        )
        let first = try test.step("first", .anything)
        #expect(first.plain.programs.first?.contains("true false release") == true, "\(first.plain.programs)")
        try test.step("again", .nothing, like: first)
    }
}

extension Project {
    /// A pair, for a value that is made once.
    fileprivate func with(box: Sandbox) -> (Sandbox, Project) { (box, self) }
}
