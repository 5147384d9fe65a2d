import CHiredis

/// What Redis answered to one command.
enum RedisReply {
    case status(String)
    case error(String)
    case integer(Int64)
    case bulk([UInt8])
    case array([RedisReply])
    case null

    /// Copies a reply out of hiredis.
    /// - Returns: nil for a kind that hiredis 0.14 does not know.
    init?(_ reply: UnsafePointer<redisReply>) {
        switch reply.pointee.type {
        case REDIS_REPLY_STATUS: self = .status(BackendError.cleaned(Self.bytes(of: reply)))
        case REDIS_REPLY_ERROR: self = .error(BackendError.cleaned(Self.bytes(of: reply)))
        case REDIS_REPLY_INTEGER: self = .integer(reply.pointee.integer)
        case REDIS_REPLY_STRING: self = .bulk(Array(Self.bytes(of: reply)))
        case REDIS_REPLY_NIL: self = .null
        case REDIS_REPLY_ARRAY:
            // hiredis nests no deeper than 9, so the recursion ends.
            var elements: [RedisReply] = []
            for index in 0..<reply.pointee.elements {
                guard let pointer = reply.pointee.element?[index], let element = RedisReply(pointer) else { return nil }
                elements.append(element)
            }
            self = .array(elements)
        default: return nil
        }
    }

    private static func bytes(of reply: UnsafePointer<redisReply>) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: reply.pointee.str, count: reply.pointee.str == nil ? 0 : reply.pointee.len)
    }

    /// The text of a status or bulk reply.
    var text: String? {
        switch self {
        case .status(let text): text
        case .bulk(let bytes): String(validating: bytes, as: UTF8.self)
        default: nil
        }
    }

    var integer: Int64? {
        if case .integer(let number) = self { number } else { nil }
    }

    var array: [RedisReply]? {
        if case .array(let elements) = self { elements } else { nil }
    }

    /// What kind of reply it is, for messages.
    var kind: String {
        switch self {
        case .status: "a status"
        case .error: "an error"
        case .integer: "a number"
        case .bulk: "a string"
        case .array: "an array"
        case .null: "nothing"
        }
    }
}
