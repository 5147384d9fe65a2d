import Foundation
import Testing

@testable import Trace

@Suite("What proc macros ask for")
struct GuestTests {
    @Test("a variable, whether it is set or not")
    func variable() throws {
        let scene = try Scene()
        var environment = Scene.environment
        environment["ASKED_SET"] = "yes"
        environment["NOT_ASKED"] = "yes"
        let seen = try scene.compileWithMacro(
            #"format!("{:?} {:?} {:?}", std::env::var("ASKED_SET"), std::env::var("ASKED_UNSET"), std::env::var("LC_ALL"))"#,
            environment: environment
        )
        #expect(seen.observation.unobservable == nil)
        #expect(seen.variables == ["ASKED_SET", "ASKED_UNSET", "LC_ALL"])
        #expect(!seen.observation.dependencies.contains(.environment))
    }

    @Test("the whole environment")
    func environment() throws {
        let scene = try Scene()
        let seen = try scene.compileWithMacro("std::env::vars().count().to_string()")
        #expect(seen.observation.dependencies.contains(.environment))
    }

    @Test("a variable that the macro set itself is not the wrapper's")
    func ownVariable() throws {
        let scene = try Scene()
        let seen = try scene.compileWithMacro(#"std::env::set_var("OWN", "1"); std::env::var("OWN").unwrap()"#)
        #expect(!seen.variables.contains("OWN"))
    }

    @Test("files, read, looked at or missing")
    func files() throws {
        let scene = try Scene()
        let (read, looked, missing) = (scene.path("a.sql"), scene.path("b.sql"), scene.path("c.sql"))
        for path in ["a.sql", "b.sql"] { try scene.write(path, "select 1") }
        let seen = try scene.compileWithMacro(
            """
            let text = std::fs::read_to_string("a.sql").unwrap();
            let length = std::fs::metadata("\(looked)").unwrap().len();
            let is_there = std::path::Path::new("\(missing)").exists();
            format!("{text} {length} {is_there}")
            """
        )
        #expect(seen.files.isSuperset(of: [read, looked]))
        #expect(seen.absent.contains(missing))
    }

    @Test("a folder's listing and a folder's existence")
    func folders() throws {
        let scene = try Scene()
        try scene.write("migrations/1.sql", "")
        try scene.write("assets/x", "")
        let seen = try scene.compileWithMacro(
            """
            let count = std::fs::read_dir("migrations").unwrap().count();
            format!("{count} {}", std::path::Path::new("assets").is_dir())
            """
        )
        #expect(seen.listings == [scene.path("migrations")])
        #expect(seen.existing.contains(scene.path("assets")))
    }

    @Test("the current folder")
    func currentFolder() throws {
        let scene = try Scene()
        #expect(try scene.compileWithMacro("std::env::current_dir().unwrap().display().to_string()").asksCurrentFolder)
        #expect(try !scene.compileWithMacro("String::new()").asksCurrentFolder)
    }

    @Test(
        "the time of day or the machine's name makes the compile unobservable",
        arguments: [
            #"format!("{:?}", std::time::SystemTime::now())"#,
            #"extern "C" { fn time(t: *mut i64) -> i64; } format!("{}", unsafe { time(std::ptr::null_mut()) })"#,
            """
            extern "C" { fn gethostname(into: *mut u8, size: usize) -> i32; }
            let mut name = [0u8; 256];
            unsafe { gethostname(name.as_mut_ptr(), 255) };
            format!("{name:?}")
            """,
            #"String::from_utf8(std::process::Command::new("date").output().unwrap().stdout).unwrap()"#,
        ]
    )
    func moment(_ body: String) throws {
        let seen = try Scene().compileWithMacro(body)
        let reason = try #require(seen.observation.unobservable)
        #expect(reason.contains("time of day") || reason.contains("machine"))
    }

    @Test("how long something took does not")
    func duration() throws {
        let seen = try Scene().compileWithMacro(
            "let start = std::time::Instant::now(); format!(\"{}\", start.elapsed().as_secs() > 9)"
        )
        #expect(seen.observation.unobservable == nil)
    }

    @Test("git, with the repository it reads")
    func git() throws {
        let scene = try Scene()
        var environment = Scene.environment
        environment["HOME"] = scene.path("home")
        for arguments in [
            ["init", "-q", "."],
            ["-c", "user.name=a", "-c", "user.email=b", "commit", "-q", "--allow-empty", "-m", "one"],
        ] {
            let outcome = try scene.run("/usr/bin/git", arguments, environment: environment)
            try #require(outcome.status == 0, "\(outcome.errors)")
        }
        let seen = try scene.compileWithMacro(
            """
            let done = std::process::Command::new("git").args(["rev-parse", "HEAD"]).output().unwrap();
            String::from_utf8(done.stdout).unwrap()
            """,
            environment: environment
        )
        #expect(seen.observation.unobservable == nil)
        #expect(seen.programs.contains("git"))
        #expect(seen.files.isSuperset(of: [scene.path(".git/HEAD"), "/usr/bin/git"]))
        #expect(seen.files.contains { $0.contains("/.git/refs/heads/") })
        #expect(seen.variables.isSuperset(of: ["GIT_DIR", "HOME"]))
        #expect(seen.absent.contains(scene.path("home/.gitconfig")))
    }

    @Test("a program that is not found, and one by its path that is not there")
    func missingPrograms() throws {
        let scene = try Scene()
        let seen = try scene.compileWithMacro(
            """
            let first = std::process::Command::new("larder-no-such-program").output().is_err();
            let second = std::process::Command::new("\(scene.path("tool"))").output().is_err();
            format!("{first} {second}")
            """
        )
        #expect(seen.observation.unobservable == nil)
        #expect(seen.programs.contains("larder-no-such-program"))
        #expect(seen.absent.contains(scene.path("tool")))
    }

    @Test("a program that is looked up in another PATH than the wrapper's")
    func otherPath() throws {
        let scene = try Scene()
        let tool = try scene.write("second/tool", "#!/bin/sh\necho hello\n", mode: 0o755)
        try scene.write("first/other", "")
        let seen = try scene.compileWithMacro(
            """
            let path = "\(scene.path("first")):\(scene.path("second"))";
            let done = std::process::Command::new("tool").env("PATH", path).output().unwrap();
            String::from_utf8(done.stdout).unwrap()
            """
        )
        #expect(seen.observation.unobservable == nil)
        #expect(seen.programs.isEmpty)
        #expect(seen.files.contains(tool))
        #expect(seen.absent.contains(scene.path("first/tool")))
    }

    @Test("a shell script takes the whole environment; what it reads counts")
    func script() throws {
        let scene = try Scene()
        try scene.write("data", "x")
        let script = try scene.write("tool.sh", "#!/bin/sh\nread line < data\necho \"$line\"\n", mode: 0o755)
        let seen = try scene.compileWithMacro(
            """
            let done = std::process::Command::new("\(script)").output().unwrap();
            String::from_utf8(done.stdout).unwrap()
            """
        )
        #expect(seen.observation.unobservable == nil)
        #expect(seen.files.isSuperset(of: [script, scene.path("data")]))
        #expect(seen.observation.dependencies.contains(.environment))
    }

    @Test("a cleared environment does not hide a program")
    func clearedEnvironment() throws {
        let scene = try Scene()
        try scene.write("data", "x")
        let seen = try scene.compileWithMacro(
            """
            let done = std::process::Command::new("/bin/cat").env_clear().arg("data").output().unwrap();
            String::from_utf8(done.stdout).unwrap()
            """
        )
        #expect(seen.observation.unobservable == nil)
        #expect(seen.files.contains(scene.path("data")))
    }

    @Test("a file that it leaves behind is a side effect; one that it removes again is not")
    func sideEffects() throws {
        let scene = try Scene()
        var seen = try scene.compileWithMacro(#"std::fs::write("left", "x").unwrap(); String::new()"#)
        #expect(seen.observation.sideEffects == [scene.path("left")])
        seen = try scene.compileWithMacro(
            #"std::fs::write("gone", "x").unwrap(); std::fs::remove_file("gone").unwrap(); String::new()"#
        )
        #expect(seen.observation.sideEffects.isEmpty && seen.observation.unobservable == nil)
        try scene.write("theirs", "x")
        seen = try scene.compileWithMacro(#"std::fs::remove_file("theirs").unwrap(); String::new()"#)
        #expect(seen.observation.unobservable?.contains("removed") == true)
    }

    @Test("a connection makes the compile unobservable")
    func connection() throws {
        let scene = try Scene()
        // Nobody listens in the scene's own folder, but asking there is a question all the same.
        let seen = try scene.compileWithMacro(
            """
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            std::net::TcpStream::connect(listener.local_addr().unwrap()).is_ok().to_string()
            """
        )
        #expect(seen.observation.unobservable?.contains("network") == true)
    }
}
