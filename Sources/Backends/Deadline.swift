/// The moment by which a request has to be answered.
package struct Deadline: Sendable, Comparable {
    package let instant: ContinuousClock.Instant

    package init(_ instant: ContinuousClock.Instant) {
        self.instant = instant
    }

    /// So much time from now.
    package static func after(_ duration: Duration) -> Deadline {
        Deadline(.now + duration)
    }

    package static func < (left: Deadline, right: Deadline) -> Bool {
        left.instant < right.instant
    }

    /// The time left; zero once it has passed.
    package var remaining: Duration {
        max(.zero, instant - .now)
    }

    package var hasPassed: Bool {
        instant <= .now
    }

    /// The earlier of this one and so much time from now.
    package func atMost(_ duration: Duration) -> Deadline {
        min(self, .after(duration))
    }

    /// The time left in milliseconds, rounded up, for `poll` and libmemcached. Zero once it has passed.
    package var remainingMilliseconds: Int32 {
        let (seconds, attoseconds) = remaining.components
        let longest: Int64 = 86_400  // A day: more would overflow, and no request waits that long.
        guard seconds < longest else { return Int32(longest * 1000) }
        let attosecondsPerMillisecond: Int64 = 1_000_000_000_000_000
        return Int32(seconds * 1000 + (attoseconds + attosecondsPerMillisecond - 1) / attosecondsPerMillisecond)
    }
}

extension Duration {
    /// Whole seconds, rounded up and at least one: how Redis and memcached take a time to live.
    var wholeSeconds: Int64 {
        let (seconds, attoseconds) = components
        return max(1, attoseconds > 0 && seconds < .max ? seconds + 1 : seconds)
    }
}
