/// A line of the event log, as far as it can be read: what is missing is empty.
package struct LoggedEvent: Sendable {
    /// Microseconds since 1970.
    package var time: Int64 = 0
    package var build = ""
    package var crate = ""
    package var version = ""
    package var type = ""
    package var key = ""
    package var result = ""
    package var level = ""
    package var reason = ""
    package var detail = ""
    package var isStored = false
    package var unstored = ""
    package var unstoredDetail = ""
    /// Microseconds of each phase.
    package var phases: [String: Int64] = [:]
    /// Microseconds.
    package var cpu: Int64 = 0
    /// Microseconds.
    package var compile: Int64 = 0
    package var bytes: Int64 = 0
    package var damaged: Int64 = 0
    package var cache = ""

    package init() {}

    /// Reads a line of the log; `nil` if it is no event.
    package init?(line: UnsafeRawBufferPointer) {
        var reader = JSONReader(line)
        var hasTime = false
        let isRead = reader.object { name, reader in
            switch name {
            case "time":
                hasTime = true
                return reader.number(into: &time)
            case "build": return reader.text(into: &build)
            case "crate": return reader.text(into: &crate)
            case "version": return reader.text(into: &version)
            case "type": return reader.text(into: &type)
            case "key": return reader.text(into: &key)
            case "result": return reader.text(into: &result)
            case "level": return reader.text(into: &level)
            case "reason": return reader.text(into: &reason)
            case "detail": return reader.text(into: &detail)
            case "stored": return reader.boolean(into: &isStored)
            case "unstored": return reader.text(into: &unstored)
            case "unstored_detail": return reader.text(into: &unstoredDetail)
            case "cpu": return reader.number(into: &cpu)
            case "compile": return reader.number(into: &compile)
            case "bytes": return reader.number(into: &bytes)
            case "damaged": return reader.number(into: &damaged)
            case "cache": return reader.text(into: &cache)
            case "phases":
                return reader.object { phase, reader in
                    var duration: Int64 = 0
                    guard reader.number(into: &duration) else { return false }
                    phases[phase] = duration
                    return true
                }
            // What a later version adds.
            default: return reader.skip()
            }
        }
        guard isRead, reader.isAtEnd, hasTime, !result.isEmpty else { return nil }
    }

    /// All phases together, in microseconds.
    package var duration: Int64 { phases.values.reduce(0) { $0 &+ $1 } }
}
