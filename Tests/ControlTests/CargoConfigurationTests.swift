import Foundation
import LarderControl
import Testing

@Suite struct CargoConfigurationTests {
    private static let larder = "/usr/my tools/bin/larder"

    private func set(_ text: String) throws -> String {
        String(decoding: try CargoConfiguration(Array(text.utf8)).setting(Self.larder).text, as: UTF8.self)
    }

    private func remove(_ text: String, withHeader: Bool = true) throws -> String {
        String(decoding: try CargoConfiguration(Array(text.utf8)).removing(withHeader: withHeader).text, as: UTF8.self)
    }

    @Test(arguments: [
        // No file, an empty one, one without [build].
        ("", "[build]\nrustc-wrapper = \"/usr/my tools/bin/larder\"\n"),
        ("# mine\n", "# mine\n\n[build]\nrustc-wrapper = \"/usr/my tools/bin/larder\"\n"),
        (
            "[net]\noffline = true", "[net]\noffline = true\n\n[build]\nrustc-wrapper = \"/usr/my tools/bin/larder\"\n"
        ),
        // A [build] with other keys, comments and odd spacing.
        (
            "[build]  # how\n  jobs = 4 # few\n\n[term]\n",
            "[build]  # how\nrustc-wrapper = \"/usr/my tools/bin/larder\"\n  jobs = 4 # few\n\n[term]\n"
        ),
        ("[ build ]\njobs=1\n", "[ build ]\nrustc-wrapper = \"/usr/my tools/bin/larder\"\njobs=1\n"),
        ("[\"build\"]\n", "[\"build\"]\nrustc-wrapper = \"/usr/my tools/bin/larder\"\n"),
        ("[build]", "[build]\nrustc-wrapper = \"/usr/my tools/bin/larder\""),
        // Set already, in each way to write a text.
        (
            "[build]\nrustc-wrapper   =   'sccache'   # old\n",
            "[build]\nrustc-wrapper   =   \"/usr/my tools/bin/larder\"   # old\n"
        ),
        (
            "[build]\nrustc-wrapper = \"\"\"\nsccache\"\"\"\njobs = 2\n",
            "[build]\nrustc-wrapper = \"/usr/my tools/bin/larder\"\njobs = 2\n"
        ),
        ("build.rustc-wrapper='a'\n", "build.rustc-wrapper=\"/usr/my tools/bin/larder\"\n"),
        // Dotted keys: a header would define `build` twice.
        ("build.jobs = 2\n[net]\n", "build.rustc-wrapper = \"/usr/my tools/bin/larder\"\nbuild.jobs = 2\n[net]\n"),
        // Inline tables.
        ("build = {}\n", "build = { rustc-wrapper = \"/usr/my tools/bin/larder\" }\n"),
        ("build = { jobs = 2 }\n", "build = { rustc-wrapper = \"/usr/my tools/bin/larder\", jobs = 2 }\n"),
        (
            "build = { jobs = 2, rustc-wrapper = \"x\" } # both\n",
            "build = { jobs = 2, rustc-wrapper = \"/usr/my tools/bin/larder\" } # both\n"
        ),
        // Only a table below it.
        (
            "[build.warnings]\nx = 1\n",
            "[build.warnings]\nx = 1\n\n[build]\nrustc-wrapper = \"/usr/my tools/bin/larder\"\n"
        ),
        // Text that looks like a table, a multi-line array, an array of tables.
        (
            "[env]\nA = \"\"\"\n[build]\nrustc-wrapper = 1\n\"\"\"\nB = [\n  \"[build]\", # ]\n  'x',\n]\n[build]\njobs = 1\n",
            "[env]\nA = \"\"\"\n[build]\nrustc-wrapper = 1\n\"\"\"\nB = [\n  \"[build]\", # ]\n  'x',\n]\n[build]\n"
                + "rustc-wrapper = \"/usr/my tools/bin/larder\"\njobs = 1\n"
        ),
        (
            "[[patch]]\nbuild = 1\n[other.build]\nrustc-wrapper = 'no'\n",
            "[[patch]]\nbuild = 1\n[other.build]\nrustc-wrapper = 'no'\n\n[build]\n"
                + "rustc-wrapper = \"/usr/my tools/bin/larder\"\n"
        ),
        // Windows line ends.
        ("[build]\r\njobs = 1\r\n", "[build]\r\nrustc-wrapper = \"/usr/my tools/bin/larder\"\r\njobs = 1\r\n"),
    ])
    func `only the wrapper changes`(_ before: String, _ after: String) throws {
        #expect(try set(before) == after)
    }

    @Test(arguments: [
        "", "# mine\n", "[net]\noffline = true\n", "[build]  # how\n  jobs = 4 # few\n\n[term]\n",
        "build.jobs = 2\n[net]\n", "build = { jobs = 2 }\n", "build = { jobs = 2, target = 'x' }\n",
        "[build.warnings]\nx = 1\n", "[build]\r\njobs = 1\r\n",
    ])
    func `what was set can be taken out again`(_ before: String) throws {
        let after = try remove(try set(before))
        // A line that separated the table may stay.
        #expect(after.trimmingSuffix("\n") == before.trimmingSuffix("\n"))
    }

    @Test func `a comment under the header keeps the header`() throws {
        let text = "[build]\nrustc-wrapper = \"x\"\n# jobs = 3\n"
        #expect(try remove(text) == "[build]\n# jobs = 3\n")
    }

    @Test(arguments: [
        "[build\n", "build = 3\n", "[build]\nrustc-wrapper = 3\n", "a = 1\na = 2\n", "[build]\nx = \"open\n",
    ])
    func `what is no configuration is refused`(_ text: String) {
        #expect(throws: Failure.self) {
            let configuration = CargoConfiguration(Array(text.utf8))
            _ = try configuration.wrapper()
            _ = try configuration.setting(Self.larder)
        }
    }

    @Test func `a path with quotes and backslashes is written so that Cargo reads it`() throws {
        let path = "/a \"b\"\\c\u{1}/larder"
        let text = try CargoConfiguration([]).setting(path)
        #expect(try text.wrapper() == path)
    }

    /// The scanner must end with an error or a result on whatever it is given.
    @Test func `damaged files are refused or read, never more`() {
        let text = Array(
            "[build]\nx = [1, {a = 'b'}] # c\n\"q\\\"\".y = \"\"\"l\n\"\"\"\nz = { k = 1, l = \"m\" }\n".utf8
        )
        for length in 0...text.count {
            _ = try? CargoConfiguration(Array(text.prefix(length))).setting("/larder")
        }
        for index in text.indices {
            for byte: UInt8 in [0, 10, 34, 39, 35, 61, 91, 93, 92, 123, 125, 44, 0xFF] {
                var damaged = text
                damaged[index] = byte
                let configuration = CargoConfiguration(damaged)
                if let changed = try? configuration.setting("/larder") {
                    #expect((try? changed.wrapper()) == "/larder")
                }
                _ = try? configuration.removing(withHeader: true)
            }
        }
        for _ in 0..<(Int(ProcessInfo.processInfo.environment["FUZZ"] ?? "") ?? 300) {
            var damaged = text
            for _ in 0..<Int.random(in: 1...6) {
                let index = Int.random(in: 0..<damaged.count)
                switch Int.random(in: 0..<3) {
                case 0: damaged.remove(at: index)
                case 1: damaged.insert(Array("[]{}=,.'\"#\n\\ a1\r-:T".utf8).randomElement() ?? 0, at: index)
                default: damaged[index] = Array("[]{}=,.'\"#\n\\ a1\r-:T".utf8).randomElement() ?? 0
                }
            }
            if let changed = try? CargoConfiguration(damaged).setting("/larder") {
                #expect((try? changed.wrapper()) == "/larder")
            }
        }
    }
}

extension String {
    fileprivate func trimmingSuffix(_ suffix: String) -> String {
        var text = self
        while text.hasSuffix(suffix) { text.removeLast(suffix.count) }
        return text
    }
}
