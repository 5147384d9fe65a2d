internal import Keying
internal import Platform
internal import RustcCall

/// Where a call's outputs belong. Nothing is put back anywhere else, whatever an entry says.
struct OutputPlaces {
    private(set) var folders: [String] = []
    private(set) var files: Set<String> = []

    /// The output folder, if it isn't there and rustc would make it: not for a call that writes dep-info.
    private(set) var missingFolder: String?

    init(_ call: RustcCall, currentFolder: String) {
        if !call.writesDepInfo, let output = call.outputFolder.map({ Roots.absolute($0, in: currentFolder) }),
            FileStamp(of: output) == nil
        {
            missingFolder = output
        }
        if let output = call.outputFolder { folders.append(Roots.absolute(output, in: currentFolder)) }
        if let output = call.outputFile {
            let path = Roots.absolute(output, in: currentFolder)
            files.insert(path)
            // Other emits lie beside it.
            folders.append(Files.folder(of: path))
        }
        if call.outputFolder == nil, call.outputFile == nil { folders.append(currentFolder) }
        for emit in call.emits {
            if let path = emit.path { files.insert(Roots.absolute(path, in: currentFolder)) }
        }
    }

    /// Whether an output may be at this absolute path.
    func hold(_ path: String) -> Bool {
        if files.contains(path) { return true }
        // No part may lead out of the folder again.
        if path.utf8.split(separator: UInt8(ascii: "/")).contains(where: { $0.elementsEqual("..".utf8) }) {
            return false
        }
        return folders.contains { folder in
            var folder = Substring(folder)
            while folder.utf8.count > 1, folder.utf8.last == UInt8(ascii: "/") { folder = folder.dropLast() }
            return path.utf8.starts(with: folder.utf8)
                && path.utf8.dropFirst(folder.utf8.count).first == UInt8(ascii: "/")
        }
    }
}
