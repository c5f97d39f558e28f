# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Handshakes whose client is the test itself, and what a tracer must show of them."""

from __future__ import annotations

import time
from typing import NamedTuple

from .peer import ACK, RST, SYN, Peer
from .stage import Server, Stage, fields
from .tracer import Row
from .watch import (SYN_RECV_SLACK_NS, Watch, When, check_dwell, check_time, check_unknown_dwell,
                    closed, now, row_from, row_to, same, show, steps)

# A handshake that is held this long is slow: its first row is shown before it completes.
HELD_S = 0.2
# Rows about a request's timer come when the timer runs, a second later.
TIMER_LIMIT_S = 20
WHOLE = ["LISTEN", "SYN_RECV", "ESTABLISHED", "CLOSE"]
DROPPED = ["LISTEN", "SYN_RECV", "CLOSE"]


class Handshake(NamedTuple):
    """What happened, and when."""

    server: Server
    peer: Peer
    opened: When  # the SYN came
    ended: When  # the last ACK came, or whatever ended it
    cookie: int = 0  # of the accepted socket
    shown_ns: dict[str, int] = {}  # how long after the SYN a backend showed the first row

    def chain(self, watch: Watch) -> list[Row]:
        """Returns all rows of this connection, which ends."""
        return watch.wait(self.server.link.inode, self.server.port, self.peer.port, closed,
                          limit_s=TIMER_LIMIT_S)


def syn(peer: Peer, options: bytes = b"", payload: bytes = b"") -> When:
    """Sends the SYN; it arrived before its answer went out."""
    sent = peer.syn(options, payload)
    return When(sent.before_ns, peer.expect(SYN | ACK).time_ns)


def slow(server: Server, watches: list[Watch]) -> tuple[Peer, When, dict[str, int]]:
    """Makes a handshake that these watch and that waits for its last ACK; the SYN comes twice."""
    peer = server.peer()
    opened = syn(peer)
    shown_ns = {}
    for watch in watches:
        watch.wait(server.link.inode, server.port, peer.port, bool)
        shown_ns[watch.backend] = now() - opened.from_ns
    peer.send(SYN, seq=peer.isn, options=b"\2\4\5\xb4")
    peer.expect(SYN | ACK)
    time.sleep(max(0, HELD_S - (now() - opened.from_ns) / 1e9))
    return peer, opened, shown_ns


def complete(server: Server, peer: Peer, opened: When,
             shown_ns: dict[str, int] | None = None) -> Handshake:
    """Sends the last ACK, accepts the connection and resets it."""
    sent = peer.send(ACK)
    server.accept()
    ended = When(sent.before_ns, now())
    # SO_COOKIE
    cookie = server.actor.ask(
        "int.from_bytes(s.getsockopt(socket.SOL_SOCKET, 57, 8), 'little')")
    peer.send(RST | ACK)
    return Handshake(server, peer, opened, ended, cookie, shown_ns or {})


def check_handshake(chain: list[Row], done: Handshake) -> None:
    """Checks a complete handshake whose request was seen."""
    assert steps(chain) == WHOLE, show(chain)
    same(chain, **fields(done.server, done.peer))
    first, last = row_to(chain, "SYN_RECV"), row_from(chain, "SYN_RECV")
    assert (first["source"], last["source"]) == ("request_sock", "request_sock"), show(chain)
    assert (first["owner"], last["owner"]) == ("listen", "listen"), show(chain)
    check_unknown_dwell(first)
    check_time(first, done.opened, SYN_RECV_SLACK_NS)
    check_time(last, done.ended, SYN_RECV_SLACK_NS)
    check_dwell(last, done.opened, done.ended, SYN_RECV_SLACK_NS)
    assert last["dwell_ns"] == last["mono_ns"] - first["mono_ns"]
    assert chain[-1]["reason"] == "reset_received"


def check_artefact(chain: list[Row], done: Handshake) -> None:
    """Checks the tracepoint's view: the child is cloned when the ACK comes."""
    assert steps(chain) == WHOLE, show(chain)
    same(chain, **fields(done.server, done.peer))
    for row in (row_to(chain, "SYN_RECV"), row_from(chain, "SYN_RECV")):
        assert row["source"] == "tracepoint", show(chain)
        check_time(row, done.ended, SYN_RECV_SLACK_NS)
        check_unknown_dwell(row)


def check_dropped(chain: list[Row], done: Handshake, reason: str | set[str],
                  since: When | None = None) -> None:
    assert steps(chain) == DROPPED, show(chain)
    same(chain, **fields(done.server, done.peer), source="request_sock", owner="listen")
    first, last = chain
    check_time(first, done.opened, SYN_RECV_SLACK_NS)
    check_dwell(last, done.opened, since or done.ended, SYN_RECV_SLACK_NS)
    assert last["dwell_ns"] == last["mono_ns"] - first["mono_ns"]
    assert last["reason"] in ({reason} if isinstance(reason, str) else reason), show(chain)
    assert last["errno"] is None


def unseen(watch: Watch, done: Handshake) -> None:
    """The end of another one must show nothing of it, and nothing made up."""
    peer = done.server.peer()
    peer.open()
    done.server.accept("probe")
    peer.send(RST | ACK)
    watch.wait(done.server.link.inode, done.server.port, peer.port, closed)
    assert not watch.chains(done.server.link.inode, done.server.port, done.peer.port)


def fast_open_server(stage: Stage) -> Server:
    """tcp_fastopen has the bits for servers, and for no cookie."""
    return stage.server(stage.link(tcp_fastopen=0x202),
                        before="o.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 16)")
