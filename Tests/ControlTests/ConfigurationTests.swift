import Foundation
import LarderControl
import Platform
import Settings
import Testing

@Suite struct ConfigurationTests {
    private static let own = ".config/larder/config.toml"
    private static let sccache = ".config/sccache/config"

    private func settings(_ environment: Environment) -> Settings {
        Settings(environment, files: ConfigurationFiles.read(environment))
    }

    @Test func `the environment is stronger than larder's file, and that than sccache's`() throws {
        let scratch = try Scratch()
        try scratch.write(Self.own, "cache_size = \"5G\"\nlog = \"info\"\n")
        try scratch.write(Self.sccache, "[cache.disk]\nsize = 1024\ndir = \"\(scratch.path)/sc\"\n")
        var settings = settings(scratch.environment())
        #expect(settings.cacheSize == 5 << 30)
        #expect(settings.origin(.cacheSize) == .file("\(scratch.path)/\(Self.own)", "cache_size"))
        #expect(settings.folder == scratch.path + "/sc/larder")
        #expect(settings.origin(.folder) == .file("\(scratch.path)/\(Self.sccache)", "cache.disk.dir"))
        #expect(settings.logLevel == .info)
        settings = self.settings(scratch.environment(["SCCACHE_CACHE_SIZE": "3G", "LARDER_DIR": "/x"]))
        #expect(settings.cacheSize == 3 << 30)
        #expect(settings.origin(.cacheSize) == .variable("SCCACHE_CACHE_SIZE"))
        #expect(settings.folder == "/x")
        #expect(settings.problems == [])
    }

    @Test func `larder's own folder setting is stronger than sccache's`() throws {
        let scratch = try Scratch()
        try scratch.write(Self.own, "dir = \"/mine\"\n")
        try scratch.write(Self.sccache, "[cache.disk]\ndir = \"/theirs\"\n")
        #expect(settings(scratch.environment()).folder == "/mine")
    }

    @Test func `files are found by their variables`() throws {
        let scratch = try Scratch()
        let first = try scratch.write("a.toml", "disable = true\n")
        let second = try scratch.write("b", "[cache.disk]\nrw_mode = \"READ_ONLY\"\n")
        let settings = settings(scratch.environment(["LARDER_CONF": first, "SCCACHE_CONF": second]))
        #expect(settings.isDisabled)
        #expect(settings.isReadOnly)
    }

    @Test func `a file asked for by name that is not there is a problem`() throws {
        let scratch = try Scratch()
        let settings = settings(scratch.environment(["LARDER_CONF": "/no/such/file"]))
        #expect(settings.problems.count == 1)
        #expect(settings.problems.first?.contains("LARDER_CONF") == true)
    }

    @Test func `each bad value is one line that names key and file, and the rest holds`() throws {
        let scratch = try Scratch()
        try scratch.write(
            Self.own,
            """
            cache_size = true
            disable = "perhaps"
            colour = "blue"
            log = "warn"
            paths = ["exact"]
            [redis]
            endpoint = "redis://a"
            prefix = "x"
            db = { n = 1 }
            [s3]
            bucket = "b"
            """
        )
        let settings = settings(scratch.environment())
        let keys = ["cache_size", "disable", "colour", "paths", "redis.prefix", "redis.db", "s3"]
        for key in keys {
            let lines = settings.problems.filter { $0.hasPrefix(key + " ") }
            #expect(lines.count == 1, "\(key): \(settings.problems)")
            #expect(lines.first?.contains("\(scratch.path)/\(Self.own)") == true)
        }
        #expect(settings.problems.count == keys.count)
        #expect(settings.logLevel == .warn)
        #expect(settings.fileValues["SCCACHE_REDIS_ENDPOINT"]?.text == "redis://a")
    }

    @Test func `what concerns sccache alone is no problem`() throws {
        let scratch = try Scratch()
        try scratch.write(
            Self.sccache,
            "server_startup_timeout_ms = 10000\n[dist]\nscheduler_url = 'x'\n[cache.s3]\nbucket = 'b'\n"
                + "[cache.memcached]\nurl = '127.0.0.1'\nexpiration = 3600\n[cache.redis]\npassword = 'p'\n"
        )
        let settings = settings(scratch.environment())
        #expect(settings.problems == [])
        #expect(settings.fileValues["SCCACHE_MEMCACHED"]?.text == "127.0.0.1")
        #expect(settings.fileValues["SCCACHE_MEMCACHED_EXPIRATION"]?.text == "3600")
        #expect(settings.fileValues["SCCACHE_REDIS_PASSWORD"]?.text == "p")
    }

    @Test(arguments: ["[x", "a = 1\na = 2\n", "x = [}\n", "a = \0\n", "log = \"warn\u{FFFD}"])
    func `a file that is no TOML has no effect and says where it is wrong`(_ text: String) throws {
        let scratch = try Scratch()
        try scratch.write(Self.own, text)
        let settings = settings(scratch.environment())
        #expect(settings.problems.count == 1)
        #expect(settings.cacheSize == 10 << 30)
    }

    @Test func `a snapshot says what the files say`() throws {
        let scratch = try Scratch()
        try scratch.write(Self.own, "log = \"a\\nb\\\\n c\"\ncache_size = 7\nodd = 1\n")
        let values = ConfigurationFiles.read(scratch.environment())
        #expect(values.values["LARDER_LOG"]?.text == "a\nb\\n c")
        #expect(FileValues(snapshot: Array(values.snapshot.utf8)) == values)
        let text = Array(values.snapshot.utf8)
        for length in 0..<(text.count - 1) { #expect(FileValues(snapshot: Array(text.prefix(length))) == nil) }
    }

    @Test func `the wrapper gets the files' values from larderctl, once`() throws {
        let scratch = try Scratch()
        let environment = scratch.environment()
        try scratch.write(Self.own, "cache_size = \"5G\"\nwrong = 1\n")
        // A program in larderctl's place that says it was asked.
        let asked = scratch.path + "/asked"
        let control = try scratch.write(
            "larderctl",
            """
            #!/bin/sh
            echo x >>'\(asked)'
            export HOME='\(scratch.path)'
            unset XDG_CONFIG_HOME XDG_CACHE_HOME LARDER_CONF SCCACHE_CONF
            exec '\(try Scratch.program)' "$@"
            """
        )
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: control)
        for _ in 0..<3 {
            let settings = SettingsFiles.settings(environment, control: control)
            #expect(settings.cacheSize == 5 << 30)
            #expect(settings.problems.count == 1)
            #expect(settings.origin(.cacheSize) == .file("\(scratch.path)/\(Self.own)", "cache_size"))
        }
        #expect(scratch.text("asked") == "x\n")
        // A changed file is read anew.
        try scratch.write(Self.own, "cache_size = \"6G\"\n")
        #expect(SettingsFiles.settings(environment, control: control).cacheSize == 6 << 30)
        #expect(scratch.text("asked") == "x\nx\n")
        // And one that is gone, and the other that has come.
        try FileManager.default.removeItem(atPath: "\(scratch.path)/\(Self.own)")
        try scratch.write(Self.sccache, "[cache.disk]\nsize = 4096\n")
        #expect(SettingsFiles.settings(environment, control: control).cacheSize == 4096)
        // A damaged snapshot is none.
        let snapshot = try #require(SettingsFiles.snapshotPath(environment))
        try Data("larder settings\n".utf8).write(to: URL(fileURLWithPath: snapshot))
        #expect(SettingsFiles.settings(environment, control: control).cacheSize == 4096)
    }

    @Test func `without a place for the snapshot the values come all the same`() throws {
        let scratch = try Scratch()
        try scratch.write("a.toml", "cache_size = \"5G\"\n")
        // A file where the cache's folder should be.
        try scratch.write(".cache", "")
        let control = try scratch.write(
            "larderctl",
            """
            #!/bin/sh
            export HOME='\(scratch.path)' LARDER_CONF='\(scratch.path)/a.toml'
            unset XDG_CONFIG_HOME XDG_CACHE_HOME SCCACHE_CONF
            exec '\(try Scratch.program)' "$@"
            """
        )
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: control)
        let environment = scratch.environment(["LARDER_CONF": scratch.path + "/a.toml"])
        let settings = SettingsFiles.settings(environment, control: control)
        #expect(settings.cacheSize == 5 << 30)
        #expect(settings.problems == [])
    }

    @Test func `a larderctl that is missing or fails leaves the defaults and a problem`() throws {
        let scratch = try Scratch()
        try scratch.write(Self.own, "cache_size = \"5G\"\n")
        for control in [nil, "/no/such/larderctl", "/bin/false"] {
            let settings = SettingsFiles.settings(scratch.environment(), control: control)
            #expect(settings.cacheSize == 10 << 30)
            #expect(settings.problems.count == 1)
        }
    }

    @Test func `without files nothing is asked`() throws {
        let scratch = try Scratch()
        let settings = SettingsFiles.settings(scratch.environment(), control: "/no/such/larderctl")
        #expect(settings.problems == [])
        #expect(FileStamp(of: scratch.path + "/.cache") == nil)
    }

    @Test func `config shows values and origins, and no password`() throws {
        let scratch = try Scratch()
        try scratch.write(Self.own, "[redis]\npassword = \"geheim\"\n")
        let good = try scratch.larder(["config"], ["LARDER_CACHE_SIZE": "2G"])
        #expect(good.code == 0)
        #expect(good.out.contains("environment: LARDER_CACHE_SIZE"))
        #expect(!good.out.contains("geheim"))
        for url in ["redis+unix:///x?user=u&pass=geheim", "redis://u:ge@heim@host:1", "geheim@host"] {
            for variable in ["LARDER_REDIS", "SCCACHE_REDIS_ENDPOINT", "LARDER_REDIS_CLUSTER_ENDPOINTS"] {
                let shown = try scratch.larder(["config"], [variable: url])
                #expect(shown.out.contains(variable))
                #expect(!shown.out.contains("geheim") && !shown.out.contains("heim@host"), "\(shown.out)")
            }
        }
        let json = try scratch.larder(["config", "--json"])
        #expect(!json.out.contains("geheim"))
        #expect(try JSONSerialization.jsonObject(with: Data(json.out.utf8)) is [String: Any])
        let bad = try scratch.larder(["config"], ["LARDER_CACHE_SIZE": "many"])
        #expect(bad.code == 1)
        #expect(bad.out.contains("LARDER_CACHE_SIZE is \"many\""))
    }
}
