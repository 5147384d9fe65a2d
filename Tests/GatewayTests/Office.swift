import BuildSupport
import Foundation
import GatewayProtocol
import Platform
import ServerSupport
import Settings
import Testing

/// A machine of an office: its own cache, a project, and settings that name a shared cache.
final class Office: Sendable {
    let box: Sandbox
    let project: Project
    let variables: [String: String]

    init(_ variables: [String: String], _ files: [String: String] = Office.small) throws {
        self.variables = variables
        box = try Sandbox("office")
        project = try box.project(files)
    }

    private init(_ variables: [String: String], box: Sandbox, project: Project) {
        self.variables = variables
        self.box = box
        self.project = project
    }

    /// The same machine with other settings.
    func with(_ changes: [String: String]) -> Office {
        Office(variables.merging(changes) { $1 }, box: box, project: project)
    }

    // MARK: Projects

    /// A library and a program.
    static let small = [
        "Cargo.toml": "[workspace]\nmembers = [\"a\", \"b\"]\nresolver = \"2\"\n",
        "a/Cargo.toml": Project.manifest("a"), "a/src/lib.rs": "pub fn word() -> &'static str { \"right\" }\n",
        "b/Cargo.toml": Project.manifest("b", "[dependencies]\na = { path = \"../a\" }"),
        "b/src/main.rs": "fn main() { println!(\"{}\", a::word()); }\n",
    ]

    /// Besides those a proc macro, a build script and a library over any server's limit for one value.
    static var large: [String: String] {
        var files = small
        files["Cargo.toml"] = "[workspace]\nmembers = [\"a\", \"b\", \"m\"]\nresolver = \"2\"\n"
        files["a/Cargo.toml"] = Project.manifest("a", "[dependencies]\nm = { path = \"../m\" }")
        var word: UInt64 = 88_172_645_463_325_252
        let noise = (0..<400_000).map { _ -> String in
            word ^= word << 13
            word ^= word >> 7
            word ^= word << 17
            return "\(word),"
        }.joined()
        files["a/src/lib.rs"] = """
            pub static NOISE: [u64; 400000] = [\(noise)];
            pub fn word() -> &'static str { m::word!() }

            """
        files["a/build.rs"] = "fn main() { println!(\"cargo:rerun-if-changed=build.rs\"); }\n"
        files["m/Cargo.toml"] = Project.manifest("m", "[lib]\nproc-macro = true")
        files["m/src/lib.rs"] = """
            #[proc_macro]
            pub fn word(_: proc_macro::TokenStream) -> proc_macro::TokenStream { "\\"right\\"".parse().unwrap() }

            """
        return files
    }

    // MARK: What it does

    /// What a build came to.
    struct Outcome {
        let events: [Event]

        func count(_ result: String) -> Int { events.count { $0.result == result } }
        func hits(_ level: String) -> Int { events.count { $0.result == "hit" && $0.level == level } }
        /// Seconds that each call spent on the shared cache, the longest last.
        var waits: [Double] { events.map { Double($0.phases["fetch"] ?? 0) / 1e6 }.sorted() }
    }

    struct Event: Decodable {
        let crate: String?
        let result: String
        let level: String?
        let reason: String?
        let phases: [String: Int]
    }

    /// Builds from scratch, one rustc at a time, and checks that the program is right.
    func build(jobs: Int = 1) throws -> Outcome {
        project.remove("target")
        let before = events.count
        try box.cargo(["build", "-j\(jobs)"], in: project, variables.mapValues { $0 }).succeeded()
        let said = try Tools.run(project.path("target/debug/b"), [])
        guard said == "right\n" else { throw TestFault("the program says \(said)") }
        return Outcome(events: Array(events.dropFirst(before)))
    }

    private var events: [Event] {
        let bytes = FileManager.default.contents(atPath: box.cache + "/events/current.jsonl") ?? Data()
        return bytes.split(separator: UInt8(ascii: "\n")).compactMap {
            try? JSONDecoder().decode(Event.self, from: Data($0))
        }
    }

    /// Runs a command of larder's.
    @discardableResult
    func larder(_ words: String...) throws -> Built {
        try box.start(Places.larder, words, in: project.folder, variables.mapValues { $0 }).wait()
    }

    /// Publishes what waits.
    func flush() throws { try larder("flush", "--timeout", "30").succeeded() }

    /// Takes away all entries of the local cache; what is known of the toolchain stays.
    func wipe() throws {
        for folder in ["manifests", "results", "blobs", "packs"] {
            let path = "\(box.cache)/\(folder)"
            try FileManager.default.removeItem(atPath: path)
            try FileManager.default.createDirectory(
                atPath: path,
                withIntermediateDirectories: false,
                attributes: [.posixPermissions: 0o700]
            )
        }
    }

    /// Results whose blobs are as they were fetched.
    var packs: [String] { Files.tree(box.cache + "/packs") }

    // MARK: The gateway

    private var environment: Environment {
        Environment(box.environment.merging(variables) { $1 }.mapValues { Array($0.utf8) })
    }

    var place: GatewayPlace {
        let settings = Settings(environment)
        return GatewayPlace(cache: box.cache, settings, RemoteVariables(environment, settings), environment)
    }

    /// A client as the wrapper has it; with `starts` it starts a gateway.
    func client(starts: Bool = false) -> GatewayClient {
        let settings = Settings(environment)
        return GatewayClient(
            place,
            program: starts ? Places.stage + "/libexec/larder/larderd" : nil,
            settings: settings,
            remote: RemoteVariables(environment, settings),
            environment: environment,
            mindsFailures: starts
        )
    }

    /// What the gateway says of itself; `nil` where none runs.
    func status() throws -> Status? {
        var client = client()
        guard client.connect(), case .text(let text) = client.ask(.status, milliseconds: 5000) else { return nil }
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(Status.self, from: Data(text.utf8))
    }

    struct Status: Decodable {
        let pid: Int32
        let queue: Int
        let published: Int
        let publishError: String
        let levels: [Level]

        struct Level: Decodable {
            let name: String
            let breaker: String
            let hits: Int
            let misses: Int
            let errors: Int
            let errorsByCode: [String: Int]
            let lastError: String
            let puts: Int
        }
    }

    /// Results that wait to be published.
    var waiting: Int { (try? FileManager.default.contentsOfDirectory(atPath: place.outbox).count) ?? 0 }
}
