/// Which servers of a ring are in use, known to all connections at once.
///
/// This does what libmemcached's `REMOVE_FAILED_SERVERS` and `DEAD_TIMEOUT` do, but not for each connection by itself:
/// with those, every connection would have to lose a request to a dead server before it leaves it out, and another one to
/// find it still dead later. A server left out is tried behind the requests' back, and comes back once it answers.
final class MemcachedLiveness: Sendable {
    private struct State {
        var ring: MemcachedRing
        /// Servers left out, and when to try them.
        var dead: [MemcachedServer: ContinuousClock.Instant] = [:]
    }

    let servers: [MemcachedServer]
    private let deadTime: Duration
    private let state: Monitor<State>

    init(servers: [MemcachedServer], deadTime: Duration) {
        self.servers = servers
        self.deadTime = deadTime
        state = Monitor(State(ring: MemcachedRing(servers)))
    }

    /// Whether there are other servers to go on with.
    var isRing: Bool { servers.count > 1 }

    /// The keys by the server that has them.
    /// - Parameter answers: whether a server left out is back; called on another thread.
    func route(
        _ keys: [String],
        answers: @escaping @Sendable (MemcachedServer) -> Bool
    ) -> [MemcachedServer: [String]] {
        var due: [MemcachedServer] = []
        let groups = state.update { state in
            for (server, moment) in state.dead where moment <= .now {
                due.append(server)
                state.dead[server] = .now + deadTime
            }
            return Dictionary(grouping: keys) { state.ring.server(of: $0) ?? servers[0] }
        }
        for server in due {
            _ = DetachedThread.start { [self] in
                if answers(server) { takeBack(server) }
            }
        }
        return groups
    }

    /// Goes on without a server, unless none would be left.
    func leaveOut(_ server: MemcachedServer) {
        state.update { state in
            guard state.dead[server] == nil, state.dead.count + 1 < Set(servers).count else { return }
            state.dead[server] = .now + deadTime
            rebuild(&state)
        }
    }

    private func takeBack(_ server: MemcachedServer) {
        state.update { state in
            state.dead[server] = nil
            rebuild(&state)
        }
    }

    private func rebuild(_ state: inout State) {
        state.ring = MemcachedRing(servers.filter { state.dead[$0] == nil })
    }
}
