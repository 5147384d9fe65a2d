import Testing

@testable import RustcCall

/// Every form in which rustc takes its arguments. Source: `rustc --help -v`, the `getopts` crate.
@Suite("Command lines")
struct RustcCallTests {
    private func read(_ arguments: String...) throws -> RustcCall { try read(arguments) }

    private func read(_ arguments: [String], files: [String: String] = [:]) throws -> RustcCall {
        try RustcCall(arguments) { files[$0] }
    }

    /// The reason for which a command line is left to rustc.
    private func reason(_ arguments: String..., files: [String: String] = [:]) -> Uncached? {
        do {
            _ = try read(arguments, files: files)
            return nil
        } catch {
            return (error as? PassedOn)?.reason
        }
    }

    @Test(
        "a codegen option is the same in each spelling",
        arguments: [
            ["-Cextra-filename=-1"], ["-C", "extra-filename=-1"], ["--codegen", "extra-filename=-1"],
            ["--codegen=extra-filename=-1"], ["-Cextra_filename=-1"], ["-gCextra-filename=-1"],
        ]
    )
    func codegen(_ arguments: [String]) throws {
        #expect(try read(arguments + ["a.rs"]).extraFilename == "-1")
    }

    @Test("values come apart or joined, long and short")
    func values() throws {
        for arguments in [
            ["-o", "out"], ["-oout"], ["--out-dir", "out"], ["--out-dir=out"],
        ] {
            let call = try read(arguments + ["a.rs"])
            #expect(call.outputFile ?? call.outputFolder == "out")
        }
        let call = try read(
            "--crate-name",
            "a",
            "--edition=2021",
            "a.rs",
            "-L",
            "dependency=deps",
            "-Lnative=/n",
            "-L",
            "plain",
            "--extern",
            "b=libb.rlib",
            "--extern=priv,noprelude:c=libc.rmeta",
            "--extern",
            "d",
            "--target=t.json",
            "--sysroot",
            "s",
            "--remap-path-prefix",
            "/a=b=c"
        )
        #expect(call.crateName == "a")
        #expect(call.input == .file("a.rs"))
        #expect(
            call.searchPaths == [
                .init(kind: "dependency", path: "deps"), .init(kind: "native", path: "/n"),
                .init(kind: "all", path: "plain"),
            ]
        )
        #expect(
            call.externs == [
                .init(name: "b", path: "libb.rlib"), .init(name: "priv,noprelude:c", path: "libc.rmeta"),
                .init(name: "d", path: nil),
            ]
        )
        #expect(call.target == "t.json")
        #expect(call.sysroot == "s")
        #expect(call.remaps == ["/a=b=c"])
    }

    @Test("emits and crate types add up over lists and repetition")
    func lists() throws {
        let call = try read(
            "--emit=dep-info,metadata=/m/a.rmeta",
            "--emit",
            "link",
            "--crate-type",
            "lib,cdylib",
            "--crate-type=rlib",
            "--crate-name=a",
            "-C",
            "extra-filename=-x",
            "--out-dir",
            "o",
            "a.rs"
        )
        #expect(
            call.emits == [
                .init(kind: "dep-info", path: nil), .init(kind: "metadata", path: "/m/a.rmeta"),
                .init(kind: "link", path: nil),
            ]
        )
        #expect(call.crateTypes == ["lib", "cdylib", "rlib"])
        // What has a path of its own is not expected in the folder.
        #expect(call.expectedNames == ["a-x.d", "liba-x.rlib", "liba-x.rlib"])
        #expect(call.writesDepInfo)
    }

    @Test("an @file has one argument a line, and is opened in its place")
    func argumentFile() throws {
        let call = try read(["-O", "@flags", "a.rs"], files: ["flags": "--crate-name\nsome name\n--test\n"])
        #expect(call.crateName == "some name")
        #expect(call.isTest)
        #expect(call.options.map(\.name) == ["optimize", "crate-name", "test", ""])
        #expect(reason("@missing") == .argumentFile)
        #expect(reason("@shell:flags", files: ["shell:flags": "a.rs"]) == .argumentFile)
    }

    @Test("short flags run together, and the order of all is kept")
    func order() throws {
        let call = try read("-vgO", "-Copt-level=1", "-Aunused", "-D", "warnings", "a.rs")
        #expect(call.options.map(\.name) == ["verbose", "debuginfo-full", "optimize", "codegen", "allow", "deny", ""])
        #expect(call.options.map(\.value) == [nil, nil, nil, "opt-level=1", "unused", "warnings", "a.rs"])
    }

    @Test("queries are told from compiles")
    func queries() throws {
        for arguments in [["-vV"], ["--version"], ["-V", "--verbose"], ["--print", "cfg"], ["--print=sysroot", "-"]] {
            #expect(try read(arguments).kind == .query, "\(arguments)")
        }
        // What needs a compile to be known, and what comes beside one.
        for arguments in [["--print", "native-static-libs", "a.rs"], ["--print=link-args", "a.rs"], ["-"]] {
            #expect(try read(arguments).kind == .compile, "\(arguments)")
        }
        #expect(try read("-").input == .standardInput)
    }

    @Test("each thing that is left to rustc has its reason")
    func reasons() {
        #expect(reason() == .information)
        #expect(reason("--help") == .information)
        #expect(reason("-Z", "help") == .information)
        #expect(reason("--explain", "E0001") == .information)
        #expect(reason("--crate-name", "a") == .noInput)
        #expect(reason("a.rs", "b.rs") == .severalInputs)
        #expect(reason("a.rs", "--out-dir") == .missingValue)
        #expect(reason("a.rs", "-C") == .missingValue)
        #expect(reason("--print", "cfg=/tmp/x") == .printToFile)
        #expect(reason("-Ztime-passes", "a.rs") == .profiling)
        #expect(reason("-Z", "self_profile=/tmp/x", "a.rs") == .profiling)
    }

    @Test("a choice that depends on this machine is known as such")
    func native() throws {
        #expect(try read("-Ctarget-cpu=native", "a.rs").usesNativeCPU)
        #expect(try read("-Ztune-cpu=native", "a.rs").usesNativeCPU)
        #expect(try read("--print", "target-cpus").usesNativeCPU)
        #expect(try !read("-Ctarget-cpu=x86-64-v3", "a.rs").usesNativeCPU)
        #expect(try read("-Cinstrument-coverage", "a.rs").instrumentsCoverage)
        #expect(try !read("-Cinstrument-coverage=off", "a.rs").instrumentsCoverage)
    }

    @Test("any arguments at all are read without a trap")
    func anything() {
        let words = [
            "-", "--", "-C", "@x", "--emit", "=", "--emit=,,=", "-Z", "", "\u{FFFD}", "-o", "--extern", "a=b=c",
        ]
        var state: UInt64 = 7
        for _ in 0..<2000 {
            let arguments = (0..<6).map { _ -> String in
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return words[Int((state >> 33) % UInt64(words.count))]
            }
            _ = try? read(arguments)
        }
    }
}

@Suite("How larder is called")
struct InvocationTests {
    private func compiler(_ arguments: String...) -> Invocation.Compiler? {
        if case .compiler(let compiler) = Invocation(arguments) { compiler } else { nil }
    }

    @Test("a compiler comes first, by any path")
    func first() throws {
        let call = try #require(compiler("/x/larder", "/opt/bin/rustc", "-vV"))
        #expect(call.driver == .rustc)
        #expect(call.rustcArguments == ["-vV"])
        #expect(!call.isLookedUp)
        #expect(compiler("larder", "rustc-1.85", "a.rs")?.driver == .rustc)
        #expect(compiler("larder", "/usr/bin/something", "a.rs")?.driver == .unknown)
        #expect(compiler("larder", "sccache", "rustc", "a.rs")?.driver == .unknown)
    }

    @Test("clippy-driver comes with and without the rustc that Cargo puts behind it")
    func clippy() throws {
        let with = try #require(compiler("larder", "clippy-driver", "/x/rustc", "--crate-name", "a"))
        let without = try #require(compiler("larder", "clippy-driver", "--crate-name", "a"))
        #expect(with.driver == .clippy && without.driver == .clippy)
        #expect(with.rustcArguments == without.rustcArguments)
        #expect(with.arguments.first == "/x/rustc")
    }

    @Test("called by a link named rustc it is the compiler itself")
    func link() throws {
        let call = try #require(compiler("/links/rustc", "-vV"))
        #expect(call.isLookedUp)
        #expect(call.rustcArguments == ["-vV"])
    }

    @Test("words and flags are for larderctl")
    func management() {
        for arguments in [
            ["larder"], ["larder", "stats"], ["larder", "--show-stats"], ["larder", ""], ["larder", "stat"],
            ["larder", "explian", "serde"], ["larder", "stop"],
        ] {
            #expect(Invocation(arguments) == .management(Array(arguments.dropFirst())))
        }
    }
}
