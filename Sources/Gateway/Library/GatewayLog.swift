internal import Backends
internal import Glibc
internal import Platform

/// What gateways say, in a file beside their socket.
final class GatewayLog: Sendable {
    private let path: String
    /// A log over this size is started anew. Bytes.
    private static let limit: UInt64 = 1 << 20

    init(_ path: String) { self.path = path }

    func write(_ text: String) {
        let flags = (FileStamp(of: path)?.size ?? 0) > Self.limit ? O_TRUNC : 0
        guard let file = try? Descriptor(opening: path, O_WRONLY | O_APPEND | O_CREAT | flags, mode: 0o600) else {
            return
        }
        var now = time(nil)
        var parts = tm()
        gmtime_r(&now, &parts)
        var buffer = [CChar](repeating: 0, count: 32)
        strftime(&buffer, buffer.count, "%Y-%m-%dT%H:%M:%SZ", &parts)
        let stamp = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let line = Array("\(stamp) larderd[\(getpid())]: \(text)\n".utf8)
        line.withUnsafeBytes { try? Files.write($0, to: file.number, path: path) }
    }
}
