import BuildSupport
import Testing

/// Ways a Rust compile cache has gone wrong: too little in the key. What proc macros read.
@Suite("Too little in the key: proc macros")
struct MacroKeyTests {
    @Test("10: a proc macro that reads a variable")
    func variable() throws {
        let test = try Differential.withMacro("std::env::var(\"OWN_NAME\").unwrap_or(\"none\".into())")
        try test.expectSeen("demo", before: ["OWN_NAME": "one"], after: ["OWN_NAME": "two"])
        try test.expectSeen("demo", before: [:], after: ["OWN_NAME": ""])
    }

    @Test("10: a proc macro that goes through all variables")
    func allVariables() throws {
        let test = try Differential.withMacro("std::env::vars().filter(|v| v.0 == \"OWN_NAME\").map(|v| v.1).collect()")
        // Whether such a unit is stored is open; a wrong answer is not.
        try test.step("one", .anything, ["build"], ["OWN_NAME": "one"])
        try test.step("two", .anything, ["build"], ["OWN_NAME": "two"])
        try test.step("unset", .anything)
    }

    @Test("10: a proc macro that reads a file outside the package")
    func file() throws {
        let box = try Sandbox()
        let path = box.folder + "/outside.txt"
        Files.write(path, "one")
        let test = try Differential.withMacro(
            "std::fs::read_to_string(\"\(path)\").unwrap_or(\"none\".into())",
            box: box
        )
        try test.expectSeen(
            "demo",
            change: { _ in Files.write(path, "two") },
            restore: { _ in Files.write(path, "one") }
        )
        try test.expectSeen("demo", change: { _ in Files.remove(path) }, restore: { _ in Files.write(path, "one") })
    }

    @Test("10: a proc macro that looks for a file that is not there yet")
    func absentFile() throws {
        let box = try Sandbox()
        let path = box.folder + "/outside.txt"
        let test = try Differential.withMacro("std::path::Path::new(\"\(path)\").exists().to_string()", box: box)
        try test.expectSeen("demo", change: { _ in Files.write(path, "") }, restore: { _ in Files.remove(path) })
    }

    @Test("10: a proc macro that lists a folder")
    func listing() throws {
        let box = try Sandbox()
        let folder = box.folder + "/migrations"
        Files.write(folder + "/1.sql", "")
        let test = try Differential.withMacro(
            """
            let mut names: Vec<_> = std::fs::read_dir("\(folder)").unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names.join(" ")
            """,
            box: box
        )
        try test.expectSeen(
            "demo",
            change: { _ in Files.write(folder + "/2.sql", "") },
            restore: { _ in Files.remove(folder + "/2.sql") }
        )
    }

    @Test("10: a proc macro that runs git")
    func git() throws {
        let box = try Sandbox()
        let repository = box.folder + "/repository"
        let identity = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-C", repository]
        try Tools.run("git", ["init", "-q", repository])
        try Tools.run("git", identity + ["commit", "-q", "--allow-empty", "-m", "one"])
        let test = try Differential.withMacro(
            """
            let out = std::process::Command::new("git").args(["-C", "\(repository)", "rev-parse", "HEAD"]).output();
            String::from_utf8(out.unwrap().stdout).unwrap()
            """,
            box: box
        )
        try test.expectSeen(
            "demo",
            change: { _ in try Tools.run("git", identity + ["commit", "-q", "--allow-empty", "-m", "two"]) },
            restore: { _ in try Tools.run("git", identity + ["reset", "-q", "--hard", "HEAD~"]) }
        )
    }

    @Test("10: a proc macro that runs a program found in PATH", arguments: ["changed", "created earlier"])
    func program(_ way: String) throws {
        let box = try Sandbox()
        let folder = Project(folder: box.folder + "/programs")
        folder.script("later/own-program", "#!/bin/sh\necho one\n")
        folder.write("earlier/nothing", "")
        let test = try Differential.withMacro(
            """
            let out = std::process::Command::new("own-program").output();
            String::from_utf8(out.unwrap().stdout).unwrap()
            """,
            box: box
        )
        let path = ["PATH": "\(folder.path("earlier")):\(folder.path("later")):\(box.environment["PATH"] ?? "")"]
        let changed = way == "changed" ? "later/own-program" : "earlier/own-program"
        try test.expectSeen(
            "demo",
            before: path,
            after: path,
            change: { _ in folder.script(changed, "#!/bin/sh\necho two\n") },
            restore: { _ in
                if way == "changed" {
                    folder.script(changed, "#!/bin/sh\necho one\n")
                } else {
                    folder.remove(changed)
                }
            }
        )
    }

    @Test("10: a proc macro that reads the current folder")
    func currentFolder() throws {
        let test = try Differential.withMacro("std::env::current_dir().unwrap().display().to_string()")
        let first = try test.step("first", .anything)
        try test.step("unchanged", .nothing, like: first)
        let original = test.project
        test.project = try original.copy(to: test.box.folder + "/other/place")
        let second = try test.step("in another checkout", .anything)
        #expect(second.larder.built.compiled.contains("demo"))
        #expect(first.plain.programs != second.plain.programs)
        try test.step("there again", .nothing, like: second)
        test.project = original
        try test.step("in the first again", .nothing, like: first)
    }

    @Test("10: a proc macro whose reading fails the build")
    func failing() throws {
        let box = try Sandbox()
        let path = box.folder + "/outside.txt"
        Files.write(path, "one")
        let test = try Differential.withMacro(
            "std::fs::read_to_string(\"\(path)\").expect(\"the file is there\")",
            box: box
        )
        try test.expectSeen("demo", change: { _ in Files.remove(path) }, restore: { _ in Files.write(path, "one") })
    }

    @Test("10: a proc macro that was itself changed")
    func ownCode() throws {
        let test = try Differential.withMacro("\"one\".to_string()")
        try test.expectSeen(
            "demo",
            "spy",
            change: { try $0.edit("spy/src/lib.rs", "one", "two") },
            restore: { try $0.edit("spy/src/lib.rs", "two", "one") }
        )
    }
}
