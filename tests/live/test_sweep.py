# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Connections whose end no program saw are forgotten, and counted as missed.

No kernel skips the end of a connection on request. So the tests put what such an end would leave
behind into the tracer's own maps: connections on sockets that do not exist. test_timewait.py tests
that the sweep runs once a minute, and not only at the end.
"""

from __future__ import annotations

import json
import socket
import struct
import time
from dataclasses import replace
from typing import Any, Callable, Iterator

import pytest

from harness import capability, place, refusal, within
from harness.netns import Netns
from harness.peer import ACK, FIN, PEERS, RST, Link, Peer
from harness.plain import Running
from harness.remembered import (CLOSE, ESTABLISHED, GONE_TIMEWAIT, GONE_REQUEST, GONE_SOCK, MARK,
                                NOWHERE, OLD_S, TIME_WAIT, YOUNG_S, Remembered)

SO_COOKIE = 57
REARMED_S = 4.5


# If these are refused, only the third way is left: user space goes through all entries by itself.
BATCHES = ["BPF_PROG_LOAD:sweep_table=EPERM", "BPF_PROG_LOAD:iter_table=EPERM"]


@pytest.fixture(name="running")
def _running(netns: Netns) -> Iterator[Running]:
    yield from start(netns)


@pytest.fixture(name="batches")
def _batches(netns: Netns) -> Iterator[Running]:
    yield from start(netns, wrap=refusal.wrap(*BATCHES))


def start(netns: Netns, **kwargs: Any) -> Iterator[Running]:
    if not (capability.backend("timewait") or capability.backend("syn_recv")):
        pytest.skip("neither TIME_WAIT nor SYN_RECV is seen, and only they are looked for")
    time.sleep(max(0.0, OLD_S - time.monotonic()))  # a guest may have booted just now
    with Running("-o", "json", *place.backend(), "--netns", str(netns.inode), **kwargs) as running:
        yield running


def cookie_of(sock: socket.socket) -> int:
    return int(struct.unpack("<Q", sock.getsockopt(socket.SOL_SOCKET, SO_COOKIE, 8))[0])


def pair_in_slot(running: Running, netns: Netns, listener: socket.socket) -> within.Pair:
    """Makes a connection whose client has a slot: slots are made when the first sockets come."""
    def made() -> within.Pair | None:
        pair = within.Pair(netns, listener)
        with Remembered(running.child.pid) as remembered:
            if remembered.slots_of(cookie_of(pair.client)):
                return pair
        within.reset(pair.client)
        pair.server.close()
        return None
    return running.wait_for(made, what="no socket has a slot")


def missed(running: Running) -> int:
    running.finish()
    return int(json.loads(running.lines()[-1].text)["missed"])


@pytest.mark.every_kernel
def test_gone_is_counted(running: Running) -> None:
    """At the end of the run, a connection of each kind that is gone is counted."""
    gone = 1
    with Remembered(running.child.pid) as remembered:
        remembered.plant(GONE_TIMEWAIT)
        if capability.cookies():
            remembered.plant(GONE_REQUEST)
            remembered.plant(GONE_SOCK)
            gone += 2
        remembered.plant(MARK)
        assert missed(running) == gone
        assert not remembered.has(MARK)


@pytest.mark.every_kernel
def test_gone_from_its_slot(running: Running, netns: Netns) -> None:
    """Connections that are gone are counted from a slot as from a table."""
    if not capability.cookies():
        pytest.skip("without cookies no socket has a slot")
    with within.listen(netns) as listener:
        pair = pair_in_slot(running, netns, listener)
        cookie = cookie_of(pair.client)
        with Remembered(running.child.pid) as remembered:
            remembered.plant_beside(cookie, 1024, GONE_TIMEWAIT)
            remembered.plant_beside(cookie, 2048, GONE_SOCK)
        assert missed(running) == 2
    pair.close()


def test_by_batches(batches: Running) -> None:
    test_gone_is_counted(batches)


def test_what_may_be_there_is_left_by_batches(batches: Running, netns: Netns) -> None:
    test_what_may_be_there_is_left(batches, netns)


def test_none_of_the_ways_is_said() -> None:
    for rule in ("BPF_MAP_LOOKUP_BATCH=EPERM", "BPF_PROG_LOAD:sweep_keys=EINVAL"):
        done = refusal.run([*BATCHES, rule], "-d", "100ms")
        assert done.returncode == 0, done
        assert "not looked for (missed)" in done.stderr


@pytest.mark.every_kernel
def test_what_may_be_there_is_left(running: Running, netns: Netns) -> None:
    """Young connections, full sockets and an unusually long TIME_WAIT are left alone."""
    with within.listen(netns) as listener:
        pair = within.Pair(netns, listener)
        pair.client.shutdown(socket.SHUT_WR)
        pair.server.close()
        pair.client.close()
        held = within.Pair(netns, listener)
    time.sleep(0.2)
    with Remembered(running.child.pid) as remembered:
        assert len(remembered.age(ESTABLISHED, OLD_S)) == 2
        timewait = remembered.age(TIME_WAIT, OLD_S)
        assert len(timewait) == (1 if capability.backend("timewait") else 0)
        remembered.plant(replace(GONE_TIMEWAIT, age_s=YOUNG_S))
        remembered.plant(replace(GONE_REQUEST, age_s=YOUNG_S))
        remembered.plant(replace(GONE_REQUEST, key=NOWHERE + 8192, age_s=-YOUNG_S))
        assert missed(running) == 0
    held.close()


@pytest.mark.every_kernel
def test_gone_sockets(running: Running, netns: Netns) -> None:
    """Both ends of a real connection are put back into the map when they are gone."""
    if not capability.cookies():
        pytest.skip("without cookies a socket that is gone looks like the next at its address")
    with within.listen(netns) as listener:
        pair = within.Pair(netns, listener)
    time.sleep(0.2)
    with Remembered(running.child.pid) as remembered:
        ends = remembered.age(ESTABLISHED, OLD_S)
        assert len(ends) == 2
        pair.close()
        time.sleep(0.2)
        for key, value in ends:
            assert remembered.tables[0].get(key) is None
            remembered.tables[0].put(key, value)
        assert missed(running) == 2


def test_outlived_by_its_socket(running: Running, netns: Netns,
                                require: Callable[..., None]) -> None:
    """connect() on a socket whose last connection is in TIME_WAIT: one cookie stands for both."""
    require(capability.TIME_WAIT)
    if not capability.cookies():
        pytest.skip("without cookies each has an address of its own")
    with within.listen(netns) as listener, within.make_socket(netns) as client:
        for _ in range(2):
            client.connect(listener.getsockname())
            with listener.accept()[0] as server:
                client.shutdown(socket.SHUT_RDWR)
                assert server.recv(1) == b""
            while client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != CLOSE:
                time.sleep(0.001)
            within.disconnect(client)
    assert missed(running) == 1
    ends = [row["to"] for row in map(json.loads, (line.text for line in running.lines()[:-1]))
            if row["from"] == "FIN_WAIT2"]
    assert ends == ["TIME_WAIT"] * 2


def connect(client: socket.socket, link: Link) -> Peer:
    """Connects to a peer, which answers."""
    peer = Peer(link)
    client.connect_ex((PEERS[4], peer.port))
    peer.answer()
    return peer


@pytest.mark.every_kernel
def test_outlived_and_armed_again(running: Running, netns: Netns,
                                  require: Callable[..., None]) -> None:
    """A segment reaches the last connection's timewait socket, which is not this connection."""
    require(capability.TIME_WAIT)
    link = Link.make(netns)
    with within.make_socket(netns) as client:
        client.setblocking(False)
        old = connect(client, link)
        client.shutdown(socket.SHUT_WR)
        old.expect(FIN | ACK)
        old.send(FIN | ACK)
        old.expect(ACK)
        within.disconnect(client)
        peer = connect(client, link)
        # A timer that is armed again within a step of the wheel (4 s at most) shows in no event.
        end = time.monotonic() + REARMED_S
        while time.monotonic() < end:
            old.send(ACK)
            time.sleep(0.2)
        peer.send(RST | ACK)
        running.wait_for(lambda: [row for row in rows_of(running, peer) if row["to"] == "CLOSE"])
    link.close()
    assert missed(running) == (1 if capability.cookies() else 0)
    states = [row["to"] for row in rows_of(running, peer)]
    assert states == ["SYN_SENT", "ESTABLISHED", "CLOSE"]


def rows_of(running: Running, peer: Peer) -> list[dict[str, Any]]:
    """Returns the rows so far of the connection to this peer."""
    rows = map(json.loads, (line.text for line in running.lines()))
    return [row for row in rows if row.get("rport") == peer.port]


def test_passed_over_and_reused(running: Running, netns: Netns) -> None:
    """An end was missed, and the socket connects again: only the new connection is remembered."""
    if not capability.cookies():
        pytest.skip("without cookies each has an address of its own")
    with within.listen(netns) as listener, within.make_socket(netns) as client, \
            Remembered(running.child.pid) as remembered:
        old = replace(GONE_SOCK, key=cookie_of(client))
        remembered.plant(old)
        client.connect(listener.getsockname())
        assert not remembered.has(old)
        listener.accept()[0].close()
        assert missed(running) == 1
