# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The oracle: tools/traffic, and what it says must be seen."""

from __future__ import annotations

import contextlib
import json
import subprocess
from dataclasses import dataclass, replace
from typing import Any, Optional

from . import place
from .netns import Netns

# The path to the end of TIME_WAIT takes 60 to 75 s.
LIMIT_S = 180
CANNOT = 77

Bounds = Optional[tuple[int, int]]


class CannotPlay(Exception):
    """This host or kernel cannot play the scenario."""


@dataclass(frozen=True)
class Expectation:
    """What must be seen of one end; see tools/traffic/report.h."""

    scenario: str
    end: str
    connection: int
    pid: int
    comm: str
    uid: int
    netns: int
    family: str
    laddr: str
    lport: int
    raddr: str
    rport: int
    path: tuple[str, ...]
    at_ns: tuple[Bounds, ...]
    reason: str | None
    errno: str | None
    cookie: int | None = None

    @classmethod
    def parse(cls, line: str) -> Expectation:
        fields: dict[str, Any] = json.loads(line)
        fields["path"] = tuple(fields["path"])
        fields["at_ns"] = tuple(tuple(at) if at else None for at in fields["at_ns"])
        return cls(**fields)

    def steps(self) -> list[tuple[str, str]]:
        return list(zip(self.path, self.path[1:]))

    def awaited(self) -> int:
        """How many transitions were over when traffic ended; the others are still to come."""
        return sum(at is not None for at in self.at_ns) - 1

    def dwell_ns(self, index: int) -> Bounds:
        """How long it can have been in path[index]."""
        at = self.at_ns[index]
        left = self.at_ns[index + 1] if index + 1 < len(self.at_ns) else None
        if at is None or left is None:
            return None
        return max(0, left[0] - at[1]), left[1] - at[0]

    def as_seen_without(self, syn_recv: bool, timewait: bool) -> Expectation | None:
        """The expectation if requests or timewait sockets are not seen; None if nothing is seen.

        The tracepoint invents SYN_RECV when the last ACK comes. It reports CLOSE when the full
        socket gives way to a timewait socket: on entering TIME_WAIT, or, if its owner has closed it
        already, FIN_WAIT2.
        """
        seen: Expectation | None = self
        if timewait and seen:
            seen = seen._without_timewait_socket()
        if syn_recv and seen:
            seen = seen._without_request()
        return seen

    def _without_timewait_socket(self) -> Expectation:
        path, at, reason = list(self.path), list(self.at_ns), self.reason
        if "TIME_WAIT" in path:
            index = path.index("TIME_WAIT")
            gone = at[index]
            del path[index], at[index]
            # For an orphan, nobody knows the reason then.
            reason = "fin" if path[index - 1] == "CLOSING" else None
        elif path[-2:] == ["FIN_WAIT2", "CLOSE"]:
            index = len(path) - 1
            gone = at[index]
            # A socket with an owner stays a full socket, and ends as before.
            reason = reason if reason == "reset_received" else None
        else:
            return self
        before = at[index - 1]
        at[index] = (before[0], gone[1]) if before and gone else None
        return replace(self, path=tuple(path), at_ns=tuple(at), reason=reason)

    def _without_request(self) -> Expectation | None:
        if self.path[:2] != ("LISTEN", "SYN_RECV"):
            return self
        if self.path[2] == "CLOSE":
            return None
        sent, done = self.at_ns[1], self.at_ns[2]
        assert sent and done
        return replace(self, at_ns=(self.at_ns[0], (sent[0], done[1]), *self.at_ns[2:]))


def play(scenario: str, *arguments: str, netns: Netns | None = None) -> list[Expectation]:
    """Plays a scenario to its end, in netns or where the test runs."""
    argv = [place.traffic(), scenario, *arguments]
    done = subprocess.run(netns.argv(argv) if netns else argv, capture_output=True, text=True,
                          check=False, timeout=LIMIT_S)
    if done.returncode == CANNOT:
        raise CannotPlay(done.stderr.strip())
    assert done.returncode == 0, f"{' '.join(argv)}: status {done.returncode}: {done.stderr}"
    return [Expectation.parse(line) for line in done.stdout.splitlines()]


def scenarios() -> dict[str, str]:
    """Every scenario with its description in a line."""
    done = subprocess.run([place.traffic(), "list"], capture_output=True, text=True, check=True)
    return {name: about.strip()
            for name, _, about in (line.partition(" ") for line in done.stdout.splitlines())}


# The scenarios that take a second or more.
SLOW = {"simultaneous-open", "fastopen", "timed-out", "keepalive-timeout", "user-timeout",
        "slow-handshake", "syn-again", "handshake-timeout", "handshake-reset",
        "handshake-listener-closed", "accept-queue-full", "orphan-fin-wait2",
        "simultaneous-close", "fin-unanswered", "last-fin-unanswered"}


def play_all(connections: int, netns: Netns) -> int:
    """Plays all scenarios that end by themselves, the quick ones until there are so many
    connections. Returns how many ends were played."""
    names = [name for name in scenarios() if not name.startswith("timewait")]
    quick = [name for name in names if name not in SLOW]
    played = 0
    for name in names:
        times = 1 if name in SLOW else -(-connections // len(quick))
        with contextlib.suppress(CannotPlay):
            played += len(play(name, "--count", str(times), "--hold", "2", netns=netns))
    return played
