internal import Backends
internal import CPlatform
internal import Digest
internal import Glibc
internal import Store

/// Unpacks what was fetched into blobs like any others, once nobody is waiting: from then on a hit copies them, or shares
/// their blocks where the file system can.
final class Unpacking: Sendable {
    private struct State: Sendable {
        var queue: [Digest] = []
        var lastUse = ContinuousClock.now
    }

    private let cache: String
    private let log: GatewayLog
    private let state = Monitor(State())
    /// A build that fetches asks again sooner than this.
    private static let quiet = Duration.seconds(2)

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

    func start() {
        _ = DetachedThread.start { [self] in
            larder_lower_thread_priority()
            // What an earlier gateway did not get to.
            add(Store.packed(in: cache))
            run()
        }
    }

    private func run() {
        while true {
            guard state.wait(until: .after(.seconds(60)), { $0.queue.isEmpty ? nil : true }) == true else { continue }
            let calm = state.read { Self.quiet - (.now - $0.lastUse) }
            guard calm <= .zero else {
                usleep(UInt32(clamping: calm.components.seconds * 1_000_000) + 50_000)
                continue
            }
            guard let result = state.update({ $0.queue.popLast() }) else { continue }
            do {
                var store = try Store(in: cache)
                try store.unpack(result)
            } catch {
                // A full disk. It stays packed, which is slower and no less right.
                log.write("not unpacked: \(error)")
                state.update { $0.queue = [] }
            }
        }
    }
}
