import BuildSupport
import Testing

/// Programs that larder can't look into: their results are never stored, and the build is right.
@Suite("What can't be observed")
struct UnobservableTests {
    /// A program that takes no preloaded library, since it is linked statically.
    private func staticProgram(_ path: String, _ source: String) throws {
        Files.write(path + ".c", source)
        try Tools.run("cc", ["-static", "-o", path, path + ".c"])
    }

    private func expectUnobservable(_ test: Differential, _ changes: [String: String?] = [:]) throws {
        for name in ["first", "second"] {
            let before = test.box.events.count
            let step = try test.step(name, .anything, ["build"], changes)
            #expect(step.larder.built.compiled.contains("demo"), "\(name)")
            let events = test.box.events.dropFirst(before)
            #expect(events.contains { $0.crate == "demo" && $0.unstored == "unobservable" }, "\(name): \(events)")
        }
    }

    @Test("a linker that is a static program")
    func linker() throws {
        let test = try Differential(Programs.program("fn main() { println!(\"a\"); }\n"), programs: [Programs.demo])
        let linker = test.box.folder + "/linker"
        try staticProgram(
            linker,
            "#include <unistd.h>\nint main(int n, char **a) { a[0] = \"/usr/bin/cc\"; return execv(a[0], a); }\n"
        )
        try expectUnobservable(test, ["RUSTFLAGS": "-C linker=\(linker)"])
    }

    @Test("a proc macro that runs a static program, which reads what nobody sees")
    func macro() throws {
        let box = try Sandbox()
        let program = box.folder + "/reader"
        let file = box.folder + "/value.txt"
        try staticProgram(
            program,
            """
            #include <stdio.h>
            int main(void) { FILE *f = fopen("\(file)", "r"); int c; while ((c = getc(f)) != EOF) putchar(c); return 0; }

            """
        )
        Files.write(file, "one")
        let test = try Differential.withMacro(
            """
            let out = std::process::Command::new("\(program)").output().unwrap();
            String::from_utf8(out.stdout).unwrap()
            """,
            box: box
        )
        try expectUnobservable(test)
        Files.write(file, "two")
        let changed = try test.step("changed", .anything)
        #expect(changed.larder.programs == ["debug/demo 0 two\n"])
    }

    @Test("a proc macro that writes a file elsewhere is run every time")
    func sideEffect() throws {
        let box = try Sandbox()
        let file = box.folder + "/written.txt"
        let test = try Differential(
            [
                "Cargo.toml": "[workspace]\nmembers = [\"spy\", \"demo\"]\nresolver = \"2\"\n",
                "spy/Cargo.toml": Project.manifest("spy", "[lib]\nproc-macro = true"),
                "spy/src/lib.rs": """
                #[proc_macro]
                pub fn write(_: proc_macro::TokenStream) -> proc_macro::TokenStream {
                    std::fs::write("\(file)", "written").unwrap();
                    Default::default()
                }
                """,
                "demo/Cargo.toml": Project.manifest("demo", "[dependencies]\nspy = { path = \"../spy\" }"),
                "demo/src/main.rs": "spy::write!();\nfn main() {}\n",
            ],
            programs: [Programs.demo],
            box: box
        )
        test.isOrdered = false
        for name in ["first", "second"] {
            Files.remove(file)
            try test.step(name, .anything) { _ in Files.remove(file) }
            // The plain half wrote it too: away with it, and once more through larder alone.
            Files.remove(file)
            test.project.remove("target")
            try box.cargo(["build"], in: test.project).succeeded()
            #expect(Files.read(file) == "written", "\(name)")
        }
    }
}
