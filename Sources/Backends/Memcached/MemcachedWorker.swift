/// A connection to memcached with a thread of its own.
///
/// libmemcached's time-outs are for each wait, and looking up a host has none: a server that trickles, or a dead name
/// server, would hold a request far beyond its deadline. So the thread does the request, and who asked walks away when
/// the deadline passes; the connection is not used again then, and the thread ends with the request.
final class MemcachedWorker: Sendable {
    private struct State {
        var job: (@Sendable (inout MemcachedClient?) -> Void)?
        var isEnding = false
    }

    private let state = Monitor(State())
    private let server: MemcachedServer

    /// - Parameter loginMethod: the one that worked, shared by the connections to one server.
    init(
        server: MemcachedServer,
        options: MemcachedOptions,
        loginMethod: Monitor<MemcachedOptions.LoginMethod>,
        deadline: Deadline
    ) throws(BackendError) {
        self.server = server
        var options = options
        options.loginMethod = loginMethod.read { $0 }
        let settled = options
        let state = state
        guard DetachedThread.start({ Self.serve(state) }) else {
            throw BackendError(
                .unreachable,
                "no thread for a connection",
                server: server.name,
                advice: "Raise the limit of processes and threads of this user (ulimit -u)."
            )
        }
        try run(deadline: deadline) { client throws(BackendError) in
            let (made, method) = try Self.connect(server: server, options: settled, deadline: deadline)
            client = made
            loginMethod.update { $0 = method }
        }
    }

    deinit {
        state.update { $0.isEnding = true }
    }

    /// The thread: does one job after the other until the connection is dropped.
    private static func serve(_ state: Monitor<State>) {
        var client: MemcachedClient?
        let nap = Duration.seconds(3600)
        while true {
            let next = state.wait(until: .after(nap)) { state -> (@Sendable (inout MemcachedClient?) -> Void)?? in
                if let job = state.job {
                    state.job = nil
                    return .some(job)
                }
                return state.isEnding ? .some(nil) : nil
            }
            guard let next else { continue }
            guard let job = next else { return }
            job(&client)
        }
    }

    private static func connect(
        server: MemcachedServer,
        options: MemcachedOptions,
        deadline: Deadline
    ) throws(BackendError) -> (MemcachedClient, MemcachedOptions.LoginMethod) {
        guard options.credentials != nil, options.loginMethod == .automatic else {
            return (try MemcachedClient(server: server, options: options, deadline: deadline), options.loginMethod)
        }
        do {
            var text = options
            text.loginMethod = .text
            return (try MemcachedClient(server: server, options: text, deadline: deadline), .text)
        } catch {
            // A server that wants SASL speaks the binary protocol only, and hangs up on text.
            guard [.unreachable, .connectionLost, .protocolViolation].contains(error.code) else { throw error }
            var sasl = options
            sasl.loginMethod = .sasl
            do {
                return (try MemcachedClient(server: server, options: sasl, deadline: deadline), .sasl)
            } catch let second {
                throw second.code == .authentication ? second : error
            }
        }
    }

    /// Does something with the connection, and waits for it no longer than the deadline.
    func perform<Result: Sendable>(
        deadline: Deadline,
        _ body: @escaping @Sendable (MemcachedClient) throws(BackendError) -> Result
    ) throws(BackendError) -> Result {
        let server = server
        return try run(deadline: deadline) { client throws(BackendError) in
            guard let client else { throw .closed(server: server.name) }
            return try body(client)
        }
    }

    private func run<Answer: Sendable>(
        deadline: Deadline,
        _ body: @escaping @Sendable (inout MemcachedClient?) throws(BackendError) -> Answer
    ) throws(BackendError) -> Answer {
        let answer = Monitor<Result<Answer, BackendError>?>(nil)
        state.update { state in
            state.job = { client in
                do throws(BackendError) {
                    let value = try body(&client)
                    answer.update { $0 = .success(value) }
                } catch {
                    answer.update { $0 = .failure(error) }
                }
            }
        }
        guard let result = answer.wait(until: deadline, { $0 }) else {
            throw .timedOut("waiting for memcached", server: server.name)
        }
        return try result.get()
    }
}
