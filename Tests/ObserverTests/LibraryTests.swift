import Foundation
import Testing

@testable import Trace

@Suite("The observer's library")
struct LibraryTests {
    @Test("needs libc and nothing else")
    func needs() throws {
        let scene = try Scene()
        let told = try scene.run("/usr/bin/readelf", ["-d", try Scene.library()])
        let needed = told.output.split(separator: "\n").filter { $0.contains("(NEEDED)") }
        #expect(needed.count == 1 && needed.allSatisfy { $0.contains("[libc.so.6]") }, "\(needed)")
    }

    @Test("changes no result, no errno and nothing that is printed")
    func transparent() throws {
        let scene = try Scene()
        let program = try scene.program("calls", ["-O0", "-ldl"])
        try scene.write("file", "text")
        let plain = try scene.run(program, [scene.folder])
        let observed = try scene.observe(program, [scene.folder])
        #expect(plain.status == 0)
        #expect(observed.status == 0)
        #expect(!plain.output.isEmpty && plain.output == observed.output)
        #expect(plain.errors == observed.errors)
        #expect(observed.trace.records.count > 50)
    }

    @Test("makes paths absolute by the working folder and by folder descriptors")
    func absolute() throws {
        let scene = try Scene()
        let program = try scene.program("calls", ["-O0", "-ldl"])
        try scene.write("file", "text")
        let trace = try scene.observe(program, [scene.folder]).trace
        #expect(
            trace.records.allSatisfy { record in
                ![.open, .look, .list, .resolve].contains(record.kind) || record.first.first == UInt8(ascii: "/")
            }
        )
        #expect(trace.texts(.open).contains(scene.path("by-descriptor")))
        #expect(trace.texts(.open).contains(scene.path("file")))
    }

    @Test("finds every child, however it was started and whatever environment it was given")
    func children() throws {
        let scene = try Scene()
        let program = try scene.program("children")
        let seen = try scene.observe(program)
        try #require(seen.status == 0, "\(seen.errors)")
        let count = try #require(Int(seen.output.trimmingCharacters(in: .whitespacesAndNewlines)))
        #expect(seen.trace.texts(.hello).count == count + 1)
        var rules = ObservationRules()
        rules.compiler = program
        rules.rootProcess = seen.process
        #expect(Observation(seen.trace, rules).unobservable == nil)
    }

    @Test("keeps a preload of the user's own beside it")
    func otherPreload() throws {
        let scene = try Scene()
        let other = scene.path("other.so")
        try scene.write("other.c", "int larder_other(void) { return 1; }")
        try #require(try scene.run("/usr/bin/gcc", ["-shared", "-fPIC", "-o", other, "other.c"]).status == 0)
        var environment = Scene.environment
        environment["LD_PRELOAD"] = other
        let seen = try scene.observe(
            "/usr/bin/env",
            ["-i", "LD_PRELOAD=\(other)", "/bin/true"],
            environment: environment
        )
        #expect(seen.status == 0)
        #expect(seen.trace.texts(.hello).map { $0.split(separator: "/").last } == ["env", "true"])
        #expect(seen.trace.texts(.object).filter { $0 == other }.count == 2)
    }

    @Test("leaves dlopen its caller, by whose run path libraries are found")
    func runPath() throws {
        let scene = try Scene()
        try scene.write("plugin.c", "int larder_plugin(void) { return 1; }")
        try FileManager.default.createDirectory(atPath: scene.path("plugins"), withIntermediateDirectories: true)
        let made = try scene.run(
            "/usr/bin/gcc",
            ["-shared", "-fPIC", "-o", scene.path("plugins/libplugin.so"), "plugin.c"]
        )
        try #require(made.status == 0)
        let program = try scene.program("loads", ["-ldl", "-Wl,-rpath,$ORIGIN/plugins"])
        let seen = try scene.observe(program)
        #expect(seen.status == 0, "\(seen.errors)")
        #expect(seen.trace.texts(.object).contains(scene.path("plugins/libplugin.so")))
    }

    @Test("does nothing where the trace is missing, damaged or of another version")
    func unusable() throws {
        let scene = try Scene()
        var environment = Scene.environment
        environment["LD_PRELOAD"] = try Scene.library()
        for (name, text) in [("missing", nil), ("empty", ""), ("other", String(repeating: "x", count: 4096))] {
            if let text { try scene.write(name, text) }
            environment["LARDER_TRACE"] = scene.path(name)
            let told = try scene.run("/bin/echo", ["fine"], environment: environment)
            #expect(told.output == "fine\n" && told.errors.isEmpty && told.status == 0)
            if let text { #expect(try String(contentsOfFile: scene.path(name), encoding: .utf8) == text) }
        }
    }

    @Test("says so when the trace is full, and the program goes on")
    func full() throws {
        let scene = try Scene()
        try scene.write("main.rs", "fn main() {}")
        let seen = try scene.observe(
            "\(Scene.sysroot)/bin/rustc",
            ["main.rs", "--out-dir", scene.path("out")],
            capacity: 8192
        )
        #expect(seen.status == 0)
        let isFull = seen.trace.hasOverflowed
        #expect(isFull)
        #expect(try scene.run(scene.path("out/main"), []).status == 0)
    }
}

@Suite("Many at once")
struct StressTests {
    @Test("threads that open, fork, spawn and load lose no record")
    func threads() throws {
        let scene = try Scene()
        let (threads, rounds) = (8, 100)
        let seen = try scene.observe(
            try scene.program("stress"),
            [scene.path("out"), "\(threads)", "\(rounds)"]
        )
        try #require(seen.status == 0, "\(seen.errors)")
        #expect(!seen.trace.isBroken && !seen.trace.hasOverflowed)
        let all = threads * rounds
        #expect(seen.trace.records.filter { $0.kind == .rename && $0.error == 0 }.count == all)
        #expect(seen.trace.texts(.unlink).count == all)
        #expect(Set(seen.trace.texts(.unlink)).count == all)
        let children = threads * ((rounds + 7) / 8)
        #expect(seen.trace.texts(.hello).count == children + 1)
        #expect(seen.trace.texts(.variable) { $0.error == 0 }.filter { $0 == "STRESS" }.count == children)
    }

    @Test("the sanitizers find nothing", arguments: ["thread", "address,undefined"])
    func sanitizers(_ sanitizer: String) throws {
        let scene = try Scene()
        let sources = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../Sources/Observer").standardizedFileURL
        let files = try FileManager.default.contentsOfDirectory(at: sources, includingPropertiesForKeys: nil)
            .filter { $0.pathExtension == "c" }.map(\.path)
        let library = scene.path("observer.so")
        let made = try scene.run(
            "/usr/bin/gcc",
            ["-g", "-O1", "-fPIC", "-shared", "-fsanitize=\(sanitizer)", "-Wl,-z,now", "-o", library] + files
        )
        try #require(made.status == 0, "\(made.errors)")
        var environment = Scene.environment
        environment[sanitizer == "thread" ? "TSAN_OPTIONS" : "ASAN_OPTIONS"] =
            sanitizer == "thread" ? "halt_on_error=1" : "verify_asan_link_order=0"
        let seen = try scene.observe(
            try scene.program("stress", ["-fsanitize=\(sanitizer)"]),
            [scene.path("out"), "6", "40"],
            environment: environment,
            library: library
        )
        #expect(seen.status == 0 && seen.errors.isEmpty, "\(seen.errors.prefix(4000))")
        #expect(seen.trace.records.filter { $0.kind == .rename }.count == 240)
    }

    @Test("a killed process leaves a trace that can be read")
    func killed() throws {
        let scene = try Scene()
        let seen = try scene.observe(
            "/usr/bin/timeout",
            ["-s", "KILL", "0.3", try scene.program("stress"), scene.path("out"), "8", "1000000"]
        )
        #expect(seen.status != 0)
        #expect(seen.trace.texts(.rename).count > 10)
    }
}
