# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Active closes whose peer is the test itself, and the rows that must come from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable

import pytest

from . import capability
from .peer import ACK, FIN, RST, Link, Peer
from .stage import Server, Stage, fields
from .tracer import Row
from .watch import (SLACK_NS, Watch, When, check_dwell, check_time, closed, now, same, show,
                    steps)

# How long a test keeps a state: far longer than a tracer may be off by.
HELD_S = 0.2
LIMIT_S = 20
ACTIVE = ["LISTEN", "SYN_RECV", "ESTABLISHED", "FIN_WAIT1", "FIN_WAIT2"]
TO_TIMEWAIT = [*ACTIVE, "TIME_WAIT"]
WHOLE = [*TO_TIMEWAIT, "CLOSE"]


@dataclass
class Close:
    """An active close: the connection, and when it entered each state."""

    server: Server
    peer: Peer
    at: dict[str, When] = field(default_factory=dict)
    shown_ns: dict[str, int] = field(default_factory=dict)
    says: dict[str, Any] = field(init=False)  # what all rows say, taken while the process exists

    def __post_init__(self) -> None:
        self.says = fields(self.server, self.peer)

    def wait(self, watch: Watch, until: Callable[[list[Row]], Any], number: int = 1,
             limit_s: float = LIMIT_S) -> list[Row]:
        return watch.wait(self.server.link.inode, self.server.port, self.peer.port, until, number,
                          limit_s)

    def shut(self, how: str) -> None:
        """Closes actively; how is what the process does."""
        before_ns = now()
        self.server.actor.run(how)
        self.at["FIN_WAIT1"] = When(before_ns, self.peer.expect(FIN | ACK).time_ns)

    def ack(self) -> None:
        """Acknowledges the FIN."""
        sent = self.peer.send(ACK)
        self.at["FIN_WAIT2"] = When(sent.before_ns, self.settled())

    def fin(self, flags: int = FIN | ACK) -> None:
        """Sends the peer's FIN; the ACK for it shows that it was taken in."""
        sent = self.peer.send(flags)
        self.at["TIME_WAIT"] = When(sent.before_ns, self.peer.expect(ACK).time_ns)

    def reset(self) -> None:
        """Ends TIME_WAIT, or whatever state it is in, by a reset in sequence."""
        sent = self.peer.send(RST | ACK)
        self.at["CLOSE"] = When(sent.before_ns, self.settled())

    def settled(self) -> int:
        """Returns a time at which all segments so far were taken in, since a later one was
        answered.

        A reset for a connection that does not exist comes for any segment except a reset.
        """
        probe = Peer(self.server.link, self.peer.version, self.peer.rport)
        probe.send(ACK)
        return probe.expect(RST).time_ns


def closer(stage: Stage, link: Link, family: str = "ipv4", name: str = "server") -> Close:
    """Makes an accepted connection."""
    server = stage.server(link, family, name=name)
    return Close(server, server.open())


def time_wait(close: Close) -> None:
    """Goes straight into TIME_WAIT, with no process that holds the socket."""
    close.shut("s.close()")
    close.fin()


def family_or_skip(family: str) -> None:
    if family != "ipv4" and not capability.ipv6():
        pytest.skip("no IPv6")


def check_times(chain: list[Row], close: Close, watch: Watch, flip: bool = False) -> None:
    """Checks that each state that the test timed was entered then, and left after as long as it
    lasted."""
    for before, row in zip(chain, chain[1:]):
        if row["to"] not in close.at:
            continue
        slack_ns = watch.tw_slack_ns if flip and "TIME_WAIT" in (row["to"], row["from"]) \
            else SLACK_NS
        check_time(row, close.at[row["to"]], slack_ns)
        if row["from"] in close.at:
            check_dwell(row, close.at[row["from"]], close.at[row["to"]], slack_ns)
        assert row["dwell_ns"] in (None, row["mono_ns"] - before["mono_ns"])


def ticks_ns() -> int:
    """Two jiffies, as a record has them: in units of 100 us, rounded up."""
    return -(-2 * capability.jiffy_ns() // 100_000) * 100_000


def check_timewait(chain: list[Row], close: Close, watch: Watch, flip: bool = False,
                   reason: str | set[str] = "timewait_reset", path: list[str] = WHOLE) -> None:
    """Checks the whole path, including the timewait socket's part, with the owner of the full
    socket."""
    assert steps(chain) == path, show(chain)
    same(chain, **close.says)
    check_times(chain, close, watch, flip)
    last = chain[-1]
    assert last["reason"] in ({reason} if isinstance(reason, str) else reason), show(chain)
    assert [row["reason"] for row in chain[:-1]] == [None] * (len(chain) - 1)
    for row in chain:
        timewait = "TIME_WAIT" in (row["from"], row["to"])
        assert (row["source"] == "timewait_sock") >= timewait, show(chain)
        if row["dwell"] != "exact":
            assert row["dwell_error_ns"] is None, show(chain)
        elif timewait and flip and watch.backend == "timer":
            # Told by an event, or found by the timer's expiry.
            assert row["dwell_error_ns"] in (0, ticks_ns()), (row["dwell_error_ns"], show(chain))
        else:
            assert row["dwell_error_ns"] == 0, show(chain)


def check_without(chain: list[Row], close: Close, orphan: bool) -> None:
    """Checks the tracepoint's own view: the full socket closes when the timewait socket takes over.
    """
    assert steps(chain) == [*ACTIVE, "CLOSE"], show(chain)
    same(chain, **close.says)
    assert {row["source"] for row in chain} <= {"tracepoint", "request_sock"}
    last = chain[-1]
    gone = close.at["FIN_WAIT2" if orphan else "TIME_WAIT"]
    check_time(last, gone, SLACK_NS)


def check_close(close: Close, watch: Watch, orphan: bool = False) -> None:
    """Checks what either kind of watch must see of a close through FIN_WAIT2 and TIME_WAIT."""
    chain = close.wait(watch, closed)
    if watch.timewait:
        check_timewait(chain, close, watch, flip=orphan)
    else:
        check_without(chain, close, orphan)
