/// One thing that a compile was seen to depend on. Paths are absolute, as the process wrote them.
package enum Dependency: Hashable, Sendable {
    case file(String)
    case absent(String)
    case exists(String)
    case listing(String)
    /// The text of a symbolic link.
    case link(String)
    /// What a path leads to, with all links followed.
    case target(String)
    case variable(String)
    /// All variables but those that tell one session from the next: a shell had them.
    case environment
    /// A name that was looked up in `PATH`.
    case program(String)
    case currentFolder
}

/// What an observed compile is judged by.
package struct ObservationRules: Sendable {
    /// The compiler, links followed, and the folder it belongs to.
    package var compiler = ""
    package var sysroot = ""
    package var rootProcess: Int32 = 0
    /// Folders and single files in which the compile's outputs belong.
    package var outputFolders: [String] = []
    package var outputFiles: Set<String> = []
    /// Folders above those in which the compile takes place.
    package var foldersAbove: Set<String> = []
    /// Folders whose content is no input: the incremental one, larder's own.
    package var ignoredFolders: [String] = []
    /// Files that are no input: the observer.
    package var ignoredFiles: Set<String> = []
    /// Folders of `-L` in which rustc picks a crate by what lies there, and those in which it knows what it looks for.
    package var crateFolders: Set<String> = []
    package var dependencyFolders: [String] = []
    /// Folders that the compile was given by way of links, and what the kernel calls them: a file that is named by a
    /// descriptor comes by that name.
    package var links: [(real: String, given: String)] = []
    /// The folders of `PATH` as the wrapper has it.
    package var searchPath: [String] = []
    /// The wrapper's variables, by name: hash of the value.
    package var variables: [String: UInt64] = [:]
    /// Whether the compiler's own variables count, but for those it always asks for: no dep-info names them.
    package var countsCompilerVariables = false

    package init() {}
}
