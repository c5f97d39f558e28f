# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A SYN flood is counted and not listed, in bounded memory, and real connections are still right.

The flood comes out of one end of a veth pair (servers/flood.c) from addresses that never answer.
The SYN-ACKs to them are counted as they leave. Their number is the truth: each is one request.
"""

from __future__ import annotations

import ctypes
import re
import socket
import struct
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Iterator

import pytest

from harness import place
from harness.actor import Cast
from harness.netns import Netns
from harness.peer import ACK, DEVICE_MAC, ETH_P_ALL, HOSTS, PEERS, SYN, Link, Peer
from harness.scale import count
from harness.stage import Server, Stage
from harness.tracer import Row, Tracer
from harness.watch import BACKENDS, UID, Watch, closed, same, show, steps, watch_all

# The flood's addresses, which are reserved for tests of equipment (RFC 2544).
SOURCES = "198.18.0.0/15"
# The largest number of SYNs, and for how long. Half-open connections are given up after a second.
FLOOD = count(300_000, 5_000)
FLOOD_S = 4
REAL = count(40, 10)
# From this rate per second on, it is a flood by any measure.
LARGE = 10_000
LIMIT_S = 120
# How much a tracer may grow: far less than if each request took memory (128 bytes at least).
ANON_BYTES = 4 << 20
MAPS_BYTES = 6 << 20
SOL_PACKET = 263
PACKET_STATISTICS = 6
SO_ATTACH_FILTER = 26
STATUS = re.compile(r"SYN_RECV: (\d+)/s to :(\d+), (\d+)% never complete")


# Code, jumps and operand (linux/filter.h): IPv4 to 198.18.0.0/15, by EtherType and destination.
TO_SOURCES = [(0x28, 0, 0, 12), (0x15, 0, 4, 0x0800), (0x20, 0, 0, 30), (0x54, 0, 0, 0xFFFE0000),
              (0x15, 0, 1, 0xC6120000), (0x06, 0, 0, 64), (0x06, 0, 0, 0)]


def syn_ack_counter(netns: Netns) -> socket.socket:
    """Returns a socket that sees all packets that leave for the flood's addresses."""
    def make() -> socket.socket:
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        text = b"".join(struct.pack("HBBI", *one) for one in TO_SOURCES)
        code = ctypes.create_string_buffer(text, len(text))
        sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER,
                        struct.pack("HP", len(TO_SOURCES), ctypes.addressof(code)))
        sock.bind(("veth0", ETH_P_ALL))
        return sock

    return netns.inside(make)


def passed(sock: socket.socket) -> int:
    """How many packets a packet socket's filter let through, including those it had no room for."""
    return int(struct.unpack("II", sock.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[0])


def anonymous_bytes(pid: int) -> int:
    """Returns the process's private memory, without the ring."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    found = re.search(r"RssAnon:\s+(\d+) kB", status)
    assert found
    return int(found[1]) * 1024


def map_bytes(pid: int) -> int:
    """Returns the memory of all maps of the process, as far as the kernel tells."""
    total = 0
    for info in Path(f"/proc/{pid}/fdinfo").iterdir():
        text = info.read_text(encoding="utf-8")
        found = re.search(r"^memlock:\s+(\d+)$", text, re.MULTILINE)
        if found and "map_type:" in text:
            total += int(found[1])
    return total


@dataclass
class Memory:
    """Until stop(), notes the most that a process had of two kinds of memory."""

    pid: int
    first: tuple[int, int] = (0, 0)
    most: tuple[int, int] = (0, 0)
    ended: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.first = self.most = self.now()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def now(self) -> tuple[int, int]:
        return anonymous_bytes(self.pid), map_bytes(self.pid)

    def _watch(self) -> None:
        while not self.ended.wait(0.1):
            anon, maps = self.now()
            self.most = max(anon, self.most[0]), max(maps, self.most[1])

    def stop(self) -> tuple[int, int]:
        """Returns by how much each kind grew."""
        self.ended.set()
        self.thread.join()
        return self.most[0] - self.first[0], self.most[1] - self.first[1]


@dataclass
class Flood:
    """What was sent, and what each tracer said."""

    server: Server
    client_pid: int
    ports: list[int]  # of real connections
    requests: int
    sent: int
    took_s: float
    watches: dict[str, Watch]
    grown: dict[str, tuple[int, int]]

    @property
    def large(self) -> bool:
        return self.requests > LARGE * max(self.took_s, 1)


def wait_no_requests(netns: Netns) -> None:
    """Waits until all half-open connections are given up."""
    deadline = time.monotonic() + LIMIT_S
    text = 'awk \'$4 == "03" { n++ } END { print n + 0 }\' /proc/net/tcp'
    while int(netns.run(["sh", "-c", text]).stdout):
        assert time.monotonic() < deadline, "requests that never end"
        time.sleep(0.2)


SERVE = f"""
import time
def serve():
    for _ in range({REAL}):
        s, _ = l.accept()
        s.recv(1)
        s.close()
"""
CONNECT = f"""
def connect(port):
    ports = []
    for _ in range({REAL}):
        c = socket.create_connection(("127.0.0.1", port))
        ports.append(c.getsockname()[1])
        c.close()
        time.sleep(0.05)
    return ports
import time
"""


def make_link(netns: Netns) -> Link:
    link = Link.make(netns)
    netns.ip("route", "add", SOURCES, "via", PEERS[4])
    # There is room for all requests, and cookies are off.
    netns.sysctl("net/core/somaxconn", 1 << 20)
    netns.sysctl("net/ipv4/tcp_max_syn_backlog", 1 << 20)
    netns.sysctl("net/ipv4/tcp_syncookies", 0)
    netns.sysctl("net/ipv4/tcp_synack_retries", 0)
    return link


@pytest.fixture(scope="module", name="flood")
def _flood(module_tracer: Callable[..., Tracer],
           module_netns: Callable[[], Netns]) -> Iterator[Flood]:
    netns = module_netns()
    link = make_link(netns)
    watches = watch_all(module_tracer, "--netns", str(netns.inode))
    memories = {name: Memory(watch.tracer.child.pid) for name, watch in watches.items()
                if not watch.refused}
    counter = syn_ack_counter(netns)
    with Cast() as cast:
        stage = Stage(watches, module_netns, cast)
        server = stage.server(link, backlog=1 << 20)
        client = cast.actor("client", netns, user=UID)
        server.actor.run(SERVE)
        client.run(CONNECT)
        server.actor.send("serve()", ask=True)
        client.send(f"connect({server.port})", ask=True)
        done = netns.run([str(place.TOP / "build/tests/servers/flood"), "wire0",
                          DEVICE_MAC.hex(":"), HOSTS[4], str(server.port), str(FLOOD),
                          str(FLOOD_S)])
        _, sent, took_ns = done.stdout.split()
        ports = client.answer()
        server.actor.answer()
        wait_no_requests(netns)
        grown = {name: memory.stop() for name, memory in memories.items()}
        requests = passed(counter)
        counter.close()
        yield Flood(server, client.pid, ports, requests, int(sent), int(took_ns) / 1e9, watches,
                    grown)
    link.close()


@pytest.fixture(params=BACKENDS, name="watch")
def _watch(request: pytest.FixtureRequest, flood: Flood) -> Watch:
    watch = flood.watches[request.param]
    if watch.refused:
        pytest.skip(f"backend {request.param}: not here")
    return watch


def of_flood(rows: list[Row]) -> list[Row]:
    return [row for row in rows if (row["raddr"] or "").startswith(("198.18.", "198.19."))]


def test_it_was_one(flood: Flood) -> None:
    """The kernel took the SYNs for requests; otherwise the other tests prove nothing."""
    assert flood.sent > 0
    assert flood.requests > flood.sent * 0.9, (flood.requests, flood.sent)


def test_memory_is_bounded(flood: Flood, watch: Watch) -> None:
    anon, maps = flood.grown[watch.backend]
    assert anon < ANON_BYTES, f"{anon} bytes more"
    assert maps < MAPS_BYTES, f"{maps} bytes more"


def test_real_connections_are_right(flood: Flood, watch: Watch) -> None:
    """Both ends of each real connection are complete, with their owners."""
    inode = flood.server.link.inode
    for port in flood.ports:
        chain = watch.wait(inode, flood.server.port, port, closed)
        assert steps(chain) == ["LISTEN", "SYN_RECV", "ESTABLISHED", "CLOSE_WAIT", "LAST_ACK",
                                "CLOSE"], show(chain)
        same(chain, pid=flood.server.actor.pid, comm="server", uid=UID)
        if watch.requests:
            assert chain[1]["dwell"] == "exact" and chain[1]["source"] == "request_sock"
        chain = watch.wait(inode, port, flood.server.port, lambda rows: len(rows) > 3)
        assert steps(chain)[:4] == ["CLOSE", "SYN_SENT", "ESTABLISHED", "FIN_WAIT1"], show(chain)
        same(chain, pid=flood.client_pid, comm="client", uid=UID)


def test_status_line(flood: Flood, watch: Watch) -> None:
    """Standard error says how many requests a second there are, where, and what becomes of them."""
    watch.require(requests=True)
    said = [STATUS.search(line) for line in watch.tracer.errors]
    found = [match for match in said if match]
    if not flood.large and not found:
        pytest.skip("too few for a flood")
    assert found, "".join(watch.tracer.errors)
    for match in found:
        assert int(match[1]) > 0
        assert int(match[2]) == flood.server.port
        assert 50 <= int(match[3]) <= 100
    assert max(int(match[3]) for match in found) >= 90
    # There is a line a second, not one for each tick, for a flood and for its end a second later.
    assert len(found) <= flood.took_s + 30


def test_slow_handshake_afterwards(flood: Flood, watch: Watch) -> None:
    """When the flood is over, a request is shown again before it completes."""
    watch.require(requests=True)
    # Rates are counted by the second.
    time.sleep(2)
    peer = Peer(flood.server.link, 4, flood.server.port)
    peer.syn()
    peer.expect(SYN | ACK)
    first = watch.wait(flood.server.link.inode, flood.server.port, peer.port, bool)
    assert steps(first) == ["LISTEN", "SYN_RECV"]
    last = watch.wait(flood.server.link.inode, flood.server.port, peer.port, closed, limit_s=20)
    assert last[-1]["reason"] == "timeout"


def test_account(flood: Flood, watch: Watch) -> None:
    """Each request makes two rows: shown, folded or missed. This is the last test of a watch; it
    ends.

    A hardened kernel may run no program for some thousands of them at a time.
    """
    watch.tracer.stop()
    summary = watch.tracer.summary
    assert summary
    # check() takes so many missed rows for too many; the account below says how many there must be.
    watch.tracer.lossy = watch.requests and summary["missed"] > 0
    watch.tracer.check()
    shown = of_flood(watch.tracer.all_rows())
    if not watch.requests:
        assert not shown and not summary["folded"]
        return
    assert not any(summary["lost"].values()), summary
    assert len(shown) + summary["folded"] + summary["missed"] == 2 * flood.requests, (
        len(shown), summary, flood.requests)
    whole = {1, 2} if summary["missed"] else {2}
    assert set(Counter(row["cookie"] for row in shown).values()) <= whole
    if flood.large:
        assert summary["folded"] > flood.requests
