# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A tracer with too many rows to keep: they go to a file, and each is looked at once."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Callable, Iterator, NamedTuple

from . import place, process
from .tracer import READY, READY_LIMIT_S

SUMMARY = re.compile(r"seen (\d+) = printed (\d+) \+ filtered (\d+)(?: \+ folded (\d+))? "
                     r"\+ lost (\d+)")
MISSED = re.compile(r"^tcpdwell: (\d+) transitions or more were missed", re.MULTILINE)


class Line(NamedTuple):
    """The fields of a row that a test of many rows looks at."""

    cookie: int
    mono_ns: int
    before: str
    after: str
    dwell_ns: int | None
    pid: int | None
    reason: str
    source: str


class Stream:
    """tcpdwell -o csv into a file; ready when the constructor returns, ended by stop()."""

    def __init__(self, path: Path, *arguments: str) -> None:
        self.path = path
        self.said = path.with_suffix(".err")
        with open(path, "wb") as out, open(self.said, "wb") as err:
            self.child = subprocess.Popen([place.tcpdwell(), "-o", "csv", *arguments],
                                          stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        deadline = time.monotonic() + READY_LIMIT_S
        while not any(line.startswith(READY) for line in self.errors().splitlines()):
            assert self.child.poll() is None and time.monotonic() < deadline, self.errors()
            time.sleep(0.02)
        self.rows = self._follow()

    def errors(self) -> str:
        return self.said.read_text(encoding="utf-8")

    def _follow(self) -> Iterator[Line | None]:
        """Yields row by row; None where the file ends for now."""
        names: list[str] = []
        rest = ""
        with open(self.path, encoding="utf-8") as file:
            while True:
                rest += file.readline()
                if not rest.endswith("\n"):
                    yield None
                    continue
                fields, rest = rest[:-1].split(","), ""
                if not names:
                    names = fields
                    at = [names.index(name) for name in (
                        "cookie", "mono_ns", "from", "to", "dwell_ns", "pid", "reason", "source")]
                    continue
                cookie, mono, before, after, dwell, pid, reason, source = (fields[i] for i in at)
                yield Line(int(cookie), int(mono), before, after, int(dwell) if dwell else None,
                           int(pid) if pid else None, reason, source)

    def take(self, look: Callable[[Line], None]) -> int:
        """Looks at each row that has come since; returns their number."""
        number = 0
        for line in self.rows:
            if line is None:
                return number
            number += 1
            look(line)
        return number

    def stop(self) -> dict[str, int]:
        """Ends it; returns the account."""
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGINT)
        self.child.wait(process.LIMIT_S)
        found = SUMMARY.search(self.errors())
        assert self.child.returncode == 0 and found, self.errors()
        names = ("seen", "printed", "filtered", "folded", "lost")
        account = {name: int(value or 0) for name, value in zip(names, found.groups())}
        missed = MISSED.search(self.errors())
        return {**account, "missed": int(missed[1]) if missed else 0}

    def close(self) -> None:
        process.end(self.child)
        self.path.unlink(missing_ok=True)
