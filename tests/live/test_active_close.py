# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""FIN_WAIT2, CLOSING, and the way into TIME_WAIT: for sockets that a process holds, and orphans.

The peer is the test itself (harness/peer.py): each segment goes out when the test says so, and the
time of that is the truth. Every backend that can be forced on the kernel watches the same traffic.
"""

from __future__ import annotations

import socket
import struct
import time

import pytest

from harness import capability
from harness.close import (ACTIVE, HELD_S, WHOLE, Close, check_close, check_timewait, check_times,
                           closer, family_or_skip)
from harness.matrix import on_every_kernel
from harness.peer import ACK, FIN, HOSTS, PEERS, PSH, RST, SYN, Peer, checksum
from harness.scale import count
from harness.stage import FAMILIES, Stage, stages
from harness.watch import (BACKENDS, SLACK_NS, Watch, When, check_time, closed, now, same, show,
                           steps)

# The tracer looks every few tens of milliseconds for a flip that fires no event.
PROMPT_NS = 100_000_000

stage = pytest.fixture(stages, scope="module", name="stage")


@pytest.fixture(params=BACKENDS, name="watch")
def _watch(request: pytest.FixtureRequest, stage: Stage) -> Watch:
    return stage.watch(request.param)


# ---- FIN_WAIT2 and TIME_WAIT of a socket that a process holds --------------------------------


def play_slow_peer(stage: Stage, family: str) -> Close:
    close = closer(stage, stage.link(), family)
    close.shut("s.shutdown(socket.SHUT_WR)")
    time.sleep(HELD_S)
    close.ack()
    time.sleep(HELD_S)
    close.fin()
    time.sleep(HELD_S)
    close.reset()
    return close


@pytest.mark.parametrize("family", on_every_kernel(FAMILIES, "mapped"))
def test_slow_peer(family: str, stage: Stage, watch: Watch) -> None:
    """Each state of an active close lasts as long as the peer lets it."""
    family_or_skip(family)
    close: Close = stage.once(play_slow_peer, family)
    check_close(close, watch)


def play_shutdown_then_close(stage: Stage) -> Close:
    """The process closes the socket while the peer is slow."""
    close = closer(stage, stage.link())
    close.shut("s.shutdown(socket.SHUT_WR)")
    close.server.actor.run("s.shutdown(socket.SHUT_RDWR)")
    close.ack()
    time.sleep(HELD_S)
    close.server.actor.run("s.close()")
    time.sleep(HELD_S)
    close.fin()
    time.sleep(HELD_S)
    close.reset()
    return close


@pytest.mark.every_kernel
def test_shutdown_then_close(stage: Stage, watch: Watch) -> None:
    """close() after shutdown() is no transition: FIN_WAIT2 lasts from the ACK to the peer's FIN."""
    close: Close = stage.once(play_shutdown_then_close)
    chain = close.wait(watch, closed)
    if watch.timewait:
        check_timewait(chain, close, watch, flip=True)
    else:
        assert steps(chain) == [*ACTIVE, "CLOSE"], show(chain)


def play_closing(stage: Stage, how: str) -> Close:
    """Both FINs cross."""
    close = closer(stage, stage.link())
    close.shut(how)
    unacked = close.peer.wants
    close.peer.wants = (unacked - 1) % 2**32
    sent = close.peer.send(FIN | ACK)
    close.at["CLOSING"] = When(sent.before_ns, close.peer.expect(ACK).time_ns)
    time.sleep(HELD_S)
    close.peer.wants = unacked
    sent = close.peer.send(ACK)
    close.at["TIME_WAIT"] = When(sent.before_ns, close.settled())
    time.sleep(HELD_S)
    close.reset()
    return close


@pytest.mark.parametrize("how", on_every_kernel(["s.shutdown(socket.SHUT_WR)", "s.close()"],
                                                "s.close()"), ids=["shutdown", "close"])
def test_closing(how: str, stage: Stage, watch: Watch) -> None:
    """CLOSING -> TIME_WAIT happens when the ACK of the FIN comes."""
    close: Close = stage.once(play_closing, how)
    chain = close.wait(watch, closed)
    path = [*WHOLE[:4], "CLOSING", "TIME_WAIT", "CLOSE"]
    if watch.timewait:
        check_timewait(chain, close, watch, path=path)
    else:
        assert steps(chain) == [*path[:5], "CLOSE"], show(chain)
        check_time(chain[-1], close.at["TIME_WAIT"], SLACK_NS)


def play_fin_with_ack(stage: Stage) -> Close:
    """One segment acknowledges the FIN and carries the peer's FIN."""
    close = closer(stage, stage.link())
    close.shut("s.close()")
    close.fin()
    close.at["FIN_WAIT2"] = close.at["TIME_WAIT"]
    time.sleep(HELD_S)
    close.reset()
    return close


@pytest.mark.every_kernel
def test_fin_with_ack(stage: Stage, watch: Watch) -> None:
    close: Close = stage.once(play_fin_with_ack)
    check_close(close, watch)


# ---- FIN_WAIT2 of an orphan ------------------------------------------------------------------


def play_flip(stage: Stage, fin_timeout: int, family: str) -> Close:
    """close(); the peer's FIN comes when a timewait socket already stands for the connection."""
    close = closer(stage, stage.link(tcp_fin_timeout=fin_timeout), family)
    close.shut("s.close()")
    close.ack()
    time.sleep(HELD_S)
    close.fin()
    for watch in stage.seeing(timewait=True):
        close.wait(watch, lambda chain: chain[-1]["to"] == "TIME_WAIT")
        close.shown_ns[watch.backend] = now() - close.at["TIME_WAIT"].from_ns
    time.sleep(HELD_S)
    close.reset()
    return close


@pytest.mark.parametrize("fin_timeout", [60, 2])
@pytest.mark.parametrize("family", on_every_kernel(FAMILIES, "ipv6"))
def test_orphan_flips(fin_timeout: int, family: str, stage: Stage, watch: Watch) -> None:
    """A timewait socket goes FIN_WAIT2 -> TIME_WAIT; its timer may move hardly at all, or a lot."""
    family_or_skip(family)
    close: Close = stage.once(play_flip, fin_timeout, family)
    check_close(close, watch, orphan=True)


def test_flip_is_prompt(stage: Stage, watch: Watch) -> None:
    """The row of the flip is shown within 100 ms on a machine that is fast enough."""
    watch.require(timewait=True)
    shown = [stage.once(play_flip, fin_timeout, "ipv4").shown_ns[watch.backend]
             for fin_timeout in (60, 2)]
    assert min(shown) <= PROMPT_NS, shown


def play_flips_in_a_jiffy(stage: Stage) -> list[Close]:
    """The peer's FIN comes right behind the ACK, so the timer of most timewait sockets is armed
    again within the jiffy in which it was armed first. A reset comes before the tracer looks."""
    closes = [closer(stage, stage.link()) for _ in range(10)]
    for close in closes:
        close.shut("s.close()")
        acknowledged = close.peer.send(ACK)
        close.fin()
        close.at["FIN_WAIT2"] = When(acknowledged.before_ns, close.at["TIME_WAIT"].to_ns)
        time.sleep(0.025)
        close.reset()
    return closes


@pytest.mark.every_kernel
def test_flips_in_a_jiffy(stage: Stage, watch: Watch) -> None:
    """FIN_WAIT2 ended when the FIN came, and not when the reset did."""
    watch.require(timewait=True)
    for close in stage.once(play_flips_in_a_jiffy):
        chain = close.wait(watch, closed)
        check_timewait(chain, close, watch, flip=True)


def play_many_flips(stage: Stage) -> list[Close]:
    """More orphans than are looked at in one go all flip at almost the same time."""
    number = count(400, 40)
    link = stage.link()
    server = stage.server(link, backlog=1024)
    closes = [Close(server, server.peer()) for _ in range(number)]
    for close in closes:
        close.peer.open()
    server.actor.run(f"a = [l.accept()[0] for _ in range({number})]")
    server.actor.run("for one in a: one.close()")
    for close in closes:
        close.peer.expect(FIN | ACK)
        close.peer.send(ACK)
    time.sleep(HELD_S)
    for close in closes:
        close.fin()
    time.sleep(HELD_S)
    for close in closes:
        close.reset()
    return closes


def test_many_flips(stage: Stage, watch: Watch) -> None:
    watch.require(timewait=True)
    for close in stage.once(play_many_flips):
        chain = close.wait(watch, closed)
        check_timewait(chain, close, watch, flip=True)


def play_orphan_timeout(stage: Stage) -> Close:
    close = closer(stage, stage.link(tcp_fin_timeout=1))
    close.shut("s.close()")
    close.ack()
    return close


@pytest.mark.every_kernel
def test_orphan_times_out(stage: Stage, watch: Watch) -> None:
    """The peer never sends its FIN, and the kernel waits for tcp_fin_timeout."""
    watch.require(timewait=True)
    close: Close = stage.once(play_orphan_timeout)
    chain = close.wait(watch, closed)
    since = close.at["FIN_WAIT2"]
    close.at["CLOSE"] = When(since.from_ns + 1_000_000_000, since.to_ns + 1_500_000_000)
    check_timewait(chain, close, watch, reason="timeout", path=[*ACTIVE, "CLOSE"])
    assert chain[-1]["source"] == "timewait_sock"


# What ends an orphan's FIN_WAIT2 at once: the flags, the data, and whether a sequence number is
# skipped.
ENDS = {
    "reset": (RST | ACK, b"", "reset_received"),
    "data": (ACK | PSH, b"more", "reset_sent"),
    "syn": (SYN, b"", "reset_sent"),
}


def play_orphan_end(stage: Stage, name: str) -> Close:
    flags, payload, _ = ENDS[name]
    close = closer(stage, stage.link())
    close.shut("s.close()")
    close.ack()
    time.sleep(HELD_S)
    sent = close.peer.send(flags, payload)
    close.at["CLOSE"] = When(sent.before_ns, close.settled())
    return close


@pytest.mark.every_kernel
@pytest.mark.parametrize("name", ["reset", "data", "syn"])
def test_orphan_ends(name: str, stage: Stage, watch: Watch) -> None:
    """FIN_WAIT2 -> CLOSE without TIME_WAIT: by the peer's reset, or by ours to unwanted data."""
    watch.require(timewait=True)
    close: Close = stage.once(play_orphan_end, name)
    chain = close.wait(watch, closed)
    reason = ENDS[name][2]
    # The tracepoint reports the resets of timewait sockets, too, since 6.10, when it got a reason.
    if watch.backend == "timer" and not capability.in_btf("sk_rst_reason"):
        reason = "reset_received"
    check_timewait(chain, close, watch, reason=reason, path=[*ACTIVE, "CLOSE"])


# Data that comes when nobody can read any more: how the process closed, and whether the segment, or
# one before it, acknowledges the FIN. The kernel answers with a reset in each case.
UNREAD: dict[str, tuple[str, bool, bool]] = {
    "close, before the ACK": ("s.close()", False, False),
    "close, with the ACK": ("s.close()", False, True),
    "shutdown, before the ACK": ("s.shutdown(socket.SHUT_RDWR)", False, False),
    "shutdown, after the ACK": ("s.shutdown(socket.SHUT_RDWR)", True, True),
    "close after shutdown, with the ACK": ("s.shutdown(socket.SHUT_WR); s.close()", False, True),
}


def play_unread(stage: Stage, name: str) -> Close:
    how, acked_before, acked = UNREAD[name]
    close = closer(stage, stage.link())
    close.peer.send(ACK | PSH, b"read")
    close.server.actor.run("s.recv(9)")
    close.shut(how)
    if acked_before:
        close.ack()
    if not acked:
        close.peer.wants = (close.peer.wants - 1) % 2**32
    sent = close.peer.send(ACK | PSH, b"unread")
    close.at["CLOSE"] = When(sent.before_ns, close.peer.expect(RST).time_ns)
    if acked and not acked_before:
        close.at["FIN_WAIT2"] = close.at["CLOSE"]
    return close


@pytest.mark.every_kernel
@pytest.mark.parametrize("name", UNREAD)
def test_unread_data_is_reset(name: str, stage: Stage, watch: Watch) -> None:
    close: Close = stage.once(play_unread, name)
    chain = close.wait(watch, closed)
    path = [*ACTIVE, "CLOSE"] if UNREAD[name][2] else [*ACTIVE[:4], "CLOSE"]
    check_timewait(chain, close, watch, reason="reset_sent", path=path)


def play_half_close(stage: Stage) -> Close:
    """Data that the process still reads does not explain the reset that comes after it."""
    close = closer(stage, stage.link())
    close.shut("s.shutdown(socket.SHUT_WR)")
    close.peer.send(ACK | PSH, b"read")
    close.at["FIN_WAIT2"] = When(close.at["FIN_WAIT1"].from_ns, close.peer.expect(ACK).time_ns)
    close.server.actor.run("s.recv(9)")
    close.reset()
    return close


@pytest.mark.every_kernel
def test_reset_after_half_close(stage: Stage, watch: Watch) -> None:
    close: Close = stage.once(play_half_close)
    check_timewait(close.wait(watch, closed), close, watch, reason="reset_received",
                   path=[*ACTIVE, "CLOSE"])


def play_linger2(stage: Stage) -> Close:
    """With TCP_LINGER2 below 0, orphans have no FIN_WAIT2."""
    close = closer(stage, stage.link())
    close.server.actor.run("s.setsockopt(socket.IPPROTO_TCP, socket.TCP_LINGER2, -1)\n"
                           "s.shutdown(socket.SHUT_WR)")
    close.peer.expect(FIN | ACK)
    close.ack()
    before_ns = now()
    close.server.actor.run("s.close()")
    close.at["CLOSE"] = When(before_ns, now())
    return close


@pytest.mark.every_kernel
def test_no_linger_in_fin_wait2(stage: Stage, watch: Watch) -> None:
    """tcp_max_tw_buckets is not the reason why such a socket has no TIME_WAIT."""
    close: Close = stage.once(play_linger2)
    chain = close.wait(watch, closed)
    assert steps(chain) == [*ACTIVE, "CLOSE"], show(chain)
    assert chain[-1]["reason"] == "reset_sent", show(chain)
    check_times(chain, close, watch)


def icmp_unreachable(peer: Peer) -> None:
    """Sends ICMP as a router would: the host of this peer cannot be reached (RFC 792)."""
    source, target = (socket.inet_aton(one[4]) for one in (HOSTS, PEERS))
    quoted = (struct.pack("!BBHHHBBH", 0x45, 0, 40, 0, 0x4000, 64, socket.IPPROTO_TCP, 0)
              + source + target + struct.pack("!HHI", peer.rport, peer.port, peer.wants))
    message = struct.pack("!BBHI", 3, 1, 0, 0) + quoted
    peer.link.write_ip4(socket.IPPROTO_ICMP, target, source,
                        message[:2] + struct.pack("!H", checksum(message)) + message[4:])


def play_old_error(stage: Stage) -> Close:
    """ICMP leaves an error in the socket (IP_RECVERR), and the connection goes on to its FINs."""
    close = closer(stage, stage.link())
    # IP_RECVERR
    close.server.actor.run("s.setsockopt(socket.IPPROTO_IP, 11, 1)")
    icmp_unreachable(close.peer)
    close.server.actor.run("import select; p = select.poll(); p.register(s, 0)")
    assert close.server.actor.ask("p.poll(20000)"), "no error came"
    close.peer.send(FIN | ACK)
    close.peer.expect(ACK)
    close.server.actor.run("s.close()")
    close.peer.expect(FIN | ACK)
    close.peer.send(ACK)
    return close


@pytest.mark.every_kernel
def test_old_error(stage: Stage, watch: Watch) -> None:
    """The old error is not the reason why the connection ended."""
    close: Close = stage.once(play_old_error)
    last = close.wait(watch, closed)[-1]
    assert (last["from"], last["reason"], last["errno"]) == ("LAST_ACK", "fin", None), show([last])


LINGER = """
import struct
s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
s.close()
"""


def play_abort(stage: Stage, state: str) -> Close:
    """Closes with linger 0 after the FIN went out unanswered: no RST is due (tcp_need_reset())."""
    close = closer(stage, stage.link())
    if state == "LAST_ACK":
        close.peer.send(FIN | ACK)
        close.server.actor.run("s.recv(1)")
    close.server.actor.run("s.shutdown(socket.SHUT_WR)")
    close.peer.expect(FIN | ACK)
    if state == "CLOSING":
        close.peer.wants = (close.peer.wants - 1) % 2**32
        close.peer.send(FIN | ACK)
        close.peer.expect(ACK)
    time.sleep(HELD_S)
    before_ns = now()
    close.server.actor.run(LINGER)
    close.at["CLOSE"] = When(before_ns, now())
    return close


@pytest.mark.parametrize("state", ["CLOSING", "LAST_ACK"])
def test_abort_after_fin(state: str, stage: Stage, watch: Watch) -> None:
    """The process gives up: the peer has not acknowledged all data, and TIME_WAIT is not full."""
    close: Close = stage.once(play_abort, state)
    chain = close.wait(watch, closed)
    assert chain[-1]["from"] == state and len(chain) == 5, show(chain)
    assert chain[-1]["reason"] == "aborted", show(chain)
    same(chain, **close.says)
    check_times(chain, close, watch)
