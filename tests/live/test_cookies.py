# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""SYN cookies hold off a flood: no socket changes its state, and the tracer still reports it."""

from __future__ import annotations

import re
import socket
import time

import pytest

from harness import cookie_flood, place, process
from harness.netns import Netns
from harness.plain import Running

LINE = re.compile(r"SYN cookies: (?:\d+/s by )?127\.0\.0\.1:8080, (\d+) (\S+), netns (\d+)")


def await_rest(pid: int) -> None:
    """Waits until nothing has woken the tracer for longer than it takes to look at listeners."""
    before, deadline = -1, time.monotonic() + process.LIMIT_S
    while (now := process.wakes(pid)) != before:
        assert time.monotonic() < deadline
        before = now
        time.sleep(1.5)


def told(netns: Netns, command: str, rested: bool) -> re.Match[str]:
    """Floods the listener until the tracer reports SYN cookies.

    @rested: once the tracer looks at listeners no more.
    """
    with Running(command, "--netns", netns.path, *place.backend()) as tracer:
        if rested:
            await_rest(tracer.child.pid)
        cookie_flood.flood(netns, lambda: "SYN cookies" in tracer.said())
        match = LINE.search(tracer.said())
    assert match
    return match


@pytest.mark.every_kernel
@pytest.mark.parametrize(("command", "rested"), [("trace", False), ("stat", True)])
def test_flood(netns: Netns, command: str, rested: bool) -> None:
    cookie_flood.prepare(netns)
    with cookie_flood.serving(netns) as server:
        match = told(netns, command, rested)
    # `ip netns exec` becomes the server.
    assert (int(match[1]), int(match[3])) == (server.pid, netns.inode)


def test_always_is_no_flood(netns: Netns) -> None:
    """With tcp_syncookies=2 ordinary connections get cookies, and nothing is said about them."""
    cookie_flood.prepare(netns, 2)
    address = ("127.0.0.1", cookie_flood.PORT)
    with netns.inside(lambda: socket.create_server(address, backlog=512)) as listener, \
            Running("-o", "json", "--netns", netns.path, *place.backend()) as tracer:
        deadline = time.monotonic() + 4
        while time.monotonic() < deadline:
            with netns.inside(lambda: socket.create_connection(address)):
                listener.accept()[0].close()
        assert tracer.stop() == 0
        assert len(tracer.lines()) > 100
        assert "cookies" not in tracer.said()
