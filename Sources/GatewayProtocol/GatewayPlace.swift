internal import CPlatform
package import Digest
internal import Glibc
package import Platform
package import Settings

/// Where the gateway for some settings is met: its socket and what lies beside it, in a folder that is this user's alone.
///
///     <cache>/gateway/<fingerprint>.sock     where it listens
///                     <fingerprint>.lock     held by the gateway while it lives
///                     <fingerprint>.start    held by the wrapper that starts one
///                     <fingerprint>.silent   its time: when a gateway last gave no answer, so that no call asks for a while
///                     <fingerprint>.unready  its time: when one last did not start, so that no call starts one for a while
///                     log                    what gateways say
///     <cache>/outbox/<destination>/<unit key>-<result id>   empty: a result that is to be published
///
/// The fingerprint is of larder's version and all settings of the shared caches: others, or a newer larder, meet
/// another gateway. The destination leaves out logins and times, so that what waits goes out once a login is put right.
package struct GatewayPlace: Sendable {
    package let cache: String
    /// The folder of the socket.
    package let folder: String
    package let fingerprint: String
    package let outbox: String

    /// The longest path a Unix socket can have, its final zero left out. Source: unix(7).
    private static let longestSocketPath = 107

    /// - Parameters:
    ///   - cache: the local cache's folder.
    package init(cache: String, _ settings: Settings, _ remote: RemoteVariables, _ environment: Environment) {
        let times = ["\(settings.remoteTimeout)", "\(settings.remoteCompression)", "\(settings.idleTimeout)"]
        let all = Self.name(["gateway", Version.text, "\(Frame.version)"] + times + remote.entries)
        let cacheName = Self.name(["cache", cache])
        let near = cache + "/gateway"
        self.cache = cache
        fingerprint = all
        outbox = "\(cache)/outbox/\(Self.name(["outbox"] + remote.destination))"
        // Room for the name that the socket has before it is ready.
        if "\(near)/\(all).sock.4194304".utf8.count <= Self.longestSocketPath {
            folder = near
        } else {
            let base = environment.filled("XDG_RUNTIME_DIR") ?? "/tmp"
            folder = "\(base)/larder-\(getuid())/\(cacheName)"
        }
    }

    /// The place that a gateway was told.
    package init(cache: String, folder: String, fingerprint: String, outbox: String) {
        self.cache = cache
        self.folder = folder
        self.fingerprint = fingerprint
        self.outbox = outbox
    }

    /// 64 bits tell one user's settings apart, and keep the socket's path short.
    private static func name(_ fields: [String]) -> String {
        var hasher = FieldHasher()
        for field in fields { hasher.field(field) }
        return String(hasher.finish().hex.prefix(16))
    }

    package var socket: String { "\(folder)/\(fingerprint).sock" }
    package var lock: String { "\(folder)/\(fingerprint).lock" }
    package var startLock: String { "\(folder)/\(fingerprint).start" }
    package var silenceMark: String { "\(folder)/\(fingerprint).silent" }
    package var unreadyMark: String { "\(folder)/\(fingerprint).unready" }
    package var log: String { "\(folder)/log" }

    /// Alone in place of those words: print what is wrong with the settings, a line each, and end.
    package static let problemsFlag = "--problems"

    /// The words a gateway is started with; the settings themselves travel in its environment.
    package var arguments: [String] { [cache, folder, fingerprint, outbox] }

    /// Makes the folder and sees that nobody else can reach into it.
    package func prepare() throws(SystemError) {
        if !folder.hasPrefix(cache + "/") {
            // In a place that others write to, the folder above must be ours as well.
            let above = Files.folder(of: folder)
            if mkdir(above, 0o700) != 0, errno != EEXIST { throw SystemError("make folder", above) }
            try Self.checkOwner(above)
        }
        if mkdir(folder, 0o700) != 0, errno != EEXIST { throw SystemError("make folder", folder) }
        try Self.checkOwner(folder)
    }

    private static func checkOwner(_ path: String) throws(SystemError) {
        var info = stat()
        guard lstat(path, &info) == 0 else { throw SystemError("look at", path) }
        guard info.st_mode & S_IFMT == S_IFDIR else { throw SystemError("use", path, ENOTDIR) }
        guard info.st_uid == getuid(), info.st_mode & 0o077 == 0 else { throw SystemError("trust", path, EPERM) }
    }

    /// Notes that a result is to be published. It waits there until it is, whatever dies meanwhile.
    package func enqueue(unit: Digest, result: Digest) throws(SystemError) {
        let path = "\(outbox)/\(unit.hex)-\(result.hex)"
        let flags = O_WRONLY | O_CREAT
        do {
            _ = try Descriptor(opening: path, flags, mode: 0o600, for: "create")
        } catch {
            guard error.isMissing else { throw error }
            try Files.makeFolder(outbox, mode: 0o700)
            _ = try Descriptor(opening: path, flags, mode: 0o600, for: "create")
        }
    }
}
