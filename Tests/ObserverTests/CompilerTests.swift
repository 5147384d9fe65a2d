import Foundation
import Testing

@testable import Trace

@Suite("What rustc itself reads")
struct CompilerTests {
    @Test("a library's sources are files, places where it looked first are absent, and nothing else counts")
    func library() throws {
        let scene = try Scene()
        try scene.write("lib.rs", "pub mod part; pub const TEXT: &str = include_str!(\"text.txt\");")
        try scene.write("part.rs", "pub fn f() {}")
        try scene.write("text.txt", "hello")
        let seen = try scene.compile("lib.rs", ["--crate-type", "lib", "--emit=metadata,link,dep-info"])
        #expect(seen.observation.unobservable == nil)
        #expect(seen.files == Set(["lib.rs", "part.rs", "text.txt"].map(scene.path)))
        #expect(seen.absent.contains(scene.path("part/mod.rs")))
        #expect(seen.existing.isEmpty && seen.listings.isEmpty && seen.variables.isEmpty && seen.programs.isEmpty)
        #expect(!seen.asksCurrentFolder)
        #expect(
            seen.observation.outputs == Set(["lib.d", "liblib.rlib", "liblib.rmeta"].map { scene.path("out/\($0)") })
        )
        #expect(seen.observation.sideEffects.isEmpty)
        #expect(!seen.absent.contains { $0.hasPrefix(Scene.sysroot) || $0.hasPrefix("/proc") })
    }

    @Test("an --extern crate is a file, and so is one found by -L; its folder's listing counts")
    func externs() throws {
        let scene = try Scene()
        try scene.write("dep.rs", "pub fn f() {}")
        for folder in ["out", "crates"] {
            let name = folder == "out" ? "first" : "second"
            let made = try scene.run(
                "\(Scene.sysroot)/bin/rustc",
                ["dep.rs", "--crate-name", name, "--crate-type", "lib", "--out-dir", scene.path(folder)]
            )
            try #require(made.status == 0, "\(made.errors)")
        }
        try scene.write("lib.rs", "extern crate second; pub fn g() { first::f(); second::f() }")
        let seen = try scene.compile(
            "lib.rs",
            [
                "--crate-type", "lib", "--emit=metadata", "-L", "dependency=\(scene.path("out"))", "-L",
                scene.path("crates"),
                "--extern", "first=\(scene.path("out/libfirst.rlib"))",
            ]
        )
        #expect(seen.files.isSuperset(of: [scene.path("out/libfirst.rlib"), scene.path("crates/libsecond.rlib")]))
        #expect(seen.listings == [scene.path("crates")])
    }

    @Test("what a rustup proxy reads does not count")
    func proxy() throws {
        let scene = try Scene()
        try scene.write("lib.rs", "")
        let seen = try scene.compile("lib.rs", ["--crate-type", "lib", "--emit=metadata"], throughProxy: true)
        #expect(seen.observation.unobservable == nil)
        #expect(seen.files == [scene.path("lib.rs")])
        #expect(!seen.absent.contains { $0.hasSuffix("rust-toolchain.toml") })
    }

    @Test("a compile that was not observed says so")
    func unobserved() throws {
        let scene = try Scene()
        try TraceFile.create(at: scene.path("empty.trace"))
        var rules = ObservationRules()
        rules.compiler = "\(Scene.sysroot)/bin/rustc"
        rules.rootProcess = 1
        #expect(Observation(try TraceFile.read(scene.path("empty.trace")), rules).unobservable != nil)
    }

    @Test("incremental data and removed temporaries are no outputs and no inputs")
    func incremental() throws {
        let scene = try Scene()
        try scene.write("main.rs", "fn main() {}")
        var seen = try scene.compile("main.rs", ["-C", "incremental=\(scene.path("out/incremental"))"])
        seen = try scene.compile("main.rs", ["-C", "incremental=\(scene.path("out/incremental"))"])
        #expect(seen.observation.unobservable == nil)
        #expect(seen.observation.outputs.contains(scene.path("out/main")))
        #expect(seen.observation.sideEffects.isEmpty)
    }
}
