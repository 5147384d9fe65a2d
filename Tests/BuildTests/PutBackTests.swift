import BuildSupport
import Foundation
import Testing

/// Ways a Rust compile cache has gone wrong: files put back wrongly.
@Suite("Put back wrongly: files")
struct PutBackTests {
    @Test("19: restored tests, benches, examples and programs can be run")
    func executable() throws {
        let test = try Differential(
            [
                "Cargo.toml": Project.manifest("demo", "[[test]]\nname = \"bare\"\nharness = false"),
                "src/lib.rs": "#[test]\nfn inner() {}\n", "src/main.rs": "fn main() { println!(\"program\"); }\n",
                "tests/bare.rs": "fn main() { println!(\"bare\"); }\n",
                "tests/usual.rs": "#[test]\nfn usual() {}\n",
                "examples/sample.rs": "fn main() { println!(\"sample\"); }\n",
            ],
            programs: [Programs.demo, "debug/examples/sample"],
            paths: .exact
        )
        test.isOrdered = false
        let first = try test.step("first", .anything, ["test"])
        try test.step("again", .nothing, ["test"], like: first)
    }

    @Test("19: a build script put back can be run")
    func buildScript() throws {
        let test = try Differential(
            Programs.program(
                "fn main() { println!(\"{}\", env!(\"OWN_NAME\")); }\n",
                ["build.rs": "fn main() { println!(\"cargo:rustc-env=OWN_NAME=made\"); }\n"]
            ),
            programs: [Programs.demo],
            paths: .exact
        )
        let first = try test.step("first", .compiles("build_script_build", "demo"))
        try test.step("again", .nothing, like: first)
    }

    @Test("20: restored files can be written by the next real compile, with and without the wrapper")
    func writable() throws {
        let test = try Differential(
            Programs.program(
                "fn main() { println!(\"{}\", demo::NAME); }\n",
                ["src/lib.rs": "pub const NAME: u32 = 1;\n"]
            ),
            programs: [Programs.demo]
        )
        try test.step("first", .compiles("demo", "demo"))
        try test.step("from the cache", .nothing, isClean: false) { $0.remove("target") }
        try test.step("changed in place", .compiles("demo", "demo"), isClean: false) {
            $0.write("src/lib.rs", "pub const NAME: u32 = 2;\n")
        }
        // The wrapper is taken away: both halves are plain Cargo now, the second over larder's files.
        try test.step(
            "without the wrapper",
            .compiles("demo", "demo"),
            ["build"],
            ["RUSTC_WRAPPER": ""],
            isClean: false
        ) {
            $0.write("src/lib.rs", "pub const NAME: u32 = 3;\n")
        }
    }

    @Test("21: dep-info names this checkout's files, with spaces, # and backslashes in them")
    func depInfo() throws {
        let test = try Differential(
            Programs.program(
                "#[path = \"with space.rs\"] mod a;\n#[path = \"ha#sh.rs\"] mod b;\n#[path = \"back\\\\slash.rs\"] mod c;\n"
                    + "fn main() { println!(\"{}{}{}{:?}\", a::A, b::A, c::A, option_env!(\"OWN NAME\")); }\n",
                [
                    "src/with space.rs": "pub const A: u32 = 1;\n", "src/ha#sh.rs": "pub const A: u32 = 2;\n",
                    "src/back\\slash.rs": "pub const A: u32 = 3;\n",
                ]
            ),
            programs: [Programs.demo]
        )
        let names = ["OWN NAME": "a value\nwith \\ and #"]
        let first = try test.step("first", .compiles("demo"), ["build"], names)
        try test.step("again", .nothing, ["build"], names, like: first)
        // Dep-info files are compared with plain Cargo's in every step.
        test.project = try test.project.copy(to: test.box.folder + "/other/pl ace")
        try test.step("other checkout", .compiles(), ["build"], names)
        try test.step("other checkout, fresh", .compiles(), ["build"], names, isClean: false)
        try test.step("touched there", .compiles("demo"), ["build"], names, isClean: false) {
            $0.write("src/with space.rs", "pub const A: u32 = 4;\n")
        }
    }

    @Test("22: a restored tree is fresh, and another tree's files stay as they are")
    func fresh() throws {
        let files = Programs.program(
            "fn main() { println!(\"{}\", demo::NAME); }\n",
            ["src/lib.rs": "pub const NAME: u32 = 1;\n", "build.rs": "fn main() {}\n"]
        )
        let test = try Differential(files, programs: [Programs.demo])
        let box = test.box
        try box.cargo(["build"], in: test.project).succeeded()
        let other = try test.project.copy(to: box.folder + "/other/place")
        try box.cargo(["build"], in: other).succeeded()
        test.project.remove("target")
        // The second tree is restored from what the first left, and the first again.
        for project in [test.project, other, test.project, other] {
            let again = try box.cargo(["build", "-v"], in: project).succeeded()
            #expect(project.folder == test.project.folder || again.compiled == [], "\(again.errors)")
        }
        for project in [test.project, other] {
            let again = try box.cargo(["build", "-v"], in: project).succeeded()
            #expect(again.processes.isEmpty)
            #expect(again.errors.contains("Fresh demo"), "\(again.errors)")
        }
    }

    @Test("22: no file of a tree is one with the cache's or another tree's")
    func inodes() throws {
        let box = try Sandbox()
        let one = try box.project(Programs.program("fn main() {}\n"))
        try box.cargo(["build"], in: one).succeeded()
        let two = try one.copy(to: box.folder + "/two")
        try box.cargo(["build"], in: two).succeeded()
        var owners: [String: String] = [:]
        for (owner, folder) in [("one", one.path("target")), ("two", two.path("target")), ("cache", box.cache)] {
            for path in Files.tree(folder) {
                let attributes = try FileManager.default.attributesOfItem(atPath: "\(folder)/\(path)")
                let inode = "\(attributes[.systemFileNumber] ?? 0)"
                #expect(owners[inode, default: owner] == owner, "\(path) of \(owner) is shared")
                owners[inode] = owner
            }
        }
        // What a tool does to a built program in place leaves the cache as it was.
        try Tools.run("strip", [two.path("target/debug/demo")])
        two.remove("target")
        try box.cargo(["build"], in: two).succeeded()
        let restored = FileManager.default.contents(atPath: two.path("target/debug/demo"))
        #expect(restored == FileManager.default.contents(atPath: one.path("target/debug/demo")))
    }

    @Test("23: an empty metadata file, as a check of a test writes, is stored and put back")
    func emptyMetadata() throws {
        let test = try Differential(
            Programs.program("fn main() {}\n#[test]\nfn a() {}\n", ["tests/b.rs": "#[test]\nfn b() {}\n"]),
            paths: .exact
        )
        test.isOrdered = false
        let first = try test.step("first", .anything, ["check", "--all-targets"])
        try test.step("again", .nothing, ["check", "--all-targets"], like: first)
        let empty = Files.tree(first.plain.target).filter {
            $0.hasSuffix(".rmeta")
                && FileManager.default.contents(atPath: "\(first.plain.target)/\($0)")?.isEmpty == true
        }
        #expect(!empty.isEmpty, "rustc writes no empty metadata: this test shows nothing")
    }

    @Test("23: where one output is lost from the cache, all are made anew")
    func partialSet() throws {
        let test = try Differential(Programs.library("pub fn name() -> u32 { 7 }\n"), paths: .exact)
        let first = try test.step("first", .compiles("demo"))
        let blobs = Files.tree(test.box.cache + "/blobs")
        #expect(blobs.count > 1)
        for blob in blobs {
            Files.remove("\(test.box.cache)/blobs/\(blob)")
            try test.step("without \(blob)", .compiles("demo"), like: first)
            try test.step("again", .nothing, like: first)
        }
    }

    @Test(
        "24: every kind of output is put back",
        arguments: [
            "lib,cdylib", "dylib", "staticlib", "rlib,staticlib,cdylib",
        ]
    )
    func crateTypes(_ types: String) throws {
        let list = types.split(separator: ",").map { "\"\($0)\"" }.joined(separator: ", ")
        let test = try Differential(
            Programs.library(
                "#[no_mangle]\npub extern \"C\" fn add(a: u32) -> u32 { a + 1 }\n",
                manifest: "[lib]\ncrate-type = [\(list)]"
            ),
            paths: .exact
        )
        let first = try test.step("first", .compiles("demo"))
        try test.step("again", .nothing, like: first)
    }

    @Test("24: split debug information is put back", arguments: ["unpacked", "packed"])
    func splitDebug(_ kind: String) throws {
        let test = try Differential(
            Programs.program(
                "fn main() { println!(\"{}\", demo::name(1)); }\n",
                ["src/lib.rs": "pub fn name(a: u32) -> u32 { a }\n"]
            ),
            programs: [Programs.demo],
            paths: .exact
        )
        let flags: [String: String?] = ["CARGO_PROFILE_DEV_SPLIT_DEBUGINFO": kind]
        let first = try test.step("first", .compiles("demo", "demo"), ["build"], flags)
        try test.step("again", .nothing, ["build"], flags, like: first)
        let suffix = kind == "packed" ? ".dwp" : ".dwo"
        let found = Files.tree(first.plain.target).contains { $0.hasSuffix(suffix) }
        #expect(found, "plain Cargo writes no \(suffix): this test shows nothing")
    }

    @Test("24: WebAssembly is put back")
    func webAssembly() throws {
        let box = try Sandbox(paths: .exact)
        Files.write(
            box.folder + "/own.rs",
            """
            #![feature(no_core, lang_items)]
            #![no_core]
            #![allow(internal_features)]
            #[lang = "pointee_sized"] pub trait PointeeSized {}
            #[lang = "meta_sized"] pub trait MetaSized: PointeeSized {}
            #[lang = "sized"] pub trait Sized: MetaSized {}
            #[lang = "copy"] pub trait Copy {}
            impl Copy for u32 {}
            #[no_mangle] pub extern "C" fn same(a: u32) -> u32 { a }
            """
        )
        let arguments = [
            "--target=wasm32-unknown-unknown", "--crate-type=cdylib", "-Cpanic=abort", "--emit=link", "--out-dir=out",
            "own.rs",
        ]
        var outputs: [Data?] = []
        for larder in [false, true, true] {
            Files.remove(box.folder + "/out")
            let built = try box.rustc(arguments, in: box.folder, larder: larder, ["RUSTC_BOOTSTRAP": "1"]).succeeded()
            outputs.append(FileManager.default.contents(atPath: box.folder + "/out/own.wasm"))
            if outputs.count == 3 { #expect(built.processes.isEmpty, "\(box.events)") }
        }
        #expect(outputs[0] != nil)
        #expect(outputs[0] == outputs[1])
        #expect(outputs[0] == outputs[2])
    }

    @Test("24: a name without a hash, given by -o, is put back")
    func ownName() throws {
        let box = try Sandbox(paths: .exact)
        Files.write(box.folder + "/own.rs", "fn main() { println!(\"own\"); }\n")
        for larder in [false, true, true] {
            Files.remove(box.folder + "/given-name")
            try box.rustc(["-o", "given-name", "own.rs"], in: box.folder, larder: larder).succeeded()
            #expect(try Tools.run(box.folder + "/given-name", []) == "own\n")
        }
        #expect(box.events.last?.result == "hit", "\(box.events)")
    }
}
