/// Why a call goes to rustc without a look into the cache, or its result isn't stored.
///
/// The one table of reasons: statistics, `larder explain` and the docs name them by `rawValue`.
package enum Uncached: String, CaseIterable, Sendable {
    // Calls that are passed on.
    case disabled = "disabled"
    case unknownCompiler = "unknown-compiler"
    case notText = "not-utf8"
    case argumentFile = "argument-file"
    case information = "information"
    case noInput = "no-input"
    case severalInputs = "several-inputs"
    case missingValue = "missing-value"
    case printToFile = "print-to-file"
    case profiling = "profiling"
    case terminal = "terminal"
    case toolchain = "toolchain"
    case cacheFolder = "cache-folder"
    case noObserver = "no-observer"
    case internalError = "internal-error"
    // Compiles that ran and whose result was not stored.
    case failed = "compile-failed"
    case readOnly = "read-only"
    case inputChanged = "input-changed"
    case unobservable = "unobservable"
    case sideEffect = "side-effect"
    case incrementalReuse = "incremental-reuse"
    case outputMissing = "output-missing"
    case storeFailed = "store-failed"
    case forced = "forced"

    /// What a person reads about it.
    package var explanation: String {
        switch self {
        case .disabled: "caching is switched off (LARDER_DISABLE)"
        case .unknownCompiler: "the program to run is neither rustc nor clippy-driver"
        case .notText: "an argument or a path is no UTF-8"
        case .argumentFile: "an @file of arguments can't be read, or uses shell quoting"
        case .information: "the call asks for help or an explanation"
        case .noInput: "the call names no source file"
        case .severalInputs: "the call names more than one source file, or holds an argument that larder can't place"
        case .missingValue: "an argument lacks its value"
        case .printToFile: "--print writes to a file"
        case .profiling: "the call asks rustc to profile itself or to print times"
        case .terminal: "diagnostics for people go straight to a terminal"
        case .toolchain: "the compiler's toolchain could not be identified"
        case .cacheFolder: "the cache folder can't be used"
        case .noObserver: "this unit needs the observer and it can't be loaded"
        case .internalError: "larder met a fault of its own and let rustc run"
        case .failed: "the compile failed; failing compiles are never stored"
        case .readOnly: "the cache is set to read-only"
        case .inputChanged: "an input changed while the compile ran, or just before"
        case .unobservable: "a process of the compile could not be observed"
        case .sideEffect: "the compile wrote files outside its output folder"
        case .incrementalReuse: "an incremental session was reused; only a first build is stored"
        case .outputMissing: "an output that the call asks for was not written"
        case .storeFailed: "the result could not be written to the cache"
        case .forced: "a new compile was asked for (LARDER_RECACHE)"
        }
    }
}

/// A call that goes to rustc as it is.
package struct PassedOn: Error {
    package let reason: Uncached
    /// What exactly: an argument, a path.
    package let detail: String

    package init(_ reason: Uncached, _ detail: String = "") {
        self.reason = reason
        self.detail = detail
    }
}
