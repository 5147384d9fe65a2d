import BuildSupport
import Testing

/// Two users of one machine.
@Suite("Two users")
struct UserTests {
    @Test("neither user can read or write the other's cache")
    func caches() throws {
        let box = try Sandbox()
        // Users that own nothing.
        let users = [try OtherUser(64_001, in: box), try OtherUser(64_002, in: box)]
        let project = try box.project(Programs.demo)
        try box.cargo(["generate-lockfile"], in: project, larder: false).succeeded()
        for user in users {
            let own = try user.checkout(of: project)
            let built = try user.run(box.toolchain.cargo, ["build"], in: own.folder, isBuild: true).succeeded()
            #expect(built.compiled == ["demo"])
            #expect(Files.mode(user.cache) == 0o700)
            #expect(!LoggedEvent.read(user.cache).isEmpty)
        }
        for (user, other) in zip(users, users.reversed()) {
            let before = Files.tree(other.cache)
            for attempt in [
                ["touch", other.cache + "/blobs/x"], ["ls", other.cache], ["rm", "-rf", other.cache + "/results"],
            ] {
                let ended = try user.run(try Tools.path(attempt[0]), Array(attempt.dropFirst()))
                #expect(ended.code != 0, "\(attempt) worked")
            }
            #expect(Files.tree(other.cache) == before)
        }
    }

    private enum Programs {
        static let demo = ["Cargo.toml": Project.manifest("demo"), "src/main.rs": "fn main() {}\n"]
    }
}
