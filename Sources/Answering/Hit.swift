internal import Digest
internal import Keying
internal import Platform
internal import RustcCall
internal import Store

/// Answering from the cache.
enum Hit {
    /// Entries behind this place are moved to the front when they are used.
    private static let oftenLookedAt = 8

    /// The folders of the call that asks: what paths mean here, and where outputs belong.
    struct Frame {
        let roots: Roots
        let places: OutputPlaces
        private let remapping: Remapping?
        private let call: RustcCall
        private let currentFolder: String

        init(_ roots: Roots, _ remapping: Remapping?, _ call: RustcCall, currentFolder: String) {
            self.roots = roots
            self.remapping = remapping
            self.call = call
            self.currentFolder = currentFolder
            places = OutputPlaces(call, currentFolder: currentFolder)
        }

        /// Messages as they would be said here.
        func expanded(messages: [UInt8]) -> [UInt8]? {
            guard Roots.namesPackages(messages), let remapping else { return roots.expanded(text: messages) }
            let sources = remapping.withSources(PackageSources.rules(call, currentFolder: currentFolder))
            return roots.adding(sources.packageRoots).expanded(text: messages)
        }
    }

    /// Answers the call if a stored result holds; the event says what was found.
    ///
    /// What the local cache lacks is looked for in the shared one, where there is one.
    /// - Returns: whether all is in place and the messages are written.
    static func answer(
        _ session: inout Session,
        _ key: UnitKey,
        _ frame: Frame,
        world: inout World,
        store: inout Store,
        shared: inout SharedCache
    ) -> Bool {
        /// Results of entries that don't hold: they need no second look.
        var different: Set<Digest> = []
        if let manifest = store.manifest(key.digest) {
            for (position, entry) in manifest.entries.enumerated()
            where answer(&session, key, frame, entry, &different, &world, &store, &shared) {
                // An entry that is used must not be the next to go.
                if position >= Self.oftenLookedAt, session.mayWrite {
                    try? store.add(entry, to: key.digest)
                }
                return true
            }
        }
        session.endPhase("verify")
        let fetched = shared.fetchManifest(key.digest, &store)
        session.endPhase("fetch")
        if let fetched {
            for entry in fetched.manifest.entries where !different.contains(entry.result) {
                let wasThere = store.hasResult(entry.result, olderThan: session.began)
                guard answer(&session, key, frame, entry, &different, &world, &store, &shared) else { continue }
                // The gateway may fetch a result along with the manifest.
                if !wasThere, session.event.level == "disk" { session.event.level = fetched.level }
                return true
            }
            session.endPhase("verify")
        }
        if session.event.reason.isEmpty {
            session.event.reason = (store.damaged.isEmpty ? MissReason.newUnit : .damaged).rawValue
        }
        return false
    }

    /// Answers the call by one entry, if that holds.
    private static func answer(
        _ session: inout Session,
        _ key: UnitKey,
        _ frame: Frame,
        _ entry: Manifest.Entry,
        _ different: inout Set<Digest>,
        _ world: inout World,
        _ store: inout Store,
        _ shared: inout SharedCache
    ) -> Bool {
        if let difference = world.firstDifference(entry.inputs, memo: store.memo) {
            different.insert(entry.result)
            // The newest entry's difference is what a person changed last.
            if session.event.reason.isEmpty {
                session.event.reason = MissReason(changed: difference.kind).rawValue
                session.event.detail = difference.name
            }
            return false
        }
        session.endPhase("verify")
        var level = "disk"
        var known = store.result(entry.result)
        if known == nil { known = fetch(entry.result, &level, &session, &store, &shared) }
        guard var outcome = known else {
            if session.mayWrite { store.remove(result: entry.result, from: key.digest) }
            session.event.reason = MissReason.evicted.rawValue
            return false
        }
        do throws(Failure) {
            do throws(Failure) { try restore(outcome, entry.result, frame, store: &store) } catch {
                // A blob that is gone is fetched with its result.
                guard error.isStale, level == "disk",
                    let again = fetch(entry.result, &level, &session, &store, &shared)
                else { throw error }
                outcome = again
                try restore(outcome, entry.result, frame, store: &store)
            }
        } catch {
            session.event.reason = error.reason.rawValue
            session.event.detail = error.detail
            session.endPhase("restore")
            if error.isStale, session.mayWrite { store.remove(result: entry.result, from: key.digest) }
            return false
        }
        session.endPhase("restore")
        session.event.result = .hit
        session.event.level = level
        session.event.reason = ""
        session.event.detail = ""
        session.event.compile = outcome.duration
        session.event.bytes = outcome.size
        session.event.damaged = store.damaged.count
        session.exitCode = Int32(outcome.exitCode)
        return true
    }

    /// A result from the shared cache; `level` is then the one that had it.
    private static func fetch(
        _ id: Digest,
        _ level: inout String,
        _ session: inout Session,
        _ store: inout Store,
        _ shared: inout SharedCache
    ) -> Outcome? {
        guard let fetched = shared.fetchResult(id) else { return nil }
        defer { session.endPhase("fetch") }
        guard let outcome = store.result(id) else { return nil }
        level = fetched
        return outcome
    }

    /// Why a result that holds could not be put back.
    private struct Failure: Error {
        let reason: MissReason
        let detail: String
        /// Whether the entry itself is at fault and has to go.
        let isStale: Bool
    }

    /// Puts a result's outputs back, then says what the compile said.
    private static func restore(
        _ outcome: Outcome,
        _ id: Digest,
        _ frame: Frame,
        store: inout Store
    ) throws(Failure) {
        let roots = frame.roots
        guard let output = frame.expanded(messages: outcome.standardOutput),
            let errors = frame.expanded(messages: outcome.standardError)
        else { throw Failure(reason: .damaged, detail: "messages", isStale: true) }
        // rustc makes a missing output folder too, but not for a dep-info file.
        if let folder = frame.places.missingFolder, !outcome.outputs.isEmpty { try? Files.makeFolder(folder) }
        for file in outcome.outputs {
            guard let path = roots.expanded(path: file.path), frame.places.hold(path) else {
                throw Failure(reason: .damaged, detail: file.path, isStale: true)
            }
            do throws(Store.RestoreFailure) {
                try put(file, of: id, at: path, roots, &store)
            } catch {
                switch error {
                case .lost: throw Failure(reason: .damaged, detail: file.path, isStale: true)
                case .target(let cause):
                    throw Failure(reason: .restoreFailed, detail: cause.description, isStale: false)
                }
            }
        }
        write(output, to: 1)
        write(errors, to: 2)
    }

    private static func put(
        _ file: Outcome.Output,
        of result: Digest,
        at path: String,
        _ roots: Roots,
        _ store: inout Store
    ) throws(Store.RestoreFailure) {
        switch file.content {
        case .blob(let digest):
            try store.restore(digest, of: result, size: file.size, to: path, isExecutable: file.isExecutable)
        case .text(let text):
            guard let text = roots.expanded(text: text) else { throw .lost }
            do { try Files.replace(path, with: text, mode: 0o666) } catch { throw .target(error) }
        }
    }

    /// A reader that has gone away is no fault of this call.
    private static func write(_ bytes: [UInt8], to descriptor: Int32) {
        bytes.withUnsafeBytes { try? Files.write($0, to: descriptor, path: "") }
    }
}
