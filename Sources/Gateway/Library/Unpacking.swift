internal import Backends
internal import CPlatform
internal import Digest
internal import Glibc
internal import Store

/// Puts what was fetched into the local store as if it had been made here, once nobody is waiting: manifests, which are
/// in memory until then, and results with their blobs, which are packed. From then on a hit copies them, or shares their
/// blocks where the file system can.
final class Unpacking: Sendable {
    /// A manifest, and the level that had it.
    struct Fetched: Sendable {
        let manifest: Manifest
        let level: String
    }

    private struct State: Sendable {
        var queue: [Digest] = []
        var manifests: [Digest: Fetched] = [:]
        var lastUse = ContinuousClock.now

        var isEmpty: Bool { queue.isEmpty && manifests.isEmpty }
    }

    private let cache: String
    private let log: GatewayLog
    private let state = Monitor(State())
    /// One at a time: whoever has it done finds all of it done.
    private let settling = Monitor(ContinuousClock.now)
    /// Manifests wait no longer than this, however busy the build.
    private static let longestWait = Duration.seconds(60)
    /// A build that fetches asks again sooner than this.
    private static let quiet = Duration.seconds(2)
    private static let retryPause = Duration.seconds(30)

    /// - Parameter cache: the local cache's folder.
    init(cache: String, log: GatewayLog) {
        self.cache = cache
        self.log = log
    }

    /// Takes note that a build is under way.
    func noteUse() { state.update { $0.lastUse = .now } }

    /// - Parameter results: whose blobs are packed.
    func add(_ results: [Digest]) {
        state.update { state in
            state.queue += results
            state.lastUse = .now
        }
    }

    /// - Parameter key: the manifest's unit.
    func add(_ manifest: Fetched, of key: Digest) { state.update { $0.manifests[key] = manifest } }

    /// A manifest that is not in the store yet.
    func manifest(_ key: Digest) -> Fetched? { state.read { $0.manifests[key] } }

    /// Puts all manifests into the store that lead to something there.
    func settle() {
        settling.update { last in
            last = .now
            let manifests = state.update { state in
                defer { state.manifests = [:] }
                return state.manifests
            }
            if !manifests.isEmpty { put(manifests) }
        }
    }

    private func put(_ manifests: [Digest: Fetched]) {
        do {
            var store = try Store(in: cache)
            for (key, fetched) in manifests
            where fetched.manifest.entries.contains(where: { store.hasResult($0.result) }) {
                // It is on the server still.
                do { _ = try store.merge(fetched.manifest, into: key) } catch { log.write("not kept: \(error)") }
            }
        } catch { log.write("manifests not kept: \(error)") }
    }

    func start() {
        let hasStarted = DetachedThread.start { [self] in
            larder_lower_thread_priority()
            // What an earlier gateway did not get to.
            add(Store.packed(in: cache))
            run()
        }
        if !hasStarted { log.write("nothing will be unpacked: the system has no thread to give") }
    }

    private func run() {
        while true {
            guard state.wait(until: .after(.seconds(60)), { $0.isEmpty ? nil : true }) == true else { continue }
            let calm = state.read { Self.quiet - (.now - $0.lastUse) }
            guard calm <= .zero else {
                if .now - settling.read({ $0 }) > Self.longestWait { settle() }
                usleep(UInt32(clamping: calm.components.seconds * 1_000_000) + 50_000)
                continue
            }
            settle()
            guard let result = state.update({ $0.queue.popLast() }) else { continue }
            do {
                var store = try Store(in: cache)
                try store.unpack(result)
            } catch {
                // A full disk. It stays packed, which is slower and no less right, and is tried again behind the others.
                log.write("not unpacked: \(error)")
                state.update { state in
                    state.queue.insert(result, at: 0)
                    state.lastUse = .now + Self.retryPause
                }
            }
        }
    }
}
