package import Digest

/// What goes over the gateway's socket, in both directions.
///
///     frame   = length version code payload
///     length  = 4 bytes, lowest first: bytes of all that follows
///     version = one byte, `Frame.version`
///     code    = one byte, `Request.Code` or `Reply.Code`
///
/// A request gets `.working` at once, so that a gateway that hangs shows soon, more of them while what a server gave is
/// checked, then one other reply. Requests on one connection are answered one after the other. Whoever gets a frame that
/// does not fit closes the connection.
package struct Frame: Sendable {
    package static let version: UInt8 = 2
    /// Bytes. The longest are a status and a manifest.
    static let longest = 4 << 20

    package let code: UInt8
    package let payload: [UInt8]

    package init(code: UInt8, payload: [UInt8] = []) {
        self.code = code
        self.payload = payload
    }

    var encoded: [UInt8] {
        let length = UInt32(clamping: payload.count + 2)
        return (0..<4).map { UInt8(truncatingIfNeeded: length >> (8 * $0)) } + [Self.version, code] + payload
    }
}

/// What a wrapper or a command wants.
package enum Request: Equatable, Sendable {
    /// The manifest of a unit.
    case fetchManifest(Digest)
    /// A result and its blobs into the local store.
    case fetchResult(Digest)
    /// Something is new in the outbox.
    case publish
    /// Publish all there is, with `all` also what the outbox never held; for so many milliseconds at most.
    case flush(all: Bool, milliseconds: UInt32)
    case status
    /// Asks the servers, too.
    case examine
    case stop

    enum Code: UInt8 {
        case fetchManifest = 1
        case fetchResult, publish, flush, status, examine, stop
    }

    package var frame: Frame {
        switch self {
        case .fetchManifest(let key): Frame(code: Code.fetchManifest.rawValue, payload: key.bytes)
        case .fetchResult(let id): Frame(code: Code.fetchResult.rawValue, payload: id.bytes)
        case .publish: Frame(code: Code.publish.rawValue)
        case .flush(let all, let milliseconds):
            Frame(
                code: Code.flush.rawValue,
                payload: [all ? 1 : 0] + (0..<4).map { UInt8(truncatingIfNeeded: milliseconds >> (8 * $0)) }
            )
        case .status: Frame(code: Code.status.rawValue)
        case .examine: Frame(code: Code.examine.rawValue)
        case .stop: Frame(code: Code.stop.rawValue)
        }
    }

    /// `nil`: no request of this version.
    package init?(_ frame: Frame) {
        switch (Code(rawValue: frame.code), frame.payload.count) {
        case (.fetchManifest, Digest.size): self = Digest(frame.payload).map { .fetchManifest($0) } ?? .status
        case (.fetchResult, Digest.size): self = Digest(frame.payload).map { .fetchResult($0) } ?? .status
        case (.publish, 0): self = .publish
        case (.flush, 5):
            let milliseconds = frame.payload.dropFirst().reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            self = .flush(all: frame.payload[0] != 0, milliseconds: milliseconds)
        case (.status, 0): self = .status
        case (.examine, 0): self = .examine
        case (.stop, 0): self = .stop
        default: return nil
        }
    }
}

/// What the gateway says.
package enum Reply: Equatable, Sendable {
    /// The request has come; its answer will follow.
    case working
    /// It is in the local store now, from this level: `redis`, `memcached`.
    case found(level: String)
    /// A manifest, from this level; it will be in the local store later.
    case manifest(level: String, [UInt8])
    case missing
    /// It could not be found out.
    case failed(String)
    /// JSON.
    case text(String)
    case done

    enum Code: UInt8 {
        case working = 1
        case found, missing, failed, text, done, manifest
    }

    package var frame: Frame {
        switch self {
        case .working: Frame(code: Code.working.rawValue)
        case .found(let level): Frame(code: Code.found.rawValue, payload: Array(level.utf8))
        case .manifest(let level, let bytes):
            Frame(
                code: Code.manifest.rawValue,
                payload: [UInt8(clamping: level.utf8.count)] + level.utf8.prefix(Int(UInt8.max)) + bytes
            )
        case .missing: Frame(code: Code.missing.rawValue)
        case .failed(let reason): Frame(code: Code.failed.rawValue, payload: Array(reason.utf8))
        case .text(let text): Frame(code: Code.text.rawValue, payload: Array(text.utf8))
        case .done: Frame(code: Code.done.rawValue)
        }
    }

    package init?(_ frame: Frame) {
        guard let code = Code(rawValue: frame.code) else { return nil }
        if code == .manifest {
            let rest = frame.payload.dropFirst()
            guard let length = frame.payload.first.map(Int.init), rest.count >= length,
                let level = String(validating: rest.prefix(length), as: UTF8.self)
            else { return nil }
            self = .manifest(level: level, Array(rest.dropFirst(length)))
            return
        }
        guard let text = String(validating: frame.payload, as: UTF8.self) else { return nil }
        switch code {
        case .manifest: return nil
        case .working: self = .working
        case .found: self = .found(level: text)
        case .missing: self = .missing
        case .failed: self = .failed(text)
        case .text: self = .text(text)
        case .done: self = .done
        }
    }
}
