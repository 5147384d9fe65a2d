internal import Glibc
internal import Platform

/// Where the parts of an installed larder lie: beside the running program, wherever that was put.
package enum Layout {
    /// The running program, links followed.
    package static var program: String? { Files.realPath("/proc/self/exe") }

    /// A helper of this installation: `../libexec/larder/NAME`, or in a build folder beside the program.
    package static func helper(_ name: String) -> String? {
        guard let program else { return nil }
        let folder = Files.folder(of: program)
        for path in ["\(Files.folder(of: folder))/libexec/larder/\(name)", "\(folder)/\(name)"]
        where access(path, R_OK) == 0 {
            return path
        }
        return nil
    }

    package static let observerName = "liblarder-observer.so"
    package static let controlName = "larderctl"
    package static let gatewayName = "larderd"
}
