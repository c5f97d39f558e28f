# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Whatever the kernel refuses costs what depends on it, and nothing else.

A run of each command without refusals shows what there is to refuse. Each of these calls is then
refused in turn. Several runs watch the same traffic side by side, and what they report is compared
with tools/traffic. That takes minutes: REFUSALS=some lets the errors take turns, REFUSALS=all tries
each error (`make refusals`, which prints the matrix); otherwise a few calls of each kind are tried.
"""

from __future__ import annotations

import itertools
import os
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatch
from functools import partial
from typing import Callable, Iterator, NamedTuple

import pytest

from harness import refusal
from harness.netns import Netns
from harness.refusal import Call
from harness.refused import (CANNOT, Diagnose, Exporting, Leaks, Life, Stat, Subject, Timewait,
                             Trace, start, stop_all, verdict)

AT_ONCE = 8
HOW_MANY = os.environ.get("REFUSALS", "few")
# Trying all errors takes minutes for a command, so each error has a test that can be run alone.
TURNS = refusal.ERRORS if HOW_MANY == "all" else ("in turn",)

# Without these there is nothing to report: the command may then refuse, with status 3 and the
# cause. They are the program at the tracepoint (its attachment has two ways), and the ring;
NEEDED = ["BPF_PROG_LOAD:inet_sock_set_state", "BPF_PROG_LOAD:inet_sock_set_s",
          "BPF_MAP_CREATE:ring", "mmap:ring",
          # what every program needs: loading itself, its types, its variables and constants;
          "BPF_PROG_LOAD", "BPF_BTF_LOAD", "BPF_MAP_CREATE", "mmap", "*:tcpdwell.bss",
          "BPF_MAP_CREATE:libbpf_global",  # libbpf's trial of those
          "BPF_MAP_UPDATE_ELEM", "BPF_MAP_FREEZE", "*:tcpdwell.rodata", "*:.rodata.*",
          # calls without a name, by which libbpf tries features or types;
          "BPF_PROG_LOAD:", "BPF_BTF_LOAD:",
          # the trial of a program, where it is not one of cookies;
          "BPF_PROG_LOAD:probe_plain",
          # and the working memory of a transition, of both kinds.
          "BPF_MAP_CREATE:workspaces*"]
# A command also needs what it is about.
NEEDED_BY = {
    "export": ["*:stat_even", "*:stat_odd", "*:stats*"],
    "life": ["*:lives", "*:connections"],
    "timewait": ["BPF_PROG_LOAD:probe_cookie", "BPF_PROG_LOAD:probe_atomic", "*:tw_slots",
                 "*:orphans", "*:parked", "*:timer_*", "*:flush*", "*:connections",
                 "BPF_PROG_TEST_RUN", "BPF_LINK_CREATE", "BPF_OBJ_GET_INFO_BY_FD"],
}

# Some calls of each kind, and each call whose refusal once made a row false.
FEW = {
    "trace": ["BPF_*:timer_start", "BPF_*:timer_cancel", "BPF_*:timer_expire_entry",
              "BPF_*:sys_exit_accept4", "perf_event_open", "BPF_*:flush*", "BPF_*:iter_*",
              "BPF_MAP_CREATE:connections", "BPF_MAP_CREATE:recent", "BPF_MAP_CREATE:requests",
              "BPF_MAP_CREATE:libbpf_*", "BPF_MAP_CREATE:counters", "BPF_MAP_CREATE:ring",
              "BPF_MAP_CREATE:workspaces",
              "BPF_*:inet_sock_set_state*", "BPF_[A-Z_]*E", "mmap*"],
    "stat": ["*BATCH*", "*:stats", "*:sweep_*", "BPF_PROG_TEST_RUN", "BPF_ITER_CREATE"],
    "life": ["*:lives", "*:sweep_*", "BPF_MAP_CREATE:recent", "BPF_ITER_CREATE"],
    "timewait": ["BPF_*:timer_cancel", "BPF_*:flush*", "BPF_*:orphans", "BPF_ITER_CREATE"],
    "leaks --watch": ["BPF_*:iter_*", "BPF_ITER_CREATE", "BPF_MAP_CREATE:connections",
                      "BPF_MAP_CREATE:stacks"],
    "diagnose": ["*:failed_calls", "*:iter_*", "BPF_PROG_LOAD:look_at_listener"],
    "export": ["*:carried", "*:stats", "BPF_MAP_CREATE:connections", "BPF_ITER_CREATE"],
}


class Refusal(NamedTuple):
    call: Call
    error: str

    def __str__(self) -> str:
        return f"{self.call}={self.error}"

    def rule(self) -> str:
        return self.call.rule(self.error)


def refusals(name: str, turn: str, *arguments: str) -> list[Refusal]:
    calls = refusal.calls_of(*arguments)
    if turn in refusal.ERRORS:
        return [Refusal(call, turn) for call in calls]
    # There are many calls without a name; a refused command covers all of them with one run.
    some = [call for call in calls if not call.number]
    if HOW_MANY == "few":
        some = [call for call in some
                if any(fnmatch(call.key, pattern) for pattern in FEW.get(name, ["*[A-Z]"]))]
    return [Refusal(call, error) for call, error in zip(some, itertools.cycle(refusal.ERRORS))]


def is_needed(name: str, call: Call, part: str = "") -> bool:
    """Of a call about nothing in particular, the part that was said to be refused tells."""
    if name == "diagnose":
        return False  # it looks without watching if nothing can be traced
    keys = [call.key] if call.key.partition(":")[2] else [call.key, f"BPF_MAP_CREATE:{part}"]
    return any(fnmatch(key, pattern) for key in keys
               for pattern in NEEDED + NEEDED_BY.get(name, []))


def show(matrix: dict[Refusal, str]) -> str:
    width = max(len(str(one)) for one in matrix)
    return "\n".join(f"{str(one):{width}}  {verdict}" for one, verdict in matrix.items())


def check(name: str, matrix: dict[Refusal, str]) -> None:
    print(f"\n{name}\n{show(matrix)}")
    wrong = {one: verdict for one, verdict in matrix.items() if verdict.startswith("WRONG")}
    assert not wrong, f"{name}: {len(wrong)} of {len(matrix)}:\n{show(wrong)}"


# ---- Commands that follow what happens -----------------------------------------------------------


def follow(netns: Netns, what: type[Subject], name: str, some: list[Refusal]) -> Iterator[str]:
    """Yields verdicts on runs that are refused something side by side, on the same traffic."""
    plain = what(netns, ())
    with ThreadPoolExecutor(AT_ONCE) as pool:
        runs = list(pool.map(
            lambda one: start(lambda: what(netns, (one.rule(),))), some))
    running = [run for run in runs if isinstance(run, Subject)]
    with what.stage(netns) as expectations:
        settling = [plain, *running] if what.each_settles else [plain]
        with ThreadPoolExecutor(len(settling)) as pool:
            list(pool.map(lambda run: run.settle(expectations), settling))
        status = dict(zip(map(id, [plain, *running]), stop_all([plain, *running])))
    assert plain.told(expectations), f"nothing to tell: {plain.said()}"
    for one, run in zip(some, runs):
        yield verdict(run, status.get(id(run), 0), plain, expectations,
                      partial(is_needed, name, one.call))


FOLLOWING = {"trace": Trace, "life": Life, "stat": Stat, "timewait": Timewait,
             "leaks --watch": Leaks, "diagnose": Diagnose, "export": Exporting}


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("name", FOLLOWING)
def test_what_follows(name: str, turn: str, make_netns: Callable[[], Netns]) -> None:
    """The command starts, reports nothing false, and names what is lost."""
    what = FOLLOWING[name]
    todo = refusals(name, turn, *what.arguments, "-d", what.length, "--netns", make_netns().path)
    matrix: dict[Refusal, str] = {}
    # What the scenarios before left in TIME_WAIT ends between the looks of who is compared.
    for begin in range(0, len(todo), AT_ONCE):
        some = todo[begin:begin + AT_ONCE]
        matrix.update(zip(some, follow(make_netns(), what, name, some)))
    # A busy machine may lose a row at any time: a run counts as wrong only if it is so twice.
    wrong = [one for one, verdict in matrix.items() if verdict.startswith("WRONG")]
    for begin in range(0, len(wrong), AT_ONCE):
        some = wrong[begin:begin + AT_ONCE]
        matrix.update(zip(some, follow(make_netns(), what, name, some)))
    check(name, matrix)


# ---- Commands that look once ---------------------------------------------------------------------


LOOKING = {"leaks": ["leaks"], "snapshot": ["snapshot"], "snapshot --sockets":
           ["snapshot", "--sockets"], "probe": ["probe"]}


def look(what: Refusal, name: str, arguments: list[str]) -> str:
    """Checks only the status: the commands' own tests check the output
    (test_refused_sockets.py)."""
    done = refusal.run([what.rule()], *arguments)
    if done.returncode == CANNOT and name == "probe" and is_needed("probe", what.call):
        return "exit 3"
    if done.returncode not in (0, 10):
        return f"WRONG: status {done.returncode}: {done.stderr.strip()[:160]}"
    return "said" if done.stderr.strip() else "as ever"


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("name", LOOKING)
def test_what_looks(name: str, turn: str, netns: Netns) -> None:
    arguments = LOOKING[name] + ([] if name == "probe" else ["--netns", netns.path])
    todo = refusals(name, turn, *arguments)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        verdicts = pool.map(lambda one: look(one, name, arguments), todo)
        check(name, dict(zip(todo, verdicts)))
