# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Compares the tracer's rows with what traffic says must be seen, row by row."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import Iterable

from . import stall
from .tracer import Row, Tracer, by_cookie, is_birth
from .traffic import Bounds, Expectation

# The tracepoint fires a moment before the state is stored, and a task may be preempted in between.
SLACK_NS = 2_000_000
# How the socket's owner is known, by what the end did first.
PROVENANCE = {
    ("CLOSE", "SYN_SENT"): {"connect"},
    ("CLOSE", "LISTEN"): {"listen"},
    ("LISTEN", "SYN_RECV"): {"listen", "accept"},
}
UNSPECIFIED = {None, "0.0.0.0", "::"}
# An identity of this size or more was made by the tracer, and is no cookie.
OWN_IDENTITY = 1 << 52


@dataclass(frozen=True)
class View:
    """How much of the state machine the tracer sees, and how well it keeps time."""

    syn_recv: bool = True
    timewait: bool = True
    slack_ns: int = SLACK_NS
    # For transitions of the timewait socket, which a timer may report only later.
    timewait_slack_ns: int = SLACK_NS
    # Whether the kernel lets the tracer ask for the cookies of sockets.
    asks_cookies: bool = True
    # Whether SYN cookies answer the SYN. Then nobody sees how long SYN_RECV lasts.
    syn_cookies: bool = False

    def knows_dwell(self, expectation: Expectation, index: int) -> bool:
        """False if the tracer must not claim to know the dwell in path[index]."""
        passive = expectation.path[:2] == ("LISTEN", "SYN_RECV")
        return not (passive and index == 1 and (self.syn_cookies or not self.syn_recv))

    def expects(self, expectation: Expectation) -> Expectation | None:
        return expectation.as_seen_without(not self.syn_recv, not self.timewait)


# ---- Which rows are this end's -------------------------------------------------------------------


def lives(rows: Iterable[Row]) -> list[list[Row]]:
    """The rows of each connection; a socket may have several connections one after another."""
    found: list[list[Row]] = []
    for chain in by_cookie(rows).values():
        life: list[Row] = []
        for row in chain:
            if is_birth(row) and life:
                found.append(life)
                life = []
            life.append(row)
        found.append(life)
    return found


def _address_fits(row: Row, expectation: Expectation) -> bool:
    if expectation.rport == 0:  # a listener has no peer
        return (row["lport"] == expectation.lport and row["laddr"] == expectation.laddr
                and row["rport"] in (None, 0) and row["raddr"] in UNSPECIFIED)
    ports = {None, 0} if expectation.lport == 0 else {None, expectation.lport}
    return (row["lport"] in ports and row["rport"] == expectation.rport
            and row["raddr"] == expectation.raddr
            and row["laddr"] in UNSPECIFIED | {expectation.laddr})


def _begins_within(row: Row, bounds: Bounds, slack_ns: int) -> bool:
    return bounds is None or bounds[0] - slack_ns <= row["mono_ns"] <= bounds[1] + slack_ns


def rows_of(rows: Iterable[Row], expectation: Expectation, slack_ns: int = SLACK_NS) -> list[Row]:
    """The rows of this end. Two connections with the same addresses and ports are told apart by
    time."""
    here = [row for row in rows if row["netns"] == expectation.netns]
    found = [life for life in lives(here)
             if all(_address_fits(row, expectation) for row in life)
             and any(row["lport"] == expectation.lport or not expectation.lport for row in life)]
    if len(found) > 1:
        found = [life for life in found
                 if _begins_within(life[0], expectation.at_ns[1], slack_ns)] or found
    return list(itertools.chain.from_iterable(found))


# ---- One row -------------------------------------------------------------------------------------


def _slack_ns(row: Row, view: View) -> int:
    slack_ns = view.timewait_slack_ns if row["source"] == "timewait_sock" else view.slack_ns
    return slack_ns + stall.worst_ns(row["mono_ns"], row["mono_ns"])


def _check_owner(row: Row, expectation: Expectation) -> Iterable[str]:
    for name in ("pid", "comm", "uid"):
        if row[name] != getattr(expectation, name):
            yield f"{name} {row[name]!r}, not {getattr(expectation, name)!r}"
    if row["owner"] not in PROVENANCE[expectation.path[:2]]:
        yield f"owner by {row['owner']}"


def _check_time(row: Row, expectation: Expectation, index: int, view: View) -> Iterable[str]:
    bounds, slack_ns = expectation.at_ns[index + 1], _slack_ns(row, view)
    if bounds and not bounds[0] - slack_ns <= row["mono_ns"] <= bounds[1] + slack_ns:
        yield (f"mono_ns {(row['mono_ns'] - bounds[0]) / 1e6:.3f} ms after its lower bound, "
               f"which the upper is {(bounds[1] - bounds[0]) / 1e6:.3f} ms")


def _check_dwell(row: Row, before: Row | None, expectation: Expectation, index: int,
                 view: View) -> Iterable[str]:
    """Checks all but the first row: what was before a connection's birth is not its dwell."""
    if before is None:
        return
    if not view.knows_dwell(expectation, index):
        if (row["dwell"], row["dwell_ns"]) != ("unknown", None):
            yield f"dwell {row['dwell']} {row['dwell_ns']}, not unknown"
        return
    if row["dwell"] != "exact" or row["dwell_ns"] is None:
        yield f"dwell {row['dwell']}, not exact"
        return
    since_ns = row["mono_ns"] - before["mono_ns"]
    if row["dwell_ns"] != since_ns:
        yield f"dwell {row['dwell_ns']}, but {since_ns} since the last row"
    bounds = expectation.dwell_ns(index)
    slack_ns = _slack_ns(before, view) + _slack_ns(row, view)
    if bounds and not bounds[0] - slack_ns <= row["dwell_ns"] <= bounds[1] + slack_ns:
        yield (f"dwell {row['dwell_ns'] / 1e6:.3f} ms, not "
               f"{bounds[0] / 1e6:.3f} to {bounds[1] / 1e6:.3f}")


def _reasons(row: Row, expectation: Expectation) -> set[str | None]:
    """The reasons that are allowed for this end: several if traffic and kernel leave it open."""
    if expectation.at_ns[-1] is None:
        # Nobody waited, and the namespace may have gone with the test.
        return {expectation.reason, "netns_gone"}
    if expectation.reason == "reset_sent" and row["source"] == "timewait_sock":
        # A timewait socket may answer by a reset and go, or go because of a reset that comes. Its
        # timer cannot tell these apart.
        return {"reset_sent", "reset_received"}
    return {expectation.reason} if expectation.reason else {row["reason"]}


def _check_end(row: Row, expectation: Expectation, last: bool) -> Iterable[str]:
    if not last:
        if row["reason"] is not None:
            yield f"reason {row['reason']} before the end"
        return
    if row["reason"] not in _reasons(row, expectation):
        yield f"reason {row['reason']}, not {expectation.reason}"
    if row["errno"] != expectation.errno:
        yield f"errno {row['errno']}, not {expectation.errno}"


def _check_identity(row: Row, first: Row, expectation: Expectation, view: View) -> Iterable[str]:
    if row["cookie"] != first["cookie"]:
        yield f"cookie {row['cookie']}, not {first['cookie']}"
    # The row of a request that goes out before there is a socket to ask has the tracer's own
    # identity, and passes it on.
    own = row["cookie"] >= OWN_IDENTITY
    if own and view.asks_cookies and expectation.path[0] != "LISTEN":
        yield f"cookie {row['cookie']} is none"
    if expectation.cookie and not own and row["cookie"] != expectation.cookie:
        yield f"cookie {row['cookie']}, the socket's is {expectation.cookie}"
    if row["family"] != expectation.family:
        yield f"family {row['family']}, not {expectation.family}"
    if row["to"] == "TIME_WAIT" or row["from"] == "TIME_WAIT":
        if row["source"] != "timewait_sock":
            yield f"source {row['source']}"


def check_rows(rows: list[Row], expectation: Expectation, view: View) -> list[str]:
    """What is wrong with each row; the longer of rows and path decides how many verdicts there are.
    """
    steps = expectation.steps()
    verdicts = []
    for index, row in enumerate(rows):
        wrong: list[str] = []
        if index >= len(steps):
            verdicts.append("too much")
            continue
        if (row["from"], row["to"]) != steps[index]:
            wrong.append("another transition")
        wrong += _check_owner(row, expectation)
        wrong += _check_time(row, expectation, index, view)
        wrong += _check_dwell(row, rows[index - 1] if index else None, expectation, index, view)
        wrong += _check_end(row, expectation, index == len(steps) - 1)
        wrong += _check_identity(row, rows[0], expectation, view)
        verdicts.append("; ".join(wrong))
    verdicts += ["missing"] * (expectation.awaited() - len(rows))
    return verdicts


def _check_partly(row: Row, expectation: Expectation, index: int, view: View) -> Iterable[str]:
    """What is false in a row that may say less than there is to say."""
    for name in ("pid", "comm", "uid"):
        if row[name] not in (None, getattr(expectation, name)):
            yield f"{name} {row[name]!r}, not {getattr(expectation, name)!r}"
    yield from _check_time(row, expectation, index, view)
    if row["reason"] and index < len(expectation.path) - 2:
        yield f"reason {row['reason']} before the end"
    elif row["reason"] not in {None} | _reasons(row, expectation):
        yield f"reason {row['reason']}, not {expectation.reason}"
    if row["errno"] not in (None, expectation.errno):
        yield f"errno {row['errno']}, not {expectation.errno}"
    bounds, slack_ns = expectation.dwell_ns(index) if index else None, 2 * _slack_ns(row, view)
    if bounds is None or row["dwell_ns"] is None:
        return
    low_ns = bounds[0] if row["dwell"] == "exact" else 0
    if not low_ns - slack_ns <= row["dwell_ns"] <= bounds[1] + slack_ns:
        yield (f"dwell {row['dwell']} {row['dwell_ns'] / 1e6:.3f} ms, not "
               f"{bounds[0] / 1e6:.3f} to {bounds[1] / 1e6:.3f}")


def falsehoods(rows: list[Row], expectation: Expectation, slack_ns: int) -> list[str]:
    """What is false about an end that was seen only in part, compared with the view that fits best.

    Rows at its end that nobody waited for may be missing, and what is unknown is unknown. A view
    whose transitions are not those of the rows fits worse than any other: the comparison ends there
    and says nothing about the rest.
    """
    found: list[tuple[bool, list[str]]] = []
    for syn_recv, timewait, birth in itertools.product((True, False), repeat=3):
        view = View(syn_recv, timewait, timewait_slack_ns=slack_ns)
        expected = view.expects(expectation)
        if expected is None:
            found.append((bool(rows), ["rows of what nobody saw"] if rows else []))
            continue
        if not birth and expected.path[:2] == ("LISTEN", "SYN_RECV"):
            expected = replace(expected, path=expected.path[1:], at_ns=expected.at_ns[1:])
        wrong: list[str] = []
        fits = True
        for index, (row, step) in enumerate(zip(rows, expected.steps())):
            if (row["from"], row["to"]) != step:
                wrong.append(f"{_show_row(row)}: not {step[0]} -> {step[1]}")
                fits = False
                break
            wrong += [f"{_show_row(row)}: {what}"
                      for what in _check_partly(row, expected, index, view)]
        if len(rows) > len(expected.steps()):
            wrong.append(f"too much: {_show_row(rows[-1])}")
        if len(rows) < expected.awaited():
            wrong.append(f"{expected.awaited() - len(rows)} rows are missing")
        found.append((not fits, wrong))
    return min(found, key=lambda view: (view[0], len(view[1])))[1]


# ---- The whole -----------------------------------------------------------------------------------


def _show_row(row: Row) -> str:
    dwell = "-" if row["dwell_ns"] is None else f"{row['dwell_ns'] / 1e6:.3f}ms"
    return (f"{row['from']} -> {row['to']} {dwell} {row['comm']}[{row['pid']}] "
            f"by {row['owner']} lport {row['lport']} {row['source']} "
            f"{row['reason'] or ''} {row['errno'] or ''}").rstrip()


def _show_step(expectation: Expectation, index: int) -> str:
    bounds = expectation.dwell_ns(index) if index else None
    dwell = f"{bounds[0] / 1e6:.3f}..{bounds[1] / 1e6:.3f}ms" if bounds else "-"
    return f"{expectation.path[index]} -> {expectation.path[index + 1]} {dwell}"


def side_by_side(rows: list[Row], expectation: Expectation, verdicts: list[str]) -> str:
    """What must be seen, what was seen, and what is wrong with it."""
    expected = [_show_step(expectation, index) for index in range(len(expectation.path) - 1)]
    seen = [_show_row(row) for row in rows]
    left = max(map(len, expected + ["must be seen"]))
    right = max(map(len, seen + ["seen"]))
    lines = [
        f"{expectation.scenario}: {expectation.end} {expectation.connection}, "
        f"{expectation.comm}[{expectation.pid}], {expectation.family} "
        f"{expectation.laddr}:{expectation.lport} {expectation.raddr}:{expectation.rport}, "
        f"netns {expectation.netns}, ends by {expectation.reason} {expectation.errno or ''}",
        f"  {'must be seen':{left}}  {'seen':{right}}",
    ]
    for one, other, wrong in itertools.zip_longest(expected, seen, verdicts, fillvalue=""):
        lines.append(f"{'!' if wrong else ' '} {one:{left}}  {other:{right}}  {wrong}".rstrip())
    return "\n".join(lines)


def assert_follows(tracer: Tracer, expectation: Expectation, view: View = View()) -> list[Row]:
    """Waits for the rows of this end, compares them, and returns them.

    Transitions that traffic did not wait for (the end of TIME_WAIT) may be missing.
    """
    expected = view.expects(expectation)
    if expected is None:
        assert not rows_of(tracer.all_rows(), expectation)
        return []
    try:
        tracer.wait_for(lambda rows: len(rows_of(rows, expected)) >= expected.awaited())
    except AssertionError:
        pass  # shown below, side by side
    rows = rows_of(tracer.all_rows(), expected)
    verdicts = check_rows(rows, expected, view)
    assert not any(verdicts), "\n" + side_by_side(rows, expected, verdicts)
    return rows
