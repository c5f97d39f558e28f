# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What commands that keep running use on a host where nothing happens."""

from __future__ import annotations

import contextlib
import re
import time
from pathlib import Path

import pytest

from harness.netns import Netns
from harness.plain import Running, filtered_to

# The ring has 16 MiB; only a part of it may be mapped at a time.
RESIDENT_KIB = 10 << 10


# In a second, at the most: a look at listeners for floods under SYN cookies, and one for timewait
# sockets that no hook tells of. A thread that is woken may wait a second time.
WAKES_PER_S = 4
QUIET_S = 5

# Those that look at all sockets do so at an interval, which is long here.
QUIET = {
    "trace": ["trace"], "life": ["life"], "stat": ["stat"],
    "stat by unit": ["stat", "--by", "unit"], "timewait": ["timewait"],
    "leaks": ["leaks", "--watch", "-i", "1h"],
    "diagnose": ["diagnose", "--watch", "-i", "1h"],
    "export": ["export", "--listen", "127.0.0.1:0", "-i", "1h"],
}


def wakes(pid: int) -> int:
    """How often its threads, and those of its helpers, gave up the processor to wait."""
    task = Path(f"/proc/{pid}/task")
    texts = [(thread / "status").read_text() for thread in task.iterdir()]
    children = (task / str(pid) / "children").read_text().split()
    return sum(int(re.findall(r"^voluntary_ctxt_switches:\s+(\d+)$", text, re.MULTILINE)[0])
               for text in texts) + sum(wakes(int(child)) for child in children)


def resident_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    found = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
    assert found
    return int(found[1])


@pytest.mark.every_kernel
@pytest.mark.parametrize("command", ["trace", "life", "stat", "timewait"])
def test_memory(command: str) -> None:
    """The memory of the start is given back, and the ring is not mapped as a whole."""
    with Running(command) as running:
        assert resident_kib(running.child.pid) <= RESIDENT_KIB


@pytest.mark.any_kernel
def test_nothing_wakes_it(netns: Netns) -> None:
    """All side by side, in a namespace that is theirs.

    What others do on the host may wake one in between: one quiet span will do.
    """
    with contextlib.ExitStack() as stack:
        running = {name: stack.enter_context(Running(*arguments, *filtered_to(netns)))
                   for name, arguments in QUIET.items()}
        time.sleep(2)
        least = dict.fromkeys(running, QUIET_S * 1000)
        deadline = time.monotonic() + 12 * QUIET_S
        while time.monotonic() < deadline and max(least.values()) > WAKES_PER_S * QUIET_S:
            before = {name: wakes(one.child.pid) for name, one in running.items()}
            time.sleep(QUIET_S)
            for name, one in running.items():
                least[name] = min(least[name], wakes(one.child.pid) - before[name])
    assert {name: count for name, count in least.items() if count > WAKES_PER_S * QUIET_S} == {}
