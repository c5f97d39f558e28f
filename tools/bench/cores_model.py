# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What processors that share something do to each other, on hosts with more of them than here.

Pure: durations in nanoseconds and numbers go in, rates and durations come out. What the bench has
measured on two processors is put in by cores.py.

A processor does something of its own for a while, then needs a lock, waits until those are done
that came before it, and holds it. The lock and what it guards are in the cache of who held it last:
from another processor they must come over, which takes longer from the other socket.
"""
import heapq
import math
import random
from collections.abc import Callable
from dataclasses import dataclass

SOCKETS = 2
USES = 20000  # of a lock in a simulation
SEED = 1
RATE_MAX = 1_000_000  # connections a second and core: more than any core manages
EXACT = 1.01  # a rate is found to a hundredth


@dataclass(frozen=True)
class Machine:
    """Processors, the same number on each socket, and how long a cache line takes between them."""

    processors: int
    near_ns: float  # within a socket
    far_ns: float  # from one socket to the other
    sockets: int = SOCKETS

    def line_ns(self, holder: int | None, taker: int) -> float:
        if holder is None or holder == taker:
            return 0
        return self.near_ns if holder % self.sockets == taker % self.sockets else self.far_ns

    def mean_line_ns(self) -> float:
        """The mean from any processor to any other one."""
        others = self.processors - 1
        if not others:
            return 0
        near = self.processors // self.sockets - 1
        return (near * self.near_ns + (others - near) * self.far_ns) / others


@dataclass(frozen=True)
class Lock:
    held_ns: float
    uses: float  # by each connection
    lines: float = 1  # that move one after the other if another held it last
    locks: int = 1  # each use takes any one of these


@dataclass(frozen=True)
class Result:
    per_second: float  # uses by all processors
    added_ns: float  # to each use, by waiting and by lines that move


def simulate(machine: Machine, lock: Lock, think_ns: float, uses: int = USES) -> Result:
    """Simulates a lock. @think_ns is the mean time on a processor between two uses, which come at
    random."""
    chance = random.Random(SEED)
    think: Callable[[], float] = lambda: chance.expovariate(1 / think_ns) if think_ns else 0
    asks = [(think(), processor) for processor in range(machine.processors)]
    heapq.heapify(asks)
    free, holder, added = [0.0] * lock.locks, [None] * lock.locks, 0.0
    for _ in range(uses):
        asked, processor = asks[0]
        which = chance.randrange(lock.locks) if lock.locks > 1 else 0
        done = (max(asked, free[which]) + lock.held_ns
                + lock.lines * machine.line_ns(holder[which], processor))
        free[which], holder[which] = done, processor
        added += done - asked - lock.held_ns
        heapq.heapreplace(asks, (done + think(), processor))
    return Result(uses * 1e9 / max(free), added / uses)


def saturation(machine: Machine, lock: Lock) -> float:
    """The connections a second and core at which each lock is always held."""
    each_ns = lock.held_ns + lock.lines * machine.mean_line_ns()
    return lock.locks * 1e9 / (each_ns * lock.uses * machine.processors)


def slowdown(machine: Machine, lock: Lock, rate: float) -> float:
    """The share of a processor's time that others' use of the lock costs, if each has @rate
    connections a second to make. At a share of 1, they take twice as long."""
    between_ns = 1e9 / (rate * lock.uses)
    added_ns = simulate(machine, lock, max(between_ns - lock.held_ns, 0)).added_ns
    return added_ns / between_ns


def rate_within(machine: Machine, lock: Lock, share: float) -> float:
    """The connections a second and core up to which no more than @share of its time is lost that
    way."""
    low, high = 1.0, float(RATE_MAX)
    if slowdown(machine, lock, high) <= share:
        return math.inf
    while high / low > EXACT:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if slowdown(machine, lock, middle) > share else (middle, high)
    return low


def at_full_speed(machine: Machine, lock: Lock, alone_ns: float) -> float:
    """How long a use takes each processor if all do nothing else; it takes @alone_ns if only one
    does."""
    result = simulate(machine, lock, max(alone_ns - lock.held_ns, 0))
    return machine.processors * 1e9 / result.per_second


def reader(processors: int, row_ns: float, rows: float) -> float:
    """The connections a second and core, with @rows each, that one thread keeps up with."""
    return 1e9 / (row_ns * rows * processors)


def look_ns(machine: Machine, lines: float) -> float:
    """How long it takes to read @lines that each processor has written."""
    return machine.processors * lines * machine.mean_line_ns()
