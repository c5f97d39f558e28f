# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Tracers side by side, one for each backend, that watch the same connections.

So a test plays its traffic once, and compares what each backend saw of it with the same truth.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Callable, Iterable

import pytest

from . import capability, stall
from .tracer import ROWS_LIMIT_S, Row, Tracer

SEEING = ("fentry", "kprobe", "timer")  # those that see hidden states
BACKENDS = (*SEEING, "none")
# Every connection of these tests belongs to this user, whom nobody else is; the tracers see no
# others.
UID = 23457

# How far the tracer may be off from when a segment came or went.
SYN_RECV_SLACK_NS = 5_000_000
SLACK_NS = 10_000_000


@dataclass(frozen=True)
class When:
    """Something happened between these two times of CLOCK_MONOTONIC."""

    from_ns: int
    to_ns: int


@dataclass
class Watch:
    """One backend's view."""

    backend: str
    tracer: Tracer
    requests: bool = field(init=False)  # sees SYN_RECV before the handshake completes
    timewait: bool = field(init=False)  # sees TIME_WAIT
    by_peer: dict[tuple[int, int], list[Row]] = field(default_factory=dict)
    sorted: int = 0  # number of rows that are in by_peer

    def __post_init__(self) -> None:
        said = "".join(self.tracer.errors)
        self.requests = self.backend != "none" and "SYN_RECV is not seen" not in said
        self.timewait = self.backend != "none" and "TIME_WAIT is not seen" not in said

    @property
    def tw_slack_ns(self) -> int:
        """The slack for the moment that a timewait socket flips, which timers tell to two jiffies.
        """
        if self.backend == "timer":
            return max(SLACK_NS, 2 * capability.jiffy_ns())
        return SLACK_NS

    def require(self, requests: bool = False, timewait: bool = False) -> None:
        """Skips the test, by name, if this backend does not see what it is about."""
        if (requests and not self.requests) or (timewait and not self.timewait):
            pytest.skip(f"backend {self.backend}: "
                        + ("sees no hidden state" if self.backend == "none" else "not here"))

    @property
    def refused(self) -> bool:
        """Whether the kernel lets this backend see nothing."""
        return self.backend != "none" and not self.requests and not self.timewait

    def chains(self, netns: int, lport: int, rport: int,
               family: str | None = None) -> list[list[Row]]:
        """The connections between these ports so far, in the order of their first rows."""
        return self._chains(self.tracer.all_rows(), netns, lport, rport, family)

    def wait(self, netns: int, lport: int, rport: int,
             until: Callable[[list[Row]], Any], number: int = 1,
             limit_s: float = ROWS_LIMIT_S, family: str | None = None) -> list[Row]:
        """Waits until the rows of the number-th connection are as wanted, and returns them.

        Give a family if a test has connections of both; each family counts its own ports.
        """
        def found(rows: list[Row]) -> list[Row] | None:
            these = self._chains(rows, netns, lport, rport, family)
            return these[number - 1] if len(these) >= number and until(these[number - 1]) else None

        try:
            return list(self.tracer.wait_for(found, limit_s))
        except AssertionError:
            seen = "\n\n".join(map(show, self.chains(netns, lport, rport, family)))
            raise AssertionError(
                f"connection {number} of {lport} and {rport} by {self.backend}, not as wanted in "
                f"{limit_s} s:\n{seen}\n{''.join(self.tracer.errors)}") from None

    def _chains(self, rows: list[Row], netns: int, lport: int, rport: int,
                family: str | None) -> list[list[Row]]:
        """Does the same for rows, which only grow: each is sorted only once."""
        for row in rows[self.sorted:]:
            self.by_peer.setdefault((row["netns"], row["rport"]), []).append(row)
        self.sorted = max(self.sorted, len(rows))
        these = self.by_peer.get((netns, rport), [])
        return chains((row for row in these if family in (None, row["family"])),
                      netns, lport, rport)


def chains(rows: Iterable[Row], netns: int, lport: int, rport: int) -> list[list[Row]]:
    """The rows of each connection between these ports, in the order of their first rows."""
    found: dict[int, list[Row]] = {}
    for row in rows:
        if row["rport"] == rport and row["netns"] == netns and row["lport"] in (None, lport):
            found.setdefault(row["cookie"], []).append(row)
    return list(found.values())


def steps(chain: Iterable[Row]) -> list[str]:
    """The path of a chain: each state once."""
    rows = list(chain)
    return [rows[0]["from"], *(row["to"] for row in rows)] if rows else []


def closed(chain: list[Row]) -> bool:
    return chain[-1]["to"] == "CLOSE"


def row_to(chain: Iterable[Row], state: str) -> Row:
    found = [row for row in chain if row["to"] == state]
    assert len(found) == 1, f"{len(found)} rows to {state}: {show(chain)}"
    return found[0]


def row_from(chain: Iterable[Row], state: str) -> Row:
    found = [row for row in chain if row["from"] == state]
    assert len(found) == 1, f"{len(found)} rows from {state}: {show(chain)}"
    return found[0]


def show(chain: Iterable[Row]) -> str:
    return "\n".join(
        f"{row['mono_ns']} {row['from']} -> {row['to']} {row['dwell']} {row['dwell_ns']} "
        f"{row['source']} {row['reason']} {row['comm']}[{row['pid']}] {row['cookie']}"
        for row in chain)


def check_time(row: Row, when: When, slack_ns: int) -> None:
    """Checks that the transition was at that time."""
    early_ns, late_ns = when.from_ns - row["mono_ns"], row["mono_ns"] - when.to_ns
    slack_ns += stall.worst_ns(min(when.from_ns, row["mono_ns"]), max(when.to_ns, row["mono_ns"]))
    assert early_ns <= slack_ns and late_ns <= slack_ns, (
        f"{max(early_ns, late_ns) / 1e6:.3f} ms too {'early' if early_ns > late_ns else 'late'}, "
        f"allowed {slack_ns / 1e6:.3f}: {show([row])}")


def check_dwell(row: Row, since: When, until: When, slack_ns: int) -> None:
    """Checks that the dwell is exact, and that long."""
    assert row["dwell"] == "exact", show([row])
    least_ns, most_ns = until.from_ns - since.to_ns, until.to_ns - since.from_ns
    # Either end of the dwell may have been stamped during a stall.
    slack_ns += stall.worst_ns(since.from_ns, since.to_ns) + stall.worst_ns(until.from_ns,
                                                                            until.to_ns)
    assert least_ns - slack_ns <= row["dwell_ns"] <= most_ns + slack_ns, (
        f"not {least_ns / 1e6:.3f} to {most_ns / 1e6:.3f} ms, allowed {slack_ns / 1e6:.3f}: "
        f"{show([row])}")


def check_unknown_dwell(row: Row) -> None:
    assert (row["dwell"], row["dwell_ns"]) == ("unknown", None), show([row])


def same(chain: Iterable[Row], **fields: Any) -> None:
    """Checks that all rows have these values, and one identity."""
    rows = list(chain)
    assert len({row["cookie"] for row in rows}) == 1, show(rows)
    for row in rows:
        for name, value in fields.items():
            assert row[name] == value, f"{name} {row[name]!r}, not {value!r}: {show([row])}"


def watch_all(start: Callable[..., Tracer], *arguments: str) -> dict[str, Watch]:
    """Starts a tracer for each backend; start is the tests' factory of tracers."""
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        started = pool.map(lambda backend: start("--backend", backend, *arguments), BACKENDS)
        watches = {backend: Watch(backend, tracer) for backend, tracer in zip(BACKENDS, started)}
    for watch in watches.values():
        if watch.refused:
            watch.tracer.check()
    return watches


def now() -> int:
    return time.monotonic_ns()
