internal import Glibc
internal import Platform

/// Where the parts of this installation lie: found from the running program, wherever that was put.
package struct Installation: Sendable {
    /// Folder of the running program, links followed.
    private let folder: String

    /// The installation that the running program is part of; `nil` if `/proc` can't be read.
    package init?() {
        guard let program = Files.realPath("/proc/self/exe") else { return nil }
        self.init(program: program)
    }

    package init(program: String) { folder = Files.folder(of: program) }

    /// `bin/larder` above `libexec/larder`, or beside this program in a build folder; `nil` if it is not there.
    package var wrapper: String? {
        let prefix = Files.folder(of: Files.folder(of: folder))
        return ["\(prefix)/bin/larder", "\(folder)/larder"].first { access($0, X_OK) == 0 }
    }

    /// The gateway to shared caches.
    package var gateway: String? {
        let path = "\(folder)/larderd"
        return access(path, X_OK) == 0 ? path : nil
    }

    /// The library that is preloaded into compilers.
    package var observer: String? {
        let path = "\(folder)/liblarder-observer.so"
        return access(path, R_OK) == 0 ? path : nil
    }
}
