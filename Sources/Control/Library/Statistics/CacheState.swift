package import Settings
internal import Store

/// The cache beside its statistics: where it is, how much it holds and may hold.
package struct CacheState: Sendable, Equatable {
    /// `nil`: neither a setting nor a home.
    package let folder: String?
    /// Bytes; `nil`: the folder can't be used.
    package let size: UInt64?
    /// Bytes.
    package let limit: UInt64

    package init(folder: String?, size: UInt64?, limit: UInt64) {
        self.folder = folder
        self.size = size
        self.limit = limit
    }

    package init(_ settings: Settings) {
        folder = settings.folder
        size = Store.recordedSize(in: settings.folder)
        limit = settings.cacheSize
    }

    /// As sccache names it.
    package var location: String { "Local disk: \(Event.quoted(folder ?? ""))" }
}
