# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Where only ends are told, they are those of `trace`, which tells all."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from typing import Any, Callable

import pytest

from harness import place, traffic
from harness.netns import Netns
from harness.plain import filtered_to
from harness.scale import count

pytestmark = pytest.mark.every_kernel

Row = dict[str, Any]


def end_of(row: Row) -> tuple[Any, ...]:
    """What says how a connection ended, in the rows of both."""
    # Nobody can be named for a request that outlives its listener, if it is told at its end alone.
    outlives = row["from"] == "SYN_RECV" and row["reason"] == "listener_closed"
    return (row["lport"], row["rport"] or 0, row["from"], row["to"], row["reason"] or "",
            None if outlives else row["pid"] or 0)


def test_ends_are_those_of_trace(netns: Netns, tracer: Callable[..., Any]) -> None:
    trace = tracer(*filtered_to(netns))
    ends = netns.spawn([str(place.TOP / "build/tests/loader/ends")], stdin=subprocess.PIPE,
                       stdout=subprocess.PIPE, text=True)
    assert ends.stdout is not None and ends.stdout.readline() == "ready\n"
    assert traffic.play_all(count(200, 40), netns) > 0
    text, _ = ends.communicate("", timeout=120)
    *lines, last = text.splitlines()
    told = Counter(end_of(json.loads(line)) for line in lines)
    trace.stop()
    known = Counter(end_of(row) for row in trace.all_rows()
                    if row["to"] in ("CLOSE", "TIME_WAIT") and row["from"] != "TIME_WAIT")
    assert ends.returncode == 0 and known
    assert not told - known and not known - told, (told - known, known - told)
    account = json.loads(last)
    assert account["lost"] == 0 and account["emitted"] == len(lines)
    assert account["seen"] == account["emitted"] + account["filtered"]
