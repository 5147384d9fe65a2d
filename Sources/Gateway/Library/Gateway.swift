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

    /// What unpacking and storing may take beyond the servers' time.
    private static let unpackTime = Duration.seconds(60)

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

    func close() { for level in levels { level.backend.close() } }

    // MARK: Fetching

    /// Fetches a unit's manifest into the local store.
    func fetchManifest(_ key: Digest) -> Reply {
        unpacking.noteUse()
        let deadline = Deadline.after(timeout)
        return flights.share(.init(kind: "m", name: key.hex), deadline: deadline, onWait: {}) {
            var reply = Reply.missing
            for (index, level) in levels.enumerated() {
                let name = "m/\(key.hex)"
                do throws(BackendError) {
                    guard let bytes = try level.get(name, deadline: share(of: deadline, index)) else { continue }
                    // A level further down may know more.
                    if let isNew = merge(bytes, key, level, name), isNew || reply == .missing {
                        reply = .found(level: level.name)
                    }
                } catch {
                    if reply == .missing { reply = .failed(error.description) }
                }
            }
            return reply
        }
    }

    /// Fetches a result and its blobs into the local store.
    ///
    /// - Parameter onProgress: called while it goes on after the servers have answered.
    func fetchResult(_ id: Digest, onProgress: () -> Void) -> Reply {
        let deadline = Deadline.after(timeout)
        let waiting = Deadline.after(timeout + Self.unpackTime)
        return flights.share(.init(kind: "r", name: id.hex), deadline: waiting, onWait: onProgress) {
            var reply = Reply.missing
            for (index, level) in levels.enumerated() {
                let name = "r/\(id.hex)"
                do throws(BackendError) {
                    guard let bytes = try level.get(name, deadline: share(of: deadline, index)) else { continue }
                    onProgress()
                    if keep(bytes, id, level, name, onProgress) { return .found(level: level.name) }
                } catch {
                    if reply == .missing { reply = .failed(error.description) }
                }
            }
            return reply
        }
    }

    /// The part of the time left that one level may use, so that one that hangs leaves some for the next.
    private func share(of deadline: Deadline, _ index: Int) -> Deadline {
        deadline.atMost(deadline.remaining / max(1, levels.count - index))
    }

    /// - Returns: whether it holds something new; `nil` when it is of no use.
    private func merge(_ bytes: [UInt8], _ key: Digest, _ level: Level, _ name: String) -> Bool? {
        do {
            let manifest = try Bundle.manifest(bytes, key: key)
            var store = try Store(in: place.cache)
            let isFirst = !store.hasManifest(key)
            let isNew = try store.merge(manifest, into: key)
            renewals.add(level, name)
            if isFirst, manifest.entries.count == 1 { fetchAhead(manifest.entries[0].result, store) }
            return isNew
        } catch {
            refuse(error, level, name)
            return nil
        }
    }

    /// Fetches a result while the wrapper still looks whether its inputs are as they were. On a machine that has nothing of
    /// the unit yet they nearly always are; on one that has, its source is being changed, and it would be in vain.
    private func fetchAhead(_ id: Digest, _ store: borrowing Store) {
        if store.hasResult(id) { return }
        _ = DetachedThread.start { [self] in _ = fetchResult(id, onProgress: {}) }
    }

    private func keep(
        _ bytes: [UInt8],
        _ id: Digest,
        _ level: Level,
        _ name: String,
        _ onProgress: () -> Void
    ) -> Bool {
        do {
            let store = try Store(in: place.cache)
            try Bundle.keep(bytes, id: id, in: store, onProgress: onProgress)
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
