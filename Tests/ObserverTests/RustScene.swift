import Foundation
import Testing

@testable import Trace

/// A compile by the real rustc.
struct Compile {
    let outcome: Scene.Outcome
    let observation: Observation

    var files: Set<String> { paths { if case .file(let path) = $0 { path } else { nil } } }
    var absent: Set<String> { paths { if case .absent(let path) = $0 { path } else { nil } } }
    var existing: Set<String> { paths { if case .exists(let path) = $0 { path } else { nil } } }
    var listings: Set<String> { paths { if case .listing(let path) = $0 { path } else { nil } } }
    var variables: Set<String> { paths { if case .variable(let name) = $0 { name } else { nil } } }
    var programs: Set<String> { paths { if case .program(let name) = $0 { name } else { nil } } }
    var asksCurrentFolder: Bool { observation.dependencies.contains(.currentFolder) }

    private func paths(_ pick: (Dependency) -> String?) -> Set<String> {
        Set(observation.dependencies.compactMap(pick))
    }
}

extension Scene {
    static let sysroot: String = {
        let scene = try? Scene()
        let outcome = try? scene?.run("/usr/bin/env", ["rustc", "--print", "sysroot"])
        return outcome?.output.trimmingCharacters(in: .whitespacesAndNewlines) ?? "no rustc in PATH"
    }()

    /// Runs rustc on `main.rs` or `lib.rs` as Cargo would, outputs into `out`.
    func compile(
        _ source: String,
        _ arguments: [String],
        environment: [String: String] = Scene.environment,
        throughProxy: Bool = false,
        succeeds: Bool = true
    ) throws -> Compile {
        let compiler = "\(Self.sysroot)/bin/rustc"
        let outcome = try observe(
            throughProxy ? "/usr/bin/env" : compiler,
            (throughProxy ? ["rustc"] : []) + [source, "--edition=2021", "--out-dir", path("out")] + arguments,
            environment: environment
        )
        try #require((outcome.status == 0) == succeeds, "\(outcome.errors)")
        var rules = ObservationRules()
        rules.compiler = compiler
        rules.sysroot = Self.sysroot
        rules.rootProcess = outcome.process
        rules.outputFolders = [path("out")]
        rules.ignoredFiles = [try Self.library()]
        rules.dependencyFolders = [path("out"), path("macro")]
        // As the wrapper has it.
        rules.ignoredFolders = [path("out/incremental")]
        rules.crateFolders = [path("crates")]
        rules.variables = environment.mapValues { Trace.hash($0.utf8) }
        return Compile(outcome: outcome, observation: Observation(outcome.trace, rules))
    }

    /// Makes a proc macro `ask!()` of this body, which gives a string, and a program that prints what it says.
    ///
    /// - Returns: the compile of the program.
    func compileWithMacro(_ body: String, environment: [String: String] = Scene.environment) throws -> Compile {
        try makeMacro(body)
        try write("main.rs", "fn main() { println!(\"{}\", ask::ask!()); }")
        return try compile(
            "main.rs",
            ["--crate-type", "lib", "--emit=metadata", "--extern", "ask=\(path("macro/libask.so"))"],
            environment: environment
        )
    }

    private func makeMacro(_ body: String) throws {
        try write(
            "ask.rs",
            """
            extern crate proc_macro;
            #[proc_macro]
            pub fn ask(_: proc_macro::TokenStream) -> proc_macro::TokenStream {
                let answer: String = { \(body) };
                format!("{:?}", answer).parse().unwrap()
            }
            """
        )
        let made = try run(
            "\(Self.sysroot)/bin/rustc",
            ["ask.rs", "--edition=2021", "--crate-type", "proc-macro", "--out-dir", path("macro")]
        )
        try #require(made.status == 0, "\(made.errors)")
    }
}
