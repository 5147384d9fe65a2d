import BuildSupport
import Testing

/// Ways a Rust compile cache has gone wrong: too little in the key. Environment, checkout, machine, toolchain.
@Suite("Too little in the key: environment and toolchain")
struct EnvironmentKeyTests {
    @Test("9: a compile for this very CPU is answered on this CPU, and not for a CPU named")
    func nativeCPU() throws {
        let test = try Differential(
            Programs.program("fn main() { println!(\"{}\", cfg!(target_feature = \"sse4.2\")); }\n"),
            programs: [Programs.demo]
        )
        try test.expectSeen(
            "demo",
            before: ["RUSTFLAGS": "-C target-cpu=native"],
            after: ["RUSTFLAGS": "-C target-cpu=x86-64"]
        )
    }

    @Test(
        "11: a checkout's own folder in a program is that checkout's",
        arguments: ["CARGO_MANIFEST_DIR", "OUT_DIR", "both"]
    )
    func ownFolder(_ way: String) throws {
        let build = """
            fn main() {
                let out = std::env::var("OUT_DIR").unwrap();
                std::fs::write(format!("{out}/made.rs"), "const MADE: u32 = 7;").unwrap();
                println!("cargo:rerun-if-changed=build.rs");
            }
            """
        let main =
            switch way {
            case "CARGO_MANIFEST_DIR": "fn main() { println!(\"{}\", env!(\"CARGO_MANIFEST_DIR\")); }\n"
            case "OUT_DIR": "fn main() { println!(\"{}\", env!(\"OUT_DIR\")); }\n"
            default:
                """
                include!(concat!(env!("OUT_DIR"), "/made.rs"));
                fn main() {
                    let path = concat!(env!("OUT_DIR"), "/made.rs");
                    println!("{MADE} {path} {:?}", std::fs::read_to_string(path));
                }
                """
            }
        let test = try Differential(
            Programs.program(main, ["build.rs": build]),
            programs: [Programs.demo]
        )
        let first = try test.step("first checkout", .anything)
        try test.step("unchanged", .nothing, like: first)
        let original = test.project
        test.project = try original.copy(to: test.box.folder + "/other/place")
        let second = try test.step("other checkout", .anything)
        #expect(first.plain.programs != second.plain.programs)
        #expect(second.larder.built.compiled.contains("demo"))
        try test.step("other checkout again", .nothing, like: second)
        test.project = original
        try test.step("first checkout again", .nothing, like: first)
    }

    @Test("12: a variable unset, set, empty, unset again")
    func optionEnv() throws {
        let test = try Differential(
            Programs.program("fn main() { println!(\"{:?}\", option_env!(\"OWN_NAME\")); }\n"),
            programs: [Programs.demo]
        )
        let values: [String?] = [nil, "one", "", "two"]
        var steps: [Differential.Step] = []
        for value in values {
            steps.append(try test.step("\(value ?? "unset")", .compiles("demo"), ["build"], ["OWN_NAME": value]))
        }
        #expect(Set(steps.map(\.plain.programs)).count == values.count)
        for (value, step) in zip(values, steps) {
            try test.step("\(value ?? "unset") again", .nothing, ["build"], ["OWN_NAME": value], like: step)
        }
    }

    @Test("12: a variable that env! needs and that is gone fails the build")
    func env() throws {
        let test = try Differential(
            Programs.program("fn main() { println!(\"{}\", env!(\"OWN_NAME\")); }\n"),
            programs: [Programs.demo]
        )
        try test.expectSeen("demo", before: ["OWN_NAME": "one"], after: [:])
    }

    @Test("12: a variable whose bytes are no UTF-8")
    func bytes() throws {
        let test = try Differential(
            Programs.program("fn main() { println!(\"{:?}\", option_env!(\"OWN_NAME\")); }\n"),
            programs: [Programs.demo]
        )
        let first = try test.step("unset", .compiles("demo"))
        test.raw = [Array("OWN_NAME=".utf8) + [0x61, 0xFF, 0x62]]
        try test.step("bytes", .anything)
        test.raw = [Array("OWN_NAME=".utf8) + [0x61, 0xFE, 0x62]]
        try test.step("other bytes", .anything)
        test.raw = []
        try test.step("unset again", .nothing, like: first)
    }

    @Test("13: a toolchain switched behind a rustup proxy is seen", arguments: ["variable", "file"])
    func rustupProxy(_ way: String) throws {
        let box = try Sandbox()
        let rustup = try Tools.path("rustup")
        let home = try Tools.run(rustup, ["show", "home"]).trimmed
        // Only nightly takes it.
        let test = try Differential(
            Programs.program("#![feature(never_type)]\nfn main() { println!(\"a\"); }\n"),
            programs: [Programs.demo],
            box: box
        )
        let proxies = String(rustup.dropLast("/rustup".count))
        func step(_ name: String, _ toolchain: String) throws -> [LoggedEvent] {
            var changes: [String: String?] = ["PATH": "\(proxies):/usr/bin:/bin", "RUSTUP_HOME": home]
            if way == "variable" {
                changes["RUSTUP_TOOLCHAIN"] = toolchain
            } else {
                test.project.write("rust-toolchain.toml", "[toolchain]\nchannel = \"\(toolchain)\"\n")
            }
            let before = box.events.count
            var built: [Built] = []
            for larder in [false, true] {
                test.project.remove("target")
                built.append(
                    try box.start("\(proxies)/cargo", ["build"], in: test.project.folder, larder: larder, changes)
                        .wait()
                )
            }
            try #require(built[0].code == built[1].code, "\(name): \(built[1].errors)")
            #expect(Normal.lines(built[0].errors) == Normal.lines(built[1].errors), "\(name)")
            #expect(built[0].code == (toolchain == "nightly" ? 0 : 101), "\(built[0].errors)")
            return box.events.dropFirst(before).filter { $0.crate == "demo" }
        }
        #expect(try step("first", "nightly").map(\.result) == ["miss"])
        #expect(try step("unchanged", "nightly").map(\.result) == ["hit"])
        #expect(try step("switched", "stable").map(\.result) == ["miss"])
        #expect(try step("back", "nightly").map(\.result) == ["hit"])
    }

    @Test("13: another toolchain behind a link of the same name, with the same -vV, is seen")
    func sameVersion() throws {
        let box = try Sandbox()
        let original = box.toolchain.sysroot
        let other = box.folder + "/other"
        try Tools.run("mkdir", ["-p", other])
        try Tools.run("cp", ["-a", "--reflink=auto", "\(original)/bin", "\(original)/lib", other])
        // The standard library of another nightly: what it says on a panic differs, by as many bytes.
        let libraries = "\(other)/lib/rustlib/\(Native.triple)/lib"
        let core = try #require(Files.tree(libraries).first { $0.hasPrefix("libcore-") && $0.hasSuffix(".rlib") })
        try Tools.run("sed", ["-i", "s/on a `None` value/on a `NONE` value/g", "\(libraries)/\(core)"])
        let link = box.folder + "/current"
        let test = try Differential(
            Programs.program(
                "fn main() { std::panic::set_hook(Box::new(|info| println!(\"{info}\"))); None::<u32>.unwrap(); }\n"
            ),
            programs: [Programs.demo],
            box: box
        )
        let variables: [String: String?] = ["RUSTC": "\(link)/bin/rustc", "RUSTFLAGS": "-C opt-level=0"]
        var steps: [Differential.Step] = []
        // No counting proxy stands before these two: larder's own log has to do.
        for (folder, result) in [(original, "miss"), (original, "hit"), (other, "miss"), (original, "hit")] {
            try Tools.run("ln", ["-sfn", folder, link])
            steps.append(try test.step("\(folder): \(result)", .anything, ["build"], variables))
            #expect(box.events.last { $0.crate == "demo" }?.result == result, "\(box.events)")
        }
        #expect(steps[0].plain.programs != steps[2].plain.programs, "\(steps[0].plain.programs)")
    }

    @Test("15: coverage names this checkout's sources")
    func coverage() throws {
        let test = try Differential(Programs.program("fn main() { println!(\"a\"); }\n"), programs: [Programs.demo])
        let flags: [String: String?] = ["RUSTFLAGS": "-C instrument-coverage", "LLVM_PROFILE_FILE": "/dev/null"]
        let first = try test.step("first checkout", .compiles("demo"), ["build"], flags)
        try test.step("unchanged", .nothing, ["build"], flags, like: first)
        test.project = try test.project.copy(to: test.box.folder + "/other/place")
        let second = try test.step("other checkout", .compiles("demo"), ["build"], flags)
        // Even where paths are mapped otherwise, a coverage build is plain Cargo's: its report names real sources.
        for step in [first, second] {
            let differences = Tree.compare(step.plain.target, step.larder.target, comparesBytes: true)
            #expect(differences.isEmpty, "\(differences)")
        }
    }

    @Test("15: profile data is an input")
    func profileData() throws {
        let test = try Differential(
            Programs.program(
                "#[no_mangle] pub fn own(a: u32) -> u32 { if a > 3 { a * 7 } else { a / 3 } }\nfn main() { println!(\"{}\", own(4)); }\n"
            ),
            programs: [Programs.demo]
        )
        let file = test.box.folder + "/own.profdata"
        func put(_ count: Int) throws {
            Files.write(test.box.folder + "/own.text", ":ir\nown\n1234\n2\n\(count)\n\(count)\n")
            try Tools.run("llvm-profdata", ["merge", "-o", file, test.box.folder + "/own.text"])
        }
        try put(1)
        let flags = ["RUSTFLAGS": "-C opt-level=2 -C profile-use=\(file)"]
        try test.expectSeen(
            "demo",
            before: flags,
            after: flags,
            isVisible: false,
            change: { _ in try put(9) },
            restore: { _ in try put(1) }
        )
    }
}
