# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""SYN cookies hold off a flood: no socket changes its state, and the tracer still reports it."""

from __future__ import annotations

import re
import socket
import struct
import subprocess
import sys
import time

import pytest

from harness import place, process
from harness.netns import Netns
from harness.plain import Running

PORT = 8080
LINE = re.compile(r"SYN cookies: (?:\d+/s by )?127\.0\.0\.1:8080, (\d+) (\S+), netns (\d+)")

# The server's listener has room for a few requests, and nobody accepts.
SERVE = """
import socket, sys
listener = socket.socket()
listener.bind(("127.0.0.1", int(sys.argv[1])))
listener.listen(4)
print("up", flush=True)
sys.stdin.read()
"""


def checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def syn(number: int) -> bytes:
    """Returns a SYN from an address in 198.18.0.0/15 (RFC 2544) that never answers."""
    ends = socket.inet_aton(f"198.18.{number >> 8 & 255}.{number & 255}")
    ends += socket.inet_aton("127.0.0.1")
    tcp = struct.pack("!HHIIBBHHH", 1024 + number % 60000, PORT, number, 0, 0x50, 2, 1024, 0, 0)
    proof = checksum(ends + struct.pack("!BBH", 0, 6, 20) + tcp)
    tcp = tcp[:16] + struct.pack("!H", proof) + tcp[18:]
    return struct.pack("!BBHHHBBH", 0x45, 0, 40, 0, 0, 64, 6, 0) + ends + tcp


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
    raw = netns.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW))
    with raw, subprocess.Popen(
            [place.tcpdwell(), command, "--netns", netns.path, *place.backend()],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as tracer:
        assert tracer.stderr
        try:
            while "tracing" not in tracer.stderr.readline():
                pass
            if rested:
                await_rest(tracer.pid)
            deadline = time.monotonic() + process.LIMIT_S
            first = ["timeout", str(process.LIMIT_S), "sed", "-n", "/SYN cookies/{p;q}"]
            with subprocess.Popen(first, stdin=tracer.stderr, stdout=subprocess.PIPE,
                                  text=True) as found:
                for number in range(10_000_000):
                    raw.sendto(syn(number), ("127.0.0.1", 0))
                    if number % 1000 == 0 and found.poll() is not None:
                        break
                    assert time.monotonic() < deadline
                assert found.stdout
                match = LINE.search(found.stdout.read())
        finally:
            process.end(tracer)
    assert match
    return match


def prepare(netns: Netns, cookies: int) -> None:
    netns.ip("route", "add", "198.18.0.0/15", "dev", "lo")
    for name, value in (("conf/all/rp_filter", 0), ("conf/lo/rp_filter", 0),
                        ("tcp_syncookies", cookies), ("tcp_max_syn_backlog", 8)):
        netns.sysctl(f"net/ipv4/{name}", value)


def serving(netns: Netns) -> subprocess.Popen[str]:
    server = subprocess.Popen(netns.argv([sys.executable, "-I", "-S", "-c", SERVE, str(PORT)]),
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdout
    assert server.stdout.readline() == "up\n"
    return server


@pytest.mark.every_kernel
@pytest.mark.parametrize(("command", "rested"), [("trace", False), ("stat", True)])
def test_flood(netns: Netns, command: str, rested: bool) -> None:
    prepare(netns, 1)
    with serving(netns) as server:
        try:
            match = told(netns, command, rested)
        finally:
            process.end(server)
    # `ip netns exec` becomes the server.
    assert (int(match[1]), int(match[3])) == (server.pid, netns.inode)


def test_always_is_no_flood(netns: Netns) -> None:
    """With tcp_syncookies=2 ordinary connections get cookies, and nothing is said about them."""
    prepare(netns, 2)
    with netns.inside(lambda: socket.create_server(("127.0.0.1", PORT), backlog=512)) as listener, \
            Running("-o", "json", "--netns", netns.path, *place.backend()) as tracer:
        deadline = time.monotonic() + 4
        while time.monotonic() < deadline:
            with netns.inside(lambda: socket.create_connection(("127.0.0.1", PORT))):
                listener.accept()[0].close()
        assert tracer.stop() == 0
        assert len(tracer.lines()) > 100
        assert "cookies" not in tracer.said()
