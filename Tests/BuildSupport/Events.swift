internal import Foundation

/// One line of larder's event log.
package struct LoggedEvent: Decodable, Sendable {
    package let crate: String?
    package let type: String?
    package let key: String?
    /// `hit`, `miss` or `passed`.
    package let result: String
    package let level: String?
    package let reason: String?
    package let detail: String?
    package let stored: Bool?
    package let unstored: String?
    package let unstoredDetail: String?
    package let damaged: Int?

    enum CodingKeys: String, CodingKey {
        case crate, type, key, result, level, reason, detail, stored, unstored, damaged
        case unstoredDetail = "unstored_detail"
    }

    /// All events of a cache folder, oldest first.
    package static func read(_ folder: String) -> [LoggedEvent] {
        let events = folder + "/events"
        let names = ((try? FileManager.default.contentsOfDirectory(atPath: events)) ?? []).sorted()
        let files = names.filter { $0.hasPrefix("events-") } + names.filter { $0 == "current.jsonl" }
        return files.flatMap { name -> [LoggedEvent] in
            let bytes = FileManager.default.contents(atPath: "\(events)/\(name)") ?? Data()
            return bytes.split(separator: UInt8(ascii: "\n")).compactMap {
                try? JSONDecoder().decode(LoggedEvent.self, from: Data($0))
            }
        }
    }
}

extension LoggedEvent: CustomStringConvertible {
    package var description: String {
        let why = [reason, detail, unstored.map { "unstored: " + $0 }, unstoredDetail].compactMap { $0 }
        return "\(crate ?? "?") \(type ?? "?"): \(result) \(why.joined(separator: " "))"
    }
}
