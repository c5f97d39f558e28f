# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What tcpdwell is meant to reach. The bench says where it falls short; it fails nothing."""
import statistics
from dataclasses import dataclass

from figures import Figures
from measure import RESERVE
from tracer import CSV, JSON, NOTHING, STAT, TCPSTATES, TRACE


@dataclass(frozen=True)
class Target:
    name: str
    figure: str
    subject: str
    base: str | None  # what it is divided by, if anything
    reach: float
    at_least: bool = False  # the more the better

    def rounds(self, figures: Figures) -> list[float]:
        if self.base:
            return figures.ratios(self.figure, self.subject, self.base)
        return figures.of(self.figure, self.subject)

    def value(self, figures: Figures) -> float | None:
        """None where it was not measured."""
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
           TCPSTATES.name, 1 / 10),
    Target("kernel time of a transition, of the floor's", "kernel ns/transition", TRACE.name,
           RESERVE, 1.5),
    Target("kernel time of a transition, stat, of tcpstates'", "kernel ns/transition", STAT.name,
           TCPSTATES.name, 1 / 15),
    # None between reports; what there is comes from the polling of the timer backend.
    Target("CPU time of a transition, stat, of tcpstates' row", "cpu ns/row", STAT.name,
           TCPSTATES.name, 1 / 1000),
    Target("CPU time of a table row, of tcpstates'", "cpu ns/row", TRACE.name, TCPSTATES.name,
           1 / 12),
    Target("CPU time of a CSV row, of tcpstates' row", "cpu ns/row", CSV.name, TCPSTATES.name,
           1 / 12),
    Target("CPU time of a JSON row, of tcpstates' row", "cpu ns/row", JSON.name, TCPSTATES.name,
           1 / 8),
    Target("connections/s, of untraced", "connections/s, of untraced", TRACE.name, None, 0.95,
           at_least=True),
    Target("connections/s when nothing matches, of untraced", "connections/s, of untraced",
           NOTHING.name, None, 0.99, at_least=True),
    Target("rows lost in a round", "rows lost", TRACE.name, None, 0),
    Target("rows lost in the long run", "rows lost in the long run", TRACE.name, None, 0),
    Target("kernel memory of a live socket, bytes", "map bytes/live socket", TRACE.name, None,
           160),
    Target("resident memory with the live sockets, MiB", "resident MiB with the live sockets",
           TRACE.name, None, 64),
    Target("first row, 10000 sockets on the host, ms", "first row ms, 10000 sockets", TRACE.name,
           None, 250),
    Target("static binary, MiB", "static binary MiB", TRACE.name, None, 3),
]
