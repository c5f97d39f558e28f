# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Why a connection ended, where the kernel has several ways to give a connection up.

The peer is no socket but the test itself (harness/peer.py). It says nothing unless it is asked to,
so that timers run out.
"""

from __future__ import annotations

import shutil
import time
from typing import Callable, NamedTuple

import pytest

from harness.netns import Netns
from harness.peer import ACK, PSH, SYN, Peer
from harness.stage import Server, Stage, stages
from harness.tracer import Tracer
from harness.watch import BACKENDS, Watch, closed

# By number: levels and options of <sys/socket.h> and <netinet/tcp.h>.
KEEPALIVE = ("s.setsockopt(1, 9, 1); s.setsockopt(6, 4, 1); s.setsockopt(6, 5, 1); "
             "s.setsockopt(6, 6, 1)")
USER_TIMEOUT = "s.setsockopt(6, 18, 1500)"
DEFER = "o.setsockopt(6, 9, 1)"
LIMIT_S = 30

stage = pytest.fixture(stages, scope="module", name="stage")


@pytest.fixture(params=BACKENDS, name="watch")
def _watch(request: pytest.FixtureRequest, stage: Stage) -> Watch:
    return stage.watch(request.param)


class Given(NamedTuple):
    """Connections, by what made them end."""

    server: Server
    peers: dict[str, Peer]

    def reason(self, watch: Watch, name: str) -> tuple[str, str | None]:
        """Returns why the connection ended, and the errno."""
        chain = watch.wait(self.server.link.inode, self.server.port, self.peers[name].port,
                           closed, limit_s=LIMIT_S)
        return chain[-1]["reason"], chain[-1]["errno"]


def play_timeouts(stage: Stage) -> Given:
    """Makes all of them at once, because each takes some seconds."""
    server = stage.server(stage.link(tcp_retries2=1))
    peers = {}
    for name, what in {
            "keepalive": KEEPALIVE,
            "keepalive-user": KEEPALIVE + "; " + USER_TIMEOUT,
            "user": USER_TIMEOUT + "; s.send(b'x')",
            "data": "s.send(b'x')",
    }.items():
        peers[name] = server.open()
        server.actor.run(what + f"; kept_{len(peers)} = s")
    return Given(server, peers)


@pytest.mark.every_kernel
@pytest.mark.parametrize("name,reason", [
    ("keepalive", "keepalive_timeout"), ("keepalive-user", "user_timeout"),
    ("user", "user_timeout"), ("data", "timeout")])
def test_timeouts(name: str, reason: str, stage: Stage, watch: Watch) -> None:
    """Reasons are told apart: unanswered probes, TCP_USER_TIMEOUT, and unacknowledged data."""
    assert stage.once(play_timeouts).reason(watch, name) == (reason, "ETIMEDOUT")


REPAIR = """
import socket, time
l = socket.create_server(("127.0.0.1", 8080))
for half in range(3):
    c = socket.create_connection(("127.0.0.1", 8080))
    s, _ = l.accept()
    (s if half == 1 else c).shutdown(socket.SHUT_WR) if half else None
    time.sleep(0.2)
    c.setsockopt(socket.IPPROTO_TCP, 19, 1)
    c.close()
"""


@pytest.mark.every_kernel
def test_closed_in_repair(netns: Netns, tracer: Callable[..., Tracer]) -> None:
    """A close in TCP_REPAIR sends nothing: neither when open, nor after the FIN of either side."""
    running = tracer("--netns", str(netns.inode))
    netns.run(["python3", "-c", REPAIR])
    ended = running.wait_for(lambda rows: [
        row for row in rows if row["to"] == "CLOSE" and row["rport"] == 8080][2:] and rows)
    assert {(row["from"], row["reason"]) for row in ended
            if row["to"] == "CLOSE" and row["rport"] == 8080} == {
        ("ESTABLISHED", "repair"), ("CLOSE_WAIT", "repair"), ("FIN_WAIT2", "repair")}


# A socket is disconnected, which leaves ECONNRESET in it. It connects again without a free port, or
# it listens.
ANOTHER_LIFE = """
import ctypes, socket
def disconnect(s):
    assert not ctypes.CDLL(None).connect(s.fileno(), bytes(16), 16)
def connect(port):
    s = socket.create_connection(("127.0.0.1", port))
    servers[port].accept()[0].detach()
    return s
with open("/proc/sys/net/ipv4/ip_local_port_range", "w") as ports:
    ports.write("50000 50001")
servers = {port: socket.create_server(("127.0.0.1", port)) for port in (8080, 8081)}
first, again = connect(8080), connect(8081)
disconnect(again)
second = connect(8080)
assert again.connect_ex(("127.0.0.1", 8080)) == 99
disconnect(first)
first.bind(("127.0.0.1", 8082))
first.listen()
"""


@pytest.mark.every_kernel
def test_error_of_an_earlier_connection(netns: Netns, tracer: Callable[..., Tracer]) -> None:
    """What ended a socket's last connection ends neither its next one nor the listener it becomes,
    and its last port is not that of a connection that got none."""
    running = tracer("--netns", str(netns.inode))
    netns.run(["python3", "-c", ANOTHER_LIFE])
    rows = running.wait_for(lambda rows: [row for row in rows if row["from"] == "LISTEN" and
                                          (row["lport"], row["to"]) == (8082, "CLOSE")] and rows)
    (failed,) = [row for row in rows if (row["from"], row["to"]) == ("SYN_SENT", "CLOSE")]
    assert (failed["reason"], failed["errno"], failed["lport"]) == ("no_local_port",
                                                                    "EADDRNOTAVAIL", None), failed
    (listener,) = [row for row in rows if (row["lport"], row["from"]) == (8082, "LISTEN")]
    assert (listener["reason"], listener["errno"]) == ("listener_closed", None), listener


def play_deferred(stage: Stage, full: bool) -> Given:
    """Sends a bare ACK, which TCP_DEFER_ACCEPT ignores; or data while the accept queue is full."""
    server = stage.server(stage.link(tcp_synack_retries=1), backlog=0, before=DEFER)
    late = server.peer()
    late.syn()
    late.expect(SYN | ACK)
    late.send(ACK)
    if full:
        first = server.peer()
        first.syn()
        first.expect(SYN | ACK)
        first.send(ACK | PSH, b"x")
        time.sleep(0.1)
        late.send(ACK | PSH, b"x")
    return Given(server, {"late": late})


@pytest.mark.every_kernel
@pytest.mark.parametrize("full,reason", [(False, "timeout"), (True, "queue_overflow")],
                         ids=["timeout", "overflow"])
def test_deferred(full: bool, reason: str, stage: Stage, watch: Watch) -> None:
    """With TCP_DEFER_ACCEPT, only the accept queue tells the two reasons apart."""
    watch.require(requests=True)
    assert stage.once(play_deferred, full).reason(watch, "late")[0] == reason


def play_killed(stage: Stage) -> Given:
    """Ends a request by `ss -K`."""
    if not shutil.which("ss"):
        pytest.skip("no ss")
    server = stage.server(stage.link())
    peer = server.peer()
    peer.syn()
    peer.expect(SYN | ACK)
    done = server.link.netns.run(["ss", "-HK", "state", "syn-recv"])
    if not done.stdout.strip():
        pytest.skip("this kernel ends no sockets for others (CONFIG_INET_DIAG_DESTROY)")
    return Given(server, {"request": peer})


def test_killed_request(stage: Stage, watch: Watch) -> None:
    watch.require(requests=True)
    given = stage.once(play_killed)
    assert given.reason(watch, "request") == ("aborted", None)
