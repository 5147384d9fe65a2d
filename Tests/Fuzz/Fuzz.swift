import Compression
import RustcCall

@testable import Bundle
@testable import Digest
@testable import Store
@testable import Trace

/// What libFuzzer calls with each input: its first byte chooses a parser, the rest is what that reads.
///
/// A parser may refuse anything; it may not trap, hang or take memory without end. Files and bundles carry a checksum that
/// no fuzzer finds, so it is put right first: what is behind it is what is tried.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let start, count > 1 else { return 0 }
    let bytes = Array(UnsafeBufferPointer(start: start + 1, count: count - 1))
    switch start.pointee % 8 {
    case 0: _ = try? Manifest(record(.manifest, bytes))
    case 1: _ = try? Outcome(record(.result, bytes))
    case 2: _ = Observation(Trace(ByteFields(bytes), start: 0, hasOverflowed: false), ObservationRules())
    case 3:
        let words = bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
        _ = try? RustcCall(words) { _ in String(decoding: bytes, as: UTF8.self) }
        _ = Invocation(words)
    case 4: _ = try? Bundle.manifest(bundle(.manifest, bytes), key: name)
    case 5: _ = try? Pack(bundle(.result, bytes), .result, name: name).outcome()
    case 6: bytes.withUnsafeBytes(unpack)
    default: _ = try? Bundle.Head(head(.result, bytes)[...], kind: .result, name: name, total: bytes.count)
    }
    return 0
}

/// SwiftPM names a program's start after it, and calls that; libFuzzer's own `main` has another name.
@_cdecl("larder_fuzz_main")
public func start(_ count: CInt, _ words: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
    var count = count
    var words = words
    return runFuzzer(&count, &words, fuzz)
}

/// Source: compiler-rt, `FuzzerInterface.h`.
@_silgen_name("LLVMFuzzerRunDriver")
private func runFuzzer(
    _ count: UnsafeMutablePointer<CInt>,
    _ words: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>,
    _ body: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

/// Frames, and what they unpack to.
private func unpack(_ bytes: UnsafeRawBufferPointer) {
    guard var decompressor = try? Decompressor() else { return }
    decompressor.begin(size: 1 << 20)
    try? decompressor.unpack(bytes) { _ in }
    try? decompressor.finish()
}

private let name = Digest(words: (1, 2, 3, 4))

/// A file of the cache with this payload and a right checksum.
private func record(_ kind: Codec.Kind, _ payload: [UInt8]) -> [UInt8] {
    let body = Codec.magic + [kind.rawValue, Codec.version] + payload
    return body + Digest(of: body).bytes
}

/// A head that says this of its parts, with a right length and checksum.
private func head(_ kind: Bundle.Kind, _ bytes: some Collection<UInt8>) -> [UInt8] {
    let length = UInt32(Bundle.Head.fixedSize - 4 + bytes.count + Digest.size)
    let start = Bundle.magic + [kind.rawValue, Bundle.version] + name.bytes
    let head = start + (0..<4).map { UInt8(truncatingIfNeeded: length >> (8 * $0)) } + bytes
    return head + Digest(of: head).bytes
}

/// A bundle of which the first bytes are the head.
private func bundle(_ kind: Bundle.Kind, _ bytes: [UInt8]) -> [UInt8] {
    let count = Int(bytes.first ?? 0)
    return head(kind, bytes.dropFirst().prefix(count)) + bytes.dropFirst(1 + count)
}
