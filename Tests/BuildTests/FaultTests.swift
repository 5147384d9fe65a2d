import BuildSupport
import Foundation
import Testing

/// Ways a Rust compile cache has gone wrong: faults of the cache and of its surroundings. The build ends as plain Cargo
/// would end it.
@Suite("In operation: faults")
struct FaultTests {
    private static let files = Programs.program(
        "fn main() { println!(\"{}\", demo::NAME); }\n",
        ["src/lib.rs": "pub const NAME: &str = \"one\";\n"]
    )

    @Test(
        "27: a cache folder that can't be used stops no build",
        arguments: ["a file in its place", "a file above it", "read-only", "relative", "not text"]
    )
    func unusableFolder(_ kind: String) throws {
        let test = try Differential(Self.files, programs: [Programs.demo])
        let folder = test.box.folder
        Files.write("\(folder)/file", "not a folder")
        var changes: [String: String?] = [:]
        switch kind {
        case "a file in its place": changes["LARDER_DIR"] = "\(folder)/file"
        case "a file above it": changes["LARDER_DIR"] = "\(folder)/file/cache"
        case "read-only": changes["LARDER_DIR"] = "/proc/larder"
        case "relative": changes["LARDER_DIR"] = "here/cache"
        default:
            changes["LARDER_DIR"] = Optional<String>.none
            test.raw = [Array("LARDER_DIR=".utf8) + Array(folder.utf8) + [0x2F, 0xFF]]
        }
        for name in ["first", "second"] { try test.step(name, .anything, ["build"], changes) }
        #expect(Files.read("\(folder)/file") == "not a folder")
        try test.step("an error", .anything, ["build"], changes) { $0.write("src/main.rs", "fn main() { missing }\n") }
    }

    @Test(
        "27: bad settings stop no build",
        arguments: [
            ["LARDER_CACHE_SIZE": "banana"], ["LARDER_PATHS": "sideways"], ["LARDER_LOG": "loud"],
            ["LARDER_LOG_FILE": "/nowhere/at/all"], ["LARDER_LOCAL_RW_MODE": "SOMETIMES"], ["LARDER_OBSERVER": "maybe"],
            ["LARDER_DISABLE": "1"], ["LARDER_RECACHE": "1"], ["LARDER_LOCAL_RW_MODE": "READ_ONLY"],
            ["LARDER_REDIS": "redis://127.0.0.1:1", "LARDER_MEMCACHED": "127.0.0.1:1"],
        ]
    )
    func badSettings(_ settings: [String: String]) throws {
        let test = try Differential(Self.files, programs: [Programs.demo])
        let changes = settings.mapValues { Optional($0) }
        for name in ["first", "second"] { try test.step(name, .anything, ["build"], changes) }
    }

    @Test(
        "27: a settings file that can't be read as such stops no build",
        arguments: ["broken = [", "cache_size = \"x\"", "\u{0}"]
    )
    func badSettingsFile(_ text: String) throws {
        let test = try Differential(Self.files, programs: [Programs.demo])
        Files.write(test.box.home + "/.config/larder/config.toml", text)
        for name in ["first", "second"] { try test.step(name, .anything) }
    }

    @Test("27: with no home and no folder the build goes on")
    func noHome() throws {
        let test = try Differential(Self.files, programs: [Programs.demo])
        let none = Optional<String>.none
        let changes = ["HOME": none, "LARDER_DIR": none, "XDG_RUNTIME_DIR": none]
        for name in ["first", "second"] { try test.step(name, .anything, ["build"], changes) }
    }

    @Test("27: a full disk under the cache stops no build", arguments: [64, 1500, 5000])
    func fullDisk(_ kibibytes: Int) throws {
        let box = try Sandbox(knowsToolchain: false)
        let project = try box.project(Self.files)
        try FileManager.default.createDirectory(atPath: box.cache, withIntermediateDirectories: true)
        // A small file system of this build's own, in a mount namespace that goes with it.
        let script = """
            mount -t tmpfs -o size=\(kibibytes)k tmpfs "$LARDER_DIR" || exit 99
            for round in 1 2 3; do
                rm -rf target
                \(box.toolchain.cargo) build || exit 98
                test "$(target/debug/demo)" = one || exit 97
            done
            """
        let built = try box.start(
            "/usr/bin/unshare",
            ["-rm", "/bin/sh", "-c", script],
            in: project.folder
        ).wait()
        #expect(built.code == 0, "\(built.errors)")
    }

    /// What is done to every file of a kind at once.
    enum Damage: String, CaseIterable, CustomTestStringConvertible {
        case emptied, halved, flipped, lengthened, newer, removed
        var testDescription: String { rawValue }

        func damage(_ path: String) throws {
            guard var bytes = FileManager.default.contents(atPath: path) else { return }
            switch self {
            case .emptied: bytes = Data()
            case .halved: bytes = bytes.prefix(bytes.count / 2)
            case .flipped: for index in stride(from: bytes.count / 2, to: bytes.count, by: 997) { bytes[index] ^= 0x41 }
            case .lengthened: bytes += Data(repeating: 0x5A, count: 100)
            // The first bytes say what a file is and in which version.
            case .newer: for index in 0..<min(8, bytes.count) { bytes[index] &+= 1 }
            case .removed: return Files.remove(path)
            }
            try bytes.write(to: URL(fileURLWithPath: path))
        }
    }

    @Test("29: damage to any kind of file of the cache is never taken for good", arguments: Damage.allCases)
    func damaged(_ damage: Damage) throws {
        let test = try Differential(Self.files, programs: [Programs.demo], paths: .exact)
        let first = try test.step("cold", .compiles("demo", "demo"))
        for kind in ["manifests", "results", "blobs", "toolchains", "memo", "size", "events", ""] {
            let folder = "\(test.box.cache)/\(kind)"
            let files = Files.tree(folder)
            for file in files.isEmpty ? [folder] : files.map({ "\(folder)/\($0)" }) { try damage.damage(file) }
            try test.step("\(kind) \(damage)", .anything, like: first)
            // What was damaged is made anew: everything is a hit again.
            if kind == "blobs" || kind == "" { try test.step("\(kind) \(damage), again", .these([]), like: first) }
        }
    }

    @Test("29: a cache taken away while builds run harms none of them")
    func takenAway() throws {
        let box = try Sandbox()
        let project = try box.project(Self.files)
        for _ in 0..<4 {
            project.remove("target")
            let build = try box.startCargo(["build"], in: project)
            for _ in 0..<10 {
                Files.remove(box.cache + "/blobs")
                usleep(30_000)
                Files.remove(box.cache)
            }
            let ended = try build.wait()
            #expect(ended.code == 0, "\(ended.errors)")
            #expect(try Tools.run(project.path("target/debug/demo"), []) == "one\n")
        }
    }

    private static let slowFiles = Programs.program(
        "fn main() { println!(\"{}\", demo::NAME); }\n",
        [
            "src/lib.rs": "pub mod many;\npub const NAME: &str = \"one\";\n",
            "src/many.rs": (0..<400).map {
                "pub fn f\($0)(v: &mut Vec<String>) { v.sort(); v.retain(|s| s.len() != \($0)); }"
            }
            .joined(separator: "\n"),
        ]
    )
    private static let slowly: [String: String?] = ["CARGO_PROFILE_DEV_OPT_LEVEL": "2"]

    /// Starts a build and waits until its library is being compiled.
    private func startSlow(_ box: Sandbox, _ project: Project) throws -> RunningCargo {
        let build = try box.startCargo(["build", "-p", "demo"], in: project, Self.slowly)
        let deadline = Date().addingTimeInterval(30)
        while !build.calls.contains(where: { $0.crate == "demo" }), Date() < deadline { usleep(2000) }
        return build
    }

    @Test(
        "31: a source changed while it is compiled is not stored as what it was",
        arguments: [800, 2600]
    )
    func changedMeanwhile(_ milliseconds: UInt32) throws {
        let box = try Sandbox()
        // A macro holds the compile up, once rustc has read the crate's root: some seconds that cost no CPU. Longer than
        // the time for which larder distrusts a young file, counted from the earlier of the two changes.
        let project = try box.project([
            "Cargo.toml": "[workspace]\nmembers = [\"nap\", \"demo\"]\nresolver = \"2\"\n",
            "nap/Cargo.toml": Project.manifest("nap", "[lib]\nproc-macro = true"),
            "nap/src/lib.rs": """
            #[proc_macro]
            pub fn nap(_: proc_macro::TokenStream) -> proc_macro::TokenStream {
                std::thread::sleep(std::time::Duration::from_millis(3500));
                Default::default()
            }
            """,
            "demo/Cargo.toml": Project.manifest("demo", "[dependencies]\nnap = { path = \"../nap\" }"),
            "demo/src/main.rs": "nap::nap!();\nfn main() { println!(\"one\"); }\n",
        ])
        let build = try startSlow(box, project)
        usleep(milliseconds * 1000)
        try project.edit("demo/src/main.rs", "one", "two")
        _ = try build.wait()
        for (text, other) in [("two", "one"), ("one", "two"), ("two", "one")] {
            project.remove("target")
            try box.cargo(["build", "-p", "demo"], in: project, Self.slowly).succeeded()
            #expect(try Tools.run(project.path("target/debug/demo"), []) == "\(text)\n", "\(box.events)")
            try project.edit("demo/src/main.rs", text, other)
        }
    }

    @Test("27: a target folder deleted meanwhile ends the build as rustc ends it, and the next is right")
    func targetDeleted() throws {
        let box = try Sandbox()
        let project = try box.project(Self.slowFiles)
        for milliseconds: UInt32 in [5, 100, 400] {
            let build = try startSlow(box, project)
            usleep(milliseconds * 1000)
            Files.remove(project.path("target"))
            _ = try build.wait()
            project.remove("target")
            try box.cargo(["build"], in: project, Self.slowly).succeeded()
            #expect(try Tools.run(project.path("target/debug/demo"), []) == "one\n")
            project.remove("target")
        }
    }

    @Test("27: arguments and file names that are no UTF-8 go to rustc as they are")
    func notText() throws {
        let box = try Sandbox()
        let name = Array("\(box.folder)/".utf8) + [0x6F, 0xFF] + Array(".rs".utf8)
        let made = name.map { CChar(bitPattern: $0) } + [0]
        let file = try #require(made.withUnsafeBufferPointer { path in path.baseAddress.flatMap { fopen($0, "w") } })
        fputs("fn main() {}\n", file)
        fclose(file)
        for extra in [[Array("--cfg".utf8), [0x61, 0xFE]], [name]] {
            var ended: [Ended] = []
            for larder in [false, true] {
                var command = Command(
                    larder ? Places.larder : box.toolchain.rustc,
                    [],
                    environment: box.environment,
                    folder: box.folder,
                    outputFolder: box.outputs
                )
                command.arguments = (larder ? [Array(box.toolchain.rustc.utf8)] : []) + extra
                command.arguments += ["--crate-name=own", "--emit=metadata", "-o", "own.out"].map { Array($0.utf8) }
                ended.append(try command.run())
            }
            #expect(ended[0].code == ended[1].code)
            #expect(Normal.lines(ended[0].errors) == Normal.lines(ended[1].errors))
        }
    }

    @Test("27: paths with spaces, quotes and letters from elsewhere")
    func oddPaths() throws {
        let box = try Sandbox("sp ace 'quo\"te' $x größe 木")
        let test = try Differential(
            Programs.program(
                "#[path = \"größe 'x'.rs\"] mod a;\nfn main() { println!(\"{} {}\", a::A, file!()); }\n",
                ["src/größe 'x'.rs": "pub const A: u32 = 1; pub fn unused() { let x = 1; }\n"]
            ),
            programs: [Programs.demo],
            box: box
        )
        let first = try test.step("first", .compiles("demo"))
        try test.step("again", .nothing, like: first)
        test.project = try test.project.copy(to: box.folder + "/other {cwd} place\\n")
        try test.step("other checkout", .compiles())
        try test.step("other checkout, fresh", .nothing)
    }
}
