import BuildSupport

/// Small projects that many tests start from.
enum Programs {
    /// A program of one crate.
    static func program(_ main: String, manifest: String = "", _ more: [String: String] = [:]) -> [String: String] {
        more.merging(["Cargo.toml": Project.manifest("demo", manifest), "src/main.rs": main]) { $1 }
    }

    /// A library of one crate.
    static func library(_ lib: String, manifest: String = "", _ more: [String: String] = [:]) -> [String: String] {
        more.merging(["Cargo.toml": Project.manifest("demo", manifest), "src/lib.rs": lib]) { $1 }
    }

    /// Where the program of `program` lies.
    static let demo = "debug/demo"
}

extension Differential {
    /// A workspace with a proc macro `seen!()`, which becomes the string that `body` gives, and a program that says it.
    static func withMacro(_ body: String, box: Sandbox? = nil) throws -> Differential {
        let test = try Differential(
            [
                "Cargo.toml": "[workspace]\nmembers = [\"spy\", \"demo\"]\nresolver = \"2\"\n",
                "spy/Cargo.toml": Project.manifest("spy", "[lib]\nproc-macro = true"),
                "spy/src/lib.rs": """
                #[proc_macro]
                pub fn seen(_: proc_macro::TokenStream) -> proc_macro::TokenStream {
                    let value: String = { \(body) };
                    format!("{value:?}").parse().expect("a string is a token")
                }
                """,
                "demo/Cargo.toml": Project.manifest("demo", "[dependencies]\nspy = { path = \"../spy\" }"),
                "demo/src/main.rs": "fn main() { println!(\"{}\", spy::seen!()); }\n",
            ],
            programs: [Programs.demo],
            box: box
        )
        test.isOrdered = false
        return test
    }

    /// The usual course for something that must count: built, built again from the cache, changed, put back.
    ///
    /// - Parameters:
    ///   - crates: the crates that the change must compile anew.
    ///   - changes: variables that stand for the change, if it is one of the environment.
    ///   - change: what is done to the project.
    ///   - restore: undoes it.
    ///   - restored: what may be compiled then; nothing but for a good reason.
    /// - Throws: also when the change changes nothing in the plain build's programs: such a test could not fail.
    func expectSeen(
        _ crates: String...,
        command: [String] = ["build"],
        before: [String: String?] = [:],
        after: [String: String?] = [:],
        isVisible: Bool = true,
        restored: Expected = .nothing,
        change: (Project) throws -> Void = { _ in },
        restore: (Project) throws -> Void = { _ in }
    ) throws {
        let first = try step("first", .anything, command, before)
        try step("unchanged", .nothing, command, before, like: first)
        let second = try step("changed", .these(crates), command, after, edit: change)
        if isVisible, first.plain.programs == second.plain.programs, first.plain.built.code == second.plain.built.code,
            first.plain.built.errors == second.plain.built.errors
        {
            throw TestFault("the change changes nothing that can be seen: \(second.plain.programs)")
        }
        try step("put back", restored, command, before, like: first, edit: restore)
    }
}
