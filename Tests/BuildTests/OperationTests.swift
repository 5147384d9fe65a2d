import BuildSupport
import Foundation
import Testing

/// Ways a Rust compile cache has gone wrong: how it is called, and what it leaves.
@Suite("In operation: calls and size")
struct OperationTests {
    private static let files = Programs.program(
        "fn main() { println!(\"{}\", demo::NAME); }\n",
        ["src/lib.rs": "pub const NAME: &str = \"one\";\n"]
    )

    @Test("28: a second wrapper before larder, in RUSTC_WRAPPER, changes nothing")
    func wrapperBefore() throws {
        let test = try Differential(Self.files, programs: [Programs.demo])
        let script = Project(folder: test.box.folder)
        script.script("wrapper", "#!/bin/sh\nexec \(Places.larder) \"$@\"\n")
        // The plain half goes without it: its messages must be the same.
        let project = test.project
        let plain = try test.box.cargo(["build"], in: project, larder: false).succeeded()
        for result in [["demo", "demo"], []] {
            project.remove("target")
            let built = try test.box.cargo(["build"], in: project, ["RUSTC_WRAPPER": script.path("wrapper")])
            #expect(built.compiled == result, "\(test.box.events)")
            #expect(Normal.lines(built.errors) == Normal.lines(plain.errors))
        }
    }

    @Test("28: a wrapper between larder and rustc is run, whatever it does")
    func wrapperBetween() throws {
        let test = try Differential(Self.files, programs: [Programs.demo])
        let script = Project(folder: test.box.folder)
        script.script("wrapper", "#!/bin/sh\nexec \"$@\"\n")
        let changes: [String: String?] = ["RUSTC_WORKSPACE_WRAPPER": script.path("wrapper")]
        for name in ["first", "second"] { try test.step(name, .anything, ["build"], changes) }
        // It now denies what it let pass.
        script.script("wrapper", "#!/bin/sh\nexec \"$@\" -D warnings\n")
        let denied = try test.step("denied", .anything, ["build"], changes) {
            $0.write("src/lib.rs", "pub const NAME: &str = \"two\"; fn unused() {}\n")
        }
        #expect(denied.plain.built.code == 101)
    }

    @Test("28: called through a link named rustc, larder is the next rustc in PATH")
    func link() throws {
        let test = try Differential(Self.files, programs: [Programs.demo])
        let folder = test.box.folder + "/links"
        try Tools.run("mkdir", ["-p", folder])
        try Tools.run("ln", ["-s", Places.larder, folder + "/rustc"])
        let path = "\(folder):\(test.box.environment["PATH"] ?? "")"
        let project = test.project
        for result in [["demo", "demo"], []] {
            project.remove("target")
            let built = try test.box.cargo(["build"], in: project, larder: false, ["PATH": path]).succeeded()
            #expect(built.compiled == result, "\(test.box.events)")
            #expect(try Tools.run(project.path("target/debug/demo"), []) == "one\n")
        }
    }

    @Test("28: called without a wrapper's arguments by hand, rustc answers")
    func byHand() throws {
        let box = try Sandbox()
        for arguments in [
            ["-vV"], ["--version"], ["--print=sysroot"], ["--print", "target-list"], ["--explain", "E0308"],
            ["--no-such"],
        ] {
            let plain = try box.rustc(arguments, in: box.folder, larder: false)
            for _ in 0..<2 {
                let larder = try box.rustc(arguments, in: box.folder)
                #expect(plain.code == larder.code, "\(arguments)")
                #expect(plain.output == larder.output, "\(arguments)")
                #expect(plain.errors == larder.errors, "\(arguments)")
            }
        }
    }

    @Test("30: a cache over its limit is trimmed, and the newest stays")
    func limit() throws {
        let box = try Sandbox()
        let project = try box.project(Self.files)
        let limit = 16 << 20
        let changes: [String: String?] = ["LARDER_CACHE_SIZE": "\(limit)"]
        for number in 0..<10 {
            project.write("src/lib.rs", "pub const NAME: &str = \"\(number)\";\n")
            project.remove("target")
            try box.cargo(["build"], in: project, changes).succeeded()
        }
        func held() -> Int {
            Files.tree(box.cache + "/blobs").reduce(0) { sum, path in
                let attributes = try? FileManager.default.attributesOfItem(atPath: "\(box.cache)/blobs/\(path)")
                return sum + ((attributes?[.size] as? Int) ?? 0)
            }
        }
        // A build under way may go over it for a moment; not for good. The last trim may not have ended yet.
        for _ in 0..<200 where held() > limit + limit / 4 { usleep(50_000) }
        #expect(held() <= limit + limit / 4, "\(held()) bytes held of \(limit)")
        project.remove("target")
        let again = try box.cargo(["build"], in: project, changes).succeeded()
        #expect(again.compiled == [], "\(box.events.suffix(8))")
    }

    @Test("30: the cache is its user's alone")
    func modes() throws {
        let box = try Sandbox(knowsToolchain: false)
        let project = try box.project(Self.files)
        try box.cargo(["build"], in: project).succeeded()
        #expect(Files.mode(box.cache) == 0o700)
        for path in Files.tree(box.cache) {
            let mode = Files.mode("\(box.cache)/\(path)") ?? 0
            #expect(mode & 0o022 == 0, "\(path) can be written by others: \(String(mode, radix: 8))")
        }
    }

    @Test("32: nothing of larder's is left beside the outputs or among temporary files")
    func leftovers() throws {
        let box = try Sandbox()
        let project = try box.project(Self.files)
        for _ in 0..<2 {
            project.remove("target")
            try box.cargo(["build"], in: project).succeeded()
        }
        #expect(Files.tree(box.folder + "/tmp") == [])
        #expect(Files.tree(box.cache + "/tmp") == [])
        #expect(!Files.tree(project.folder).contains { $0.contains("larder") })
    }
}
