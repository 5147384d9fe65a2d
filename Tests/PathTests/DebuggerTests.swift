import BuildSupport
import Foundation
import Testing

/// Debuggers, panics and backtraces of a program that was put back in another checkout.
@Suite("Programs put back in another checkout")
struct DebuggerTests {
    private static let files = [
        "Cargo.toml": "[workspace]\nmembers = [\"member\", \"demo\"]\nresolver = \"2\"\n",
        ".cargo/config.toml": Project.debianRegistry,
        "member/Cargo.toml": Project.manifest("member"),
        "member/src/lib.rs": "pub fn stop(at: u32) {\n    let here = at + 1;\n    println!(\"{here}\");\n}\n",
        "demo/Cargo.toml": Project.manifest(
            "demo",
            "[dependencies]\nmember = { path = \"../member\" }\nitoa = \"1\""
        ),
        "demo/src/main.rs": """
        fn main() {
            member::stop(1);
            let mut buffer = itoa::Buffer::new();
            println!("{}", buffer.format(7u8));
            if std::env::args().count() > 1 {
                panic!("here");
            }
        }

        """,
    ]

    /// A checkout whose program comes from another's cache entries.
    private func second() throws -> (box: Sandbox, project: Project, first: Project) {
        let box = try Sandbox()
        let first = try box.project(Self.files)
        try box.cargo(["build"], in: first).succeeded()
        let project = try first.copy(to: box.folder + "/other/place of b")
        let built = try box.cargo(["build"], in: project).succeeded()
        #expect(built.compiled == [])
        return (box, project, first)
    }

    private func gdb(_ box: Sandbox, _ project: Project, _ commands: [String]) throws -> String {
        let arguments = ["-nx", "-q", "-batch"] + commands.flatMap { ["-ex", $0] } + ["target/debug/demo"]
        let built = try box.start(Tools.path("gdb"), arguments, in: project.folder, larder: false).wait()
        return built.output + built.errors
    }

    private func debugPaths(_ arguments: [String], _ box: Sandbox, in folder: String) throws -> Built {
        try box.start(
            Places.larder,
            ["debug-paths"] + arguments,
            in: folder,
            larder: false,
            ["CARGO": box.toolchain.cargo]
        ).wait()
    }

    @Test("gdb stops at a member's line and lists it, with nothing configured")
    func members() throws {
        let (box, project, _) = try second()
        for place in ["lib.rs:2", "member/src/lib.rs:2"] {
            let said = try gdb(box, project, ["break \(place)", "run", "list 1,4", "info source"])
            #expect(said.contains("member::stop (at=1) at member/src/lib.rs:2"), "\(said)")
            #expect(said.contains("println!(\"{here}\");"), "\(said)")
            #expect(said.contains("Located in \(project.folder)/member/src/lib.rs"), "\(said)")
        }
    }

    @Test("gdb lists a dependency's source with what debug-paths prints")
    func dependencies() throws {
        let (box, project, _) = try second()
        let printed = try debugPaths([], box, in: project.folder)
            .succeeded()
        #expect(printed.output.contains("set substitute-path itoa-"))
        project.write("gdb commands", printed.output)
        let stop = ["break itoa::Buffer::new", "run", "list", "info source"]
        let without = try gdb(box, project, stop)
        #expect(without.contains("No such file or directory"), "\(without)")
        let with = try gdb(box, project, ["source gdb commands"] + stop)
        #expect(with.contains("Located in /usr/share/cargo/registry/itoa-"), "\(with)")
        #expect(with.contains("pub fn new() -> Buffer"), "\(with)")
    }

    @Test("debug-paths prints lldb's mapping for lldb, and fails with Cargo's words where there is no project")
    func lldb() throws {
        let (box, project, _) = try second()
        let printed = try debugPaths(["--lldb"], box, in: project.folder)
        #expect(printed.output.hasPrefix("settings set target.source-map itoa-"))
        #expect(printed.output.contains("\"\(project.folder)\""), "a path with spaces is quoted")
        let failed = try debugPaths([], box, in: box.folder)
        #expect(failed.code == 1)
        #expect(failed.errors.contains("Cargo.toml"))
    }

    @Test("a panic and its backtrace name members by relative paths, dependencies by name and version")
    func panics() throws {
        let (box, project, first) = try second()
        let ended = try box.start(
            project.path("target/debug/demo"),
            ["panic"],
            in: project.folder,
            larder: false,
            ["RUST_BACKTRACE": "1"]
        ).wait()
        #expect(ended.errors.contains("panicked at demo/src/main.rs:6:9:"), "\(ended.errors)")
        #expect(ended.errors.contains("at ./demo/src/main.rs:6:9"), "\(ended.errors)")
        #expect(!ended.errors.contains(first.folder))
    }
}
