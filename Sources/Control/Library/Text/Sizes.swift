/// Sizes and times as a person reads them.
package enum Sizes {
    private static let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]

    /// `812 B`, `4.1 MiB`: three digits at most, powers of 1024.
    package static func text(_ bytes: UInt64) -> String {
        var value = Double(bytes)
        var unit = 0
        while value >= 1024, unit < units.count - 1 {
            value /= 1024
            unit += 1
        }
        return "\(unit == 0 || value >= 100 ? fixed(value, 0) : fixed(value, 1)) \(units[unit])"
    }

    /// A number with so many digits after the point.
    package static func fixed(_ value: Double, _ digits: Int) -> String {
        guard value.isFinite else { return "-" }
        var scale = 1.0
        for _ in 0..<digits { scale *= 10 }
        let scaled = (abs(value) * scale).rounded()
        guard scaled < 1e15 else { return "\(value)" }
        let whole = Int64(scaled)
        let factor = Int64(scale)
        let sign = value < 0 && whole > 0 ? "-" : ""
        guard digits > 0 else { return "\(sign)\(whole)" }
        let fraction = String(whole % factor)
        return "\(sign)\(whole / factor)." + String(repeating: "0", count: digits - fraction.utf8.count) + fraction
    }

    /// `950 µs`, `41 ms`, `2.3 s`, `4 min 12 s`.
    ///
    /// - Parameter microseconds: may be negative.
    package static func time(_ microseconds: Int64) -> String {
        let magnitude = microseconds.magnitude
        let sign = microseconds < 0 ? "-" : ""
        switch magnitude {
        case ..<1000: return "\(sign)\(magnitude) µs"
        case ..<1_000_000: return "\(sign)\(fixed(Double(magnitude) / 1000, magnitude < 10_000 ? 1 : 0)) ms"
        case ..<60_000_000: return "\(sign)\(fixed(Double(magnitude) / 1e6, 1)) s"
        case ..<3_600_000_000: return "\(sign)\(magnitude / 60_000_000) min \(magnitude / 1_000_000 % 60) s"
        default: return "\(sign)\(magnitude / 3_600_000_000) h \(magnitude / 60_000_000 % 60) min"
        }
    }
}
