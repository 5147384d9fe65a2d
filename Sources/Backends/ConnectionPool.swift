/// A few connections that many threads share.
///
/// Connections are made when first needed, used by one thread at a time, and the one used last is used next, so that
/// no more stay open than are needed.
final class ConnectionPool<Connection>: @unchecked Sendable {
    private struct State {
        var idle: [Connection] = []
        /// Connections in use, idle or being made.
        var count = 0
        var isClosed = false
        /// Connections made before this changed are not used again.
        var generation = 0
    }

    /// A connection lent out.
    struct Loan {
        let connection: Connection
        /// Whether it was made by an earlier request, so that the server may have closed it since.
        let wasIdle: Bool
        fileprivate let generation: Int
    }

    /// What a thread that wants a connection may do.
    private enum Turn {
        case reuse(Connection, Int)
        case make(Int)
        case closed
    }

    private let state = Monitor(State())
    private let limit: Int
    private let server: String
    private let connect: @Sendable (Deadline) throws(BackendError) -> Connection
    private let isUsable: @Sendable (Connection) -> Bool

    /// - Parameters:
    ///   - limit: how many connections to have at most.
    ///   - connect: makes a new one.
    ///   - isUsable: whether an idle one still stands.
    init(
        limit: Int,
        server: String,
        connect: @escaping @Sendable (Deadline) throws(BackendError) -> Connection,
        isUsable: @escaping @Sendable (Connection) -> Bool
    ) {
        self.limit = limit
        self.server = server
        self.connect = connect
        self.isUsable = isUsable
    }

    /// Lends a connection, once one is free or may be made.
    /// - Throws: `.timedOut` when all are busy until the deadline; `.closed`; what `connect` throws.
    func borrow(deadline: Deadline) throws(BackendError) -> Loan {
        while true {
            if deadline.hasPassed { throw .timedOut("starting", server: server) }
            let turn = state.wait(until: deadline) { state -> Turn? in
                if state.isClosed { return .closed }
                if let idle = state.idle.popLast() { return .reuse(idle, state.generation) }
                if state.count < limit {
                    state.count += 1
                    return .make(state.generation)
                }
                return nil
            }
            switch turn {
            case .closed: throw .closed(server: server)
            case nil: throw .timedOut("waiting for one of \(limit) busy connections", server: server)
            case .reuse(let connection, let generation):
                if isUsable(connection) {
                    return Loan(connection: connection, wasIdle: true, generation: generation)
                }
                forget()
            case .make(let generation):
                do {
                    return Loan(connection: try connect(deadline), wasIdle: false, generation: generation)
                } catch {
                    forget()
                    throw error
                }
            }
        }
    }

    /// Takes a connection back, on which all went well.
    func giveBack(_ loan: Loan) {
        state.update { state in
            if state.isClosed || loan.generation != state.generation {
                state.count -= 1
            } else {
                state.idle.append(loan.connection)
            }
        }
    }

    /// Takes note that a lent connection is not coming back.
    func drop(_ loan: Loan) {
        forget()
    }

    private func forget() {
        state.update { $0.count -= 1 }
    }

    /// Lets go of idle connections, and of those lent out once they come back: the server they lead to is gone.
    func renewAll() {
        _ = state.update { state -> [Connection] in
            let idle = state.idle
            state.count -= idle.count
            state.idle = []
            state.generation += 1
            return idle
        }
    }

    /// Closes idle connections now and lent ones when they come back.
    func close() {
        _ = state.update { state -> [Connection] in
            let idle = state.idle
            state.count -= idle.count
            state.idle = []
            state.isClosed = true
            return idle
        }
    }
}
