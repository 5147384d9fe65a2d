import BuildSupport
import Foundation
import Glibc

/// A project built in two checkouts, in every way that the tests compare.
struct TwoCheckouts {
    struct Build {
        let checkout: Checkout
        let built: Built
    }

    let box: Sandbox
    let first: Checkout
    let second: Build
    /// Events of the second checkout's first build.
    let secondEvents: [LoggedEvent]
    let plain: Built
    /// `cargo test` in the second checkout, after its build.
    let tests: Built
    let again: Built
    /// The builds after a change of one line.
    let plainChange: Built
    let change: Built
    /// Target folders: of the first, of the second, of the second plainly, in exact mode, and with a cache of its own.
    let firstOutputs: String
    let secondOutputs: String
    let plainOutputs: String
    let exactOutputs: String
    let apartOutputs: String

    static let workspace = Result {
        try TwoCheckouts(
            Project(folder: Places.projects + "/workspace"),
            command: ["build", "--workspace", "--all-targets"],
            changed: ("jars/src/count.rs", "\n// A line more.\n")
        )
    }

    /// The demo's and the benchmark's.
    static let programFolder = Places.package + "/demo/program"

    static let program = Result {
        try TwoCheckouts(
            Project(folder: programFolder),
            command: ["build"],
            changed: ("src/main.rs", "\n// A line more.\n")
        )
    }

    /// - Parameters:
    ///   - changed: a file and what is appended to it.
    init(_ source: Project, command: [String], changed: (file: String, text: String)) throws {
        let box = try Sandbox("two")
        self.box = box
        let locked = try source.copy(to: box.folder + "/locked")
        locked.write(".cargo/config.toml", Project.debianRegistry)
        try box.cargo(["generate-lockfile"], in: locked, larder: false).succeeded()
        locked.remove(".cargo")
        let crates = Self.crates(locked.read("Cargo.lock"))

        first = try Checkout(box.folder + "/a", of: locked, crates: crates)
        let place = box.folder + "/another/checkout of b"
        let link = place + "/a link"
        let real = place + "/target folder/real"
        try FileManager.default.createDirectory(atPath: real, withIntermediateDirectories: true)
        guard symlink(real, link) == 0 else { throw TestFault("can't make the link \(link)") }
        let other = try Checkout(
            place,
            of: locked,
            path: "deeper/by/far/work space",
            target: link,
            crates: crates
        )

        func keep(_ name: String) throws -> String {
            let kept = "\(box.folder)/kept-\(name)"
            try FileManager.default.createDirectory(atPath: kept, withIntermediateDirectories: true)
            guard rename(real, kept) == 0 else { throw TestFault("can't put \(real) aside") }
            try FileManager.default.createDirectory(atPath: real, withIntermediateDirectories: true)
            return kept
        }

        try box.cargo(command, in: first).succeeded()
        firstOutputs = first.targetFolder

        // Plainly and in exact mode, at one path.
        plain = try box.cargo(command, in: other, larder: false).succeeded()
        plainOutputs = try keep("plain")
        try box.cargo(command, in: other, ["LARDER_PATHS": "exact", "LARDER_DIR": try Self.cache("exact", box)])
            .succeeded()
        exactOutputs = try keep("exact")
        // With a cache of its own.
        try box.cargo(command, in: other, ["LARDER_DIR": try Self.cache("apart", box)]).succeeded()
        apartOutputs = try keep("apart")

        // And from the first checkout's cache.
        let before = box.events.count
        let built = try box.cargo(command, in: other).succeeded()
        secondEvents = Array(box.events.dropFirst(before))
        second = Build(checkout: other, built: built)
        secondOutputs = box.folder + "/kept-second"
        try Tools.run("cp", ["-a", real, secondOutputs])
        again = try box.cargo(command, in: other).succeeded()
        tests = try box.cargo(["test", "--workspace", "--all-targets"], in: other)

        // Changed: plainly in the plain outputs, then through larder.
        let text = other.project.read(changed.file)
        sleep(1)
        other.project.write(changed.file, text + changed.text)
        change = try box.cargo(command, in: other).succeeded()
        try Tools.run("rm", ["-rf", real])
        try Tools.run("cp", ["-a", plainOutputs, real])
        plainChange = try box.cargo(command, in: other, larder: false).succeeded()
    }

    /// An empty cache that knows the toolchain.
    private static func cache(_ name: String, _ box: Sandbox) throws -> String {
        let folder = "\(box.folder)/cache-\(name)"
        try FileManager.default.createDirectory(
            atPath: folder,
            withIntermediateDirectories: true,
            attributes: [.posixPermissions: 0o700]
        )
        for part in ["toolchains", "memo"] { try Tools.run("cp", ["-a", "\(box.cache)/\(part)", "\(folder)/\(part)"]) }
        return folder
    }

    /// Names of the crates that a lock file holds.
    private static func crates(_ lock: String) -> Set<String> {
        Set(lock.split(separator: "\n").filter { $0.hasPrefix("name = ") }.map { String($0.dropFirst(8).dropLast()) })
    }
}
