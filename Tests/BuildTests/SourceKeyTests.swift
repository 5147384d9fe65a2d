import BuildSupport
import Testing

/// Ways a Rust compile cache has gone wrong: too little in the key. The sources.
@Suite("Too little in the key: sources")
struct SourceKeyTests {
    private let main = "mod a;\nmod b;\nfn main() { println!(\"{} {}\", a::NAME, b::NAME); }\n"
    private let a = "pub const NAME: &str = \"one\";\n"
    private let b = "pub const NAME: &str = \"two\";\n"

    @Test("1: a change in a module is seen")
    func changedModule() throws {
        let test = try Differential(
            Programs.program(main, ["src/a.rs": a, "src/b.rs": b]),
            programs: [Programs.demo]
        )
        try test.expectSeen(
            "demo",
            change: { $0.write("src/a.rs", "pub const NAME: &str = \"eno\";\n") },
            restore: { $0.write("src/a.rs", a) }
        )
    }

    @Test("1: two modules with each other's contents are another crate")
    func swappedModules() throws {
        let test = try Differential(
            Programs.program(main, ["src/a.rs": a, "src/b.rs": b]),
            programs: [Programs.demo]
        )
        try test.expectSeen(
            "demo",
            change: {
                $0.write("src/a.rs", b)
                $0.write("src/b.rs", a)
            },
            restore: {
                $0.write("src/a.rs", a)
                $0.write("src/b.rs", b)
            }
        )
    }

    @Test(
        "1: a change in what the sources take in is seen",
        arguments: [
            ("path", "#[path = \"../more/text.txt\"] mod a; fn main() { println!(\"{}\", a::NAME); }"),
            ("include", "include!(\"../more/text.txt\"); fn main() { println!(\"{}\", NAME); }"),
            ("include_str", "fn main() { println!(\"{}\", include_str!(\"../more/text.txt\")); }"),
            ("include_bytes", "fn main() { println!(\"{:?}\", include_bytes!(\"../more/text.txt\")); }"),
            ("nested", "mod outer { pub mod inner; } fn main() { println!(\"{}\", outer::inner::NAME); }"),
        ]
    )
    func takenIn(_ way: String, _ main: String) throws {
        let path = way == "nested" ? "src/outer/inner.rs" : "more/text.txt"
        let test = try Differential(Programs.program(main, [path: a]), programs: [Programs.demo])
        try test.expectSeen("demo", change: { $0.write(path, b) }, restore: { $0.write(path, a) })
    }

    @Test("14: a file that is created where the compiler looks first is seen")
    func createdModule() throws {
        let main = "mod a;\nfn main() { println!(\"{}\", a::NAME); }\n"
        let test = try Differential(Programs.program(main, ["src/a.rs": a]), programs: [Programs.demo])
        // Both exist: rustc refuses (E0584).
        try test.expectSeen("demo", change: { $0.write("src/a/mod.rs", b) }, restore: { $0.remove("src/a") })
    }

    @Test("14: a library that is created in a folder searched earlier is seen")
    func createdLibrary() throws {
        let test = try Differential(
            Programs.program("extern crate helper;\nfn main() { println!(\"{}\", helper::NAME); }\n"),
            programs: [Programs.demo]
        )
        let folder = test.box.folder
        for (place, text) in [("later", a), ("spare", b)] {
            Files.write("\(folder)/\(place)/helper.rs", text)
            try test.box.rustc(
                ["--crate-type=lib", "--crate-name=helper", "-o", "libhelper.rlib", "helper.rs"],
                in: "\(folder)/\(place)",
                larder: false
            ).succeeded()
        }
        Files.write("\(folder)/earlier/empty", "")
        let flags = ["RUSTFLAGS": "-L \(folder)/earlier -L \(folder)/later"]
        try test.expectSeen(
            "demo",
            before: flags,
            after: flags,
            change: { _ in try Tools.run("cp", ["\(folder)/spare/libhelper.rlib", "\(folder)/earlier/"]) },
            restore: { _ in Files.remove("\(folder)/earlier/libhelper.rlib") }
        )
    }

    @Test("31: a file swapped for another with the same time and size is seen")
    func sameTimeAndSize() throws {
        let test = try Differential(
            Programs.program(main, ["src/a.rs": a, "src/b.rs": b]),
            programs: [Programs.demo]
        )
        let file = test.project.path("src/a.rs")
        try Tools.run("touch", ["-d", "2024-01-01 10:00", file])
        try test.expectSeen(
            "demo",
            change: { project in
                project.write("src/new.rs", b)
                try Tools.run("touch", ["-r", file, project.path("src/new.rs")])
                try Tools.run("mv", [project.path("src/new.rs"), file])
            },
            restore: { project in
                // In place this time: the same inode as well.
                project.write("src/a.rs", a)
                try Tools.run("touch", ["-d", "2024-01-01 10:00", file])
            }
        )
    }
}
