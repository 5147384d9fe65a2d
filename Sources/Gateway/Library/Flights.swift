internal import Backends
internal import GatewayProtocol

/// Fetches under way: who asks for what is being fetched already waits for that.
final class Flights: Sendable {
    private final class Flight: Sendable {
        let outcome = Monitor<Reply?>(nil)
    }

    private let flights = Monitor<[FlightKey: Flight]>([:])

    struct FlightKey: Hashable, Sendable {
        let kind: String
        let name: String
    }

    /// So often whoever waits is told that it goes on. Well under the wrapper's patience.
    private static let tick = Duration.milliseconds(300)

    /// Does `fetch`, or waits for another's that is under way.
    ///
    /// - Parameter onWait: called every now and then while it goes on.
    func share(_ key: FlightKey, deadline: Deadline, onWait: () -> Void, _ fetch: () -> Reply) -> Reply {
        let (flight, isMine) = flights.update { flights -> (Flight, Bool) in
            if let flight = flights[key] { return (flight, false) }
            let flight = Flight()
            flights[key] = flight
            return (flight, true)
        }
        if isMine {
            let reply = fetch()
            flights.update { $0[key] = nil }
            flight.outcome.update { $0 = reply }
            return reply
        }
        while !deadline.hasPassed {
            if let reply = flight.outcome.wait(until: deadline.atMost(Self.tick), { $0 }) { return reply }
            onWait()
        }
        return .failed("no answer in time")
    }
}
