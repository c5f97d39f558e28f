# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""SYN_RECV as it is: from the SYN to the ACK that completes the handshake, or to its end.

The client is no socket but the test itself (harness/peer.py), so each segment goes out when the
test says so, and the time of that is the truth. Every backend that can be forced on the kernel
watches the same traffic.
"""

from __future__ import annotations

import time

import pytest

from harness import capability
from harness.close import family_or_skip
from harness.handshake import (DROPPED, HELD_S, TIMER_LIMIT_S, WHOLE, Handshake, check_artefact,
                               check_dropped, check_handshake, complete, slow, syn, unseen)
from harness.looking import Looking
from harness.matrix import on_every_kernel
from harness.peer import ACK, RST, SYN, Peer
from harness.scale import count
from harness.stage import FAMILIES, Server, Stage, stages
from harness.watch import (BACKENDS, SYN_RECV_SLACK_NS, UID, Watch, When, check_dwell,
                           check_time, closed, now, same, show, steps)

# A handshake that takes this long is noted, in case somebody is about to look for slow ones.
MARKED_S = 0.018
# Someone at a terminal takes this delay for none.
PROMPT_NS = 100_000_000
# TCP_TIMEOUT_INIT (include/net/tcp.h), and how late its timer may be: the wheel adds an eighth
# (kernel/time/timer.c), and a busy machine the rest.
RETRY_NS = 1_000_000_000
# After another jiffy the timer has expired; the wheel runs it within eight jiffies.
EXPIRED_NS = RETRY_NS + 5_000_000
LATE = 1.5
REUSE_PORT = "o.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)"

stage = pytest.fixture(stages, scope="module", name="stage")


@pytest.fixture(params=BACKENDS, name="watch")
def _watch(request: pytest.FixtureRequest, stage: Stage) -> Watch:
    return stage.watch(request.param)


# ---- Handshakes that complete --------------------------------------------------------------------


def play_slow(stage: Stage, family: str) -> Handshake:
    server = stage.server(stage.link(), family)
    return complete(server, *slow(server, stage.seeing(requests=True)))


@pytest.mark.parametrize("family", on_every_kernel(FAMILIES, "ipv4", "mapped"))
def test_slow_handshake(family: str, stage: Stage, watch: Watch) -> None:
    """It is shown before it completes, with its true length, and as one connection."""
    family_or_skip(family)
    done: Handshake = stage.once(play_slow, family)
    (check_handshake if watch.requests else check_artefact)(done.chain(watch), done)


def test_first_row_is_prompt(stage: Stage, watch: Watch) -> None:
    """LISTEN -> SYN_RECV is shown within 100 ms of the SYN, on a machine that is fast enough."""
    watch.require(requests=True)
    shown = [stage.once(play_slow, family).shown_ns[watch.backend]
             for family in FAMILIES if family == "ipv4" or capability.ipv6()]
    tries = 0
    server = None
    while min(shown) > PROMPT_NS and tries < 5:
        server = server or stage.server(stage.link())
        done = complete(server, *slow(server, [watch]))
        shown.append(done.shown_ns[watch.backend])
        tries += 1
    assert min(shown) <= PROMPT_NS, shown


def play_fast(stage: Stage) -> Handshake:
    server = stage.server(stage.link())
    peer = server.peer()
    return complete(server, peer, syn(peer))


@pytest.mark.every_kernel
def test_fast_handshake(stage: Stage, watch: Watch) -> None:
    """It is over before anybody looks, and still seen whole; its cookie is the socket's."""
    done: Handshake = stage.once(play_fast)
    chain = done.chain(watch)
    (check_handshake if watch.requests else check_artefact)(chain, done)
    # Where the kernel gives a tracer no cookies, the identity is above all cookies.
    assert chain[0]["cookie"] == done.cookie or chain[0]["cookie"] >= 1 << 52


def play_many(stage: Stage) -> list[Handshake]:
    """There are more handshakes at once than are shown at a time."""
    number = count(300, 30)
    server = stage.server(stage.link(tcp_syncookies=0, tcp_max_syn_backlog=4096), backlog=4096)
    peers = [server.peer() for _ in range(number)]
    sent = [peer.syn() for peer in peers]
    opened = [When(one.before_ns, peer.expect(SYN | ACK).time_ns)
              for one, peer in zip(sent, peers)]
    time.sleep(HELD_S)
    ended = []
    for peer in peers:
        # A segment is received before send() returns, or by a thread that is busy with others.
        sent_one = peer.send(ACK)
        ended.append(sent_one)
    server.actor.run(f"a = [l.accept() for _ in range({number})]")
    over_ns = now()
    for peer in peers:
        peer.send(RST | ACK)
    return [Handshake(server, peer, one, When(last.before_ns, over_ns))
            for peer, one, last in zip(peers, opened, ended)]


def test_many_slow_handshakes(stage: Stage, watch: Watch) -> None:
    for done in stage.once(play_many):
        chain = done.chain(watch)
        (check_handshake if watch.requests else check_artefact)(chain, done)


def play_late_acks(stage: Stage) -> list[Handshake]:
    """Each ACK comes when its request's timer has expired, but before the wheel runs it."""
    server = stage.server(stage.link())
    done = []
    peers = [(peer, syn(peer)) for peer in (server.peer() for _ in range(count(24)))]
    for peer, opened in peers:
        time.sleep(max(0, (opened.to_ns + EXPIRED_NS - now()) / 1e9))
        done.append(complete(server, peer, opened))
    return done


def test_late_acks(stage: Stage, watch: Watch) -> None:
    """The timer is taken off before it runs, but after the time for which it was set."""
    for done in stage.once(play_late_acks):
        chain = done.chain(watch)
        (check_handshake if watch.requests else check_artefact)(chain, done)


def play_full_queue(stage: Stage) -> Handshake:
    """The last ACK finds the accept queue full and is ignored; a later ACK is not."""
    server = stage.server(stage.link(), backlog=0)
    first, late = server.peer(), server.peer()
    opened = syn(late)
    first.open()
    # The first one waits in the queue: it left SYN_RECV when its ACK was received.
    poll(server, "01", first)
    late.send(ACK)
    time.sleep(HELD_S)
    server.accept("first")
    return complete(server, late, opened)


def poll(server: Server, state: str, peer: Peer) -> None:
    """Waits until the namespace's table has the connection in this state."""
    for _ in range(2000):
        table = server.link.netns.run(["cat", "/proc/net/tcp"]).stdout.splitlines()[1:]
        rows = [line.split() for line in table]
        if any(row[1].endswith(f":{server.port:04X}") and row[2].endswith(f":{peer.port:04X}")
               and row[3] == state for row in rows):
            return
        time.sleep(0.005)
    raise AssertionError(f"{peer.port} is not in state {state}")


@pytest.mark.every_kernel
def test_full_accept_queue(stage: Stage, watch: Watch) -> None:
    """The handshake is not over before the server takes it for complete."""
    done: Handshake = stage.once(play_full_queue)
    chain = done.chain(watch)
    (check_handshake if watch.requests else check_artefact)(chain, done)


# ---- Handshakes that do not ----------------------------------------------------------------------


def given_up(opened: When, after_ns: int) -> When:
    """Returns when a request's timer has run out."""
    return When(opened.from_ns + after_ns, opened.to_ns + round(after_ns * LATE))


def play_timeouts(stage: Stage) -> list[Handshake]:
    """The last SYN-ACK is sent after 0 or 1 s, and the request is given up after 1 or 3 s."""
    found = []
    for retries, after_ns in ((0, RETRY_NS), (1, 3 * RETRY_NS)):
        server = stage.server(stage.link(tcp_synack_retries=retries))
        peer = server.peer()
        opened = syn(peer)
        found.append(Handshake(server, peer, opened, given_up(opened, after_ns)))
    return found


@pytest.mark.every_kernel
@pytest.mark.parametrize("retries", [0, 1])
def test_timeout(retries: int, stage: Stage, watch: Watch) -> None:
    done: Handshake = stage.once(play_timeouts)[retries]
    if watch.requests:
        check_dropped(done.chain(watch), done, "timeout")
    else:
        unseen(watch, done)


def play_reset(stage: Stage, held_s: float) -> Handshake:
    server = stage.server(stage.link())
    peer = server.peer()
    opened = syn(peer)
    time.sleep(held_s)
    sent = peer.send(RST | ACK)
    # The reset is received before the next one's SYN is answered.
    syn(server.peer())
    return Handshake(server, peer, opened, When(sent.before_ns, now()))


@pytest.mark.every_kernel
@pytest.mark.parametrize("held_s", [0, HELD_S], ids=["fast", "slow"])
def test_reset_by_client(held_s: float, stage: Stage, watch: Watch) -> None:
    done: Handshake = stage.once(play_reset, held_s)
    if watch.requests:
        check_dropped(done.chain(watch), done, "reset_received")
    else:
        unseen(watch, done)


def play_another_syn(stage: Stage) -> Handshake:
    """A SYN with another sequence number in the window is answered by a reset (RFC 793)."""
    server = stage.server(stage.link())
    peer = server.peer()
    opened = syn(peer)
    sent = peer.send(SYN, seq=peer.next + 100)
    answer = peer.expect(RST | ACK)
    return Handshake(server, peer, opened, When(sent.before_ns, answer.time_ns))


@pytest.mark.every_kernel
def test_reset_by_server(stage: Stage, watch: Watch) -> None:
    watch.require(requests=True)
    done: Handshake = stage.once(play_another_syn)
    check_dropped(done.chain(watch), done, "reset_sent")


def play_reset_after_slow(stage: Stage) -> list[Handshake]:
    """Makes slow handshakes, and after each one that is reset, probably in the same memory."""
    server = stage.server(stage.link())
    done = []
    for _ in range(count(40)):
        slower, peer = server.peer(), server.peer()
        syn(slower)
        time.sleep(MARKED_S)
        slower.send(ACK)
        server.accept()
        opened = syn(peer)
        sent = peer.send(RST | ACK)
        done.append(Handshake(server, peer, opened, When(sent.before_ns, now())))
        slower.send(RST | ACK)
    syn(server.peer())
    return done


def test_reset_after_slow_handshake(stage: Stage, watch: Watch) -> None:
    """What is noted about a completed handshake says nothing about the next one in its memory."""
    watch.require(requests=True)
    for done in stage.once(play_reset_after_slow):
        chain = watch.wait(done.server.link.inode, done.server.port, done.peer.port, closed)
        check_dropped(chain, done, "reset_received")


def play_listener_closed(stage: Stage, by_ack: bool) -> Handshake:
    """Requests outlive the listener until something looks at them: the ACK, or the timer."""
    server = stage.server(stage.link())
    peer = server.peer()
    opened = syn(peer)
    server.actor.run("l.close()")
    if not by_ack:
        return Handshake(server, peer, opened, given_up(opened, RETRY_NS))
    sent = peer.send(ACK)
    answer = peer.expect(RST)
    return Handshake(server, peer, opened, When(sent.before_ns, answer.time_ns))


@pytest.mark.every_kernel
@pytest.mark.parametrize("by_ack", [True, False], ids=["ack", "timer"])
def test_listener_closed(by_ack: bool, stage: Stage, watch: Watch) -> None:
    watch.require(requests=True)
    done: Handshake = stage.once(play_listener_closed, by_ack)
    chain = done.chain(watch)
    # Who held the listener is known only while the listener exists.
    assert steps(chain) == DROPPED, show(chain)
    same(chain, source="request_sock", lport=done.server.port, uid=UID)
    assert chain[1]["reason"] == "listener_closed"
    check_time(chain[0], done.opened, SYN_RECV_SLACK_NS)
    check_dwell(chain[1], done.opened, done.ended, SYN_RECV_SLACK_NS)


# From this length on a handshake is looked for among those found slow (REQUEST_SLOW_NS).
SOON_NS = 15_000_000


def play_beside_closers(stage: Stage) -> list[Handshake]:
    """Makes quick handshakes while listeners of another process and namespace come and go."""
    closer = stage.actor("closer", stage.netns())
    closer.send("""
while True:
    with socket.create_server(("127.0.0.1", 0), backlog=8) as one, socket.socket() as other:
        other.connect(one.getsockname())""")
    server = stage.server(stage.link())
    done = []
    for _ in range(count(20)):
        peer = server.peer()
        opened = syn(peer)
        time.sleep(0.01)
        done.append(complete(server, peer, opened))
    closer.kill()
    return done


@pytest.mark.every_kernel
def test_other_listeners_close(stage: Stage, watch: Watch) -> None:
    """When a listener closes, only its own requests are shown before they prove slow."""
    watch.require(requests=True)
    quick = [done for done in stage.once(play_beside_closers)
             if done.ended.to_ns - done.opened.from_ns < SOON_NS]
    if not quick:
        pytest.skip("the machine is too busy for a quick handshake")
    for done in quick:
        chain = done.chain(watch)
        check_handshake(chain, done)
        assert chain[0]["cookie"] == done.cookie or not capability.cookies()


def play_ends_with_listeners(stage: Stage) -> list[list[Handshake]]:
    """Ends processes with several listeners, each with a request that has just come."""
    link = stage.link()
    found = []
    for _ in range(count(6)):
        servers = [stage.server(link)]
        for number in range(1, 4):
            servers.append(servers[0].another(f"l{number}"))
        peers = [server.peer() for server in servers]
        opened = [syn(peer) for peer in peers]
        servers[0].actor.kill()
        found.append([Handshake(server, peer, one, given_up(one, RETRY_NS))
                      for server, peer, one in zip(servers, peers, opened)])
    return found


@pytest.mark.every_kernel
def test_process_ends_with_requests(stage: Stage, watch: Watch) -> None:
    """The requests belong to the process that ends, whichever of its listeners closes first."""
    watch.require(requests=True)
    for ended in stage.once(play_ends_with_listeners):
        for done in ended:
            chain = done.chain(watch)
            assert steps(chain) == DROPPED, show(chain)
            same(chain, pid=done.server.actor.pid, owner="listen")
            assert chain[1]["reason"] == "listener_closed"


def play_migration(stage: Stage) -> tuple[Handshake, Server]:
    """A listener closes, and its request goes to another one of its group when its timer runs."""
    if not capability.in_btf("reuseport_migrate_sock"):
        pytest.skip("requests go to no other listener (5.14)")
    link = stage.link(tcp_migrate_req=1)
    server = stage.server(link, before=REUSE_PORT)
    heir = stage.server(link, name="heir", before=REUSE_PORT, listen=False)
    peer = server.peer()
    opened = syn(peer)
    heir.port = server.port
    heir.listen()
    # Who held the listener is known only while the listener exists.
    for watch in stage.seeing(requests=True):
        watch.wait(link.inode, server.port, peer.port, bool)
    server.actor.run("l.close()")
    peer.expect(SYN | ACK)
    time.sleep(HELD_S)
    return complete(heir, peer, opened), server


@pytest.mark.every_kernel
def test_migration(stage: Stage, watch: Watch) -> None:
    """It stays one connection, which belongs to the other listener from then on."""
    done, server = stage.once(play_migration)
    chain = done.chain(watch)
    if not watch.requests:
        check_artefact(chain, done)
        return
    assert steps(chain) == WHOLE, show(chain)
    same(chain, lport=server.port, uid=UID)
    assert [(row["pid"], row["owner"]) for row in chain[:2]] == [
        (server.actor.pid, "listen"), (done.server.actor.pid, "listen")], show(chain)
    check_dwell(chain[1], done.opened, done.ended, SYN_RECV_SLACK_NS)
    assert len(watch.chains(server.link.inode, server.port, done.peer.port)) == 1


def play_overflow(stage: Stage, abort: bool) -> Handshake:
    """The accept queue is full: the server resets if it is told to, or lets the client wait."""
    server = stage.server(stage.link(tcp_abort_on_overflow=int(abort), tcp_synack_retries=0),
                          backlog=0)
    first, late = server.peer(), server.peer()
    opened = syn(late)
    first.open()
    poll(server, "01", first)
    sent = late.send(ACK)
    if not abort:
        return Handshake(server, late, opened, given_up(opened, RETRY_NS))
    answer = late.expect(RST)
    return Handshake(server, late, opened, When(sent.before_ns, answer.time_ns))


@pytest.mark.every_kernel
@pytest.mark.parametrize("abort", [True, False], ids=["reset", "given-up"])
def test_accept_queue_overflow(abort: bool, stage: Stage, watch: Watch) -> None:
    watch.require(requests=True)
    done: Handshake = stage.once(play_overflow, abort)
    check_dropped(done.chain(watch), done, "queue_overflow")


# ---- Handshakes without a request ----------------------------------------------------------------


def play_cookies(stage: Stage) -> Handshake:
    server = stage.server(stage.link(tcp_syncookies=2))
    peer = server.peer()
    opened = syn(peer)
    time.sleep(HELD_S)
    return complete(server, peer, opened)


@pytest.mark.every_kernel
def test_syn_cookies(stage: Stage, watch: Watch) -> None:
    """Nobody remembers the SYN, so its time is not made up."""
    done: Handshake = stage.once(play_cookies)
    check_artefact(done.chain(watch), done)


def play_same_again(stage: Stage) -> list[Handshake]:
    """Probers follow each other with the same port and number, and probably in the same memory."""
    server = stage.server(stage.link())
    first, done = server.peer(), []
    for number in range(5):
        peer = Peer(first.link, first.version, first.rport, first.port + number % 2)
        peer.isn = peer.next = first.isn
        peer.seen = len(peer.link.segments)  # an earlier prober's SYN-ACK is not for this one
        opened = syn(peer)
        sent = peer.send(RST | ACK)
        done.append(Handshake(server, peer, opened, When(sent.before_ns, now())))
    syn(server.peer())
    return done


def test_resets_of_one_number(stage: Stage, watch: Watch) -> None:
    probes: list[Handshake] = stage.once(play_same_again)
    if not watch.requests:
        for done in probes:
            unseen(watch, done)
        return
    for done in probes[:2]:
        same_port = [other for other in probes if other.peer.port == done.peer.port]
        for number, other in enumerate(same_port, 1):
            chain = watch.wait(other.server.link.inode, other.server.port, other.peer.port, closed,
                               number, limit_s=TIMER_LIMIT_S)
            check_dropped(chain, other, "reset_received")


@pytest.mark.usefixtures("require_cookies")
def test_handshakes_that_a_look_finds(stage: Stage) -> None:
    """A request that ends while the sockets are walked is forgotten all the same."""
    server = stage.server(stage.link())
    with Looking(server) as looking:
        for _ in range(count(300)):
            peer = server.peer()
            syn(peer)
            time.sleep(0.004)  # of the 15 ms within which it is usually not looked for
            peer.send(ACK)
            server.accept()
            peer.send(RST | ACK)
        looking.wait_for(lambda: not [key for key in looking.keys() if key[-1] & 0x80])
