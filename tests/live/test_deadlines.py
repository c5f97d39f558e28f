# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""When connections end by themselves: `snapshot --sockets` predicts it, and the test waits for it.

There are twenty of each kind, with settings short enough to wait for, against a peer that says
nothing more. /proc/net/tcp shows when they end. A timer may run out late, by an eighth at most. So
the end is within one interval of the last timer after the prediction, and not before it.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from harness import place, process, within
from harness.netns import Netns
from harness.peer import ACK, FIN, HOSTS, PEERS, SYN, Link, Peer

COUNT = 20
LOOK_S = 0.02
# How much earlier an end may be seen, because of a tick, and of a late look at the file.
EARLY_S = 0.1
LATE = 1 / 8
# Five seconds or more, so that a busy machine can stage and look at twenty of a kind before the
# end. Three retries set a limit of 3 s since the first retransmission, whatever the timeouts are.
# With timeouts of 0.2 s, that moment is 0.2 s away from a timer, and on a busy machine chance
# decides if one more comes. Timeouts of 0.35 s expire after 2.1 s and 4.9 s.
RTO_MIN = "350ms"
FIN_TIMEOUT_S = 6
SETTINGS = {"tcp_retries2": 3, "tcp_orphan_retries": 3, "tcp_syn_retries": 2,
            "tcp_synack_retries": 2, "tcp_fin_timeout": FIN_TIMEOUT_S, "tcp_keepalive_time": 2,
            "tcp_keepalive_intvl": 1, "tcp_keepalive_probes": 4}
USER_TIMEOUT_MS = 4700
SHORTEST_S = 4.5  # the first kind ends a little later
STAGE_S = 120  # for one kind, on a machine that is very busy

Ends = tuple[int, int]  # the namespace's port, and the peer's


class Watch:
    """Notes until when each connection of a namespace was there, by its ports."""

    def __init__(self, netns: Netns) -> None:
        self.last: dict[Ends, float] = {}
        self.looked = 0.0
        self.over = threading.Event()
        self.file = netns.inside(lambda: open("/proc/thread-self/net/tcp", encoding="ascii"))
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        while not self.over.wait(LOOK_S):
            self.file.seek(0)
            now = time.monotonic()
            for line in self.file.read().splitlines()[1:]:
                _, local, remote, state, *_ = line.split()
                if state != "0A":  # LISTEN
                    self.last[(int(local[9:], 16), int(remote[9:], 16))] = now
            self.looked = now

    def is_there(self, ends: Ends) -> bool:
        return self.last[ends] == self.looked

    def close(self) -> None:
        self.over.set()
        self.thread.join()
        self.file.close()


@dataclass
class Kind:
    """Connections that wait for the same thing."""

    name: str
    by: str
    interval_s: float  # of the last timer
    ends: list[Ends] = field(default_factory=list)
    predicted: dict[Ends, tuple[float, float]] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)


class Scene:
    """A namespace with short settings, and a watch that sees its connections end."""

    def __init__(self, netns: Netns) -> None:
        self.netns, self.link = netns, Link.make(netns)
        for name, value in SETTINGS.items():
            netns.sysctl(f"net/ipv4/{name}", value)
        netns.ip("route", "change", str(ip_network(HOSTS[4] + "/24", strict=False)), "dev", "veth0",
                 "proto", "kernel", "scope", "link", "src", HOSTS[4], "rto_min", RTO_MIN)
        linear = Path("/proc/sys/net/ipv4/tcp_syn_linear_timeouts")
        if linear.exists():
            netns.sysctl("net/ipv4/tcp_syn_linear_timeouts", 0)
        self.watch = Watch(netns)
        self.open: list[socket.socket] = []
        self.kinds: dict[str, Kind] = {}
        self.listener = within.make_socket(netns)
        self.listener.bind((HOSTS[4], 0))
        self.listener.listen(COUNT * 8)

    def accept(self, window: int = 65535) -> tuple[Peer, socket.socket]:
        peer = Peer(self.link, rport=self.listener.getsockname()[1])
        peer.window = window
        peer.open()
        child, _ = self.listener.accept()
        return peer, child

    def keep(self, sock: socket.socket) -> None:
        self.open.append(sock)

    def stage(self, name: str, by: str, interval_s: float,
              make: Callable[[Scene], Ends]) -> None:
        """Makes twenty of a kind, and notes what is predicted for each.

        Where some may have ended before they were looked at, they do not count, and others are made
        in smaller groups.
        """
        kind = self.kinds[name] = Kind(name, by, interval_s)
        group, deadline = COUNT, time.monotonic() + STAGE_S
        while len(kind.ends) < COUNT:
            took_s = self.stage_some(kind, min(group, COUNT - len(kind.ends)), make)
            if took_s > SHORTEST_S:
                group = max(1, group // 2)
            assert time.monotonic() < deadline, f"{name}: staging {group} took {took_s:.1f} s"

    def stage_some(self, kind: Kind, count: int, make: Callable[[Scene], Ends]) -> float:
        """Adds some to a kind, unless that takes too long. Returns how long it took."""
        begun = time.monotonic()
        made = [make(self) for _ in range(count)]
        before = time.monotonic()
        done = process.run([place.tcpdwell(), "snapshot", "--sockets", "-o", "json", "--netns",
                            self.netns.path])
        after = time.monotonic()
        if after - begun > SHORTEST_S:
            return after - begun
        kind.ends += made
        rows = {(row["lport"], row["rport"]): row
                for row in map(json.loads, done.stdout.splitlines())}
        for ends in made:
            row = rows.get(ends)
            if row:
                kind.rows.append(row)
            if row and row["ends_ns"] is not None:
                left_s = row["ends_ns"] / 1e9
                kind.predicted[ends] = (before + left_s, after + left_s)
        return after - begun

    def wait(self, kind: Kind, limit_s: float) -> None:
        deadline = time.monotonic() + limit_s
        while any(map(self.watch.is_there, kind.ends)) and time.monotonic() < deadline:
            time.sleep(LOOK_S)

    def close(self) -> None:
        self.watch.close()
        for sock in self.open:
            sock.close()
        self.listener.close()
        self.link.close()


# ---- One of each kind, and its ports -------------------------------------------------------------


def syn(scene: Scene) -> Ends:
    sock = within.make_socket(scene.netns)
    sock.setblocking(False)
    port = Peer(scene.link).port
    sock.connect_ex((PEERS[4], port))
    scene.keep(sock)
    return sock.getsockname()[1], port


def syn_ack(scene: Scene) -> Ends:
    peer = Peer(scene.link, rport=scene.listener.getsockname()[1])
    peer.syn()
    peer.expect(SYN | ACK)
    return peer.rport, peer.port


def data(scene: Scene) -> Ends:
    peer, child = scene.accept()
    child.send(b"never acknowledged")
    scene.keep(child)
    return peer.rport, peer.port


def user_timeout(scene: Scene) -> Ends:
    peer, child = scene.accept()
    child.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)
    child.send(b"never acknowledged")
    scene.keep(child)
    return peer.rport, peer.port


def fin_held(scene: Scene) -> Ends:
    peer, child = scene.accept()
    child.shutdown(socket.SHUT_WR)
    scene.keep(child)
    return peer.rport, peer.port


def fin_orphan(scene: Scene) -> Ends:
    peer, child = scene.accept()
    child.close()
    return peer.rport, peer.port


def window(scene: Scene) -> Ends:
    peer, child = scene.accept(window=0)
    child.send(b"no room")
    scene.keep(child)
    return peer.rport, peer.port


def keepalive(scene: Scene) -> Ends:
    peer, child = scene.accept()
    child.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    scene.keep(child)
    return peer.rport, peer.port


def fin_wait2(scene: Scene) -> Ends:
    peer, child = scene.accept()
    child.close()
    peer.expect(FIN | ACK)
    peer.send(ACK)
    return peer.rport, peer.port


def time_wait(scene: Scene) -> Ends:
    peer, child = scene.accept()
    child.close()
    peer.expect(FIN | ACK)
    peer.send(FIN | ACK)
    peer.expect(ACK)
    return peer.rport, peer.port


# The last interval of timeouts that double from 0.35 s (for SYNs from 1 s), and the one that
# TCP_USER_TIMEOUT cuts short.
DATA_S, SYN_S, USER_S = 2.8, 4, 2.6

KINDS: list[tuple[str, str, float, Callable[[Scene], Ends]]] = [
    ("TIME_WAIT", "TIME_WAIT", 60 * LATE, time_wait),
    ("SYN", "net.ipv4.tcp_syn_retries", SYN_S, syn),
    ("SYN-ACK", "net.ipv4.tcp_synack_retries", SYN_S, syn_ack),
    ("data", "net.ipv4.tcp_retries2", DATA_S, data),
    ("FIN, held", "net.ipv4.tcp_retries2", DATA_S, fin_held),
    ("FIN, orphan", "net.ipv4.tcp_orphan_retries", DATA_S, fin_orphan),
    ("window of zero", "net.ipv4.tcp_retries2", DATA_S, window),
    ("keep-alive", "keep-alive", 1, keepalive),
    ("user timeout", "TCP_USER_TIMEOUT", USER_S, user_timeout),
    ("FIN_WAIT2, orphan", "net.ipv4.tcp_fin_timeout", FIN_TIMEOUT_S * LATE + 0.2, fin_wait2),
]
NAMES = [name for name, *_ in KINDS]


@pytest.fixture(scope="module", name="scene")
def _scene(module_netns: Callable[[], Netns]) -> Iterator[Scene]:
    scene = Scene(module_netns())
    for name, by, interval_s, make in KINDS:
        scene.stage(name, by, interval_s, make)
    for kind in scene.kinds.values():
        scene.wait(kind, 80)
    yield scene
    scene.close()


@pytest.mark.parametrize("name", NAMES)
def test_predicted(scene: Scene, name: str) -> None:
    """Each connection has a predicted end, by what decides it."""
    kind = scene.kinds[name]
    assert {row["ends_by"] for row in kind.rows} == {kind.by}, kind.rows[0]
    assert len(kind.predicted) == COUNT


@pytest.mark.parametrize("name", NAMES)
def test_ends_when_predicted(scene: Scene, name: str) -> None:
    kind = scene.kinds[name]
    off = {}
    for ends, (earliest, latest) in kind.predicted.items():
        assert not scene.watch.is_there(ends), ends
        ended = scene.watch.last[ends]
        off[ends] = (round(ended - earliest, 2), round(ended - latest, 2))
    print(name, sorted(off.values())[:: COUNT - 1])
    for ends, (early, late) in off.items():
        assert early > -EARLY_S and late < kind.interval_s, (ends, off)
