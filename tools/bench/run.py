#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""make bench: tcpdwell, tcpstates, tcplife and bpftrace side by side in one run, as ratios.

Everything lasts as long as this process: load generators in network namespaces of their own,
tracers, the bench's own BPF programs, the measuring of BPF run times.
"""
import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

sys.dont_write_bytecode = True  # root would own the files

import cores
import machine
import measure
import record
import report
from first_row import first_row
from measure import Bench
from owners import owners
from tracer import (BARE, BARE_NOTHING, CSV, DIAGNOSE, EXPORT, JSON, LEAKS, LIFE, LIFE_JSON,
                    LIFE_PEERS, NOTHING, PEERS, STAT, TCPSTATES, TIMEWAIT, TRACE)

BUILD = machine.ROOT / "build"
OUTPUT = BUILD / "bench"
LOADS = ("load", "load_async")
REST_SECONDS = 5
RESTING = [TRACE, LIFE, STAT, TIMEWAIT, LEAKS, DIAGNOSE, EXPORT, *PEERS]
BUSY_LOAD = 0.5  # runnable processes of others, before the load of the bench


@dataclass(frozen=True)
class Plan:
    """How much of everything: what keeps a run short, or its figures steady."""

    rounds: int
    connections: int  # for the costs
    rate_seconds: float  # of each of several loads
    long_seconds: float  # to lose rows in; 0: not run
    live: int  # connections open at once
    start_sockets: tuple[int, ...]  # on the host when a tracer starts
    loads: tuple[str, ...]
    requests: int  # of curl to nginx
    life: bool = False  # only `life` and its peers
    model: bool = False  # only what the model of many cores needs
    far_times: float = cores.FAR_TIMES


FULL = Plan(rounds=7, connections=20000, rate_seconds=0.5, long_seconds=60, live=100000,
            start_sockets=(0, 10000), loads=LOADS, requests=300)
QUICK = Plan(rounds=5, connections=5000, rate_seconds=0.2, long_seconds=0, live=10000,
             start_sockets=(10000,), loads=LOADS[:1], requests=100)


def build_objects() -> Path:
    """Compiles the bench's BPF programs, as the Makefile does tcpdwell's."""
    OUTPUT.mkdir(parents=True, exist_ok=True)
    for source in machine.ROOT.glob("tools/bench/bpf/*.bpf.c"):
        subprocess.run([os.environ.get("CLANG", "clang"), "-target", "bpf", "-mcpu=v3", "-O2", "-g",
                        "-I", machine.ROOT / "vmlinux", "-c", source,
                        "-o", OUTPUT / source.name.replace(".c", ".o")], check=True)
    return OUTPUT


def note_binary(bench: Bench) -> None:
    static = BUILD / "tcpdwell-static"
    if static.exists():
        bench.figures.add("static binary MiB", TRACE.name, static.stat().st_size / 2**20)


def run_rounds(bench: Bench, plan: Plan) -> None:
    for number in range(plan.rounds):
        begin = time.monotonic()
        measure.floor(bench, plan.connections)
        costs = [TRACE, LIFE, LIFE_JSON, BARE_NOTHING, TCPSTATES, *LIFE_PEERS]
        rates, silent = [TRACE, LIFE, TCPSTATES, *LIFE_PEERS], [BARE_NOTHING]
        if not plan.life:
            costs += [CSV, JSON, STAT, BARE, *PEERS[1:]]
            rates += PEERS[1:]
            silent += [NOTHING, STAT, BARE]
        measure.cost(bench, costs, plan.connections, number)
        measure.rate(bench, rates, silent, plan.rate_seconds, number)
        bench.say(f"{bench.load.name}: round {number + 1} of {plan.rounds},"
                  f" {time.monotonic() - begin:.0f} s")


def run_cores(bench: Bench, plan: Plan) -> None:
    """Measures the inputs of the model of many cores."""
    for number in range(plan.rounds):
        measure.cost(bench, [TRACE, CSV, JSON, LIFE, LIFE_JSON], plan.connections, number)
    cores.measure_shared(bench, plan.rounds, plan.far_times)


def run_host(bench: Bench, plan: Plan) -> None:
    """Measures what only the first load shows: time to spare, memory, the start, the long run."""
    tracers = [TRACE, *PEERS]
    owners(bench, [LIFE, *LIFE_PEERS], plan.requests)
    if plan.long_seconds:
        measure.long_run(bench, [LIFE, *LIFE_PEERS], plan.long_seconds)
    if plan.life:
        return
    for number in range(plan.rounds):
        measure.look_cost(bench, plan.connections, number)
        measure.paced_cost(bench, [TRACE, CSV, JSON, BARE, *PEERS], plan.connections, number)
        for sockets in plan.start_sockets:
            first_row(bench, tracers, sockets, number)
    bench.say("rows with time to spare and first rows timed")
    cores.measure_shared(bench, plan.rounds, plan.far_times)
    bench.say("what processors share measured")
    measure.at_rest(bench, RESTING, REST_SECONDS)
    measure.memory(bench, tracers, plan.live)
    bench.say("memory measured")
    if plan.long_seconds:
        measure.long_run(bench, tracers, plan.long_seconds)
    note_binary(bench)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench ARGS=…", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few minutes, coarser figures")
    parser.add_argument("--rounds", type=int, help="instead of 7, of 5 when quick")
    parser.add_argument("--live", type=int, help="connections open at once, for the memory")
    parser.add_argument("--long", type=float, metavar="SECONDS",
                        help="in which rows may get lost: instead of 60, of none when quick")
    parser.add_argument("--life", action="store_true", help="`life` and its peers alone")
    parser.add_argument("--cores", action="store_true", help="the model of many cores alone")
    parser.add_argument("--far", type=float, metavar="TIMES", default=cores.FAR_TIMES,
                        help="as long does a cache line take from one socket to the other as within"
                             " one: assumed, instead of %(default)s")
    parser.add_argument("--load", choices=LOADS, help="this load generator alone")
    return parser.parse_args()


def planned(args: argparse.Namespace) -> Plan:
    plan = QUICK if args.quick else FULL
    return replace(plan, rounds=args.rounds or plan.rounds, live=args.live or plan.live,
                   long_seconds=plan.long_seconds if args.long is None else args.long,
                   life=args.life, model=args.cores, far_times=args.far,
                   loads=(args.load,) if args.load else plan.loads[:1] if args.cores
                   else plan.loads)


def scratch_parent() -> str | None:
    """A folder in memory, if there is one to write to: the disk must not be measured."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def warn_busy() -> None:
    """Warns if the host is busy: that distorts absolute figures, but not ratios."""
    load = os.getloadavg()[0]
    if load > BUSY_LOAD:
        print(f"this host is busy, load average {load:.1f}: trust ratios alone")


def run(plan: Plan, scratch: Path) -> None:
    warn_busy()
    objects = build_objects()
    loads, not_run = {}, {}
    for name in plan.loads:
        bench = Bench(BUILD / "tools" / name, objects, scratch, not_run=not_run)
        loads[name] = bench.figures
        if plan.model:
            run_cores(bench, plan)
            continue
        run_rounds(bench, plan)
        if name == LOADS[0]:
            run_host(bench, plan)
    host, commit, last = machine.describe(), machine.commit(), record.newest(OUTPUT)
    print("\n".join(["", f"tcpdwell {commit}", *report.lines(host, loads, not_run)]))
    if last:
        print("\n".join(record.compare(last, host, loads)))
    print(f"written: {record.write(OUTPUT, commit, host, loads, not_run)}")


def main() -> None:
    args = arguments()
    if os.geteuid():
        sys.exit("the bench needs root, as tracers do")
    # With this, what is open is closed however the run ends.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    scratch = Path(tempfile.mkdtemp(prefix="tcpdwell-bench-", dir=scratch_parent()))
    try:
        run(planned(args), scratch)
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
