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
