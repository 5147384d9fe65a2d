internal import Glibc

/// Types of files, as in `st_mode >> 12`.
enum FileType {
    static let unknown: UInt32 = 0
    static let pipe: UInt32 = 1
    static let folder: UInt32 = 4
    static let regular: UInt32 = 8
}

extension Observation {
    /// Follows what is written, renamed and removed, so that what is left at the end is known.
    mutating func readWrites(_ trace: Trace) {
        var written: Set<String> = []
        for record in trace.records where record.error == 0 && asker(record) != .nobody {
            switch record.kind {
            case .open where record.flags & 0b1110 != 0 && record.flags & 32 == 0:
                // A device, a terminal or make's jobserver keeps nothing.
                guard record.type == FileType.regular || record.type == FileType.unknown else { continue }
                guard let path = path(record.first) else { continue }
                // Neither emptied nor made by this open: a file may have been there, which is added to or changed in place. A
                // hit would put this compile's state of it over what became of it since.
                let isWhole = record.flags & 0b11000 != 0
                if !isWhole, !touched.contains(path), !isIgnored(path) { sideEffects.insert(path) }
                written.insert(path)
                touched.insert(path)
            case .rename:
                guard let from = path(record.first), let to = path(record.second) else { continue }
                checkRemoval(of: from)
                let moved = written.filter { isBelow($0, from) }
                written.subtract(moved)
                written.formUnion(moved.map { to + $0.dropFirst(from.count) })
                written.insert(to)
                touched.formUnion([from, to])
                if madeFolders.contains(from) { madeFolders.append(to) }
            case .unlink:
                guard let path = path(record.first) else { continue }
                checkRemoval(of: path)
                written.remove(path)
                touched.insert(path)
            case .link, .symlink:
                guard let path = path(record.second) else { continue }
                written.insert(path)
                touched.insert(path)
            case .makeFolder:
                guard let path = path(record.first) else { continue }
                madeFolders.append(path)
                touched.insert(path)
            default: break
            }
        }
        for folder in madeFolders where !isIgnored(folder) && !rules.outputFolders.contains(folder) {
            // One that is still there and holds no output: a hit makes no empty folders.
            if access(folder, F_OK) == 0, !written.contains(where: { isBelow($0, folder) }) {
                sideEffects.insert(folder)
            }
        }
        for path in written where !isIgnored(path) {
            if isOutput(path) { outputs.insert(path) } else { sideEffects.insert(path) }
        }
    }

    /// Whether an output may lie here.
    func isOutput(_ path: String) -> Bool {
        rules.outputFiles.contains(path) || rules.outputFolders.contains { isBelow(path, $0) }
    }

    /// A hit removes nothing, so a compile that removes what it did not make can't be answered by one.
    private mutating func checkRemoval(of path: String) {
        if touched.contains(path) || isOutput(path) || isIgnored(path) { return }
        if madeFolders.contains(where: { isBelow(path, $0) }) { return }
        fail("the compile removed \(path), which it had not made")
    }
}
