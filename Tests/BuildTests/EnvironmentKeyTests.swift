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

    /// A copy of the toolchain with another standard library: what it says on a panic differs, by as many bytes.
    private func otherToolchain(in box: Sandbox) throws -> String {
        let other = box.folder + "/other"
        try Tools.run("mkdir", ["-p", other])
        try Tools.run(
            "cp",
            ["-a", "--reflink=auto", "\(box.toolchain.sysroot)/bin", "\(box.toolchain.sysroot)/lib", other]
        )
        let libraries = "\(other)/lib/rustlib/\(Native.triple)/lib"
        let core = try #require(Files.tree(libraries).first { $0.hasPrefix("libcore-") && $0.hasSuffix(".rlib") })
        try Tools.run("sed", ["-i", "s/on a `None` value/on a `NONE` value/g", "\(libraries)/\(core)"])
        return other
    }

    private static let panicking = Programs.program(
        "fn main() { std::panic::set_hook(Box::new(|info| println!(\"{info}\"))); None::<u32>.unwrap(); }\n"
    )

    @Test("13: a toolchain switched behind a rustup proxy is seen")
    func rustupProxy() throws {
        let box = try Sandbox()
        let rustup = try Tools.path("rustup")
        let proxies = String(rustup.dropLast("/rustup".count))
        let test = try Differential(Self.panicking, programs: [Programs.demo], box: box)
        let base: [String: String?] = [
            "PATH": "\(proxies):/usr/bin:/bin", "RUSTUP_HOME": box.folder + "/rustup", "RUSTUP_TOOLCHAIN": nil,
            "RUSTFLAGS": "-C opt-level=0",
        ]
        for (name, folder) in [("one", box.toolchain.sysroot), ("two", try otherToolchain(in: box))] {
            try box.start(rustup, ["toolchain", "link", name, folder], in: box.folder, larder: false, base).wait()
                .succeeded()
        }
        func step(_ way: String, _ toolchain: String) throws -> [LoggedEvent] {
            var changes = base
            test.project.remove("rust-toolchain.toml")
            switch way {
            case "variable": changes["RUSTUP_TOOLCHAIN"] = toolchain
            case "file": test.project.write("rust-toolchain.toml", "[toolchain]\nchannel = \"\(toolchain)\"\n")
            default:
                let words = way == "default" ? ["default", toolchain] : ["override", "set", toolchain]
                try box.start(rustup, words, in: test.project.folder, larder: false, base).wait().succeeded()
            }
            let before = box.events.count
            var built: [Built] = []
            var said: [String] = []
            for larder in [false, true] {
                test.project.remove("target")
                built.append(
                    try box.start("\(proxies)/cargo", ["build"], in: test.project.folder, larder: larder, changes)
                        .wait().succeeded()
                )
                said.append(
                    try Command(
                        test.project.path(
                            "target/\(Programs.demo)"
                        ),
                        [],
                        environment: box.environment,
                        folder: box.folder,
                        outputFolder: box.outputs
                    ).run().output
                )
            }
            #expect(Normal.lines(built[0].errors) == Normal.lines(built[1].errors), "\(way) \(toolchain)")
            #expect(said[0] == said[1])
            #expect(said[0].contains(toolchain == "one" ? "`None`" : "`NONE`"), "\(way) \(toolchain): \(said)")
            return box.events.dropFirst(before).filter { $0.crate == "demo" }
        }
        // In this order: an override and a file would win over what comes after them.
        for (index, way) in ["default", "override", "file", "variable"].enumerated() {
            #expect(try step(way, "one").map(\.result) == [index == 0 ? "miss" : "hit"], "\(way)")
            #expect(try step(way, "one").map(\.result) == ["hit"], "\(way)")
            #expect(try step(way, "two").map(\.result) == [index == 0 ? "miss" : "hit"], "\(way)")
            #expect(try step(way, "one").map(\.result) == ["hit"], "\(way)")
            if way == "override" {
                try box.start(rustup, ["override", "unset"], in: test.project.folder, larder: false, base).wait()
                    .succeeded()
            }
        }
    }

    @Test("13: another toolchain behind a link of the same name, with the same -vV, is seen")
    func sameVersion() throws {
        let box = try Sandbox()
        let original = box.toolchain.sysroot
        let other = try otherToolchain(in: box)
        let link = box.folder + "/current"
        let test = try Differential(Self.panicking, programs: [Programs.demo], box: box)
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
