internal import Backends

/// Renews the time to live of what was hit, after the wrapper has its answer.
final class Renewals: Sendable {
    private struct Item: Sendable {
        let level: Level
        let key: String
    }

    private let queue = Monitor<[Item]>([])

    /// More than a large build hits; beyond it keys are left for the next hit.
    private static let longestQueue = 20_000
    /// Keys renewed in one round trip.
    private static let batch = 100
    private static let patience = Duration.seconds(5)

    func add(_ level: Level, _ key: String) {
        guard level.settings.timeToLive != nil, !level.settings.isReadOnly else { return }
        queue.update { queue in if queue.count < Self.longestQueue { queue.append(Item(level: level, key: key)) } }
    }

    func start() { _ = DetachedThread.start { [self] in run() } }

    private func run() {
        while true {
            let items = queue.wait(until: .after(.seconds(60))) { queue -> [Item]? in
                if queue.isEmpty { return nil }
                defer { queue = [] }
                return queue
            }
            for (_, items) in Dictionary(grouping: items ?? [], by: { ObjectIdentifier($0.level) }) {
                guard let level = items.first?.level, let timeToLive = level.settings.timeToLive else { continue }
                var rest = items.map(\.key)[...]
                while !rest.isEmpty {
                    _ = try? level.backend.renew(
                        Array(rest.prefix(Self.batch)),
                        timeToLive: timeToLive,
                        deadline: .after(Self.patience)
                    )
                    rest = rest.dropFirst(Self.batch)
                }
            }
        }
    }
}
