import Foundation
import Testing

@testable import Trace

/// A linker as rustc may be told to use it, and the program that then shows up.
struct Linker: Sendable, CustomTestStringConvertible {
    let name: String
    let arguments: [String]
    let program: String

    var testDescription: String { name }

    static let all = [
        Linker(name: "rustc's own choice", arguments: [], program: "/bin/gcc-ld/ld.lld"),
        Linker(name: "GNU ld", arguments: ["-C", "link-arg=-fuse-ld=bfd"], program: "ld.bfd"),
        Linker(name: "gold", arguments: ["-C", "link-arg=-fuse-ld=gold"], program: "gold"),
        Linker(name: "lld through gcc", arguments: ["-C", "link-arg=-fuse-ld=lld"], program: "lld"),
        Linker(
            name: "mold through clang",
            arguments: ["-C", "linker=clang", "-C", "link-arg=-fuse-ld=mold"],
            program: "mold"
        ),
        Linker(
            name: "lld through clang",
            arguments: ["-C", "linker=clang", "-C", "link-arg=-fuse-ld=lld"],
            program: "lld"
        ),
    ]
}

@Suite("What a link step reads")
struct LinkTests {
    @Test("the linker, start files, libraries, scripts and the places where nothing was", arguments: Linker.all)
    func links(_ linker: Linker) throws {
        let scene = try Scene()
        try scene.write("libnative.c", "int native(void) { return 7; }")
        for arguments in [
            ["/usr/bin/gcc", "-c", "-o", "libnative.o", "libnative.c"],
            ["/usr/bin/ar", "crs", "native/libnative.a", "libnative.o"],
        ] {
            try FileManager.default.createDirectory(atPath: scene.path("native"), withIntermediateDirectories: true)
            try #require(try scene.run(arguments[0], Array(arguments.dropFirst())).status == 0)
        }
        try scene.write("empty/keep", "")
        try scene.write("list.map", "{ main; };")
        try scene.write(
            "main.rs",
            "extern \"C\" { fn native() -> i32; } fn main() { println!(\"{}\", unsafe { native() }); }"
        )
        let seen = try scene.compile(
            "main.rs",
            linker.arguments + [
                "-L", "native=\(scene.path("empty"))", "-L", "native=\(scene.path("native"))", "-l", "dylib=native",
                "-C", "link-arg=-Wl,--dynamic-list=\(scene.path("list.map"))",
            ]
        )
        #expect(seen.observation.unobservable == nil)
        #expect(seen.observation.sideEffects.isEmpty)
        #expect(seen.observation.outputs == [scene.path("out/main")])
        #expect(seen.files.isSuperset(of: [scene.path("native/libnative.a"), scene.path("list.map")]))
        // gold lists the folders that it searches; the others ask for each name.
        let isMissed = seen.absent.isSuperset(of: ["a", "so"].map { scene.path("empty/libnative.\($0)") })
        #expect(isMissed || seen.listings.contains(scene.path("empty")))
        #expect(seen.files.contains { $0.hasSuffix("/Scrt1.o") })
        #expect(seen.files.contains { $0.contains("/libc.so") })
        #expect(seen.programs.contains { $0 == "cc" || $0 == "clang" })
        #expect(!seen.files.contains { $0.hasPrefix(scene.path("out")) || $0.hasPrefix(Scene.sysroot) })
        #expect(!seen.observation.dependencies.contains(.environment))
        let images = seen.outcome.trace.texts(.hello)
        #expect(images.contains { $0.hasSuffix(linker.program) || $0.contains(linker.program) }, "\(images)")
        let told = try scene.run(scene.path("out/main"), [])
        #expect(told.output == "7\n")
    }

    @Test("a linker that is a script is an input, and so are its variables")
    func script() throws {
        let scene = try Scene()
        let script = try scene.write("linker.sh", "#!/bin/sh\nexec cc \"$@\"\n", mode: 0o755)
        try scene.write("main.rs", "fn main() {}")
        let seen = try scene.compile("main.rs", ["-C", "linker=\(script)"])
        #expect(seen.observation.unobservable == nil)
        #expect(seen.files.contains(script))
        #expect(seen.observation.dependencies.contains(.environment))
    }

    @Test("a static program in the chain makes the compile unobservable")
    func staticProgram() throws {
        let scene = try Scene()
        let linker = try scene.program("static_linker", ["-static"])
        try scene.write("main.rs", "fn main() {}")
        let seen = try scene.compile("main.rs", ["-C", "linker=\(linker)"])
        #expect(seen.observation.unobservable?.contains("static_linker") == true)
        #expect(try scene.run(scene.path("out/main"), []).status == 0)
    }

    @Test("a second compile over old outputs depends on the same things", arguments: Linker.all)
    func again(_ linker: Linker) throws {
        let scene = try Scene()
        try scene.write("main.rs", "fn main() {}")
        let first = try scene.compile("main.rs", linker.arguments)
        let second = try scene.compile("main.rs", linker.arguments)
        let difference = first.observation.dependencies.symmetricDifference(second.observation.dependencies)
        #expect(difference.isEmpty, "\(difference)")
    }
}
