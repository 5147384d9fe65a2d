internal import Foundation
package import Glibc

/// Another user of this machine, with a home in a sandbox and nothing else. Only root can become one.
package struct OtherUser {
    package let id: uid_t
    private let box: Sandbox

    package var home: String { "\(box.folder)/home-\(id)" }
    package var cache: String { home + "/.cache/larder" }

    package init(_ id: uid_t, in box: Sandbox) throws {
        guard getuid() == 0 else { throw TestFault("only root can become another user: run this test as root") }
        self.id = id
        self.box = box
        // Folders above must let others through.
        var folder = box.folder
        while folder != "/" {
            chmod(folder, (Files.mode(folder) ?? 0) | 0o055)
            folder = (folder as NSString).deletingLastPathComponent
        }
    }

    /// A copy of a project that is this user's own.
    package func checkout(of project: Project, _ name: String = "checkout") throws -> Project {
        let own = try project.copy(to: "\(home)/\(name)")
        try Tools.run("chown", ["-R", "\(id):\(id)", home])
        return own
    }

    /// Runs a program as this user.
    ///
    /// - Parameter isBuild: whether it may read everything: the toolchain may lie in root's home.
    package func run(
        _ program: String,
        _ arguments: [String],
        in folder: String = "/",
        isBuild: Bool = false,
        _ changes: [String: String?] = [:]
    ) throws -> Built {
        let own: [String: String?] = [
            "HOME": home, "CARGO_HOME": home + "/.cargo", "LARDER_DIR": nil, "RUSTC_WRAPPER": Places.larder,
            "TMPDIR": home, "XDG_RUNTIME_DIR": nil,
        ]
        let reading = isBuild ? ["--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search"] : []
        let become = reading + ["--reuid", "\(id)", "--regid", "\(id)", "--clear-groups", program]
        return try box.start(
            try Tools.path("setpriv"),
            become + arguments,
            in: folder,
            larder: false,
            own.merging(changes) { $1 },
            log: home + "/calls"
        ).wait()
    }
}
