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
}
