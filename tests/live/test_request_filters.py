# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""SYN_RECV by options: the kernel's own view, filters, and rows that wait for who accepts."""

from __future__ import annotations

import time
from typing import Callable

import pytest

from harness.handshake import DROPPED, HELD_S, WHOLE, Handshake, complete, syn, unseen
from harness.matrix import on_every_kernel
from harness.peer import ACK, RST
from harness.stage import Server, Stage, stages
from harness.tracer import Tracer
from harness.watch import (BACKENDS, SYN_RECV_SLACK_NS, UID, Watch, When, chains, check_dwell,
                           check_time, now, same, show, steps)

stage = pytest.fixture(stages, scope="module", name="stage")


@pytest.fixture(params=BACKENDS, name="watch")
def _watch(request: pytest.FixtureRequest, stage: Stage) -> Watch:
    return stage.watch(request.param)


def test_kernel_view(stage: Stage, tracer: Callable[..., Tracer]) -> None:
    """The tracepoint alone has SYN_RECV only between clone and ACK, and no request."""
    running = Watch("none", tracer("--kernel-view", "--uid", str(UID)))
    server = stage.server(stage.link())
    peer = server.peer()
    opened = syn(peer)
    time.sleep(HELD_S)
    done = complete(server, peer, opened)
    chain = done.chain(running)
    assert steps(chain) == WHOLE, show(chain)
    same(chain, lport=server.port, source="tracepoint")
    check_time(chain[0], done.ended, SYN_RECV_SLACK_NS)
    assert chain[1]["dwell"] == "exact"
    assert 0 <= chain[1]["dwell_ns"] <= SYN_RECV_SLACK_NS
    dropped = server.peer()
    syn(dropped)
    dropped.send(RST | ACK)
    done = Handshake(server, dropped, opened, opened)
    unseen(running, done)


@pytest.mark.parametrize("watch", on_every_kernel(BACKENDS, "fentry"), indirect=True)
def test_rows_wait_for_who_accepts(stage: Stage, watch: Watch,
                                   tracer: Callable[..., Tracer]) -> None:
    """-p of a process that did not open the listener shows its connections whole, and no others."""
    link = stage.link()
    server = stage.server(link)
    worker = server.actor.fork()
    running = Watch(watch.backend,
                    tracer("--backend", watch.backend, "-p", str(worker.pid), chains=False))
    mine, others = server.peer(), server.peer()
    opened = syn(mine)
    syn(others)
    time.sleep(HELD_S)
    sent = mine.send(ACK)
    worker.run("s, _ = l.accept()")
    ended = When(sent.before_ns, now())
    others.send(ACK)
    server.accept()
    others.send(RST | ACK)
    mine.send(RST | ACK)
    done = Handshake(server, mine, opened, ended)
    chain = done.chain(running)
    assert steps(chain) == WHOLE, show(chain)
    same(chain, pid=worker.pid, comm=worker.comm, owner="accept")
    if running.requests:
        check_time(chain[0], opened, SYN_RECV_SLACK_NS)
        check_time(chain[1], ended, SYN_RECV_SLACK_NS)
        check_dwell(chain[1], opened, ended, SYN_RECV_SLACK_NS)
    running.tracer.check()
    assert not running.chains(link.inode, server.port, others.port)


def watch_owner(server: Server, watch: Watch, tracer: Callable[..., Tracer]) -> Watch:
    """Starts a tracer with -p of the listening process, before the listener exists."""
    running = Watch(watch.backend,
                    tracer("--backend", watch.backend, "-p", str(server.actor.pid), chains=False))
    server.actor.run("at = l.getsockname(); l.close(); l = socket.create_server(at)")
    return running


def test_owner_of_what_nobody_accepts(stage: Stage, watch: Watch,
                                      tracer: Callable[..., Tracer]) -> None:
    """-p: rows that wait for an owner until the socket closes are their listener's, and
    complete."""
    server = stage.server(stage.link())
    running = watch_owner(server, watch, tracer)
    peer = server.peer()
    opened = syn(peer)
    sent = peer.send(ACK)
    time.sleep(HELD_S)
    server.actor.run("l.close()")
    peer.expect(RST | ACK)
    chain = Handshake(server, peer, opened, When(sent.before_ns, now())).chain(running)
    assert steps(chain) == [*WHOLE[:3], "CLOSE"], show(chain)
    same(chain, lport=server.port, pid=server.actor.pid, owner="listen")


def test_handshake_that_was_there_and_waits_for_an_owner(stage: Stage, watch: Watch,
                                                         tracer: Callable[..., Tracer]) -> None:
    """-p: the first row has passed when the tracer comes, and one row waits, not two."""
    server = stage.server(stage.link())
    peers = [server.peer() for _ in range(3)]
    for peer in peers:
        syn(peer)
    running = tracer("--backend", watch.backend, "-p", str(server.actor.pid), chains=False)
    time.sleep(HELD_S)
    for peer in peers:
        peer.send(ACK)
    server.actor.run(f"s = [l.accept()[0] for _ in range({len(peers)})]")
    for peer in peers:
        peer.send(RST | ACK)
    ended = running.wait_for(lambda rows: [row for row in rows if row["to"] == "CLOSE"
                                           and row["lport"] == server.port][2:] and rows)
    assert sum(row["to"] == "ESTABLISHED" for row in ended) == len(peers)
    running.check()


def test_requests_of_the_listeners_owner(stage: Stage, watch: Watch,
                                         tracer: Callable[..., Tracer]) -> None:
    """-p of the listening process shows all from SYN_RECV on, also requests that came to
    nothing."""
    server = stage.server(stage.link())
    running = watch_owner(server, watch, tracer)
    dropped, peer = server.peer(), server.peer()
    opened = syn(dropped)
    time.sleep(HELD_S)
    sent = dropped.send(RST | ACK)
    gone = Handshake(server, dropped, opened, When(sent.before_ns, sent.after_ns))
    done = complete(server, peer, syn(peer))
    chain = done.chain(running)
    assert steps(chain) == WHOLE, show(chain)
    if running.requests:
        chain = gone.chain(running)
        assert steps(chain) == DROPPED, show(chain)
        same(chain, pid=server.actor.pid, owner="listen")


@pytest.mark.parametrize("arguments,shown", [
    (["--min-dwell", "100ms"], {"slow"}),
    (["--from", "SYN_RECV", "--to", "CLOSE"], {"gone"}),
    (["-6"], set()),
    (["--addr", "192.0.2.9"], {"slow", "fast", "gone"}),
    (["--addr", "192.0.2.128/25"], set()),
], ids=lambda value: "-".join(value) if isinstance(value, list) else "")
def test_filters(arguments: list[str], shown: set[str], stage: Stage,
                 tracer: Callable[..., Tracer]) -> None:
    """Filters hold for requests as for all else."""
    if not stage.seeing(requests=True):
        pytest.skip("no backend sees requests")
    link = stage.link()
    running = tracer("--netns", str(link.netns.inode), *arguments, chains=False)
    server = stage.server(link)
    peers = {name: server.peer() for name in ("slow", "fast", "gone")}
    syn(peers["slow"])
    time.sleep(HELD_S)
    for name in ("slow", "fast"):
        if name == "fast":
            syn(peers[name])
        peers[name].send(ACK)
        server.accept()
        peers[name].send(RST | ACK)
    syn(peers["gone"])
    peers["gone"].send(RST | ACK)
    # All of the others are over before this one is answered.
    syn(server.peer())
    running.check()
    rows = running.all_rows()
    seen = {name for name, peer in peers.items()
            if chains(rows, link.inode, server.port, peer.port)}
    assert seen == shown, show(rows)
    if "--min-dwell" in arguments:
        assert [(row["from"], row["to"]) for row in rows
                if row["from"] != "LISTEN"] == [("SYN_RECV", "ESTABLISHED")]
