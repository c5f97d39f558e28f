# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A SYN flood on loopback that SYN cookies hold off."""

from __future__ import annotations

import contextlib
import socket
import struct
import subprocess
import sys
import time
from typing import Callable, Iterator

from . import process
from .netns import Netns

PORT = 8080

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


def prepare(netns: Netns, cookies: int = 1) -> None:
    """cookies is net.ipv4.tcp_syncookies."""
    netns.ip("route", "add", "198.18.0.0/15", "dev", "lo")
    for name, value in (("conf/all/rp_filter", 0), ("conf/lo/rp_filter", 0),
                        ("tcp_syncookies", cookies), ("tcp_max_syn_backlog", 8)):
        netns.sysctl(f"net/ipv4/{name}", value)


@contextlib.contextmanager
def serving(netns: Netns) -> Iterator[subprocess.Popen[str]]:
    """A server in netns whose queue for requests is short."""
    server = subprocess.Popen(netns.argv([sys.executable, "-I", "-S", "-c", SERVE, str(PORT)]),
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout
        assert server.stdout.readline() == "up\n"
        yield server
    finally:
        process.end(server)


def flood(netns: Netns, enough: Callable[[], bool]) -> None:
    """Sends SYNs until that is so."""
    deadline = time.monotonic() + process.LIMIT_S
    with netns.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW,
                                            socket.IPPROTO_RAW)) as raw:
        for number in range(10_000_000):
            raw.sendto(syn(number), ("127.0.0.1", 0))
            if number % 1000 == 0 and enough():
                return
            assert time.monotonic() < deadline
