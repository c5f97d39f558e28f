# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The measurements. Each takes every subject in turn within a round, so that noise affects all
alike.

A subject that cannot run is left out from then on, and the reason is noted.
"""
import contextlib
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import bpf
from figures import Figures
from load import Load, Result
from tracer import (DIAGNOSE, EXPORT, LIFE, STAT, TRACE, Failed, Run, Tracer, children_of, cpu_ns,
                    cpu_ns_of_all, resident_bytes, wakeups_of_all)

UNTRACED = "untraced"
EMPTY = "empty program"
RESERVE = "reserve 96 bytes"

# Figures that others refer to by name.
CPU = "cpu ns/row"
CPU_PACED = "cpu ns/row, with time to spare"
ROWS = "rows/connection, both ends"
WRITE = "cpu ns/row, of write() alone"
KERNEL_LIFE = "kernel ns/connection, both ends"
CPU_LIFE = "cpu ns/row of a connection"
OF_UNTRACED = "connections/s, of untraced"
REST_RESIDENT = "resident MiB, at rest"
REST_MAPS = "map MiB, at rest"
REST_WAKEUPS = "wake-ups/s, at rest"
LOOK_KERNEL = "kernel ns/transition, of sums and of looks"
LOOK_CPU = "cpu ns/transition, of sums and of looks"

WRITE_BYTES = 256 * 1024  # as tcpdwell writes
LOADS_EACH = 4  # for each rate
# A client's pause after each connection: some 9,000 a second leave the host idle time.
PACE_US = 300
DRAIN_SECONDS = 30  # for a tracer to print what it still has after the load
# A connection over loopback, both of its ends: five transitions each.
TRANSITIONS = 10
ENDS = 2
# The time in which the kernel takes a network namespace down, with the timewait sockets in it.
TEARDOWN_SECONDS = 0.3
SOCKETS_OF_A_PROCESS = 8000  # half the usual limit of descriptors, since servers share unevenly


@dataclass
class Bench:
    """Where the measurements happen, and their results so far."""

    load: Path
    objects: Path  # the bench's own BPF objects
    scratch: Path
    figures: Figures = field(default_factory=Figures)
    not_run: dict[str, str] = field(default_factory=dict)  # why, by subject
    say: Callable[[str], None] = print

    @contextlib.contextmanager
    def attempt(self, subject: str) -> Iterator[None]:
        try:
            yield
        except Failed as failed:
            self.not_run[subject] = str(failed)
            self.say(f"{subject}: {failed}")


def in_turn(tracers: list[Tracer], number: int) -> list[Tracer]:
    """The tracers in an order that changes from round to round: who comes first, and who after
    whom."""
    turn = number % len(tracers)
    turned = tracers[turn:] + tracers[:turn]
    return turned[::-1] if number % 2 else turned


@dataclass(frozen=True)
class Moment:
    """The values of the counters at a moment."""

    transitions: int
    programs: dict[int, bpf.RunTime]
    cpu_ns: int


def _moment(run: Run, counter: bpf.Program) -> Moment:
    return Moment(counter.run_time().count, bpf.programs_of(run.pid), cpu_ns(run.pid))


def _note_kernel(figures: Figures, tracer: Tracer, before: Moment, after: Moment) -> None:
    name = tracer.name
    transitions = after.transitions - before.transitions
    by_program: dict[str, int] = {}
    runs = 0
    for number, run_time in after.programs.items():
        program = bpf.program_name(number)
        spent = run_time - before.programs.get(number, bpf.RunTime())
        by_program[program] = by_program.get(program, 0) + spent.ns
        runs += spent.count
    _note_kernel_ns(figures, name, sum(by_program.values()) / transitions, runs / transitions)
    if tracer.connections:
        figures.add(KERNEL_LIFE, name, TRANSITIONS * sum(by_program.values()) / transitions)
    if tracer in (TRACE, STAT, LIFE):
        for program, ns in by_program.items():
            figures.add(f"kernel ns/transition of {name}, by program", program, ns / transitions)


def _note_kernel_ns(figures: Figures, name: str, ns: float, runs: float) -> None:
    """Notes kernel time. The kernel reads its clock before and after each run of a program, which
    is most of what an empty program takes. A tracer of many small programs pays that many times,
    and only in this bench."""
    figures.add("kernel ns/transition", name, ns)
    figures.add("program runs/transition", name, runs)
    if empty := figures.of("kernel ns/transition", EMPTY):
        figures.add("kernel ns/transition, less empty runs", name, ns - runs * empty[-1])


def _note_user(bench: Bench, figure: str, run: Run, spent_ns: int) -> None:
    if rows := run.rows():
        bench.figures.add(figure, run.tracer.name, spent_ns / rows)


def _note_write(bench: Bench, run: Run) -> None:
    """Notes the lower limit for a program that prints the same rows to the same place."""
    if rows := run.rows():
        bench.figures.add(WRITE, run.tracer.name,
                          _write_ns(bench.scratch / "written", run.printed_bytes()) / rows)


def _write_ns(path: Path, size: int) -> int:
    """The CPU time of writing this many bytes in large pieces, from the cache."""
    piece = bytes(WRITE_BYTES)
    with path.open("wb", buffering=0) as file:
        before = time.thread_time_ns()
        for at in range(0, size, WRITE_BYTES):
            file.write(piece[:size - at])
        spent_ns = time.thread_time_ns() - before
    path.unlink()
    return spent_ns


def _take_down(load: Load) -> None:
    """Ends the load with its namespace, and the timewait sockets that are left in it."""
    load.close()
    time.sleep(TEARDOWN_SECONDS)


def _finish(load: Load, run: Run) -> None:
    """Ends the load, and lets the tracer print what it still has.

    Then each timewait socket ends, and tracers print what they could not tell before.
    """
    _take_down(load)
    run.wait_quiet(DRAIN_SECONDS)


def cost(bench: Bench, tracers: list[Tracer], connections: int, number: int) -> None:
    """Time in the kernel for each transition and CPU time for each row, over whole connections.

    The end of each TIME_WAIT is in the account of each tracer that traces it.
    """
    with bpf.stats(), bpf.Program(bench.objects / "empty.bpf.o", "empty") as counter:
        for tracer in in_turn(tracers, number):
            if tracer.name in bench.not_run:
                continue
            with bench.attempt(tracer.name), Load(bench.load, "-n", connections) as load, \
                    Run(tracer, bench.scratch, batch=True) as run:
                before = _moment(run, counter)
                load.run()
                _finish(load, run)
                after = _moment(run, counter)
                _note_kernel(bench.figures, tracer, before, after)
                run.stop()
                _note_user(bench, CPU_LIFE if tracer.connections else CPU, run,
                           after.cpu_ns - before.cpu_ns)
                bench.figures.add(ROWS, tracer.name, run.rows() / connections)
                _note_write(bench, run)


def paced_cost(bench: Bench, tracers: list[Tracer], connections: int, number: int) -> None:
    """CPU time for each row if processors have time to spare, as on most hosts.

    A reader that is woken for each row is then woken more often than under a load that keeps it
    from its processor.
    """
    for tracer in in_turn(tracers, number):
        if tracer.name in bench.not_run:
            continue
        with bench.attempt(tracer.name), \
                Load(bench.load, "-n", connections, "-w", PACE_US) as load, \
                Run(tracer, bench.scratch, batch=True) as run:
            before_ns = cpu_ns(run.pid)
            load.run()
            _finish(load, run)
            spent_ns = cpu_ns(run.pid) - before_ns
            run.stop()
            _note_user(bench, CPU_PACED, run, spent_ns)


def look_cost(bench: Bench, connections: int, number: int) -> None:
    """What `diagnose` and `export` cost, beside the cheapest command that can be left running.

    All processor time of the tool counts, including its looks at the sockets and its helper.
    """
    with bpf.stats(), bpf.Program(bench.objects / "empty.bpf.o", "empty") as counter:
        for tracer in in_turn([STAT, DIAGNOSE, EXPORT], number):
            with bench.attempt(tracer.name), Load(bench.load, "-n", connections) as load, \
                    Run(tracer, bench.scratch, batch=True) as run:
                before, before_ns = _moment(run, counter), cpu_ns_of_all(run.pid)
                load.run()
                after, after_ns = _moment(run, counter), cpu_ns_of_all(run.pid)
                _take_down(load)
                transitions = after.transitions - before.transitions
                spent_ns = sum((run_time - before.programs.get(program, bpf.RunTime())).ns
                               for program, run_time in after.programs.items())
                bench.figures.add(LOOK_KERNEL, tracer.name, spent_ns / transitions)
                bench.figures.add(LOOK_CPU, tracer.name, (after_ns - before_ns) / transitions)


def floor(bench: Bench, connections: int) -> None:
    """A lower limit for every tracer of all transitions."""
    with bpf.stats(), bpf.Program(bench.objects / "empty.bpf.o", "empty") as empty, \
            bpf.Program(bench.objects / "bare.bpf.o", "reserve") as reserve, \
            bpf.RingSink(reserve.map_fd("ring")), \
            Load(bench.load, "-n", connections) as load:
        load.run()
        for name, program in ((EMPTY, empty), (RESERVE, reserve)):
            run_time = program.run_time()
            _note_kernel_ns(bench.figures, name, run_time.ns / run_time.count, 1)


@dataclass(frozen=True)
class Rate:
    """The rate that the loads reached, and what each connection cost them and the tracer."""

    per_second: float
    cpu_ns: float


def _loads(bench: Bench, seconds: float) -> list[Result]:
    """Runs several short loads, since the rate of one depends on where its processes happen to run.
    """
    results = []
    for _ in range(LOADS_EACH):
        with Load(bench.load, "-t", seconds) as load:
            results.append(load.run())
            _take_down(load)
    return results


def _note_rate(figures: Figures, name: str, results: list[Result], tracer_cpu_ns: int) -> Rate:
    connections = max(sum(result.connections for result in results), 1)
    cpu_ns_of_loads = sum(result.cpu_seconds for result in results) * 1e9
    rate = Rate(statistics.median(result.connections / result.seconds for result in results),
                (cpu_ns_of_loads + tracer_cpu_ns) / connections)
    figures.add("connections/s", name, rate.per_second)
    figures.add("cpu us/connection, load and tracer", name, rate.cpu_ns / 1000)
    if failed := sum(result.failed for result in results):
        figures.add("connections failed", name, failed)
    return rate


def _note_lost(figures: Figures, run: Run, results: list[Result], where: str = "") -> None:
    rows = ENDS if run.tracer.connections else TRANSITIONS
    expected = sum(result.connections for result in results) * rows
    figures.add(f"rows due{where}", run.tracer.name, expected)
    figures.add(f"rows lost{where}", run.tracer.name, expected - run.rows_of_load())
    figures.add(f"rows lost{where}, by own account", run.tracer.name, run.lost_by_own_account())


def _untraced_rate(bench: Bench, seconds: float) -> Rate:
    return _note_rate(bench.figures, UNTRACED, _loads(bench, seconds), 0)


def _traced_rate(bench: Bench, tracer: Tracer, seconds: float, silent: bool) -> Rate:
    with Run(tracer, bench.scratch) as run:
        before = cpu_ns(run.pid)
        results = _loads(bench, seconds)
        run.wait_quiet(DRAIN_SECONDS)
        spent_ns = cpu_ns(run.pid) - before
        run.stop()
        if not silent:
            _note_lost(bench.figures, run, results)
        return _note_rate(bench.figures, tracer.name, results, spent_ns)


def rate(bench: Bench, tracers: list[Tracer], silent: list[Tracer], seconds: float,
         number: int) -> None:
    """Connections per second under each tracer and under none, and the rows that are missing.

    Each tracer is compared with the untraced loads just before and after it, since a busy host
    changes from one half minute to the next. For silent tracers no rows are counted.
    """
    before = _untraced_rate(bench, seconds)
    for tracer in in_turn([*tracers, *silent], number):
        if tracer.name in bench.not_run:
            continue
        with bench.attempt(tracer.name):
            traced = _traced_rate(bench, tracer, seconds, tracer in silent)
            after = _untraced_rate(bench, seconds)
            bench.figures.add(OF_UNTRACED, tracer.name,
                              2 * traced.per_second / (before.per_second + after.per_second))
            bench.figures.add("connections per cpu second, of untraced", tracer.name,
                              (before.cpu_ns + after.cpu_ns) / (2 * traced.cpu_ns))
            before = after


def long_run(bench: Bench, tracers: list[Tracer], seconds: float) -> None:
    """Rows lost at full speed, in a run longer than any buffer lasts."""
    for tracer in tracers:
        if tracer.name in bench.not_run:
            continue
        with bench.attempt(tracer.name), Load(bench.load, "-t", seconds) as load, \
                Run(tracer, bench.scratch) as run:
            result = load.run()
            _finish(load, run)
            run.stop()
            _note_lost(bench.figures, run, [result], " in the long run")
        bench.say(f"long run of {tracer.name} done")


def at_rest(bench: Bench, tracers: list[Tracer], seconds: float) -> None:
    """What a tracer has and does while the bench makes no connection, including its helpers.

    On an otherwise idle host, it is woken only by itself.
    """
    for tracer in tracers:
        if tracer.name in bench.not_run:
            continue
        with bench.attempt(tracer.name), Run(tracer, bench.scratch) as run:
            before = wakeups_of_all(run.pid)
            time.sleep(seconds)
            woken = wakeups_of_all(run.pid) - before
            processes = [run.pid, *children_of(run.pid)]
            bench.figures.add(REST_RESIDENT, tracer.name,
                              sum(map(resident_bytes, processes)) / 2**20)
            bench.figures.add(REST_MAPS, tracer.name, bpf.map_bytes_of(run.pid) / 2**20)
            bench.figures.add(REST_WAKEUPS, tracer.name, woken / seconds)


def memory(bench: Bench, tracers: list[Tracer], connections: int) -> None:
    """Memory of the tracer and of its maps, with this many live connections and without."""
    processes = -(-connections // SOCKETS_OF_A_PROCESS)
    for tracer in tracers:
        if tracer.name in bench.not_run:
            continue
        options = ("-k", "-n", connections, "-c", processes, "-s", processes)
        with bench.attempt(tracer.name), Load(bench.load, *options) as load, \
                Run(tracer, bench.scratch) as run:
            idle = bpf.map_bytes_of(run.pid)
            result = load.run()
            run.wait_quiet(DRAIN_SECONDS)
            live = bpf.map_bytes_of(run.pid)
            bench.figures.add("live sockets", tracer.name, 2 * result.connections)
            bench.figures.add("map bytes/live socket", tracer.name,
                              (live - idle) / (2 * result.connections))
            bench.figures.add("resident MiB with the live sockets", tracer.name,
                              resident_bytes(run.pid) / 2**20)
