# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`tcpdwell export`: local ports, and what is found wrong."""

from __future__ import annotations

import contextlib
import errno
import socket
import time
from typing import Callable

import pytest

from harness import within
from harness.loss import dropping
from harness.metrics import COMM, LIMIT_S, Export, Metrics, export
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


# ---- Ends, of which only sums are known ----------------------------------------------------------


def found(running: Export, which: str) -> Metrics:
    """Returns the page of the first look that has the finding."""
    def look() -> Metrics | None:
        got = running.metrics()
        return got if got.sum("tcpdwell_findings", id=which) else None

    return running.running.wait_for(look, LIMIT_S, which)


def await_death(pairs: list[within.Pair]) -> None:
    """Waits until the kernel has given each connection up."""
    for pair in pairs:
        pair.client.settimeout(LIMIT_S)
        with pytest.raises(TimeoutError):
            pair.client.recv(1)
        pair.close()


def die_of_silence(netns: Netns, listener: socket.socket, count: int) -> None:
    """Connections end because nothing answers their keep-alive probes."""
    with contextlib.ExitStack() as stack:
        pairs = [within.Pair(netns, listener) for _ in range(count)]
        for pair in pairs:
            stack.enter_context(dropping(pair.server))
            for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT):
                pair.client.setsockopt(socket.IPPROTO_TCP, option, 1)
            pair.client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        await_death(pairs)


def die_unacknowledged(netns: Netns, listener: socket.socket, count: int) -> None:
    netns.sysctl("net/ipv4/tcp_retries2", "2")
    with contextlib.ExitStack() as stack:
        pairs = [within.Pair(netns, listener) for _ in range(count)]
        for pair in pairs:
            stack.enter_context(dropping(pair.server))
            pair.client.send(b"x")
        await_death(pairs)


def fail_later(netns: Netns, _: socket.socket, count: int) -> None:
    """connect() that does not block; the error comes with the first read."""
    clients = [within.make_socket(netns) for _ in range(count)]
    for client in clients:
        client.setblocking(False)
        assert client.connect_ex(("127.0.0.1", 1)) in (errno.EINPROGRESS, errno.ECONNREFUSED)
    for client in clients:
        client.close()


def test_scan_that_gets_no_answer(netns: Netns) -> None:
    netns.ip("route", "add", "198.51.100.0/24", "dev", "lo")
    with export(netns) as running, contextlib.ExitStack() as stack:
        running.look()
        for host in range(25):
            client = stack.enter_context(within.make_socket(netns))
            client.setblocking(False)
            client.connect_ex((f"198.51.100.{host}", 80))
        found(running, "scan")


@pytest.mark.parametrize(("which", "severity", "do", "count", "by"), [
    ("resets", "warning", within.connect_and_reset, 24, "comm"),
    ("resets", "warning", within.connect_and_reset, 24, "netns"),
    ("keepalive_died", "note", die_of_silence, 12, "comm"),
    ("keepalive_died", "note", die_of_silence, 12, "cgroup"),
    ("half_open", "warning", die_unacknowledged, 12, "comm"),
    ("connect_failing", "warning", fail_later, 160, "comm"),
])
def test_findings_of_ends(netns: Netns, which: str, severity: str,
                          do: Callable[[Netns, socket.socket, int], None], count: int,
                          by: str) -> None:
    """No row tells of a single end: what is found is found of the ends of a group."""
    with export(netns, "--by", by) as running, within.listen(netns) as listener:
        assert not running.look().sum("tcpdwell_findings")
        do(netns, listener, count)
        assert found(running, which).sum("tcpdwell_findings", id=which, severity=severity) >= 1
        running.look()
        assert running.look().sum("tcpdwell_findings", id=which) == 0


def test_few_ends_are_no_finding(netns: Netns) -> None:
    """What a group does seldom, or what may be of many destinations, is not found."""
    with export(netns, "-i", "3s") as running, within.listen(netns) as listener:
        for _ in range(2):
            within.connect_and_reset(netns, listener, 4)
            fail_later(netns, listener, 38)
            got = running.look()
            assert not got.sum("tcpdwell_findings"), got.text


def test_checks_of_a_load_balancer(netns: Netns) -> None:
    """Whoever looks now and then whether a port answers, and resets, is no fault of anybody."""
    with export(netns, "-i", "4s") as running, within.listen(netns) as listener:
        running.running.wait_for(running.healthy, LIMIT_S)
        begun = time.monotonic()
        while time.monotonic() - begun < 13:
            within.connect_and_reset(netns, listener)
            time.sleep(0.8)
            got = running.metrics()
            assert not got.sum("tcpdwell_findings"), got.text
    assert got.sum("tcpdwell_closes_total", reason="reset_sent", comm=COMM) >= 6
