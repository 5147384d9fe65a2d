import BuildSupport
import Foundation
import Glibc
import Testing

/// Two users of one machine.
@Suite("Two users")
struct UserTests {
    /// Users that own nothing. The tests need a root user to become them.
    private static let users: [uid_t] = [64_001, 64_002]

    @Test("neither user can read or write the other's cache")
    func caches() throws {
        guard getuid() == 0 else { throw TestFault("only root can become another user: run this test as root") }
        let box = try Sandbox()
        let setpriv = try Tools.path("setpriv")
        var folder = box.folder
        // Folders above must let them through.
        while folder != "/" {
            chmod(folder, (Files.mode(folder) ?? 0) | 0o055)
            folder = (folder as NSString).deletingLastPathComponent
        }
        let project = try box.project(Programs.demo)
        try box.cargo(["generate-lockfile"], in: project, larder: false).succeeded()

        func run(
            _ user: uid_t,
            _ program: String,
            _ arguments: [String],
            in folder: String,
            isBuild: Bool = false
        ) throws -> Built {
            let home = "\(box.folder)/home-\(user)"
            let changes: [String: String?] = [
                "HOME": home, "CARGO_HOME": home + "/.cargo", "LARDER_DIR": nil, "RUSTC_WRAPPER": Places.larder,
                "TMPDIR": home, "XDG_RUNTIME_DIR": nil,
            ]
            // The toolchain may lie in root's home: a build may read there, and nothing more.
            let reading = isBuild ? ["--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search"] : []
            let become = reading + ["--reuid", "\(user)", "--regid", "\(user)", "--clear-groups", program]
            return try box.start(
                setpriv,
                become + arguments,
                in: folder,
                larder: false,
                changes,
                log: home + "/calls"
            ).wait()
        }
        var caches: [String] = []
        for user in Self.users {
            let home = "\(box.folder)/home-\(user)"
            let own = try project.copy(to: home + "/checkout")
            try Tools.run("chown", ["-R", "\(user):\(user)", home])
            let built = try run(user, box.toolchain.cargo, ["build"], in: own.folder, isBuild: true).succeeded()
            #expect(built.compiled == ["demo"])
            let cache = home + "/.cache/larder"
            caches.append(cache)
            #expect(Files.mode(cache) == 0o700)
            #expect(!LoggedEvent.read(cache).isEmpty)
        }
        for (user, cache) in zip(Self.users, caches.reversed()) {
            let before = Files.tree(cache)
            for attempt in [["touch", cache + "/blobs/x"], ["ls", cache], ["rm", "-rf", cache + "/results"]] {
                let ended = try run(user, try Tools.path(attempt[0]), Array(attempt.dropFirst()), in: "/")
                #expect(ended.code != 0, "\(attempt) worked")
            }
            #expect(Files.tree(cache) == before)
        }
    }

    private enum Programs {
        static let demo = ["Cargo.toml": Project.manifest("demo"), "src/main.rs": "fn main() {}\n"]
    }
}
