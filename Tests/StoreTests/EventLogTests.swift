import Foundation
import Platform
import Store
import Testing

@Suite struct EventLogTests {
    private func lines(_ log: EventLog) -> [String] {
        var lines: [String] = []
        log.forEachLine { lines.append(String(decoding: $0, as: UTF8.self)) }
        return lines
    }

    @Test func `an event is one line of JSON that says what happened`() throws {
        var event = Event()
        event.crate = "größe \"x\"\n\t\u{1}\\"
        event.result = .miss
        event.reason = "file-changed"
        event.phases = [("key", 12), ("compile", 34)]
        event.unstored = ("read-only", "")
        let line = event.json
        #expect(line.hasSuffix("}\n"))
        #expect(line.count { $0 == "\n" } == 1)
        let object = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
        #expect(object["crate"] as? String == event.crate)
        #expect(object["result"] as? String == "miss")
        #expect((object["phases"] as? [String: Int])?["compile"] == 34)
        #expect(object["unstored"] as? String == "read-only")
    }

    @Test func `lines of many writers stay whole`() async throws {
        let workspace = try Workspace()
        let log = EventLog(folder: workspace.path)
        await withTaskGroup(of: Void.self) { group in
            for writer in 0..<8 {
                group.addTask {
                    for number in 0..<100 {
                        var event = Event()
                        event.crate = "\(writer)-\(number)"
                        event.detail = String(repeating: "x", count: 500 + number * 20)
                        try? log.append(event)
                    }
                }
            }
        }
        let crates = lines(log).compactMap { line -> String? in
            let object = try? JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
            return object?["crate"] as? String
        }
        #expect(crates.count == 800)
        #expect(Set(crates).count == 800)
    }

    @Test func `a full log is put aside and the oldest go`() async throws {
        let workspace = try Workspace()
        let log = EventLog(folder: workspace.path)
        let current = workspace.path + "/current.jsonl"
        for round in 0..<(EventLog.filesKept + 3) {
            // Almost full, without writing all of it.
            try Data().write(to: URL(fileURLWithPath: current))
            let handle = try #require(FileHandle(forWritingAtPath: current))
            try handle.truncate(atOffset: EventLog.fileLimit - 10)
            try handle.close()
            await withTaskGroup(of: Void.self) { group in
                for writer in 0..<4 {
                    group.addTask {
                        var event = Event()
                        event.crate = "\(round)-\(writer)"
                        try? log.append(event)
                    }
                }
            }
        }
        let aside = log.files.filter { $0 != current }
        #expect(aside.count == EventLog.filesKept)
        for path in aside { #expect((FileStamp(of: path)?.size ?? 0) > EventLog.fileLimit) }
        // Whatever came after a full log stands in the next one or in the same: the last round's four are all there.
        let all = try log.files.map { path in
            let file = try #require(FileHandle(forReadingAtPath: path))
            let end = try file.seekToEnd()
            try file.seek(toOffset: end - min(end, 4000))
            return String(decoding: try file.readToEnd() ?? Data(), as: UTF8.self)
        }.joined()
        for writer in 0..<4 { #expect(all.contains("\"crate\":\"\(EventLog.filesKept + 2)-\(writer)\"")) }
    }

    @Test func `long lines and a last line without an end are read`() throws {
        let workspace = try Workspace()
        let log = EventLog(folder: workspace.path)
        let long = String(repeating: "a", count: 700_000)
        _ = try workspace.write("current.jsonl", Array("one\n\(long)\n\nhalf".utf8))
        #expect(lines(log) == ["one", long, "", "half"])
    }

    @Test func `zeroing is remembered and clearing forgets it`() throws {
        let workspace = try Workspace()
        let log = EventLog(folder: workspace.path + "/events")
        #expect(log.zeroTime == 0)
        try log.zero(at: 1234)
        #expect(log.zeroTime == 1234)
        _ = try workspace.write("events/zeroed", Array("rubbish".utf8))
        #expect(log.zeroTime == 0)
        try log.zero(at: 99)
        try log.append(Event())
        log.clear()
        #expect(log.zeroTime == 0)
        #expect(log.files == [])
    }
}
