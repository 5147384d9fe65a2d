internal import Keying
internal import Platform
internal import Trace

/// Roots that a result may depend on though no output need show them: the length or the hash of a path, say.
///
/// A variable that holds a path can be used in two ways. It can lead to a file, which is an input in every checkout; or
/// its text can be used, and then the result is right only where the text is the same. Only the first is portable:
///
/// - `env!` and `option_env!`: every mention in the sources stands first in an `include!`, `include_str!` or
///   `include_bytes!`. Where the sources don't mention the variable, a macro of another crate does, and the compile
///   read a file below that path that is no source of the package anyway (`tonic::include_proto!`).
/// - A proc macro that asks for a variable also looks at something below that path.
///
/// In all other cases the roots in the variable's value count. So they do where a message mentions them, in the text of
/// a source for one: a message is put back word for word but for the paths that rustc names.
struct HeldPaths {
    private(set) var roots: Set<String> = []
    private let known: Roots
    private let environment: Environment
    private let currentFolder: String

    init(_ roots: Roots, _ environment: Environment, currentFolder: String) {
        known = roots
        self.environment = environment
        self.currentFolder = currentFolder
    }

    /// Counts what the sources ask for.
    mutating func count(_ depInfo: DepInfo) {
        let files = depInfo.files.map { Roots.absolute($0, in: currentFolder) }
        var sources: Sources?
        for name in depInfo.variables {
            guard let value = environment.bytes(name) else { continue }
            let held = known.mentioned(in: value)
            guard !held.isEmpty else { continue }
            let read = sources ?? Sources(files)
            sources = read
            let path = String(decoding: value, as: UTF8.self)
            switch read.use(of: name) {
            case .included: continue
            case .unmentioned:
                if files.contains(where: { Self.isBelow($0, path) }),
                    files.first.map({ Self.isBelow($0, path) }) != true
                {
                    continue
                }
            case .text: break
            }
            roots.formUnion(held)
        }
    }

    /// Counts what proc macros ask for.
    mutating func count(_ guests: Observation.Guests) {
        for name in guests.variables {
            guard let value = environment.bytes(name) else { continue }
            let held = known.mentioned(in: value)
            if !held.isEmpty { count(held, String(decoding: value, as: UTF8.self), guests) }
        }
        if guests.askForCurrentFolder {
            count(known.mentioned(in: Array(currentFolder.utf8)), currentFolder, guests)
        }
    }

    private mutating func count(_ held: Set<String>, _ path: String, _ guests: Observation.Guests) {
        if !guests.paths.contains(where: { Self.isBelow($0, path) }) { roots.formUnion(held) }
    }

    /// Counts folders by name, as far as this call has them.
    mutating func count(_ names: [String]) {
        roots.formUnion(names.filter { name in known.roots.contains { $0.name == name } })
    }

    /// Counts this folder and all that the environment tells of.
    mutating func countEnvironment() {
        count(["cwd"])
        for value in environment.values.values { roots.formUnion(known.mentioned(in: value)) }
    }

    /// Counts what messages mention elsewhere than where rustc names a path.
    mutating func count(messages: [UInt8]) {
        roots.formUnion(known.mentioned(in: messages, except: Set(PathPlaces.find(in: messages))))
    }

    private static func isBelow(_ path: String, _ folder: String) -> Bool {
        guard path.hasPrefix(folder) else { return false }
        let rest = path.utf8.dropFirst(folder.utf8.count)
        return rest.isEmpty || rest.first == UInt8(ascii: "/") || folder.utf8.last == UInt8(ascii: "/")
    }
}
