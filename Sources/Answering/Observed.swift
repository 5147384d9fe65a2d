internal import Digest
internal import Glibc
internal import Keying
internal import Platform
internal import RustcCall
internal import Store
internal import Trace

/// What a compile was seen to read and write, in the terms of the store.
struct Observed {
    var inputs: [(kind: Input.Kind, name: String)] = []
    var outputs: Set<String> = []
    /// A file that was written where no output belongs.
    var sideEffects: String?
    var unobservable: String?
    /// A file or folder that could not be written.
    var failedWrite: String?
    var guests = Observation.Guests()
    var ranPrograms = false
    /// Whether a program was run that was not seen: it may be the observer that made it fail.
    var hasUnseenProgram = false
    /// Whether a program was told of this folder, or of the environment as a whole, and may have made something of it.
    var tellsOfFolders = false
    /// Folders above this compile's own in which something was found.
    var visited: Set<String> = []
    /// What was opened under each path, as `Trace.stamp` has it.
    var opened: [String: Set<UInt64>] = [:]
}

extension Miss {
    /// Judges a trace by what this call asks for.
    func observed(_ trace: Trace, _ environment: Environment, process: Int32) -> Observed {
        let observation = Observation(trace, rules(environment, process: process))
        var observed = Observed(outputs: observation.outputs, unobservable: observation.unobservable)
        observed.guests = observation.guests
        observed.ranPrograms = observation.ranPrograms
        observed.hasUnseenProgram = observation.hasUnseenProgram
        observed.tellsOfFolders = observation.tellsOfFolders
        observed.visited = observation.visited
        observed.opened = observation.opened
        observed.failedWrite = observation.failedWrite
        observed.sideEffects = observation.sideEffects.sorted().first { access($0, F_OK) == 0 }
        observed.inputs = observation.dependencies.map { dependency in
            switch dependency {
            case .file(let path): (.file, path)
            case .absent(let path): (.absent, path)
            case .exists(let path): (.exists, path)
            case .listing(let path): (.listing, path)
            case .variable(let name): (.variable, name)
            case .environment: (.environment, "")
            case .program(let name): (.program, name)
            case .currentFolder: (.currentFolder, "")
            case .link(let path): (.link, path)
            case .target(let path): (.target, path)
            }
        }
        return observed
    }

    private func rules(_ environment: Environment, process: Int32) -> ObservationRules {
        var rules = ObservationRules()
        rules.rootProcess = process
        rules.compiler = Files.realPath(toolchain.compiler) ?? toolchain.compiler
        // What its identity holds, and no more: a distribution's compiler has /usr for its sysroot.
        rules.sysroot = toolchain.sysroot + "/lib/rustlib"
        let folder = place.currentFolder
        let places = OutputPlaces(call, currentFolder: folder)
        rules.outputFolders += places.folders
        rules.outputFiles.formUnion(places.files)
        // Only where traces lie: the cache's folder may be any, and hold sources too.
        rules.ignoredFolders.append(place.folder + "/tmp")
        if let incremental = call.incremental.map({ Roots.absolute($0, in: folder) }), !isAbove(incremental) {
            rules.ignoredFolders.append(incremental)
        }
        rules.ignoredFiles.insert(observer)
        // A linker that comes with Rust loads the compiler's own LLVM.
        rules.ignoredFiles.formUnion(toolchain.libraries)
        for search in call.searchPaths {
            let path = Roots.absolute(search.path, in: folder)
            switch search.kind {
            case "all", "crate": rules.crateFolders.insert(path)
            case "dependency": rules.dependencyFolders.append(path)
            default: break
            }
        }
        let folders =
            [roots.roots.first { $0.name == "target" }?.path, environment.filled("TMPDIR")] + rules.outputFolders
        for given in folders.compactMap({ $0 }) {
            guard let real = Files.realPath(given), real != given else { continue }
            rules.links.append((real, given))
        }
        rules.searchPath = World.searchPath(environment)
        rules.foldersAbove = foldersAbove
        rules.variables = environment.values.mapValues { Trace.hash($0) }
        rules.countsCompilerVariables = true
        return rules
    }

    /// The folders above the current one and the package's. What lies directly below the file system's top is the same on
    /// every machine.
    private var foldersAbove: Set<String> {
        var folders: Set<String> = []
        for root in roots.roots where root.name == "cwd" || root.name == "pkg" {
            var folder = Files.folder(of: root.path)
            while folder.utf8.count(where: { $0 == UInt8(ascii: "/") }) > 1 {
                folders.insert(folder)
                folder = Files.folder(of: folder)
            }
        }
        return folders.subtracting(roots.roots.map(\.path))
    }

    /// Whether a folder holds the sources, so that what is read in it must count.
    private func isAbove(_ folder: String) -> Bool {
        guard case .file(let source) = call.input else { return true }
        return (Roots.absolute(source, in: place.currentFolder) + "/").hasPrefix(folder + "/")
            || (place.currentFolder + "/").hasPrefix(folder + "/")
    }
}
