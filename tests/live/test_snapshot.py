# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Sockets that exist before the tracer: their owners, and dwells that are true lower bounds.

Every test makes its sockets, notes when each entered its state, and starts the tracer only then.
"""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
from typing import Callable, Iterator

import pytest

from harness import actor as actors, capability, stall, within
from harness.actor import Cast
from harness.netns import Netns, Veth
from harness.scale import count
from harness.tracer import Row, Tracer

# How long a socket is in its state before the tracer starts, and by how much a bound may fall
# short of that: stamps are exact to a jiffy, and the iterator takes a while.
AGE_S = 0.3
SHORT_NS = 100_000_000
START = Callable[..., Tracer]

cast = pytest.fixture(actors.cast, name="cast")


class Stage:
    """Sockets of this process in a namespace, and the times at which they changed state."""

    def __init__(self, netns: Netns) -> None:
        self.netns = netns
        self.listener = within.listen(netns)
        self.open: list[socket.socket] = [self.listener]

    def pair(self) -> within.Pair:
        pair = within.Pair(self.netns, self.listener)
        self.open += [pair.client, pair.server]
        return pair

    def client(self) -> socket.socket:
        """Makes a connection that waits for accept()."""
        client = within.make_socket(self.netns)
        client.connect(self.listener.getsockname())
        self.open.append(client)
        return client

    def close(self) -> None:
        for sock in self.open:
            sock.close()


@pytest.fixture(name="stage")
def _stage(netns: Netns) -> Iterator[Stage]:
    stage = Stage(netns)
    yield stage
    stage.close()


def start(tracer: START, netns: Netns, *arguments: str) -> Tracer:
    return tracer("--netns", str(netns.inode), *arguments)


def first(tracer: Tracer, sock: tuple[str, int], **match: object) -> Row:
    """Returns the first row of the socket with this local end."""
    def find(rows: list[Row]) -> Row | None:
        mine = [row for row in rows if (row["laddr"], row["lport"]) == sock
                and all(row[name.rstrip("_")] == value for name, value in match.items())]
        return mine[0] if mine else None

    row: Row = tracer.wait_for(find, limit_s=20, what=f"a row of {sock} {match}")
    return row


def check_bound(row: Row, entered_ns: int, seen_ns: int, short_ns: int = SHORT_NS) -> None:
    """The dwell is no longer than the true one, and no shorter than what the tracer could know.

    entered_ns is a time before the socket entered its state, seen_ns a time at which it left the
    state.
    """
    assert row["dwell"] == "at_least", row
    # The kernel's stamps are in jiffies, which lag behind the clock after a stall.
    behind_ns = stall.worst_ns(entered_ns, seen_ns)
    assert row["dwell_ns"] <= row["mono_ns"] - entered_ns + behind_ns, row
    assert row["dwell_ns"] >= row["mono_ns"] - seen_ns - short_ns, row


def check_owner(row: Row, pid: int, owner: str = "scan") -> None:
    with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
        comm = file.read().rstrip("\n")
    assert (row["pid"], row["comm"], row["owner"]) == (pid, comm, owner), row


# ---- Each state ----------------------------------------------------------------------------------


def test_established_idle(stage: Stage, tracer: START) -> None:
    before_ns = time.monotonic_ns()
    pair = stage.pair()
    end = pair.client.getsockname()
    entered_ns = time.monotonic_ns()
    time.sleep(AGE_S)
    traced = start(tracer, stage.netns)
    pair.server.shutdown(socket.SHUT_WR)
    row = first(traced, end, from_="ESTABLISHED")
    check_owner(row, os.getpid())
    check_bound(row, before_ns, entered_ns)


def test_established_that_only_receives(stage: Stage, tracer: START) -> None:
    """Data that comes in does not shorten the bound of an end that sends nothing."""
    before_ns = time.monotonic_ns()
    pair = stage.pair()
    end = pair.client.getsockname()
    entered_ns = time.monotonic_ns()
    time.sleep(AGE_S)
    pair.server.sendall(b"x")
    pair.client.recv(1)
    traced = start(tracer, stage.netns)
    pair.server.shutdown(socket.SHUT_WR)
    check_bound(first(traced, end, from_="ESTABLISHED"), before_ns, entered_ns)


@pytest.mark.every_kernel
def test_close_wait(stage: Stage, tracer: START) -> None:
    pair = stage.pair()
    end = pair.server.getsockname()
    before_ns = time.monotonic_ns()
    pair.client.shutdown(socket.SHUT_WR)
    assert pair.server.recv(1) == b""
    entered_ns = time.monotonic_ns()
    time.sleep(AGE_S)
    traced = start(tracer, stage.netns)
    pair.server.close()
    row = first(traced, end, from_="CLOSE_WAIT")
    check_owner(row, os.getpid())
    check_bound(row, before_ns, entered_ns)


def test_fin_wait2(stage: Stage, tracer: START) -> None:
    pair = stage.pair()
    end = pair.client.getsockname()
    before_ns = time.monotonic_ns()
    pair.client.shutdown(socket.SHUT_WR)
    assert pair.server.recv(1) == b""
    entered_ns = time.monotonic_ns()
    time.sleep(AGE_S)
    traced = start(tracer, stage.netns)
    pair.server.close()
    row = first(traced, end, from_="FIN_WAIT2")
    check_owner(row, os.getpid())
    check_bound(row, before_ns, entered_ns)


@pytest.mark.every_kernel
def test_listen(stage: Stage, tracer: START) -> None:
    """Nothing tells since when a socket has been listening, only that it has since the start."""
    before_ns = time.monotonic_ns()
    traced = start(tracer, stage.netns)
    ready_ns = time.monotonic_ns()
    end = stage.listener.getsockname()
    time.sleep(AGE_S)
    stage.listener.close()
    row = first(traced, end, from_="LISTEN", to="CLOSE")
    check_owner(row, os.getpid())
    check_bound(row, before_ns, ready_ns, 0)


def test_syn_sent(veth_pair: Veth, tracer: START) -> None:
    """A SYN that is never answered."""
    veth_pair.server.ip("link", "set", "veth0", "down")
    with within.make_socket(veth_pair.client) as sock:
        sock.setblocking(False)
        veth_pair.client.ip("neigh", "add", veth_pair.server.ipv4, "lladdr", "02:00:00:00:00:09",
                            "dev", "veth0")
        before_ns = time.monotonic_ns()
        sock.connect_ex((veth_pair.server.ipv4, 9))
        entered_ns = time.monotonic_ns()
        end = sock.getsockname()
        time.sleep(AGE_S)
        traced = start(tracer, veth_pair.client)
        sock.close()
        row = first(traced, end, from_="SYN_SENT")
        check_owner(row, os.getpid())
        check_bound(row, before_ns, entered_ns)


@pytest.mark.parametrize("state", ["FIN_WAIT1", "LAST_ACK"])
def test_closed_to_a_silent_peer(state: str, veth_pair: Veth, tracer: START) -> None:
    """The FIN is sent again and again, and is answered only when the tracer is there."""
    with within.make_socket(veth_pair.server) as listener:
        listener.bind((veth_pair.server.ipv4, 0))
        listener.listen()
        client = within.make_socket(veth_pair.client)
        client.connect(listener.getsockname())
        server, _ = listener.accept()
        end = client.getsockname()
        if state == "LAST_ACK":
            server.shutdown(socket.SHUT_WR)
            assert client.recv(1) == b""
        veth_pair.client.ip("link", "set", "veth0", "down")
        before_ns = time.monotonic_ns()
        client.close()
        time.sleep(AGE_S)
        traced = start(tracer, veth_pair.client)
        veth_pair.client.ip("link", "set", "veth0", "up")
        row = first(traced, end, from_=state)
        # No process holds the socket any more, and each retransmission shortens the bound.
        assert (row["pid"], row["owner"]) == (None, None)
        check_bound(row, before_ns, row["mono_ns"])
        server.close()


# ---- Sockets without a descriptor ----------------------------------------------------------------


@pytest.mark.every_kernel
def test_accept_queue(stage: Stage, tracer: START) -> None:
    """No process holds the child yet: its owner is the listener's until it is accepted."""
    before_ns = time.monotonic_ns()
    client = stage.client()
    entered_ns = time.monotonic_ns()
    time.sleep(AGE_S)
    traced = start(tracer, stage.netns)
    client.shutdown(socket.SHUT_WR)
    server_end = stage.listener.getsockname()
    row = first(traced, server_end, from_="ESTABLISHED")
    check_owner(row, os.getpid(), "listen")
    check_bound(row, before_ns, entered_ns)
    server, _ = stage.listener.accept()
    server.close()
    assert first(traced, server_end, from_="CLOSE_WAIT")["dwell"] == "exact"


def test_accept_queues_of_two_listeners(cast: Cast, netns: Netns, tracer: START) -> None:
    """With SO_REUSEPORT two processes listen on one port; each child is its own listener's."""
    make = ("l = socket.socket(); l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1); "
            "l.bind(('127.0.0.1', 8080)); l.listen(64)")
    servers = [cast.actor(f"server{i}", netns) for i in range(2)]
    for server in servers:
        server.run(make)
    clients = [within.make_socket(netns) for _ in range(16)]
    for client in clients:
        client.connect(("127.0.0.1", 8080))
    traced = start(tracer, netns)
    for client in clients:
        client.shutdown(socket.SHUT_WR)
    rows = traced.wait_for(
        lambda rows: (found := [row for row in rows if row["lport"] == 8080
                                and row["to"] == "CLOSE_WAIT"]) and len(found) == 16 and found)
    queued = {row["rport"]: row["pid"] for row in rows}
    for server in servers:
        mine = sum(pid == server.pid for pid in queued.values())
        accepted = server.ask(f"[l.accept()[1][1] for _ in range({mine})]")
        assert sorted(accepted) == sorted(port for port, pid in queued.items() if pid == server.pid)
    for client in clients:
        client.close()


def orphan(stage: Stage) -> tuple[tuple[str, int], socket.socket]:
    """Makes a timewait socket in FIN_WAIT2. Returns the local end of its client, and the server."""
    pair = stage.pair()
    end = pair.client.getsockname()
    pair.client.close()
    assert pair.server.recv(1) == b""
    return end, pair.server


@pytest.mark.every_kernel
def test_orphan_in_fin_wait2(stage: Stage, tracer: START, require: Callable[..., None]) -> None:
    require(capability.TIME_WAIT)
    before_ns = time.monotonic_ns()
    end, server = orphan(stage)
    time.sleep(AGE_S)
    traced = start(tracer, stage.netns)
    ready_ns = time.monotonic_ns()
    time.sleep(AGE_S)
    server.close()
    row = first(traced, end, from_="FIN_WAIT2", to="TIME_WAIT")
    assert (row["pid"], row["owner"], row["source"]) == (None, None, "timewait_sock")
    check_bound(row, before_ns, ready_ns)


@pytest.mark.every_kernel
def test_time_wait(stage: Stage, tracer: START, require: Callable[..., None]) -> None:
    """The timer tells when TIME_WAIT began; a new connection from the same port ends it."""
    require(capability.TIME_WAIT)
    pair = stage.pair()
    client_end, end = pair.client.getsockname(), pair.server.getsockname()
    before_ns = time.monotonic_ns()
    pair.server.close()
    pair.client.close()
    entered_ns = time.monotonic_ns()
    time.sleep(1.1)  # a SYN's time stamp must be newer by this much
    traced = start(tracer, stage.netns)
    with within.make_socket(stage.netns) as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(client_end)
        again.connect(end)
        row = first(traced, end, from_="TIME_WAIT", to="CLOSE")
        assert (row["pid"], row["owner"], row["reason"]) == (None, None, "timewait_reused")
        check_bound(row, before_ns, entered_ns)


# ---- Owners --------------------------------------------------------------------------------------


def test_child_that_inherited(cast: Cast, netns: Netns, tracer: START) -> None:
    """Two processes hold it: the first is named, and both are counted."""
    listener = within.listen(netns)
    parent = cast.actor("parent", netns)
    parent.run(f"s = socket.create_connection({listener.getsockname()!r})")
    end = tuple(parent.ask("s.getsockname()"))
    child = parent.fork()
    traced = start(tracer, netns)
    server, _ = listener.accept()
    server.shutdown(socket.SHUT_WR)
    row = first(traced, end, from_="ESTABLISHED")
    check_owner(row, min(parent.pid, child.pid))
    assert row["holders"] == 2
    listener.close()
    server.close()


def test_listener_that_several_hold(cast: Cast, netns: Netns, tracer: START) -> None:
    """How many processes hold a listener says nothing about who will hold what it accepts."""
    parent = cast.actor("parent", netns)
    parent.run("l = socket.create_server(('127.0.0.1', 0))")
    end = tuple(parent.ask("l.getsockname()"))
    children = [parent.fork(), parent.fork()]
    traced = start(tracer, netns)
    parent.run(f"c = socket.create_connection({end!r}); s, _ = l.accept(); c.close(); s.close(); "
               "l.close()")
    for child in children:
        child.run("l.close()")
    rows = traced.wait_for(lambda rows: [row for row in rows if row["from"] == "LISTEN"
                                         and row["to"] == "CLOSE"] and rows)
    assert {row["holders"] for row in rows if row["rport"]} == {None}


def test_two_descriptors_of_one_process(stage: Stage, tracer: START) -> None:
    pair = stage.pair()
    stage.open.append(pair.client.dup())
    traced = start(tracer, stage.netns)
    pair.server.shutdown(socket.SHUT_WR)
    assert first(traced, pair.client.getsockname(), from_="ESTABLISHED")["holders"] == 1


def test_passed_to_another(cast: Cast, netns: Netns, tracer: START) -> None:
    """After SCM_RIGHTS, the maker has closed its descriptor, and the receiver is the owner."""
    listener = within.listen(netns)
    maker = cast.actor("maker", netns)
    maker.run("a, b = socket.socketpair()")
    taker = maker.fork()
    maker.run(f"s = socket.create_connection({listener.getsockname()!r}); "
              "socket.send_fds(a, [b'x'], [s.fileno()])")
    end = tuple(maker.ask("s.getsockname()"))
    taker.run("_, fds, _, _ = socket.recv_fds(b, 1, 1)")
    maker.run("s.close()")
    traced = start(tracer, netns)
    server, _ = listener.accept()
    server.shutdown(socket.SHUT_WR)
    row = first(traced, end, from_="ESTABLISHED")
    check_owner(row, taker.pid)
    assert row["holders"] == 1
    listener.close()
    server.close()


def test_in_flight_beside_two_descriptors_of_another(stage: Stage, tracer: START) -> None:
    """A namespace is passed over only if each socket has a descriptor, each socket counted once."""
    pair, flying = stage.pair(), stage.pair()
    ends = flying.server.getpeername()
    twice = os.dup(pair.client.fileno())
    left, right = socket.socketpair()
    socket.send_fds(left, [b"x"], [flying.client.fileno()])
    flying.client.close()
    before_ns = time.monotonic_ns()
    traced = start(tracer, stage.netns)
    flying.server.shutdown(socket.SHUT_WR)
    row = first(traced, ends, from_="ESTABLISHED")
    assert (row["dwell"], row["owner"], row["to"]) == ("at_least", None, "CLOSE_WAIT")
    assert row["mono_ns"] >= before_ns
    os.close(twice)
    left.close()
    right.close()


def test_other_names_once_it_acts(cast: Cast, netns: Netns, tracer: START) -> None:
    """The scan names the first holder; a process that accepts or closes is better evidence."""
    listener = within.listen(netns)
    parent = cast.actor("parent", netns)
    parent.run(f"s = socket.create_connection({listener.getsockname()!r})")
    end = tuple(parent.ask("s.getsockname()"))
    child = parent.fork()
    last = max(parent, child, key=lambda actor: actor.pid)
    traced = start(tracer, netns)
    (child if last is parent else parent).run("s.close()")
    last.run("s.close()")
    check_owner(first(traced, end, from_="ESTABLISHED"), last.pid, "close")
    listener.close()


def test_owner_filter(stage: Stage, cast: Cast, tracer: START) -> None:
    """-p shows what the process had before the tracer, and nothing else."""
    other = cast.actor("other", stage.netns)
    other.run(f"s = socket.create_connection({stage.listener.getsockname()!r})")
    others, _ = stage.listener.accept()
    other_end = tuple(other.ask("s.getsockname()"))
    pair = stage.pair()
    traced = start(tracer, stage.netns, "-p", str(other.pid))
    pair.client.shutdown(socket.SHUT_WR)
    others.shutdown(socket.SHUT_WR)
    first(traced, other_end, from_="ESTABLISHED", pid=other.pid)
    assert traced.stop() == 0
    assert {row["lport"] for row in traced.all_rows()} == {other_end[1]}
    others.close()


def test_no_snapshot(stage: Stage, tracer: START) -> None:
    pair = stage.pair()
    traced = start(tracer, stage.netns, "--no-snapshot")
    pair.server.shutdown(socket.SHUT_WR)
    row = first(traced, pair.client.getsockname(), from_="ESTABLISHED")
    assert (row["dwell"], row["dwell_ns"]) == ("unknown", None)
    assert (row["pid"], row["owner"], row["holders"]) == (None, None, None)


# ---- Many, and while they move -------------------------------------------------------------------


def test_none_is_missed(netns: Netns, tracer: START) -> None:
    listener = within.listen(netns, backlog=4096)
    pairs = [within.Pair(netns, listener) for _ in range(count(200))]
    ends = {pair.client.getsockname()[1] for pair in pairs}
    traced = start(tracer, netns)
    for pair in pairs:
        pair.server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        pair.server.close()
    rows = traced.wait_for(lambda rows: len(rows) >= 2 * len(pairs) and list(rows), limit_s=30)
    assert {row["lport"] for row in rows if row["lport"] in ends} == ends
    assert {(row["dwell"], row["owner"], row["pid"], row["from"], row["to"]) for row in rows} == {
        ("at_least", "scan", os.getpid(), "ESTABLISHED", "CLOSE")}
    for pair in pairs:
        pair.client.close()
    listener.close()


def test_traffic_while_it_starts(netns: Netns, tracer: START) -> None:
    """No row contradicts another, and no dwell is longer than the traffic has lasted."""
    listener = within.listen(netns)
    stop = threading.Event()

    def traffic() -> None:
        while not stop.is_set():
            pair = within.Pair(netns, listener)
            pair.client.shutdown(socket.SHUT_WR)
            pair.server.close()
            pair.client.close()

    begun_ns = time.monotonic_ns()
    threads = [threading.Thread(target=traffic) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(3):
            traced = start(tracer, netns, "-n", "200")
            traced.wait()
            for row in traced.all_rows():
                assert row["pid"] in (os.getpid(), None), row
                assert not row["dwell_ns"] or row["mono_ns"] - row["dwell_ns"] >= begun_ns, row
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        listener.close()
