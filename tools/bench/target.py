# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What tcpdwell is meant to reach. The bench says where it falls short, and what bare programs at
the same hooks reach, which find out nothing. A target that is missed fails nothing."""
import statistics
from dataclasses import dataclass

from figures import Figures
from measure import (CPU, CPU_LIFE, CPU_PACED, KERNEL_LIFE, LOOK_KERNEL, OF_UNTRACED, RESERVE,
                     REST_MAPS, REST_RESIDENT, WRITE)
from owners import RIGHT
from tracer import (BARE, BARE_NOTHING, CSV, DIAGNOSE, EXPORT, JSON, LIFE, LIFE_JSON, NOTHING, STAT,
                    TCPLIFE, TCPSTATES, TRACE)


@dataclass(frozen=True)
class Target:
    name: str
    figure: str
    subject: str
    base: str | None  # what it is divided by, if anything
    reach: float
    at_least: bool = False  # more is better
    bare: str | None = None  # a subject that finds out nothing

    def rounds(self, figures: Figures) -> list[float]:
        if self.base:
            return figures.ratios(self.figure, self.subject, self.base)
        return figures.of(self.figure, self.subject)

    def bare_value(self, figures: Figures) -> float | None:
        """What the bare programs reach; for a row's CPU time, if they wrote as many bytes."""
        value = figures.median(self.figure, self.bare) if self.bare else None
        base = figures.median(self.figure, self.base) if self.base else 1
        if value is None or not base:
            return None
        if self.figure in (CPU, CPU_PACED):
            value += (figures.median(WRITE, self.subject) or 0) - figures.median(WRITE, self.bare)
        return value / base

    def write_value(self, figures: Figures) -> float | None:
        """The part of a row's CPU time that write() alone takes for as many bytes."""
        value = figures.median(WRITE, self.subject)
        base = figures.median(self.figure, self.base) if self.base else None
        if self.figure not in (CPU, CPU_PACED, CPU_LIFE) or value is None or not base:
            return None
        return value / base

    def value(self, figures: Figures) -> float | None:
        """The value; None if it was not measured."""
        rounds = self.rounds(figures)
        return statistics.median(rounds) if rounds else None

    def reached(self, value: float) -> bool:
        return value >= self.reach if self.at_least else value <= self.reach

    def shortfall(self, value: float) -> str:
        if self.reached(value):
            return "reached"
        if not self.reach:
            return "falls short"
        times = self.reach / value if self.at_least else value / self.reach
        return f"falls short, {times:.2f} times"


TARGETS = [
    Target("kernel time of a transition, of tcpstates'", "kernel ns/transition", TRACE.name,
           TCPSTATES.name, 1 / 10, bare=BARE.name),
    Target("kernel time of a transition, of the floor's", "kernel ns/transition", TRACE.name,
           RESERVE, 1.5, bare=BARE.name),
    Target("kernel time of a transition, stat, of tcpstates'", "kernel ns/transition", STAT.name,
           TCPSTATES.name, 1 / 15, bare=BARE_NOTHING.name),
    *(Target(f"kernel time of a transition, {tracer.name}, of stat's", LOOK_KERNEL, tracer.name,
             STAT.name, 1) for tracer in (DIAGNOSE, EXPORT)),
    Target("kernel time of a connection, life, of trace's", "kernel ns/transition", LIFE.name,
           TRACE.name, 0.6, bare=BARE_NOTHING.name),
    Target("kernel time of a connection, life, of tcplife's", KERNEL_LIFE, LIFE.name, TCPLIFE.name,
           1 / 4, bare=BARE_NOTHING.name),
    Target("CPU time of a table row, life, of tcplife's", CPU_LIFE, LIFE.name, TCPLIFE.name, 1 / 8),
    Target("CPU time of a JSON row, life, of tcplife's row", CPU_LIFE, LIFE_JSON.name, TCPLIFE.name,
           1 / 5),
    # There is none between reports, except for the polling of the timer backend.
    Target("CPU time of a transition, stat, of tcpstates' row", CPU, STAT.name,
           TCPSTATES.name, 1 / 1000),
    Target("CPU time of a table row, of tcpstates'", CPU, TRACE.name, TCPSTATES.name, 1 / 12,
           bare=BARE.name),
    Target("CPU time of a CSV row, of tcpstates' row", CPU, CSV.name, TCPSTATES.name, 1 / 12,
           bare=BARE.name),
    Target("CPU time of a JSON row, of tcpstates' row", CPU, JSON.name, TCPSTATES.name, 1 / 8,
           bare=BARE.name),
    Target("CPU time of a table row, with time to spare", CPU_PACED, TRACE.name, TCPSTATES.name,
           1 / 12, bare=BARE.name),
    Target("CPU time of a CSV row, with time to spare", CPU_PACED, CSV.name, TCPSTATES.name,
           1 / 12, bare=BARE.name),
    Target("CPU time of a JSON row, with time to spare", CPU_PACED, JSON.name, TCPSTATES.name,
           1 / 8, bare=BARE.name),
    Target("connections/s, of untraced", OF_UNTRACED, TRACE.name, None, 0.95, at_least=True,
           bare=BARE.name),
    Target("connections/s with life, of untraced", OF_UNTRACED, LIFE.name, None, 0.93,
           at_least=True, bare=BARE_NOTHING.name),
    Target("connections/s when nothing matches, of untraced", OF_UNTRACED, NOTHING.name, None,
           0.99, at_least=True, bare=BARE_NOTHING.name),
    Target("rows lost in a round", "rows lost", TRACE.name, None, 0),
    Target("rows lost in the long run", "rows lost in the long run", TRACE.name, None, 0),
    Target("rows of life lost in a round", "rows lost", LIFE.name, None, 0),
    Target("rows of life lost in the long run", "rows lost in the long run", LIFE.name, None, 0),
    Target("rows of life with the right process", RIGHT, LIFE.name, None, 1, at_least=True),
    Target("resident memory at rest, MiB", REST_RESIDENT, TRACE.name, None, 16),
    Target("memory of maps at rest, MiB", REST_MAPS, TRACE.name, None, 20),
    *(Target(f"resident memory at rest, {name}, MiB", REST_RESIDENT, f"tcpdwell {name}", None, 6)
      for name in ("stat", "timewait", "leaks --watch")),
    Target("memory of maps at rest, stat, MiB", REST_MAPS, STAT.name, None, 4),
    Target("kernel memory of a live socket, bytes", "map bytes/live socket", TRACE.name, None,
           160),
    Target("resident memory with the live sockets, MiB", "resident MiB with the live sockets",
           TRACE.name, None, 64),
    Target("first row, 10000 sockets on the host, ms", "first row ms, 10000 sockets", TRACE.name,
           None, 250),
    Target("static binary, MiB", "static binary MiB", TRACE.name, None, 3),
]
