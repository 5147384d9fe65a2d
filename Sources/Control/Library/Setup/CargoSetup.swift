internal import Digest
internal import Foundation
internal import Glibc
internal import Platform

/// Makes Cargo use larder, and takes that back.
package struct CargoSetup: Sendable {
    /// Cargo's configuration file, links followed: an edit must not turn a link into a file.
    package let path: String
    /// Where the file's former content is kept for `undo`.
    private let recordPath: String

    /// What is to be done to the file.
    package struct Plan: Sendable {
        /// `nil`: no file.
        package let before: [UInt8]?
        /// `nil`: the file goes.
        package let after: [UInt8]?
        /// What to keep for `undo`; `nil`: nothing, and what is kept goes.
        fileprivate let record: Record?

        package var isChange: Bool { before != after }
    }

    /// What `undo` needs to know.
    fileprivate struct Record: Codable, Sendable {
        /// `nil`: there was no file.
        let before: Data?
        let after: Data
        /// The wrapper that was set before.
        let wrapper: String?
        /// Whether `[build]` came with the change.
        let hasAddedHeader: Bool
    }

    /// - Parameters:
    ///   - file: Cargo's file as it is named, there or not.
    ///   - stateFolder: where larder keeps its records.
    package init(file: String, stateFolder: String) throws(Failure) {
        if let resolved = Files.realPath(file) {
            path = resolved
        } else {
            var info = stat()
            if lstat(file, &info) == 0 { throw Failure("\(file) is a link to nothing: remove it or mend it") }
            let folder = Files.folder(of: file)
            // By its full path also where the folder is yet to come: the record is found by it again.
            path = "\(Files.realPath(folder) ?? Self.absolute(folder))/\(Files.name(of: file))"
        }
        recordPath = "\(stateFolder)/setup-\(Digest(of: path.utf8).hex.prefix(16)).json"
    }

    /// Cargo's file in a folder: the one without an ending counts where there are both.
    package static func file(in folder: String) -> String {
        let legacy = folder + "/config"
        return FileStamp(of: legacy)?.kind == .file ? legacy : legacy + ".toml"
    }

    private static func absolute(_ folder: String) -> String {
        guard folder.utf8.first != UInt8(ascii: "/"), let current = Files.realPath(".") else { return folder }
        return folder == "." ? current : "\(current)/\(folder)"
    }

    // MARK: Plans

    /// - Parameters:
    ///   - wrapper: absolute path of larder.
    ///   - replaces: whether another wrapper may go.
    package func plan(wrapper: String, replaces: Bool) throws(Failure) -> Plan {
        let before = try content()
        let configuration = CargoConfiguration(before ?? [])
        do {
            let set = try configuration.wrapper()
            if let set, set != wrapper, Files.name(of: set) != "larder", !replaces {
                throw Failure(
                    "another wrapper is set there: \(set). Say --replace to put larder in its place; --undo brings it back"
                )
            }
            let after = try configuration.setting(wrapper).text
            var record = Record(
                before: before.map { Data($0) },
                after: Data(after),
                wrapper: set,
                hasAddedHeader: !Self.hasHeader(before ?? [])
            )
            // A larder that has moved: what was there before larder is still what counts.
            if let known = self.record, let set, Files.name(of: set) == "larder" {
                record = Record(
                    before: known.after == before.map { Data($0) } ? known.before : record.before,
                    after: Data(after),
                    wrapper: known.wrapper,
                    hasAddedHeader: known.hasAddedHeader
                )
            }
            return Plan(before: before, after: after, record: record)
        } catch { throw Failure("\(path): \(error)") }
    }

    /// Takes the change back: the file as it was, or, where it has been changed since, without larder's part.
    package func undo() throws(Failure) -> Plan {
        let before = try content()
        guard let before else { return Plan(before: nil, after: nil, record: nil) }
        if let record, record.after == Data(before) {
            return Plan(before: before, after: record.before.map { Array($0) }, record: nil)
        }
        let configuration = CargoConfiguration(before)
        do {
            guard let set = try configuration.wrapper(), Files.name(of: set) == "larder" else {
                return Plan(before: before, after: before, record: nil)
            }
            if let former = record?.wrapper {
                return Plan(before: before, after: try configuration.setting(former).text, record: nil)
            }
            let after = try configuration.removing(withHeader: record?.hasAddedHeader ?? false)
            return Plan(before: before, after: after.text, record: nil)
        } catch { throw Failure("\(path): \(error)") }
    }

    /// Carries a plan out.
    package func apply(_ plan: Plan) throws(Failure) {
        do throws(SystemError) {
            // The record first: a change without one could not be undone to the byte.
            if let record = plan.record, let data = try? JSONEncoder().encode(record) {
                try Files.makeFolder(Files.folder(of: recordPath), mode: 0o700)
                try Files.replace(recordPath, with: Array(data))
            }
            if let after = plan.after {
                let mode = FileStamp(of: path).map { $0.mode & 0o7777 }
                try Files.makeFolder(Files.folder(of: path))
                try Files.replace(path, with: after, mode: mode ?? 0o644)
                if let mode { chmod(path, mode) }
            } else if plan.before != nil, unlink(path) != 0 {
                throw SystemError("remove", path)
            }
        } catch { throw Failure("\(error)") }
        if plan.record == nil { unlink(recordPath) }
    }

    private var record: Record? {
        guard let bytes = try? Files.read(recordPath) else { return nil }
        return try? JSONDecoder().decode(Record.self, from: Data(bytes))
    }

    private func content() throws(Failure) -> [UInt8]? {
        do { return try Files.read(path, limit: 1 << 20) } catch {
            guard error.isMissing else { throw Failure("\(error)") }
            return nil
        }
    }

    private static func hasHeader(_ text: [UInt8]) -> Bool {
        (try? TOMLScanner(text))?.headers.contains { $0.path == ["build"] } ?? true
    }
}
