# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Children that a SYN with data makes (TCP Fast Open): they are in SYN_RECV as full sockets."""

from __future__ import annotations

import time
from typing import Callable

import pytest

from harness.handshake import (DROPPED, HELD_S, WHOLE, Handshake, check_handshake,
                               fast_open_server, syn)
from harness.looking import LOOK_S, Looking
from harness.matrix import on_every_kernel
from harness.peer import ACK, PSH, RST, Peer
from harness.scale import count
from harness.stage import Server, Stage, fields, stages
from harness.tracer import Tracer
from harness.watch import (BACKENDS, SYN_RECV_SLACK_NS, Watch, When, check_dwell,
                           check_time, closed, now, same, show, steps)

stage = pytest.fixture(stages, scope="module", name="stage")


@pytest.fixture(params=BACKENDS, name="watch")
def _watch(request: pytest.FixtureRequest, stage: Stage) -> Watch:
    return stage.watch(request.param)


def play_fast_open(stage: Stage) -> tuple[Handshake, Handshake]:
    """Data comes with the SYN, and the server has the socket long before the handshake is over."""
    server = fast_open_server(stage)
    peer = server.peer()
    opened = syn(peer, payload=b"hello")
    server.accept()
    assert server.actor.ask("s.recv(99).decode()") == "hello"
    # Another child is born meanwhile.
    other = server.peer()
    opened_other = syn(other)
    other.send(ACK)
    server.accept("other")
    over = Handshake(server, other, opened_other, When(opened_other.from_ns, now()))
    time.sleep(HELD_S)
    sent = peer.send(ACK | PSH, b"more")
    assert server.actor.ask("s.recv(99).decode()") == "more"
    done = Handshake(server, peer, opened, When(sent.before_ns, now()))
    peer.send(RST | ACK)
    other.send(RST | ACK)
    return done, over


def test_fast_open(stage: Stage, watch: Watch) -> None:
    """The child exists from the SYN on: the full socket itself is in SYN_RECV."""
    done, other = stage.once(play_fast_open)
    chain = done.chain(watch)
    assert steps(chain) == WHOLE, show(chain)
    same(chain, **fields(done.server, done.peer), source="tracepoint")
    check_time(chain[0], done.opened, SYN_RECV_SLACK_NS)
    check_time(chain[1], done.ended, SYN_RECV_SLACK_NS)
    check_dwell(chain[1], done.opened, done.ended, SYN_RECV_SLACK_NS)
    if watch.requests:
        check_handshake(other.chain(watch), other)


def play_fast_open_resets(stage: Stage) -> tuple[Server, list[Peer]]:
    """Children of a SYN with data come in pairs, and each is reset within 100 us."""
    server = fast_open_server(stage)
    peers = []
    for _ in range(count(20)):
        one, other = server.peer(), server.peer()
        one.syn(payload=b"hello")
        other.syn(payload=b"hello")
        one.send(RST, seq=one.next)
        other.send(RST, seq=other.next)
        peers += [one, other]
    syn(server.peer())
    return server, peers


def test_fast_open_resets(stage: Stage, watch: Watch) -> None:
    server, peers = stage.once(play_fast_open_resets)
    for peer in peers:
        chain = watch.wait(server.link.inode, server.port, peer.port, closed)
        assert steps(chain) == DROPPED, show(chain)
        same(chain, pid=server.actor.pid, owner="listen")


@pytest.mark.parametrize("watch", on_every_kernel(BACKENDS, "fentry"), indirect=True)
def test_fast_open_waits_for_who_accepts(stage: Stage, watch: Watch,
                                         tracer: Callable[..., Tracer]) -> None:
    """-p: a child accepted before its first transition waits no longer than for that one."""
    server = fast_open_server(stage)
    worker = server.actor.fork()
    running = Watch(watch.backend,
                    tracer("--backend", watch.backend, "-p", str(worker.pid), chains=False))
    peer = server.peer()
    opened = syn(peer, payload=b"hello")
    worker.run("s, _ = l.accept()")
    # Asking for the cookie gives the socket one.
    worker.run("s.getsockopt(socket.SOL_SOCKET, 57, 8)")
    server.link.netns.run(["ss", "-Htane"])
    sent = peer.send(ACK)
    ended = When(sent.before_ns, now())
    chain = running.wait(server.link.inode, server.port, peer.port, lambda rows: len(rows) == 2)
    assert steps(chain) == WHOLE[:3], show(chain)
    same(chain, pid=worker.pid, comm=worker.comm, owner="accept", source="tracepoint")
    check_dwell(chain[1], opened, ended, SYN_RECV_SLACK_NS)
    peer.send(RST | ACK)


@pytest.mark.usefixtures("require_cookies")
def test_fast_open_that_a_look_finds(stage: Stage) -> None:
    """A child that has not left SYN_RECV yet is not remembered twice."""
    server = fast_open_server(stage)
    with Looking(server) as looking:
        time.sleep(2 * LOOK_S)
        peer = server.peer()
        syn(peer, payload=b"hello")
        time.sleep(2 * LOOK_S)
        peer.send(ACK)
        server.accept()
        cookie = server.actor.ask("s.getsockopt(socket.SOL_SOCKET, 57, 8).hex()")
        peer.send(RST | ACK)
        looking.wait_for(lambda: not [key for key in looking.keys()
                                      if key[-1] & 0x80 or key.hex() == cookie])
