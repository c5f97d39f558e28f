# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`tcpdwell leaks`, and a watch whose reports are read until one is as expected."""

from __future__ import annotations

import json
import subprocess
import time
from typing import Any, Callable, Iterator

from . import place, process
from .netns import Netns

# In these tests, a socket that stays this long is a leak.
OLDER = "200ms"
LIMIT_S = process.LIMIT_S / 2
Leak = dict[str, Any]


def command(netns: Netns, *arguments: str, program: str | None = None) -> list[str]:
    """The command for one namespace. Of an argument that is given twice, the later one counts."""
    return [program or place.tcpdwell(), "leaks", "--older", OLDER, "--netns", netns.path,
            *arguments]


class Watch:
    """A running `leaks --watch` that is ready."""

    def __init__(self, netns: Netns, *arguments: str, program: str | None = None) -> None:
        self.rest = ""  # output that stop() found unread
        self.child = subprocess.Popen(
            command(netns, "--watch", "-i", "300ms", "-d", f"{LIMIT_S:.0f}s", *place.backend(),
                    *arguments, program=program),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.child.stderr
        for line in self.child.stderr:
            if "tracing" in line:
                return
        raise AssertionError(f"not ready, status {self.child.wait()}")

    def wait_for(self, good: Callable[[Leak], bool]) -> Leak:
        """Waits for a good report; needs -o json."""
        assert self.child.stdout
        last = None
        deadline = time.monotonic() + LIMIT_S
        for line in self.child.stdout:
            last = json.loads(line)
            if good(last):
                return last
            assert time.monotonic() < deadline, last
        raise AssertionError(last)

    def wait_for_text(self, good: Callable[[str], bool]) -> str:
        assert self.child.stdout
        text = ""
        for line in self.child.stdout:
            text += line
            if good(text):
                return text
        raise AssertionError(text)

    def stop(self) -> int:
        self.child.terminate()
        self.rest, _ = self.child.communicate(timeout=process.LIMIT_S)
        return self.child.returncode


def watch(netns: Netns, *always: str) -> Iterator[Callable[..., Watch]]:
    """For a fixture: watch(argument, …) makes one that ends with the test."""
    made: list[Watch] = []

    def make(*arguments: str, program: str | None = None) -> Watch:
        made.append(Watch(netns, *always, *arguments, program=program))
        return made[-1]

    yield make
    for each in made:
        process.end(each.child)
