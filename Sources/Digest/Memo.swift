internal import Glibc
package import Platform

/// Remembers the digests of files by what `stat` says of them, for all processes and builds of this user.
///
/// A file of fixed size, read and written a slot at a time without locks:
///
///     memo   = bucket * 32768
///     bucket = slot * 8                        chosen by device and inode
///     slot   = salt device inode size modified changed digest check
///
/// Every part is one 64-bit word in this machine's order, the digest four. `check` is computed from the others, so that
/// a slot half written by two processes at once, or never written, or damaged, is seen to be none. `salt` keeps entries
/// of different meaning apart. A full disk or a truncated file makes a lookup fail, which costs a digest and nothing
/// else; `mmap` would turn both into a SIGBUS.
package struct Memo: ~Copyable {
    private static let slotWords = 11
    private static let slotsInBucket = 8
    private static let buckets: UInt64 = 32768
    private static let bucketBytes = slotWords * slotsInBucket * 8

    /// A file younger than this may be written again without its times showing it, on file systems with times of one
    /// or two seconds; its digest is used but not remembered. Nanoseconds.
    package static let youth: Int64 = 2_000_000_000

    private let file: Descriptor

    /// Opens the memo at `path`, making it where it is missing.
    package init(at path: String) throws(SystemError) {
        do {
            file = try Descriptor(opening: path, O_RDWR | O_CREAT, mode: 0o600)
        } catch {
            // A cache that may only be read, in a container's image for one: nothing new is remembered.
            guard error.code == EROFS || error.code == EACCES else { throw error }
            file = try Descriptor(opening: path, O_RDONLY)
        }
    }

    /// The digest remembered for a file with this stamp.
    package func digest(for stamp: FileStamp, salt: UInt64 = 0) -> Digest? {
        let key = Self.key(stamp, salt)
        return withBucket(of: stamp) { words in
            for slot in 0..<Self.slotsInBucket {
                let at = slot * Self.slotWords
                guard (0..<6).allSatisfy({ words[at + $0] == key[$0] }) else { continue }
                guard words[at + 10] == Self.check(words, at) else { continue }
                return Digest(words: (words[at + 6], words[at + 7], words[at + 8], words[at + 9]))
            }
            return nil
        }
    }

    /// Remembers the digest of a file; whether that is safe is for the caller to know.
    package func remember(_ digest: Digest, for stamp: FileStamp, salt: UInt64 = 0) {
        var slot = Self.key(stamp, salt)
        slot += [digest.words.0, digest.words.1, digest.words.2, digest.words.3, 0]
        slot[10] = slot.withUnsafeBufferPointer { Self.check($0, 0) }
        let index = withBucket(of: stamp) { words -> Int in
            var free: Int?
            for slot in 0..<Self.slotsInBucket {
                let at = slot * Self.slotWords
                if words[at] == salt, words[at + 1] == stamp.device, words[at + 2] == stamp.inode { return slot }
                if free == nil, words[at + 2] == 0 { free = slot }
            }
            return free
                ?? Int(truncatingIfNeeded: UInt64(bitPattern: stamp.changed) / 1000 % UInt64(Self.slotsInBucket))
        }
        let offset = Self.offset(of: stamp) + off_t(index * Self.slotWords * 8)
        slot.withUnsafeBytes { _ = pwrite(file.number, $0.baseAddress, $0.count, offset) }
    }

    private func withBucket<Result>(of stamp: FileStamp, _ body: (UnsafeBufferPointer<UInt64>) -> Result) -> Result {
        withUnsafeTemporaryAllocation(of: UInt64.self, capacity: Self.slotWords * Self.slotsInBucket) { words in
            words.initialize(repeating: 0)
            // Past the file's end nothing is read and the words stay zero.
            _ = pread(file.number, words.baseAddress, Self.bucketBytes, Self.offset(of: stamp))
            return body(UnsafeBufferPointer(words))
        }
    }

    private static func offset(of stamp: FileStamp) -> off_t {
        off_t(mix(stamp.inode &+ mix(stamp.device)) % buckets) * off_t(bucketBytes)
    }

    private static func key(_ stamp: FileStamp, _ salt: UInt64) -> [UInt64] {
        [
            salt, stamp.device, stamp.inode, stamp.size,
            UInt64(bitPattern: stamp.modified), UInt64(bitPattern: stamp.changed),
        ]
    }

    private static func check(_ words: UnsafeBufferPointer<UInt64>, _ start: Int) -> UInt64 {
        var sum: UInt64 = 0x6C61_7264_6572_0001
        for index in start..<(start + 10) { sum = mix(sum ^ words[index]) }
        return sum
    }

    /// The finalizer of MurmurHash3: every bit of the input reaches every bit of the result.
    private static func mix(_ value: UInt64) -> UInt64 {
        var mixed = value
        mixed = (mixed ^ (mixed >> 33)) &* 0xFF51_AFD7_ED55_8CCD
        mixed = (mixed ^ (mixed >> 33)) &* 0xC4CE_B9FE_1A85_EC53
        return mixed ^ (mixed >> 33)
    }
}
