internal import Glibc
internal import Platform

/// Questions about an ELF shared object.
enum SharedObject {
    /// Larger tables of names than any macro's; a damaged header could ask for more. Bytes.
    private static let mostBytes = 16 << 20

    /// Whether a dynamic symbol of this name is there, defined or asked for. True where the file can't be understood.
    ///
    /// Reads the string table that the section of dynamic symbols (`SHT_DYNSYM`) links to. Format: elf(5), 64-bit.
    static func names(_ symbol: String, in path: String) -> Bool {
        guard let file = try? Descriptor(opening: path, O_RDONLY, for: "read") else { return true }
        guard let header = read(file, at: 0, count: 64), header.bytes.starts(with: [0x7F, 0x45, 0x4C, 0x46, 2]) else {
            return true
        }
        let sections = header.number(at: 40, as: UInt64.self)
        let size = Int(header.number(at: 58, as: UInt16.self))
        let count = Int(header.number(at: 60, as: UInt16.self))
        guard size >= 64, count > 0, let table = read(file, at: sections, count: size * count) else { return true }
        for index in 0..<count where table.number(at: index * size + 4, as: UInt32.self) == UInt32(SHT_DYNSYM) {
            let link = Int(table.number(at: index * size + 40, as: UInt32.self))
            guard link < count else { return true }
            let offset = table.number(at: link * size + 24, as: UInt64.self)
            let length = table.number(at: link * size + 32, as: UInt64.self)
            guard length <= UInt64(mostBytes), let strings = read(file, at: offset, count: Int(length)) else {
                return true
            }
            let wanted = Array(symbol.utf8)
            // Linkers let a name be the end of a longer one (`environ` of `__environ`), so that counts too.
            return strings.bytes.split(separator: 0).contains { $0.suffix(wanted.count).elementsEqual(wanted) }
        }
        return true
    }

    private static func read(_ file: borrowing Descriptor, at offset: UInt64, count: Int) -> ByteFields? {
        guard let start = off_t(exactly: offset), count > 0, count <= mostBytes else { return nil }
        var bytes = [UInt8](repeating: 0, count: count)
        let got = bytes.withUnsafeMutableBytes { pread(file.number, $0.baseAddress, $0.count, start) }
        return got == count ? ByteFields(bytes) : nil
    }
}
