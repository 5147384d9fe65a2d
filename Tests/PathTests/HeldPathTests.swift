import BuildSupport
import Foundation
import Testing

/// Entry 11 of the ways a Rust compile cache has gone wrong: a path that reached the program.
@Suite("Paths that a result holds")
struct HeldPathTests {
    private static let build = """
        fn main() {
            let out = std::env::var("OUT_DIR").unwrap();
            std::fs::write(out + "/made.rs", "pub const MADE: u32 = 7;\\n").unwrap();
        }

        """

    @Test(
        "a variable's path that is used as a text, its length or its hash is this checkout's",
        arguments: [
            "println!(\"{}\", env!(\"CARGO_MANIFEST_DIR\"));",
            "println!(\"{}\", concat!(env!(\"CARGO_MANIFEST_DIR\"), \"x\", 1).len());",
            "const N: usize = env!(\"CARGO_MANIFEST_DIR\").len(); println!(\"{}\", [0u8; N].len());",
            "const fn hash(s: &[u8]) -> u64 { let mut h = 7; let mut i = 0; while i < s.len() { "
                + "h = h * 31 % 1_000_003 + s[i] as u64; i += 1; } h } const H: u64 = hash(env!(\"CARGO_MANIFEST_DIR\")"
                + ".as_bytes()); println!(\"{H}\");",
            "println!(\"{:?}\", option_env!(\"CARGO_MANIFEST_DIR\").map(str::len));",
        ]
    )
    func text(_ statement: String) throws {
        try Moved(Demo.program("fn main() { \(statement) }\n"), compiled: ["demo"])
    }

    @Test("a file that is included by a variable's path is the same in every checkout")
    func included() throws {
        let main = """
            mod made { include!(concat!(env!("OUT_DIR"), "/made.rs")); }
            const TEXT: &str = include_str!( concat ! (env!("CARGO_MANIFEST_DIR"), "/text.txt"));
            const BYTES: &[u8] = include_bytes!(core::concat!(std::env!("CARGO_MANIFEST_DIR"), "/text.txt"));
            fn main() { println!("{} {TEXT} {}", made::MADE, BYTES.len()); }

            """
        let files = ["text.txt": "a text", "build.rs": Self.build]
        try Moved(
            Demo.program(main.replacingOccurrences(of: "concat ! (", with: "concat!("), files),
            compiled: []
        )
    }

    @Test("a path used to include a file and as a text too is this checkout's")
    func both() throws {
        let main = """
            mod made { include!(concat!(env!("OUT_DIR"), "/made.rs")); }
            fn main() { println!("{} {}", made::MADE, env!("OUT_DIR")); }

            """
        try Moved(Demo.program(main, ["build.rs": Self.build]), compiled: ["demo"])
        let length = main.replacingOccurrences(of: "env!(\"OUT_DIR\"));", with: "env!(\"OUT_DIR\").len());")
        try Moved(Demo.program(length, ["build.rs": Self.build]), compiled: ["demo"])
    }

    @Test("another crate's macro that includes is portable, one that takes the text is not")
    func otherCrate() throws {
        func files(_ macro: String, _ main: String) -> [String: String] {
            [
                "Cargo.toml": "[workspace]\nmembers = [\"helper\", \"demo\"]\nresolver = \"2\"\n",
                "helper/Cargo.toml": Project.manifest("helper"),
                "helper/src/lib.rs": "#[macro_export]\nmacro_rules! it { () => { \(macro) } }\n",
                "demo/Cargo.toml": Project.manifest("demo", "[dependencies]\nhelper = { path = \"../helper\" }"),
                "demo/build.rs": Self.build, "demo/src/main.rs": main,
            ]
        }
        try Moved(
            files(
                "include!(concat!(env!(\"OUT_DIR\"), \"/made.rs\"));",
                "helper::it!();\nfn main() { println!(\"{MADE}\"); }\n"
            ),
            compiled: []
        )
        try Moved(
            files("env!(\"CARGO_MANIFEST_DIR\").len()", "fn main() { println!(\"{}\", helper::it!()); }\n"),
            compiled: ["demo"]
        )
    }

    @Test(
        "what a proc macro makes of a path is this checkout's",
        arguments: [
            "format!(\"{folder:?}\")", "folder.len().to_string()",
            "std::env::current_dir().unwrap().as_os_str().len().to_string()",
        ]
    )
    func macro(_ body: String) throws {
        try Moved(Demo.macro(body, "fn main() { println!(\"{}\", asker::asked!()); }\n"), compiled: ["demo"])
    }

    @Test(
        "what a proc macro reads below a path is the same in every checkout",
        arguments: [
            "format!(\"{:?}\", std::fs::read_to_string(folder + \"/text.txt\").unwrap())",
            "let path = folder + \"/text.txt\"; std::fs::metadata(&path).unwrap(); format!(\"include_str!({path:?})\")",
            "format!(\"include_str!({:?})\", "
                + "std::env::current_dir().unwrap().join(\"demo/text.txt\").canonicalize().unwrap())",
        ]
    )
    func macroReads(_ body: String) throws {
        try Moved(
            Demo.macro(body, "fn main() { println!(\"{}\", asker::asked!()); }\n", ["demo/text.txt": "a text"]),
            compiled: []
        )
    }

    @Test("C code with debug information names this checkout's folder")
    func native() throws {
        let build = """
            use std::process::Command;
            fn main() {
                let out = std::env::var("OUT_DIR").unwrap();
                let source = std::env::var("CARGO_MANIFEST_DIR").unwrap() + "/seven.c";
                let object = out.clone() + "/seven.o";
                let library = out.clone() + "/libseven.a";
                assert!(Command::new("cc").args(["-g", "-c", "-o", &object, &source]).status().unwrap().success());
                assert!(Command::new("ar").args(["rcs", &library, &object]).status().unwrap().success());
                println!("cargo:rustc-link-search=native={out}");
            }

            """
        let main = """
            #[link(name = "seven", kind = "static")]
            extern "C" { fn seven() -> i32; }
            fn main() { println!("{}", unsafe { seven() }); }

            """
        let moved = try Moved(
            Demo.program(main, ["build.rs": build, "seven.c": "int seven(void) { return 7; }\n"]),
            compiled: ["demo"]
        )
        let folder = moved.test.project.folder
        #expect(Mentions.find([folder], below: moved.second.larder.target).contains { $0.hasPrefix("debug/demo ") })
    }

    @Test("a source that mentions a home is quoted as it is")
    func quoted() throws {
        let box = try Sandbox()
        let main = "fn main() { let unused = \"\(box.home)/it\"; }\n"
        let test = try Differential(Demo.program(main), box: box)
        try test.step("first", .compiles("demo"))
        try test.step("again", .nothing)
        try test.step("another home", .compiles("demo"), ["build"], ["HOME": box.folder, "CARGO_HOME": box.home])
    }

    @Test("15: coverage names this checkout's sources")
    func coverage() throws {
        let files = Demo.program("fn main() { println!(\"covered\"); }\n")
        let test = try Differential(files, paths: .portable)
        let flags: [String: String?] = ["RUSTFLAGS": "-C instrument-coverage", "LLVM_PROFILE_FILE": "/dev/null"]
        let first = try test.step("first", .compiles("demo"), ["build"], flags)
        try test.step("again", .nothing, ["build"], flags)
        #expect(Tree.compare(first.plain.target, first.larder.target, comparesBytes: true) == [])
        let folder = test.project.folder
        test.project = try test.project.copy(to: test.box.folder + "/other/place")
        let second = try test.step("other checkout", .compiles("demo"), ["build"], flags)
        #expect(Tree.compare(second.plain.target, second.larder.target, comparesBytes: true) == [])
        #expect(Mentions.find([folder + "/"], below: second.larder.target) == [])
    }

    @Test(
        "a variable asked for in another way of writing is this checkout's",
        arguments: [
            "println!(\"{}\", env ! (\"OUT_DIR\").len());",
            "use std::env as e; println!(\"{}\", e!(\"OUT_DIR\").len());",
        ]
    )
    func otherWriting(_ statement: String) throws {
        let main =
            "mod made { include!(concat!(env!(\"OUT_DIR\"), \"/made.rs\")); }\n"
            + "fn main() { println!(\"{}\", made::MADE); \(statement) }\n"
        try Moved(Demo.program(main, ["build.rs": Self.build]), compiled: ["demo"])
    }

    @Test("a source that names a folder of the checkout means that one")
    func literal() throws {
        let box = try Sandbox()
        let one = try box.project(Demo.program("", ["data.txt": "one"]), in: "a")
        one.write("src/main.rs", "fn main() { println!(\"{}\", include_str!(\"\(one.path("data.txt"))\")); }\n")
        let other = try one.copy(to: box.folder + "/b")
        try box.cargo(["build"], in: one).succeeded()
        one.write("data.txt", "two")
        try box.cargo(["build"], in: other).succeeded()
        #expect(try Tools.run(other.path("target/debug/demo"), []) == "two\n")
        #expect(other.read("target/debug/demo.d").contains(one.path("data.txt")))
    }

    @Test("a run path leads from this checkout's depth to the toolchain")
    func runPath() throws {
        let manifest = Project.manifest("demo", "[profile.dev]\nrpath = true")
        let flags: [String: String?] = ["RUSTFLAGS": "-C prefer-dynamic"]
        try Moved(
            Demo.program("fn main() { println!(\"a\"); }\n", ["Cargo.toml": manifest]),
            compiled: ["demo"]
        ) { _ in flags }
    }

    @Test("the repository's folder, which a macro finds above its package", arguments: ["walks", "git"])
    func above(_ way: String) throws {
        let body =
            way == "walks"
            ? """
            let mut folder = std::path::PathBuf::from(folder);
            while !folder.join(".git").exists() { assert!(folder.pop()); }
            format!("{:?}", folder.display().to_string())
            """
            : """
            let out = std::process::Command::new("git").args(["rev-parse", "--show-toplevel"]).output().unwrap();
            format!("{:?}", String::from_utf8(out.stdout).unwrap().trim())
            """
        var files = Demo.macro(body, "fn main() { println!(\"{}\", asker::asked!()); }\n")
        for (path, text) in files {
            files[path] = nil
            files["rust/\(path)"] = text
        }
        // What makes a folder a repository for git.
        files[".git/HEAD"] = "ref: refs/heads/main\n"
        files[".git/objects/x"] = ""
        files[".git/refs/x"] = ""
        try Moved(files, workspace: "rust", compiled: ["demo"])
    }

    @Test("what a linker's script makes of its folder")
    func linkerScript() throws {
        let script = "#!/bin/sh\nexec cc \"$@\" -Wl,--build-id=0x$(pwd | md5sum | cut -c1-8)\n"
        let test = try Differential(Demo.program("fn main() {}\n", ["lk.txt": ""]))
        let flags: [String: String?] = ["RUSTFLAGS": "-C linker=./lk"]
        func id(_ step: Differential.Half) throws -> String {
            try Tools.run("readelf", ["-n", "\(step.target)/debug/demo"]).components(separatedBy: "Build ID:").last
                ?? ""
        }
        test.project.script("lk", script)
        let first = try test.step("first checkout", .anything, ["build"], flags)
        test.project = try test.project.copy(to: test.box.folder + "/other/place")
        let second = try test.step("second checkout", .anything, ["build"], flags)
        #expect(try id(second.larder) == id(second.plain))
        #expect(try id(second.larder) != id(first.larder))
    }

    @Test("a package outside the workspace that goes to the file that file! names", arguments: ["library", "script"])
    func fileMacro(_ way: String) throws {
        var files = Demo.outside("", "fn main() { println!(\"{}\", leaf::TEXT); }\n")
        if way == "library" {
            files["leaf/src/lib.rs"] = "pub const TEXT: &str = include_str!(concat!(file!(), \".txt\"));\n"
            files["leaf/src/lib.rs.txt"] = "found"
        } else {
            files["leaf/src/lib.rs"] = "pub const TEXT: &str = env!(\"FOUND\");\n"
            files["leaf/data.txt"] = "found"
            files["leaf/build.rs"] = """
                fn main() {
                    let text = std::fs::read_to_string(std::path::Path::new(file!()).parent().unwrap().join("data.txt"));
                    println!("cargo:rustc-env=FOUND={}", text.unwrap());
                    println!("cargo:rerun-if-changed={}", file!());
                }

                """
        }
        let test = try Differential(files, programs: ["debug/demo"])
        test.isOrdered = false
        test.project = Project(folder: test.project.path("demo"))
        let step = try test.step("built", .anything, isClean: false)
        #expect(step.larder.programs == ["debug/demo 0 found\n"], "\(step.larder.built.errors)")
        try test.step("nothing to do", .nothing, isClean: false)
    }
}
