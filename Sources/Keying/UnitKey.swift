internal import CPlatform
package import Digest
package import Platform
package import RustcCall
internal import Store

/// What a call asks for, before any input is looked at.
package struct UnitKey: Sendable {
    package let digest: Digest
    /// The key's parts by name and value, in order: what `larder explain` compares.
    package let parts: [(name: String, value: String)]

    /// Variables that rustc itself goes by, and that its dep-info does not name.
    ///
    /// `CARGO` counts only as set or unset: diagnostics then speak of Cargo.
    /// Sources: `rustc_session`, `rustc_feature::UnstableFeatures::from_environment`, `clippy_driver`.
    static let variables = [
        "RUSTC_BOOTSTRAP", "RUST_TARGET_PATH", "RUSTC_LOG", "RUSTC_OVERRIDE_VERSION_STRING",
        "RUSTC_FORCE_RUSTC_VERSION", "RUSTC_COLOR", "SYSROOT", "SDKROOT", "MACOSX_DEPLOYMENT_TARGET",
        "IPHONEOS_DEPLOYMENT_TARGET", "TVOS_DEPLOYMENT_TARGET", "WATCHOS_DEPLOYMENT_TARGET", "XROS_DEPLOYMENT_TARGET",
    ]
    static let clippyVariables = [
        "CLIPPY_ARGS", "CLIPPY_CONF_DIR", "CLIPPY_DISABLE_DOCS_LINKS", "CARGO_PRIMARY_PACKAGE",
        "CARGO_PKG_RUST_VERSION",
    ]

    /// - Parameters:
    ///   - isClippy: whether clippy-driver compiles.
    ///   - standardInput: the source, where it comes from there.
    ///   - remapping: how paths are mapped; `nil` in exact mode, where the roots' real folders count.
    package init(
        _ call: RustcCall,
        toolchain: Digest,
        isClippy: Bool,
        standardInput: [UInt8]?,
        roots: Roots,
        remapping: Remapping?,
        environment: Environment,
        currentFolder: String
    ) {
        var parts: [(name: String, value: String)] = []
        parts.append(("toolchain", toolchain.hex))
        parts.append(("driver", isClippy ? "clippy" : "rustc"))
        parts.append(("folder", roots.tokenized(path: currentFolder)))
        if let remapping {
            parts += remapping.rules.map { ("map \(roots.tokenized(path: $0.from))", $0.to) }
        } else {
            parts += roots.roots.map { ("root \($0.name)", $0.path) }
        }
        for option in call.options {
            guard let (name, value) = Self.part(option, roots) else { continue }
            parts.append((name, value))
        }
        for name in Self.variables + (isClippy ? Self.clippyVariables : []) {
            guard let value = environment.bytes(name) else { continue }
            parts.append(("variable \(name)", String(decoding: roots.tokenized(text: value), as: UTF8.self)))
        }
        if environment.bytes("CARGO") != nil { parts.append(("variable CARGO", "set")) }
        if call.usesNativeCPU { parts.append(("native cpu", Self.hostCPU())) }
        if let standardInput { parts.append(("standard input", Digest(of: standardInput).hex)) }

        var hasher = FieldHasher()
        hasher.field("larder unit")
        hasher.field(UInt64(Codec.version))
        for (name, value) in parts {
            hasher.field(name)
            hasher.field(value)
        }
        digest = hasher.finish()
        self.parts = parts
    }

    /// An option as it counts; `nil` for one that changes nothing that is stored.
    private static func part(_ option: Option, _ roots: Roots) -> (String, String)? {
        let value = option.value ?? ""
        switch option.name {
        case "diagnostic-width": return nil
        case "extern":
            // The file's content is an input; where it lies is not part of what is asked for.
            let (name, path) = RustcCall.split(value, at: UInt8(ascii: "="))
            return ("--extern", path == nil ? name : name + "=")
        case "codegen":
            let (name, setting) = RustcCall.split(value, at: UInt8(ascii: "="))
            if name == "incremental" { return ("--codegen", "incremental") }
            guard let setting else { return ("--codegen", name) }
            return ("--codegen", name + "=" + text(setting, roots))
        case "remap-path-prefix": return ("--remap-path-prefix", mapping(value, roots))
        case "": return ("argument", text(value, roots))
        default: return ("--" + option.name, text(value, roots))
        }
    }

    /// A user's own mapping, by what it does to this call's roots: in another checkout the same one looks otherwise.
    ///
    /// rustc splits at the last `=`. Source: `rustc_session::config::parse_remap_path_prefix`.
    private static func mapping(_ value: String, _ roots: Roots) -> String {
        guard let equals = value.utf8.lastIndex(of: UInt8(ascii: "=")) else { return text(value, roots) }
        var from = String(value[..<equals])
        while from.utf8.count > 1, from.utf8.last == UInt8(ascii: "/") { from.removeLast() }
        let to = value[value.utf8.index(after: equals)...]
        let below = from == "/" ? "/" : from + "/"
        let mapped = roots.roots.filter { $0.path == from || $0.path.hasPrefix(below) }
        if !mapped.isEmpty {
            let rests = mapped.map { "{\($0.name)}:\(Substring($0.path.utf8.dropFirst(from.utf8.count)))" }.sorted()
            return "\(rests.joined(separator: ","))=\(to)"
        }
        return "\(roots.tokenized(path: from))=\(to)"
    }

    private static func text(_ value: String, _ roots: Roots) -> String {
        guard value.utf8.contains(UInt8(ascii: "/")) else { return value }
        return String(decoding: roots.tokenized(text: Array(value.utf8)), as: UTF8.self)
    }

    private static func hostCPU() -> String {
        var buffer = [CChar](repeating: 0, count: 16 << 10)
        let length = larder_host_cpu(&buffer, buffer.count)
        return String(decoding: buffer[..<min(length, buffer.count)].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
