import LarderControl
import Platform
import Store
import Testing

@Suite struct ExplanationTests {
    private func miss(
        _ time: Int64,
        _ crate: String,
        _ reason: String,
        _ detail: String = "",
        type: String = "lib",
        key: String = ""
    ) -> LoggedEvent {
        var event = LoggedEvent()
        event.time = time
        event.build = "1-1"
        event.crate = crate
        event.type = type
        event.key = key.isEmpty ? "\(crate)-\(type)" : key
        event.result = "miss"
        event.reason = reason
        event.detail = detail
        event.isStored = true
        return event
    }

    @Test func `a crate's name is read off its output`() {
        #expect(Explanation.libraryName("{target}/debug/deps/libserde_json-0123abcd.rmeta") == "serde_json")
        #expect(Explanation.libraryName("{target}/debug/deps/libserde_derive-01.so") == "serde_derive")
        #expect(Explanation.libraryName("/x/liba.rlib") == "a")
        #expect(Explanation.libraryName("{cwd}/src/lib.rs") == nil)
        #expect(Explanation.libraryName("") == nil)
        #expect(Explanation.libraryName(".rmeta") == nil)
    }

    @Test func `a change is followed up to what changed first`() {
        let explanation = Explanation([
            miss(1, "base-one", "file-changed", "{cwd}/base/src/lib.rs"),
            miss(2, "middle", "file-changed", "{target}/debug/deps/libbase_one-aa.rmeta"),
            miss(3, "app", "file-changed", "{target}/debug/deps/libmiddle-bb.rlib", type: "bin"),
            miss(4, "lonely", "new-unit"),
        ])
        #expect(
            explanation.causes.map { $0.chain.map(\.crate) } == [
                ["base-one"], ["middle", "base-one"], ["app", "middle", "base-one"], ["lonely"],
            ]
        )
        #expect(explanation.causes[2].first.detail == "{cwd}/base/src/lib.rs")
        let text = explanation.text
        #expect(text.contains("base-one (lib): a file that the compile reads has changed: {cwd}/base/src/lib.rs\n"))
        #expect(text.contains("then app (bin), after middle (lib), itself after base-one (lib)\n"))
        #expect(text.contains("lonely (lib): nothing is stored for it"))
    }

    @Test func `units that name each other end the search`() {
        let explanation = Explanation([
            miss(1, "a", "file-changed", "libb-1.rmeta"), miss(1, "b", "file-changed", "liba-1.rmeta"),
        ])
        #expect(explanation.causes.map(\.chain.count) == [2, 2])
    }

    @Test func `a changed output that nobody made in this build is the first cause`() {
        let explanation = Explanation([miss(1, "a", "file-changed", "{target}/libb-1.rmeta")])
        #expect(explanation.causes.first?.chain.count == 1)
    }

    @Test func `the last build is told apart from those before and from queries after`() throws {
        let scratch = try Scratch()
        try Files.makeFolder(scratch.path + "/cache/events")
        let log = EventLog(folder: scratch.path + "/cache/events")
        func add(_ time: Int64, _ build: String, _ crate: String, _ type: String, _ result: Event.Result) throws {
            var event = Event()
            event.time = time
            event.build = build
            event.crate = crate
            event.type = type
            event.result = result
            try log.append(event)
        }
        try add(1, "1-1", "old", "lib", .miss)
        try add(2, "2-2", "dep", "lib", .hit)
        try add(3, "2-2", "my-app", "bin", .miss)
        try add(4, "3-3", "", "query", .hit)
        let reader = EventReader(folder: scratch.path + "/cache", fallback: nil)
        #expect(reader.lastBuild().map(\.crate) == ["dep", "my-app"])
        #expect(reader.lastBuild(of: "old").map(\.crate) == ["old"])
        #expect(reader.lastBuild(of: "my_app").map(\.crate) == ["dep", "my-app"])
        #expect(reader.lastBuild(of: "dep").isEmpty)
        let said = try scratch.larder(["explain", "my-app"], ["LARDER_DIR": scratch.path + "/cache"])
        #expect(said.code == 0)
        #expect(said.out.contains("my-app (bin)"))
    }
}
