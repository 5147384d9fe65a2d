import Foundation
import LarderControl
import Platform
import RustcCall
import Settings
import Store
import Testing

@Suite struct StatisticsTests {
    /// Events of every kind, as wrappers write them.
    static func fill(_ log: EventLog) throws {
        func add(_ type: String, _ result: Event.Result, _ change: (inout Event) -> Void = { _ in }) throws {
            var event = Event()
            event.type = type
            event.result = result
            event.cpu = 1000
            change(&event)
            try log.append(event)
        }
        for _ in 0..<3 {
            try add("lib", .hit) {
                $0.level = "disk"
                $0.compile = 2_000_000
                $0.bytes = 1 << 20
                $0.phases = [("key", 100_000), ("restore", 150_000)]
            }
        }
        try add("query", .hit) { $0.compile = 10_000 }
        try add("query", .miss) {
            $0.reason = "new-unit"
            $0.isStored = true
        }
        try add("lib", .miss) {
            $0.reason = "new-unit"
            $0.isStored = true
            $0.compile = 500_000
            $0.bytes = 2048
            $0.phases = [("compile", 500_000), ("store", 4000)]
        }
        try add("bin", .miss) {
            $0.reason = "file-changed"
            $0.unstored = (Uncached.inputChanged.rawValue, "src/lib.rs")
            $0.compile = 100_000
        }
        try add("probe", .miss) {
            $0.reason = "damaged-entry"
            $0.unstored = (Uncached.failed.rawValue, "exit code 1")
            $0.damaged = 2
        }
        try add("other", .passed) { $0.reason = Uncached.information.rawValue }
        try add("other", .passed) { $0.reason = Uncached.unknownCompiler.rawValue }
        try add("lib", .passed) { $0.reason = Uncached.profiling.rawValue }
        try add("lib", .passed) { $0.reason = Uncached.profiling.rawValue }
        try add("lib", .passed) { $0.reason = Uncached.terminal.rawValue }
    }

    private func statistics(_ scratch: Scratch) throws -> Statistics {
        try Files.makeFolder(scratch.path + "/cache/events")
        try Self.fill(EventLog(folder: scratch.path + "/cache/events"))
        return EventReader(folder: scratch.path + "/cache", fallback: nil).statistics()
    }

    @Test func `events are counted by what became of them`() throws {
        let statistics = try statistics(try Scratch())
        #expect(statistics.requests == 13)
        #expect(statistics.hits == 4)
        #expect(statistics.misses == 4)
        #expect(statistics.stored == 2)
        #expect(statistics.passed == ["information": 1, "unknown-compiler": 1, "profiling": 2, "terminal": 1])
        #expect(statistics.unstored == ["input-changed": 1, "compile-failed": 1])
        #expect(statistics.missed == ["new-unit": 2, "file-changed": 1, "damaged-entry": 1])
        #expect(statistics.levels == ["disk": 4])
        #expect(statistics.types["lib"] == Statistics.Tally(hits: 3, misses: 1, passed: 3))
        #expect(statistics.damaged == 2)
        #expect(statistics.bytesRestored == 3 << 20)
        #expect(statistics.bytesStored == 2048)
        #expect(statistics.timeSaved == 3 * 2_000_000 + 10_000 - 3 * 250_000)
        #expect(statistics.cpu == 13_000)
    }

    @Test func `sccache's numbers add up as sccache's do`() throws {
        let counts = SccacheCounts(try statistics(try Scratch()))
        #expect(counts.requests == 13)
        #expect(counts.requests == counts.executed + counts.notCacheable + counts.notCompile + counts.unsupported)
        #expect(counts.executed == 6)
        #expect(counts.hits == 3)
        #expect(counts.misses == 2)
        #expect(counts.failures == 1)
        #expect(counts.executed == counts.hits + counts.misses + counts.failures)
        #expect(counts.notCompile == 3)
        #expect(counts.unsupported == 1)
        #expect(counts.reasons == ["profiling": 2, "terminal": 1])
        #expect(counts.reasons.values.reduce(0, +) == counts.notCacheable)
        #expect(counts.notCacheableCompiles == 1)
        #expect(counts.readErrors == 1)
    }

    /// Lines and layout as sccache 0.16.0 prints them.
    @Test func `the text is sccache's, line for line, with larder's below`() throws {
        let scratch = try Scratch()
        let state = CacheState(folder: "/c", size: 4246, limit: 10 << 30)
        let text = SccacheReport(try statistics(scratch), state).text
        let expected = """
            Compile requests                     13
            Compile requests executed             6
            Cache hits                            3
            Cache hits (Rust)                     3
            Cache misses                          2
            Cache misses (Rust)                   2
            Cache hits rate                   60.00 %
            Cache hits rate (Rust)            60.00 %
            Cache timeouts                        0
            Cache read errors                     1
            Forced recaches                       0
            Cache write errors                    0
            Cache errors                          0
            Compilations                          2
            Compilation failures                  1
            Non-cacheable compilations            1
            Non-cacheable calls                   3
            Non-compilation calls                 3
            Unsupported compiler calls            1
            Average cache write               0.002 s
            Average compiler                  0.200 s
            Average cache read hit            0.250 s
            Failed distributed compilations       0

            Non-cacheable reasons:
            profiling                             2
            terminal                              1

            Cache location                  Local disk: "/c"
            Base directories                (none)
            Use direct/preprocessor mode?   no
            Version (client)                \(Version.text)
            Cache size                            4 KiB
            Max cache size                       10 GiB

            Hits                            4

            """
        #expect(text.hasPrefix(expected), "\(text)")
        #expect(text.contains("\nDamaged files                   2\n"))
    }

    @Test func `the JSON has sccache's keys and larder's beside them`() throws {
        let report = SccacheReport(try statistics(try Scratch()), CacheState(folder: "/c", size: nil, limit: 1 << 30))
        let object = try #require(
            try JSONSerialization.jsonObject(with: Data(report.json.compact.utf8)) as? [String: Any]
        )
        #expect(
            Set(object.keys) == [
                "stats", "cache_location", "cache_size", "max_cache_size", "use_preprocessor_cache_mode", "version",
                "basedirs", "larder",
            ]
        )
        let stats = try #require(object["stats"] as? [String: Any])
        #expect(
            Set(stats.keys) == [
                "compile_requests", "requests_unsupported_compiler", "requests_not_compile", "requests_not_cacheable",
                "requests_executed", "cache_errors", "cache_hits", "cache_misses", "cache_timeouts",
                "cache_read_errors", "non_cacheable_compilations", "forced_recaches", "cache_write_errors",
                "cache_writes", "cache_write_duration", "cache_read_hit_duration", "compilations",
                "compiler_write_duration", "compile_fails", "not_cached", "dist_compiles", "dist_errors", "multi_level",
            ]
        )
        #expect((stats["cache_hits"] as? [String: [String: Int]])?["counts"] == ["Rust": 3])
        #expect((stats["cache_hits"] as? [String: [String: Int]])?["adv_counts"] == ["rust": 3])
        #expect(stats["cache_read_hit_duration"] as? [String: Int] == ["secs": 0, "nanos": 750_000_000])
        #expect(stats["not_cached"] as? [String: Int] == ["profiling": 2, "terminal": 1])
        #expect(object["cache_location"] as? String == "Local disk: \"/c\"")
        #expect(object["cache_size"] is NSNull)
        #expect(object["max_cache_size"] as? Int == 1 << 30)
        let larder = try #require(object["larder"] as? [String: Any])
        #expect(larder["hits"] as? Int == 4)
        #expect(larder["hits_by_level"] as? [String: Int] == ["disk": 4])
        #expect((larder["types"] as? [String: [String: Int]])?["lib"] == ["hits": 3, "misses": 1, "passed": 3])
        #expect(larder["damaged"] as? Int == 2)
    }

    @Test func `damaged lines are counted and left out`() throws {
        let scratch = try Scratch()
        try scratch.write(
            "cache/events/current.jsonl",
            """
            {"v":1,"time":5,"result":"hit","type":"lib"}
            {"v":1,"time":6,"resu
            not JSON at all

            {"time":"six","result":"hit"}
            {"v":1,"time":7,"result":"miss","cpu":-4,"bytes":99999999999999999999}
            {"v":2,"time":8,"result":"miss","new":{"key":[1]},"stored":true}
            """
        )
        let statistics = EventReader(folder: scratch.path + "/cache", fallback: nil).statistics()
        #expect(statistics.requests == 2)
        #expect(statistics.damagedLines == 4)
    }

    @Test func `a line reads back as it was written`() throws {
        var event = Event()
        event.crate = "größe \"x\"\n\t\u{1}\\ 🦀 /"
        event.detail = "{cwd}/a b"
        event.result = .miss
        event.phases = [("key", 12), ("compile", 34)]
        event.unstored = ("read-only", "why")
        event.bytes = 1 << 60
        let line = Array(event.json.utf8.dropLast())
        let read = try #require(line.withUnsafeBytes { LoggedEvent(line: $0) })
        #expect(read.time == event.time)
        #expect(read.crate == event.crate)
        #expect(read.detail == event.detail)
        #expect(read.result == "miss")
        #expect(read.phases == ["key": 12, "compile": 34])
        #expect(read.unstored == "read-only")
        #expect(read.unstoredDetail == "why")
        #expect(read.bytes == 1 << 60)
        for length in line.indices {
            #expect(line[..<length].withUnsafeBytes { LoggedEvent(line: $0) } == nil)
        }
        // Whatever a byte becomes, reading ends.
        for index in line.indices {
            for byte: UInt8 in [0, 0x22, 0x5C, 0x5B, 0x7B, 0x7D, 0x2C, 0xFF, 0x75] {
                var damaged = line
                damaged[index] = byte
                _ = damaged.withUnsafeBytes { LoggedEvent(line: $0) }
            }
        }
        let other = #"{"time":1,"result":"hit","crate":"\ud83e\udd80\u00e4\/\b","x":[1,-2.5e3,null,{"y":[]}]}"#
        #expect(Array(other.utf8).withUnsafeBytes { LoggedEvent(line: $0) }?.crate == "🦀ä/\u{8}")
        let deep = #"{"time":1,"result":"hit","x":"# + String(repeating: "[", count: 100_000)
        #expect(Array(deep.utf8).withUnsafeBytes { LoggedEvent(line: $0) } == nil)
    }

    @Test func `zeroing leaves older events out and keeps the log`() throws {
        let scratch = try Scratch()
        let reader = EventReader(folder: scratch.path + "/cache", fallback: nil)
        #expect(try statistics(scratch).requests == 13)
        try reader.zero()
        #expect(reader.statistics() == Statistics())
        try EventLog(folder: scratch.path + "/cache/events").append(Event())
        #expect(reader.statistics().requests == 1)
        #expect(reader.lastBuild().isEmpty == false)
    }

    @Test func `events of calls that could not write to the cache count, too, and those of other caches do not`() throws
    {
        let scratch = try Scratch()
        try Files.makeFolder(scratch.path + "/elsewhere")
        let fallback = EventLog(folder: scratch.path + "/elsewhere")
        for cache in [scratch.path + "/cache", scratch.path + "/another", ""] {
            var event = Event()
            event.cache = cache
            try fallback.append(event)
        }
        let reader = EventReader(folder: scratch.path + "/cache", fallback: fallback)
        #expect(reader.statistics().requests == 1)
        try reader.zero()
        #expect(reader.statistics().requests == 0)
    }

    @Test func `sizes and times are written as a person reads them`() {
        #expect(Sizes.text(0) == "0 B")
        #expect(Sizes.text(1023) == "1023 B")
        #expect(Sizes.text(1536) == "1.5 KiB")
        #expect(Sizes.text(10 << 30) == "10.0 GiB")
        #expect(Sizes.text(.max) == "16.0 EiB")
        #expect(Sizes.time(999) == "999 µs")
        #expect(Sizes.time(-2_300_000) == "-2.3 s")
        #expect(Sizes.time(252_000_000) == "4 min 12 s")
        #expect(Sizes.time(.min).hasPrefix("-"))
        #expect(Sizes.fixed(0.0005, 3) == "0.001")
        #expect(Sizes.fixed(-0.0001, 2) == "0.00")
    }
}
