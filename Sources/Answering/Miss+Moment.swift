internal import Digest
internal import Glibc
internal import Keying
internal import Platform
internal import RustcCall
internal import Store

/// Telling what was written just before a compile from what was written meanwhile.
extension Miss {
    /// Whether what the compile reads may have been written a moment ago: by a build script, or together with its source.
    func hasYoungSources(_ environment: Environment) -> Bool {
        if environment.filled("OUT_DIR") != nil { return true }
        guard case .file(let source) = call.input else { return false }
        let path = Roots.absolute(source, in: place.currentFolder)
        /// Longer than the clock stands still. Nanoseconds.
        let youth: Int64 = 100_000_000
        return [path, Files.folder(of: path)].contains { path in
            FileStamp(of: path).map { fileClockNow() &- $0.latest < youth } ?? false
        }
    }

    /// Waits until the clock that files are stamped with has moved on since this process began: what was written just before
    /// then differs in time from what is written while rustc runs, and can be trusted.
    ///
    /// - Returns: that clock's time, nanoseconds since 1970.
    static func afterTick(of began: Int64) -> Int64 {
        /// The clock moves every 1 to 10 ms; in steps of half a millisecond that is soon seen.
        let step: UInt32 = 500
        let mostSteps = 40
        for _ in 0..<mostSteps where fileClockNow() <= began { usleep(step) }
        return fileClockNow()
    }

    /// Looks at the files that the call names before the compile does.
    ///
    /// Cargo gives a finished library a second link while its dependents start, which changes a time of it, and a build
    /// script compiles a probe it has just written: what was the same before and after is what the compile read.
    func lookAhead(_ before: inout World, _ memo: borrowing Memo) {
        var paths = call.externs.compactMap(\.path)
        if case .file(let source) = call.input { paths.append(source) }
        for path in paths {
            let path = Roots.absolute(path, in: place.currentFolder)
            _ = before.digest(.file, roots.tokenized(path: path), memo: memo)
        }
    }
}
