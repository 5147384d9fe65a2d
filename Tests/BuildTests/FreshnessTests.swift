import BuildSupport
import Foundation
import Testing

/// After a build from the cache Cargo finds everything fresh, and an edit rebuilds what plain Cargo rebuilds.
@Suite("Freshness and incremental builds")
struct FreshnessTests {
    private static let files = [
        "Cargo.toml": "[workspace]\nmembers = [\"low\", \"middle\", \"demo\"]\nresolver = \"2\"\n",
        "low/Cargo.toml": Project.manifest("low", "build = \"build.rs\""),
        "low/build.rs": "fn main() { println!(\"cargo:rerun-if-changed=given.txt\"); }\n",
        "low/given.txt": "one",
        "low/src/lib.rs": "pub const GIVEN: &str = include_str!(\"../given.txt\");\n",
        "middle/Cargo.toml": Project.manifest("middle", "[dependencies]\nlow = { path = \"../low\" }"),
        "middle/src/lib.rs": "pub fn name() -> String { format!(\"<{}>\", low::GIVEN) }\n",
        "demo/Cargo.toml": Project.manifest("demo", "[dependencies]\nmiddle = { path = \"../middle\" }"),
        "demo/src/main.rs": "fn main() { println!(\"{}\", middle::name()); }\n",
    ]

    @Test(
        "touching one file rebuilds what plain Cargo rebuilds",
        arguments: ["low/given.txt", "low/src/lib.rs", "middle/src/lib.rs", "demo/src/main.rs", "low/build.rs"]
    )
    func touch(_ path: String) throws {
        let test = try Differential(Self.files, programs: [Programs.demo])
        test.isOrdered = false
        try test.step("cold", .anything, isClean: false)
        // Both halves start without a target folder: larder's comes from the cache.
        let warm = try test.step("warm", .nothing)
        #expect(warm.larder.built.code == 0)
        try test.step("warm, kept", .these([]), isClean: false) { _ in test.removeKept() }
        try test.step("nothing to do", .nothing, isClean: false)
        // Messages are compared: Cargo names in them every crate that it compiles.
        let touched = try test.step("touched", .anything, isClean: false) { project in
            try Tools.run("touch", [project.path(path)])
        }
        #expect(touched.plain.built.errors.contains("Compiling"))
        try test.step("nothing to do again", .nothing, isClean: false)
        let edited = try test.step("edited", .anything, isClean: false) { project in
            project.write(path, path.hasSuffix(".txt") ? "two" : project.read(path) + "// more\n")
        }
        #expect(edited.plain.built.errors.contains("Compiling"))
    }

    @Test("an incremental build's first run fills the cache, later runs are as fast and right as without larder")
    func incremental() throws {
        let test = try Differential(Self.files, programs: [Programs.demo])
        test.isOrdered = false
        let on: [String: String?] = ["CARGO_INCREMENTAL": "1"]
        try test.step("first", .anything, ["build"], on, isClean: false)
        for number in 2..<5 {
            try test.step("edit \(number)", .anything, ["build"], on, isClean: false) {
                $0.write("low/given.txt", "\(number)")
            }
            try test.step("nothing to do", .nothing, ["build"], on, isClean: false)
        }
        // From clean, as it was at first: answered by what the first run stored.
        try test.step("from clean", .nothing, ["build"], on) { $0.write("low/given.txt", "one") }
        // Over a restored tree rustc starts its sessions anew.
        try test.step("restored, kept", .anything, ["build"], on, isClean: false) { _ in test.removeKept() }
        for number in 6..<9 {
            try test.step("edit \(number)", .anything, ["build"], on, isClean: false) {
                $0.write("middle/src/lib.rs", "pub fn name() -> String { format!(\"\(number) {}\", low::GIVEN) }\n")
            }
        }
    }

    @Test("an error in an incremental build is shown every time, and mending it works")
    func incrementalError() throws {
        let test = try Differential(Programs.program("fn main() { println!(\"a\"); }\n"), programs: [Programs.demo])
        let on: [String: String?] = ["CARGO_INCREMENTAL": "1"]
        try test.step("first", .compiles("demo"), ["build"], on, isClean: false)
        for name in ["broken", "still broken"] {
            try test.step(name, .compiles("demo"), ["build"], on, isClean: false) {
                $0.write("src/main.rs", "fn main() { println!(\"{}\", missing); }\n")
            }
        }
        try test.step("mended", .anything, ["build"], on, isClean: false) {
            $0.write("src/main.rs", "fn main() { println!(\"a\"); }\n")
        }
    }
}
