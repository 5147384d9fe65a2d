internal import Digest
internal import GatewayProtocol
internal import Platform
internal import Settings

/// The shared cache as one call meets it: through the gateway, or not at all.
struct SharedCache: ~Copyable {
    private var client: GatewayClient?
    private let log: Log

    /// - Parameters:
    ///   - folder: the local cache's, into which the gateway puts what it fetches.
    init(_ session: borrowing Session, folder: String) {
        log = session.log
        let remote = RemoteVariables(session.environment, session.settings)
        // What is fetched lands in the local cache: with one that may not grow there is nothing to fetch.
        guard remote.isConfigured, !session.settings.isReadOnly, let program = Layout.helper(Layout.gatewayName) else {
            return
        }
        let place = GatewayPlace(cache: folder, session.settings, remote, session.environment)
        client = GatewayClient(
            place,
            program: program,
            settings: session.settings,
            remote: remote,
            environment: session.environment
        )
    }

    var isConfigured: Bool { client != nil }

    /// Has a unit's manifest fetched into the local cache.
    ///
    /// - Returns: the level that had it.
    mutating func fetchManifest(_ key: Digest) -> String? { fetch(.fetchManifest(key)) }

    /// Has a result and its blobs fetched into the local cache.
    mutating func fetchResult(_ id: Digest) -> String? { fetch(.fetchResult(id)) }

    private mutating func fetch(_ request: Request) -> String? {
        let level = client?.fetch(request)
        if let failure = client?.failure ?? client?.trouble { log.write(.info, "shared cache: \(failure)") }
        return level
    }

    /// Hands a stored result on for publishing. It waits on disk until it is.
    mutating func publish(unit: Digest, result: Digest) {
        guard let place = client?.place else { return }
        do { try place.enqueue(unit: unit, result: result) } catch {
            log.write(.warn, "not to be published: \(error)")
            return
        }
        client?.poke()
    }

    /// Lets the gateway's thread go while the compiler runs.
    mutating func rest() { client?.disconnect() }
}
