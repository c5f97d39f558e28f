# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Many cores: what all processors share is measured here, on the processors that there are, and the
model (cores_model.py) says where it saturates on hosts with more.

Producers are pinned to processors and only use one shared thing: alone, with another producer on
the same thing, and with another one on a thing of its own. In practice a transition meets only as
many others as there are while the lock is held, so this is the worst case; it checks the model,
too.
"""
import contextlib
import os
import statistics
import subprocess
import threading

import bpf
import machine
from cores_model import (RATE_MAX, SOCKETS, Lock, Machine, at_full_speed, look_ns, rate_within,
                         reader, saturation, slowdown)
from figures import Figures
from measure import CPU, CPU_LIFE, ENDS, ROWS, Bench
from tracer import CSV, JSON, LIFE, LIFE_JSON, TRACE

RUNS = 40000  # of all producers in a burst; their 120-byte records fit the ring
BURSTS = 5  # a round; on a busy host, producers do not meet in some bursts
FULL_SPEED = "ns a time, producers at full speed"
LINE = "ns of a cache line from one processor to another"
FAR = "of that, from one socket to the other (assumed)"

# What the bench's programs do (bpf/produce.bpf.c).
NOTHING, RECORD, REFUSED = "nothing", "a record", "a ring's lock"
STAY, WAIT = "a stay in a table", "a wait in a queue"
PROGRAMS = {NOTHING: "nothing", RECORD: "produce", REFUSED: "refused", STAY: "stay", WAIT: "wait"}

# github.com/nviennot/core-to-core-latency lists two-socket hosts: a line takes 2.1 to 2.8 times as
# long between sockets as within one on four of Intel's, and 1.8 times on one of AMD's.
FAR_TIMES = 2.5
CORES = (16, 64, 192)
RATE = 20000  # connections a second and core that all should sustain
SHARE = 0.05  # of a processor's time that others' use may cost
FACTOR = 2  # between the model for two producers and what they measure
# Lines of the cache that move if another processor held the lock last. For a lock that is waited
# for, a line moves to the one that announces that it waits, back to the one that lets go, and to
# the next one again. The lock guards more lines: for a ring, the positions, and the record before,
# which ends on the line that is written.
RING_LINES = 4
QUEUE_LINES = 3
BUCKETS = 32768  # of the first table of connections
COUNTER_LINES = 2  # of a processor's counters
RINGS_MAX, CORES_OF_RING = 32, 4  # as user/kernel/rings.c has it; a connection may use any of them


def _burst(producers: list[tuple[int, bpf.Producer]]) -> float:
    """The nanoseconds that a run takes a producer while all of them produce."""
    durations: list[float] = []
    barrier = threading.Barrier(len(producers))

    def run(cpu: int, producer: bpf.Producer) -> None:
        os.sched_setaffinity(0, {cpu})  # only this thread
        barrier.wait()
        durations.append(producer.run(RUNS // len(producers)))

    threads = [threading.Thread(target=run, args=pair) for pair in producers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for _, producer in producers:
        producer.empty()
    return sum(durations) / len(durations)


def _subject(what: str, count: int, shared: bool) -> str:
    if count == 1:
        return what
    return f"{what}, {count} on one" if shared else f"{what}, {count} on one each"


def _measure(bench: Bench, what: str, cpus: list[int], rounds: int) -> None:
    counts = sorted({1, *(number for number in (2, 4, 8, 16, 32) if number < len(cpus)),
                     len(cpus)})
    with contextlib.ExitStack() as stack:
        each = [stack.enter_context(bpf.Producer(bench.objects / "produce.bpf.o", PROGRAMS[what]))
                for _ in cpus]
        for _ in range(rounds * BURSTS):
            for count in counts:
                shared = [(cpu, each[0]) for cpu in cpus[:count]]
                bench.figures.add(FULL_SPEED, _subject(what, count, True), _burst(shared))
                if count > 1:
                    own = list(zip(cpus[:count], each))
                    bench.figures.add(FULL_SPEED, _subject(what, count, False), _burst(own))


def _line_ns(one: int, other: int) -> float:
    return float(subprocess.run([machine.ROOT / "build/tools/line", str(one), str(other)],
                                capture_output=True, check=True, text=True).stdout)


def measure_shared(bench: Bench, rounds: int, far_times: float) -> None:
    """Measures all inputs of the model, except what rows cost, which measure.cost() finds."""
    cpus = sorted(os.sched_getaffinity(0))
    for what in PROGRAMS:
        _measure(bench, what, cpus, rounds)
    if len(cpus) < 2:
        return
    for _ in range(rounds):
        bench.figures.add(LINE, "processors 0 and 1 of these", _line_ns(cpus[0], cpus[1]))
    bench.figures.add(FAR, "times", far_times)


def _held_ns(figures: Figures, what: str, uses: int) -> float:
    """The time of one use under a lock: what a run takes in addition to being called."""
    spent = figures.median(FULL_SPEED, what) - figures.median(FULL_SPEED, NOTHING)
    return max(spent, 1) / uses


def ring(figures: Figures, uses: float) -> Lock:
    return Lock(_held_ns(figures, REFUSED, 1), uses, RING_LINES)


def _host(figures: Figures, processors: int, sockets: int) -> Machine:
    near = statistics.median(figures.of(LINE, "processors 0 and 1 of these"))
    return Machine(processors, near, near * figures.median(FAR, "times"), sockets)


def predicted(figures: Figures) -> tuple[float, float] | None:
    """What two producers on one ring take for a record: by the model, and as measured."""
    measured = figures.median(FULL_SPEED, _subject(RECORD, 2, True))
    if measured is None or not figures.of(LINE, "processors 0 and 1 of these"):
        return None
    host = _host(figures, 2, 1)
    return at_full_speed(host, ring(figures, 1), figures.median(FULL_SPEED, RECORD)), measured


def rings(processors: int) -> int:
    """The default of --rings for hosts of more than 8 processors."""
    count = 1
    while count < RINGS_MAX and count * CORES_OF_RING < processors:
        count *= 2
    return count


def _locks(figures: Figures, rows: float, processors: int) -> list[tuple[str, Lock]]:
    one, count = ring(figures, rows), rings(processors)
    return [
        ("ring's lock, one ring", one),
        ("the same, rings by default", Lock(one.held_ns, rows, one.lines, count)),
        ("the same, a record a connection", Lock(one.held_ns, 1, one.lines, count)),
        ("queue's lock (timer backend)", Lock(_held_ns(figures, WAIT, 2), 1, QUEUE_LINES)),
        ("buckets of a table", Lock(_held_ns(figures, STAY, 2), 2, 1, BUCKETS)),
    ]


def _count(value: float) -> str:
    if value > RATE_MAX:
        return f">{RATE_MAX:,.0f}"
    return f"{float(f'{value:.3g}'):,.0f}"


def _lock_lines(figures: Figures, rows: float, hosts: list[Machine]) -> list[str]:
    """For each lock: the rate that it cannot exceed, and what it does to connections before that.
    """
    heads = ("full at", f"{SHARE:.0%} at", f"at {RATE}")
    lines = [f"  {'cores on two sockets':<32} " + " ".join(f"{cores:>32}" for cores in CORES),
             f"  {'':<32} " + " ".join(f"{head:>10}" for _ in CORES for head in heads)]
    for row in zip(*(_locks(figures, rows, host.processors) for host in hosts)):
        name, cells = row[0][0], []
        for host, (_, lock) in zip(hosts, row):
            cells += [_count(saturation(host, lock)), _count(rate_within(host, lock, SHARE)),
                      f"{slowdown(host, lock, RATE):.1%}"]
        lines.append(f"  {name:<32} " + " ".join(f"{cell:>10}" for cell in cells))
    return lines


def _reader_lines(figures: Figures) -> list[str]:
    lines = [f"  {'the one reader, cores':<32} {'rows/s':>12} "
             + " ".join(f"{cores:>10}" for cores in CORES)]
    for figure, tracer in ((CPU, TRACE), (CPU, CSV), (CPU, JSON), (CPU_LIFE, LIFE),
                           (CPU_LIFE, LIFE_JSON)):
        row_ns, rows = figures.median(figure, tracer.name), figures.median(ROWS, tracer.name)
        if row_ns and rows:
            cells = " ".join(f"{_count(reader(cores, row_ns, rows / ENDS)):>10}"
                             for cores in CORES)
            lines.append(f"  {tracer.name:<32} {f'{1e9 / row_ns:,.0f}':>12} {cells}")
    return lines


def _check_line(figures: Figures) -> str:
    said, measured = predicted(figures)
    factor = max(said / measured, measured / said)
    verdict = "" if factor <= FACTOR else f": more than {FACTOR}, do not trust the model here"
    return (f"  held against two pinned producers on one ring: {said:.0f} ns a record by the model,"
            f" {measured:.0f} measured, a factor of {factor:.2f}{verdict}")


def lines(figures: Figures) -> list[str]:
    """What the model says, as lines of the report; none if its inputs were not measured."""
    rows = figures.median(ROWS, TRACE.name)
    if not rows or not predicted(figures):
        return []
    rows /= ENDS
    hosts = [_host(figures, cores, SOCKETS) for cores in CORES]
    looks = " ".join(f"{look_ns(host, COUNTER_LINES) / 1000:>10.0f}" for host in hosts)
    return [f"many cores, by a model: connections a second and core, one end each, {rows:.3g} rows",
            *_lock_lines(figures, rows, hosts), *_reader_lines(figures),
            f"  {'a look at all counters, us':<45} {looks}", _check_line(figures)]
