// swift-tools-version: 6.2
import PackageDescription

/// Warnings stop CI and `make lint`; a newer compiler's new warning never stops a user's build.
let strict = Context.environment["LARDER_STRICT"] == "1"

let settings: [SwiftSetting] =
    [
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("InternalImportsByDefault"),
    ] + (strict ? [.treatAllWarnings(as: .error)] : [])

/// The fuzzer's program has libFuzzer's own `main`, so that it is built by itself: `make fuzz`.
let fuzzing: [Target] =
    Context.environment["LARDER_FUZZ"] == "1"
    ? [
        .executableTarget(
            name: "larder-fuzz",
            dependencies: ["Bundle", "Compression", "Digest", "RustcCall", "Store", "Trace"],
            path: "Tests/Fuzz",
            swiftSettings: settings
        )
    ] : []

let package = Package(
    name: "larder",
    products: [
        .executable(name: "larder", targets: ["Wrapper"]),
        .library(name: "larder-observer", type: .dynamic, targets: ["Observer"]),
        .executable(name: "larderctl", targets: ["ControlCommand"]),
        .executable(name: "larderd", targets: ["GatewayCommand"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/LebJe/TOMLKit", from: "0.6.0"),
    ],
    targets: [
        .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        // No pkgConfig: hiredis' file has a -D flag, about which SwiftPM warns in every build. The header is found as
        // <hiredis/hiredis.h> on the default path.
        .systemLibrary(name: "CHiredis", providers: [.apt(["libhiredis-dev"]), .brew(["hiredis"])]),
        .systemLibrary(
            name: "CMemcached",
            pkgConfig: "libmemcached",
            providers: [.apt(["libmemcached-dev"]), .brew(["libmemcached"])]
        ),
        .systemLibrary(
            name: "COpenSSL",
            pkgConfig: "openssl",
            providers: [.apt(["libssl-dev"]), .brew(["openssl@3"])]
        ),
        .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"]), .brew(["zstd"])]),
        .systemLibrary(
            name: "CXxhash",
            pkgConfig: "libxxhash",
            providers: [.apt(["libxxhash-dev"]), .brew(["xxhash"])]
        ),
        .target(name: "CPlatform"),
        .target(name: "Platform", dependencies: ["CPlatform"], swiftSettings: settings),
        .target(name: "Digest", dependencies: ["CCrypto", "CXxhash", "Platform"], swiftSettings: settings),
        .target(
            name: "LarderControl",
            dependencies: [
                "CPlatform", "Digest", "GatewayProtocol", "Keying", "Platform", "RustcCall", "Settings", "Store",
                "TOMLKit",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            path: "Sources/Control/Library",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "ControlCommand",
            dependencies: ["LarderControl"],
            path: "Sources/Control/Command",
            swiftSettings: settings
        ),
        .target(
            name: "Answering",
            dependencies: [
                "CPlatform", "Digest", "GatewayProtocol", "Keying", "Platform", "RustcCall", "Settings", "Store",
                "Trace",
            ],
            swiftSettings: settings
        ),
        .executableTarget(
            name: "Wrapper",
            dependencies: ["Answering"],
            swiftSettings: settings,
            // Started once for every call: a static program is up four times as fast as a dynamic one.
            linkerSettings: [
                .unsafeFlags(["-static-executable"], .when(platforms: [.linux], configuration: .release))
            ]
        ),
        // Needs libc alone and is set up before all else in a process: Sources/Observer/linking.c says how and why.
        .target(
            name: "Observer",
            linkerSettings: [
                .unsafeFlags(
                    [
                        "-nostartfiles", "-no-toolchain-stdlib-rpath", "-Xlinker", "-z", "-Xlinker", "now",
                        "-Xlinker", "-z", "-Xlinker", "initfirst",
                    ],
                    .when(platforms: [.linux])
                )
            ]
        ),
        .target(name: "Trace", dependencies: ["CPlatform", "Platform"], swiftSettings: settings),
        .target(name: "RustcCall", swiftSettings: settings),
        .target(name: "Settings", dependencies: ["CPlatform", "Platform"], swiftSettings: settings),
        .target(
            name: "Keying",
            dependencies: ["CPlatform", "Digest", "Platform", "RustcCall", "Store", "Trace"],
            swiftSettings: settings
        ),
        .target(name: "Compression", dependencies: ["CZstd", "Platform"], swiftSettings: settings),
        .target(
            name: "Store",
            dependencies: ["CPlatform", "Compression", "Digest", "Platform"],
            swiftSettings: settings
        ),
        .target(
            name: "Backends",
            dependencies: ["CCrypto", "CHiredis", "CMemcached", "COpenSSL"],
            swiftSettings: settings
        ),
        .target(
            name: "Bundle",
            dependencies: ["CPlatform", "Compression", "Digest", "Platform", "Store"],
            swiftSettings: settings
        ),
        .target(
            name: "GatewayProtocol",
            dependencies: ["CPlatform", "Digest", "Platform", "Settings"],
            swiftSettings: settings
        ),
        .target(
            name: "Gateway",
            dependencies: [
                "Backends", "Bundle", "CPlatform", "Digest", "GatewayProtocol", "Platform", "Settings", "Store",
            ],
            path: "Sources/Gateway/Library",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "GatewayCommand",
            dependencies: ["Gateway", "Platform"],
            path: "Sources/Gateway/Command",
            swiftSettings: settings
        ),
        .target(name: "ServerSupport", path: "Tests/ServerSupport", swiftSettings: settings),
        .target(
            name: "BuildSupport",
            path: "Tests/BuildSupport",
            exclude: ["Tools"],
            swiftSettings: settings
        ),
        .testTarget(name: "BackendsTests", dependencies: ["Backends", "ServerSupport"], swiftSettings: settings),
        .testTarget(name: "BuildTests", dependencies: ["BuildSupport"], swiftSettings: settings),
        .testTarget(name: "PathTests", dependencies: ["BuildSupport"], swiftSettings: settings),
        .testTarget(
            name: "ControlTests",
            dependencies: ["Digest", "LarderControl", "Platform", "RustcCall", "Settings", "Store"],
            swiftSettings: settings
        ),
        .testTarget(name: "DocsTests", dependencies: ["RustcCall", "Settings"], swiftSettings: settings),
        .testTarget(
            name: "ObserverTests",
            dependencies: ["Platform", "Trace"],
            exclude: ["Programs"],
            swiftSettings: settings
        ),
        .testTarget(name: "RustcCallTests", dependencies: ["RustcCall"], swiftSettings: settings),
        .testTarget(
            name: "StoreTests",
            dependencies: ["Compression", "Digest", "Platform", "Store"],
            swiftSettings: settings
        ),
        .testTarget(
            name: "GatewayTests",
            dependencies: [
                "Backends", "BuildSupport", "Bundle", "Digest", "GatewayProtocol", "Platform", "ServerSupport",
                "Settings",
                "Store",
            ],
            swiftSettings: settings
        ),
    ] + fuzzing,
    swiftLanguageModes: [.v6]
)
