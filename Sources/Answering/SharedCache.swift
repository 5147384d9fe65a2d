internal import Digest
internal import GatewayProtocol
internal import Platform
internal import Settings
internal import Store

/// The shared cache as one call meets it: through the gateway, or not at all. Nothing is done about it before it is needed:
/// most calls are answered from this machine's disk.
struct SharedCache: ~Copyable {
    private let folder: String
    private let settings: Settings
    private let environment: Environment
    private let log: Log
    private var isFound = false
    private var client: GatewayClient?

    /// - Parameters:
    ///   - folder: the local cache's, into which the gateway puts what it fetches.
    init(_ session: borrowing Session, folder: String) {
        self.folder = folder
        settings = session.settings
        environment = session.environment
        log = session.log
    }

    private mutating func find() {
        if isFound { return }
        isFound = true
        let remote = RemoteVariables(environment, settings)
        // What is fetched lands in the local cache: with one that may not grow there is nothing to fetch.
        guard remote.isConfigured, !settings.isReadOnly, let program = Layout.helper(Layout.gatewayName) else { return }
        let place = GatewayPlace(cache: folder, settings, remote, environment)
        client = GatewayClient(
            place,
            program: program,
            settings: settings,
            remote: remote,
            environment: environment
        )
    }

    /// A unit's manifest, and the level that had it.
    ///
    /// - Parameter store: where it is when it is a long one.
    mutating func fetchManifest(_ key: Digest, _ store: inout Store) -> (level: String, manifest: Manifest)? {
        guard let fetched = fetch(.fetchManifest(key)) else { return nil }
        let manifest = fetched.manifest.map { try? Manifest($0) } ?? store.manifest(key)
        return manifest.map { (fetched.level, $0) }
    }

    /// Has a result and its blobs fetched into the local cache.
    ///
    /// - Returns: the level that had it.
    mutating func fetchResult(_ id: Digest) -> String? { fetch(.fetchResult(id))?.level }

    private mutating func fetch(_ request: Request) -> GatewayClient.Fetched? {
        find()
        let fetched = client?.fetch(request)
        if let failure = client?.failure ?? client?.trouble { log.write(.info, "shared cache: \(failure)") }
        return fetched
    }

    /// Hands a stored result on for publishing. It waits on disk until it is.
    mutating func publish(unit: Digest, result: Digest) {
        find()
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
