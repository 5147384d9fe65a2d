package import ArgumentParser
internal import Platform
internal import Settings

package struct SetupCommand: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "setup",
        abstract: "Make Cargo use larder, by its configuration file.",
        discussion: """
            Writes `build.rustc-wrapper` into `config.toml` of CARGO_HOME. The change is shown before it is made, the rest \
            of the file stays as it is.
            """
    )

    @Flag(help: "For the project in this folder alone: ./.cargo/config.toml.")
    package var project = false

    @Flag(help: "Take the change back.")
    package var undo = false

    @Flag(help: "Replace another wrapper; --undo brings it back.")
    package var replace = false

    @Flag(help: "Don't ask.")
    package var yes = false

    package init() {}

    package func run() throws {
        let environment = Environment()
        let setup = try CargoSetup(
            file: CargoSetup.file(in: try folder(environment)),
            stateFolder: try stateFolder(environment)
        )
        let plan: CargoSetup.Plan
        if undo {
            plan = try setup.undo()
        } else {
            guard let wrapper = Installation()?.wrapper else {
                throw Failure("can't find `larder` beside this program: install larder anew with `make install`")
            }
            plan = try setup.plan(wrapper: wrapper, replaces: replace)
        }
        guard plan.isChange else {
            print(
                undo
                    ? "\(setup.path) does not name larder: nothing to undo."
                    : "Cargo uses larder already: \(setup.path)"
            )
            return warn(environment)
        }
        print(TextDiff.text(setup.path, plan.before, plan.after), terminator: "")
        guard yes || Terminal.confirm("Write this?") else { throw ExitCode(1) }
        try setup.apply(plan)
        let word = project ? "larder setup --project --undo" : "larder setup --undo"
        print(undo ? "Cargo is as it was." : "Done. `\(word)` takes it back, `larder doctor` checks it.")
        if project, !undo { print("It names this machine's larder: not a file to commit as it is.") }
        warn(environment)
    }

    private func folder(_ environment: Environment) throws -> String {
        if project { return ".cargo" }
        guard let home = CargoWiring.home(environment) else {
            throw Failure("neither CARGO_HOME nor HOME is set: say --project, or set one of them")
        }
        return home
    }

    private func stateFolder(_ environment: Environment) throws -> String {
        guard let folder = Settings.base(environment, "XDG_STATE_HOME", ".local/state") else {
            throw Failure("neither XDG_STATE_HOME nor HOME is set: there is no place to remember the change in")
        }
        return folder + "/larder"
    }

    /// A variable is stronger than the file.
    private func warn(_ environment: Environment) {
        guard !undo, let value = environment["RUSTC_WRAPPER"], Files.name(of: value) != "larder" else { return }
        Terminal.standardError(
            "But RUSTC_WRAPPER is \"\(value)\" in this environment, and Cargo goes by that: unset it.\n"
        )
    }
}
