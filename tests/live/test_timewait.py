# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""TIME_WAIT: how long it lasts, and each way in which it ends.

Where the peer is the test itself (harness/peer.py), each segment goes out when the test says so,
and the time of that is the truth. Every backend that can be forced on the kernel watches the same
traffic. Connections that take a minute begin first and are checked last, whatever they test, so
that no other module waits for them.
"""

from __future__ import annotations

import itertools
import json
import threading
import time
from dataclasses import dataclass, field
from typing import Callable, Iterator

import pytest

from harness import capability, place
from harness.close import (ACTIVE, HELD_S, LIMIT_S, TO_TIMEWAIT, WHOLE, Close, check_timewait,
                           check_without, closer, family_or_skip, time_wait)
from harness.matrix import on_every_kernel
from harness.netns import Netns
from harness.peer import ACK, FIN, RST, SYN, Link, Peer
from harness.plain import Running
from harness.remembered import GONE_TIMEWAIT, OLD_S, Remembered
from harness.report import PORT, Timewait, connect, lifetimes
from harness.scale import count
from harness.stage import FAMILIES, Stage, stages
from harness.tracer import Row, Tracer
from harness.watch import (SEEING, SLACK_NS, UID, Watch, When, check_dwell, check_time, closed,
                           now, same, show, steps)

# TCP_TIMEWAIT_LEN
TIMEWAIT_NS = 60_000_000_000
# The sweep runs once a minute; this includes the time that a start takes.
SWEEP_LIMIT_S = 75


def late_ns() -> int:
    """How late a timer of 60 s may be: the wheel's steps (kernel/time/timer.c), and the machine."""
    jiffies = TIMEWAIT_NS // capability.jiffy_ns()
    step = 1
    while jiffies >= step * 63:
        step *= 8
    # A step is 2 s at 250 Hz; the additional second is for a busy machine.
    return step * capability.jiffy_ns() + 1_000_000_000


stage = pytest.fixture(stages, scope="module", name="stage")


# ---- What takes a minute ---------------------------------------------------------------------

BURST = """
import time
def cookie(s):
    return int.from_bytes(s.getsockopt(socket.SOL_SOCKET, 57, 8), 'little') # SO_COOKIE
def serve(number):
    closed = {}
    for _ in range(number):
        s, address = l.accept()
        s.recv(1)
        s.shutdown(socket.SHUT_WR)
        # The first byte of TCP_INFO is the state: 7 is TCP_CLOSE, with the ACK of the FIN.
        while s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != 7:
            time.sleep(0.001)
        s.close()
        closed[address[1]] = time.monotonic_ns()
    return closed
def burst(number, kind, to):
    made = []
    for i in range(number):
        c = socket.socket(kind)
        c.connect(to)
        port, known, before_ns = c.getsockname()[1], cookie(c), time.monotonic_ns()
        if i % 2:
            c.shutdown(socket.SHUT_WR)
            c.recv(1)
        c.close()
        made.append((port, known, before_ns))
    return made
"""
# The clients: their names, sockets, and what they connect to.
CLIENTS = {
    "first": ("ipv4", "socket.AF_INET", "127.0.0.1"),
    "second": ("ipv4", "socket.AF_INET", "127.0.0.1"),
    "sixth": ("ipv6", "socket.AF_INET6", "::1"),
    "mapped": ("ipv4", "socket.AF_INET6", "::ffff:127.0.0.1"),
}
# After how many seconds a segment comes to a connection in TIME_WAIT or FIN_WAIT2.
LATER_S = 3


@dataclass
class Closed:
    """One of many connections: its client closed first."""

    pid: int
    comm: str
    family: str
    port: int
    cookie: int
    entered: When  # TIME_WAIT


@dataclass
class LongOnes:
    """Connections that end by themselves, a minute after this was made."""

    inode: int
    port: int
    many: list[Closed]
    rearmed: Close
    flipped: Close
    crossed: Close
    exited: Close
    late: Close
    began_ns: int = field(default_factory=now)

    def left_s(self) -> float:
        """Returns how long to wait at most for the rows of these connections."""
        end_ns = self.began_ns + LATER_S * 10**9 + TIMEWAIT_NS + late_ns()
        return max(0, end_ns - now()) / 1e9 + LIMIT_S


def many_closed(stage: Stage, link: Link) -> tuple[int, list[Closed]]:
    """Makes connections that are closed except for TIME_WAIT; half of them flip to it as
    orphans."""
    server = stage.server(link, "ipv6" if capability.ipv6() else "ipv4", backlog=1024)
    server.actor.run(BURST)
    clients = {name: client for name, client in CLIENTS.items()
               if capability.ipv6() or "6" not in client[1]}
    share = count(200, 20) // len(clients)
    server.actor.send(f"serve({share * len(clients)})", ask=True)
    made = []
    for name, (family, kind, address) in clients.items():
        actor = stage.actor(name, link.netns)
        actor.run(BURST)
        for port, cookie, before_ns in actor.ask(
                f"burst({share}, {kind}, ({address!r}, {server.port}))"):
            made.append(Closed(actor.pid, name, family, port, cookie, When(before_ns, 0)))
        actor.kill()
    closed_ns = server.actor.answer()
    for one in made:
        one.entered = When(one.entered.from_ns, closed_ns[str(one.port)])
    return server.port, made


@pytest.fixture(scope="module", name="long_ones")
def _long_ones(stage: Stage, request: pytest.FixtureRequest) -> Iterator[LongOnes]:
    """Makes them before any test, so that the minute passes while others run."""
    asked = {name for item in request.session.items if item.path == request.path
             for name in item.fixturenames}
    for name in sorted(asked & {"reported", "forgetting"}):
        if capability.backend(capability.TIME_WAIT):
            request.getfixturevalue(name)
    # tcp_rfc1337: a busy machine may send a FIN again, the peer answers it by a reset, and this
    # must end nothing. tcp_tw_reuse: by default ports of loopback are used again after a second.
    link = stage.link(tcp_rfc1337=1, tcp_tw_reuse=0)
    port, many = many_closed(stage, link)
    rearmed, flipped, crossed, exited = (closer(stage, link) for _ in range(4))
    time_wait(rearmed)
    before_ns = now()
    exited.server.actor.kill()
    exited.at["FIN_WAIT1"] = When(before_ns, exited.peer.expect(FIN | ACK).time_ns)
    exited.fin()
    flipped.shut("s.close()")
    flipped.ack()
    crossed.shut("s.close()")
    crossed.peer.wants -= 1
    crossed.peer.send(FIN | ACK)
    crossed.peer.wants += 1
    crossed.at["TIME_WAIT"] = When(crossed.peer.send(ACK).before_ns, crossed.settled())

    def later() -> None:
        flipped.fin()
        # The FIN comes again: it is answered, and the minute starts anew.
        rearmed.peer.send(FIN | ACK, seq=rearmed.peer.next - 1)

    late = closer(stage, stage.link())
    time_wait(late)
    timer = threading.Timer(LATER_S, later)
    # By then the timer has expired by more than a jiffy, and the wheel runs it within two seconds.
    ending = threading.Timer(TIMEWAIT_NS / 1e9 + 0.02, lambda: late.peer.send(RST | ACK))
    timer.start()
    ending.start()
    yield LongOnes(link.inode, port, many, rearmed, flipped, crossed, exited, late)
    ending.cancel()
    timer.join()


@pytest.fixture(scope="module", name="reported")
def _reported(module_netns: Callable[[], Netns], module_tracer: Callable[..., Tracer],
              require: Callable[..., None]) -> Iterator[tuple[Timewait, Tracer]]:
    """`tcpdwell timewait` with thirty connections and one older than it; and a trace of their
    rows."""
    require(capability.TIME_WAIT)
    netns = module_netns()
    connect(netns, 1, port=PORT + 1)
    running = Timewait("--netns", netns.path, "-o", "json")
    try:
        trace = module_tracer("--netns", netns.path, "--from", "TIME_WAIT", chains=False)
        connect(netns, 20)
        connect(netns, 10, first="server")
        yield running, trace
    finally:
        running.close()


@pytest.fixture(scope="module", name="forgetting")
def _forgetting(module_netns: Callable[[], Netns],
                require: Callable[..., None]) -> Iterator[tuple[Running, Remembered]]:
    """A tracer that remembers a connection that is gone and whose end no program saw."""
    require(capability.TIME_WAIT)
    time.sleep(max(0.0, OLD_S - time.monotonic()))  # a guest may have booted just now
    with Running("-o", "json", *place.backend(), "--netns", module_netns().path) as running, \
            Remembered(running.child.pid) as remembered:
        remembered.plant(GONE_TIMEWAIT)
        yield running, remembered


# ---- Each test sees one backend's rows -------------------------------------------------------


@pytest.fixture(params=SEEING, name="watch")
def _watch(request: pytest.FixtureRequest, stage: Stage, long_ones: LongOnes) -> Watch:
    assert long_ones
    return stage.watch(request.param)


# ---- Ends of TIME_WAIT -----------------------------------------------------------------------


def play_syn(stage: Stage, family: str) -> Close:
    """A SYN beyond the window of the old connection takes its place."""
    close = closer(stage, stage.link(), family)
    time_wait(close)
    close.peer.send(SYN, seq=close.peer.next - 10)
    # This SYN is not beyond it: an old duplicate, which is answered and changes nothing.
    close.peer.expect(ACK)
    time.sleep(HELD_S)
    old = close.peer
    again = Peer(old.link, old.version, old.rport, old.port)
    again.isn = again.next = (old.next + 1000) % 2**32
    again.seen = old.seen
    sent = again.syn()
    close.at["CLOSE"] = When(sent.before_ns, again.expect(SYN | ACK).time_ns)
    again.send(ACK)
    close.server.accept()
    again.send(RST | ACK)
    return close


@pytest.mark.parametrize("family", on_every_kernel(FAMILIES, "ipv4"))
def test_reused_by_syn(family: str, stage: Stage, watch: Watch) -> None:
    watch.require(timewait=True)
    family_or_skip(family)
    close: Close = stage.once(play_syn, family)
    chain = close.wait(watch, closed)
    close.at.pop("FIN_WAIT2", None)
    check_timewait(chain, close, watch, reason="timewait_reused")
    following = close.wait(watch, closed, number=2)
    assert steps(following) == ["LISTEN", "SYN_RECV", "ESTABLISHED", "CLOSE"], show(following)
    check_time(following[0], close.at["CLOSE"], SLACK_NS)
    assert following[0]["cookie"] != chain[0]["cookie"]


CLIENT = """
def client():
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", PORT))
    s.connect(("127.0.0.1", TO))
    return s
"""


@dataclass
class Reuse:
    netns: int
    port: int
    to: int
    pid: int
    closed: When
    reused: When


def play_connect(stage: Stage) -> Reuse:
    """With tcp_tw_reuse, connect() takes the port of a TIME_WAIT that is older than a second."""
    link = stage.link(tcp_tw_reuse=1, tcp_timestamps=1)
    server = stage.server(link)
    actor = stage.actor("client", link.netns)
    port = 30000 + server.port
    actor.run(f"PORT, TO = {port}, {server.port}\n{CLIENT}\nc = client()")
    server.accept()
    before_ns = now()
    actor.run("c.shutdown(socket.SHUT_WR)")
    server.actor.run("s.recv(1); s.close()")
    actor.run("c.recv(1); c.close()")
    after_ns = now()
    # Until 6.12 the kernel measures this by a clock of whole seconds.
    time.sleep(2.1)
    again_ns = now()
    actor.run("c = client()")
    reused = When(again_ns, now())
    server.accept()
    # The server closes first, so that the client has no TIME_WAIT.
    server.actor.run("s.close()")
    actor.run("c.recv(1); c.close()")
    return Reuse(link.inode, port, server.port, actor.pid, When(before_ns, after_ns), reused)


@pytest.mark.every_kernel
def test_reused_by_connect(stage: Stage, watch: Watch) -> None:
    watch.require(timewait=True)
    reuse: Reuse = stage.once(play_connect)
    chain = watch.wait(reuse.netns, reuse.port, reuse.to, closed, limit_s=LIMIT_S)
    assert steps(chain) == ["CLOSE", "SYN_SENT", *WHOLE[2:]], show(chain)
    same(chain, pid=reuse.pid, comm="client", uid=UID)
    check_time(chain[-2], reuse.closed, SLACK_NS)
    check_time(chain[-1], reuse.reused, SLACK_NS)
    check_dwell(chain[-1], reuse.closed, reuse.reused, SLACK_NS)
    assert chain[-1]["reason"] == "timewait_reused", show(chain)
    # The next connection begins only after its predecessor has ended.
    following = watch.wait(reuse.netns, reuse.port, reuse.to, closed, number=2, limit_s=LIMIT_S)
    assert steps(following)[:3] == ["CLOSE", "SYN_SENT", "ESTABLISHED"], show(following)
    assert following[0]["cookie"] != chain[0]["cookie"]
    assert following[1]["mono_ns"] >= chain[-1]["mono_ns"]


def play_reset(stage: Stage, rfc1337: int) -> Close:
    close = closer(stage, stage.link(tcp_rfc1337=rfc1337))
    time_wait(close)
    time.sleep(HELD_S)
    # A reset outside the window ends nothing.
    close.peer.send(RST | ACK, seq=close.peer.next - 2**20)
    close.settled()
    time.sleep(HELD_S)
    close.reset()
    return close


@pytest.mark.every_kernel
def test_reset(stage: Stage, watch: Watch) -> None:
    watch.require(timewait=True)
    close: Close = stage.once(play_reset, 0)
    check_timewait(close.wait(watch, closed), close, watch)


@pytest.mark.every_kernel
def test_reset_is_ignored(stage: Stage, watch: Watch) -> None:
    """With net.ipv4.tcp_rfc1337, TIME_WAIT goes on, to the end of the namespace at the latest."""
    watch.require(timewait=True)
    close: Close = stage.once(play_reset, 1)
    chain = close.wait(watch, lambda rows: rows[-1]["to"] == "TIME_WAIT")
    assert steps(chain) == TO_TIMEWAIT, show(chain)


def play_gone(stage: Stage) -> list[Close]:
    """Deletes a namespace with connections in TIME_WAIT, in TIME_WAIT after a flip, in
    FIN_WAIT2."""
    link = stage.link()
    closes = [closer(stage, link, family, name) for family, name in
              (("ipv4", "held"), ("mapped" if capability.ipv6() else "ipv4", "flipped"),
               ("ipv4", "orphan"))]
    time_wait(closes[0])
    for close in closes[1:]:
        close.shut("s.close()")
        close.ack()
    closes[1].fin()
    time.sleep(HELD_S)
    for close in closes:
        close.server.actor.kill()
        # The actor's end of its line to the test is a socket of the namespace, too.
        close.server.actor.line.close()
    before_ns = now()
    link.close()
    link.netns.remove()
    # The kernel removes the namespace in a worker, so the rows come some time later.
    for close in closes:
        close.at["CLOSE"] = When(before_ns, before_ns + LIMIT_S * 10**9)
    return closes


@pytest.mark.every_kernel
def test_namespace_gone(stage: Stage, watch: Watch) -> None:
    """Nothing outlives its namespace; rows still name the process that held the connection."""
    watch.require(timewait=True)
    held, flipped, orphan = stage.once(play_gone)
    for close in (held, flipped):
        chain = close.wait(watch, closed, limit_s=2 * LIMIT_S)
        check_timewait(chain, close, watch, flip=close is flipped, reason="netns_gone")
    chain = orphan.wait(watch, closed, limit_s=2 * LIMIT_S)
    check_timewait(chain, orphan, watch, reason="netns_gone", path=[*ACTIVE, "CLOSE"])


def play_overflow(stage: Stage) -> list[Close]:
    """There is room for two in TIME_WAIT; the first of them gives its room back."""
    link = stage.link(tcp_max_tw_buckets=2)
    closes = [closer(stage, link) for _ in range(5)]
    for close in closes[:4]:
        time_wait(close)
    time.sleep(HELD_S)
    closes[0].reset()
    time_wait(closes[4])
    return closes


@pytest.mark.every_kernel
def test_overflow(stage: Stage, watch: Watch) -> None:
    """Beyond tcp_max_tw_buckets, a connection closes without TIME_WAIT, and its row says why."""
    watch.require(timewait=True)
    closes = stage.once(play_overflow)
    check_timewait(closes[0].wait(watch, closed), closes[0], watch)
    for close in (closes[1], closes[4]):
        chain = close.wait(watch, lambda rows: rows[-1]["to"] == "TIME_WAIT")
        assert steps(chain) == TO_TIMEWAIT, show(chain)
    for close in closes[2:4]:
        chain = close.wait(watch, closed)
        close.at["CLOSE"] = close.at["TIME_WAIT"]
        check_timewait(chain, close, watch, reason="timewait_overflow", path=[*ACTIVE, "CLOSE"])
        assert chain[-1]["source"] == "tracepoint"


# ---- Filters ---------------------------------------------------------------------------------

# Options that select the connections of one of two servers.
FILTERS: dict[str, Callable[[Close], list[str]]] = {
    "pid": lambda close: ["-p", str(close.server.actor.pid)],
    "comm": lambda close: ["--comm", close.server.actor.comm],
    "lport": lambda close: ["-L", str(close.server.port)],
    "rport": lambda close: ["-D", str(close.peer.port)],
}


@pytest.mark.parametrize(
    ("watch", "name"), on_every_kernel(itertools.product(SEEING, FILTERS), ("fentry", "pid")),
    indirect=["watch"])
def test_connection_filters(name: str, stage: Stage, watch: Watch,
                            tracer: Callable[..., Tracer]) -> None:
    """The filters pass a connection to the end of TIME_WAIT, even when its process has ended."""
    watch.require(timewait=True)
    link = stage.link()
    servers = [stage.server(link, name=comm, listen=False) for comm in ("wanted", "other")]
    wanted, other = (Close(server, server.peer()) for server in servers)
    running = Watch(watch.backend, tracer("--backend", watch.backend, "--netns", str(link.inode),
                                          *FILTERS[name](wanted)))
    for close in (wanted, other):
        close.server.listen()
        close.peer.open()
        close.server.accept()
        close.shut("s.close()")
        close.ack()
    wanted.server.actor.kill()
    for close in (wanted, other):
        close.fin()
    time.sleep(HELD_S)
    for close in (wanted, other):
        close.reset()
    chain = wanted.wait(running, closed)
    assert steps(chain) == WHOLE, show(chain)
    same(chain, **wanted.says)
    running.tracer.check()
    # The listener's rows have no remote port.
    assert {row["rport"] for row in running.tracer.all_rows()} - {None} == {wanted.peer.port}


@pytest.mark.parametrize("arguments,shown", [
    (["-s", "TIME_WAIT"],
     {("short", "FIN_WAIT2", "TIME_WAIT"), ("short", "TIME_WAIT", "CLOSE"),
      ("long", "FIN_WAIT2", "TIME_WAIT"), ("long", "TIME_WAIT", "CLOSE")}),
    (["--from", "TIME_WAIT", "--min-dwell", "600ms"], {("long", "TIME_WAIT", "CLOSE")}),
    (["--to", "time-wait"],
     {("short", "FIN_WAIT2", "TIME_WAIT"), ("long", "FIN_WAIT2", "TIME_WAIT")}),
    (["--from", "FIN_WAIT2", "--min-dwell", "600ms"], set()),
], ids=["state", "dwell", "to", "dwell-of-another"])
def test_transition_filters(arguments: list[str], shown: set[tuple[str, str, str]], stage: Stage,
                            watch: Watch, tracer: Callable[..., Tracer]) -> None:
    watch.require(timewait=True)
    link = stage.link()
    running = Watch(watch.backend, tracer("--backend", watch.backend, "--netns", str(link.inode),
                                          *arguments, chains=False))
    closes = {"short": closer(stage, link), "long": closer(stage, link)}
    for close in closes.values():
        time_wait(close)
    time.sleep(0.1)
    closes["short"].reset()
    time.sleep(0.8)
    closes["long"].reset()
    # The watcher of all rows shows the ends.
    for close in closes.values():
        close.wait(watch, closed)
    running.tracer.check()
    assert {(name, row["from"], row["to"]) for name, close in closes.items()
            for row in running.tracer.all_rows() if row["rport"] == close.peer.port} == shown


@pytest.mark.every_kernel
def test_kernel_view(stage: Stage, tracer: Callable[..., Tracer]) -> None:
    """The end of the full socket is all that the tracepoint has."""
    running = Watch("none", tracer("--kernel-view", "--uid", str(UID)))
    held, orphan = closer(stage, stage.link()), closer(stage, stage.link())
    held.shut("s.shutdown(socket.SHUT_WR)")
    orphan.shut("s.close()")
    for close in (held, orphan):
        close.ack()
    time.sleep(HELD_S)
    for close in (held, orphan):
        close.fin()
        close.reset()
    for close in (held, orphan):
        check_without(close.wait(running, closed), close, orphan=close is orphan)


# ---- The end of the minute -------------------------------------------------------------------


def check_lifetime(row: Row, more_ns: int = 0) -> None:
    """TIME_WAIT lasts 60 to 62 s from the entry."""
    assert row["dwell"] == "exact" and row["reason"] == "timewait_expired", show([row])
    least_ns = TIMEWAIT_NS + more_ns - 2 * capability.jiffy_ns()
    assert least_ns <= row["dwell_ns"] <= TIMEWAIT_NS + more_ns + late_ns(), show([row])


@pytest.mark.every_kernel
def test_lifetimes(stage: Stage, watch: Watch, long_ones: LongOnes) -> None:
    """Each of many connections is reported once, with its owner and how long it lasted."""
    watch.require(timewait=True)
    for one in long_ones.many:
        chain = watch.wait(long_ones.inode, one.port, long_ones.port, closed,
                           limit_s=long_ones.left_s(), family=one.family)
        assert steps(chain) == ["CLOSE", "SYN_SENT", *WHOLE[2:]], show(chain)
        same(chain, pid=one.pid, comm=one.comm, uid=UID, family=one.family, owner="connect")
        assert chain[0]["cookie"] == one.cookie or chain[0]["cookie"] >= 1 << 52
        check_time(chain[-2], one.entered, watch.tw_slack_ns)
        check_lifetime(chain[-1])
        assert len(watch.chains(long_ones.inode, one.port, long_ones.port, one.family)) == 1


@pytest.mark.every_kernel
def test_lifetime_after_segments(stage: Stage, watch: Watch, long_ones: LongOnes) -> None:
    """A segment in TIME_WAIT prolongs it; the dwell is still counted from the entry."""
    watch.require(timewait=True)
    close = long_ones.rearmed
    chain = close.wait(watch, closed, limit_s=long_ones.left_s())
    check_timewait(chain, close, watch, reason="timewait_expired")
    check_lifetime(chain[-1], LATER_S * 10**9)


@pytest.mark.every_kernel
@pytest.mark.parametrize("name", ["flipped", "crossed", "exited"])
def test_lifetime(name: str, stage: Stage, watch: Watch, long_ones: LongOnes) -> None:
    """The lifetime is right after a late flip, after FINs that crossed, and after a process's
    end."""
    watch.require(timewait=True)
    close: Close = getattr(long_ones, name)
    path = [*WHOLE[:4], "CLOSING", "TIME_WAIT", "CLOSE"] if name == "crossed" else WHOLE
    chain = close.wait(watch, closed, limit_s=long_ones.left_s())
    check_timewait(chain, close, watch, flip=True, reason="timewait_expired", path=path)
    check_lifetime(chain[-1])


@pytest.mark.every_kernel
def test_reset_when_time_is_up(stage: Stage, watch: Watch, long_ones: LongOnes) -> None:
    """The timer has expired, and a reset takes it off before the wheel runs it."""
    watch.require(timewait=True)
    close = long_ones.late
    chain = close.wait(watch, closed, limit_s=long_ones.left_s())
    check_timewait(chain, close, watch, reason={"timewait_reset", "timewait_expired"})
    assert TIMEWAIT_NS <= chain[-1]["dwell_ns"] + 2 * capability.jiffy_ns(), show(chain)


# The kernel's 60 s, plus up to a second each of its timer wheel and of the tracer's timers.
LIFETIME_NS = (59_900_000_000, 62_500_000_000)


def test_report_of_lifetimes(reported: tuple[Timewait, Tracer]) -> None:
    running, trace = reported
    # The end of the connection older than the run is seen, too, but not its beginning.
    trace.wait_for(lambda rows: sum(row["dwell"] == "exact" for row in rows) == 30,
                   limit_s=2 * 60)
    figures = running.figures()
    assert (figures["now"], figures["entered"], figures["left"]) == (0, 30, 30)
    ended = lifetimes(figures)
    assert list(ended) == ["timewait_expired"]
    expired = ended["timewait_expired"]
    assert expired["count"] == 30 == sum(bucket["count"] for bucket in expired["buckets"])
    for name in ("p50_ns", "p90_ns", "p99_ns", "max_ns"):
        assert LIFETIME_NS[0] <= expired[name] <= LIFETIME_NS[1], name
    assert figures["at_start"]["left"]["count"] == 1
    assert all(entry["now"] == 0 for entry in figures["owners"] + figures["pressure"])


def test_forgotten_once_a_minute(forgetting: tuple[Running, Remembered]) -> None:
    """The sweep runs not only at the end (test_sweep.py), so that a long run keeps its memory."""
    running, remembered = forgetting
    end = time.monotonic() + SWEEP_LIMIT_S
    while remembered.has(GONE_TIMEWAIT):
        assert time.monotonic() < end
        time.sleep(0.1)
    running.finish()
    assert json.loads(running.lines()[-1].text)["missed"] == 1
