/// A password: it can be used, but does not show in descriptions, dumps or interpolations.
package struct Secret: Sendable, Hashable, CustomStringConvertible, CustomReflectable {
    let value: String

    package init(_ value: String) {
        self.value = value
    }

    package var description: String { "***" }

    package var customMirror: Mirror { Mirror(self, children: []) }
}

/// Who logs in to a server.
package struct Credentials: Sendable, Hashable {
    /// Nil for the server's default user.
    package var username: String?
    package var password: Secret

    package init(username: String?, password: Secret) {
        self.username = username
        self.password = password
    }
}
