# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`tcpdwell snapshot --sockets`: each row against what ss says about the same socket."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import socket
import time
from dataclasses import dataclass
from typing import Any, Iterator

import pytest

from harness import actor as actors, place, process, refusal, within
from harness.actor import Cast
from harness.netns import Netns
from harness.peer import ACK, FIN, HOSTS, PEERS, SYN, Link, Peer

Row = dict[str, Any]

cast = pytest.fixture(actors.cast, name="cast")

# The states as ss prints them.
STATES = {"ESTAB": "ESTABLISHED", "SYN-SENT": "SYN_SENT", "SYN-RECV": "SYN_RECV",
          "FIN-WAIT-1": "FIN_WAIT1", "FIN-WAIT-2": "FIN_WAIT2", "TIME-WAIT": "TIME_WAIT",
          "CLOSE-WAIT": "CLOSE_WAIT", "LAST-ACK": "LAST_ACK", "LISTEN": "LISTEN",
          "CLOSING": "CLOSING"}
TIMERS = {"on": {"retransmit", "synack"}, "persist": {"probe"}, "keepalive": {"keepalive"},
          "timewait": {"timewait"}}
UNITS = {"ms": 0.001, "sec": 1.0, "min": 60.0}
# The sum of ss's rounding, a tick, and a late timer.
SLACK_S = 1.0


def rows(netns: Netns, *arguments: str) -> list[Row]:
    done = process.run([place.tcpdwell(), "snapshot", "--sockets", "-o", "json", "--netns",
                        netns.path, *arguments])
    return [json.loads(line) for line in done.stdout.splitlines()]


@dataclass(frozen=True)
class Seen:
    """A line of `ss -Htanpoe`."""

    state: str
    recv_q: int
    send_q: int
    local: tuple[str, int]
    remote: tuple[str, int]
    rest: str

    @property
    def cookie(self) -> int:
        return int(re.findall(r"\bsk:([0-9a-f]+)", self.rest)[0], 16)

    @property
    def holders(self) -> set[tuple[int, int]]:
        found = re.findall(r"pid=(\d+),fd=(\d+)", self.rest)
        return {(int(pid), int(fd)) for pid, fd in found}

    @property
    def timer(self) -> tuple[str, float, int] | None:
        found = re.search(r"timer:\((\w+),([^,]*),(\d+)\)", self.rest)
        if not found:
            return None
        # ss prints 1.732ms for a second and 732 ms.
        parts = re.findall(r"([\d.]+)(ms|sec|min)", found[2])
        left_s = sum(float(number) * (1 if "." in number else UNITS[unit])
                     for number, unit in parts)
        return found[1], left_s, int(found[3])


def _end(text: str) -> tuple[str, int]:
    address, port = text.rsplit(":", 1)
    return address.strip("[]").split("%")[0], 0 if port == "*" else int(port)


def ss(netns: Netns) -> list[Seen]:
    found = []
    for line in netns.run(["ss", "-Htanpoe"]).stdout.splitlines():
        state, recv_q, send_q, local, remote, *rest = line.split(None, 5)
        found.append(Seen(STATES[state], int(recv_q), int(send_q), _end(local), _end(remote),
                          rest[0] if rest else ""))
    return found


class Zoo:
    """Sockets that wait for each kind of thing."""

    def __init__(self, netns: Netns) -> None:
        self.netns, self.link = netns, Link.make(netns)
        self.open: list[socket.socket] = []
        self.listener = self.listen()

    def listen(self, address: str = HOSTS[4]) -> socket.socket:
        listener = within.make_socket(self.netns)
        listener.bind((address, 0))
        listener.listen(16)
        self.open.append(listener)
        return listener

    def accept(self, window: int = 65535) -> tuple[Peer, socket.socket]:
        peer = Peer(self.link, rport=self.listener.getsockname()[1])
        peer.window = window
        peer.open()
        child, _ = self.listener.accept()
        self.open.append(child)
        return peer, child

    def fill(self) -> None:
        self.accept()[0].send(ACK, b"not read")
        _, child = self.accept()
        child.send(b"not acknowledged")
        _, child = self.accept()
        child.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 40)  # ss is exact to the second
        child.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        _, child = self.accept(window=0)
        child.send(b"no window")
        peer, child = self.accept()
        child.shutdown(socket.SHUT_WR)  # FIN_WAIT1
        _, child = self.accept()
        child.close()  # FIN_WAIT1, too, but an orphan
        peer, child = self.accept()
        child.close()
        peer.expect(FIN | ACK)
        peer.send(FIN | ACK)  # TIME_WAIT
        peer, child = self.accept()
        peer.send(FIN | ACK)
        peer.expect(ACK)  # CLOSE_WAIT
        begun = Peer(self.link, rport=self.listener.getsockname()[1])
        begun.syn()
        begun.expect(SYN | ACK)
        waiting = Peer(self.link, rport=self.listener.getsockname()[1])
        waiting.open()  # in the accept queue
        sock = within.make_socket(self.netns)
        sock.setblocking(False)
        sock.connect_ex((PEERS[4], 9))
        self.open.append(sock)

    def close(self) -> None:
        for sock in self.open:
            sock.close()
        self.link.close()


@pytest.fixture(name="zoo")
def _zoo(netns: Netns) -> Iterator[Zoo]:
    zoo = Zoo(netns)
    zoo.fill()
    time.sleep(0.5)
    yield zoo
    zoo.close()


def check_timer(row: Row, line: Seen, between_s: float) -> None:
    """Between the two looks a timer goes on, and may run out and be set again."""
    if line.timer is None:
        assert row["timer"] == "none" and row["timer_ns"] is None, (row, line)
        return
    name, left_s, again = line.timer
    assert row["timer"] in TIMERS[name], (row, line)
    sent = row["probes_out"] if name in ("persist", "keepalive") else row["retransmits"]
    assert sent <= again, (row, line)
    if row["timer_ns"] / 1e9 > between_s + SLACK_S:
        assert -SLACK_S < row["timer_ns"] / 1e9 - left_s < between_s + SLACK_S, (row, line)
        assert sent == again, (row, line)


def check(found: list[Row], lines: list[Seen], between_s: float) -> None:
    """Both show the same sockets, with the same values for each."""
    ends = {(row["state"], row["laddr"], row["lport"], row["rport"] or 0): row for row in found}
    assert len(ends) == len(found)
    assert set(ends) == {(line.state, *line.local, line.remote[1]) for line in lines}
    for line in lines:
        row = ends[(line.state, *line.local, line.remote[1])]
        assert (row["recv_q"], row["send_q"]) == (line.recv_q, line.send_q), (row, line)
        held = {(holder["pid"], holder["fd"]) for holder in row["holders"]}
        assert held == line.holders, (row, line)
        if line.state != "LISTEN":
            check_timer(row, line, between_s)


@pytest.mark.every_kernel
def test_rows_equal_ss(zoo: Zoo) -> None:
    begun = time.monotonic()
    found, lines = rows(zoo.netns), ss(zoo.netns)
    check(found, lines, time.monotonic() - begun)
    assert {row["state"] for row in found} >= {"LISTEN", "SYN_SENT", "SYN_RECV", "ESTABLISHED",
                                               "FIN_WAIT1", "TIME_WAIT", "CLOSE_WAIT"}
    assert {row["timer"] for row in found} == {"retransmit", "keepalive", "timewait", "probe",
                                               "synack", "none", None}
    cookies = {row["cookie"] for row in found if row["cookie"] is not None}
    assert cookies <= {line.cookie for line in lines}
    queued = [row for row in found if row["queued"]]
    assert [row["pid"] for row in queued] == [os.getpid()]
    orphans = [row["state"] for row in found if row["orphan"]]
    assert orphans == ["FIN_WAIT1"]


def test_without_bpf(zoo: Zoo) -> None:
    """Rows have what sock_diag tells; what it does not tell is null."""
    begun = time.monotonic()
    done = refusal.run(["BPF_*=EPERM"], "snapshot", "--sockets", "-o", "json", "--netns",
                       zoo.netns.path)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    check(found, ss(zoo.netns), time.monotonic() - begun)
    for row in found:
        assert row["user_timeout_ms"] is None and row["keepalive_time_s"] is None
        known = row["timer"] in ("none", "timewait") or row["state"] == "LISTEN"
        assert (row["ends"] is not None) == known, row
    alive = [row["keepalive"] for row in found if row["timer"] == "keepalive"]
    assert alive == [True]
    assert [row["keepalive"] for row in found if row["state"] == "SYN_SENT"] == [None]


def row_at(netns: Netns, port: int) -> Row:
    (row,) = rows(netns, "-L", str(port), "-s", "ESTABLISHED,SYN_SENT,FIN_WAIT2,FIN_WAIT1")
    return row


@pytest.mark.every_kernel
def test_options(netns: Netns, require: Any) -> None:
    """Each option is what a process has set for the socket, or else its namespace's setting."""
    require("snapshot_descriptors")
    netns.sysctl("net/ipv4/tcp_keepalive_intvl", 44)
    begun = time.monotonic()
    with within.listen(netns) as listener:
        plain, keeps, ends = (within.Pair(netns, listener) for _ in range(3))
        keeps.client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        keeps.client.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 123)
        keeps.client.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
        ends.client.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 5432)
        ends.client.setsockopt(socket.IPPROTO_TCP, socket.TCP_LINGER2, 7)
        ends.client.setsockopt(socket.IPPROTO_TCP, socket.TCP_SYNCNT, 2)
        row = row_at(netns, plain.port())
        assert (row["keepalive"], row["ends"], row["keepalive_time_s"]) == (False, "never", None)
        assert (row["user_timeout_ms"], row["linger2_s"], row["syn_retries"]) == (None,) * 3
        row = row_at(netns, keeps.port())
        past_s = time.monotonic() - begun
        assert row["keepalive"] is True and row["timer"] == "keepalive"
        assert (row["keepalive_time_s"], row["keepalive_interval_s"],
                row["keepalive_probes"]) == (123, 44, 3)
        assert row["ends"] == "unless_answered" and row["ends_by"] == "keep-alive"
        assert 123 + 3 * 44 - past_s < row["ends_ns"] / 1e9 <= 123 + 3 * 44 + 0.1
        row = row_at(netns, ends.port())
        assert (row["user_timeout_ms"], row["linger2_s"], row["syn_retries"]) == (5432, 7, 2)
        for pair in (plain, keeps, ends):
            pair.close()


def test_all_who_hold_it(cast: Cast, netns: Netns) -> None:
    server = cast.actor("server", netns)
    server.run("l = socket.create_server(('127.0.0.1', 8080)); d = os.dup(l.fileno())")
    child = server.fork()
    (row,) = rows(netns, "-L", "8080")
    fds = server.ask("[l.fileno(), d]")
    assert {(holder["pid"], holder["fd"]) for holder in row["holders"]} == {
        (pid, fd) for pid in (server.pid, child.pid) for fd in fds}
    assert {holder["comm"] for holder in row["holders"]} == {"server"}
    assert row["pid"] in (server.pid, child.pid)


def test_filters(zoo: Zoo) -> None:
    everything = rows(zoo.netns)
    assert [row["state"] for row in rows(zoo.netns, "-s", "CLOSE_WAIT")] == ["CLOSE_WAIT"]
    mine = rows(zoo.netns, "-p", str(os.getpid()))
    assert {row["pid"] for row in mine} == {os.getpid()}
    assert len(mine) == sum(row["pid"] == os.getpid() for row in everything)
    assert not rows(zoo.netns, "--comm", "nobody")
    assert not rows(zoo.netns, "--older", "1h")
    assert not rows(zoo.netns, "-6")
    port = zoo.listener.getsockname()[1]
    assert rows(zoo.netns, "-L", str(port)) and not rows(zoo.netns, "-D", str(port))


def test_text(zoo: Zoo) -> None:
    """Into a pipe all columns are printed, and each row has a word for each."""
    done = process.run([place.tcpdwell(), "snapshot", "--sockets", "--netns", zoo.netns.path])
    head, *lines = done.stdout.splitlines()
    lines = [line for line in lines if not line.startswith("* ")]
    assert head.split() == ["PID", "COMM", "STATE", "LADDR:LPORT", "RADDR:RPORT", "AGE", "RECVQ",
                            "SENDQ", "RETR", "TIMER", "LEFT", "KEEPALIVE", "ENDS", "BY", "NETNS",
                            "HOLDERS"]
    assert len(lines) == len(ss(zoo.netns))
    assert {len(line.split()) for line in lines} == {16}
    assert done.stdout.splitlines()[-1] == "* unless the peer answers"


def test_csv(zoo: Zoo) -> None:
    """CSV has the fields of JSON by the same names."""
    done = process.run([place.tcpdwell(), "snapshot", "--sockets", "-o", "csv", "--netns",
                        zoo.netns.path])
    cells = list(csv.DictReader(io.StringIO(done.stdout)))
    found = rows(zoo.netns)
    assert list(cells[0]) == list(found[0])
    assert [cell["state"] for cell in cells] == [row["state"] for row in found]
    for cell, row in zip(cells, found):
        assert cell["lport"] == str(row["lport"])
        assert cell["holders"] == " ".join(f"{h['comm']}/{h['pid']}/{h['fd']}"
                                           for h in row["holders"])
