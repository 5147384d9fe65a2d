package import Digest
internal import Glibc
package import Platform

/// A bundle that comes in pieces, in any order and on several threads.
package final class IncomingPack: Sendable {
    let temporary: String
    private let file: Descriptor
    private let failure = Locked<SystemError?>(nil)

    /// - Parameter result: whose bundle it is.
    package init(of result: Digest, in store: borrowing Store) throws(SystemError) {
        let path = store.path("packs", result)
        let temporary = Files.temporaryName(beside: path)
        self.temporary = temporary
        file = try Store.makingFolder(of: path) { () throws(SystemError) in
            try Descriptor(opening: temporary, O_RDWR | O_CREAT | O_EXCL, mode: 0o600, for: "create")
        }
    }

    // Once it is in place nothing has this name.
    deinit { unlink(temporary) }

    /// What went wrong here.
    package var problem: SystemError? { failure.use { $0 } }

    /// - Returns: whether it was written.
    package func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> Bool {
        if problem != nil { return false }
        do throws(SystemError) {
            try Files.write(bytes, to: file.number, at: UInt64(clamping: offset), path: temporary)
            return true
        } catch {
            failure.use { $0 = $0 ?? error }
            return false
        }
    }

    /// What has come.
    package func open(as result: Digest) throws(Bundle.Refused) -> Pack { try Pack(at: temporary, of: result) }

    func place(at path: String) throws(SystemError) {
        guard rename(temporary, path) == 0 else { throw SystemError("rename to", path) }
    }
}
