internal import Foundation
internal import GatewayProtocol
internal import Platform
internal import Settings

/// What a command has to do with the shared cache: by the gateway that the builds use, too.
struct SharedCacheAccess {
    private let session: Session
    private let remote: RemoteVariables
    private let folder: String

    /// `nil` where no shared cache is named, or there is no place for a local one.
    init?(_ session: Session) {
        let remote = RemoteVariables(session.environment, session.settings)
        guard remote.isConfigured, let folder = session.settings.folder else { return nil }
        self.session = session
        self.remote = remote
        self.folder = folder
    }

    /// Asks the gateway.
    ///
    /// - Parameters:
    ///   - mayStart: whether to start one where there is none.
    ///   - milliseconds: what the answer may take.
    /// - Returns: `nil` where there is none and none may be started.
    func ask(_ request: Request, mayStart: Bool, milliseconds: Int64 = 5000) throws(Failure) -> Reply? {
        let program = mayStart ? Installation()?.gateway : nil
        if mayStart, program == nil {
            throw Failure("larderd is not beside larderctl: install larder anew with `make install`")
        }
        if mayStart {
            do { try Files.makeFolder(folder, mode: 0o700) } catch { throw Failure("\(error)") }
        }
        let place = GatewayPlace(cache: folder, session.settings, remote, session.environment)
        var client = GatewayClient(
            place,
            program: program,
            settings: session.settings,
            remote: remote,
            environment: session.environment,
            mindsFailures: false
        )
        guard client.connect() else {
            if mayStart { throw Failure("no gateway to the shared cache: \(client.failure ?? "it does not answer")") }
            return nil
        }
        if let reply = client.ask(request, milliseconds: milliseconds) { return reply }
        throw Failure("the gateway to the shared cache failed: \(client.failure ?? "no answer")")
    }

    /// What the gateway says of itself; `nil` where none runs and none may be started.
    func report(
        _ request: Request = .status,
        mayStart: Bool = false,
        milliseconds: Int64 = 5000
    ) throws(Failure) -> GatewayReport? {
        guard case .text(let text) = try ask(request, mayStart: mayStart, milliseconds: milliseconds) else {
            return nil
        }
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        do { return try decoder.decode(GatewayReport.self, from: Data(text.utf8)) } catch {
            throw Failure("the gateway's answer can't be read: \(error)")
        }
    }
}

/// The gateway's status. Times are microseconds, sizes bytes.
struct GatewayReport: Decodable {
    struct Level: Decodable {
        let name: String
        /// Without secrets.
        let server: String
        let breaker: String
        let readOnly: Bool
        let hits: Int
        let misses: Int
        let errors: Int
        let errorsByCode: [String: Int]
        let lastError: String
        let bytesFetched: Int64
        let bytesPut: Int64
        let puts: Int
        let fetchTime: Int64
        let putTime: Int64
        let servers: Servers?
    }

    /// What a look at a level's servers gave.
    struct Servers: Decodable {
        let health: [Health]
        /// Bytes a second.
        let throughput: [String: Int64]?
    }

    struct Health: Decodable {
        let server: String
        let role: String?
        let version: String?
        let roundTrip: Int64?
        let used: UInt64?
        let limit: UInt64?
        let eviction: String?
        let error: String?
        let cause: String?
        let errorAdvice: String?
        let advice: [String]
    }

    let version: String
    let pid: Int32
    let uptime: Int64
    let problems: [String]
    let queue: Int
    let published: Int
    let dropped: Int
    let publishError: String
    let levels: [Level]

    /// For a person, below the statistics.
    var text: String {
        var table = Table()
        for level in levels {
            let state = level.breaker == "closed" ? "" : ", left alone for now because it failed"
            table.add("Shared cache", "\(level.server)\(state)")
            table.add(
                "  fetched",
                "\(level.hits), \(Sizes.text(UInt64(clamping: level.bytesFetched))) in \(Sizes.time(level.fetchTime));"
                    + " \(level.misses) were not there"
            )
            table.add(
                "  published",
                "\(level.puts), \(Sizes.text(UInt64(clamping: level.bytesPut))) in \(Sizes.time(level.putTime))"
            )
            if level.errors > 0 { table.add("  errors", "\(level.errors), the last: \(level.lastError)") }
        }
        for problem in problems { table.add("Shared cache", problem) }
        table.add("To be published", "\(queue)" + (queue > 0 && !publishError.isEmpty ? ": \(publishError)" : ""))
        return table.text
    }
}
