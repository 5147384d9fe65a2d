internal import Backends
internal import Bundle
internal import CPlatform
internal import Digest
internal import GatewayProtocol
internal import Glibc
internal import Platform
internal import Store

/// Puts what waits in the outbox onto the shared caches.
///
/// The outbox is the truth: what is in memory is only which of its files are being worked on. A file goes once all
/// levels that may be written have the result and its manifest, or once it can never be published.
final class Publisher: Sendable {
    /// A file of the outbox.
    struct Item: Hashable, Sendable {
        let unit: Digest
        let result: Digest

        init(unit: Digest, result: Digest) {
            self.unit = unit
            self.result = result
        }

        init?(name: String) {
            let parts = name.split(separator: "-")
            guard parts.count == 2, let unit = Digest(hex: parts[0]), let result = Digest(hex: parts[1]) else {
                return nil
            }
            self.init(unit: unit, result: result)
        }

        var name: String { "\(unit.hex)-\(result.hex)" }
    }

    struct State: Sendable {
        var queue: [Item] = []
        var inWork: Set<Item> = []
        /// Failed, to be tried again.
        var waiting: Set<Item> = []
        var published = 0
        /// Given up for good.
        var dropped = 0
        var lastError = ""

        var isDone: Bool { queue.isEmpty && inWork.isEmpty }
        var left: Int { queue.count + inWork.count + waiting.count }

        func knows(_ item: Item) -> Bool { inWork.contains(item) || waiting.contains(item) }
    }

    /// What became of one item.
    private enum Outcome {
        case published
        /// It can't be published, now or later.
        case dropped(String)
        case failed(String)
    }

    private let place: GatewayPlace
    private let levels: [Level]
    private let compression: Int
    private let log: GatewayLog
    private let state = Monitor(State())

    /// One compresses while the other sends; more would take the processor from the build.
    private static let workers = 2
    /// Time for one value: 100 MB over a slow line. Nobody waits for it but `flush`.
    private static let patience = Duration.seconds(20)
    /// Between two tries of what failed; as long as the breaker's pause, and twice as long each time it was in vain.
    private static let retryPause = Duration.seconds(30)
    private static let longestRetryPause = Duration.seconds(960)
    /// The same while somebody waits for it, and how long that one waits where nothing goes out.
    private static let flushPause = Duration.seconds(1)
    private static let flushPatience = Duration.seconds(20)

    init(_ place: GatewayPlace, _ levels: [Level], compression: Int, log: GatewayLog) {
        self.place = place
        self.levels = levels
        self.compression = compression
        self.log = log
    }

    var now: State { state.read { $0 } }

    func start() {
        scan()
        for _ in 0..<Self.workers { _ = DetachedThread.start { [self] in run() } }
        _ = DetachedThread.start { [self] in
            var pause = Self.retryPause
            var published = 0
            while true {
                usleep(UInt32(pause.components.seconds) * 1_000_000)
                // A server that stays full would have all that waits packed anew every time.
                let state = now
                let isInVain = !state.waiting.isEmpty && state.published == published
                pause = isInVain ? min(pause * 2, Self.longestRetryPause) : Self.retryPause
                published = state.published
                retry()
            }
        }
    }

    /// Looks what is in the outbox.
    func scan() {
        let names = (try? Files.listNames(place.outbox)) ?? []
        let items = names.compactMap(Item.init(name:))
        state.update { state in
            let queued = Set(state.queue)
            state.queue += items.filter { !queued.contains($0) && !state.knows($0) }
        }
    }

    private func retry() {
        state.update { state in
            state.queue += state.waiting
            state.waiting = []
        }
        scan()
    }

    /// Publishes all there is, and tries again what fails, until the deadline or until that has been in vain for a while.
    ///
    /// - Parameter all: put everything into the outbox that the local cache holds.
    func flush(all: Bool, deadline: Deadline, onWait: () -> Void) -> State {
        if all { enqueueAll() }
        retry()
        var done = now.published + now.dropped
        var giveUp = Deadline.after(Self.flushPatience)
        var pause = Self.flushPause
        var nextTry = Deadline.after(pause)
        while !deadline.hasPassed {
            let isDone = state.wait(until: deadline.atMost(.milliseconds(300))) { $0.left == 0 ? true : nil }
            if isDone == true { break }
            let state = now
            if state.published + state.dropped != done {
                done = state.published + state.dropped
                giveUp = .after(Self.flushPatience)
                pause = Self.flushPause
            } else if giveUp.hasPassed || levels.isEmpty {
                break
            }
            // All have been tried, in vain: once more, and less often each time.
            if state.isDone, nextTry.hasPassed {
                for level in levels { level.backend.endPause() }
                retry()
                pause *= 2
                nextTry = .after(pause)
            }
            onWait()
        }
        return now
    }

    private func enqueueAll() {
        guard let store = try? Store(in: place.cache) else { return }
        Store.forEach("manifests", in: place.cache) { file in
            guard let unit = file.digest, let bytes = try? Files.read(file.path), let manifest = try? Manifest(bytes)
            else { return }
            // The oldest first, so that the newest ends up in front on the server, too.
            for entry in manifest.entries.reversed() where store.hasResult(entry.result) {
                try? place.enqueue(unit: unit, result: entry.result)
            }
        }
    }

    // MARK: Work

    private func run() {
        larder_lower_thread_priority()
        while true {
            let item = state.wait(until: .after(.seconds(60))) { state -> Item? in
                guard !state.queue.isEmpty else { return nil }
                let item = state.queue.removeFirst()
                state.inWork.insert(item)
                return item
            }
            guard let item else { continue }
            let outcome = publish(item)
            if case .failed = outcome {} else { unlink("\(place.outbox)/\(item.name)") }
            state.update { state in
                state.inWork.remove(item)
                switch outcome {
                case .published: state.published += 1
                case .dropped(let reason):
                    state.dropped += 1
                    state.lastError = reason
                case .failed(let reason):
                    state.waiting.insert(item)
                    state.lastError = reason
                }
            }
        }
    }

    private func publish(_ item: Item) -> Outcome {
        let targets = levels.filter { !$0.settings.isReadOnly }
        // Settings that are wrong may be put right; what is read only is meant so.
        guard !targets.isEmpty else {
            return levels.isEmpty ? .failed("no shared cache can be used") : .dropped("the shared cache is read only")
        }
        // A server that is left alone is not worth the compressing.
        guard targets.contains(where: \.backend.state.isClosed) else {
            // Asking is what makes the breaker look whether the server is back.
            _ = try? targets.first?.backend.exists("m/\(item.unit.hex)", deadline: .after(Self.patience))
            return .failed("the shared cache does not answer")
        }
        let bundle: [UInt8]
        let entry: Manifest.Entry
        do {
            var store = try Store(in: place.cache)
            guard let found = store.manifest(item.unit)?.entries.first(where: { $0.result == item.result }),
                let outcome = store.result(item.result)
            else { return .dropped("\(item.result) is no longer in the local cache") }
            entry = found
            bundle = try Bundle.encode(outcome, id: item.result, from: &store, level: compression)
        } catch {
            // A full disk or a lack of descriptors passes; what can't be packed never can.
            guard let refused = error as? Bundle.Refused, refused.fault == .bundle else { return .failed("\(error)") }
            log.write("not published: \(item.result): \(error)")
            return .dropped("\(error)")
        }
        var result = Outcome.published
        for level in targets {
            do {
                // The manifest last: who finds it finds the result.
                try level.put("r/\(item.result.hex)", bundle, deadline: .after(Self.patience))
                try put(entry, of: item.unit, to: level)
            } catch {
                let canTryAgain = (error as? BackendError).map { $0.code != .valueTooLarge && $0.code != .invalidKey }
                if canTryAgain == true {
                    result = .failed("\(error)")
                } else if case .published = result {
                    result = .dropped("\(error)")
                }
            }
        }
        return result
    }

    /// Adds an entry to the manifest on a server. Of two gateways that add at once one may lose its entry, which costs
    /// somebody a compile: no server here can do it in one step for values of any form.
    private func put(_ entry: Manifest.Entry, of unit: Digest, to level: Level) throws {
        let name = "m/\(unit.hex)"
        var manifest = Manifest()
        if let bytes = try level.backend.get(name, deadline: .after(Self.patience)),
            let known = try? Bundle.manifest(bytes, key: unit)
        {
            manifest = known
        }
        manifest.add(entry)
        try level.put(
            name,
            try Bundle.encode(manifest, key: unit, level: compression),
            deadline: .after(Self.patience)
        )
    }
}
