# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Ages of sockets that existed before the tracer, in all states, against times that the test knows.

Each socket has a port of its own, so that a row of `tcpdwell snapshot` is about that socket alone.
The sockets then live through keep-alive probes, window probes, retransmissions and repetitions by
the peer. Each of these moves some stamp of the kernel's.
"""

from __future__ import annotations

import json
import socket
import subprocess
import time
from dataclasses import dataclass
from functools import partial
from typing import Any, Callable, Iterator

import pytest

from harness import leaks as finder, place, process, within
from harness.netns import Netns
from harness.peer import ACK, FIN, HOSTS, PEERS, RST, SYN, Link, Peer

# Long enough for some probes and retransmissions: the first come after a second.
LIFE_S = 5
# How exact a clock that ticks a hundred times a second is taken to be.
GRAIN_NS = 50_000_000
FAR = "1h"
STATES = ("ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "CLOSE",
          "CLOSE_WAIT", "LAST_ACK", "LISTEN", "CLOSING")


@dataclass
class Known:
    """A socket whose state was entered between two times."""

    what: str
    state: str
    port: int
    before_ns: int
    after_ns: int


class Zoo:
    """A socket for each way into a state and for each disturbance."""

    def __init__(self, netns: Netns, keepalive: bool) -> None:
        self.netns, self.keepalive = netns, keepalive
        self.link = Link.make(netns)
        self.known: list[Known] = []
        self.open: list[socket.socket] = []
        self.repeats: list[Callable[[], object]] = []  # what a peer does each second

    def close(self) -> None:
        for sock in self.open:
            sock.close()
        self.link.close()

    def live(self) -> None:
        for _ in range(LIFE_S):
            time.sleep(1)
            for repeat in self.repeats:
                repeat()

    def enter(self, what: str, state: str, port: int, act: Callable[[], object],
              until: Callable[[], object] = lambda: None) -> None:
        """Calls act, which leads to the state at once or before something is seen."""
        before_ns = time.monotonic_ns()
        act()
        until()
        self.known.append(Known(what, state, port, before_ns, time.monotonic_ns()))

    def probe(self, sock: socket.socket) -> socket.socket:
        self.open.append(sock)
        if self.keepalive:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 100)
        return sock

    def talk(self, sock: socket.socket) -> None:
        self.repeats.append(lambda: sock.send(b"x"))

    def repeat_fin(self, peer: Peer) -> None:
        self.repeats.append(lambda: peer.send(FIN | ACK, seq=peer.next - 1))

    def listen(self, address: str) -> socket.socket:
        listener = within.make_socket(self.netns)
        listener.bind((address, 0))
        listener.listen(16)
        self.open.append(listener)
        return listener

    # ---- A peer that is a socket, and answers ----

    def pair(self) -> tuple[socket.socket, socket.socket, int]:
        listener = self.listen("127.0.0.1")
        pair = within.Pair(self.netns, listener)
        port: int = listener.getsockname()[1]
        return self.probe(pair.client), self.probe(pair.server), port

    def answered(self) -> None:
        before_ns = time.monotonic_ns()
        client, server, port = self.pair()
        self.known.append(Known("quiet", "ESTABLISHED", port, before_ns, time.monotonic_ns()))
        before_ns = time.monotonic_ns()
        client, server, port = self.pair()
        self.known.append(Known("talking", "ESTABLISHED", port, before_ns, time.monotonic_ns()))
        self.talk(client)
        self.talk(server)
        self.half_closed(talk=False)
        self.half_closed(talk=True)
        client, server, port = self.pair()
        self.enter("both closed", "TIME_WAIT", port, lambda: (client.close(), server.close()))

    def half_closed(self, talk: bool) -> None:
        client, server, port = self.pair()
        client.send(b"x")
        before_ns = time.monotonic_ns()
        client.shutdown(socket.SHUT_WR)
        while server.recv(1):
            pass
        after_ns = time.monotonic_ns()
        what = "half closed, talking" if talk else "half closed"
        for state in ("CLOSE_WAIT", "FIN_WAIT2"):
            self.known.append(Known(what, state, port, before_ns, after_ns))
        if talk:
            self.talk(server)

    # ---- A peer that is the test, and says nothing more ----

    def peer(self) -> tuple[Peer, socket.socket, int]:
        listener = self.listen(HOSTS[4])
        port = listener.getsockname()[1]
        peer = Peer(self.link, rport=port)
        peer.open()
        child, _ = listener.accept()
        return peer, self.probe(child), port

    def connect(self) -> tuple[Peer, socket.socket]:
        peer = Peer(self.link)
        sock = self.probe(within.make_socket(self.netns))
        sock.setblocking(False)
        return peer, sock

    def opening(self) -> None:
        peer, sock = self.connect()
        self.enter("no answer", "SYN_SENT", peer.port,
                   lambda: sock.connect_ex((PEERS[4], peer.port)))
        self.simultaneous()
        listener = self.listen(HOSTS[4])
        begun = Peer(self.link, rport=listener.getsockname()[1])
        self.enter("no ACK", "SYN_RECV", begun.rport, begun.syn, lambda: begun.expect(SYN | ACK))

    def simultaneous(self) -> None:
        peer, sock = self.connect()
        sock.connect_ex((PEERS[4], peer.port))
        peer.expect(SYN)
        self.enter("simultaneous open", "SYN_RECV", peer.port, peer.syn,
                   lambda: peer.expect(SYN | ACK))

    def open_still(self) -> None:
        before_ns = time.monotonic_ns()
        _, child, port = self.peer()
        self.known.append(Known("silent peer", "ESTABLISHED", port, before_ns,
                                time.monotonic_ns()))
        before_ns = time.monotonic_ns()
        _, other, port = self.peer()
        self.known.append(Known("dead peer", "ESTABLISHED", port, before_ns, time.monotonic_ns()))
        other.send(b"never acknowledged")

    def closed_by_host(self) -> None:
        for data in (b"", b"never acknowledged"):
            for orphan in (False, True):
                _, child, port = self.peer()
                if data:
                    child.send(data)
                self.enter(f"{len(data)} bytes in flight", "FIN_WAIT1", port,
                           child.close if orphan else partial(child.shutdown, socket.SHUT_WR))
        peer, child, port = self.peer()
        child.close()
        peer.expect(FIN | ACK)
        peer.wants -= 1  # the FIN is not acknowledged
        self.enter("FINs crossed", "CLOSING", port, lambda: peer.send(FIN | ACK),
                   lambda: peer.expect(ACK))
        self.closed_and_acknowledged()

    def closed_and_acknowledged(self) -> None:
        for orphan in (False, True):
            peer, child, port = self.peer()
            _ = child.close() if orphan else child.shutdown(socket.SHUT_WR)
            peer.expect(FIN | ACK)
            self.enter("orphan" if orphan else "held", "FIN_WAIT2", port,
                       partial(peer.send, ACK))
        peer, child, port = self.peer()
        child.close()
        peer.expect(FIN | ACK)
        peer.send(ACK)
        self.enter("FIN repeated", "TIME_WAIT", port, lambda: peer.send(FIN | ACK),
                   lambda: peer.expect(ACK))
        self.repeat_fin(peer)

    def closed_by_peer(self) -> None:
        for what, data, repeat in (("silent", b"", False), ("dead", b"x", False),
                                   ("repeats its FIN", b"", True)):
            peer, child, port = self.peer()
            self.enter(what, "CLOSE_WAIT", port, partial(peer.send, FIN | ACK, b"data"),
                       partial(peer.expect, ACK))
            if data:
                child.send(data)
            if repeat:
                self.repeat_fin(peer)
        for data in (b"", b"never acknowledged"):
            peer, child, port = self.peer()
            peer.send(FIN | ACK)
            peer.expect(ACK)
            if data:
                child.send(data)
            self.enter(f"{len(data)} bytes in flight", "LAST_ACK", port, child.close)
        peer, child, port = self.peer()
        self.enter("reset", "CLOSE", port, lambda: peer.send(RST | ACK))


@pytest.fixture(name="zoo", params=[False, True], ids=["plain", "keepalive"])
def _zoo(netns: Netns, request: pytest.FixtureRequest) -> Iterator[Zoo]:
    zoo = Zoo(netns, request.param)
    zoo.answered()
    zoo.opening()
    zoo.open_still()
    zoo.closed_by_host()
    zoo.closed_by_peer()
    zoo.live()
    yield zoo
    zoo.close()


def snapshot(netns: Netns, *arguments: str) -> Any:
    done = process.run([place.tcpdwell(), "snapshot", "-o", "json", "--netns", netns.path,
                        "-s", ",".join(STATES), *arguments])
    return json.loads(done.stdout)


def rows_of(rows: list[dict[str, Any]], known: Known) -> list[dict[str, Any]]:
    """Returns two rows where both ends are in the namespace and in the same state."""
    found = [row for row in rows if (row["port"], row["state"]) == (known.port, known.state)]
    assert found, (known, rows)
    return found


def check_bounds(known: Known, row: dict[str, Any], begun_ns: int, ended_ns: int) -> None:
    """The truth is within the bounds, both of the oldest socket and of the median."""
    eldest_ns, youngest_ns = ended_ns - known.before_ns, begun_ns - known.after_ns
    for which in ("oldest", "median"):
        least_ns, most_ns = row[f"{which}_ns"], row[f"{which}_max_ns"]
        assert least_ns is None or least_ns <= eldest_ns, (known, row)
        assert most_ns is None or most_ns + GRAIN_NS >= youngest_ns, (known, row)
        assert least_ns is None or most_ns is None or least_ns <= most_ns, (known, row)


@pytest.mark.every_kernel
def test_bounds_hold_the_truth(zoo: Zoo) -> None:
    begun_ns = time.monotonic_ns()
    rows = snapshot(zoo.netns)["ports"]
    ended_ns = time.monotonic_ns()
    for known in zoo.known:
        for row in rows_of(rows, known):
            check_bounds(known, row, begun_ns, ended_ns)
    assert {known.state for known in zoo.known} == set(STATES) - {"LISTEN"}
    listening = [row for row in rows if row["state"] == "LISTEN"]
    assert listening and all(row["oldest"] == "unknown" and row["oldest_max_ns"] is None
                             for row in listening)


def counts(netns: Netns, state: str, older_ns: int) -> tuple[int, int, str]:
    """Returns how many are old, how many perhaps, and what the text begins with."""
    command = finder.command(netns, "-s", state, "--older", f"{max(1, older_ns // 1000)}us")
    done = subprocess.run([*command, "-o", "json"], capture_output=True, text=True, check=False,
                          timeout=process.LIMIT_S)
    found = [leak for leak in map(json.loads, done.stdout.splitlines()) if leak["type"] == "leak"]
    return (sum(leak["count"] for leak in found), sum(leak["perhaps"] for leak in found),
            done.stderr)


@pytest.mark.parametrize("zoo", [True], ids=["keepalive"], indirect=True)
def test_none_is_passed_over(zoo: Zoo) -> None:
    """Sockets that are older count as older or perhaps; those that are not never count as older."""
    for state in STATES:
        ours = [known for known in zoo.known if known.state == state]
        if not ours or state == "ESTABLISHED":  # its sockets are counted by another time
            continue
        older_ns = min(time.monotonic_ns() - known.after_ns for known in ours)
        certain, perhaps, errors = counts(zoo.netns, state, older_ns - GRAIN_NS)
        assert certain + perhaps >= len(ours), (state, certain, perhaps, errors)
        done = process.run([place.tcpdwell(), "snapshot", "-o", "json", "-s", state, "--netns",
                            zoo.netns.path, "--older", FAR])
        assert json.loads(done.stdout)["sockets"] == 0


def test_idle_time(zoo: Zoo) -> None:
    """Probes and retransmissions are no activity; data is."""
    idle = {known.port: known for known in zoo.known if known.what in ("quiet", "dead peer")}
    older_ns = min(time.monotonic_ns() - known.after_ns for known in idle.values())
    command = finder.command(zoo.netns, "-s", "ESTABLISHED", "--older", f"{older_ns // 1000}us")
    done = subprocess.run([*command, "-o", "json", "--port", ",".join(map(str, idle))],
                          capture_output=True, text=True, check=False, timeout=process.LIMIT_S)
    leak = json.loads(done.stdout)
    assert leak["count"] + leak["perhaps"] == 3 and leak["younger"] == 0, leak
    talking = next(known for known in zoo.known if known.what == "talking")
    command = finder.command(zoo.netns, "-s", "ESTABLISHED", "--older", f"{older_ns // 1000}us")
    done = subprocess.run([*command, "-o", "json", "--port", str(talking.port)],
                          capture_output=True, text=True, check=False, timeout=process.LIMIT_S)
    assert not done.stdout and done.returncode == 0, done.stdout
