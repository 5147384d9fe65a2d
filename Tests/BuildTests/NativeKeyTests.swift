import BuildSupport
import Testing

/// A linker that Debian or the toolchain itself brings, and how rustc is told to take it.
enum Linker: String, CaseIterable, CustomTestStringConvertible {
    case bfd, gold, rustLLD = "rust-lld", clang, mold

    var flags: String {
        switch self {
        case .bfd: "-C linker-features=-lld -C link-arg=-fuse-ld=bfd"
        case .gold: "-C linker-features=-lld -C link-arg=-fuse-ld=gold"
        case .rustLLD: ""  // The default here.
        case .clang: "-C linker=clang -C linker-features=-lld"
        case .mold: "-C linker-features=-lld -C link-arg=-fuse-ld=mold"
        }
    }

    var testDescription: String { rawValue }
}

/// Ways a Rust compile cache has gone wrong: too little in the key. Native libraries and the link step.
@Suite("Too little in the key: linking")
struct NativeKeyTests {
    private static let main = """
        extern "C" { fn number() -> i32; }
        fn main() { println!("{}", unsafe { number() }); }
        """

    private func put(_ number: Int, _ path: String, isThin: Bool = false) throws {
        try Native.archive(path, "int number(void) { return \(number); }", isThin: isThin)
    }

    @Test("7: a static library rebuilt under its name is seen", arguments: Linker.allCases)
    func staticLibrary(_ linker: Linker) throws {
        let test = try Differential(Programs.program(Self.main), programs: [Programs.demo])
        let folder = test.box.folder
        try put(1, "\(folder)/libs/libnumber.a")
        let flags = ["RUSTFLAGS": "\(linker.flags) -L native=\(folder)/libs -l static=number"]
        try test.expectSeen(
            "demo",
            before: flags,
            after: flags,
            change: { _ in try put(2, "\(folder)/libs/libnumber.a") },
            restore: { _ in try put(1, "\(folder)/libs/libnumber.a") }
        )
    }

    @Test(
        "7: a static library is seen however it was found",
        arguments: ["-L all=FOLDER -l static=number", "-L FOLDER -l number", "-C link-arg=FOLDER/libnumber.a"]
    )
    func ways(_ way: String) throws {
        let test = try Differential(Programs.program(Self.main), programs: [Programs.demo])
        let folder = test.box.folder + "/libs"
        try put(1, "\(folder)/libnumber.a")
        let flags = ["RUSTFLAGS": way.replacing("FOLDER", with: folder)]
        try test.expectSeen(
            "demo",
            before: flags,
            after: flags,
            change: { _ in try put(2, "\(folder)/libnumber.a") },
            restore: { _ in try put(1, "\(folder)/libnumber.a") }
        )
    }

    @Test("7: an object behind a thin archive is seen", arguments: Linker.allCases)
    func thinArchive(_ linker: Linker) throws {
        let test = try Differential(Programs.program(Self.main), programs: [Programs.demo])
        let path = test.box.folder + "/libs/libnumber.a"
        try put(1, path, isThin: true)
        // The archive itself stays: only the object that it names is another.
        func change(_ number: Int) throws {
            try Native.object(path + ".o", "int number(void) { return \(number); }")
        }
        let flags = ["RUSTFLAGS": "\(linker.flags) -C link-arg=\(path)"]
        try test.expectSeen(
            "demo",
            before: flags,
            after: flags,
            change: { _ in try change(2) },
            restore: { _ in try change(1) }
        )
    }

    @Test("7: a library bundled two crates further down is seen")
    func bundledFurtherDown() throws {
        let test = try Differential(
            [
                "Cargo.toml": "[workspace]\nmembers = [\"low\", \"middle\", \"demo\"]\nresolver = \"2\"\n",
                "low/Cargo.toml": Project.manifest("low", "build = \"build.rs\""),
                "low/build.rs": "fn main() { println!(\"cargo:rustc-link-search=native={}\", \"LIBS\"); }\n",
                "low/src/lib.rs": """
                #[link(name = "number", kind = "static")]
                extern "C" { fn number() -> i32; }
                pub fn get() -> i32 { unsafe { number() } }
                """,
                "middle/Cargo.toml": Project.manifest("middle", "[dependencies]\nlow = { path = \"../low\" }"),
                "middle/src/lib.rs": "pub fn get() -> i32 { low::get() }\n",
                "demo/Cargo.toml": Project.manifest("demo", "[dependencies]\nmiddle = { path = \"../middle\" }"),
                "demo/src/main.rs": "fn main() { println!(\"{}\", middle::get()); }\n",
            ],
            programs: [Programs.demo]
        )
        test.isOrdered = false
        let folder = test.box.folder + "/libs"
        try test.project.edit("low/build.rs", "LIBS", folder)
        try put(1, "\(folder)/libnumber.a")
        let first = try test.step("first", .anything)
        try test.step("unchanged", .nothing, like: first)
        let second = try test.step("changed", .anything) { _ in try put(2, "\(folder)/libnumber.a") }
        #expect(first.plain.programs != second.plain.programs)
        #expect(!second.larder.built.compiled.contains("build_script_build"))
        try test.step("put back", .nothing, like: first) { _ in try put(1, "\(folder)/libnumber.a") }
    }

    @Test("8: other start files of the C library are seen", arguments: Linker.allCases)
    func startFiles(_ linker: Linker) throws {
        let main = "extern \"C\" { static crt_mark: i32; }\nfn main() { println!(\"{}\", unsafe { crt_mark }); }\n"
        let test = try Differential(Programs.program(main), programs: [Programs.demo])
        let folder = test.box.folder + "/crt"
        let real = try Tools.run("cc", ["-print-file-name=Scrt1.o"]).trimmed
        func put(_ mark: Int) throws {
            try Native.object("\(folder)/mark.o", "int crt_mark = \(mark);")
            try Tools.run("ld", ["-r", "-o", "\(folder)/Scrt1.o", real, "\(folder)/mark.o"])
        }
        try put(1)
        let flags = ["RUSTFLAGS": "\(linker.flags) -C link-arg=-B\(folder)"]
        try test.expectSeen(
            "demo",
            before: flags,
            after: flags,
            change: { _ in try put(2) },
            restore: { _ in try put(1) }
        )
    }

    @Test("8: another C library under the same linker is seen", arguments: Linker.allCases)
    func systemLibrary(_ linker: Linker) throws {
        let test = try Differential(Programs.program(Self.main), programs: [Programs.demo])
        let folder = test.box.folder + "/libc"
        let real = try Tools.run("cc", ["-print-file-name=libm.so.6"]).trimmed
        try put(1, "\(folder)/libmark.a")
        // What the linker finds for -lm: a script that names the real one and ours, which changes.
        Files.write("\(folder)/libm.so", "GROUP ( \(real) \(folder)/libmark.a )\n")
        let flags = ["RUSTFLAGS": "\(linker.flags) -C link-arg=-L\(folder) -C link-arg=-lm"]
        try test.expectSeen(
            "demo",
            before: flags,
            after: flags,
            change: { _ in try put(2, "\(folder)/libmark.a") },
            restore: { _ in try put(1, "\(folder)/libmark.a") }
        )
    }

    @Test("8: a library created where the linker searches first is seen", arguments: Linker.allCases)
    func createdEarlier(_ linker: Linker) throws {
        let test = try Differential(Programs.program(Self.main), programs: [Programs.demo])
        let folder = test.box.folder
        try put(1, "\(folder)/later/libnumber.a")
        try put(2, "\(folder)/spare/libnumber.a")
        Files.write("\(folder)/earlier/empty", "")
        let flags = [
            "RUSTFLAGS":
                "\(linker.flags) -C link-arg=-L\(folder)/earlier -C link-arg=-L\(folder)/later -C link-arg=-lnumber"
        ]
        try test.expectSeen(
            "demo",
            before: flags,
            after: flags,
            change: { _ in try Tools.run("cp", ["\(folder)/spare/libnumber.a", "\(folder)/earlier/"]) },
            restore: { _ in Files.remove("\(folder)/earlier/libnumber.a") }
        )
    }

    @Test("8: a version script given by a link argument is seen", arguments: Linker.allCases)
    func versionScript(_ linker: Linker) throws {
        let test = try Differential(Programs.program("fn main() {}\n"), paths: .exact)
        let script = test.box.folder + "/own.map"
        let flags = [
            "RUSTFLAGS":
                "\(linker.flags) -C link-arg=-Wl,--export-dynamic -C link-arg=-Wl,--version-script=\(script)"
        ]
        var steps: [Differential.Step] = []
        for name in ["OWN_1", "OWN_2"] {
            Files.write(script, "\(name) { global: main; };\n")
            let step = try test.step(name, .compiles("demo"), ["build"], flags)
            let versions = try Tools.run("readelf", ["-V", "\(step.larder.target)/\(Programs.demo)"])
            #expect(versions.contains(name))
            steps.append(step)
        }
        Files.write(script, "OWN_1 { global: main; };\n")
        try test.step("put back", .nothing, ["build"], flags, like: steps[0])
    }

    @Test("8: a linker script among the libraries is seen", arguments: Linker.allCases)
    func inputScript(_ linker: Linker) throws {
        let test = try Differential(Programs.program(Self.main), programs: [Programs.demo])
        let folder = test.box.folder + "/libs"
        try put(1, "\(folder)/libone.a")
        try put(2, "\(folder)/libtwo.a")
        func script(_ name: String) { Files.write("\(folder)/libnumber.so", "INPUT ( \(folder)/\(name) )\n") }
        script("libone.a")
        let flags = ["RUSTFLAGS": "\(linker.flags) -C link-arg=-L\(folder) -C link-arg=-lnumber"]
        try test.expectSeen(
            "demo",
            before: flags,
            after: flags,
            change: { _ in script("libtwo.a") },
            restore: { _ in script("libone.a") }
        )
    }

    @Test("8: a linker that is a script whose content changed is seen")
    func linkerScript() throws {
        let test = try Differential(
            Programs.program(
                "extern \"C\" { fn number() -> i32; }\nfn main() { println!(\"{:?}\", number as *const u8); }\n"
            ),
            programs: [Programs.demo]
        )
        let linker = Project(folder: test.box.folder)
        func put(_ address: String) {
            linker.script("linker", "#!/bin/sh\nexec cc \"$@\" -no-pie -Wl,--defsym=number=\(address)\n")
        }
        put("0x1000")
        let flags = ["RUSTFLAGS": "-C linker=\(linker.path("linker")) -C relocation-model=static"]
        try test.expectSeen(
            "demo",
            before: flags,
            after: flags,
            change: { _ in put("0x2000") },
            restore: { _ in put("0x1000") }
        )
    }

    @Test("8: another cc first in PATH is seen", arguments: ["other PATH", "created"])
    func otherCC(_ way: String) throws {
        let test = try Differential(
            Programs.program(
                "extern \"C\" { fn number() -> i32; }\nfn main() { println!(\"{:?}\", number as *const u8); }\n"
            ),
            programs: [Programs.demo]
        )
        let folder = Project(folder: test.box.folder)
        func script(_ address: String) -> String {
            "#!/bin/sh\nexec /usr/bin/cc \"$@\" -no-pie -Wl,--defsym=number=\(address)\n"
        }
        folder.script("one/cc", script("0x1000"))
        folder.script("two/cc", script("0x2000"))
        folder.write("empty/nothing", "")
        let rest = "RUSTFLAGS"
        let flags = "-C relocation-model=static"
        let path = test.box.environment["PATH"] ?? ""
        let one = ["PATH": "\(folder.path("empty")):\(folder.path("one")):\(path)", rest: flags]
        let two = ["PATH": "\(folder.path("empty")):\(folder.path("two")):\(path)", rest: flags]
        if way == "created" {
            try test.expectSeen(
                "demo",
                before: one,
                after: one,
                change: { _ in folder.script("empty/cc", script("0x3000")) },
                restore: { _ in folder.remove("empty/cc") }
            )
        } else {
            try test.expectSeen("demo", before: one, after: two)
        }
    }
}

extension String {
    /// Without white space around it.
    var trimmed: String {
        String(drop { $0.isWhitespace }.reversed().drop { $0.isWhitespace }.reversed())
    }
}
