"""What is measured. A scenario is a function of a bench and a subject; it adds samples by `bench.sample`.

Scenarios of one subject run in the order of SCENARIOS, once a round. To add one, write the function and add a line.
"""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import Callable, Sequence

import rig
import subjects

SCRIPT = ("build-script", "build_script")  # how the programs of build scripts begin
CACHES = ("larder", "sccache", "zccache")
OFFICES = ("larder-redis", "larder-memcached", "sccache-redis")


@dataclass
class Scenario:
    """`subjects` are the names of those that take part; the first one in `against` who does is the ratio's divisor. Who was
    measured in the scenario `base`, too, is divided by that instead."""

    name: str
    title: str
    run: Callable
    subjects: Sequence[str]
    against: Sequence[str] = ()
    default: bool = True
    base: str = ""


def plain(bench, subject):
    bench.sample("plain", subject, bench.clean_build(subject))


def first(bench, subject):
    subject.wipe()
    bench.sample("first", subject, bench.clean_build(subject))
    subject.filled = True


def rebuild(bench, subject):
    fill(bench, subject)
    for _ in range(bench.options.rebuilds):
        bench.sample("rebuild", subject, bench.clean_build(subject))


def elsewhere(bench, subject):
    """A clean build of another checkout with another registry, after one here."""
    fill(bench, subject)
    bench.sample("elsewhere", subject, bench.clean_build(subject, folder=bench.elsewhere))
    subject.filled = False  # what it stored of this build must not answer the next round's


def remote(bench, subject):
    """Clean builds on a machine whose own cache is empty, with everything on a server on loopback."""
    subject.wipe()
    bench.clean_build(subject)
    subject.publish()
    for _ in range(bench.options.rebuilds):
        subject.forget()
        events = event_files(subject)
        bench.sample("remote", subject, bench.clean_build(subject))
        levels(bench, subject, events)
        if isinstance(subject, subjects.LarderOffice):
            # What it is compared with: the same files in the same state of this machine's memory, which may double a time.
            subject.settle()
            bench.sample("from-disk", subject, bench.clean_build(subject))


def from_disk(bench, subject):
    """Measured by `remote`, right after each of its builds."""


def levels(bench, subject, before):
    """Notes how many calls each level answered, as larder's event log has it."""
    found = {}
    for path in sorted((subject.cache / "events").glob("*.jsonl")):
        with path.open("rb") as log:
            log.seek(before.get(path, 0))
            for event in map(json.loads, log):
                level = event.get("level", event["result"])
                found[level] = found.get(level, 0) + 1
    if found:
        bench.note("remote", subject, found)


def fresh(bench, subject):
    """Cargo alone: everything is built, nothing is to do."""
    bench.clean_build(subject)
    bench.sample("fresh", subject, bench.build(subject))


def observer(bench, subject):
    """Plain Cargo, each rustc observed or not (the subject's name says which), nothing read or stored."""
    subject.wipe()
    measure = bench.clean_build(subject)
    bench.sample("observer", subject, measure)
    if subject.library and not any(subject.cache.iterdir()):
        raise rig.BenchError("the observer was not loaded: no trace was written")


def unobserved(bench, subject):
    """A first build by larder without its observer; it stores less, so it is more than the observer that is missing."""
    subject.wipe()
    bench.sample("unobserved", subject, bench.clean_build(subject))


def division(bench, subject):
    """Where a clean rebuild's CPU time goes, by a library that accounts for each dynamic program (account.c)."""
    fill(bench, subject)
    library = subjects.compile_c("account.c", subject.folder / "account.so", "-shared", "-fPIC")
    account = subject.folder / "account.tsv"
    variables = {"ACCOUNT_FILE": str(account), "LD_PRELOAD": str(library)}
    bench.clean_build(subject, variables)  # if the preload is part of any key, this fills the cache for it
    account.unlink(missing_ok=True)
    events = event_files(subject)
    measure = bench.clean_build(subject, variables)
    bench.note("division", subject, divide(measure, account) | hit_costs(subject, events) | copying(bench))


def fill(bench, subject):
    """Sees to it that the subject's cache holds the build."""
    if not subject.filled:
        subject.wipe()
        bench.clean_build(subject)
        subject.filled = True


def divide(measure, account):
    """The build's CPU seconds by who used them. What a static program used shows as the rest."""
    parts = {"cargo": 0.0, "build scripts": 0.0, "rustc": 0.0}
    runs, runs_by_scripts = 0, 0
    for line in account.read_text().splitlines():
        program, parent, own, children = line.rsplit("\t", 3)
        name, parent = os.path.basename(program), os.path.basename(parent)
        by_script = parent.startswith(SCRIPT)
        if name == "cargo":
            parts["cargo"] += float(own)
        elif name.startswith(SCRIPT):
            parts["build scripts"] += float(own) + float(children)  # with the compilers that it asks
        elif name in ("rustc", "clippy-driver"):
            runs += not by_script
            runs_by_scripts += by_script
            parts["rustc"] += 0 if by_script else float(own) + float(children)
    total = measure.cpu + measure.daemon_cpu
    parts["wrapper"] = total - sum(parts.values())
    return {"wall": measure.wall, "cpu": total, "cpu_by": parts, "rustc_runs": runs, "rustc_by_scripts": runs_by_scripts}


def event_files(subject):
    """How long each event log is, so that only later events are read."""
    return {path: path.stat().st_size for path in sorted((subject.cache / "events").glob("*.jsonl"))}


def hit_costs(subject, before):
    """What larder's own event log says about the calls since `before`. The one place that knows the log's fields:
    `result`, `reason`, `cpu` and `phases` in microseconds, `bytes` (Sources/Store/EventLog.swift)."""
    calls, passed, hits = {}, {}, []
    for path in sorted((subject.cache / "events").glob("*.jsonl")):
        with path.open("rb") as log:
            log.seek(before.get(path, 0))
            for line in log:
                event = json.loads(line)
                calls[event["result"]] = calls.get(event["result"], 0) + 1
                if event["result"] == "hit":
                    hits.append(event)
                elif reason := event.get("reason"):
                    passed[reason] = passed.get(reason, 0) + 1
    if not hits:
        return {"calls": calls, "reasons": passed}
    phases = {}
    for event in hits:
        for name, duration in event.get("phases", {}).items():
            phases[name] = phases.get(name, 0) + duration / 1000 / len(hits)
    return {
        "calls": calls,
        "reasons": passed,
        "hit_cpu_ms": sum(event["cpu"] for event in hits) / 1000 / len(hits),
        "hit_phases_ms": phases,
        "hit_bytes": sum(event["bytes"] for event in hits),
    }


def copying(bench):
    """CPU seconds that copying the build's outputs takes, by one process that does nothing else."""
    replay = bench.subjects.get("replay")
    if not replay or not replay.filled:
        return {}
    target = replay.folder / "copied"
    runs = []
    for _ in range(1 + 3):
        # As a clean build finds it: the memory of what was there before has just become free. The first run differs.
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        output = subprocess.run(
            [replay.program, "--copy", replay.cache, target], check=True, capture_output=True, text=True
        ).stdout
        runs.append(json.loads(output))
    shutil.rmtree(target)
    return {"copying": sorted(runs[1:], key=lambda run: run["cpu"])[1]}


SCENARIOS = [
    Scenario("plain", "plain Cargo", plain, ("plain",)),
    Scenario("fresh", "nothing to build", fresh, ("plain",)),
    Scenario("first", "first build", first, CACHES, ("plain",)),
    Scenario("rebuild", "clean rebuild", rebuild, ("replay", *CACHES), ("replay",)),
    Scenario("division", "where the clean rebuild goes", division, ("replay", "larder")),
    Scenario(
        "remote", "clean rebuild, local cache empty, all on a server; larder's own from disk as ×1", remote, OFFICES,
        ("larder-redis",), True, "from-disk",
    ),
    Scenario("from-disk", "the same from disk, right after each", from_disk, OFFICES[:2]),
    Scenario("elsewhere", "clean build in another checkout", elsewhere, CACHES, ("plain",), False),
    Scenario("observer", "each rustc observed", observer, ("observer-off", "observer-on"), ("observer-off",)),
    Scenario("unobserved", "first build, LARDER_OBSERVER=off", unobserved, ("larder-unobserved",), ("plain",), False),
]
