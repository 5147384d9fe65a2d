import Digest
import Foundation
import Platform
import Store
import Testing

@Suite struct MemoTests {
    private func stamp(
        device: UInt64 = 5,
        inode: UInt64 = 77,
        size: UInt64 = 100,
        modified: Int64 = 1_000,
        changed: Int64 = 2_000
    ) -> FileStamp {
        FileStamp(device: device, inode: inode, size: size, modified: modified, changed: changed, mode: 0o100644)
    }

    @Test func `a digest is remembered for the stamp it was given for`() throws {
        let workspace = try Workspace()
        let memo = try Memo(at: workspace.path + "/memo")
        #expect(memo.digest(for: stamp()) == nil)
        memo.remember(Sample.digest, for: stamp())
        #expect(memo.digest(for: stamp()) == Sample.digest)
        #expect(try Memo(at: workspace.path + "/memo").digest(for: stamp()) == Sample.digest)
    }

    @Test func `whatever changes in a stamp makes it another file`() throws {
        let workspace = try Workspace()
        let memo = try Memo(at: workspace.path + "/memo")
        memo.remember(Sample.digest, for: stamp())
        #expect(memo.digest(for: stamp(device: 6)) == nil)
        #expect(memo.digest(for: stamp(inode: 78)) == nil)
        #expect(memo.digest(for: stamp(size: 101)) == nil)
        #expect(memo.digest(for: stamp(modified: 1_001)) == nil)
        #expect(memo.digest(for: stamp(changed: 2_001)) == nil)
        #expect(memo.digest(for: stamp(), salt: 1) == nil)
    }

    @Test func `a torn slot is no slot`() throws {
        let workspace = try Workspace()
        let path = workspace.path + "/memo"
        let memo = try Memo(at: path)
        memo.remember(Sample.digest, for: stamp())
        let whole = try Data(contentsOf: URL(fileURLWithPath: path))
        // The file ends with the one slot that is in use: eleven words.
        let used = (whole.count - 88)..<whole.count
        let file = try #require(FileHandle(forUpdatingAtPath: path))
        func write(_ byte: UInt8, at index: Int) throws {
            try file.seek(toOffset: UInt64(index))
            try file.write(contentsOf: Data([byte]))
        }
        var survivors: [Int] = []
        for index in used {
            try write(whole[index] ^ 0x10, at: index)
            if memo.digest(for: stamp()) != nil { survivors.append(index) }
            try write(whole[index], at: index)
        }
        #expect(survivors == [])
        #expect(memo.digest(for: stamp()) == Sample.digest)
        // Half of it written: what a process that was killed leaves.
        try file.truncate(atOffset: UInt64(whole.count - 48))
        #expect(memo.digest(for: stamp()) == nil)
    }

    @Test func `many writers at once never make a wrong digest`() async throws {
        let workspace = try Workspace()
        let path = workspace.path + "/memo"
        await withTaskGroup(of: Bool.self) { group in
            for writer in 0..<4 {
                group.addTask {
                    guard let memo = try? Memo(at: path) else { return false }
                    // Few inodes and many stamps: slots are fought for.
                    for round in 0..<2000 {
                        let time = Int64(round % 50 + writer * 50)
                        let stamp = FileStamp(
                            device: 1,
                            inode: UInt64(round % 3 + 1),
                            size: 1,
                            modified: time,
                            changed: time,
                            mode: 0
                        )
                        memo.remember(Digest(of: "\(round % 3 + 1) \(time)".utf8), for: stamp)
                        let other = FileStamp(
                            device: 1,
                            inode: UInt64(round % 3 + 1),
                            size: 1,
                            modified: Int64(round % 200),
                            changed: Int64(round % 200),
                            mode: 0
                        )
                        if let found = memo.digest(for: other),
                            found != Digest(of: "\(round % 3 + 1) \(round % 200)".utf8)
                        {
                            return false
                        }
                    }
                    return true
                }
            }
            for await isRight in group { #expect(isRight) }
        }
    }
}
