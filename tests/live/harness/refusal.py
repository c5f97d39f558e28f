# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A tcpdwell that the kernel refuses something: tests/live/shim/refuse.c stands in front of it."""

from __future__ import annotations

import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterable

import pytest

from . import place, process

ERRORS = ("EPERM", "EINVAL", "ENOMEM", "E2BIG", "EOPNOTSUPP")
SHIM = place.TOP / "build/tests/shim/refuse.so"


def program() -> str:
    """A binary that the shim can stand in front of: a static one preloads nothing."""
    path = place.tcpdwell()
    return path[:-len("-static")] if path.endswith("-static") else path


def shim() -> str:
    path = os.environ.get("TCPDWELL_SHIM", str(SHIM))
    for name in (path, program()):
        if not os.path.exists(name):
            pytest.skip(f"no {name}")
    return path


def environment(*rules: str, log: str | None = None, cost: str | None = None) -> dict[str, str]:
    """The environment of a process that is refused what the rules say."""
    added = {"LD_PRELOAD": shim(), "REFUSE": " ".join(rules)}
    if log:
        added["REFUSE_LOG"] = log
    if cost:
        added["REFUSE_COST"] = cost
    return {**os.environ, **added}


def wrap(*rules: str) -> Callable[[list[str]], list[str]]:
    """The wrapper for a Tracer or a Running."""
    return lambda argv: ["env", f"LD_PRELOAD={shim()}", f"REFUSE={' '.join(rules)}", program(),
                         *argv[1:]]


def run(rules: Iterable[str], *arguments: str, log: str | None = None,
        cost: str | None = None,
        before: Iterable[str] = ()) -> subprocess.CompletedProcess[str]:
    """Runs it to the end; @before are words before the command."""
    return subprocess.run([*before, program(), *arguments],
                          env=environment(*rules, log=log, cost=cost), capture_output=True,
                          text=True, check=False, stdin=subprocess.DEVNULL,
                          timeout=process.LIMIT_S)


@dataclass(frozen=True)
class Cost:
    """What loading a program took."""

    name: str
    instructions: int
    verified: int  # instructions that the verifier went through
    us: int  # of processor time


def costs_of(*arguments: str) -> list[Cost]:
    """The cost of each program that the command loads here, without libbpf's own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "costs")
        done = run((), *arguments, cost=str(path))
        assert done.returncode in (0, 10), done.stderr
        rows = [line.split() for line in path.read_text(encoding="ascii").splitlines()]
    return [Cost(row[0], *map(int, row[1:])) for row in rows if len(row) == 4]


@dataclass(frozen=True)
class Call:
    """Something to refuse: the key of a call, and which of these calls; 0: all."""

    key: str
    number: int = 0

    def rule(self, error: str) -> str:
        return f"{self.key}={error}" + (f"@{self.number}" if self.number else "")

    def __str__(self) -> str:
        return self.key + (f"@{self.number}" if self.number else "")


def calls_of(*arguments: str) -> list[Call]:
    """What the command asks the kernel for here, so that nothing must be listed by hand.

    Each bpf() command with each thing that it is about comes once. Calls about nothing in
    particular have one key for different kinds; of those the first ones come one by one.
    """
    with tempfile.TemporaryDirectory() as folder:
        log = str(Path(folder, "calls"))
        done = run((), *arguments, log=log)
        assert done.returncode in (0, 10), done.stderr
        keys = [line.split()[0] for line in Path(log).read_text("utf-8").splitlines()]
    found: dict[Call, None] = {}
    for key in sorted(set(keys)):
        command, _, name = key.partition(":")
        found[Call(command)] = None
        if command == "BPF_BTF_LOAD":
            continue  # a kernel without some kinds of types is older than those that are supported
        if name and name not in SHARED:
            found[Call(key)] = None
        else:
            for number in range(1, min(keys.count(key), NAMELESS_MAX) + 1):
                found[Call(key, number)] = None
    return list(found)


# Names that several programs share.
SHARED = ("symbol",)
NAMELESS_MAX = 12
