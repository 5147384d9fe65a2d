internal import CPlatform
internal import Glibc
package import Platform
package import Settings

/// The wrapper's way to the gateway. Never throws: without an answer there is none.
package struct GatewayClient: ~Copyable {
    package let place: GatewayPlace
    private let program: String?
    private let mindsFailures: Bool
    private let environment: [[UInt8]]
    /// Milliseconds that the servers have.
    private let timeout: Int64
    private var connection: Connection?
    /// Why there is no gateway, once that is known.
    package private(set) var failure: String?

    /// Why the servers could not answer, as the gateway says; it may still take what is to be published.
    package private(set) var trouble: String?

    /// A gateway that is there says so at once; on a machine under load, soon. Once for a whole build, as the silence is
    /// marked; below the 3 s that a dead gateway may cost it. Milliseconds.
    private static let patience: Int64 = 2000
    /// A new gateway has to be loaded and to reach the lock, among many that want the same; well below the 3 s that a dead
    /// one may cost a whole build. Milliseconds.
    private static let startPatience: Int64 = 2000
    /// What the gateway may take on top of the servers' time; while it checks what came it says so again. Milliseconds.
    private static let slack: Int64 = 500
    /// One that has not taken its lock by then was killed, and is started again. Milliseconds.
    private static let launchPatience: Int64 = 600
    /// So long no call tries again after one found that the gateway gives no answer, or does not start. Nanoseconds.
    private static let failurePause: Int64 = 30_000_000_000

    /// - Parameters:
    ///   - program: path of `larderd`; `nil`: a gateway that runs already is used, none is started.
    ///   - mindsFailures: whether a gateway that failed a moment ago is left alone, as in a build; a person wants to know.
    package init(
        _ place: GatewayPlace,
        program: String?,
        settings: Settings,
        remote: RemoteVariables,
        environment: Environment,
        mindsFailures: Bool = true
    ) {
        self.place = place
        self.program = program
        self.mindsFailures = mindsFailures
        timeout = Int64(settings.remoteTimeout)
        self.environment = Self.environment(settings, remote, environment)
    }

    /// What a gateway is told: the settings of shared caches, and where certificates are.
    private static func environment(
        _ settings: Settings,
        _ remote: RemoteVariables,
        _ environment: Environment
    ) -> [[UInt8]] {
        var entries = remote.entries
        entries.append("LARDER_REMOTE_TIMEOUT=\(settings.remoteTimeout)")
        entries.append("LARDER_REMOTE_COMPRESSION=\(settings.remoteCompression)")
        entries.append("LARDER_IDLE_TIMEOUT=\(settings.idleTimeout)")
        for name in ["SSL_CERT_FILE", "SSL_CERT_DIR", "TZ", "LD_LIBRARY_PATH"] {
            if let value = environment[name] { entries.append("\(name)=\(value)") }
        }
        return entries.map { Array($0.utf8) }
    }

    // MARK: Requests

    /// What the gateway had.
    package struct Fetched: Sendable {
        /// The level that had it.
        package let level: String
        /// A manifest's record; `nil`: what was asked for is in the local store.
        package let manifest: [UInt8]?
    }

    /// Asks for something that lands in the local store, or comes as it is.
    ///
    /// - Returns: `nil` where no level had it, or none could be asked.
    package mutating func fetch(_ request: Request) -> Fetched? {
        guard connect() else { return nil }
        switch ask(request, milliseconds: timeout + Self.slack) {
        case .found(let level): return Fetched(level: level, manifest: nil)
        case .manifest(let level, let bytes): return Fetched(level: level, manifest: bytes)
        case .failed(let reason): trouble = reason
        default: break
        }
        return nil
    }

    /// Sends a request and waits for what is not `.working`.
    ///
    /// - Parameter milliseconds: for the answer, once the gateway has said that it works on it.
    package mutating func ask(_ request: Request, milliseconds: Int64) -> Reply? {
        var reply: Reply?
        do throws(Connection.Failure) {
            do throws(Connection.Failure) { reply = try askOnce(request, milliseconds: milliseconds) } catch {
                // It was killed, or came to its end just when it was asked: the next one answers as well.
                guard error == .closed else { throw error }
                guard connect() else { return nil }
                reply = try askOnce(request, milliseconds: milliseconds)
            }
        } catch {
            failure = "the gateway did not answer: \(error)"
            // Any other silence will be there for the next call, too.
            if error != .closed { mark(place.silenceMark) }
        }
        return reply
    }

    private mutating func askOnce(_ request: Request, milliseconds: Int64) throws(Connection.Failure) -> Reply? {
        guard let connected = connection.take() else { return nil }
        let soon = millisecondsNow() + Self.patience
        try connected.send(request.frame, deadline: soon)
        guard Reply(try connected.receive(deadline: soon)) == .working else { throw .foreign }
        var reply = Reply(try connected.receive(deadline: millisecondsNow() + milliseconds))
        while reply == .working {
            reply = Reply(try connected.receive(deadline: millisecondsNow() + Self.patience))
        }
        guard let reply else { throw .foreign }
        connection = consume connected
        return reply
    }

    /// Tells the gateway that something is in the outbox; does not wait for it.
    package mutating func poke() {
        guard connect(), let connected = connection.take() else { return }
        try? connected.send(Request.publish.frame, deadline: millisecondsNow() + Self.patience)
    }

    /// Ends the connection; the next request makes a new one.
    package mutating func disconnect() { _ = connection.take() }

    // MARK: Connecting

    /// Connects, starting a gateway if there is none.
    package mutating func connect() -> Bool {
        if connection != nil { return true }
        if failure != nil { return false }
        do { try place.prepare() } catch {
            failure = "\(error)"
            return false
        }
        if isMarked(place.silenceMark) {
            failure = "the gateway gave no answer a moment ago"
            return false
        }
        if connectOnce() { return true }
        guard failure == nil, program != nil else { return false }
        if isMarked(place.unreadyMark) {
            failure = "the gateway did not start a moment ago"
            return false
        }
        return start()
    }

    private func isMarked(_ path: String) -> Bool {
        guard mindsFailures, let stamp = FileStamp(of: path) else { return false }
        return abs(fileClockNow() &- stamp.modified) < Self.failurePause
    }

    private func mark(_ path: String) {
        if mindsFailures { try? Files.replace(path, with: Array(((failure ?? "") + "\n").utf8)) }
    }

    private mutating func connectOnce() -> Bool {
        let socket = larder_socket_connect(place.socket)
        guard socket >= 0 else {
            // A queue that is full is a gateway with much to do.
            return false
        }
        guard let made = Connection(taking: socket) else {
            failure = "the socket \(place.socket) is another user's"
            return false
        }
        connection = consume made
        return true
    }

    private mutating func start() -> Bool {
        do throws(SystemError) {
            // Of many wrappers that find no gateway one starts it, and the others wait.
            let lock = try Descriptor(opening: place.startLock, O_RDWR | O_CREAT, mode: 0o600, for: "lock")
            if start(lock.number) { return true }
            if failure == nil {
                failure = "the gateway did not start (see \(place.log))"
                mark(place.unreadyMark)
            }
        } catch {
            // A gateway could not listen in this folder, either.
            failure = "\(error)"
        }
        return false
    }

    private mutating func start(_ lock: Int32) -> Bool {
        let deadline = millisecondsNow() + Self.startPatience
        var mayStart = false
        var launched: Int64?
        /// Microseconds. Two hundred wrappers that all look every 2 ms would starve the gateway they wait for.
        var pause: UInt32 = 2000
        let longestPause: UInt32 = 50_000
        repeat {
            if !mayStart, flock(lock, LOCK_EX | LOCK_NB) == 0 {
                mayStart = true
                // Whoever had the lock before may have just been done.
                if connectOnce() { return true }
            }
            if mayStart, launched.map({ millisecondsNow() - $0 > Self.launchPatience && !isServing }) ?? true {
                launched = millisecondsNow()
                guard launch() else { return false }
            }
            usleep(pause)
            if !mayStart { pause = min(pause * 2, longestPause) }
            if connectOnce() { return true }
        } while failure == nil && millisecondsNow() < deadline
        return false
    }

    /// Whether a gateway holds the lock that it has while it lives.
    private var isServing: Bool {
        guard let lock = try? Descriptor(opening: place.lock, O_RDWR) else { return false }
        return flock(lock.number, LOCK_SH | LOCK_NB) != 0
    }

    private func launch() -> Bool {
        guard let program else { return false }
        let code = CStrings.with(([program] + place.arguments).map { Array($0.utf8) }) { argv in
            CStrings.with(environment) { envp in larder_spawn_detached(program, argv, envp) }
        }
        return code == 0
    }
}
