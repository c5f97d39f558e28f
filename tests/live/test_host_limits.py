# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Findings of `diagnose` about limits of the whole host: orphans, and memory of TCP.

A test sets a limit for a moment, no closer to the actual use than it must be, and always puts it
back. In that moment the kernel may reset other programs' connections or shrink their windows, so
this is done only on a machine that is there for the tests.
"""

from __future__ import annotations

import json
import socket
import subprocess
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from harness import capability, place, process, within
from harness.netns import Netns
from harness.peer import HOSTS, Link, Peer

FOUND = 10
IPV4 = Path("/proc/sys/net/ipv4")
ORPHANS = 300
SHARE = 0.9  # of the limit; the finding begins at 0.8
UNREAD_BYTES = 8 << 20
PAGE_BYTES = 4096

Limit = Callable[[str, str], None]


@pytest.fixture(name="limit")
def _limit() -> Iterator[Limit]:
    """limit(setting, value) sets a limit until the test is over, or skips the test if it may
    not."""
    before: dict[Path, str] = {}
    if not capability.host_is_for_tests():
        pytest.skip("TCPDWELL_TEST_HOST=1 does not say that this machine is there for the tests")

    def set_to(name: str, value: str) -> None:
        path = IPV4 / name
        try:
            before.setdefault(path, path.read_text(encoding="ascii"))
            path.write_text(value, encoding="ascii")
        except OSError as why:
            pytest.skip(f"net.ipv4.{name} cannot be set: {why}")

    yield set_to
    for path, value in before.items():
        path.write_text(value, encoding="ascii")


def sockstat() -> dict[str, int]:
    """Returns figures of this host: orphan, mem and others."""
    for line in Path("/proc/net/sockstat").read_text(encoding="ascii").splitlines():
        if line.startswith("TCP:"):
            words = line.split()[1:]
            return dict(zip(words[::2], map(int, words[1::2])))
    raise AssertionError("no line of TCP")


def findings(which: str) -> list[dict[str, Any]]:
    done = subprocess.run([place.tcpdwell(), "diagnose", "-d", "1s", "-o", "json",
                           *place.backend()], capture_output=True, text=True, check=False,
                          timeout=process.LIMIT_S)
    assert done.returncode in (0, FOUND), done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return [finding for finding in found if finding["id"] == which]


def make_orphans(netns: Netns, link: Link) -> None:
    """Makes connections that were closed, and whose FIN nobody acknowledges."""
    listener = within.make_socket(netns)
    listener.bind((HOSTS[4], 0))
    listener.listen(ORPHANS)
    for _ in range(ORPHANS):
        Peer(link, rport=listener.getsockname()[1]).open()
        listener.accept()[0].close()
    listener.close()


def test_orphans(netns: Netns, limit: Limit) -> None:
    link = Link.make(netns)
    try:
        make_orphans(netns, link)
        assert sockstat()["orphan"] >= ORPHANS * SHARE
        assert not findings("orphans")
        limit("tcp_max_orphans", str(int(sockstat()["orphan"] / SHARE)))
        (found,) = findings("orphans")
        assert found["seen"]["orphans"] >= ORPHANS * SHARE
        assert 80 <= found["seen"]["used_percent"] <= 100
        assert "net.ipv4.tcp_max_orphans" in found["settings"] and found["pid"] is None
    finally:
        link.close()


def test_memory(netns: Netns, limit: Limit) -> None:
    """Data that nobody reads exceeds what the middle value of tcp_mem allows."""
    low, middle, high = (IPV4 / "tcp_mem").read_text(encoding="ascii").split()
    with within.listen(netns) as listener:
        pair = within.Pair(netns, listener)
        pair.server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, UNREAD_BYTES)
        pair.client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UNREAD_BYTES)
        pair.client.setblocking(False)
        deadline = time.monotonic() + 1
        while time.monotonic() < deadline:
            try:
                pair.client.send(bytes(65536))
            except BlockingIOError:
                time.sleep(0.01)
        pages = sockstat()["mem"]
        assert pages > 16 and pages < int(middle)
        assert not findings("memory")
        limit("tcp_mem", f"{min(int(low), pages // 4)} {pages // 2} {high}")
        (found,) = findings("memory")
        assert found["seen"]["pages"] >= found["seen"]["pages_of_pressure"] == pages // 2
        assert found["severity"] == "critical" and found["more"] == "tcpdwell snapshot --sockets"
        pair.close()
