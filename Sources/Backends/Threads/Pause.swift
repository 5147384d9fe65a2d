#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Lets the calling thread rest, but not beyond the deadline.
func pauseThread(_ duration: Duration, deadline: Deadline) {
    let milliseconds = deadline.atMost(duration).remainingMilliseconds
    if milliseconds > 0 { usleep(UInt32(milliseconds) * 1000) }
}
