import BuildSupport
import Foundation
import Testing

/// Builds that run at once, a dependent that starts early, processes that are killed.
@Suite("In operation: many processes", .serialized)
struct ConcurrencyTests {
    /// A library whose code takes long to generate and a program's library that needs only its metadata.
    private static func slow() -> [String: String] {
        let functions = (0..<700).map { number in
            "pub fn f\(number)(v: &mut Vec<String>, n: u64) -> u64 { v.sort(); v.dedup(); "
                + "v.iter().map(|s| s.len() as u64 * \(number) + n).filter(|x| x % \(number + 2) != n).sum() }"
        }
        return [
            "Cargo.toml": "[workspace]\nmembers = [\"slow\", \"quick\"]\nresolver = \"2\"\n",
            "slow/Cargo.toml": Project.manifest("slow"), "slow/src/lib.rs": functions.joined(separator: "\n") + "\n",
            "quick/Cargo.toml": Project.manifest("quick", "[dependencies]\nslow = { path = \"../slow\" }"),
            "quick/src/lib.rs": "pub fn name() -> u64 { slow::f1(&mut vec![], 1) }\n",
        ]
    }

    @Test("26: a dependent starts, and is done, before its dependency's rustc has ended", arguments: [false, true])
    func pipelining(_ larder: Bool) throws {
        let box = try Sandbox()
        let project = try box.project(Self.slow())
        let built = try box.cargo(
            ["build", "-j2"],
            in: project,
            larder: larder,
            ["COUNTING_ENDS": "1", "CARGO_PROFILE_DEV_OPT_LEVEL": "2"]
        ).succeeded()
        let slow = try #require(built.compiles.first { $0.crate == "slow" })
        let quick = try #require(built.compiles.first { $0.crate == "quick" })
        let slowEnd = try #require(slow.ended)
        let quickEnd = try #require(quick.ended)
        #expect(quick.started < slowEnd)
        // Not by a hair: it was compiled from start to end meanwhile.
        #expect(quickEnd < slowEnd)
    }

    private static func many() -> [String: String] {
        var files = ["Cargo.toml": "[workspace]\nmembers = [\"c*\"]\nresolver = \"2\"\n"]
        let count = 6
        for number in 0..<count {
            let needs = number > 1 ? "[dependencies]\nc\(number - 1) = { path = \"../c\(number - 1)\" }" : ""
            files["c\(number)/Cargo.toml"] = Project.manifest("c\(number)", needs)
            let inner = number > 1 ? "c\(number - 1)::name()" : "String::new()"
            files["c\(number)/src/lib.rs"] = "pub fn name() -> String { format!(\"\(number) {}\", \(inner)) }\n"
        }
        files["c\(count - 1)/src/main.rs"] = "fn main() { println!(\"{}\", c\(count - 1)::name()); }\n"
        return files
    }
    private static let program = "target/debug/c5"
    private static let says = "5 4 3 2 1 \n"

    @Test("30: builds at once over one cold cache are right and damage nothing", arguments: [2, 8])
    func atOnce(_ count: Int) throws {
        let box = try Sandbox(paths: .exact)
        let first = try box.project(Self.many(), in: "checkout-0")
        try box.cargo(["generate-lockfile"], in: first, larder: false).succeeded()
        let projects = try [first] + (1..<count).map { try first.copy(to: "\(box.folder)/checkout-\($0)") }
        let running = try projects.enumerated().map { number, project in
            try box.startCargo(["build", "-j2"], in: project, log: "\(box.outputs)/calls-\(number)")
        }
        for build in running { try build.wait().succeeded() }
        for project in projects {
            #expect(try Tools.run(project.path(Self.program), []) == Self.says)
            // Fresh for Cargo, and by the cache what plain Cargo makes in this place.
            #expect(try box.cargo(["build"], in: project).succeeded().processes.isEmpty)
            project.remove("target")
            let warm = try box.cargo(["build"], in: project).succeeded()
            #expect(warm.processes.isEmpty, "\(box.events.filter { $0.result != "hit" })")
            try Tools.run("mv", [project.path("target"), project.path("warm")])
            try box.cargo(["build"], in: project, larder: false).succeeded()
            let differences = Tree.compare(project.path("target"), project.path("warm"), comparesBytes: true)
            #expect(differences.isEmpty, "\(differences)")
        }
        #expect(!box.events.contains { ($0.damaged ?? 0) > 0 })
    }

    @Test("30: builds at once of one and the same unit, in one place after the other's removal")
    func sameTree() throws {
        let box = try Sandbox()
        let project = try box.project(Self.many())
        try box.cargo(["generate-lockfile"], in: project, larder: false).succeeded()
        let running = try (0..<4).map { number in
            try box.startCargo(
                ["build", "--target-dir", "out-\(number)"],
                in: project,
                log: "\(box.outputs)/calls-\(number)"
            )
        }
        for build in running { try build.wait().succeeded() }
        for number in 0..<4 {
            #expect(try Tools.run(project.path("out-\(number)/debug/c5"), []) == Self.says)
        }
    }

    @Test("32: after a kill -9 of every process at any instant, the next build is right")
    func killed() throws {
        let box = try Sandbox()
        let project = try box.project(Self.many())
        try box.cargo(["generate-lockfile"], in: project, larder: false).succeeded()
        var numbers = SystemRandomNumberGenerator()
        for round in 0..<12 {
            project.remove("target")
            // Every round compiles something new, so that there is something to store.
            try project.edit("c0/src/lib.rs", "pub fn name", "pub fn other\(round)() {}\npub fn name")
            let build = try box.startCargo(["build", "-j2"], in: project)
            let delay = UInt32.random(in: 20_000..<700_000, using: &numbers)
            usleep(delay)
            build.running.signalGroup(SIGKILL)
            _ = try build.wait()
            let after = try box.cargo(["build", "-j2"], in: project)
            #expect(after.code == 0, "killed after \(delay) µs: \(after.errors)")
            #expect(try Tools.run(project.path(Self.program), []) == Self.says, "killed after \(delay) µs")
            project.remove("target")
            let again = try box.cargo(["build", "-j2"], in: project).succeeded()
            #expect(try Tools.run(project.path(Self.program), []) == Self.says)
            #expect(again.compiled == [], "killed after \(delay) µs: \(box.events.suffix(12))")
        }
    }

    @Test("32: Ctrl-C ends the build by that signal and leaves no compiler running", arguments: [SIGINT, SIGTERM])
    func interrupted(_ signal: Int32) throws {
        let box = try Sandbox()
        let project = try box.project(Self.slow())
        let build = try box.startCargo(
            ["build", "-j2"],
            in: project,
            ["CARGO_PROFILE_DEV_OPT_LEVEL": "2"]
        )
        // Until the slow crate's compiler runs.
        let deadline = Date().addingTimeInterval(30)
        while !build.calls.contains(where: { $0.crate == "slow" }), Date() < deadline { usleep(5000) }
        usleep(200_000)
        let calls = build.calls
        try #require(calls.contains { $0.crate == "slow" })
        build.running.signalGroup(signal)
        let ended = try build.wait(limit: 30)
        #expect(ended.ended.signal == signal || ended.code != 0)
        // Nobody of the group is left, the compilers included.
        let group = build.running.process
        let limit = Date().addingTimeInterval(5)
        while kill(-group, 0) == 0, Date() < limit { usleep(10_000) }
        #expect(kill(-group, 0) != 0, "a process of the build is still there")
        for call in calls { #expect(kill(pid_t(call.process), 0) != 0, "\(call.crate)'s rustc still runs") }
        let again = try box.cargo(["build"], in: project)
        #expect(again.code == 0, "\(again.errors)")
    }

    @Test("32: a compiler killed by a signal ends the wrapper by that signal")
    func signalled() throws {
        let box = try Sandbox()
        let project = try box.project(Self.slow())
        for larder in [false, true] {
            let arguments = [
                "--crate-type=lib", "--crate-name=slow", "-O", "--out-dir=\(box.folder)", "slow/src/lib.rs",
            ]
            let words = larder ? [box.toolchain.rustc] + arguments : arguments
            let build = try box.start(
                larder ? Places.larder : box.toolchain.rustc,
                words,
                in: project.folder,
                larder: larder
            )
            let deadline = Date().addingTimeInterval(30)
            while build.calls.first(where: { $0.crate == "slow" }) == nil, Date() < deadline { usleep(5000) }
            let compiler = try #require(build.calls.first { $0.crate == "slow" })
            usleep(100_000)
            kill(pid_t(compiler.process), SIGABRT)
            let ended = try build.wait(limit: 30)
            #expect(ended.ended.signal == SIGABRT, "larder: \(larder), code \(ended.code)")
        }
        #expect(!box.events.contains { $0.stored == true })
    }
}
