# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the live tests say about rows that are false."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1] / "live"))

from harness.compare import falsehoods
from harness.traffic import Expectation

PATH = ("LISTEN", "SYN_RECV", "ESTABLISHED", "CLOSE_WAIT", "LAST_ACK", "CLOSE")
ACCEPTED = Expectation(
    scenario="passive-close", end="server", connection=0, pid=100, comm="server", uid=0, netns=1,
    family="inet", laddr="127.0.0.1", lport=80, raddr="127.0.0.1", rport=4000, path=PATH,
    at_ns=tuple((second * 10**9, second * 10**9 + 1000) for second in range(len(PATH))),
    reason="fin", errno=None)


def rows(**other: Any) -> list[dict[str, Any]]:
    """The rows of ACCEPTED, with other values in each of them."""
    steps = ACCEPTED.steps()
    return [{"from": before, "to": after, "mono_ns": second * 10**9, "dwell": "exact",
             "dwell_ns": 10**9 if second > 1 else None, "pid": 100, "comm": "server", "uid": 0,
             "owner": "accept", "lport": 80, "source": "sock", "errno": None,
             "reason": "fin" if second == len(steps) else None, **other}
            for second, (before, after) in enumerate(steps, 1)]


def test_nothing_is_false_about_what_was_seen() -> None:
    assert not falsehoods(rows(), ACCEPTED, 0)
    assert not falsehoods(rows(pid=None, comm=None, dwell="unknown", dwell_ns=None), ACCEPTED, 0)


def test_rows_without_their_birth_are_not_false() -> None:
    assert not falsehoods(rows()[1:], ACCEPTED, 0)


def test_what_is_false_in_each_row_is_told() -> None:
    """A view that expects other transitions finds less to say. It must not be taken for that."""
    found = falsehoods(rows(pid=7, comm="other"), ACCEPTED, 0)
    assert len([one for one in found if one.endswith("pid 7, not 100")]) == len(PATH) - 1, found
