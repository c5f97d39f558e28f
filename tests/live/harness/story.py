# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Who must own each row, from what the processes themselves report that they did."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Iterable, NamedTuple, TypeVar

from .tracer import Row, Tracer, by_cookie

T = TypeVar("T")

# Full sockets reach one of these soon after both ends have closed; the rest is up to a timer.
ENDED = ("CLOSE", "TIME_WAIT")
HANDSHAKE = {("LISTEN", "SYN_RECV"), ("SYN_RECV", "ESTABLISHED")}
# Only close, shutdown and exit reach tcp_close_state().
BY_PROCESS = ("FIN_WAIT1", "LAST_ACK")


class Process(NamedTuple):
    """A process at some moment: exec changes the name."""

    pid: int
    comm: str


@dataclass
class Story:
    """What happened to one socket of a connection, as the processes report it.

    opened_by is the process that connected, or that holds the listener. accepted_by is None for a
    client. accepted_ns is a time at which accept() had returned. closed_by is the process that sent
    the FIN.
    """

    opened_by: Process | None
    accepted_by: Process | None
    closed_by: Process | None
    accepted_ns: int = 0
    # Other processes that may have opened it, if the kernel chose; none of them is wrong.
    or_opened_by: tuple[Process, ...] = ()

    @property
    def passive(self) -> bool:
        return self.accepted_by is not None

    def openers(self) -> set[tuple[Process | None, str | None]]:
        how = "listen" if self.passive else "connect"
        known = [one for one in (self.opened_by, *self.or_opened_by) if one]
        return {(one, how) for one in known} or {(None, None)}


def owner_of(row: Row) -> tuple[Process | None, str | None]:
    """The owner that the row names; (None, None) is unknown."""
    if row["owner"] is None and row["pid"] is None and row["comm"] is None:
        return None, None
    return Process(row["pid"], row["comm"]), row["owner"]


def _is_act(row: Row) -> bool:
    return row["to"] in BY_PROCESS or (row["to"] == "CLOSE" and row["reason"] == "reset_sent")


def expected_owners(chain: list[Row],
                    story: Story) -> list[set[tuple[Process | None, str | None]]]:
    """For each row of a connection, who may be named: usually one."""
    holder = story.accepted_by or story.opened_by
    how = "accept" if story.passive else "connect"
    found = []
    for row in chain:
        if story.passive and (row["from"], row["to"]) in HANDSHAKE:
            found.append(story.openers())
            continue
        if _is_act(row) and story.closed_by != holder:
            holder, how = story.closed_by, "close"
        allowed: set[tuple[Process | None, str | None]] = {(holder, how)}
        if story.passive and story.closed_by:
            # It may have been handed over by then; how the owner is known stays the same.
            allowed.add((story.closed_by, "accept"))
        if story.passive and how == "accept" and row["mono_ns"] <= story.accepted_ns:
            # accept() may not have taken it yet.
            allowed |= story.openers()
        found.append(allowed)
    return found


def show(row: Row) -> str:
    return (f"{row['from']} -> {row['to']} {row['comm']}[{row['pid']}] by {row['owner']} "
            f"{row['laddr']}:{row['lport']} {row['raddr']}:{row['rport']} {row['reason'] or ''}")


def wrong_rows(chain: list[Row], story: Story) -> list[str]:
    """Each row that has a wrong owner, with the right one."""
    return [f"{show(row)}: not {' or '.join(map(str, sorted(allowed, key=str)))}"
            for row, allowed in zip(chain, expected_owners(chain, story))
            if owner_of(row) not in allowed]


# ---- Chains of rows ------------------------------------------------------------------------------


class Name(NamedTuple):
    """Which connection: the client's port, and how many connections had it before."""

    port: int
    before: int = 0


def put(found: dict[Name, T], port: int, what: T) -> None:
    """Adds another connection of the client's port."""
    before = 0
    while Name(port, before) in found:
        before += 1
    found[Name(port, before)] = what


@dataclass
class Chains:
    """All rows of a namespace by connection; those of listeners are separate."""

    listeners: list[list[Row]] = field(default_factory=list)
    clients: dict[Name, list[Row]] = field(default_factory=dict)
    servers: dict[Name, list[Row]] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Iterable[Row]) -> Chains:
        chains = cls()
        # Rows that waited for something may be printed after those of a later connection.
        for chain in sorted(by_cookie(rows).values(), key=lambda chain: chain[0]["mono_ns"]):
            if any(row["to"] == "LISTEN" or (row["from"], row["to"]) == ("LISTEN", "CLOSE")
                   for row in chain):
                chains.listeners.append(chain)
            elif chain[0]["from"] == "CLOSE":
                put(chains.clients, next((row["lport"] for row in chain if row["lport"]), 0), chain)
            else:
                put(chains.servers, chain[0]["rport"], chain)
        return chains

    def ended(self) -> int:
        """How many connections are over, except for TIME_WAIT."""
        return sum(any(row["to"] in ENDED for row in chain)
                   for chain in (*self.clients.values(), *self.servers.values()))


def wait_ended(tracer: Tracer, number: int, limit_s: float = 60) -> Chains:
    """Waits until this many connections are over, and returns all chains by then."""
    tracer.wait_for(lambda rows: Chains.of(rows).ended() >= number, limit_s=limit_s,
                    what=f"{number} connections over")
    return Chains.of(tracer.all_rows())
