internal import Store

/// A JSON value to be written; members keep their order, as a person reads them.
package enum JSON: Sendable, Equatable {
    case null
    case boolean(Bool)
    case number(Int64)
    case decimal(Double)
    case text(String)
    case array([JSON])
    case object([Member])

    package struct Member: Sendable, Equatable {
        package let name: String
        package let value: JSON
    }

    /// An object with these members, in this order.
    package static func members(_ members: KeyValuePairs<String, JSON>) -> JSON {
        .object(members.map { Member(name: $0.key, value: $0.value) })
    }

    /// An object of counts, sorted by name.
    package static func counts(_ counts: [String: Int]) -> JSON {
        .object(counts.sorted { $0.key < $1.key }.map { Member(name: $0.key, value: .number(Int64($0.value))) })
    }

    /// On one line.
    package var compact: String {
        switch self {
        case .null: "null"
        case .boolean(let value): value ? "true" : "false"
        case .number(let value): String(value)
        case .decimal(let value): value.isFinite ? "\(value)" : "null"
        case .text(let value): Event.quoted(value)
        case .array(let values): "[" + values.map(\.compact).joined(separator: ",") + "]"
        case .object(let members):
            "{" + members.map { "\(Event.quoted($0.name)):\($0.value.compact)" }.joined(separator: ",") + "}"
        }
    }
}
