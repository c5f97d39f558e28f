# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""How long the machine stood still, which a test that checks times must allow for.

An emulated processor may stop for longer than what is measured; then a stamp from before is
compared with one from after. On each processor a thread sleeps for a moment, again and again, and
notes when it woke much later than it should have. Other machines get no such allowance.
"""

from __future__ import annotations

import os
import threading
import time

# tools/vm/run.py sets TCPDWELL_TEST_SCALE below 1 for emulated processors.
EMULATED = float(os.environ.get("TCPDWELL_TEST_SCALE", "1")) < 1
# A shorter stall may go unseen; tests allow for twice as much anyway.
STEP_NS = 5_000_000
WORTH_NOTING_NS = 1_000_000
# Something stamped at the end of a stall may be looked at a moment later.
NEAR_NS = 100_000_000

_stalls: list[tuple[int, int]] = []  # when it ended, how long it was


def _watch(cpu: int) -> None:
    os.sched_setaffinity(0, {cpu})  # of this thread
    while True:
        before_ns = time.monotonic_ns()
        time.sleep(STEP_NS / 1e9)
        now_ns = time.monotonic_ns()
        if now_ns - before_ns - STEP_NS > WORTH_NOTING_NS:
            _stalls.append((now_ns, now_ns - before_ns - STEP_NS))


def begin() -> None:
    """Watches, if this machine needs it."""
    if EMULATED:
        for cpu in os.sched_getaffinity(0):
            threading.Thread(target=_watch, args=(cpu,), daemon=True).start()


def worst_ns(from_ns: int, to_ns: int) -> int:
    """The longest stall in or near this time (CLOCK_MONOTONIC); 0 if nobody watches."""
    return max((long_ns for end_ns, long_ns in list(_stalls)
                if end_ns >= from_ns - NEAR_NS and end_ns - long_ns <= to_ns + NEAR_NS), default=0)
