import BuildSupport
import Testing

/// Ways a Rust compile cache has gone wrong: too little in the key. Arguments of rustc.
@Suite("Too little in the key: arguments")
struct ArgumentKeyTests {
    private static let cfgs = """
        fn main() {
            let set = [cfg!(a), cfg!(b), cfg!(ab), cfg!(x = "a"), cfg!(x = "b"), cfg!(x = "a,b")];
            println!("{set:?}");
        }
        """

    @Test("2: metadata of a check is not served to a build, nor the other way round")
    func checkAndBuild() throws {
        let test = try Differential(
            [
                "Cargo.toml": "[workspace]\nmembers = [\"lib\", \"bin\"]\nresolver = \"2\"\n",
                "lib/Cargo.toml": Project.manifest("leaf"),
                "lib/src/lib.rs": "pub fn name() -> &'static str { \"leaf\" }\n",
                "bin/Cargo.toml": Project.manifest("demo", "[dependencies]\nleaf = { path = \"../lib\" }"),
                "bin/src/main.rs": "fn main() { println!(\"{}\", leaf::name()); }\n",
            ],
            programs: [Programs.demo]
        )
        let check = try test.step("check", .compiles("leaf", "demo"), ["check"])
        let build = try test.step("build", .compiles("leaf", "demo"))
        try test.step("check again", .nothing, ["check"], like: check)
        try test.step("build again", .nothing, like: build)
    }

    @Test("2: outputs of one set of emits are not served for another")
    func emits() throws {
        let test = try Differential(Programs.library("#[no_mangle]\npub fn add(a: u32) -> u32 { a + 1 }\n"))
        var steps: [(command: [String], step: Differential.Step)] = []
        for emit in ["asm", "llvm-ir,obj", "mir", "llvm-bc,asm"] {
            let command = ["rustc", "--lib", "--", "--emit=\(emit)"]
            steps.append((command, try test.step(emit, .compiles("demo"), command)))
        }
        for (command, step) in steps { try test.step("\(command) again", .nothing, command, like: step) }
    }

    @Test("2: an emit with a path of its own is put there")
    func emitWithPath() throws {
        let test = try Differential(Programs.library("#[no_mangle]\npub fn add(a: u32) -> u32 { a + 1 }\n"))
        let path = test.project.path("target/listing.s")
        let command = ["rustc", "--lib", "--", "--emit=asm=\(path)"]
        let first = try test.step("first", .compiles("demo"), command)
        try test.step("again", .nothing, command, like: first)
    }

    @Test("3: a library folder and a library's name count", arguments: ["-L", "-l"])
    func libraries(_ flag: String) throws {
        let test = try Differential(
            Programs.program(
                "extern \"C\" { fn number() -> i32; }\nfn main() { println!(\"{}\", unsafe { number() }); }\n"
            ),
            programs: [Programs.demo]
        )
        let folder = test.box.folder
        for (place, name, number) in [("one", "a", 1), ("two", "a", 2), ("one", "b", 3)] {
            try Native.archive("\(folder)/\(place)/lib\(name).a", "int number(void) { return \(number); }")
        }
        let before = ["RUSTFLAGS": "-L \(folder)/one -l static=a"]
        let after = ["RUSTFLAGS": flag == "-L" ? "-L \(folder)/two -l static=a" : "-L \(folder)/one -l static=b"]
        try test.expectSeen("demo", before: before, after: after)
    }

    @Test("3: a -Z flag counts")
    func unstableFlag() throws {
        let test = try Differential(
            Programs.program("fn main() { println!(\"[{:?}]\", Some(1)); }\n"),
            programs: [Programs.demo]
        )
        try test.expectSeen(
            "demo",
            before: ["RUSTC_BOOTSTRAP": "1", "RUSTFLAGS": "-Z fmt-debug=full"],
            after: ["RUSTC_BOOTSTRAP": "1", "RUSTFLAGS": "-Z fmt-debug=none"]
        )
    }

    @Test("3: a library added to or changed in the folder of --sysroot is seen")
    func sysroot() throws {
        let box = try Sandbox()
        let own = "\(box.folder)/sysroot"
        let libraries = "\(own)/lib/rustlib/\(Native.triple)/lib"
        try Tools.run("mkdir", ["-p", libraries])
        let real = "\(box.toolchain.sysroot)/lib/rustlib/\(Native.triple)/lib"
        for name in Files.tree(real) { try Tools.run("ln", ["-s", "\(real)/\(name)", libraries]) }
        func put(_ text: String) throws {
            Files.write("\(box.folder)/extra.rs", "pub const NAME: &str = \"\(text)\";\n")
            try box.rustc(
                [
                    "--crate-type=lib", "--crate-name=extra", "-Cmetadata=extra", "-o", "\(libraries)/libextra.rlib",
                    "extra.rs",
                ],
                in: box.folder,
                larder: false
            ).succeeded()
        }
        try put("one")
        let test = try Differential(
            Programs.program("extern crate extra;\nfn main() { println!(\"{}\", extra::NAME); }\n"),
            programs: [Programs.demo],
            box: box
        )
        let flags = ["RUSTFLAGS": "--sysroot \(own)"]
        // Since a file of the toolchain changed, larder may ask the proxy anew which toolchain it stands for.
        try test.expectSeen(
            "demo",
            before: flags,
            after: flags,
            restored: .these([]),
            change: { _ in try put("two") },
            restore: { _ in try put("one") }
        )
    }

    @Test("3: a target's JSON edited in place is seen by compiles and by queries")
    func targetJSON() throws {
        let box = try Sandbox()
        let variables = ["RUSTC_BOOTSTRAP": "1"]
        let specification = try box.rustc(
            ["-Zunstable-options", "--print=target-spec-json"],
            in: box.folder,
            larder: false,
            variables
        ).succeeded().output.replacing("\"is-builtin\": true,", with: "")
        func put(_ vendor: String) {
            let own = specification.replacing("\"arch\"", with: "\"vendor\": \"\(vendor)\", \"arch\"")
            Files.write("\(box.folder)/own.json", own)
        }
        Files.write(
            "\(box.folder)/core.rs",
            "#![feature(no_core, lang_items)]\n#![no_core]\n#[cfg(target_vendor = \"one\")]\ncompile_error!(\"vendor one\");\n"
        )
        for arguments in [
            ["-Zunstable-options", "--print=cfg", "--target=own.json"],
            ["-Zunstable-options", "--crate-type=lib", "--emit=metadata", "--target=own.json", "core.rs"],
        ] {
            var outputs: [String] = []
            for vendor in ["two", "one", "two", "two"] {
                put(vendor)
                let plain = try box.rustc(arguments, in: box.folder, larder: false, variables)
                let larder = try box.rustc(arguments, in: box.folder, variables)
                try #require(plain.code == larder.code, "\(larder.errors)")
                #expect(plain.output == larder.output)
                #expect(plain.errors == larder.errors)
                outputs.append(plain.output + plain.errors)
            }
            #expect(outputs[0] != outputs[1], "the change changes nothing")
            let again = try box.rustc(arguments, in: box.folder, variables)
            #expect(again.processes.isEmpty, "the unchanged call is a hit: \(box.events)")
        }
    }

    @Test("3: an @file whose content changed is seen")
    func argumentFile() throws {
        let test = try Differential(Programs.program(Self.cfgs), programs: [Programs.demo])
        let file = "\(test.box.folder)/flags"
        Files.write(file, "--cfg\na\n")
        let flags = ["RUSTFLAGS": "-A unexpected_cfgs @\(file)"]
        try test.expectSeen(
            "demo",
            before: flags,
            after: flags,
            change: { _ in Files.write(file, "--cfg\nb\n") },
            restore: { _ in Files.write(file, "--cfg\na\n") }
        )
    }

    @Test(
        "4: a success is not replayed to a build that denies its warning",
        arguments: ["-D unused", "-F unused", "-A unused"]
    )
    func lints(_ flags: String) throws {
        let test = try Differential(
            Programs.program("fn main() { let a = 1; println!(\"a\"); }\n"),
            programs: [Programs.demo]
        )
        try test.expectSeen("demo", before: ["RUSTFLAGS": "-W unused"], after: ["RUSTFLAGS": flags])
    }

    @Test("4: --cap-lints and --check-cfg count")
    func capLintsAndCheckCfg() throws {
        let test = try Differential(
            Programs.program("fn main() { let a = 1; println!(\"{}\", cfg!(own)); }\n"),
            programs: [Programs.demo]
        )
        let plain = try test.step("no flags", .compiles("demo"))
        let capped = try test.step("capped", .compiles("demo"), ["rustc", "--", "--cap-lints", "allow"])
        let checked = try test.step("checked", .compiles("demo"), ["rustc", "--", "--check-cfg", "cfg(own)"])
        #expect(plain.plain.built.errors != checked.plain.built.errors)
        #expect(plain.plain.built.errors != capped.plain.built.errors)
        try test.step("no flags again", .nothing, like: plain)
        try test.step("capped again", .nothing, ["rustc", "--", "--cap-lints", "allow"], like: capped)
        try test.step("checked again", .nothing, ["rustc", "--", "--check-cfg", "cfg(own)"], like: checked)
    }

    @Test("4: a warning that only the manifest denies is an error")
    func manifestLints() throws {
        let test = try Differential(
            Programs.program("fn main() { let a = 1; println!(\"a\"); }\n"),
            programs: [Programs.demo]
        )
        let manifest = test.project.read("Cargo.toml")
        try test.expectSeen(
            "demo",
            change: { $0.write("Cargo.toml", manifest + "[lints.rust]\nunused = \"deny\"\n") },
            restore: { $0.write("Cargo.toml", manifest) }
        )
    }

    @Test("5: RUSTC_BOOTSTRAP counts, gone or come", arguments: [true, false])
    func bootstrap(_ isFirst: Bool) throws {
        let test = try Differential(
            Programs.program("#![feature(never_type)]\nfn main() { let _: Option<!> = None; println!(\"a\"); }\n"),
            programs: [Programs.demo]
        )
        let with: [String: String?] = ["RUSTC_BOOTSTRAP": "1"]
        if isFirst {
            try test.expectSeen("demo", before: with, after: [:])
        } else {
            try test.step("without", .compiles("demo"))
            let step = try test.step("with", .compiles("demo"), ["build"], with)
            try test.step("with again", .nothing, ["build"], with, like: step)
            try test.step("without again", .compiles("demo"))
        }
    }

    @Test("6: -O and -C opt-level in the other order are another call")
    func order() throws {
        let test = try Differential(
            Programs.program("fn main() { println!(\"{}\", cfg!(debug_assertions)); }\n"),
            programs: [Programs.demo]
        )
        try test.expectSeen(
            "demo",
            before: ["RUSTFLAGS": "-C debug-assertions=yes -C debug-assertions=no -O"],
            after: ["RUSTFLAGS": "-O -C debug-assertions=no -C debug-assertions=yes"]
        )
        let one = ["RUSTFLAGS": "-O -C opt-level=0"]
        let other = ["RUSTFLAGS": "-C opt-level=0 -O"]
        let first = try test.step("-O first", .compiles("demo"), ["build"], one)
        let second = try test.step("-O last", .compiles("demo"), ["build"], other)
        try test.step("-O first again", .nothing, ["build"], one, like: first)
        try test.step("-O last again", .nothing, ["build"], other, like: second)
    }

    @Test("6: lists that read alike when joined are not alike")
    func lengths() throws {
        let test = try Differential(Programs.program(Self.cfgs), programs: [Programs.demo])
        let allow = "-A\u{1f}unexpected_cfgs\u{1f}"
        let lists = [
            "--cfg\u{1f}a\u{1f}--cfg\u{1f}b", "--cfg\u{1f}ab", "--cfg\u{1f}x=\"a\"\u{1f}--cfg\u{1f}x=\"b\"",
            "--cfg\u{1f}x=\"a,b\"",
        ]
        var seen: Set<[String]> = []
        for list in lists {
            let flags = ["CARGO_ENCODED_RUSTFLAGS": allow + list]
            let step = try test.step(list, .compiles("demo"), ["build"], flags)
            seen.insert(step.plain.programs)
            try test.step("\(list) again", .nothing, ["build"], flags, like: step)
        }
        #expect(seen.count == lists.count)
    }
}
