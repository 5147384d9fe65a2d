internal import CPlatform
internal import Keying
internal import Platform
internal import RustcCall
internal import Trace

/// Compiles that are done again because they may have failed by our doing.
extension Miss {
    /// Does a compile again, exactly as without larder. Its end is what counts.
    ///
    /// - Returns: its wait status; `nil` where it can't be started.
    func tryAgain(_ session: borrowing Session) -> Int32? {
        let compiler = session.compiler
        guard
            let run = try? start([compiler.program] + compiler.arguments, environment: session.environment.entries),
            let end = try? run.collect(
                onOutput: { try? Files.write($0, to: 1, path: "standard output") },
                onErrors: { try? Files.write($0, to: 2, path: "standard error") }
            )
        else { return nil }
        return end.status
    }

    /// Whether a compile failed with errors that nobody has seen yet, and that may be by our doing: a program that can't bear
    /// the observer, or the source of a package outside the workspace that takes a mapped path for a file's.
    func mayHaveFailedByUs(
        _ end: Run.End,
        _ diagnostics: Diagnostics,
        _ tracePath: String,
        _ session: borrowing Session
    ) -> Bool {
        guard larder_exited(end.status) != 0, larder_exit_code(end.status) != 0, !diagnostics.held.isEmpty,
            // Cargo has started dependents, and bears no second notice of the same file.
            !diagnostics.hasAnnounced
        else { return false }
        // The paths that rustc names are put back; what is left of the mapping is a text that the source made use of.
        let held = diagnostics.held
        if let remapping, remapping.isOutside {
            return remapping.rules.contains { held.holds($0.to + "/") }
                || ["macro panicked", "derive panicked", "attribute panicked"].contains(where: held.holds)
        }
        // What the loader or a sanitizer says where it refuses a preloaded library.
        if held.holds("LD_PRELOAD") || held.holds("liblarder-observer") { return true }
        guard let trace = try? TraceFile.read(tracePath) else { return false }
        return observed(trace, session.environment, process: end.process).hasUnseenProgram
    }
}
