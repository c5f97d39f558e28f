# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`tcpdwell export`: local ports, and what is found wrong."""

from __future__ import annotations

import contextlib

import pytest

from harness import within
from harness.metrics import LIMIT_S, export
from harness.netns import Netns

pytestmark = pytest.mark.any_kernel


def test_local_ports_and_findings(netns: Netns) -> None:
    """45 of 50 ports are in use to one destination; sockets that are only bound use none."""
    netns.sysctl("net/ipv4/ip_local_port_range", "40000 40049")
    with export(netns) as running, within.listen(netns) as listener, \
            contextlib.ExitStack() as stack:
        pairs = [within.Pair(netns, listener) for _ in range(40)]
        for _ in range(3):
            stack.enter_context(within.make_socket(netns)).bind(("127.0.0.1", 0))
        before = running.look()
        pairs += [within.Pair(netns, listener) for _ in range(5)]
        got = running.look()
        destination = "127.0.0.1:%d" % listener.getsockname()[1]
        for pair in pairs:
            pair.close()
    used, left = "tcpdwell_local_ports_used_ratio", "tcpdwell_local_ports_seconds_left"
    assert before.find(used, destination=destination) == [0.8]
    assert got.find(used, destination=destination) == [0.9]
    assert got.labels(used, "destination") == {destination}
    # 5 of 10 went between two looks a second apart, or two seconds where a machine stalls.
    assert all(0 < value < LIMIT_S for value in got.find(left))
    assert got.sum("tcpdwell_findings", id="ports_exhausted") >= 1


def test_local_ports_that_bind_took(netns: Netns) -> None:
    """Ports that bind() took are closed to all destinations."""
    netns.sysctl("net/ipv4/ip_local_port_range", "40000 40049")
    with export(netns) as running, within.listen(netns) as listener, \
            contextlib.ExitStack() as stack:
        for _ in range(20):
            client = stack.enter_context(within.make_socket(netns))
            client.bind(("127.0.0.1", 0))
            client.connect(listener.getsockname())
        got = running.look()
    assert got.find("tcpdwell_local_ports_used_ratio", destination="any") == [0.4]
