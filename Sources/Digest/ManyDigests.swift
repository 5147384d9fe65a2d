internal import Glibc
package import Platform

/// Digests of many files at once, on as many processors as there are: a toolchain's half gigabyte takes a single one
/// longer than a small crate takes rustc.
package enum ManyDigests {
    private final class Work {
        let paths: [String]
        private var next = 0
        private var found: [(Digest, FileStamp)?]
        private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)

        init(_ paths: [String]) {
            self.paths = paths
            found = Array(repeating: nil, count: paths.count)
            lock.initialize(to: pthread_mutex_t())
            pthread_mutex_init(lock, nil)
        }

        deinit {
            pthread_mutex_destroy(lock)
            lock.deallocate()
        }

        private func locked<Result>(_ body: () -> Result) -> Result {
            pthread_mutex_lock(lock)
            defer { pthread_mutex_unlock(lock) }
            return body()
        }

        /// Takes one file after the other until none is left.
        func run() {
            while true {
                let index = locked { () -> Int in
                    next += 1
                    return next - 1
                }
                guard index < paths.count else { return }
                guard let file = try? Descriptor(opening: paths[index], O_RDONLY) else { continue }
                let digest = (try? Digest.ofFile(file.number, path: paths[index])) ?? nil
                locked { found[index] = digest }
            }
        }

        var results: [(Digest, FileStamp)?] { locked { found } }
    }

    /// The digest of each file and its stamp then; `nil` for one that can't be read, or changed meanwhile.
    package static func of(_ paths: [String]) -> [(digest: Digest, stamp: FileStamp)?] {
        let work = Work(paths)
        let processors = max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
        var threads: [pthread_t] = []
        for _ in 0..<max(0, min(processors, paths.count) - 1) {
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
        return work.results.map { $0.map { (digest: $0.0, stamp: $0.1) } }
    }
}
