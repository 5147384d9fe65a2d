internal import Digest
internal import Glibc
internal import Platform

/// By what a rustup proxy chooses the toolchain for a folder. What is equal chooses alike, so that of all the folders in which
/// Cargo compiles, one asks the proxy.
///
/// In this order: `RUSTUP_TOOLCHAIN`, which Cargo itself inherits from rustup; a folder's override in rustup's settings;
/// the nearest toolchain file; the default. Source: the rustup book, "Overrides".
struct RustupChoice {
    /// Where rustup keeps its settings and toolchains.
    private let home: String?
    private let variable: [UInt8]
    /// The nearest folder above that rustup's settings name: it may have an override.
    private var named = ""
    /// The nearest toolchain file above.
    private var file = ""
    /// Where a relative path in the variable starts.
    private var base = ""

    init(_ environment: Environment, currentFolder: String) {
        home = environment.filled("RUSTUP_HOME") ?? environment.filled("HOME").map { $0 + "/.rustup" }
        variable = environment.bytes("RUSTUP_TOOLCHAIN") ?? []
        // A path may start from the current folder; a name decides alone.
        if !variable.isEmpty, !variable.contains(UInt8(ascii: "/")) { return }
        base = variable.contains(UInt8(ascii: "/")) ? currentFolder : ""
        let settings = home.flatMap { try? Files.read($0 + "/settings.toml", limit: 1 << 20) } ?? []
        let text = String(decoding: settings, as: UTF8.self)
        var folder = currentFolder
        while true {
            let base = folder == "/" ? "" : folder
            if named.isEmpty, text.contains("\(folder)\"") || text.contains("\(folder)'") { named = folder }
            for name in ["rust-toolchain", "rust-toolchain.toml"]
            where file.isEmpty && access("\(base)/\(name)", F_OK) == 0 {
                file = "\(base)/\(name)"
            }
            if folder == "/" || folder == "." { return }
            folder = Files.folder(of: folder)
        }
    }

    func add(to hasher: inout FieldHasher) {
        hasher.field(home ?? "")
        hasher.field(variable)
        hasher.field(named)
        hasher.field(file)
        hasher.field(base)
    }

    /// Files that decide by what they hold.
    var files: [String] {
        (home.map { [$0 + "/settings.toml", $0 + "/toolchains"] } ?? []) + (file.isEmpty ? [] : [file])
    }
}
