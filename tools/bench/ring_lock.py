# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the one lock of a ring costs: producers pinned to processors, on one ring and on one each.

They do nothing but produce, so each record meets the lock of all others: the worst there is. A
transition's record meets as many others as there are in the time that the lock is held.
"""
import contextlib
import os
import threading

import bpf
from measure import Bench

RECORDS = 60000  # of all producers in a burst; 120 bytes each, so that they fit the ring
FIGURE = "ns/record, producers at full speed"


def _burst(producers: list[tuple[int, bpf.Producer]]) -> float:
    """Nanoseconds a record takes a producer while all of them produce."""
    durations: list[float] = []
    barrier = threading.Barrier(len(producers))

    def run(cpu: int, producer: bpf.Producer) -> None:
        os.sched_setaffinity(0, {cpu})  # this thread alone
        barrier.wait()
        durations.append(producer.run(RECORDS // len(producers)))

    threads = [threading.Thread(target=run, args=pair) for pair in producers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for _, producer in producers:
        producer.empty()
    return sum(durations) / len(durations)


def ring_lock(bench: Bench, rounds: int) -> None:
    cpus = sorted(os.sched_getaffinity(0))
    counts = sorted({1, *(number for number in (2, 4, 8, 16, 32) if number < len(cpus)),
                     len(cpus)})
    with contextlib.ExitStack() as rings:
        each = [rings.enter_context(bpf.Producer(bench.objects / "produce.bpf.o", "produce"))
                for _ in cpus]
        for _ in range(rounds):
            for count in counts:
                shared = [(cpu, each[0]) for cpu in cpus[:count]]
                own = list(zip(cpus[:count], each))
                bench.figures.add(FIGURE, f"{count} on one ring", _burst(shared))
                if count > 1:
                    bench.figures.add(FIGURE, f"{count} on a ring each", _burst(own))
