/// A Redis Cluster: each key on the master that holds its slot.
///
/// The map of slots is asked from any server when first needed, after a redirection and after a failure. A request goes
/// by the map; `MOVED` corrects the map and the request goes there, `ASK` sends it there this once.
/// https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/
final class RedisCluster: RedisRouter {
    private struct State {
        var map = RedisClusterMap()
        /// Counts maps.
        var version = 0
        /// The next request asks for a new map first.
        var isStale = true
        var isRefreshing = false
        var nodes: [ServerAddress: RedisNode] = [:]
        var isClosed = false
    }

    /// A request on its way.
    private struct Errand {
        let place: Int
        let slot: Int
        /// Where `ASK` sent it.
        var askAt: ServerAddress?
    }

    /// What a thread that wants a new map does.
    private enum Part {
        case refresh(Set<ServerAddress>)
        case nothing
        case closed
    }

    /// Tries of a request beyond the first that follow redirections or failures. A slot's way is two hops at most; more
    /// mean a cluster that is being rebuilt.
    private static let longestChase = 6
    /// Between tries when the cluster is electing or moving: long enough for a vote, short against a request's deadline.
    private static let pause = Duration.milliseconds(50)

    let name: String
    private let seeds: [ServerAddress]
    private let scheme: String
    private let connector: RedisConnector
    private let options: RedisOptions
    private let state = Monitor(State())

    /// - Parameter endpoints: some of the cluster's servers; security and login are the first one's.
    init(endpoints: [RedisEndpoint], options: RedisOptions) throws(BackendError) {
        guard let first = endpoints.first else {
            throw BackendError(
                .invalidSettings,
                "a Redis cluster needs at least one endpoint",
                advice: "List some of its servers in SCCACHE_REDIS_CLUSTER_ENDPOINTS."
            )
        }
        seeds = endpoints.map(\.address)
        scheme = first.security == .plain ? "redis" : "rediss"
        name = "cluster of " + endpoints.map(\.name).joined(separator: ",")
        self.options = options
        connector = try RedisConnector(
            security: first.security,
            credentials: first.credentials,
            authorityFile: options.authorityFile
        )
    }

    // MARK: Requests

    func exchange(_ requests: [RedisRequest], deadline: Deadline) throws(BackendError) -> [RedisReply] {
        var replies = [RedisReply](repeating: .null, count: requests.count)
        var errands = requests.enumerated().map { Errand(place: $0, slot: RedisSlot.of($1.key)) }
        var tries = 0
        while true {
            let (version, mustRefresh) = state.read { ($0.version, $0.isStale) }
            if mustRefresh { try refresh(after: version, deadline: deadline) }
            var left: [Errand] = []
            var isStale = false
            var mustPause = false
            var failure: BackendError?
            let groups = Dictionary(grouping: errands) { errand in
                errand.askAt ?? state.read { $0.map.owners[errand.slot] }
            }
            for (address, group) in groups {
                guard let address else {
                    failure = uncovered(requests[group[0].place].key)
                    left += group
                    (isStale, mustPause) = (true, true)
                    continue
                }
                do {
                    let answers = try send(group, of: requests, to: address, deadline: deadline)
                    for (errand, answer) in zip(group, answers) {
                        guard case .error(let text) = answer else {
                            replies[errand.place] = answer
                            continue
                        }
                        let problem = RedisErrorReply(text)
                        var errand = errand
                        errand.askAt = nil
                        switch problem.redirection(asked: address) {
                        case .moved(let slot, let target?):
                            state.update { $0.map.move(slot: slot, to: target) }
                            isStale = true
                        case .ask(let target?): errand.askAt = target
                        case .moved(_, nil), .ask(nil): isStale = true
                        case nil where problem.isPassing || problem.isReplica: (isStale, mustPause) = (true, true)
                        case nil:
                            replies[errand.place] = answer
                            continue
                        }
                        failure = problem.error(server: name, key: requests[errand.place].key)
                        left.append(errand)
                    }
                } catch {
                    // A master that is gone has a successor soon; one that hangs has used up the deadline.
                    guard error.code == .unreachable || error.code == .connectionLost else {
                        distrustMap()
                        throw error
                    }
                    failure = error
                    left += group.map { Errand(place: $0.place, slot: $0.slot) }
                    (isStale, mustPause) = (true, true)
                }
            }
            if left.isEmpty { return replies }
            tries += 1
            if tries > Self.longestChase || deadline.hasPassed {
                distrustMap()
                throw failure ?? .timedOut("following the cluster's redirections", server: name)
            }
            if mustPause { pauseThread(Self.pause, deadline: deadline) }
            if isStale { distrustMap() }
            errands = left
        }
    }

    /// Sends the requests of one server in one go, each with `ASKING` before it that was sent there by `ASK`.
    private func send(
        _ errands: [Errand],
        of requests: [RedisRequest],
        to address: ServerAddress,
        deadline: Deadline
    ) throws(BackendError) -> [RedisReply] {
        var commands: [RedisCommand] = []
        var answersAt: [Int] = []
        for errand in errands {
            if errand.askAt != nil { commands.append(RedisCommand("ASKING")) }
            answersAt.append(commands.count)
            commands.append(requests[errand.place].command)
        }
        let replies = try node(at: address).exchange(commands, deadline: deadline)
        return answersAt.map { replies[$0] }
    }

    private func uncovered(_ key: String) -> BackendError {
        BackendError(
            .refused,
            "no server of the cluster holds the key's slot",
            server: name,
            key: key,
            advice: "Give every slot a server (redis-cli --cluster check, then fix)."
        )
    }

    // MARK: Map

    private func node(at address: ServerAddress) throws(BackendError) -> RedisNode {
        let found = state.update { state -> RedisNode? in
            if state.isClosed { return nil }
            if let node = state.nodes[address] { return node }
            let node = RedisNode(
                address: address,
                database: 0,
                name: "\(scheme)://\(address)",
                connector: connector,
                options: options
            )
            state.nodes[address] = node
            return node
        }
        guard let found else { throw .closed(server: name) }
        return found
    }

    /// Lets the next request ask for a new map.
    private func distrustMap() {
        // The map stays: it tells whom to ask, and where most keys still are.
        state.update { $0.isStale = true }
    }

    /// Asks for the map, unless another thread got one since that version, or is about to.
    private func refresh(after version: Int, deadline: Deadline) throws(BackendError) {
        let part = state.wait(until: deadline) { state -> Part? in
            if state.isClosed { return .closed }
            if state.version != version && !state.isStale { return .nothing }
            if state.isRefreshing { return nil }
            state.isRefreshing = true
            return .refresh(state.map.servers)
        }
        switch part {
        case nil: throw .timedOut("waiting for the cluster's map", server: name)
        case .closed: throw .closed(server: name)
        case .nothing: return
        case .refresh(let known):
            defer { state.update { $0.isRefreshing = false } }
            let map = try fetchMap(known: known, deadline: deadline)
            let gone = state.update { state -> [RedisNode] in
                state.map = map
                state.version += 1
                state.isStale = false
                let kept = map.servers
                let gone = state.nodes.filter { !kept.contains($0.key) }
                for address in gone.keys { state.nodes[address] = nil }
                return Array(gone.values)
            }
            // Not closed: another thread may be using one, and its connections end with it.
            for node in gone { node.reconnect() }
        }
    }

    private func fetchMap(known: Set<ServerAddress>, deadline: Deadline) throws(BackendError) -> RedisClusterMap {
        var failure = BackendError.timedOut("asking for the cluster's map", server: name)
        let candidates = seeds + known.subtracting(seeds).sorted { $0.description < $1.description }
        for (index, address) in candidates.enumerated() {
            if deadline.hasPassed { break }
            // One that hangs leaves time to ask the others.
            let share = deadline.atMost(deadline.remaining / (candidates.count - index))
            do {
                let asked = try node(at: address)
                guard let reply = try asked.exchange([RedisCommand("CLUSTER", "SLOTS")], deadline: share).first
                else { continue }
                if let map = RedisClusterMap(reply, asked: address) { return map }
                failure = mapFailure(reply, from: asked.name)
            } catch {
                failure = error
            }
        }
        throw failure
    }

    private func mapFailure(_ reply: RedisReply, from server: String) -> BackendError {
        guard case .error(let text) = reply else {
            return BackendError(
                .refused,
                "the cluster's map of slots is empty or unreadable",
                server: server,
                advice: "Create the cluster first (redis-cli --cluster create)."
            )
        }
        var error = RedisErrorReply(text).error(server: server, key: nil)
        if text.contains("cluster support disabled") {
            error.advice = "This server is in no cluster: name it in SCCACHE_REDIS_ENDPOINT."
        }
        return error
    }

    // MARK: The rest

    func check(deadline: Deadline) -> [ServerHealth] {
        do throws(BackendError) {
            try refresh(after: state.read { $0.version }, deadline: deadline)
            let servers = state.read { $0.map.servers }.sorted { $0.description < $1.description }
            var health: [ServerHealth] = []
            for (index, address) in servers.enumerated() {
                let share = deadline.atMost(deadline.remaining / (servers.count - index))
                health.append(try node(at: address).health(deadline: share))
            }
            return health
        } catch {
            var health = ServerHealth(server: name)
            health.error = error
            return [health]
        }
    }

    func close() {
        let nodes = state.update { state -> [RedisNode] in
            state.isClosed = true
            return Array(state.nodes.values)
        }
        for node in nodes { node.close() }
    }
}
