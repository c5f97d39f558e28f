# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What a filtered tracer must print, computed from what an unfiltered one printed meanwhile."""

from __future__ import annotations

from typing import Callable, Iterable, Iterator

from . import capability, stall
from .story import show
from .tracer import Row, by_cookie

Ends = tuple[object, ...]

# Two tracers read the clock one after the other.
CLOCKS_NS = 20_000_000
# All fields except identity and time, which differ between tracers.
SAME = ("from", "to", "family", "laddr", "lport", "raddr", "rport", "pid", "comm", "uid", "cgroup",
        "owner", "reason", "errno", "source", "dwell")
# A transition while accept() returns may be before it for one tracer, and after it for another.
ACCEPTING = {"listen", "accept"}


def from_owner(chain: list[Row], wanted: Callable[[Row], bool]) -> list[Row]:
    """What an owner filter shows: the connection from the first row on that has a wanted owner.

    Its rows before accept wait for accept(), and then belong to the acceptor. So does the socket's
    user if the end of the system call tells; fexit and kprobes come before the user changes.
    """
    taken = next((index for index, row in enumerate(chain) if row["owner"] == "accept"), None)
    if taken is not None and chain[0]["from"] == "LISTEN":
        names = ["pid", "comm", "owner"]
        if capability.backend("accept_owner") == "syscall":
            names.append("uid")
        whose = {name: chain[taken][name] for name in names}
        chain = [{**row, **whose} for row in chain[:taken]] + chain[taken:]
    first = next((index for index, row in enumerate(chain) if wanted(row)), len(chain))
    return chain[first:]


def _ends_of(chain: list[Row]) -> Ends:
    row = next((row for row in chain if row["lport"]), chain[-1])
    return tuple(row[name] for name in ("netns", "laddr", "lport", "raddr", "rport"))


def connections(rows: Iterable[Row]) -> dict[Ends, list[Row]]:
    """By address, since cookies are the tracer's own if the kernel gives none.

    The end of TIME_WAIT is left out, because its timer runs on when the traffic is over.
    """
    found: dict[Ends, list[Row]] = {}
    for chain in by_cookie(rows).values():
        found.setdefault(_ends_of(chain), []).extend(chain)
    return {ends: [row for row in sorted(chain, key=lambda row: row["mono_ns"])
                   if row["from"] != "TIME_WAIT"] for ends, chain in found.items()}


def _is_same(one: Row, other: Row) -> bool:
    unlike = [name for name in SAME if one[name] != other[name]]
    if unlike and (unlike != ["owner"] or {one["owner"], other["owner"]} != ACCEPTING):
        return False
    if one["dwell_ns"] is None or other["dwell_ns"] is None:
        return one["dwell_ns"] is other["dwell_ns"]
    # One tracer may have stamped either end of the dwell before a stall, the other one after it.
    apart_ns = CLOCKS_NS + sum(stall.worst_ns(at_ns, at_ns) for at_ns in (
        one["mono_ns"] - one["dwell_ns"], one["mono_ns"]))
    return abs(one["dwell_ns"] - other["dwell_ns"]) <= apart_ns


def _differing(wanted: Row, got: Row) -> str:
    return ", ".join(f"{name} {got[name]!r}, not {wanted[name]!r}"
                     for name in (*SAME, "dwell_ns") if got[name] != wanted[name])


def differences(wanted: list[Row], got: list[Row]) -> Iterator[str]:
    """The differences of one connection."""
    for index in range(max(len(wanted), len(got))):
        if index >= len(got):
            yield f"missing: {show(wanted[index])}"
        elif index >= len(wanted):
            yield f"too much: {show(got[index])}"
        elif not _is_same(wanted[index], got[index]):
            yield f"{show(got[index])}: {_differing(wanted[index], got[index])}"


def compare(oracle: dict[Ends, list[Row]], printed: dict[Ends, list[Row]],
            select: Callable[[list[Row]], list[Row]]) -> int:
    """Asserts that the output is what select() takes of each connection; returns the number of
    rows."""
    wrong: list[str] = []
    number = 0
    for ends in oracle.keys() | printed.keys():
        wanted = select(oracle.get(ends, []))
        number += len(wanted)
        wrong += differences(wanted, printed.get(ends, []))
    assert not wrong, f"{len(wrong)} wrong, {number} rows are wanted:\n" + "\n".join(wrong[:20])
    return number
