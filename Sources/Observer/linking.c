/// Keeps the Swift runtime out of this library, which holds no Swift.
///
/// SwiftPM links every product through swiftc, which puts `-lswiftCore` on the linker's command line ahead of anything
/// that `linkerSettings` may add, and an `--as-needed` after a library comes too late for it. What comes before it are
/// the flags that swiftc finds in this section of the object files, where Swift modules name the libraries they need.
/// (The start files, which need the runtime, go by `-nostartfiles` in Package.swift.) CI checks that libc alone is left.
#if defined(__linux__)
__asm__(".pushsection .swift1_autolink_entries,\"e\",@progbits\n"
        ".asciz \"-Wl,--as-needed\"\n"
        ".popsection\n");
#endif
