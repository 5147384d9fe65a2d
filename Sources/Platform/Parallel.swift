internal import Glibc

/// Work on as many processors as there are, without Swift's concurrency, whose runtime would have to be started for it.
package enum Parallel {
    private final class Work {
        let count: Int
        let body: @Sendable (Int) -> Void
        private var next: Int64 = -1

        init(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
            self.count = count
            self.body = body
        }

        /// Takes one number after the other until none is left.
        func run() {
            while true {
                let number = Int(atomicAdd(&next, 1))
                guard number < count else { return }
                body(number)
            }
        }
    }

    /// Calls `body` for each number below `count`, each once; returns when all are done.
    package static func forEach(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
        let work = Work(count, body)
        let processors = max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
        var threads: [pthread_t] = []
        for _ in 0..<max(0, min(processors, count) - 1) {
            var thread = pthread_t()
            let context = Unmanaged.passRetained(work)
            let code = pthread_create(
                &thread,
                nil,
                { context in
                    guard let context else { return nil }
                    Unmanaged<Work>.fromOpaque(context).takeRetainedValue().run()
                    return nil
                },
                context.toOpaque()
            )
            // Without another thread this one does it all.
            if code == 0 { threads.append(thread) } else { context.release() }
        }
        work.run()
        for thread in threads { pthread_join(thread, nil) }
    }
}

/// A value that several threads change.
package final class Locked<Value>: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private var value: Value

    package init(_ value: Value) {
        self.value = value
        mutex.initialize(to: pthread_mutex_t())
        pthread_mutex_init(mutex, nil)
    }

    deinit {
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
    }

    package func use<Result>(_ body: (inout Value) -> Result) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return body(&value)
    }
}
