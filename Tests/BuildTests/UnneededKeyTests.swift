import BuildSupport
import Testing

/// Ways a Rust compile cache has gone wrong: too much in the key, so that there is no hit where there should be one.
@Suite("Too much in the key")
struct UnneededKeyTests {
    private func demo() throws -> Differential {
        try Differential(
            Programs.program("fn main() { println!(\"{:?}\", option_env!(\"OWN_NAME\")); }\n", ["src/lib.rs": ""]),
            programs: [Programs.demo]
        )
    }

    /// Builds, changes the environment, and expects that no crate is compiled anew.
    private func expectIgnored(_ before: [String: String?], _ after: [String: String?]) throws {
        let test = try demo()
        let first = try test.step("first", .compiles("demo", "demo"), ["build"], before)
        // Cargo may ask the compiler something anew; no crate is compiled.
        try test.step("changed", .these([]), ["build"], after, like: first)
    }

    @Test(
        "17: variables of Cargo's that rustc never reads",
        arguments: [
            ["CARGO_HTTP_TIMEOUT": "7"], ["CARGO_BUILD_JOBS": "1"], ["CARGO_NET_RETRY": "9"],
            ["CARGO_PROFILE_RELEASE_LTO": "true"], ["CARGO_TERM_PROGRESS_WHEN": "never"],
            ["CARGO_HOME": "FOLDER/elsewhere"],
        ]
    )
    func cargoVariables(_ variables: [String: String]) throws {
        let test = try demo()
        let first = try test.step("first", .compiles("demo", "demo"))
        let changes = variables.mapValues { Optional($0.replacing("FOLDER", with: test.box.folder)) }
        try test.step("changed", .these([]), ["build"], changes, like: first)
    }

    @Test(
        "17: the terminal, the session and its language",
        arguments: [
            ["COLUMNS": "40", "LINES": "10"], ["TERM": "xterm-256color"], ["LANG": "C"], ["RUST_BACKTRACE": "1"],
            ["SSH_AUTH_SOCK": "/nowhere", "PWD": "/", "OLDPWD": "/", "SHLVL": "3", "_": "/bin/x"],
            ["OWN_UNRELATED": "1"],
        ]
    )
    func session(_ variables: [String: String]) throws { try expectIgnored([:], variables.mapValues { Optional($0) }) }

    @Test("17: another target folder")
    func targetFolder() throws {
        let test = try demo()
        let first = try test.box.cargo(["build"], in: test.project).succeeded()
        #expect(first.compiled == ["demo", "demo"])
        let second = try test.box.cargo(
            ["build"],
            in: test.project,
            ["CARGO_TARGET_DIR": test.box.folder + "/elsewhere/out"]
        ).succeeded()
        #expect(second.compiled == [], "\(test.box.events)")
        let third = try test.box.cargo(["build", "--target-dir", "deep/down"], in: test.project).succeeded()
        #expect(third.compiled == [], "\(test.box.events)")
    }

    @Test("17: white space in RUSTFLAGS")
    func whiteSpace() throws {
        try expectIgnored(
            ["RUSTFLAGS": "-C debuginfo=1 --cfg own"],
            ["RUSTFLAGS": "  -C   debuginfo=1  --cfg   own "]
        )
    }

    @Test("17: the order of the environment")
    func order() throws {
        let test = try demo()
        let first = try test.step("first", .compiles("demo", "demo"), ["build"], ["OWN_NAME": "a"])
        // The same variable, now at the environment's end.
        test.raw = [Array("OWN_NAME=a".utf8)]
        try test.step("other order", .these([]), like: first)
    }

    @Test("17: the jobserver and the number of jobs")
    func jobserver() throws {
        let test = try demo()
        let first = try test.step("first", .compiles("demo", "demo"), ["build", "-j1"])
        try test.step("more jobs", .these([]), ["build", "-j4"], like: first)
    }

    @Test("17: the FROM side of a --remap-path-prefix")
    func remapFrom() throws {
        let test = try demo()
        func flags() -> [String: String?] { ["RUSTFLAGS": "--remap-path-prefix=\(test.project.folder)=/own"] }
        let first = try test.step("first", .compiles("demo", "demo"), ["build"], flags())
        try test.step("unchanged", .nothing, ["build"], flags(), like: first)
        // Cargo hashes RUSTFLAGS into its names unless they are these; the files keep their names, so it can be a hit.
        let names = Files.tree(first.plain.target).filter { $0.hasSuffix(".rlib") }
        test.project = try test.project.copy(to: test.box.folder + "/other/place")
        let second = try test.step("other checkout", .anything, ["build"], flags())
        if Files.tree(second.plain.target).filter({ $0.hasSuffix(".rlib") }) == names {
            #expect(second.larder.built.compiled == [], "\(test.box.events)")
        }
    }

    @Test("16: another checkout, with another home and registry")
    func checkout() throws {
        let test = try demo()
        try test.step("first", .compiles("demo", "demo"))
        test.project = try test.project.copy(to: test.box.folder + "/other/place")
        let home = test.box.folder + "/other home"
        try test.step("other checkout", .these([]), ["build"], ["HOME": home, "CARGO_HOME": home + "/cargo"])
    }

    @Test("16: the target folder's level that --target adds")
    func targetLevel() throws {
        let test = try demo()
        try test.step("first", .compiles("demo", "demo"), ["build", "--target", Native.triple])
        try test.step("again", .nothing, ["build", "--target", Native.triple])
    }

    @Test("16: the temporary folder, spelled otherwise")
    func temporaryFolder() throws {
        let test = try demo()
        let first = try test.step("first", .compiles("demo", "demo"))
        let link = test.box.folder + "/tmp-link"
        try Tools.run("ln", ["-s", test.box.folder + "/tmp", link])
        try test.step("through a link", .these([]), ["build"], ["TMPDIR": link], like: first)
        try test.step("without", .these([]), ["build"], ["TMPDIR": nil], like: first)
    }
}
