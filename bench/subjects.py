"""Who is measured: plain Cargo, larder, its rivals and the replay floor, each in folders of its own."""

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import rig

HERE = Path(__file__).resolve().parent
RIVALS = {"sccache": "0.16.0", "zccache": "1.15.8"}
CACHE_LIMIT = "20G"  # of any subject: nobody trims while it is measured

# Settings of the person who runs this must not reach a build.
FOREIGN = ("SCCACHE_", "ZCCACHE_", "LARDER_", "RUSTC", "RUSTFLAGS", "RUSTDOC", "CARGO_BUILD_", "CARGO_ENCODED_")
FOREIGN += ("CARGO_TARGET", "CARGO_PROFILE_", "LD_PRELOAD", "MAKEFLAGS")


class Subject:
    """One column of the table. `sockets` is a folder with a short path, since sockets need one."""

    def __init__(self, name, work, sockets):
        self.name = name
        self.folder = work / name
        self.cache = self.folder / "cache"
        self.sockets = sockets
        self.filled = False
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder / "config").mkdir(parents=True)

    def wrapper(self):
        """What RUSTC_WRAPPER says; empty for none, whatever Cargo's config says."""
        return ""

    def variables(self):
        return {}

    def start(self):
        """Brings up what a user has running before a build."""

    def stop(self):
        """Takes it down again."""

    def wipe(self):
        """Makes the cache empty."""
        self.stop()
        rig.put_aside(self.cache, self.folder / "trash")
        self.cache.mkdir(parents=True)
        self.filled = False
        self.start()

    def environment(self, more=None):
        kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        return kept | {
            "BENCH_LOG": str(self.folder / "log"),
            "CARGO_INCREMENTAL": "0",
            "CARGO_TERM_COLOR": "never",
            "RUSTC_WRAPPER": str(self.wrapper()),
            "XDG_CACHE_HOME": str(self.folder / "xdg-cache"),
            "XDG_CONFIG_HOME": str(self.folder / "config"),
        } | self.variables() | (more or {})


class Plain(Subject):
    """Cargo without a wrapper."""


class Larder(Subject):
    def __init__(self, name, work, sockets, stage, variables=None):
        super().__init__(name, work, sockets)
        self.stage = stage
        self.more = variables or {}

    def wrapper(self):
        return self.stage / "bin/larder"

    def variables(self):
        return {"LARDER_DIR": str(self.cache), "LARDER_CACHE_SIZE": CACHE_LIMIT} | self.more

    def stop(self):
        if (self.stage / "libexec/larder/larderd").exists():
            rig.quiet([self.wrapper(), "--stop-server"], self.environment())


class Sccache(Subject):
    def __init__(self, name, work, sockets, rivals):
        super().__init__(name, work, sockets)
        self.program = rivals / "bin/sccache"

    def wrapper(self):
        return self.program

    def variables(self):
        return {
            "SCCACHE_CACHE_SIZE": CACHE_LIMIT,
            "SCCACHE_CONF": str(self.folder / "config/none"),
            "SCCACHE_DIR": str(self.cache),
            "SCCACHE_IDLE_TIMEOUT": "0",
            "SCCACHE_SERVER_UDS": str(self.sockets / "sccache"),
        }

    def start(self):
        rig.quiet([self.program, "--start-server"], self.environment())

    def stop(self):
        rig.quiet([self.program, "--stop-server"], self.environment())


class Office:
    """Mixed into a subject: a server on loopback that its builds share; empty whenever it starts."""

    SERVERS = {
        "redis": lambda port: ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"],
        "memcached": lambda port: ["memcached", "-u", "nobody", "-l", "127.0.0.1", "-p", str(port), "-m", "4096"],
    }
    kind = "redis"
    server = None
    port = 0

    def variables(self):
        return super().variables() | {
            "redis": {"SCCACHE_REDIS_ENDPOINT": f"redis://127.0.0.1:{self.port}"},
            "memcached": {"SCCACHE_MEMCACHED_ENDPOINT": f"tcp://127.0.0.1:{self.port}"},
        }[self.kind]

    def start(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.server = subprocess.Popen(
            self.SERVERS[self.kind](self.port), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for _ in range(200):
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", self.port)) == 0:
                    break
            time.sleep(0.05)
        else:
            raise rig.BenchError(f"the {self.kind} server did not start; is it installed?")
        super().start()

    def stop(self):
        super().stop()
        if self.server:
            self.server.kill()
            self.server.wait()
            self.server = None
        self.filled = False

    def publish(self):
        """Waits until the server has everything."""

    def forget(self):
        """Makes the machine's own cache empty; the server keeps what it has."""


class LarderOffice(Office, Larder):
    def __init__(self, name, work, sockets, stage, kind):
        super().__init__(name, work, sockets, stage)
        self.kind = kind

    def publish(self):
        subprocess.run([self.wrapper(), "flush"], env=self.environment(), check=True, stdout=subprocess.DEVNULL)

    def forget(self):
        for kind in ("manifests", "results", "blobs", "packs"):
            rig.put_aside(self.cache / kind, self.folder / "trash")
            (self.cache / kind).mkdir(mode=0o700)

    def settle(self):
        """Waits until the gateway has unpacked what it fetched, as it does once nobody asks any more."""
        for _ in range(600):
            if not any((self.cache / "packs").glob("*/*")):
                return
            time.sleep(0.1)
        raise rig.BenchError("what was fetched was not unpacked within a minute")


class SccacheOffice(Office, Sccache):
    """sccache with Redis alone: it then keeps nothing on disk."""


class Zccache(Subject):
    def __init__(self, name, work, sockets, rivals):
        super().__init__(name, work, sockets)
        self.program = rivals / "bin/zccache"

    def wrapper(self):
        return self.program

    def variables(self):
        return {
            "ZCCACHE_CACHE_DIR": str(self.cache),
            "ZCCACHE_DAEMON_NAMESPACE": f"larder-bench-{os.getpid()}",
            "ZCCACHE_DAEMON_STATE_DIR": str(self.sockets / "zccache"),
        }

    def start(self):
        rig.quiet([self.program, "start"], self.environment())

    def stop(self):
        rig.quiet([self.program, "stop"], self.environment())

    def wipe(self):
        self.stop()
        # It keeps what it knows of its cache beside its socket.
        for folder in (self.sockets / "zccache", self.folder / "xdg-cache"):
            shutil.rmtree(folder, ignore_errors=True)
        rig.quiet([self.program, "clear"], self.environment())
        super().wipe()


class Replay(Subject):
    """The floor: copies back what the first call with the same arguments left."""

    def __init__(self, name, work, sockets):
        super().__init__(name, work, sockets)
        self.program = compile_c("replay.c", self.folder / "replay")

    def wrapper(self):
        return self.program

    def variables(self):
        return {"REPLAY_DIR": str(self.cache)}


class Observe(Subject):
    """Plain Cargo with each rustc run by observe.c: with the observer, or the same without it."""

    def __init__(self, name, work, sockets, library):
        super().__init__(name, work, sockets)
        headers = HERE.parent / "Sources/Observer/include"
        self.program = compile_c("observe.c", self.folder / "observe", "-I", headers)
        self.library = library

    def wrapper(self):
        return self.program

    def variables(self):
        return {"OBSERVE_DIR": str(self.cache), "OBSERVE_LIBRARY": str(self.library or "")}


def compile_c(source, output, *flags):
    """Compiles one of this folder's C programs."""
    subprocess.run(["cc", "-O2", "-Wall", "-Wextra", *flags, "-o", output, HERE / source], check=True)
    return output


def install_rivals(folder):
    """Installs the rivals' released programs, each from its wheel, into a folder of their own; once."""
    wanted = {f"{name}=={version}" for name, version in RIVALS.items()}
    stamp = folder / "installed"
    if stamp.exists() and set(stamp.read_text().split()) == wanted:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    print("bench: installing", *sorted(wanted), file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    subprocess.run(
        [folder / "bin/pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", *sorted(wanted)],
        check=True,
    )
    stamp.write_text("\n".join(sorted(wanted)))
    return folder
