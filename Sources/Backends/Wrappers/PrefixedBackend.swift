/// Puts a prefix before every key, so that several caches or projects share one server.
package final class PrefixedBackend: Backend {
    private let base: any Backend
    private let prefix: String

    package init(_ base: any Backend, prefix: String) {
        self.base = base
        self.prefix = prefix
    }

    package var name: String { base.name }

    package var limits: BackendLimits {
        BackendLimits(valueBytes: base.limits.valueBytes, keyBytes: max(0, base.limits.keyBytes - prefix.utf8.count))
    }

    package func get(_ keys: [String], deadline: Deadline) throws(BackendError) -> [[UInt8]?] {
        try base.get(keys.map(prefixed), deadline: deadline)
    }

    package func put(_ items: [BackendItem], timeToLive: Duration?, deadline: Deadline) throws(BackendError) {
        let items = items.map { BackendItem(key: prefixed($0.key), value: $0.value) }
        try base.put(items, timeToLive: timeToLive, deadline: deadline)
    }

    package func renew(_ keys: [String], timeToLive: Duration, deadline: Deadline) throws(BackendError) -> [Bool] {
        try base.renew(keys.map(prefixed), timeToLive: timeToLive, deadline: deadline)
    }

    package func exists(_ keys: [String], deadline: Deadline) throws(BackendError) -> [Bool] {
        try base.exists(keys.map(prefixed), deadline: deadline)
    }

    package func remove(_ keys: [String], deadline: Deadline) throws(BackendError) {
        try base.remove(keys.map(prefixed), deadline: deadline)
    }

    package func check(deadline: Deadline) -> [ServerHealth] {
        base.check(deadline: deadline)
    }

    package func close() {
        base.close()
    }

    private func prefixed(_ key: String) -> String {
        prefix + key
    }
}
