internal import Glibc

/// What `stat` says of a file, as far as it tells one content from another.
package struct FileStamp: Equatable, Sendable {
    package enum Kind: UInt8, Sendable { case file = 1, folder, symlink, other }

    package let device: UInt64
    package let inode: UInt64
    /// Bytes.
    package let size: UInt64
    /// Nanoseconds since 1970.
    package let modified: Int64
    /// Nanoseconds since 1970; no program can set it.
    package let changed: Int64
    package let mode: UInt32

    init(_ info: stat) {
        device = UInt64(info.st_dev)
        inode = UInt64(info.st_ino)
        size = UInt64(clamping: info.st_size)
        modified = Int64(info.st_mtim.tv_sec) &* 1_000_000_000 &+ Int64(info.st_mtim.tv_nsec)
        changed = Int64(info.st_ctim.tv_sec) &* 1_000_000_000 &+ Int64(info.st_ctim.tv_nsec)
        mode = info.st_mode
    }

    package init(
        device: UInt64,
        inode: UInt64,
        size: UInt64,
        modified: Int64,
        changed: Int64,
        mode: UInt32
    ) {
        self.device = device
        self.inode = inode
        self.size = size
        self.modified = modified
        self.changed = changed
        self.mode = mode
    }

    /// The stamp of what is at `path`, symbolic links followed; `nil` if nothing can be found there.
    package init?(of path: String) {
        var info = stat()
        guard stat(path, &info) == 0 else { return nil }
        self.init(info)
    }

    /// The stamp of an open file.
    package init?(of descriptor: Int32) {
        var info = stat()
        guard fstat(descriptor, &info) == 0 else { return nil }
        self.init(info)
    }

    /// The same without the time that a new link or a new mode changes.
    package var withoutChange: FileStamp {
        FileStamp(device: device, inode: inode, size: size, modified: modified, changed: 0, mode: mode)
    }

    package var kind: Kind {
        switch mode & S_IFMT {
        case S_IFREG: .file
        case S_IFDIR: .folder
        case S_IFLNK: .symlink
        default: .other
        }
    }

    package var isExecutable: Bool { mode & 0o111 != 0 }

    /// The later of the two times, in nanoseconds since 1970.
    package var latest: Int64 { max(modified, changed) }
}

/// Now, in nanoseconds since 1970, by the coarse clock that the kernel stamps files with.
package func fileClockNow() -> Int64 {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME_COARSE, &now)
    return Int64(now.tv_sec) &* 1_000_000_000 &+ Int64(now.tv_nsec)
}
