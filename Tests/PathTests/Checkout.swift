import BuildSupport
import Foundation

/// One person's checkout: a project, a home, Cargo's home, a registry and a target folder of its own.
struct Checkout {
    let project: Project
    let home: String
    /// Cargo's target folder as Cargo is told; `nil`: `target` in the project.
    let target: String?
    let registry: String?
    private let cache: String?

    /// - Parameters:
    ///   - place: folder that everything is in; absolute.
    ///   - source: the project to copy there.
    ///   - path: the project's folder below the place.
    ///   - target: as `CARGO_TARGET_DIR`.
    ///   - crates: names of Debian's crates that the checkout's registry holds; `nil`: it has no registry.
    ///   - cache: another cache folder than the sandbox's.
    init(
        _ place: String,
        of source: Project,
        path: String = "project",
        target: String? = nil,
        crates: Set<String>? = nil,
        cache: String? = nil
    ) throws {
        project = try source.copy(to: "\(place)/\(path)")
        home = place + "/home"
        self.target = target
        self.cache = cache
        try FileManager.default.createDirectory(atPath: home, withIntermediateDirectories: true)
        guard let crates else {
            registry = nil
            return
        }
        let registry = place + "/crates"
        self.registry = registry
        try FileManager.default.createDirectory(atPath: registry, withIntermediateDirectories: true)
        let debian = "/usr/share/cargo/registry"
        for name in try FileManager.default.contentsOfDirectory(atPath: debian)
        where crates.contains(String(name.prefix { $0 != "." }.split(separator: "-").dropLast().joined(separator: "-")))
        {
            try Tools.run("cp", ["-a", "\(debian)/\(name)", "\(registry)/\(name)"])
        }
        Files.write(
            cargoHome + "/config.toml",
            Project.debianRegistry.replacingOccurrences(of: debian, with: registry)
        )
    }

    var cargoHome: String { home + "/cargo" }
    /// The target folder, as a person would name it.
    var targetFolder: String { target ?? project.path("target") }

    /// What is different from the sandbox's own environment.
    var environment: [String: String?] {
        // The C compiler's debug information would name the folder, and no wrapper of rustc sees to that.
        var changes: [String: String?] = ["HOME": home, "CARGO_HOME": cargoHome, "CFLAGS": "-g0"]
        if let target { changes["CARGO_TARGET_DIR"] = target }
        if let cache { changes["LARDER_DIR"] = cache }
        return changes
    }

    /// Folders that nothing of another checkout may mention.
    var folders: [String] { [project.folder, home] + [registry, target].compactMap { $0 } }
}

extension Sandbox {
    /// Runs Cargo in a checkout.
    @discardableResult
    func cargo(
        _ arguments: [String],
        in checkout: Checkout,
        larder: Bool = true,
        _ changes: [String: String?] = [:]
    ) throws -> Built {
        let environment = checkout.environment.merging(changes) { $1 }
        return try cargo(arguments, in: checkout.project, larder: larder, environment)
    }

    /// Runs a program of a checkout.
    func run(_ program: String, in checkout: Checkout, _ changes: [String: String?] = [:]) throws -> Ended {
        try start(
            "\(checkout.targetFolder)/\(program)",
            [],
            in: checkout.project.folder,
            larder: false,
            checkout.environment.merging(changes) { $1 }
        ).wait().ended
    }
}

/// Searching outputs.
enum Mentions {
    /// Files below a folder that mention one of some folders, with that folder.
    static func find(_ folders: [String], below root: String) -> [String] {
        Files.tree(root).flatMap { path -> [String] in
            guard let bytes = FileManager.default.contents(atPath: "\(root)/\(path)") else { return [] }
            return folders.filter { bytes.range(of: Data($0.utf8)) != nil }.map { "\(path) mentions \($0)" }
        }
    }
}
