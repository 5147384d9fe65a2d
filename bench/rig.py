"""Runs builds and measures them: wall clock, and CPU of everything a build starts, daemons included."""

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

# Process ids of servers that would be on another machine: their CPU is nobody's here.
SERVERS = set()

TICKS = os.sysconf("SC_CLK_TCK")
PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


class BenchError(Exception):
    """Something that makes the figures worthless; the text says what to do."""


@dataclass
class Measure:
    """One build: seconds of wall clock, seconds of CPU (user + system) of Cargo's tree and of daemons."""

    wall: float
    cpu: float
    daemon_cpu: float

    def asdict(self):
        return asdict(self)


def adopt_orphans():
    """Makes this process the parent of every daemon that a build leaves, so that none is missed or left behind."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise BenchError("prctl(PR_SET_CHILD_SUBREAPER) failed: daemons could not be measured")


def _stat(pid):
    """The fields after the name in /proc/PID/stat; None when the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None


def descendants():
    """Process ids of everything that came from this process and still runs."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (fields := _stat(name)):
            parents.setdefault(int(fields[1]), []).append(int(name))
    found, queue = [], [os.getpid()]
    while queue:
        for child in parents.get(queue.pop(), []):
            found.append(child)
            queue.append(child)
    return found


def daemon_cpu():
    """CPU seconds that processes left by earlier builds have used, with the children they waited for."""
    total = 0
    for pid in descendants():
        if pid not in SERVERS and (fields := _stat(pid)):
            total += sum(int(ticks) for ticks in fields[11:15])
    return total / TICKS


def settled_daemon_cpu(limit=10.0):
    """As daemon_cpu, once it stops growing (or after `limit` seconds): a daemon may work on after a build's end."""
    last, deadline = daemon_cpu(), time.monotonic() + limit
    while time.monotonic() < deadline and descendants():
        time.sleep(0.3)
        now = daemon_cpu()
        if now == last:
            break
        last = now
    return last


def run(arguments, folder, environment):
    """Runs one command to its end, quietly; raises with its output when it fails."""
    os.sync()  # what an earlier build wrote is not this one's burden
    daemons = settled_daemon_cpu()
    log = Path(environment["BENCH_LOG"])
    with log.open("wb") as output:
        start = time.monotonic()
        process = subprocess.Popen(
            arguments, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-30:])
        raise BenchError(f"{' '.join(map(str, arguments))} ended with {process.returncode} in {folder}:\n{tail}")
    return Measure(wall, usage.ru_utime + usage.ru_stime, settled_daemon_cpu() - daemons)


def put_aside(folder, trash):
    """Makes a folder go away without giving back a single inode: ext4 gives none away again for one to five minutes after it
    was freed, and each file that is made meanwhile looks through them all. A cache that is empty because it was just deleted
    would cost its owner half a millisecond for each file that it stores."""
    if not folder.exists():
        return
    trash.mkdir(parents=True, exist_ok=True)
    aside = tempfile.mkdtemp(dir=trash)
    folder.rename(os.path.join(aside, folder.name))
    for parent, _, names in os.walk(aside):
        for path in (os.path.join(parent, name) for name in names):
            if os.path.isfile(path) and not os.path.islink(path):
                os.truncate(path, 0)


def quiet(arguments, environment):
    """Runs a short management command; its failure is no failure of the benchmark."""
    try:
        subprocess.run(
            arguments, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            timeout=30, check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        print(f"bench: {arguments[0]}: {error}", file=sys.stderr)


def end_descendants():
    """Ends every process that a build left and that did not end when it was told to."""
    for signal_number in (signal.SIGTERM, signal.SIGKILL):
        left = descendants()
        for pid in left:
            try:
                os.kill(pid, signal_number)
            except ProcessLookupError:
                pass
        deadline = time.monotonic() + 5
        while left and time.monotonic() < deadline:
            try:
                os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            time.sleep(0.05)
            left = descendants()
