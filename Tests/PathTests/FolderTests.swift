import BuildSupport
import Foundation
import Glibc
import Testing

/// Entries 16 to 18 of the ways a Rust compile cache has gone wrong: folders that do not matter.
@Suite("Folders that do not matter")
struct FolderTests {
    private static let leaf = "pub fn name() -> &'static str { \"leaf\" }\n"
    private static let members = [
        "Cargo.toml": "[workspace]\nmembers = [\"leaf\", \"demo\"]\nresolver = \"2\"\n",
        "leaf/Cargo.toml": Project.manifest("leaf"), "leaf/src/lib.rs": leaf,
        "demo/Cargo.toml": Project.manifest("demo", "[dependencies]\nleaf = { path = \"../leaf\" }"),
        "demo/build.rs":
            "fn main() { std::fs::write(std::env::var(\"OUT_DIR\").unwrap() + \"/a.rs\", \"7\").unwrap(); }\n",
        "demo/src/main.rs":
            "fn main() { println!(\"{} {}\", leaf::name(), include!(concat!(env!(\"OUT_DIR\"), \"/a.rs\"))); }\n",
    ]

    /// Builds in two ways and returns the crates that the second really compiled.
    private func builds(
        _ first: (Sandbox, Project) throws -> ([String], [String: String?]),
        _ second: (Sandbox, Project) throws -> ([String], [String: String?]),
        _ files: [String: String] = members
    ) throws -> [String] {
        let box = try Sandbox()
        let one = try box.project(files)
        let other = try one.copy(to: box.folder + "/other/place of b")
        let (arguments, changes) = try first(box, one)
        try box.cargo(["build"] + arguments, in: one, changes).succeeded()
        let (otherArguments, otherChanges) = try second(box, other)
        return try box.cargo(["build"] + otherArguments, in: other, otherChanges).succeeded().compiled
    }

    @Test("what another build left in the target folder does not matter: a macro with other features")
    func leftMacro() throws {
        let files = [
            "Cargo.toml": "[workspace]\nmembers = [\"mac\", \"leaf\", \"demo\"]\nresolver = \"2\"\n",
            "mac/Cargo.toml": Project.manifest("mac", "[features]\nextra = []\n[lib]\nproc-macro = true"),
            "mac/src/lib.rs": """
            #[proc_macro]
            pub fn word(_: proc_macro::TokenStream) -> proc_macro::TokenStream {
                format!("{:?}", if cfg!(feature = "extra") { "more" } else { "few" }).parse().unwrap()
            }

            """,
            "leaf/Cargo.toml": Project.manifest("leaf", "[dependencies]\nmac = { path = \"../mac\" }"),
            "leaf/src/lib.rs": "pub use mac::word;\npub fn name() -> &'static str { mac::word!() }\n",
            "demo/Cargo.toml": Project.manifest(
                "demo",
                "[features]\nextra = [\"mac/extra\"]\n"
                    + "[dependencies]\nleaf = { path = \"../leaf\" }\nmac = { path = \"../mac\" }"
            ),
            "demo/src/main.rs": "fn main() { println!(\"{} {}\", leaf::name(), leaf::word!()); }\n",
        ]
        let compiled = try builds(
            { box, project in
                try box.cargo(["build", "--features", "demo/extra"], in: project).succeeded()
                return ([], [:])
            },
            { _, _ in ([], [:]) },
            files
        )
        #expect(compiled == [])
    }

    @Test("16: target folder outside the workspace, inside it, through a link, made by hand")
    func target() throws {
        let compiled = try builds { _, _ in
            ([], [:])
        } _: { box, _ in
            (["--target-dir", box.folder + "/out side/by side"], [:])
        }
        #expect(compiled == [])
        let linked = try builds { box, _ in
            (["--target-dir", box.folder + "/out"], [:])
        } _: { box, project in
            // Cargo marks no folder that was there before.
            let real = box.folder + "/real"
            try FileManager.default.createDirectory(atPath: real, withIntermediateDirectories: true)
            #expect(symlink(real, project.path("target")) == 0)
            return ([], [:])
        }
        #expect(linked == [])
        let fromLink = try builds { box, project in
            let real = box.folder + "/real"
            try FileManager.default.createDirectory(atPath: real, withIntermediateDirectories: true)
            #expect(symlink(real, project.path("target")) == 0)
            return ([], [:])
        } _: { _, project in
            project.remove("target")
            return ([], [:])
        }
        #expect(fromLink == [])
    }

    @Test("16: the folder of a --target, in the workspace and outside")
    func triple() throws {
        let target = ["--target", Native.triple]
        let compiled = try builds { _, _ in
            (target, [:])
        } _: { box, _ in
            (target, ["CARGO_TARGET_DIR": box.folder + "/out/side"])
        }
        #expect(compiled == [])
    }

    @Test("16: temporary folder through a link, home below the checkout, checkout below the home")
    func temporary() throws {
        let compiled = try builds { box, project in
            ([], ["HOME": project.folder, "CARGO_HOME": project.path(".cargo-home")])
        } _: { box, _ in
            let link = box.folder + "/a link"
            #expect(symlink(box.folder + "/tmp", link) == 0)
            return ([], ["TMPDIR": link, "HOME": box.folder, "CARGO_HOME": nil])
        }
        #expect(compiled == [])
        let other = try builds { box, _ in
            let link = box.folder + "/a link"
            #expect(symlink(box.folder + "/tmp", link) == 0)
            return ([], ["TMPDIR": link])
        } _: { _, _ in
            ([], [:])
        }
        #expect(other == [])
    }

    @Test("16: a checkout found through a link")
    func link() throws {
        let compiled = try builds { _, _ in
            ([], [:])
        } _: { box, project in
            let link = box.folder + "/link"
            #expect(symlink(project.folder, link) == 0)
            return (["--manifest-path", link + "/Cargo.toml"], [:])
        }
        #expect(compiled == [])
    }

    @Test("17: a mapping of the user's own counts by what it does, and wins")
    func mapping() throws {
        let files = Demo.program("fn main() { println!(\"{}\", std::panic::Location::caller()); }\n")
        func flags(_ project: Project, _ to: String) -> [String: String?] {
            ["CARGO_ENCODED_RUSTFLAGS": "--remap-path-prefix=\(project.folder)=\(to)\u{1f}-Cdebuginfo=2"]
        }
        let compiled = try builds({ ([], flags($1, "/own")) }, { ([], flags($1, "/own")) }, files)
        #expect(compiled == [])
        let changed = try builds({ ([], flags($1, "/own")) }, { ([], flags($1, "/another")) }, files)
        #expect(changed == ["demo"])
        // Of a folder above the checkout: what matters is what becomes of the checkout.
        let above = try builds(
            { ([], ["RUSTFLAGS": "--remap-path-prefix=\(($1.folder as NSString).deletingLastPathComponent)=/own"]) },
            { box, project in
                let parent = (project.folder as NSString).deletingLastPathComponent
                return ([], ["RUSTFLAGS": "--remap-path-prefix=\(parent)=/own"])
            },
            files
        )
        // The checkouts have other names below it, so they become other folders.
        #expect(above == ["demo"])
        try Moved(files, compiled: []) { flags(Project(folder: $0), "/own") }
        let mapped = try Moved(files, compiled: [], changes: { flags(Project(folder: $0), "/own") })
        #expect(Mentions.find(["/own"], below: mapped.second.larder.target).contains { $0.contains("debug/demo ") })
    }

    @Test("18: a linker of the checkout, by its full path")
    func linker() throws {
        var files = Self.members
        files["tools/linker"] = "#!/bin/sh\nexec cc \"$@\"\n"
        func linker(_ project: Project) -> ([String], [String: String?]) {
            chmod(project.path("tools/linker"), 0o755)
            let variable = "CARGO_TARGET_\(Native.triple.uppercased().replacingOccurrences(of: "-", with: "_"))_LINKER"
            return ([], [variable: project.path("tools/linker")])
        }
        #expect(try builds({ linker($1) }, { linker($1) }, files) == [])
    }

    @Test("a package outside the workspace is built as Cargo builds it, for each checkout anew")
    func outside() throws {
        // Cargo hashes such a package's absolute path into its identity (`-C metadata`): another name of all it makes.
        let files = Demo.outside(
            "pub fn a() { let unused_two = 1; }\n",
            "fn main() { leaf::a(); println!(\"a\"); }\n"
        )
        try Moved(files, workspace: "demo", compiled: ["demo", "leaf"])
    }

    @Test("no output of a program whose folders have quotes and backslashes in their names differs")
    func oddNames() throws {
        let box = try Sandbox("it's \"odd\" \\ here")
        let test = try Differential(Self.members, programs: ["debug/demo"], box: box)
        test.isOrdered = false
        try test.step("first", .anything)
        test.project = try test.project.copy(to: box.folder + "/b \"#\" \\d/place")
        try test.step("other checkout", .compiles())
    }
}
