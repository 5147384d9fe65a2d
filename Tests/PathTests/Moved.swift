import BuildSupport
import Foundation

/// A small project, built where it was made and then in another folder for another person: each time plainly too, and
/// every difference from plain Cargo is thrown.
struct Moved {
    let first: Differential.Step
    let second: Differential.Step
    let test: Differential

    /// - Parameters:
    ///   - workspace: the folder below the project in which Cargo is started.
    ///   - compiled: crates that the second checkout may not take from the first.
    ///   - program: a program that is run, relative to the target folder.
    ///   - changes: variables for both, given the checkout's folder.
    @discardableResult
    init(
        _ files: [String: String],
        workspace: String = "",
        compiled: [String],
        programs: [String] = ["debug/demo"],
        command: [String] = ["build"],
        changes: (String) -> [String: String?] = { _ in [:] }
    ) throws {
        test = try Differential(files, programs: programs)
        test.isOrdered = false
        let root = test.project
        let other = test.box.folder + "/other/place of b"
        func start(_ folder: String) -> Project {
            Project(folder: workspace.isEmpty ? folder : "\(folder)/\(workspace)")
        }
        test.project = start(root.folder)
        first = try test.step("first checkout", .anything, command, changes(root.folder))
        let unstored = test.box.events.filter { $0.unstored != nil }
        if !unstored.isEmpty { throw TestFault("not all was stored: \(unstored)") }
        let moved = try root.copy(to: other + "/project")
        test.project = start(moved.folder)
        let home: [String: String?] = ["HOME": other + "/home", "CARGO_HOME": other + "/home/cargo"]
        second = try test.step(
            "second checkout",
            .these(compiled),
            command,
            home.merging(changes(moved.folder)) { $1 }
        )
        let foreign = Mentions.find([root.folder + "/", test.box.home], below: second.larder.target)
        if !foreign.isEmpty { throw TestFault("the second checkout's outputs hold the first's paths: \(foreign)") }
    }
}

/// Small projects of one package named `demo`.
enum Demo {
    static func program(_ main: String, _ more: [String: String] = [:]) -> [String: String] {
        var files = ["Cargo.toml": Project.manifest("demo"), "src/main.rs": main]
        files.merge(more) { $1 }
        return files
    }

    /// With a proc macro `asked!()`, whose body gives the tokens as text, in a workspace of both.
    static func macro(_ body: String, _ main: String, _ more: [String: String] = [:]) -> [String: String] {
        var files = [
            "Cargo.toml": "[workspace]\nmembers = [\"asker\", \"demo\"]\nresolver = \"2\"\n",
            "asker/Cargo.toml": Project.manifest("asker", "[lib]\nproc-macro = true"),
            "asker/src/lib.rs": """
            use proc_macro::TokenStream;
            #[proc_macro]
            pub fn asked(_: TokenStream) -> TokenStream {
                let folder = std::env::var("CARGO_MANIFEST_DIR").unwrap();
                let text: String = {\(body)};
                text.parse().unwrap()
            }

            """,
            "demo/Cargo.toml": Project.manifest("demo", "[dependencies]\nasker = { path = \"../asker\" }"),
            "demo/src/main.rs": main,
        ]
        files.merge(more) { $1 }
        return files
    }

    /// With a library `leaf` beside the workspace `demo`, outside of it.
    static func outside(_ leaf: String, _ main: String) -> [String: String] {
        [
            "leaf/Cargo.toml": Project.manifest("leaf"), "leaf/src/lib.rs": leaf,
            "demo/Cargo.toml": Project.manifest("demo", "[dependencies]\nleaf = { path = \"../leaf\" }"),
            "demo/src/main.rs": main,
        ]
    }
}
