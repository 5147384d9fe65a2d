import BuildSupport
import Foundation
import Testing

/// Ways in which larder itself was once led to a wrong answer, or broke a build, by somebody who tried.
@Suite("What an attacker found")
struct AttackTests {
    @Test("another library under the name of an --extern, at another path or behind a link")
    func externElsewhere() throws {
        let box = try Sandbox()
        let folder = Project(folder: box.folder + "/hand")
        for (name, number) in [("a", 1), ("b", 2)] {
            folder.write("\(name)/foo.rs", "pub const N: u32 = \(number);\n")
            let made = ["--crate-type", "rlib", "--crate-name", "foo", "\(name)/foo.rs", "-o", "\(name)/libfoo.rlib"]
            try box.rustc(made, in: folder.folder, larder: false).succeeded()
        }
        folder.write("main.rs", "fn main() { println!(\"{}\", foo::N); }\n")
        func say(_ library: String) throws -> String {
            let arguments = ["main.rs", "--error-format=json", "--extern", "foo=\(library)", "-o", "main"]
            try box.rustc(arguments, in: folder.folder).succeeded()
            return try Tools.run(folder.path("main"), [])
        }
        for (library, said) in [("a/libfoo.rlib", "1\n"), ("b/libfoo.rlib", "2\n"), ("a/libfoo.rlib", "1\n")] {
            #expect(try say(library) == said)
        }
        for (target, said) in [("a", "1\n"), ("b", "2\n")] {
            try Tools.run("ln", ["-sfn", target, folder.path("link")])
            #expect(try say("link/libfoo.rlib") == said)
        }
        #expect(box.events.last { $0.result == "hit" } != nil)
        let missing = ["main.rs", "--error-format=json", "--extern", "foo=none/libfoo.rlib", "-o", "main"]
        #expect(try box.rustc(missing, in: folder.folder).code == 1)
    }

    @Test("36: a failing compile is not taken for a probe, whatever a shell exports")
    func failingProbe() throws {
        let test = try Differential(
            Programs.program(
                "extern \"C\" { fn own_missing(); }\nfn main() { unsafe { own_missing() } }\n",
                ["build.rs": "fn main() {}\n"]
            )
        )
        let exported: [String: String?] = ["TARGET": "x", "NUM_JOBS": "4", "HOST": "x"]
        for name in ["first", "second"] { try test.step(name, .anything, ["build"], exported) }
        let failing = test.box.events.filter { $0.crate == "demo" && $0.type == "bin" }
        #expect(failing.count == 2)
        #expect(failing.allSatisfy { $0.unstored == "compile-failed" }, "\(failing)")
    }

    @Test("another ld.mold, or another linker of any name, by a folder that PATH gets in front")
    func linkerInPath() throws {
        let box = try Sandbox()
        let tools = Project(folder: box.folder + "/tools")
        tools.script("ld.mold", "#!/bin/sh\nexec /usr/bin/ld.mold --defsym=own_mark=42 \"$@\"\n")
        let test = try Differential(
            Programs.program(
                "extern \"C\" { #[linkage = \"extern_weak\"] static own_mark: *const u8; }\n"
                    + "fn main() { println!(\"{}\", unsafe { !own_mark.is_null() }); }\n"
            ),
            programs: [Programs.demo],
            box: box
        )
        try test.project.edit("src/main.rs", "extern \"C\"", "#![feature(linkage)]\nextern \"C\"")
        let flags: [String: String?] = [
            "RUSTC_BOOTSTRAP": "1", "RUSTFLAGS": "-C linker=gcc -C link-arg=-fuse-ld=mold -C relocation-model=static",
        ]
        let path = "\(tools.folder):\(box.environment["PATH"] ?? "")"
        try test.expectSeen("demo", before: flags, after: flags.merging(["PATH": path]) { $1 })
    }

    @Test("the same program in another folder of PATH, which finds its files by where it lies")
    func programPlace() throws {
        let box = try Sandbox()
        let source = box.folder + "/own-tool.c"
        Files.write(
            source,
            """
            #include <stdio.h>
            #include <unistd.h>
            int main(void) { char t[4096]; long n = readlink("/proc/self/exe", t, 4095); t[n] = 0; puts(t); return 0; }

            """
        )
        for name in ["a", "b"] {
            try Tools.run("mkdir", ["-p", "\(box.folder)/\(name)"])
            try Tools.run("cc", ["-o", "\(box.folder)/\(name)/own-tool", source])
        }
        let body = "String::from_utf8(std::process::Command::new(\"own-tool\").output().unwrap().stdout).unwrap()"
        let path = box.environment["PATH"] ?? ""
        try Differential.withMacro(body, box: box).expectSeen(
            "demo",
            before: ["PATH": "\(box.folder)/a:\(path)"],
            after: ["PATH": "\(box.folder)/b:\(path)"]
        )
    }

    @Test("a limit on the size of files kills no build", arguments: [2000, 60_000])
    func fileLimit(_ kibibytes: Int) throws {
        let box = try Sandbox(knowsToolchain: false)
        let project = try box.project(Programs.program("fn main() { println!(\"a\"); }\n"))
        // In blocks of 512 bytes.
        let script = "ulimit -f \(kibibytes * 2); exec \(box.toolchain.cargo) build"
        for larder in [false, true] {
            project.remove("target")
            let changes: [String: String?] = ["CARGO_PROFILE_DEV_DEBUG": "0", "CARGO_PROFILE_DEV_STRIP": "true"]
            let built = try box.start("/bin/sh", ["-c", script], in: project.folder, larder: larder, changes).wait()
            #expect(built.code == (kibibytes < 10_000 && !larder ? built.code : 0), "\(larder): \(built.errors)")
            if larder { #expect(!built.errors.contains("signal"), "\(built.errors)") }
        }
    }

    @Test("a linker that can't bear the observer, since it wants to come first in its process")
    func sanitizedLinker() throws {
        let box = try Sandbox()
        let linker = box.folder + "/linker"
        Files.write(
            linker + ".c",
            "#include <unistd.h>\nint main(int n, char **a) { a[0] = \"/usr/bin/cc\"; return execv(a[0], a); }\n"
        )
        try Tools.run("gcc", ["-fsanitize=address", "-o", linker, linker + ".c"])
        let test = try Differential(
            Programs.program("fn main() { println!(\"a\"); }\n"),
            programs: [Programs.demo],
            box: box
        )
        let flags: [String: String?] = ["RUSTFLAGS": "-C linker=\(linker)", "ASAN_OPTIONS": "detect_leaks=0"]
        for name in ["first", "second"] {
            let step = try test.step(name, .anything, ["build"], flags)
            #expect(step.larder.built.code == 0)
        }
    }

    @Test("a file that is swapped while the compile runs, by a link or a folder of another name")
    func swapped() throws {
        let box = try Sandbox()
        let test = try Differential.withMacro(
            """
            std::fs::write("\(box.folder)/has-begun", "").unwrap();
            let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
            while !std::path::Path::new("\(box.folder)/may-go-on").exists() && std::time::Instant::now() < end {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            std::fs::remove_file("\(box.folder)/has-begun").unwrap();
            String::new()
            """,
            box: box
        )
        test.project.write("demo/c1/m.rs", "pub const N: &str = \"one\";\n")
        test.project.write("demo/c2/m.rs", "pub const N: &str = \"two\";\n")
        test.project.write(
            "demo/src/main.rs",
            "#[path = \"../conf/m.rs\"] mod m;\nfn main() { println!(\"{}{}\", m::N, spy::seen!()); }\n"
        )
        let link = test.project.path("demo/conf")
        try Tools.run("ln", ["-sfn", "c1", link])
        sleep(2)
        let swapper = Thread {
            while !FileManager.default.fileExists(atPath: box.folder + "/has-begun") { usleep(2000) }
            _ = try? Tools.run("ln", ["-sfn", "c2", link])
            Files.write(box.folder + "/may-go-on", "")
        }
        swapper.start()
        try box.cargo(["build"], in: test.project).succeeded()
        while !swapper.isFinished { usleep(2000) }
        #expect(try Tools.run(test.project.path("target/debug/demo"), []) == "one\n")
        test.project.remove("target")
        try box.cargo(["build"], in: test.project).succeeded()
        #expect(try Tools.run(test.project.path("target/debug/demo"), []) == "two\n")
    }

    @Test(
        "a link that a proc macro asks about and that is pointed elsewhere",
        arguments: [
            "std::fs::read_link(\"LINK\").unwrap().display().to_string()",
            "std::fs::canonicalize(\"LINK\").unwrap().display().to_string()",
        ]
    )
    func link(_ body: String) throws {
        let box = try Sandbox()
        let link = box.folder + "/link"
        for name in ["a", "b"] { Files.write("\(box.folder)/\(name)/same", "") }
        try Tools.run("ln", ["-sfn", "a", link])
        try Differential.withMacro(body.replacingOccurrences(of: "LINK", with: link), box: box).expectSeen(
            "demo",
            change: { _ in try Tools.run("ln", ["-sfn", "b", link]) },
            restore: { _ in try Tools.run("ln", ["-sfn", "a", link]) }
        )
    }

    @Test("two files whose names differ only in how a letter is composed")
    func composed() throws {
        let (one, other) = ("caf\u{E9}.txt", "cafe\u{301}.txt")
        let test = try Differential(
            Programs.program(
                "fn main() { println!(\"{} {}\", include_str!(\"\(one)\"), include_str!(\"\(other)\")); }\n"
            ),
            programs: [Programs.demo]
        )
        for (name, text) in [(one, "a"), (other, "b")] { test.project.write("src/\(name)", text) }
        for text in ["b", "c", "b"] {
            let step = try test.step(text, .anything) { $0.write("src/\(other)", text) }
            #expect(step.larder.programs == ["debug/demo 0 a \(text)\n"])
        }
    }

    @Test("a file that a linker adds to is not put back over what became of it")
    func appended() throws {
        let box = try Sandbox()
        let folder = Project(folder: box.folder + "/hand")
        folder.script("linker", "#!/bin/sh\necho linked >> \(folder.path("links.log"))\nexec cc \"$@\"\n")
        folder.write("main.rs", "fn main() {}\n")
        for number in 1...3 {
            let arguments = ["main.rs", "--error-format=json", "-C", "linker=./linker", "-o", "main"]
            try box.rustc(arguments, in: folder.folder).succeeded()
            #expect(folder.read("links.log") == String(repeating: "linked\n", count: number))
        }
    }

    @Test("a folder that a proc macro makes and leaves empty is made every time")
    func emptyFolder() throws {
        let box = try Sandbox()
        let folder = box.folder + "/made"
        let test = try Differential.withMacro(
            "std::fs::create_dir_all(\"\(folder)\").unwrap(); String::new()",
            box: box
        )
        for _ in 0..<2 {
            Files.remove(folder)
            test.project.remove("target")
            try box.cargo(["build"], in: test.project).succeeded()
            #expect(FileManager.default.fileExists(atPath: folder))
        }
    }

    @Test("variables of a source that is compiled without dep-info")
    func withoutDepInfo() throws {
        let box = try Sandbox()
        let folder = Project(folder: box.folder + "/hand")
        folder.write("main.rs", "fn main() { println!(\"{:?}\", option_env!(\"XDG_CACHE_HOME\")); }\n")
        for value in ["one", "two", "one"] {
            let arguments = ["main.rs", "--error-format=json", "-o", "main"]
            try box.rustc(arguments, in: folder.folder, ["XDG_CACHE_HOME": value]).succeeded()
            #expect(try Tools.run(folder.path("main"), []) == "Some(\"\(value)\")\n")
        }
    }
}
