/// Why a call that was looked up was not answered from the cache. The one table: the event log, statistics and `explain` name
/// them by `rawValue`.
package enum MissReason: String, CaseIterable, Sendable {
    case newUnit = "new-unit"
    case damaged = "damaged-entry"
    case evicted = "evicted"
    case restoreFailed = "restore-failed"
    case fileChanged = "file-changed"
    case fileAppeared = "file-appeared"
    case pathChanged = "path-changed"
    case folderChanged = "folder-changed"
    case variableChanged = "variable-changed"
    case programChanged = "program-changed"
    case currentFolderChanged = "current-folder-changed"
    case linkChanged = "link-changed"
    case otherFolder = "other-folder"
    case environmentChanged = "environment-changed"
    case forced = "forced"

    /// - Parameter kind: of the first input that is not as it was.
    package init(changed kind: Input.Kind) {
        switch kind {
        case .file: self = .fileChanged
        case .absent: self = .fileAppeared
        case .exists: self = .pathChanged
        case .listing: self = .folderChanged
        case .variable: self = .variableChanged
        case .program: self = .programChanged
        case .currentFolder: self = .currentFolderChanged
        case .root: self = .otherFolder
        case .environment: self = .environmentChanged
        case .link, .target: self = .linkChanged
        case .extern: self = .fileChanged
        }
    }

    /// What a person reads about it.
    package var explanation: String {
        switch self {
        case .newUnit: "nothing is stored for it: never compiled like this before, or trimmed away"
        case .damaged: "the stored entry was damaged and has been taken away"
        case .evicted: "the stored result has been trimmed away"
        case .restoreFailed: "the outputs could not be put in place"
        case .fileChanged: "a file that the compile reads has changed"
        case .fileAppeared: "a file is there now that the compile looked for in vain"
        case .pathChanged: "a path that the compile looked at is now of another kind, or gone"
        case .folderChanged: "a folder that the compile lists has other entries"
        case .variableChanged: "an environment variable that the compile reads has changed"
        case .programChanged: "a program that the compile runs has changed"
        case .currentFolderChanged: "the compile reads its current folder, which is another one"
        case .linkChanged: "a symbolic link that the compile asks about leads elsewhere"
        case .otherFolder: "the stored result holds the path of another checkout, home or target folder"
        case .environmentChanged: "the compile takes the environment as a whole (a shell does), and that has changed"
        case .forced: "a new compile was asked for (LARDER_RECACHE)"
        }
    }
}
