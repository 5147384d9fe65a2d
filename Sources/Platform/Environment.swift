internal import CPlatform
internal import Glibc

/// The environment this process was started with, values as bytes: they need not be UTF-8.
package struct Environment: Sendable {
    package private(set) var values: [String: [UInt8]] = [:]
    /// `NAME=value` as they were given, in order.
    package private(set) var entries: [[UInt8]] = []

    package init(_ values: [String: [UInt8]]) {
        self.values = values
        entries = values.map { Array($0.key.utf8) + [UInt8(ascii: "=")] + $0.value }
    }

    /// Reads `environ`.
    package init() {
        guard var entry = larder_environ() else { return }
        values.reserveCapacity(128)
        while let text = entry.pointee {
            let length = strlen(text)
            let bytes = UnsafeRawBufferPointer(start: text, count: length)
            entries.append([UInt8](bytes))
            if let equals = bytes.firstIndex(of: UInt8(ascii: "=")) {
                if let name = String(validating: bytes[..<equals], as: UTF8.self) {
                    values[name] = [UInt8](bytes[(equals + 1)...])
                }
            }
            entry += 1
        }
    }

    /// The value of `name` as bytes; `nil` if it is unset.
    package func bytes(_ name: String) -> [UInt8]? { values[name] }

    /// The value of `name` as text; `nil` if it is unset or no UTF-8.
    package subscript(_ name: String) -> String? {
        values[name].flatMap { String(validating: $0, as: UTF8.self) }
    }

    /// The value of `name` as text; `nil` if it is unset, empty or no UTF-8.
    package func filled(_ name: String) -> String? {
        guard let text = self[name], !text.isEmpty else { return nil }
        return text
    }
}
