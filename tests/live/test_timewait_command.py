# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`tcpdwell timewait` reports on real connections in namespaces that the tests make.

test_timewait.py checks what it reports about connections that lasted a minute.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import pty
import re
import resource
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from harness import capability, place
from harness.netns import Netns
from harness.report import LIMIT_S, PORT, Timewait, connect, lifetimes
from harness.tracer import Tracer

ENTER, LEAVE = b"\033[?1049h\033[?25l", b"\033[?25h\033[?1049l"

@pytest.fixture(name="timewait")
def _timewait(require: Callable[..., None]) -> Iterator[Callable[..., Timewait]]:
    """timewait(*arguments) starts one; all of them end with the test."""
    require(capability.TIME_WAIT)
    started: list[Timewait] = []

    def start(*arguments: str, **kwargs: Any) -> Timewait:
        made = Timewait(*arguments, **kwargs)
        started.append(made)
        return made

    yield start
    for made in started:
        made.close()


def narrow(netns: Netns, ports: int, reuse: int) -> None:
    netns.sysctl("net/ipv4/ip_local_port_range", f"40000 {40000 + ports - 1}")
    netns.sysctl("net/ipv4/tcp_tw_reuse", reuse)


@pytest.mark.every_kernel
def test_counts(timewait: Callable[..., Timewait], netns: Netns) -> None:
    """Counts are by process, remote end and local port; and ports that a client has left."""
    running = timewait("--netns", netns.path, "-o", "json")
    pid, _ = connect(netns, 20)
    connect(netns, 5, port=PORT + 1, first="server")
    figures = running.figures()
    assert (figures["now"], figures["entered"], figures["left"]) == (25, 25, 0)
    # 25 connections came in less than a minute, so the rate is above this.
    assert figures["rate"] > 25 / 60
    owners = {entry["pid"]: entry for entry in figures["owners"]}
    assert owners[pid]["entered"] == 20
    assert owners[pid]["comm"] == os.path.basename(sys.executable)[:15]
    remotes = {(entry["raddr"], entry["rport"]): entry["now"] for entry in figures["remotes"]}
    # The server closed five first; their clients count as one address.
    assert remotes == {("127.0.0.1", PORT): 20, ("127.0.0.1", None): 5}
    lports = {entry["lport"]: entry["now"] for entry in figures["lports"]}
    assert lports == {None: 20, PORT + 1: 5}
    (pressure,) = figures["pressure"]
    assert (pressure["netns"], pressure["netns_name"]) == (netns.inode, netns.name)
    assert (pressure["laddr"], pressure["raddr"], pressure["rport"]) == (
        "127.0.0.1", "127.0.0.1", PORT)
    assert (pressure["now"], pressure["peak"], pressure["pid"]) == (20, 20, pid)
    assert pressure["ports"] == 60999 - 32768 + 1
    assert pressure["verdict"] == "low" and pressure["helps"] == []


def test_reused(timewait: Callable[..., Timewait], netns: Netns) -> None:
    """With tcp_tw_reuse, ten ports are all used twice."""
    narrow(netns, 10, 1)
    running = timewait("--netns", netns.path, "-o", "json")
    assert connect(netns, 10)[1] == 0
    # They must be older than a second by a clock of whole seconds.
    time.sleep(2.1)
    assert connect(netns, 10)[1] == 0
    figures = running.figures()
    assert (figures["now"], figures["entered"], figures["left"]) == (10, 20, 10)
    reused = lifetimes(figures)["timewait_reused"]
    assert reused["count"] == 10
    assert 1_000_000_000 < reused["p50_ns"] <= reused["max_ns"] < 60_000_000_000
    (pressure,) = figures["pressure"]
    assert pressure["reuse"] and pressure["ports"] == 10 and pressure["used"] == 1
    assert pressure["verdict"] in ("low", "filling") and "tcp_tw_reuse" not in pressure["helps"]


def test_exhausted(timewait: Callable[..., Timewait], netns: Netns) -> None:
    """The verdict is the kernel's own, EADDRNOTAVAIL; the report says what may be done about it."""
    narrow(netns, 20, 0)
    netns.sysctl("net/ipv4/ip_local_reserved_ports", "40000-40003,50000")
    netns.sysctl("net/ipv4/tcp_fin_timeout", 15)
    running = timewait("--netns", netns.path, "-o", "json")
    text = timewait("--netns", netns.path, "--top", "1")
    _, refused = connect(netns, 21)
    assert refused == 5
    figures = running.figures()
    (pressure,) = figures["pressure"]
    assert pressure["eaddrnotavail"] == figures["eaddrnotavail"] == 5
    assert (pressure["now"], pressure["ports"], pressure["used"]) == (16, 16, 1)
    assert pressure["verdict"] == "exhausted" and pressure["exhausted_in_ns"] == 0
    assert pressure["helps"] == ["keep_alive_or_pool", "tcp_tw_reuse", "ip_local_port_range",
                                 "ip_local_reserved_ports"]
    assert pressure["does_not_help"] == ["tcp_fin_timeout", "tcp_tw_recycle"]
    settings = pressure["settings"]
    assert (settings["port_low"], settings["port_high"]) == (40000, 40019)
    assert (settings["ports_reserved"], settings["tcp_tw_reuse"]) == (4, 0)
    assert settings["tcp_fin_timeout_s"] == 15
    report = text.stop()
    assert "! 5 connect() failed: no local port (EADDRNOTAVAIL)\n" in report
    assert re.search(r"127\.0\.0\.1 -> 127\.0\.0\.1:7000\s+16\s+0\s+16\s+100\.0% .* NOW\n", report)
    assert "net.ipv4.tcp_tw_reuse=1 (is 0)" in report
    assert "tcp_fin_timeout (is 15)" in report
    assert "tcp_tw_recycle is gone since Linux 4.12" in report
    assert f"netns {netns.name}" in report
    assert max(len(line) for line in report.splitlines()) <= 80


# ---- What holds the ports ------------------------------------------------------------------------

NO_PORT, PORT_RANGE = 24, 51  # IP_BIND_ADDRESS_NO_PORT, IP_LOCAL_PORT_RANGE


class Clients:
    """Clients and servers of this process in a namespace; each server has an address of its own."""

    def __init__(self, netns: Netns) -> None:
        self.netns = netns
        self.servers: dict[str, socket.socket] = {}
        self.ends: list[tuple[socket.socket, socket.socket]] = []
        self.failed: list[int] = []

    def server(self, to: str) -> socket.socket:
        if to not in self.servers:
            self.servers[to] = self.netns.inside(lambda: socket.create_server((to, PORT)))
        return self.servers[to]

    def open(self, to: str = "127.0.1.1", source: str | None = None,
             options: tuple[tuple[int, int], ...] = ()) -> None:
        """Makes one more connection; if it fails, the error is kept."""
        client = self.netns.inside(socket.socket)
        for option, value in options:
            client.setsockopt(socket.IPPROTO_IP, option, struct.pack("I", value))
        try:
            self.server(to)
            if source:
                client.bind((source, 0))
            client.connect((to, PORT))
        except OSError as failure:
            client.close()
            self.failed.append(failure.errno or 0)
            return
        self.ends.append((client, self.server(to).accept()[0]))

    def close(self) -> None:
        """Closes the clients first, so that they are in TIME_WAIT."""
        for client, child in self.ends:
            client.shutdown(socket.SHUT_WR)
            assert child.recv(1) == b""
            child.close()
            assert client.recv(1) == b""
            client.close()
        self.ends.clear()

    def end(self) -> None:
        for client, child in self.ends:
            client.close()
            child.close()
        for server in self.servers.values():
            server.close()


@pytest.fixture(name="clients")
def _clients(netns: Netns) -> Iterator[Clients]:
    made = Clients(netns)
    yield made
    made.end()


@pytest.mark.every_kernel
def test_bound_first(timewait: Callable[..., Timewait], netns: Netns, clients: Clients) -> None:
    """With bind() before connect(), ten destinations share the ports of one source address."""
    narrow(netns, 20, 1)
    running = timewait("--netns", netns.path, "-o", "json")
    for i in range(22):
        clients.open(f"127.0.1.{1 + i % 10}", "127.0.0.2")
    assert clients.failed == [errno.EADDRINUSE] * 2
    clients.close()
    # No port is left for connect() either, whatever its destination.
    clients.open("127.0.1.1")
    assert clients.failed[2:] == [errno.EADDRNOTAVAIL]
    rows = {row["bound"]: row for row in running.figures()["pressure"]}
    bound, chosen = rows[True], rows[False]
    assert (bound["laddr"], bound["raddr"], bound["rport"]) == ("127.0.0.2", None, None)
    assert (bound["now"], bound["open"], bound["ports"], bound["used"]) == (20, 0, 20, 1)
    assert (bound["verdict"], bound["holder"], bound["reuse"]) == ("exhausted", "bind", False)
    assert bound["helps"][:2] == ["IP_BIND_ADDRESS_NO_PORT", "keep_alive_or_pool"]
    assert "tcp_tw_reuse" not in bound["helps"] and "tcp_tw_reuse" in bound["does_not_help"]
    assert (chosen["now"], chosen["blocked"], chosen["used"]) == (0, 20, 1)
    assert chosen["helps"][0] == "IP_BIND_ADDRESS_NO_PORT"


def test_bound_late(timewait: Callable[..., Timewait], netns: Netns, clients: Clients) -> None:
    """With IP_BIND_ADDRESS_NO_PORT connect() chooses, and one port serves each destination."""
    narrow(netns, 20, 0)
    running = timewait("--netns", netns.path, "-o", "json")
    for i in range(40):
        clients.open(f"127.0.1.{1 + i % 4}", "127.0.0.2", ((NO_PORT, 1),))
    assert not clients.failed
    clients.close()
    rows = running.figures()["pressure"]
    assert [(row["bound"], row["now"], row["used"]) for row in rows] == [(False, 10, .5)] * 4


@pytest.mark.every_kernel
def test_open_ones(timewait: Callable[..., Timewait], netns: Netns, clients: Clients) -> None:
    """Open connections hold ports until they are over, including those older than the run."""
    narrow(netns, 20, 1)
    for _ in range(10):
        clients.open()
    running = timewait("--netns", netns.path, "-o", "json")
    text = timewait("--netns", netns.path)
    for _ in range(11):
        clients.open()
    assert clients.failed == [errno.EADDRNOTAVAIL]
    (row,) = running.figures()["pressure"]
    assert (row["now"], row["open"], row["used"]) == (0, 20, 1)
    assert (row["verdict"], row["holder"]) == ("exhausted", "open")
    assert row["helps"] == ["fewer_at_a_time", "ip_local_port_range"]
    assert row["does_not_help"][0] == "tcp_tw_reuse"
    # The clients are this process's, which has the name of the script that started it.
    name = Path("/proc/self/comm").read_text(encoding="utf-8").rstrip("\n")
    assert (row["program"], row["program_entered"]) == (name, 20)
    clients.close()
    report = text.stop()
    assert re.search(r"127\.0\.0\.1 -> 127\.0\.1\.1:7000\s+20 +0 +20 +100\.0%", report)


def test_ports_of_a_socket(timewait: Callable[..., Timewait], netns: Netns,
                           clients: Clients) -> None:
    """With IP_LOCAL_PORT_RANGE there are only twenty of a hundred ports."""
    narrow(netns, 100, 0)
    options = ((PORT_RANGE, 40019 << 16 | 40000),)
    try:
        clients.open("127.0.1.9", options=options)
    except OSError as failure:
        assert failure.errno == errno.ENOPROTOOPT
        pytest.skip("no IP_LOCAL_PORT_RANGE (Linux 6.3)")
    running = timewait("--netns", netns.path, "-o", "json")
    for _ in range(21):
        clients.open(options=options)
    assert clients.failed == [errno.EADDRNOTAVAIL]
    rows = {row["raddr"]: row for row in running.figures()["pressure"]}
    row = rows["127.0.1.1"]
    assert (row["open"], row["ports"], row["used"]) == (20, 20, 1)
    assert row["verdict"] == "exhausted"
    assert row["helps"] == ["IP_LOCAL_PORT_RANGE", "fewer_at_a_time"]


def test_two_links(timewait: Callable[..., Timewait], netns: Netns) -> None:
    """One link-local address on two links has all ports twice."""
    narrow(netns, 20, 0)
    netns.sysctl("net/ipv6/conf/default/accept_dad", 0)
    scopes, ends = [], []
    for link in ("one", "two"):
        netns.ip_all(f"link add {link} type veth peer name {link}-peer",
                     f"link set {link} up", f"link set {link}-peer up",
                     f"addr add fe80::7/64 dev {link} nodad")
        scopes.append(netns.inside(lambda link=link: socket.if_nametoindex(link)))
    running = timewait("--netns", netns.path, "-o", "json")

    def make() -> socket.socket:
        return socket.socket(socket.AF_INET6)

    for scope in scopes:
        server = netns.inside(make)
        server.bind(("fe80::7", PORT, 0, scope))
        server.listen(32)
        ends.append(server)
        for _ in range(18):
            client = netns.inside(make)
            client.connect(("fe80::7", PORT, 0, scope))
            ends.append(client)
    rows = running.figures()["pressure"]
    for end in ends:
        end.close()
    assert sorted(row["scope"] for row in rows) == scopes
    assert all((row["open"], row["used"]) == (18, .9) for row in rows)


def test_programs(timewait: Callable[..., Timewait], netns: Netns) -> None:
    """Processes that are gone cannot be changed: the report names their program, and their
    total."""
    narrow(netns, 20, 0)
    running = timewait("--netns", netns.path)
    for _ in range(3):
        assert connect(netns, 6)[1] == 0
    report = running.stop()
    name = os.path.basename(sys.executable)[:15]
    assert f"      {name}: 18 connections, several processes\n" in report
    assert max(len(line) for line in report.splitlines()) <= 80


def test_filling(timewait: Callable[..., Timewait], netns: Netns) -> None:
    """The rate leaves no port free before the minute is over."""
    narrow(netns, 200, 0)
    running = timewait("--netns", netns.path, "-o", "json")
    connect(netns, 150)
    figures = running.figures()
    (pressure,) = figures["pressure"]
    # Only if the 150 had taken 45 s would the rate be too low to use up the rest in time.
    assert pressure["verdict"] == "filling"
    expected_ns = (200 - 150) / pressure["rate"] * 1e9
    # Nothing ends that soon; the rate is printed with two digits behind the point.
    assert pressure["exhausted_in_ns"] == pytest.approx(expected_ns, rel=0.01)


def test_at_start(timewait: Callable[..., Timewait], netns: Netns) -> None:
    """Connections older than the run are listed with the time they have left, and counted apart."""
    narrow(netns, 10, 1)
    began_ns = time.monotonic_ns()
    connect(netns, 10)
    time.sleep(2.1)
    running = timewait("--netns", netns.path, "-o", "json")
    other = timewait("-o", "json", "--netns", netns.path, "--rport", str(PORT + 1))
    unknown = timewait("-o", "json", "--comm", "nobody")
    age_ns = time.monotonic_ns() - began_ns
    assert connect(netns, 4)[1] == 0
    figures = running.figures()
    start = figures["at_start"]
    assert start["known"] and start["not_listed"] == 0
    assert len(start["sockets"]) == start["left"]["count"] == 10
    for entry in start["sockets"]:
        assert (entry["netns"], entry["raddr"], entry["rport"]) == (netns.inode, "127.0.0.1", PORT)
        assert 40000 <= entry["lport"] < 40010
        assert 60_100_000_000 - age_ns < entry["left_ns"] < 58_000_000_000
    # Four were reused, for which there is no row; the other six are still there.
    assert (figures["now"], figures["entered"], start["ended"]) == (10, 4, 4)
    assert figures["lifetimes"] == []
    # Filters hold for these, too. Where a filter cannot, the report says so.
    assert other.figures()["at_start"]["left"]["count"] == 0
    start = unknown.figures()["at_start"]
    assert not start["known"] and start["why"].startswith("--comm")


def test_overflow(timewait: Callable[..., Timewait], netns: Netns) -> None:
    """Beyond tcp_max_tw_buckets, connections close without TIME_WAIT."""
    netns.sysctl("net/ipv4/tcp_max_tw_buckets", 0)
    running = timewait("--netns", netns.path, "-o", "json")
    connect(netns, 3)
    figures = running.figures()
    assert figures["overflow"] == {"count": 3, "netns": netns.inode, "tcp_max_tw_buckets": 0}
    assert figures["entered"] == 0


def test_namespace_goes(timewait: Callable[..., Timewait], make_netns: Callable[[], Netns],
                        tracer: Callable[..., Tracer]) -> None:
    """A port selects the rows, because the next namespace may get the same inode number."""
    netns = make_netns()
    ports = ("--rport", str(PORT + 33))
    running = timewait("-o", "json", *ports)
    trace = tracer("--from", "TIME_WAIT", *ports, chains=False)
    connect(netns, 5, port=PORT + 33)
    netns.remove()
    trace.wait_for(lambda rows: len(rows) == 5, limit_s=LIMIT_S)
    figures = running.figures()
    assert (figures["now"], figures["entered"]) == (0, 5)
    assert lifetimes(figures)["netns_gone"]["count"] == 5


def test_later_namespace(timewait: Callable[..., Timewait],
                         make_netns: Callable[[], Netns]) -> None:
    """The settings of a later namespace were not there to be read: the report has none."""
    running = timewait("-o", "json", "--rport", str(PORT + 77))
    netns = make_netns()
    connect(netns, 3, port=PORT + 77)
    (pressure,) = running.figures()["pressure"]
    assert (pressure["netns"], pressure["now"]) == (netns.inode, 3)
    assert pressure["settings"] is None and pressure["ports"] is None
    assert pressure["verdict"] == "unknown"


@pytest.mark.any_kernel
def test_duration_and_silence(timewait: Callable[..., Timewait], netns: Netns) -> None:
    """Into a pipe nothing is drawn, and the report comes at the end of the duration."""
    running = timewait("--netns", netns.path, "-d", "2s")
    connect(netns, 3)
    output, _ = running.child.communicate(timeout=LIMIT_S)
    assert running.child.returncode == 0
    assert output.startswith(b"TIME_WAIT: 3 now, 3 entered (")
    assert output.count(b"TIME_WAIT:") == 1 and b"\033" not in output


@pytest.mark.any_kernel
def test_interval_into_a_pipe(timewait: Callable[..., Timewait], netns: Netns) -> None:
    """Reports follow one another; each covers all since the start and has its losses."""
    running = timewait("--netns", netns.path, "-d", "1s", "-i", "200ms", "-o", "json")
    output, _ = running.child.communicate(timeout=LIMIT_S)
    assert running.child.returncode == 0
    reports = [json.loads(line) for line in output.splitlines()]
    assert len(reports) >= 3 and {one["type"] for one in reports} == {"timewait"}
    spans = [one["duration_ns"] for one in reports]
    assert spans == sorted(spans) and spans[-1] >= 1_000_000_000 > spans[0]
    assert all(one["lost"] == {"ring": 0, "map": 0} for one in reports)


# ---- On a terminal -------------------------------------------------------------------------------


class Terminal:
    """A pseudo-terminal that is read as it is written to: what a person would see."""

    def __init__(self, rows: int, columns: int) -> None:
        self.master, self.slave = pty.openpty()
        self.seen = b""
        self.resize(rows, columns)

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read_until(self, predicate: Callable[[bytes], Any]) -> Any:
        deadline = time.monotonic() + LIMIT_S
        while not (found := predicate(self.seen)):
            ready, _, _ = select.select([self.master], [], [], 0.1)
            if ready:
                self.seen += os.read(self.master, 65536)
            assert time.monotonic() < deadline, self.seen[-2000:]
        return found

    def close(self) -> None:
        for fd in (self.master, self.slave):
            with suppress(OSError):
                os.close(fd)


@pytest.fixture(name="terminal")
def _terminal() -> Iterator[Terminal]:
    terminal = Terminal(30, 80)
    yield terminal
    terminal.close()


def frames(seen: bytes) -> list[list[bytes]]:
    """Returns the lines of each complete frame, without the codes that clear the rest of a line.

    The terminal puts a carriage return of its own before each newline.
    """
    found = re.findall(rb"\033\[H(.*?)\033\[J", seen, re.DOTALL)
    return [[line.removesuffix(b"\033[K") for line in re.split(rb"\r+\n", frame)]
            for frame in found]


@pytest.mark.any_kernel
def test_terminal(timewait: Callable[..., Timewait], netns: Netns, terminal: Terminal) -> None:
    """Frames replace one another and follow the figures and the window; then the report comes."""
    running = timewait("--netns", netns.path, "-i", "100ms", stdout=terminal.slave)
    terminal.read_until(lambda seen: len(frames(seen)) >= 2)
    assert terminal.seen.startswith(ENTER)
    assert terminal.seen.count(ENTER) == 1 and LEAVE not in terminal.seen
    connect(netns, 5)
    terminal.read_until(lambda seen: frames(seen)[-1][0].startswith(b"TIME_WAIT: 5 now"))

    terminal.resize(4, 20)
    narrow_frame = terminal.read_until(lambda seen: [
        frame for frame in frames(seen)[-1:] if len(frame) == 4 and len(frame[0]) == 20])[0]
    assert narrow_frame[0] == b"TIME_WAIT: 5 now, 5 "
    assert all(len(line) <= 20 for line in narrow_frame)
    # The screen is never cleared as a whole before a frame is drawn.
    assert b"\033[2J" not in terminal.seen

    running.child.send_signal(signal.SIGINT)
    end = terminal.read_until(lambda seen: LEAVE in seen and seen.split(LEAVE)[1].count(b"TIME_W"))
    assert end == 1
    assert running.child.wait(timeout=LIMIT_S) == 0
    report = terminal.seen.split(LEAVE)[1]
    assert report.startswith(b"TIME_WAIT: 5 now, 5 entered") and b"\033" not in report


@pytest.mark.any_kernel
def test_terminal_stopped(timewait: Callable[..., Timewait], netns: Netns,
                          terminal: Terminal) -> None:
    """^Z gives the terminal back, and fg takes it again."""
    running = timewait("--netns", netns.path, "-i", "100ms", stdout=terminal.slave)
    terminal.read_until(frames)
    running.child.send_signal(signal.SIGTSTP)
    terminal.read_until(lambda seen: LEAVE in seen)
    status = terminal.read_until(
        lambda _: os.waitpid(running.child.pid, os.WUNTRACED | os.WNOHANG)[1])
    assert os.WIFSTOPPED(status)
    running.child.send_signal(signal.SIGCONT)
    terminal.read_until(lambda seen: seen.count(ENTER) == 2 and frames(seen.split(ENTER)[2]))
    running.child.send_signal(signal.SIGINT)
    terminal.read_until(lambda seen: seen.count(LEAVE) == 2)
    assert running.child.wait(timeout=LIMIT_S) == 0


# ---- Many namespaces -----------------------------------------------------------------------------

# COUNT processes, each in its own network namespace, that live until standard input ends.
MANY = """
import ctypes, os, sys
libc = ctypes.CDLL(None)
for _ in range(int(sys.argv[1])):
    if os.fork() == 0:
        assert libc.unshare(0x40000000) == 0
        os.write(1, b".")
        sys.stdin.read()
        os._exit(0)
sys.stdin.read()
"""
NAMESPACES = 100


def start_cost_s() -> float:
    """Returns the processor time of a run that does little but start; the least of three."""
    costs = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([place.tcpdwell(), "timewait", "-d", "10ms"], check=True,
                       capture_output=True, timeout=LIMIT_S)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        costs.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    return min(costs)


@pytest.mark.any_kernel
def test_many_namespaces(require: Callable[..., None]) -> None:
    """Each namespace costs a start a millisecond or two of processor time, more on a busy
    machine."""
    require(capability.TIME_WAIT)
    alone = start_cost_s()
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", MANY, str(NAMESPACES)],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as many:
        assert many.stdin and many.stdout
        try:
            assert len(many.stdout.read(NAMESPACES)) == NAMESPACES
            added = start_cost_s() - alone
        finally:
            many.stdin.close()
    assert added < NAMESPACES * 0.006


# ---- What cannot be ------------------------------------------------------------------------------


def fails(*arguments: str) -> tuple[int, str]:
    done = subprocess.run([place.tcpdwell(), "timewait", *arguments], capture_output=True,
                          text=True, check=False, timeout=LIMIT_S)
    assert done.stdout == ""
    return done.returncode, done.stderr


def test_not_seen() -> None:
    status, message = fails("--backend", "none", "-d", "1s")
    assert status == 3
    assert "TIME_WAIT is not seen" in message and "tcpdwell probe" in message


@pytest.mark.any_kernel
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-i", "1ms"), "-i: '1ms' is too short: want 100ms or more"),
        (("--top", "0"), "--top: '0' is out of range: want 1..100"),
        (("--top", "101"), "--top: '101' is out of range: want 1..100"),
        (("-o", "csv"), "-o: 'csv' is not known: want table|json"),
        (("-s", "TIME_WAIT"), "-s is not an option of timewait"),
    ],
)
def test_misused(arguments: tuple[str, ...], message: str) -> None:
    assert fails(*arguments)[0] == 2
    assert message in fails(*arguments)[1]


@pytest.mark.any_kernel
def test_side_by_side(timewait: Callable[..., Timewait], make_netns: Callable[[], Netns]) -> None:
    """The same ends in two namespaces are two clients, each judged by its own settings."""
    one, two = make_netns(), make_netns()
    narrow(one, 30, 0)
    narrow(two, 3000, 0)
    running = timewait("-o", "json", "--rport", str(PORT + 5))
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda netns: connect(netns, 20, port=PORT + 5), (one, two)))
    pressure = {entry["netns"]: entry for entry in running.figures()["pressure"]}
    assert {inode: entry["ports"] for inode, entry in pressure.items()} == {
        one.inode: 30, two.inode: 3000}
    assert all(entry["now"] == 20 for entry in pressure.values())
