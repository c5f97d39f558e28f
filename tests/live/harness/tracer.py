# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A running tcpdwell whose JSON lines are read as they come."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from typing import Any, Callable, Iterable

from . import place, process, stall

Row = dict[str, Any]

READY = ("tracing", "tcpdwell: tracing")
# An emulated or overloaded processor takes many seconds to verify the programs.
READY_LIMIT_S = 120
# Rows are at most 100 ms old when they are written; the rest is for a busy machine.
ROWS_LIMIT_S = 5
STOP_LIMIT_S = 30
# Seen on 7.3, whose programs may lose their processor to another task: 1 of 224, 5 of 21 997.
MISSED_EMULATED, MISSED_EMULATED_OF = 5, 2_000
# A hardened kernel runs no program on top of a process that it protects (test_accounting.py).
MISSED_OF = 1_000_000
# A timewait socket's timer, plus the tick by which it may be late.
TIMEWAIT_NS = 60_010_000_000


class Tracer:
    """Starts with its first attribute, and is ready when the constructor returns.

    check() checks the accounting identity and the chain rule for all that was printed. Give
    chains=False if a filter leaves out rows of a connection, lossy=True if rows may be lost.
    """

    def __init__(self, *arguments: str, chains: bool = True, lossy: bool = False,
                 wrap: Callable[[list[str]], list[str]] = list) -> None:
        self.arguments = arguments
        self.chains = chains
        self.lossy = lossy
        self.status: int | None = None
        self.stopped_ns = 0
        self.summary: Row | None = None
        self.errors: list[str] = []
        self.checked = False
        self._rows: list[Row] = []
        self._news = threading.Condition()
        self._ready = threading.Event()
        self.child = subprocess.Popen(
            wrap([place.tcpdwell(), "-o", "json", *place.backend(), *arguments]),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        self._threads = [threading.Thread(target=read, daemon=True)
                         for read in (self._read_rows, self._read_errors)]
        for thread in self._threads:
            thread.start()
        self._await_ready()

    def _await_ready(self) -> None:
        deadline = time.monotonic() + READY_LIMIT_S
        while not self._ready.wait(timeout=0.05):
            if self.child.poll() is not None or time.monotonic() > deadline:
                status = self.child.poll()
                process.end(self.child)
                self.checked = True
                for thread in self._threads:
                    thread.join()
                raise AssertionError(
                    f"{' '.join(map(str, self.child.args))}: not ready, status {status}\n"
                    + "".join(self.errors))

    def _read_rows(self) -> None:
        assert self.child.stdout
        for line in self.child.stdout:
            try:
                row = json.loads(line)
            except ValueError:
                row = {"type": "not json", "line": line}
            with self._news:
                if row.get("type") == "summary":
                    self.summary = row
                else:
                    self._rows.append(row)
                self._news.notify_all()

    def _read_errors(self) -> None:
        assert self.child.stderr
        for line in self.child.stderr:
            self.errors.append(line)
            if line.startswith(READY):
                self._ready.set()

    # ---- What it printed -------------------------------------------------------------------------

    def all_rows(self) -> list[Row]:
        """The transitions so far, in the order in which they were printed."""
        with self._news:
            return list(self._rows)

    def rows(self, **match: Any) -> list[Row]:
        """The rows whose fields have these values; `from_` stands for `from`."""
        wanted = {name.rstrip("_"): value for name, value in match.items()}
        return [row for row in self.all_rows()
                if all(row.get(name) == value for name, value in wanted.items())]

    def wait_for(self, predicate: Callable[[list[Row]], Any], limit_s: float = ROWS_LIMIT_S,
                 what: str = "") -> Any:
        """Waits until predicate(rows) is true and returns that; fails with the rows if it never is.
        """
        deadline = time.monotonic() + limit_s
        with self._news:
            while True:
                found = predicate(self._rows)
                if found:
                    return found
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self._news.wait(timeout=left)
            last = "\n".join(map(str, self._rows[-20:]))
        raise AssertionError(f"not seen in {limit_s} s: {what or predicate}; last rows:\n{last}\n"
                             + "".join(self.errors))

    # ---- The end ---------------------------------------------------------------------------------

    def wait(self, limit_s: float = STOP_LIMIT_S) -> int:
        """Waits for it to end by itself; returns the exit status."""
        try:
            self.status = self.child.wait(timeout=limit_s)
        except subprocess.TimeoutExpired:
            process.end(self.child)
            raise AssertionError(f"did not end in {limit_s} s\n{''.join(self.errors)}") from None
        for thread in self._threads:
            thread.join(timeout=STOP_LIMIT_S)
        return self.status

    def stop(self) -> int:
        """Sends SIGINT and waits; returns the exit status. Does nothing the second time."""
        if self.status is None:
            self.stopped_ns = time.monotonic_ns()
            if self.child.poll() is None:
                self.child.send_signal(signal.SIGINT)
            self.wait()
        assert self.status is not None
        return self.status

    def close(self) -> None:
        """Stops and checks, unless the test did; never leaves a process behind."""
        try:
            if not self.checked:
                self.check()
        finally:
            process.end(self.child)

    def check(self) -> None:
        """Checks everything that holds for every run, whatever it traced."""
        self.checked = True
        status = self.stop()
        rows = self.all_rows()
        assert status == 0, f"status {status}\n{''.join(self.errors)}"
        assert self.summary, f"no summary\n{''.join(self.errors)}"
        assert not [row for row in rows if row["type"] != "transition"]
        overdue = count_overdue(rows, self.stopped_ns) if self.chains else 0
        check_account(self.summary, rows, self.lossy, overdue)
        if self.chains and not any(self.summary["lost"].values()) and not self.lossy:
            # An overdue socket may still exist: a segment that came has armed its timer again.
            check_chains(rows, max(0, self.summary.get("missed", 0) - overdue))


def check_account(summary: Row, rows: list[Row], lossy: bool = False, overdue: int = 0) -> None:
    """seen = printed + filtered + lost, and printed is what was printed.

    As many may be missed as ends of TIME_WAIT are @overdue, and hardly any more.
    """
    lost = sum(summary["lost"].values())
    # A separate term: rows that a flood folded into counts.
    folded = summary.get("folded", 0)
    assert summary["seen"] == summary["printed"] + summary["filtered"] + lost + folded, summary
    assert summary["printed"] == len(rows), summary
    # A transition is missed if the kernel does not run a program because it is running already. For
    # a few instructions neither of the two programs says that it runs; for an emulated processor
    # these take long.
    assert lossy or lost == 0, summary
    missed = summary.get("missed", 0)
    assert lossy or missed <= overdue + missed_at_most(summary["seen"]), (summary, overdue)


def missed_at_most(seen: int) -> int:
    """How many of seen transitions may be missed on this machine."""
    if stall.EMULATED:
        return max(MISSED_EMULATED, seen // MISSED_EMULATED_OF)
    return seen // MISSED_OF


def by_cookie(rows: Iterable[Row]) -> dict[int, list[Row]]:
    """The rows of each socket in the order in which they were printed."""
    sockets: dict[int, list[Row]] = {}
    for row in rows:
        sockets.setdefault(row["cookie"], []).append(row)
    return sockets


def is_birth(row: Row) -> bool:
    """Whether a connection begins here."""
    return row["from"] == "CLOSE" or (row["from"] == "LISTEN" and row["to"] != "CLOSE")


def count_overdue(rows: Iterable[Row], end_ns: int) -> int:
    """The number of TIME_WAITs that must have ended before @end_ns and have no row for it."""
    last = [chain[-1] for chain in by_cookie(rows).values()]
    return sum(row["to"] == "TIME_WAIT" and end_ns - row["mono_ns"] > TIMEWAIT_NS for row in last)


def check_chains(rows: Iterable[Row], missed: int = 0) -> None:
    """Time goes on, only a listener's child begins in LISTEN, and each from is the previous to,
    except for as many as are known to be missed.
    """
    broken, gaps = [], []
    for cookie, chain in by_cookie(rows).items():
        pairs = list(zip(chain, chain[1:]))
        wrong = [what for pair in pairs for what in _check_link(*pair)]
        if wrong:
            broken.append(f"cookie {cookie}: {'; '.join(wrong)}\n{show_chain(chain)}")
        gaps += [chain for before, row in pairs if row["from"] != before["to"]]
    assert not broken, "\n".join(broken[:10])
    assert len(gaps) <= missed, "\n\n".join(map(show_chain, gaps[:10]))


def _check_link(before: Row, row: Row) -> Iterable[str]:
    step = f"{row['from']} -> {row['to']}"
    if row["mono_ns"] < before["mono_ns"]:
        yield f"{step} goes back {(before['mono_ns'] - row['mono_ns']) / 1e6:.3f} ms in time"
    if row["from"] == "LISTEN" and row["to"] != "CLOSE":
        yield f"{step} is a birth, of a socket that was in {before['to']}"
    if row["netns"] != before["netns"]:
        yield f"{step} changes its namespace"


def show_chain(chain: list[Row]) -> str:
    """The rows of one socket, a line each, times in milliseconds since the first."""
    return "\n".join(
        f"  {(row['mono_ns'] - chain[0]['mono_ns']) / 1e6:12.3f} "
        f"{row['laddr']}:{row['lport']} {row['raddr']}:{row['rport']} "
        f"{row['from']} -> {row['to']} {row['source']} {row['reason'] or ''}".rstrip()
        for row in chain)
