# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""How soon rows come."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import statistics
import time
from typing import Callable

import pytest

from harness import within
from harness.netns import Netns
from harness.plain import Line, Running, filtered_to, patience
from harness.silence import SILENT, add_silence, begin_to_connect

pytestmark = pytest.mark.any_kernel

# A row may be this old when its reader has it.
PROMPT_NS = 100_000_000


def delay_ns(line: Line) -> int:
    """Returns the time from a row's transition to its reader."""
    return line.at_ns - json.loads(line.text)["mono_ns"]


def assert_prompt(delays_ns: list[int]) -> None:
    """The median is prompt; a busy machine alone may keep a reader waiting at times."""
    assert statistics.median(delays_ns) <= patience(PROMPT_NS), [ns / 1e6 for ns in delays_ns]


def test_rows_are_prompt_at_a_low_rate(netns: Netns) -> None:
    with within.listen(netns) as listener, Running("-o", "json", *filtered_to(netns)) as running:
        for _ in range(10):
            within.connect_and_reset(netns, listener)
            time.sleep(0.15)
        lines = running.wait_for_lines(60)
    assert_prompt([delay_ns(line) for line in lines])


@pytest.mark.parametrize("arguments", [[], ["-w"], ["-o", "csv"]], ids=str)
def test_rows_are_prompt_in_every_format(netns: Netns, arguments: list[str]) -> None:
    delays = []
    with Running(*arguments, *filtered_to(netns)) as running:
        for count in range(2, 7):
            time.sleep(0.1)
            at_ns = time.monotonic_ns()
            # The listener stays open, so it makes one row.
            within.make_socket(netns).listen()
            delays.append(running.wait_for_lines(count)[-1].at_ns - at_ns)
    assert_prompt(delays)


def beside_silence(netns: Netns) -> Running:
    """Starts a tracer of this namespace, and adds an address there at which nobody answers."""
    add_silence(netns)
    return Running("-o", "json", *filtered_to(netns))


@pytest.mark.parametrize("begin", [within.listen, begin_to_connect],
                         ids=["a listener", "nobody answers"])
def test_first_row_after_idling(make_netns: Callable[[], Netns],
                                begin: Callable[[Netns], socket.socket]) -> None:
    """The reader has been asleep for long, and the first row may be one that waits for its port.

    Three tracers, each of its own namespace, idle at the same time.
    """
    with contextlib.ExitStack() as stack:
        places = [make_netns() for _ in range(3)]
        tracers = [stack.enter_context(beside_silence(netns)) for netns in places]
        time.sleep(2)  # twice as long as the reader stays awake (IDLE_NS of user/run/trace.c)
        for netns, running in zip(places, tracers):
            stack.enter_context(begin(netns))
            running.wait_for_lines(1)
        assert_prompt([delay_ns(running.lines()[0]) for running in tracers])


def test_connection_attempt_that_nobody_answers_is_prompt(netns: Netns) -> None:
    delays = []
    with beside_silence(netns) as running:
        for count in range(1, 6):
            sock = begin_to_connect(netns)
            port = sock.getsockname()[1]
            line = running.wait_for_lines(2 * count - 1)[-1]
            row = json.loads(line.text)
            assert (row["from"], row["to"], row["lport"]) == ("CLOSE", "SYN_SENT", port)
            assert (row["raddr"], row["rport"], row["pid"]) == (SILENT, 9, os.getpid())
            delays.append(delay_ns(line))
            sock.close()
            running.wait_for_lines(2 * count)
    assert_prompt(delays)


def test_no_row_is_forgotten_as_the_reader_goes_to_sleep(make_netns: Callable[[], Netns]) -> None:
    """The reader stops looking about a second after the last row: a row that comes then is not
    lost.

    There are five tracers, each of its own namespace, because most of the test is waiting.
    """
    with contextlib.ExitStack() as stack:
        places = [make_netns() for _ in range(5)]
        tracers = [stack.enter_context(beside_silence(netns)) for netns in places]
        for first in (0, 5):
            with contextlib.ExitStack() as sockets:
                counts = [len(running.lines()) for running in tracers]
                turns = []
                for step, (netns, running) in enumerate(zip(places, tracers), first):
                    sockets.enter_context(within.listen(netns))
                    last = running.wait_for_lines(counts[step - first] + 1)[-1]
                    turns.append((last.at_ns + 930_000_000 + step * 12_000_000, netns))
                for wake_ns, netns in sorted(turns, key=lambda turn: turn[0]):
                    time.sleep(max(0, wake_ns - time.monotonic_ns()) / 1e9)
                    sockets.enter_context(begin_to_connect(netns))
                for count, running in zip(counts, tracers):
                    # No other row follows that would bring it along.
                    running.wait_for_lines(count + 2)
            for count, running in zip(counts, tracers):
                running.wait_for_lines(count + 4)


def test_header_does_not_wait_for_a_row(netns: Netns) -> None:
    for arguments in ([], ["-w"], ["-o", "csv"]):
        with Running(*arguments, *filtered_to(netns)) as running:
            assert len(running.wait_for_lines(1)) == 1
