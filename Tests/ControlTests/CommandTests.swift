import Digest
import Foundation
import LarderControl
import Platform
import RustcCall
import Settings
import Store
import Testing

/// The program as a person and as scripts made for sccache call it.
@Suite struct CommandTests {
    private func filled(_ scratch: Scratch) throws -> (cache: String, result: Digest, blob: Digest) {
        let cache = scratch.path + "/cache"
        let store = try Store(in: cache)
        let source = try scratch.write("out", String(repeating: "x", count: 5000))
        let kept = try #require(try store.keep(source))
        let id = Digest(of: "result".utf8)
        let output = Outcome.Output(path: "{target}/out", isExecutable: true, size: 5000, content: .blob(kept.digest))
        try store.put(
            Outcome(
                exitCode: 0,
                standardOutput: [],
                standardError: Array("warning: w\n".utf8),
                duration: 9,
                outputs: [output]
            ),
            as: id
        )
        var writer = try Store(in: cache)
        try writer.add(
            Manifest.Entry(result: id, inputs: [Input(.file, "{cwd}/src/lib.rs", id)]),
            to: Digest(of: "unit".utf8)
        )
        try StatisticsTests.fill(EventLog(folder: cache + "/events"))
        return (cache, id, kept.digest)
    }

    @Test(arguments: [["--show-stats"], ["-s"], ["--show-adv-stats"], ["--stop-server"]])
    func `sccache's flags show statistics`(_ arguments: [String]) throws {
        let scratch = try Scratch()
        let cache = try filled(scratch).cache
        let said = try scratch.larder(arguments, ["LARDER_DIR": cache])
        #expect(said.code == 0)
        #expect(said.out.contains("Compile requests                     13\n"))
        #expect(said.out.contains("Cache location                  Local disk: \"\(cache)\"\n"))
        #expect(said.err == "")
    }

    @Test func `statistics come as JSON`() throws {
        let scratch = try Scratch()
        let cache = try filled(scratch).cache
        for arguments in [
            ["--show-stats", "--stats-format", "json"], ["-s", "--stats-format=json"], ["stats", "--format", "json"],
        ] {
            let said = try scratch.larder(arguments, ["LARDER_DIR": cache])
            let object = try JSONSerialization.jsonObject(with: Data(said.out.utf8)) as? [String: Any]
            #expect((object?["stats"] as? [String: Any])?["compile_requests"] as? Int == 13)
            #expect((object?["cache_size"] as? Int ?? 0) > 5000)
        }
    }

    @Test func `statistics are zeroed, and the cache stays`() throws {
        let scratch = try Scratch()
        let filled = try filled(scratch)
        let said = try scratch.larder(["--zero-stats"], ["LARDER_DIR": filled.cache])
        #expect(said.code == 0)
        #expect(said.err == "Statistics zeroed.\n")
        #expect(
            try scratch.larder(["-s"], ["LARDER_DIR": filled.cache]).out.contains(
                "Compile requests                      0\n"
            )
        )
        #expect(FileStamp(of: try Store(in: filled.cache).path("results", filled.result)) != nil)
    }

    @Test func `there is no server, and nobody minds`() throws {
        let scratch = try Scratch()
        let started = try scratch.larder(["--start-server"])
        #expect(started.code == 0)
        #expect(started.out.hasPrefix("larder: Starting the server...\n"))
        #expect(try scratch.larder(["--dist-status"]).out == "{\"Disabled\":\"disabled\"}\n")
        for flag in ["--version", "-V"] {
            let said = try scratch.larder([flag])
            #expect(said.code == 0)
            #expect(said.out == "larder \(Version.text)\n")
        }
        // Nothing was made in the home for all that.
        #expect(FileStamp(of: scratch.path + "/.cache") == nil)
    }

    @Test func `what can't be understood ends with a line on what can be done`() throws {
        let scratch = try Scratch()
        for arguments in [
            ["--no-such-flag"], ["--stats-format", "yaml"], ["trim", "--to", "much"], ["inspect", "xyz"],
        ] {
            let said = try scratch.larder(arguments)
            #expect(said.code != 0)
            #expect(said.err.contains("larder"))
            #expect(!said.err.contains("larderctl"))
        }
        let nothing = try scratch.larder([])
        #expect(nothing.code == 2)
        #expect(nothing.err.contains("USAGE: larder"))
    }

    @Test func `a cache folder that can't be used is an error on trim and none on stats`() throws {
        let scratch = try Scratch()
        try scratch.write("file", "")
        let values = ["LARDER_DIR": scratch.path + "/file"]
        #expect(try scratch.larder(["stats"], values).code == 0)
        #expect(try scratch.larder(["--show-stats"], values).code == 0)
        #expect(try scratch.larder(["trim"], values).code == 0)
        let said = try scratch.larder(["doctor"], values)
        #expect(said.code == 1)
        #expect(said.out.contains("set LARDER_DIR to another one"))
    }

    @Test func `trim says what it freed`() throws {
        let scratch = try Scratch()
        let filled = try filled(scratch)
        let said = try scratch.larder(["trim", "--to", "1K"], ["LARDER_DIR": filled.cache])
        #expect(said.code == 0)
        #expect(said.out.contains("1 results, 1 files of output"))
        #expect(FileStamp(of: try Store(in: filled.cache).path("blobs", filled.blob)) == nil)
        #expect(try scratch.larder(["trim", "--background"], ["LARDER_DIR": filled.cache]).out == "")
    }

    @Test func `clear asks, and with yes empties the cache`() throws {
        let scratch = try Scratch()
        let filled = try filled(scratch)
        let values = ["LARDER_DIR": filled.cache]
        #expect(try scratch.larder(["clear"], values).code == 1)
        let path = try Store(in: filled.cache).path("results", filled.result)
        #expect(FileStamp(of: path) != nil)
        #expect(try scratch.larder(["clear", "--yes"], values).code == 0)
        #expect(FileStamp(of: path) == nil)
        #expect(try scratch.larder(["-s"], values).out.contains("Compile requests                     13\n"))
        #expect(try scratch.larder(["clear", "--yes", "--all"], values).code == 0)
        #expect(try scratch.larder(["-s"], values).out.contains("Compile requests                      0\n"))
    }

    @Test func `inspect shows manifests, results and stored files`() throws {
        let scratch = try Scratch()
        let filled = try filled(scratch)
        let values = ["LARDER_DIR": filled.cache]
        let manifest = try scratch.larder(["inspect", String(Digest(of: "unit".utf8).hex.prefix(12))], values)
        #expect(manifest.out.contains("{cwd}/src/lib.rs"))
        #expect(manifest.out.contains(filled.result.hex))
        let result = try scratch.larder(["inspect", filled.result.hex], values)
        #expect(result.out.contains("{target}/out"))
        #expect(result.out.contains("warning: w"))
        let blob = try scratch.larder(["inspect", String(filled.blob.hex.prefix(8))], values)
        #expect(blob.out.contains("whole"))
        #expect(blob.out.contains("output of result \(filled.result.hex)"))
        #expect(try scratch.larder(["inspect", "0000"], values).code == 1)
    }

    @Test(arguments: ["bash", "zsh", "fish"])
    func `completions know words and sccache's flags`(_ shell: String) throws {
        let said = try Scratch().larder(["--generate-completion-script", shell])
        #expect(said.code == 0)
        for word in ["show-stats", "zero-stats", "explain", "doctor", "setup", "project", "undo"] {
            #expect(said.out.contains(word))
        }
    }

    @Test func `doctor finds the compiler and what is missing`() throws {
        let scratch = try Scratch()
        let home = ProcessInfo.processInfo.environment["HOME"] ?? ""
        let rustup = ProcessInfo.processInfo.environment["RUSTUP_HOME"] ?? "\(home)/.rustup"
        let said = try scratch.larder(["doctor"], ["RUSTUP_HOME": rustup, "CARGO_HOME": scratch.path + "/cargo"])
        #expect(said.code == 1)
        #expect(said.out.contains("ok       compiler"), "\(said.out)")
        #expect(said.out.contains("problem  cargo"))
        #expect(said.out.contains("larder setup"))
    }

    @Test func `the manual page names every setting, reason and word`() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let page = try String(contentsOf: root.appendingPathComponent("share/man/larder.1"), encoding: .utf8)
        let reasons = ManualTablesCommand.reasons
        #expect(page.contains(reasons), "print it with `larderctl manual-tables`")
        for setting in Setting.allCases {
            for name in setting.variables { #expect(page.contains(name)) }
        }
        for word in [
            "stats", "explain", "doctor", "setup", "config", "trim", "clear", "flush", "inspect", "debug\\-paths",
        ] {
            #expect(page.contains("\n.BR \(word)") || page.contains("\n.B \(word)"), "\(word)")
        }
    }
}
