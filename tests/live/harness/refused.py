# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Commands that follow what happens, each started with something refused, and what is left then.

What is left is compared with the same command that is refused nothing and runs beside it, and with
an oracle if there is one. A command that tells less must have said so.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import socket
import time

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, ClassVar, Iterator

from . import capability, refusal, traffic as oracle, within
from .compare import SLACK_NS, falsehoods, rows_of
from .metrics import Export, Metrics
from .netns import Netns
from .plain import Running
from .sums import OPENING
from .tracer import Row, Tracer, check_account
from .traffic import Expectation

CANNOT = 3
# Time for rows to be written, and for two looks of a watch, on a busy machine.
LIMIT_S = 10


class Wrong(Exception):
    """Something is not as it must be."""


def words(errors: list[str]) -> list[str]:
    """What standard error says, without the account."""
    return [line for line in errors if not line.startswith("tcpdwell: seen ")]


# Quick scenarios in which all attached programs play a part.
SCENARIOS = ["active-close", "passive-close", "rst-from-client", "rst-unread-data", "refused",
             "process-exit", "data-after-close", "timewait-reused-by-syn", "timewait-reset",
             "handshake-reset", "handshake-listener-closed", "listener-closed-with-queue"]


def play(netns: Netns) -> list[Expectation]:
    with ThreadPoolExecutor(len(SCENARIOS)) as pool:
        def one(name: str) -> list[Expectation]:
            try:
                return oracle.play(name, netns=netns)
            except oracle.CannotPlay:
                return []
        return list(itertools.chain.from_iterable(pool.map(one, SCENARIOS)))


class Subject:
    """One run of a command. It is ready when the constructor returns; AssertionError: it did not
    start."""

    arguments: ClassVar[list[str]]
    # The length of the run that shows what there is to refuse.
    length: ClassVar[str] = "300ms"
    # Whether each run has to settle; otherwise one that is refused nothing is enough.
    each_settles: ClassVar[bool] = False

    @classmethod
    @contextlib.contextmanager
    def stage(cls, netns: Netns) -> Iterator[list[Expectation]]:
        """What happens during the runs, and what must be seen of it."""
        yield play(netns)

    def __init__(self, netns: Netns, rules: tuple[str, ...]) -> None:
        raise NotImplementedError

    def stop(self) -> int:
        """Ends it as Ctrl-C does; returns the exit status."""
        raise NotImplementedError

    def said(self) -> list[str]:
        raise NotImplementedError

    def settle(self, expectations: list[Expectation]) -> None:
        """Waits until it knows all that it will know."""

    def told(self, expectations: list[Expectation]) -> int:
        """How much it tells. Raises Wrong if something of it is false."""
        raise NotImplementedError


class Trace(Subject):
    arguments = ["trace"]
    # A process that closes its listener lets go of the descriptor first. Whoever looks in between
    # finds no holder of a request: not each of those that run side by side knows its owner.
    UNSURE = {"pid", "comm", "owner"}
    UNSURE_IN = "handshake-listener-closed"

    def __init__(self, netns: Netns, rules: tuple[str, ...]) -> None:
        self.tracer = Tracer("--netns", netns.path, lossy=True, wrap=refusal.wrap(*rules))

    def stop(self) -> int:
        return self.tracer.stop()

    def said(self) -> list[str]:
        return words(self.tracer.errors)

    def settle(self, expectations: list[Expectation]) -> None:
        def all_there(rows: list[Row]) -> bool:
            return all(len(rows_of(rows, one)) >= one.awaited() for one in expectations)
        self.tracer.wait_for(all_there, LIMIT_S)

    def told(self, expectations: list[Expectation]) -> int:
        rows = self.tracer.all_rows()
        assert self.tracer.summary
        check_account(self.tracer.summary, rows, lossy=True)
        slack_ns = SLACK_NS + 2 * capability.jiffy_ns()
        wrong = [false for one in expectations
                 for false in falsehoods(rows_of(rows, one), one, slack_ns)]
        if wrong:
            raise Wrong(f"{len(wrong)} false: {'; '.join(wrong[:4])}")
        return sum(value is not None for one in expectations for row in rows_of(rows, one)
                   for name, value in row.items()
                   if name not in self.UNSURE or one.scenario != self.UNSURE_IN)


class Reporter(Subject):
    """A run of a command that prints JSON reports."""

    more: ClassVar[list[str]] = []

    def __init__(self, netns: Netns, rules: tuple[str, ...], ready: bool = True) -> None:
        self.running = Running(*self.arguments, *self.more, "-o", "json", "--netns", netns.path,
                               wrap=refusal.wrap(*rules), ready=ready)

    def stop(self) -> int:
        return self.running.stop()

    def said(self) -> list[str]:
        return words(self.running.errors)

    def reports(self) -> list[dict[str, Any]]:
        return [json.loads(line.text) for line in self.running.lines()]


class Stat(Reporter):
    """Sums by state must add up to what was seen, and none may be higher than there was."""

    arguments = ["stat", "--by", "state"]

    def told(self, expectations: list[Expectation]) -> int:
        *reports, account = self.reports()
        if account["seen"] != (account["counted"] + account["undated"] + account["filtered"]
                               + sum(account["lost"].values())):
            raise Wrong(f"does not add up: {account}")
        counts = {group["state"]: group["count"] + group["at_least"]
                  for report in reports for group in report["groups"]}
        if sum(counts.values()) - counts.get("HANDSHAKE", 0) != account["counted"]:
            raise Wrong(f"{counts} of {account['counted']}")
        for state, count in counts.items():
            if state in OPENING:
                continue  # no more than left the states before
            left = sum(state in one.path[:-1] for one in expectations)
            if count > left:
                raise Wrong(f"{count} left {state}, not {left}")
        # What was seen in other namespaces meanwhile is filtered.
        return account["counted"] + account["undated"]


STATES = ["SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT1", "FIN_WAIT2", "CLOSE_WAIT",
          "LAST_ACK", "CLOSING", "TIME_WAIT"]


class Life(Reporter):
    """Lives: no more of an end than it had, for each state that it was in."""

    arguments = ["life"]

    def told(self, expectations: list[Expectation]) -> int:
        *rows, account = self.reports()
        check_account(account, rows, lossy=True)
        for row in rows:
            ends = [one for one in expectations if (row["lport"], row["rport"]) in
                    ((one.lport, one.rport), (None, one.rport))]
            visited = {state for state in STATES if row[state.lower()] is not None}
            if not any(visited <= {*one.path} for one in ends):
                raise Wrong(f"{sorted(visited)} of {[one.path for one in ends]}: {row}")
            if len([other for other in rows if key_of(other) == key_of(row)]) > len(ends):
                raise Wrong(f"{len(ends)} lives, and more rows like {row}")
        return sum(value is not None for row in rows for value in row.values())


def key_of(row: Row) -> tuple[Any, ...]:
    return row["laddr"], row["lport"], row["raddr"], row["rport"], row["open"]


class Timewait(Reporter):
    """As many as there were: each end of the scenarios that came to TIME_WAIT did so once."""

    arguments = ["timewait"]

    def told(self, expectations: list[Expectation]) -> int:
        report = next(one for one in self.reports() if one["type"] == "timewait")
        entered = sum("TIME_WAIT" in one.path for one in expectations)
        left = sum("TIME_WAIT" in one.path[:-1] and one.awaited() == len(one.path) - 1
                   for one in expectations)
        if report["entered"] > entered or report["left"] > left:
            raise Wrong(f"entered {report['entered']} of {entered}, left {report['left']} of "
                        f"{left}")
        # Of the runs before, in the same namespace, some may be there yet.
        old = report["now"] - report["entered"] + report["left"]
        if not 0 <= old <= report["at_start"]["left"]["count"]:
            raise Wrong(f"now {report['now']}: entered {report['entered']}, left {report['left']}, "
                        f"and {report['at_start']['left']['count']} at the start")
        return int(report["entered"] + report["left"])


class Exporting(Subject):
    """A page must show no more of anything than there was."""

    arguments = ["export", "-i", "1s", "--listen", "127.0.0.1:0"]
    length = "1500ms"
    each_settles = True
    COUNTERS = ["state_dwell_seconds_count", "handshake_seconds_count", "closes_total",
                "connect_failures_total", "resets_sent_total"]

    def __init__(self, netns: Netns, rules: tuple[str, ...]) -> None:
        self.export = Export("--netns", netns.path, wrap=refusal.wrap(*rules))
        self.page: Metrics | None = None

    def stop(self) -> int:
        return self.export.running.stop()

    def said(self) -> list[str]:
        # Each run has an address of its own.
        return [line for line in words(self.export.running.errors) if "metrics at" not in line]

    def settle(self, expectations: list[Expectation]) -> None:
        with contextlib.suppress(OSError):  # it has ended: verdict() says how
            self.page = self.export.look()

    def told(self, expectations: list[Expectation]) -> int:
        if not self.page:
            raise Wrong("no page")
        for state in STATES:
            count = self.page.sum("tcpdwell_state_dwell_seconds_count", state=state)
            left = sum(state in one.path[:-1] for one in expectations)
            if count > left:
                raise Wrong(f"{count} left {state}, not {left}")
        mine = [(labels, value) for name, labels, value in self.page.samples
                if name.removeprefix("tcpdwell_") in self.COUNTERS]
        return int(sum(value * (2 if labels.get("comm") else 1) for labels, value in mine))


class Leaks(Reporter):
    """The leak of this process is found, or it is said why not.

    What is told of its past hangs on how many looks there were, which differ by a run's start.
    """

    PAST = {"watched_ns", "growth_per_min", "only_grows", "closed", "close_median_ns",
            "fd_limit_in_s"}

    arguments = ["leaks", "--watch", "--stacks"]
    more = ["--older", "200ms", "-i", "300ms"]
    each_settles = True
    LEAKED = 3

    @classmethod
    @contextlib.contextmanager
    def stage(cls, netns: Netns) -> Iterator[list[Expectation]]:
        leaking = Leaking(netns)
        yield []
        leaking.close()

    def leak(self) -> dict[str, Any] | None:
        for one in reversed(self.reports()):
            if one.get("verdict") == "leaks" and one["pid"] in (os.getpid(), None):
                return one
        return None

    def settle(self, expectations: list[Expectation]) -> None:
        def found() -> bool:
            leak = self.leak()
            return bool(leak and leak["count"] == self.LEAKED)
        try:
            self.running.wait_for(found, LIMIT_S)
        except AssertionError:
            pass  # told() says so

    def told(self, expectations: list[Expectation]) -> int:
        others = [one for one in self.reports()
                  if "pid" in one and one["pid"] not in (os.getpid(), None)]
        if others:
            raise Wrong(f"not a leak: {others[0]}")
        leak = self.leak()
        if leak and leak["count"] > self.LEAKED:
            raise Wrong(f"{leak['count']} leaked, not {self.LEAKED}")
        return sum(value is not None for name, value in leak.items()
                   if name not in self.PAST) if leak else 0


class Leaking:
    """Connections that their peers closed, and this process did not."""

    def __init__(self, netns: Netns) -> None:
        self.open: list[socket.socket] = [within.listen(netns)]
        for _ in range(Leaks.LEAKED):
            pair = within.Pair(netns, self.open[0])
            self.open.append(pair.server)
            pair.client.close()

    def close(self) -> None:
        for sock in self.open:
            sock.close()


class Diagnose(Reporter):
    """What is wrong is found, and nothing else; or the run says what was not looked at."""

    arguments = ["diagnose", "--older", "1s"]
    more = ["-d", "1h"]
    # What it says where it looks and does not watch.
    LOOKS = "tcpdwell: looking, as nothing can be traced…"
    each_settles = True
    WRONG = {"close_wait_leak", "connect_failing"}

    @classmethod
    @contextlib.contextmanager
    def stage(cls, netns: Netns) -> Iterator[list[Expectation]]:
        leaking = Leaking(netns)
        # Half of them come before the leak is old enough, so neither finding has too much or too
        # little.
        for _ in range(10):
            with within.make_socket(netns) as refused:
                refused.connect_ex(("127.0.0.1", 1))
            time.sleep(0.2)
        yield []
        leaking.close()

    def __init__(self, netns: Netns, rules: tuple[str, ...]) -> None:
        super().__init__(netns, rules, ready=False)
        self.running.await_ready(self.LOOKS)

    def told(self, expectations: list[Expectation]) -> int:
        found = self.reports()
        for one in found:
            if one["id"] not in self.WRONG or one["pid"] not in (os.getpid(), None):
                raise Wrong(f"not so: {one}")
        return sum(value is not None for one in found for value in one.values())


def start(make: Callable[[], Subject]) -> Subject | str:
    """The run, or why there is none: its exit status and what it said."""
    try:
        return make()
    except AssertionError as why:
        found = re.search(r"status (-?\w+)(.*)", str(why), re.S)
        return f"{found[1]} {' '.join(found[2].split())}" if found else str(why)


def refused_name(said: str) -> str:
    """Of the program or map that it said was refused."""
    found = re.search(r"the kernel refuses ([\w.]+)", said)
    return found[1] if found else ""


def verdict(subject: Subject | str, status: int, plain: Subject, expectations: list[Expectation],
            needed: Callable[[str], bool]) -> str:
    """What a refusal costs in a word, or what is wrong.

    needed() is whether there is nothing to tell without the program or map of that name, or without
    what was refused.
    """
    if isinstance(subject, str):
        if (subject.startswith(f"{CANNOT} ") and "tcpdwell: " in subject
                and needed(refused_name(subject))):
            return "exit 3"
        return f"WRONG: does not start: status {subject[:160]}"
    if status not in (0, 10):
        return f"WRONG: status {status}: {' '.join(subject.said())[:160]}"
    try:
        less = subject.told(expectations) < plain.told(expectations)
    except (AssertionError, Wrong) as why:
        return f"WRONG: {' '.join(str(why).split())[:300]}"
    said = set(subject.said()) - set(plain.said())
    if less and not said:
        return "WRONG: tells less, and does not say so"
    return "less, said" if less else "said" if said else "as ever"


def stop_all(subjects: list[Subject]) -> list[int]:
    with ThreadPoolExecutor(len(subjects)) as pool:
        return list(pool.map(lambda one: one.stop(), subjects))


