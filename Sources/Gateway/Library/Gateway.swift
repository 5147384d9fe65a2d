internal import Backends
internal import Bundle
internal import Digest
internal import GatewayProtocol
internal import Platform
internal import Settings
internal import Store

/// The one process of a user that talks to the shared caches, for all wrappers with the same settings.
final class Gateway: Sendable {
    let place: GatewayPlace
    let levels: [Level]
    let problems: [String]
    let started = ContinuousClock.now
    private let timeout: Duration
    private let flights = Flights()
    let publisher: Publisher
    let log: GatewayLog
    private let renewals: Renewals
    private let unpacking: Unpacking

    /// What checking and storing may take beyond the servers' time.
    private static let storeTime = Duration.seconds(60)

    /// - Parameters:
    ///   - settings, remote: as the wrapper has them.
    init(_ place: GatewayPlace, _ settings: Settings, _ remote: [String: String]) {
        self.place = place
        let log = GatewayLog(place.log)
        self.log = log
        let asked = RemoteSettings(environment: remote)
        var problems = asked.problems.map(\.description)
        var rules = BreakerBackend.Rules()
        timeout = .milliseconds(settings.remoteTimeout)
        // Levels that hang one after the other share what a build may lose. One such wait is enough to open a breaker, though
        // some of the time is gone before it starts its clock.
        rules.lostTime = timeout / max(1, asked.levels.count) * 8 / 10
        var levels: [Level] = []
        for level in asked.levels {
            do { levels.append(try Level(level, breaker: rules)) } catch { problems.append("\(level.name): \(error)") }
        }
        self.levels = levels
        self.problems = problems
        for problem in problems { log.write(problem) }
        publisher = Publisher(place, levels, compression: settings.remoteCompression, log: log)
        renewals = Renewals()
        unpacking = Unpacking(cache: place.cache, log: log)
    }

    func start() {
        publisher.start()
        renewals.start()
        unpacking.start()
    }

    /// Leaves nothing behind that is in memory alone.
    func end() { unpacking.settle() }

    /// Publishes what there is, as `Publisher.flush` does.
    func flush(all: Bool, deadline: Deadline, onWait: () -> Void) {
        if all { unpacking.settle() }
        _ = publisher.flush(all: all, deadline: deadline, onWait: onWait)
    }

    // MARK: Fetching

    /// A manifest of this many bytes or more goes through the local store, not the socket.
    private static let longManifest = 1 << 20

    /// Fetches a unit's manifest. It gets into the local store when there is time.
    func fetchManifest(_ key: Digest) -> Reply {
        unpacking.noteUse()
        let deadline = Deadline.after(timeout)
        return flights.share(.init(kind: "m", name: key.hex), deadline: deadline, onWait: {}) {
            var found = unpacking.manifest(key)
            var failure: String?
            for (index, level) in levels.enumerated() {
                let name = "m/\(key.hex)"
                do throws(BackendError) {
                    guard let bytes = try level.get(name, deadline: share(of: deadline, index)),
                        let manifest = manifest(bytes, key, level, name)
                    else { continue }
                    // A level further down may know more.
                    guard var known = found?.manifest else {
                        found = .init(manifest: manifest, level: level.name)
                        continue
                    }
                    if known.merge(manifest) { found = .init(manifest: known, level: level.name) }
                } catch { failure = failure ?? error.description }
            }
            guard let found else { return failure.map { .failed($0) } ?? .missing }
            fetchAhead(found.manifest, of: key)
            let bytes = found.manifest.encoded
            if bytes.count < Self.longManifest {
                unpacking.add(found, of: key)
                return .manifest(level: found.level, bytes)
            }
            do {
                var store = try Store(in: place.cache)
                _ = try store.merge(found.manifest, into: key)
                return .found(level: found.level)
            } catch { return .failed("\(error)") }
        }
    }

    private func manifest(_ bytes: [UInt8], _ key: Digest, _ level: Level, _ name: String) -> Manifest? {
        do {
            let manifest = try Bundle.manifest(bytes, key: key)
            renewals.add(level, name)
            return manifest
        } catch {
            refuse(error, level, name)
            return nil
        }
    }

    /// Fetches a result while the wrapper still looks whether its inputs are as they were. On a machine that has nothing of
    /// the unit yet they nearly always are; on one that has, its source is being changed, and it would be in vain.
    private func fetchAhead(_ manifest: Manifest, of key: Digest) {
        guard manifest.entries.count == 1, let id = manifest.entries.first?.result,
            unpacking.manifest(key) == nil, let store = try? Store(in: place.cache),
            !store.hasManifest(key), !store.hasResult(id)
        else { return }
        _ = DetachedThread.start { [self] in _ = fetchResult(id, onProgress: {}) }
    }

    /// Fetches a result and its blobs into the local store.
    ///
    /// - Parameter onProgress: called while it goes on after the servers have answered.
    func fetchResult(_ id: Digest, onProgress: () -> Void) -> Reply {
        let deadline = Deadline.after(timeout)
        let waiting = Deadline.after(timeout + Self.storeTime)
        return flights.share(.init(kind: "r", name: id.hex), deadline: waiting, onWait: onProgress) {
            var reply = Reply.missing
            for (index, level) in levels.enumerated() {
                let name = "r/\(id.hex)"
                do throws(BackendError) {
                    let coming = Coming(id, cache: place.cache)
                    let value = try level.fetch(name, deadline: share(of: deadline, index)) { _ in coming.begin() }
                    onProgress()
                    if keep(value, coming, id, level, name, onProgress) { return .found(level: level.name) }
                } catch {
                    if reply == .missing { reply = .failed(error.description) }
                }
            }
            return reply
        }
    }

    /// A result's bundle as it comes.
    private final class Coming {
        private let id: Digest
        private let cache: String
        private(set) var pack: IncomingPack?
        private var failure: SystemError?

        init(_ id: Digest, cache: String) {
            self.id = id
            self.cache = cache
        }

        /// Why it could not be written down here.
        var problem: SystemError? { failure ?? pack?.problem }

        func begin() -> (any ValueSink)? {
            do throws(SystemError) {
                let pack = try IncomingPack(of: id, in: try Store(in: cache))
                self.pack = pack
                return pack
            } catch {
                failure = error
                return nil
            }
        }
    }

    /// The part of the time left that one level may use, so that one that hangs leaves some for the next.
    private func share(of deadline: Deadline, _ index: Int) -> Deadline {
        deadline.atMost(deadline.remaining / max(1, levels.count - index))
    }

    /// Puts a result that came into the local store.
    ///
    /// - Returns: whether it is there now.
    private func keep(
        _ value: FetchedValue?,
        _ coming: Coming,
        _ id: Digest,
        _ level: Level,
        _ name: String,
        _ onProgress: () -> Void
    ) -> Bool {
        guard let value else {
            // Nothing there, or nothing that could be written down here.
            if let problem = coming.problem {
                log.write("\(level.name) \(name): \(problem)")
                level.noteProblem("\(name): \(problem)")
            }
            return false
        }
        do {
            let store = try Store(in: place.cache)
            switch value {
            case .whole(let bytes): try Bundle.keep(bytes, id: id, in: store, onProgress: onProgress)
            case .streamed:
                guard let pack = coming.pack else { return false }
                try Bundle.keep(pack, id: id, in: store)
            }
            unpacking.add([id])
            renewals.add(level, name)
            return true
        } catch {
            refuse(error, level, name)
            return false
        }
    }

    /// What came can't be used. Where it is damaged it goes from the server, so that the next compile's takes its place; a
    /// full disk here is no reason to take it from everybody else.
    private func refuse(_ error: any Error, _ level: Level, _ name: String) {
        log.write("\(level.name) \(name): \(error)")
        guard (error as? Bundle.Refused)?.fault == .bundle else { return level.noteUnused("\(name): \(error)") }
        level.noteDamage("\(name): \(error)")
        try? level.backend.remove(name, deadline: .after(timeout))
    }
}

extension IncomingPack: ValueSink {}
