# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Whatever the kernel refuses costs what hangs on it, and nothing else.

What there is to refuse is found out by a run of each command that is refused nothing. Each of it is
then refused in turn, several tracers side by side, and all of their rows are held against what
tools/traffic says. That takes minutes: REFUSALS=some has the errors take turns, REFUSALS=all tries
each (`make refusals`); else one command is tried.
"""

from __future__ import annotations

import itertools
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Iterator, NamedTuple

import pytest

from harness import capability, refusal, traffic as oracle
from harness.compare import SLACK_NS, falsehoods, rows_of
from harness.netns import Netns
from harness.refusal import Call
from harness.tracer import Tracer
from harness.traffic import Expectation

# Quick ones that all of what is attached has a part in.
SCENARIOS = ["active-close", "passive-close", "rst-from-client", "rst-unread-data", "refused",
             "process-exit", "data-after-close", "timewait-reused-by-syn", "timewait-reset",
             "handshake-reset", "handshake-listener-closed", "listener-closed-with-queue"]
AT_ONCE = 8
ALL = os.environ.get("REFUSALS") == "all"
long = pytest.mark.skipif("REFUSALS" not in os.environ, reason="takes minutes: `make refusals`")
# Without these there is nothing to tell: whoever asks for them may be told no, with status 3.
NEEDED = ("inet_sock_set_s", "ring", "BPF_PROG_LOAD", "BPF_MAP_CREATE", "BPF_RAW_TRACEPOINT_OPEN",
          "BPF_LINK_CREATE", "BPF_BTF_LOAD", "BPF_OBJ_GET_INFO_BY_FD", "BPF_MAP_UPDATE_ELEM",
          "mmap")
CANNOT = 3


class Refusal(NamedTuple):
    call: Call
    error: str

    def __str__(self) -> str:
        return f"{self.call}={self.error}"


def refusals(*arguments: str) -> list[Refusal]:
    calls = refusal.calls_of(*arguments)
    if ALL:
        return [Refusal(call, error) for call in calls for error in refusal.ERRORS]
    # What is of no name is many; all of it by its command, which the other commands make do with.
    some = [call for call in calls
            if not call.number and (arguments[0] == "trace" or ":" not in call.key)]
    return [Refusal(call, error) for call, error in zip(some, itertools.cycle(refusal.ERRORS))]


def is_needed(call: Call) -> bool:
    return any(word in call.key for word in NEEDED) if ":" not in call.key else \
        call.key.split(":")[1] in NEEDED or "inet_sock_set_s" in call.key


def play(netns: Netns) -> list[Expectation]:
    with ThreadPoolExecutor(len(SCENARIOS)) as pool:
        def one(name: str) -> list[Expectation]:
            try:
                return oracle.play(name, netns=netns)
            except oracle.CannotPlay:
                return []
        return list(itertools.chain.from_iterable(pool.map(one, SCENARIOS)))


def started(make: Callable[[], Tracer]) -> Tracer | str:
    """The tracer, or why it did not start."""
    try:
        return make()
    except AssertionError as why:
        return str(why)


def known(tracer: Tracer, expectations: list[Expectation]) -> int:
    """How much is told of these ends."""
    rows = tracer.all_rows()
    return sum(value is not None for one in expectations for row in rows_of(rows, one)
               for value in row.values())


def verdict(what: Refusal, tracer: Tracer | str, plain: Tracer,
            expectations: list[Expectation]) -> str:
    """One word, or what is wrong."""
    if isinstance(tracer, str):
        said = tracer.split("status ", 1)[-1]
        if said.startswith(f"{CANNOT}\n") and is_needed(what.call) and "tcpdwell: " in said:
            return "exit 3"
        return "WRONG: does not start: status " + " ".join(said.split())[:120]
    if tracer.status:
        return f"WRONG: status {tracer.status}"
    slack_ns = SLACK_NS + 2 * capability.jiffy_ns()
    rows = tracer.all_rows()
    wrong = [false for one in expectations
             for false in falsehoods(rows_of(rows, one), one, slack_ns)]
    if wrong:
        return f"WRONG: {len(wrong)} false: {wrong[0]}"
    warnings = set(tracer.errors) - set(plain.errors)
    less = known(tracer, expectations) < known(plain, expectations)
    told = [line for line in warnings if "seen " not in line]
    if less and not told:
        return "WRONG: tells less, and does not say so"
    return "less, said" if told else "as ever"


def rounds(netns: Netns, todo: list[Refusal], *arguments: str) -> Iterator[tuple[Refusal, str]]:
    for begin in range(0, len(todo), AT_ONCE):
        some = todo[begin:begin + AT_ONCE]
        plain = Tracer(*arguments, "--netns", netns.path, lossy=True, wrap=refusal.wrap())
        with ThreadPoolExecutor(AT_ONCE) as pool:
            tracers = list(pool.map(lambda one: started(lambda: Tracer(
                *arguments, "--netns", netns.path, lossy=True,
                wrap=refusal.wrap(one.call.rule(one.error)))), some))
        expectations = play(netns)
        plain.wait_for(lambda rows, wanted=expectations: all(
            len(rows_of(rows, one)) >= one.awaited() for one in wanted))
        for tracer in [plain, *(one for one in tracers if not isinstance(one, str))]:
            tracer.stop()
        for one, tracer in zip(some, tracers):
            yield one, verdict(one, tracer, plain, expectations)


def show(matrix: dict[Refusal, str]) -> str:
    width = max(len(str(one)) for one in matrix)
    return "\n".join(f"{str(one):{width}}  {verdict}" for one, verdict in matrix.items())


@long
@pytest.mark.xfail(strict=True, reason="a program or map that is refused still ends the tool")
def test_trace(netns: Netns) -> None:
    """It starts, says no word that is false, and names what is lost."""
    matrix = dict(rounds(netns, refusals("trace", "-d", "300ms", "--netns", netns.path)))
    print(show(matrix))
    wrong = {one: verdict for one, verdict in matrix.items() if verdict.startswith("WRONG")}
    assert not wrong, f"{len(wrong)} of {len(matrix)}:\n{show(wrong)}"


# ---- Commands that report at the end -------------------------------------------------------------


def run_one(what: Refusal, arguments: list[str], watches: bool) -> str:
    done = refusal.run([what.call.rule(what.error)], *arguments)
    if done.returncode == CANNOT and watches and is_needed(what.call):
        return "exit 3"
    if done.returncode not in (0, 10):
        return f"WRONG: status {done.returncode}: {done.stderr.strip()[:120]}"
    return "said" if "sock_diag" in done.stderr or "without" in done.stderr else "starts"


COMMANDS: dict[str, Any] = {
    "stat": ["stat", "-d", "200ms"],
    "timewait": ["timewait", "-d", "200ms"],
    "leaks --watch": ["leaks", "--watch", "-d", "200ms"],
    "leaks": ["leaks"],
    "snapshot": ["snapshot"],
    "probe": ["probe"],
}
NOT_YET = ("stat", "timewait", "leaks --watch", "probe")


@pytest.mark.parametrize("name", [
    pytest.param(name, marks=[long] * (name != "snapshot") + [pytest.mark.xfail(
        strict=True, reason="a program or map that is refused still ends the tool")]
        * (name in NOT_YET)) for name in COMMANDS])
def test_starts(name: str, netns: Netns) -> None:
    """And ends as it should: what it says then, the tests of each command hold."""
    arguments = COMMANDS[name] + ([] if name == "probe" else ["--netns", netns.path])
    todo = refusals(*arguments)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        matrix = dict(zip(todo, pool.map(
            lambda one: run_one(one, arguments, name not in ("leaks", "snapshot", "probe")), todo)))
    print(show(matrix))
    wrong = {one: verdict for one, verdict in matrix.items() if verdict.startswith("WRONG")}
    assert not wrong, f"{len(wrong)} of {len(matrix)}:\n{show(wrong)}"
