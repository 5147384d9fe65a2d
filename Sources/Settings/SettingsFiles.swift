internal import CPlatform
internal import Glibc
package import Platform

/// The configuration files, as the wrapper comes by them: it parses no TOML, `larderctl` does that for it once.
package enum SettingsFiles {
    /// The settings in force: environment, then larder's file, then sccache's.
    ///
    /// Costs two `stat` where there is no file, and the reading of one small file where there is.
    /// - Parameters:
    ///   - control: path of `larderctl`, looked for when it is needed; `nil` where it can't be found.
    package static func settings(_ environment: Environment, control: @autoclosure () -> String? = nil) -> Settings {
        let files = paths(environment).map(FileValues.File.init)
        let isNamed = environment.filled(ownVariable) != nil || environment.filled(sccacheVariable) != nil
        guard isNamed || files.contains(where: { $0.stamp != nil }) else { return Settings(environment) }
        if let path = snapshotPath(environment), let bytes = try? Files.read(path, limit: snapshotLimit),
            let values = FileValues(snapshot: bytes), values.files == files
        {
            return Settings(environment, files: values)
        }
        return Settings(environment, files: ask(control(), files))
    }

    private static let ownVariable = "LARDER_CONF"
    private static let sccacheVariable = "SCCACHE_CONF"
    /// Far more than any settings take. Bytes.
    private static let snapshotLimit = 1 << 20

    /// Paths of larder's file and of sccache's, the stronger first; without a home only those that a variable names.
    package static func paths(_ environment: Environment) -> [String] {
        let folder = Settings.base(environment, "XDG_CONFIG_HOME", ".config")
        return [
            environment.filled(ownVariable) ?? folder.map { $0 + "/larder/config.toml" },
            environment.filled(sccacheVariable) ?? folder.map { $0 + "/sccache/config" },
        ].compactMap(\.self)
    }

    /// Whether the file at `path` was asked for by name, so that it is wrong for it to be missing.
    package static func isNamed(_ path: String, _ environment: Environment) -> String? {
        for variable in [ownVariable, sccacheVariable] where environment.filled(variable) == path { return variable }
        return nil
    }

    /// Where the snapshot of these files is kept: in the default cache folder, since the files may name another one.
    package static func snapshotPath(_ environment: Environment) -> String? {
        guard let folder = Settings.defaultFolder(environment) else { return nil }
        // FNV-1a, 64 bits. Source: http://www.isthe.com/chongo/tech/comp/fnv/
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for path in paths(environment) {
            for byte in Array(path.utf8) + [0] { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        }
        let digits = String(hash, radix: 16)
        return "\(folder)/settings-" + String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }

    /// Has `larderctl` read the files. It writes the snapshot for the calls to come, and prints it too, for a cache folder
    /// that can't be written.
    private static func ask(_ control: String?, _ files: [FileValues.File]) -> FileValues {
        let names = files.filter { $0.stamp != nil }.map(\.path).joined(separator: ", ")
        func without(_ cause: String) -> FileValues {
            var values = FileValues(files: files)
            values.add(problem: "\(cause): \(names.isEmpty ? "the settings files" : names) had no effect")
            return values
        }
        guard let control else { return without("larderctl is not beside larder (install larder anew)") }
        do {
            // A compile's source may be waiting on standard input.
            let nothing = try Descriptor(opening: "/dev/null", O_RDONLY)
            let run = try Run(
                control,
                ["larder", "config", "--snapshot"],
                environment: nil,
                standardInput: nothing.number
            )
            let end = try run.collect()
            if let values = FileValues(snapshot: end.standardOutput) { return values }
            let message = String(decoding: end.standardError.prefix(400), as: UTF8.self)
            return without("\(control) config --snapshot failed: \(message)")
        } catch {
            return without("\(error)")
        }
    }
}
