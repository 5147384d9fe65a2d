/// Lets nothing be written: a laptop that takes from the office's cache and leaves filling it to CI.
package final class ReadOnlyBackend: Backend {
    private let base: any Backend

    package init(_ base: any Backend) {
        self.base = base
    }

    package var name: String { base.name }
    package var limits: BackendLimits { base.limits }

    package func get(_ keys: [String], deadline: Deadline) throws(BackendError) -> [[UInt8]?] {
        try base.get(keys, deadline: deadline)
    }

    package func put(_ items: [BackendItem], timeToLive: Duration?, deadline: Deadline) throws(BackendError) {
        throw BackendError(
            .readOnly,
            "the shared cache is set to be read only",
            server: name,
            key: items.first?.key,
            advice: "Set its …_RW_MODE to READ_WRITE to fill it from here."
        )
    }

    /// Renewing is a write: it is left undone. Tells which keys are there.
    package func renew(_ keys: [String], timeToLive: Duration, deadline: Deadline) throws(BackendError) -> [Bool] {
        try base.exists(keys, deadline: deadline)
    }

    package func exists(_ keys: [String], deadline: Deadline) throws(BackendError) -> [Bool] {
        try base.exists(keys, deadline: deadline)
    }

    /// Left undone.
    package func remove(_ keys: [String], deadline: Deadline) throws(BackendError) {}

    package func check(deadline: Deadline) -> [ServerHealth] {
        base.check(deadline: deadline)
    }

    package func close() {
        base.close()
    }
}
