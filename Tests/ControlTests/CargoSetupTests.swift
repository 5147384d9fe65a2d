import Foundation
import LarderControl
import Platform
import Testing

@Suite struct CargoSetupTests {
    private static let larder = "/usr/bin/larder"

    private func setup(_ scratch: Scratch, _ name: String = "cargo/config.toml") throws -> CargoSetup {
        try CargoSetup(file: "\(scratch.path)/\(name)", stateFolder: scratch.path + "/state")
    }

    private func apply(_ setup: CargoSetup, replaces: Bool = false) throws {
        try setup.apply(try setup.plan(wrapper: Self.larder, replaces: replaces))
    }

    @Test func `a missing file is made, and goes again`() throws {
        let scratch = try Scratch()
        let setup = try setup(scratch)
        try apply(setup)
        #expect(scratch.text("cargo/config.toml") == "[build]\nrustc-wrapper = \"/usr/bin/larder\"\n")
        try setup.apply(try setup.undo())
        #expect(scratch.text("cargo/config.toml") == nil)
    }

    @Test func `undo restores the file to the byte, and its mode`() throws {
        let scratch = try Scratch()
        let before = "# mine\n[build]\njobs = 2 # few\n\n\n[net]\nretry=3"
        let path = try scratch.write("cargo/config.toml", before)
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
        let setup = try setup(scratch)
        try apply(setup)
        #expect(scratch.text("cargo/config.toml") != before)
        #expect((FileStamp(of: path)?.mode ?? 0) & 0o777 == 0o600)
        try setup.apply(try setup.undo())
        #expect(scratch.text("cargo/config.toml") == before)
        #expect((FileStamp(of: path)?.mode ?? 0) & 0o777 == 0o600)
        #expect(try !setup.undo().isChange)
    }

    @Test func `another wrapper is refused, replaced when told, and brought back`() throws {
        let scratch = try Scratch()
        let before = "[build]\nrustc-wrapper = 'sccache' # slow\n"
        try scratch.write("cargo/config.toml", before)
        let setup = try setup(scratch)
        #expect(throws: Failure.self) { try apply(setup) }
        #expect(scratch.text("cargo/config.toml") == before)
        try apply(setup, replaces: true)
        #expect(scratch.text("cargo/config.toml") == "[build]\nrustc-wrapper = \"/usr/bin/larder\" # slow\n")
        try setup.apply(try setup.undo())
        #expect(scratch.text("cargo/config.toml") == before)
    }

    @Test func `undo leaves what was added to the file meanwhile`() throws {
        let scratch = try Scratch()
        try scratch.write("cargo/config.toml", "[build]\nrustc-wrapper = \"sccache\"\n")
        let setup = try setup(scratch)
        try apply(setup, replaces: true)
        try scratch.write("cargo/config.toml", (scratch.text("cargo/config.toml") ?? "") + "jobs = 3\n")
        try setup.apply(try setup.undo())
        #expect(scratch.text("cargo/config.toml") == "[build]\nrustc-wrapper = \"sccache\"\njobs = 3\n")
    }

    @Test func `a header that came with the change goes with it`() throws {
        let scratch = try Scratch()
        try scratch.write("cargo/config.toml", "[net]\nretry = 3\n")
        let setup = try setup(scratch)
        try apply(setup)
        try scratch.write("cargo/config.toml", "# new\n" + (scratch.text("cargo/config.toml") ?? ""))
        try setup.apply(try setup.undo())
        #expect(scratch.text("cargo/config.toml") == "# new\n[net]\nretry = 3\n\n")
    }

    @Test func `a larder that has moved is replaced without asking, and undo knows what was before`() throws {
        let scratch = try Scratch()
        let before = "[build]\nrustc-wrapper = \"sccache\"\n"
        try scratch.write("cargo/config.toml", before)
        let setup = try setup(scratch)
        try apply(setup, replaces: true)
        try setup.apply(try setup.plan(wrapper: "/usr/local/bin/larder", replaces: false))
        #expect(scratch.text("cargo/config.toml")?.contains("/usr/local/bin/larder") == true)
        try setup.apply(try setup.undo())
        #expect(scratch.text("cargo/config.toml") == before)
    }

    @Test func `doing it twice changes nothing`() throws {
        let scratch = try Scratch()
        let setup = try setup(scratch)
        try apply(setup)
        #expect(try !setup.plan(wrapper: Self.larder, replaces: false).isChange)
    }

    @Test func `undo without a change of ours leaves another wrapper alone`() throws {
        let scratch = try Scratch()
        try scratch.write("cargo/config.toml", "[build]\nrustc-wrapper = \"sccache\"\n")
        #expect(try !setup(scratch).undo().isChange)
    }

    @Test func `a linked file stays a link`() throws {
        let scratch = try Scratch()
        try scratch.write("dotfiles/cargo.toml", "# mine\n")
        try Files.makeFolder(scratch.path + "/cargo")
        let link = scratch.path + "/cargo/config.toml"
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: "../dotfiles/cargo.toml")
        let setup = try setup(scratch)
        try apply(setup)
        #expect(try FileManager.default.destinationOfSymbolicLink(atPath: link) == "../dotfiles/cargo.toml")
        #expect(scratch.text("dotfiles/cargo.toml")?.contains("rustc-wrapper") == true)
        try setup.apply(try setup.undo())
        #expect(scratch.text("dotfiles/cargo.toml") == "# mine\n")
    }

    @Test func `a link to nothing is refused`() throws {
        let scratch = try Scratch()
        try Files.makeFolder(scratch.path + "/cargo")
        try FileManager.default.createSymbolicLink(
            atPath: scratch.path + "/cargo/config.toml",
            withDestinationPath: "nowhere"
        )
        #expect(throws: Failure.self) { _ = try setup(scratch) }
    }

    @Test func `the file without an ending counts where there are both`() throws {
        let scratch = try Scratch()
        #expect(CargoSetup.file(in: scratch.path) == scratch.path + "/config.toml")
        try scratch.write("config.toml", "")
        try scratch.write("config", "")
        #expect(CargoSetup.file(in: scratch.path) == scratch.path + "/config")
    }

    @Test func `the change is shown as a diff`() {
        let before = Array("a\nb\nc\nd\ne\n".utf8)
        let after = Array("a\nb\nc\nX\ne\n".utf8)
        #expect(
            TextDiff.text("f", before, after) == "--- f\n+++ f\n@@ -1,5 +1,5 @@\n a\n b\n c\n-d\n+X\n e\n"
        )
        #expect(TextDiff.text("f", nil, Array("x\n".utf8)) == "--- /dev/null\n+++ f\n@@ -0,0 +1,1 @@\n+x\n")
    }

    @Test func `Cargo's own search decides which wrapper is in force`() throws {
        let scratch = try Scratch()
        try scratch.write("home/config.toml", "[build]\nrustc-wrapper = 'far'\n")
        let environment = scratch.environment(["CARGO_HOME": scratch.path + "/home"])
        let folder = scratch.path + "/builds/project"
        var problems: [String] = []
        #expect(CargoWiring.find(environment, folder: folder, problems: &problems)?.wrapper == "far")
        try scratch.write("builds/.cargo/config.toml", "[build]\nrustc-wrapper = 'near'\n")
        #expect(CargoWiring.find(environment, folder: folder, problems: &problems)?.wrapper == "near")
        let own = scratch.environment(["CARGO_HOME": scratch.path + "/home", "RUSTC_WRAPPER": ""])
        #expect(CargoWiring.find(own, folder: folder, problems: &problems)?.wrapper == "")
        #expect(problems == [])
        try scratch.write("builds/project/.cargo/config", "[build")
        _ = CargoWiring.find(environment, folder: folder, problems: &problems)
        #expect(problems.count == 1)
    }

    @Test func `setup shows the change, asks, and writes with yes`() throws {
        let scratch = try Scratch()
        // Installed as `make install` lays it out.
        let program = try Scratch.program
        try Files.makeFolder(scratch.path + "/usr/libexec/larder")
        try Files.makeFolder(scratch.path + "/usr/bin")
        try FileManager.default.copyItem(atPath: program, toPath: scratch.path + "/usr/libexec/larder/larderctl")
        try scratch.write("usr/bin/larder", "")
        try FileManager.default.setAttributes(
            [.posixPermissions: 0o755],
            ofItemAtPath: scratch.path + "/usr/bin/larder"
        )
        func run(_ arguments: [String]) throws -> (code: Int32, out: String, err: String) {
            try scratch.run("usr/libexec/larder/larderctl", arguments, ["CARGO_HOME": scratch.path + "/cargo"])
        }
        let asked = try run(["setup"])
        #expect(asked.code == 1)
        #expect(asked.out.contains("+rustc-wrapper = \"\(scratch.path)/usr/bin/larder\""))
        #expect(asked.err.contains("--yes"))
        #expect(scratch.text("cargo/config.toml") == nil)
        let done = try run(["setup", "--yes"])
        #expect(done.code == 0)
        #expect(scratch.text("cargo/config.toml")?.contains("\(scratch.path)/usr/bin/larder") == true)
        let project = try run(["setup", "--yes", "--project"])
        #expect(project.code == 0)
        #expect(scratch.text(".cargo/config.toml") == scratch.text("cargo/config.toml"))
        #expect(try run(["setup", "--undo", "--yes"]).code == 0)
        #expect(scratch.text("cargo/config.toml") == nil)
    }
}
