# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What is printed about a kernel's run when it ends."""

from __future__ import annotations

import sys
from pathlib import Path

import result
from fetch import Kernel
from guest import Outcome

LOG_TAIL_LINES = 25
# The number of tests that are named for one reason of failure; junit.xml has all.
NAMES = 5
# The status of timeout(1) for a program that it ended, and for one that it had to kill.
TIMED_OUT = (124, 137)
# A smaller difference between a guest's clock and ours is not mentioned: timed tests allow for 10
# ms.
DRIFT_LIMIT_S = 0.5


def print_log_tail(log: Path) -> None:
    """Show the end of a console's log."""
    text = log.read_text(encoding="utf-8", errors="replace")
    for line in text.splitlines()[-LOG_TAIL_LINES:]:
        print(f"    | {line}")


def describe(kernel: Kernel, outcome: Outcome) -> str:
    drift = ""
    if abs(outcome.drift_s) > DRIFT_LIMIT_S:
        drift = f", of which its clock made {outcome.drift_s:+.1f} s more"
    return (f"{kernel.name} ({kernel.release}, {kernel.package_version}; "
            f"boot {outcome.boot_s:.1f} s, in all {outcome.wall_s:.1f} s{drift})")


def count_tests(outcome: Outcome) -> tuple[result.Counts, str]:
    """The counts of a kernel's tests, and what went wrong with the run itself, if anything."""
    counts = result.read_junit(outcome.out / "junit.xml", outcome.out / "junit.again.xml")
    trouble = outcome.trouble
    if not trouble and outcome.status in TIMED_OUT:
        trouble = f"the tests did not end in time, in {result.read_log(outcome.log)[1]}"
    if not trouble and outcome.status not in (0, 1):
        trouble = f"pytest ended with status {outcome.status}"
    if not trouble and counts is None:
        trouble = "pytest left no results"
    if counts is None:
        counts, test = result.read_log(outcome.log)
        trouble += f", in {test}" if test else ""
    return counts, trouble


def report_tests(kernel: Kernel, outcome: Outcome) -> tuple[result.Counts, bool]:
    """Prints the result of a kernel's tests: the counts, and whether it counts as run."""
    counts, trouble = count_tests(outcome)
    if trouble:
        # A failure of the kernel itself counts in addition to those of the tests.
        counts = counts._replace(failed=counts.failed + 1)
        print_log_tail(outcome.log)
    print(f"{describe(kernel, outcome)}: {counts.passed} passed, {counts.failed} failed, "
          f"{counts.skipped} skipped")
    if trouble:
        print(f"    FAILED {trouble}")
    for reason, names in counts.failures:
        more = f" and {len(names) - NAMES} more" if len(names) > NAMES else ""
        print(f"    FAILED {', '.join(names[:NAMES])}{more}: {reason}")
    for name, reason in counts.retried:
        print(f"    passed at another try: {name}: {reason}")
    for reason, names in counts.skips:
        print(f"    skipped {len(names)}: {reason}")
    sys.stdout.flush()
    return counts, not trouble and counts.passed > 0


def report_command(kernel: Kernel, outcome: Outcome) -> bool:
    """Prints on standard error how the command went on a kernel; True if it went well."""
    status = outcome.trouble or f"status {outcome.status}"
    print(f"vm: {describe(kernel, outcome)}: {status}", file=sys.stderr, flush=True)
    if outcome.trouble:
        print_log_tail(outcome.log)
    return not outcome.trouble and outcome.status == 0
