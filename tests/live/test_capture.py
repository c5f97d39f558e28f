# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The rows against a packet capture: a segment's effect on a connection has the segment's time.

tcpdump records what passes one end of a veth pair while connections of all kinds are made across
it. A state machine after RFC 9293 (section 3.10) turns the segments of each connection into the
moments at which its two ends change their states. The tracer's rows must have those moments.
"""

from __future__ import annotations

import ctypes
import datetime
import itertools
import socket
import struct
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Iterator

import pytest

from harness import capability, stall
from harness.actor import Actor, Cast
from harness.capture import Capture
from harness.matrix import on_every_kernel
from harness.netns import Veth
from harness.peer import ACK, FIN, RST, SYN, Segment
from harness.tracer import Row, Tracer
from harness.watch import BACKENDS, SLACK_NS, SYN_RECV_SLACK_NS, UID, Watch, show, watch_all

PORT = 8080
HELD_S = 0.2
# Python's library lacks these: two options of a socket, and a system call since 5.6.
SO_ATTACH_FILTER, SO_DETACH_FILTER = 26, 27
PIDFD_GETFD = 438


# ---- What the segments mean ----------------------------------------------------------------------


@dataclass
class End:
    """One end of a connection according to RFC 9293, as far as these tests need it."""

    state: str
    moves: list[tuple[str, int]] = field(default_factory=list)
    fin_next: int | None = None  # the acknowledgment that its FIN waits for

    def go(self, state: str, time_ns: int) -> None:
        self.state = state
        self.moves.append((state, time_ns))

    def sends(self, segment: Segment) -> None:
        flags, at = segment.flags, segment.time_ns
        if flags & RST:
            self.go("CLOSE", at)
        elif flags & SYN:
            if self.state == "CLOSE":
                self.go("SYN_SENT", at)
        elif self.state == "SYN_SENT":
            # Of several SYN-ACKs, the client heard the one that it answers.
            self.go("ESTABLISHED", at)
        elif flags & FIN and self.fin_next is None:
            self.fin_next = segment.next
            self.go("LAST_ACK" if self.state == "CLOSE_WAIT" else "FIN_WAIT1", at)

    def hears(self, segment: Segment) -> None:
        flags, at = segment.flags, segment.time_ns
        if self.state == "CLOSE":
            return
        if flags & RST:
            self.go("CLOSE", at)
            return
        if flags & SYN:
            if self.state == "LISTEN":
                self.go("SYN_RECV", at)
            return
        if self.state == "SYN_RECV" and flags & ACK:
            self.go("ESTABLISHED", at)
        if flags & ACK and self.fin_next is not None and segment.ack == self.fin_next:
            after = {"FIN_WAIT1": "FIN_WAIT2", "CLOSING": "TIME_WAIT", "LAST_ACK": "CLOSE"}
            if self.state in after:
                self.go(after[self.state], at)
        if flags & FIN:
            after = {"ESTABLISHED": "CLOSE_WAIT", "FIN_WAIT1": "CLOSING", "FIN_WAIT2": "TIME_WAIT"}
            if self.state in after:
                self.go(after[self.state], at)


@dataclass
class Ends:
    client: End = field(default_factory=lambda: End("CLOSE"))
    server: End = field(default_factory=lambda: End("LISTEN"))


def interpret(segments: list[Segment]) -> dict[int, list[Ends]]:
    """Returns the connections of each port of the client, one after another."""
    found: dict[int, list[Ends]] = {}
    for segment in segments:
        from_client = segment.dport == PORT
        these = found.setdefault(segment.sport if from_client else segment.dport, [])
        if segment.flags & (SYN | ACK) == SYN and (
                not these or these[-1].client.state not in ("SYN_SENT", "SYN_RECV")):
            if these:
                # The SYN replaces what was left of the server's end.
                these[-1].server.go("CLOSE", segment.time_ns)
            these.append(Ends())
        if not these:
            continue
        ends = these[-1]
        sender, hearer = (ends.client, ends.server) if from_client else (ends.server, ends.client)
        sender.sends(segment)
        hearer.hears(segment)
    return found


# ---- What is played ------------------------------------------------------------------------------

# Each is text for the two actors: c is the client's socket, s the server's, l the listener.
CLIENT = """
import struct
def make(kind, to, port=0):
    global c
    c = socket.socket(kind)
    c.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    c.bind(("", port))
    return kind, to
def linger(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
"""


# One instruction, BPF_RET: it keeps 0 bytes of what comes for the socket.
DROP = struct.pack("HBBI", 0x06, 0, 0, 0)


def gate(actor: Actor, shut: bool) -> None:
    """Drops what comes for the actor's socket c, or no longer. A filter may need root."""
    theirs = actor.ask("c.fileno()")
    fd = ctypes.CDLL(None, use_errno=True).syscall(PIDFD_GETFD, actor.handle, theirs, 0)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "pidfd_getfd")
    with socket.socket(fileno=fd) as sock:
        if shut:
            code = ctypes.create_string_buffer(DROP, len(DROP))
            sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER,
                            struct.pack("HP", 1, ctypes.addressof(code)))
        else:
            sock.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)


@dataclass
class Play:
    """Two actors across a veth pair, and how they connect."""

    actor: Actor
    client: Callable[[str], None]
    server: Callable[[str], None]
    kind: str
    to: str

    def connect(self, port: int = 0) -> None:
        self.client(f"make({self.kind}, {self.to!r}, {port}); c.connect(({self.to!r}, {PORT}))")
        self.server("s, _ = l.accept()")

    def slow_peer(self) -> None:
        """The client closes by shutdown(), and the server takes its time."""
        self.connect()
        self.client("c.shutdown(socket.SHUT_WR)")
        time.sleep(HELD_S)
        self.server("s.close()")
        self.client("c.recv(1); c.close()")

    def orphan(self) -> None:
        """The client is gone before the server closes."""
        self.connect()
        self.client("c.close()")
        time.sleep(HELD_S)
        self.server("s.close()")

    def passive(self) -> None:
        """The server closes first; then the client's next SYN takes the place of its TIME_WAIT."""
        self.connect()
        self.client("port = c.getsockname()[1]")
        self.server("s.shutdown(socket.SHUT_WR)")
        self.client("c.recv(1)")
        time.sleep(HELD_S)
        self.client("c.close()")
        self.server("s.recv(1); s.close()")
        time.sleep(HELD_S)
        self.client(f"make({self.kind}, {self.to!r}, port); c.connect(({self.to!r}, {PORT}))")
        self.server("s, _ = l.accept()")
        self.client("linger(c)")
        self.server("s.close()")

    def slow_handshake(self) -> None:
        """The client hears no SYN-ACK at first."""
        self.client(f"make({self.kind}, {self.to!r}); c.setblocking(False)")
        gate(self.actor, shut=True)
        self.client(f"c.connect_ex(({self.to!r}, {PORT}))")
        time.sleep(HELD_S)
        # The next SYN-ACK comes a second after the first.
        gate(self.actor, shut=False)
        self.client("c.setblocking(True)")
        self.server("s, _ = l.accept()")
        self.client("linger(c)")
        self.server("s.close()")

    def reset(self) -> None:
        """The server resets a connection that the client holds."""
        self.connect()
        time.sleep(HELD_S)
        self.server("linger(s)")
        self.client("""
try:
    c.recv(1)
except ConnectionResetError:
    c.close()
""")


PLAYS: dict[str, Callable[[Play], None]] = {
    "slow-peer": Play.slow_peer, "orphan": Play.orphan, "passive": Play.passive,
    "slow-handshake": Play.slow_handshake, "reset": Play.reset,
}
FAMILIES = {"ipv4": "socket.AF_INET", "ipv6": "socket.AF_INET6"}
CASES = list(itertools.product(PLAYS, FAMILIES))
# Each play in one family.
ON_EVERY_KERNEL = {("slow-peer", "ipv4"), ("orphan", "ipv6"), ("passive", "ipv4"),
                   ("slow-handshake", "ipv6"), ("reset", "ipv4")}


@dataclass
class Played:
    """What was captured, and the client's port by which each case can be found."""

    veth: Veth
    inodes: tuple[int, int]  # of the client's and the server's namespace
    ports: dict[tuple[str, str], int]
    connections: dict[int, list[Ends]]
    watches: dict[str, Watch]


def selected(request: pytest.FixtureRequest) -> list[tuple[str, str]]:
    """Returns the cases of the tests that are to run; all cases if no test is one of them."""
    calls = [item.callspec.params for item in request.session.items
             if item.path == request.path and hasattr(item, "callspec")]
    chosen = {(call["name"], call["family"]) for call in calls} or set(CASES)
    return [(name, family) for name, family in CASES
            if (name, family) in chosen and (family == "ipv4" or capability.ipv6())]


@pytest.fixture(scope="module", name="played")
def _played(request: pytest.FixtureRequest, module_tracer: Callable[..., Tracer],
            module_veth: Callable[[], Veth],
            tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    watches = watch_all(module_tracer, "--uid", str(UID))
    veth = module_veth()
    ports: dict[tuple[str, str], int] = {}
    with Cast() as cast:
        client = cast.actor("client", veth.client, user=UID)
        server = cast.actor("server", veth.server, user=UID)
        client.run(CLIENT)
        server.run(CLIENT)
        cases = selected(request)
        server.run(f"l = socket.create_server(('::', {PORT}), family=socket.AF_INET6, "
                   "dualstack_ipv6=True)" if capability.ipv6() else
                   f"l = socket.create_server(('', {PORT}))")
        plays = {family: Play(client, client.run, server.run, FAMILIES[family],
                              getattr(veth.server, family)) for _, family in cases}
        # The first segment waits until the neighbour is found. An emulated processor translates
        # code before it runs for the first time, which takes longer than everything else.
        for name, family in cases if stall.EMULATED else [("reset", family) for family in plays]:
            PLAYS[name](plays[family])
        # Each write goes out as one segment, or the sizes would not be those on the wire.
        capture = Capture(veth.server, tmp_path_factory.mktemp("capture") / "file")
        for name, family in cases:
            # A port that the kernel would not choose by itself tells which case this is.
            ports[name, family] = 20000 + len(ports)
            client.run(f"make_any = make\n"
                       f"def make(kind, to, port=0): return make_any(kind, to, "
                       f"port or {ports[name, family]})")
            PLAYS[name](plays[family])
            client.run("make = make_any")
        inodes = veth.client.inode, veth.server.inode
        last = max(ports.values())
        segments = capture.stop(lambda segment: bool(segment.flags & RST) and segment.dport == last)
        yield Played(veth, inodes, ports, interpret(segments), watches)


@pytest.fixture(params=BACKENDS, name="watch")
def _watch(request: pytest.FixtureRequest, played: Played) -> Watch:
    watch = played.watches[request.param]
    if watch.refused:
        pytest.skip(f"backend {request.param}: not here")
    return watch


def wall_ns(row: Row) -> int:
    """Returns the row's time of day; the library's own parser stops at microseconds."""
    head, rest = row["time"].rstrip("Z").split(".")
    whole = datetime.datetime.fromisoformat(head).replace(tzinfo=datetime.timezone.utc)
    return int(whole.timestamp()) * 10**9 + int(rest.ljust(9, "0"))


def slack_ns(row: Row, watch: Watch) -> int:
    if "SYN_RECV" in (row["from"], row["to"]):
        return SYN_RECV_SLACK_NS
    if "TIME_WAIT" in (row["from"], row["to"]):
        return watch.tw_slack_ns
    return SLACK_NS


def as_seen(end: End, watch: Watch, orphan: bool = False) -> list[tuple[str, int]]:
    """Returns an end's moves as this backend can know them."""
    moves = list(end.moves)
    names = [state for state, _ in moves]
    if "SYN_RECV" in names and not watch.requests:
        # Without requests, the child's first row comes when the ACK makes it.
        at = names.index("SYN_RECV")
        moves[at] = "SYN_RECV", moves[at + 1][1]
    if "TIME_WAIT" in names and not watch.timewait:
        at = names.index("TIME_WAIT")
        # The full socket closes when the timewait socket takes over, at an orphan's FIN_WAIT2.
        moves[at:] = [("CLOSE", moves[at - orphan][1])]
    return moves


def compare(chain: list[Row], moves: list[tuple[str, int]], watch: Watch) -> None:
    # A timer ends TIME_WAIT, and no segment shows that.
    rows = chain[:len(moves)]
    assert [row["to"] for row in rows] == [state for state, _ in moves], (
        f"{show(chain)}\n{moves}")
    for index, (row, (_, at_ns)) in enumerate(zip(rows, moves)):
        off_ns = wall_ns(row) - at_ns
        most_ns = slack_ns(row, watch) + stall.worst_ns(row["mono_ns"] - abs(off_ns),
                                                        row["mono_ns"] + abs(off_ns))
        assert abs(off_ns) <= most_ns, (
            f"{off_ns / 1e6:.3f} ms off, allowed {most_ns / 1e6:.3f}: {show([row])}")
        if index and row["dwell"] != "unknown":
            lasted_ns = at_ns - moves[index - 1][1]
            most_ns = slack_ns(row, watch) + stall.worst_ns(row["mono_ns"] - row["dwell_ns"],
                                                            row["mono_ns"])
            assert abs(row["dwell_ns"] - lasted_ns) <= most_ns, (
                f"{lasted_ns / 1e6:.3f} ms by the capture, allowed {most_ns / 1e6:.3f} off: "
                f"{show([row])}")


@pytest.mark.parametrize(("name", "family"), on_every_kernel(CASES, *ON_EVERY_KERNEL))
def test_against_capture(name: str, family: str, played: Played, watch: Watch) -> None:
    """Both ends have each of their states, as exact as a capture can tell."""
    if (name, family) not in played.ports:
        pytest.skip("no IPv6")
    port = played.ports[name, family]
    connections = played.connections[port]
    assert len(connections) == (2 if name == "passive" else 1)
    for number, ends in enumerate(connections, 1):
        for inode, lport, rport, moves in (
                (played.inodes[0], port, PORT, as_seen(ends.client, watch, name == "orphan")),
                (played.inodes[1], PORT, port, as_seen(ends.server, watch))):
            chain = watch.wait(inode, lport, rport, lambda rows, n=len(moves): len(rows) >= n,
                               number)
            compare(chain, moves, watch)


@pytest.mark.every_kernel
def test_what_is_played(played: Played) -> None:
    """The capture has the moves that the tests are about."""
    states = {state for these in played.connections.values() for ends in these
              for end in (ends.client, ends.server) for state, _ in end.moves}
    assert states == {"SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT1", "FIN_WAIT2",
                      "TIME_WAIT", "CLOSE_WAIT", "LAST_ACK", "CLOSE"}
