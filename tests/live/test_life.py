# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`life`: a row a connection, held against what its two programs did and what the wire carried."""

from __future__ import annotations

import contextlib
import ctypes
import json
import signal
import socket
import struct
import threading
import time
from typing import Any, Callable, Iterator

import pytest

from harness import capability, place, traffic
from harness.netns import Netns
from harness.plain import Running, filtered_to, parse_csv, run

pytestmark = pytest.mark.every_kernel

Row = dict[str, Any]

# Two clocks that are read one after the other, by programs that may be interrupted in between.
SLACK_NS = 5_000_000
# What a server's last ACK may take after its client has returned from connect().
BEHIND_NS = 100_000_000
SO_ATTACH_FILTER, SO_DETACH_FILTER = 26, 27
MSG_FASTOPEN = 0x20000000
TCP_FASTOPEN = 23
BIG = 10 << 20


class Lives:
    """A running `tcpdwell life` of one namespace."""

    def __init__(self, netns: Netns, *arguments: str) -> None:
        self.netns = netns
        self.running = Running("life", "-o", "json", *place.backend(), *filtered_to(netns),
                               *arguments)

    def rows(self) -> list[Row]:
        rows = [json.loads(line.text) for line in self.running.lines()]
        return [row for row in rows if row["type"] == "connection"]

    def of(self, lport: int, open_: bool = False) -> Row:
        """The row of the connection with this local port."""
        def found() -> list[Row]:
            return [row for row in self.rows()
                    if row["lport"] == lport and row["open"] == open_]
        rows = self.running.wait_for(found, what=f"a row of port {lport}")
        assert len(rows) == 1, rows
        return rows[0]

    def usr1(self) -> None:
        self.running.child.send_signal(signal.SIGUSR1)

    def finish(self) -> Row:
        """Ends it. Its account must hold; returns that."""
        self.running.finish()
        summary = json.loads(self.running.lines()[-1].text)
        check_account(summary)
        assert summary["printed"] == len(self.rows())
        return summary


def check_account(summary: Row) -> None:
    lost = summary["lost"]
    assert summary["type"] == "summary"
    assert summary["seen"] == sum(summary[name] for name in (
        "printed", "filtered", "folded", "unwritten", "unknown", "malformed")) + sum(lost.values())
    assert not sum(lost.values()) and not summary["untracked"], summary


@contextlib.contextmanager
def lives(netns: Netns, *arguments: str) -> Iterator[Lives]:
    made = Lives(netns, *arguments)
    with made.running:
        yield made


class Pair:
    """A connection whose both ends are this process's."""

    def __init__(self, netns: Netns, family: int = socket.AF_INET,
                 prepare: Callable[[socket.socket], None] = lambda listener: None) -> None:
        address = "127.0.0.1" if family == socket.AF_INET else "::1"
        self.listener = netns.inside(lambda: socket.socket(family))
        prepare(self.listener)
        self.listener.bind((address, 0))
        self.listener.listen(8)
        self.client = netns.inside(lambda: socket.socket(family))
        self.client.connect(self.listener.getsockname())
        self.server, _ = self.listener.accept()
        self.ports = self.client.getsockname()[1], self.server.getsockname()[1]

    def close(self) -> None:
        for end in (self.client, self.server, self.listener):
            end.close()

    def rows(self, seen: Lives) -> tuple[Row, Row]:
        """Of the client, of the server."""
        return seen.of(self.ports[0]), seen.of(self.ports[1])


def reset_on_close(end: socket.socket) -> None:
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def read_all(end: socket.socket, size: int) -> int:
    """Reads until the other side has closed, or so much; returns how much that was."""
    got = 0
    while got < size and (data := end.recv(min(size - got, 1 << 16))):
        got += len(data)
    return got


def exchange(pair: Pair, up: int, down: int) -> None:
    """The client sends @up bytes and the server @down, each reads all; the client closes first."""
    threads = [threading.Thread(target=pair.client.sendall, args=(bytes(up),)),
               threading.Thread(target=pair.server.sendall, args=(bytes(down),)),
               threading.Thread(target=read_all, args=(pair.server, up))]
    for thread in threads:
        thread.start()
    assert read_all(pair.client, down) == down
    for thread in threads:
        thread.join()
    pair.client.shutdown(socket.SHUT_WR)
    assert pair.server.recv(1) == b""
    pair.server.close()
    assert pair.client.recv(1) == b""
    pair.close()


def check_bytes(row: Row, sent: int, received: int, unacked: int = 0,
                unread: int | None = 0) -> None:
    seen = {name: row[f"bytes_{name}"]
            for name in ("sent", "acked", "received", "unacked", "unread")}
    assert seen == {"sent": sent, "acked": sent - unacked, "received": received,
                    "unacked": unacked, "unread": unread}, row


# ---- Bytes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["ipv4", "ipv6"])
def test_bytes_are_those_of_the_programs(netns: Netns, family: int) -> None:
    sizes = [(0, 0), (1, 0), (0, 1), (10, 1), (1, 10), (BIG, 10), (10, BIG)]
    with lives(netns) as seen:
        pairs = [Pair(netns, family) for _ in sizes]
        for pair, (up, down) in zip(pairs, sizes):
            exchange(pair, up, down)
        for pair, (up, down) in zip(pairs, sizes):
            client, server = pair.rows(seen)
            check_bytes(client, up, down)
            check_bytes(server, down, up)
            assert (client["side"], server["side"]) == ("client", "server")
            assert client["reason"] == server["reason"] == "fin"
            assert client["state"] in ("TIME_WAIT", "CLOSE") and server["state"] == "CLOSE"
            assert bool(client["segments_sent"]) == bool(up)
            assert bool(server["segments_sent"]) == bool(down)
            assert client["life"] == server["life"] == "exact"
        seen.finish()


def test_half_closed(netns: Netns) -> None:
    with lives(netns) as seen:
        pair = Pair(netns)
        pair.client.sendall(bytes(7))
        pair.client.shutdown(socket.SHUT_WR)
        assert read_all(pair.server, 100) == 7
        time.sleep(0.1)
        pair.server.sendall(bytes(5000))
        assert read_all(pair.client, 5000) == 5000
        pair.server.close()
        assert pair.client.recv(1) == b""
        pair.close()
        client, server = pair.rows(seen)
        check_bytes(client, 7, 5000)
        check_bytes(server, 5000, 7)
        assert server["close_wait_ns"] >= 100_000_000
        assert client["fin_wait1_ns"] + client["fin_wait2_ns"] >= 100_000_000
        seen.finish()


def test_data_that_can_be_read_yet(netns: Netns) -> None:
    """The connection is over before its program reads what came: how much it will is not known."""
    with lives(netns) as seen:
        pair = Pair(netns)
        pair.client.shutdown(socket.SHUT_WR)
        assert pair.server.recv(1) == b""
        pair.server.sendall(bytes(10))
        pair.server.close()
        client, server = pair.rows(seen)
        check_bytes(client, 0, 10, unread=None)
        check_bytes(server, 10, 0)
        assert read_all(pair.client, 20) == 10
        pair.close()
        seen.finish()


def test_data_that_is_never_read(netns: Netns) -> None:
    with lives(netns) as seen:
        pair = Pair(netns)
        pair.client.sendall(bytes(100))
        while len(pair.server.recv(200, socket.MSG_PEEK)) < 100:
            pass
        assert read_all(pair.server, 30) == 30
        pair.server.close()
        pair.close()
        client, server = pair.rows(seen)
        check_bytes(server, 0, 100, unread=70)
        check_bytes(client, 100, 0)
        assert (server["reason"], client["reason"]) == ("reset_sent", "reset_received")
        assert client["errno"] == "ECONNRESET"
        seen.finish()


def test_data_that_nobody_acknowledges(netns: Netns) -> None:
    """The server drops what comes, then the client gives up: what it wrote is unacknowledged."""
    with lives(netns) as seen:
        pair = Pair(netns)
        pair.client.sendall(bytes(20))
        assert read_all(pair.server, 20) == 20
        with dropping(pair.server):
            pair.client.sendall(bytes(1000))
            reset_on_close(pair.client)
            pair.client.close()
            row = seen.of(pair.ports[0])
            check_bytes(row, 1020, 0, unacked=1000)
            assert row["reason"] == "reset_sent"
        pair.close()
        seen.finish()


def test_zero_window(netns: Netns) -> None:
    def small(listener: socket.socket) -> None:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)

    size = 300_000
    with lives(netns) as seen:
        pair = Pair(netns, prepare=small)
        sender = threading.Thread(target=pair.client.sendall, args=(bytes(size),))
        sender.start()
        time.sleep(1)  # the window is closed, and is probed
        assert read_all(pair.server, size) == size
        sender.join()
        pair.client.close()
        assert pair.server.recv(1) == b""
        pair.close()
        client, server = pair.rows(seen)
        check_bytes(client, size, 0)
        check_bytes(server, 0, size)
        seen.finish()


def test_keepalive_probes_are_no_bytes(netns: Netns) -> None:
    with lives(netns) as seen:
        pair = Pair(netns)
        pair.client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        pair.client.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
        pair.client.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
        time.sleep(2.2)
        pair.client.close()
        pair.close()
        for row in pair.rows(seen):
            check_bytes(row, 0, 0)
            assert row["retransmits"] == 0
        seen.finish()


def test_data_with_the_syn(netns: Netns) -> None:
    """TCP Fast Open (RFC 7413): the first connection gets the cookie, the second has data in it."""
    netns.sysctl("net/ipv4/tcp_fastopen", 3)
    with lives(netns) as seen:
        listener = netns.inside(socket.socket)
        listener.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN, 8)
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)
        ports = []
        for _ in range(2):
            client = netns.inside(socket.socket)
            assert client.sendto(bytes(50), MSG_FASTOPEN, listener.getsockname()) == 50
            server, peer = listener.accept()
            assert read_all(server, 50) == 50
            server.sendall(bytes(60))
            assert read_all(client, 60) == 60
            client.close()
            assert server.recv(1) == b""
            server.close()
            ports.append(peer[1])
        for port in ports:
            check_bytes(seen.of(port), 50, 60)
        servers = seen.running.wait_for(
            lambda: [row for row in seen.rows() if row["rport"] in ports][1:] and
            [row for row in seen.rows() if row["rport"] in ports])
        for row in servers:
            check_bytes(row, 60, 50)
            assert row["side"] == "server"
        listener.close()
        seen.finish()


# ---- What is sent again --------------------------------------------------------------------------


@contextlib.contextmanager
def dropping(end: socket.socket) -> Iterator[None]:
    """A filter on the socket drops all that comes for it, as if it were lost on the way."""
    class Instruction(ctypes.Structure):  # struct sock_filter
        _fields_ = [("code", ctypes.c_ushort), ("jt", ctypes.c_ubyte), ("jf", ctypes.c_ubyte),
                    ("k", ctypes.c_uint)]

    none = Instruction(6, 0, 0, 0)  # BPF_RET | BPF_K: no bytes of it
    end.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER,
                   struct.pack("HL", 1, ctypes.addressof(none)))
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            end.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, struct.pack("i", 0))


class Capture:
    """Segments on this namespace's loopback, ahead of filters, by port and sequence number."""

    def __init__(self, netns: Netns) -> None:
        self.socket = netns.inside(
            lambda: socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800)))
        self.socket.bind(("lo", 0x0800))

    def sent_again(self, port: int) -> int:
        """How many of that port's with data, SYN or FIN had been sent before."""
        self.socket.settimeout(0.2)
        known: set[int] = set()
        again = 0
        with contextlib.suppress(TimeoutError):
            while True:
                packet, address = self.socket.recvfrom(1 << 16)
                header = 4 * (packet[0] & 15)
                tcp = packet[header:struct.unpack("!H", packet[2:4])[0]]
                source, _, sequence = struct.unpack("!HHI", tcp[:8])
                fills = len(tcp) > 4 * (tcp[12] >> 4) or tcp[13] & 3
                if address[2] or source != port or not fills:  # PACKET_HOST: what has come
                    continue
                again += sequence in known
                known.add(sequence)
        self.socket.close()
        return again


def test_retransmits_are_those_of_the_wire(netns: Netns) -> None:
    with lives(netns) as seen:
        capture = Capture(netns)
        pair = Pair(netns)
        with dropping(pair.server):
            pair.client.sendall(bytes(100))
            time.sleep(1.5)  # 200 ms, 400 ms and so on
        assert read_all(pair.server, 100) == 100
        pair.client.close()
        assert pair.server.recv(1) == b""
        pair.close()
        client, server = pair.rows(seen)
        check_bytes(client, 100, 0)
        check_bytes(server, 0, 100)
        again = capture.sent_again(pair.ports[0])
        assert again >= 2
        assert client["retransmits"] == again
        assert server["retransmits"] == 0
        assert client["srtt_us"] > 0 and client["rtt_min_us"] > 0
        seen.finish()


# ---- Times ---------------------------------------------------------------------------------------


def test_handshake_and_wait_for_accept(netns: Netns) -> None:
    with lives(netns) as seen:
        listener = netns.inside(socket.socket)
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)
        client = netns.inside(socket.socket)
        before_ns = time.monotonic_ns()
        client.connect(listener.getsockname())
        connected_ns = time.monotonic_ns()
        time.sleep(0.3)
        accepting_ns = time.monotonic_ns()
        server, peer = listener.accept()
        accepted_ns = time.monotonic_ns()
        client.close()
        server.close()
        listener.close()
        of_client = seen.of(peer[1])
        of_server = seen.of(listener_port(of_client))
        for row in (of_client, of_server):
            assert 0 < row["handshake_ns"] <= connected_ns - before_ns
            assert before_ns <= row["opened_mono_ns"] <= connected_ns
            assert row["ended_mono_ns"] - row["opened_mono_ns"] == row["life_ns"]
        assert of_client["accept_ns"] is None
        assert accepting_ns - connected_ns <= of_server["accept_ns"] + BEHIND_NS
        assert of_server["accept_ns"] <= accepted_ns - before_ns
        assert of_server["owner"] == "accept" and of_client["owner"] == "connect"
        seen.finish()


def listener_port(client: Row) -> int:
    return int(client["rport"])


STATES = ["SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT1", "FIN_WAIT2", "CLOSE_WAIT",
          "LAST_ACK", "CLOSING", "TIME_WAIT"]


def scenarios() -> list[str]:
    """All that end by themselves in a moment."""
    return [name for name in traffic.scenarios() if not name.startswith("timewait")]


def compare(row: Row, steps: list[Row]) -> None:
    """A life with the transitions of the same connection, which another tracer saw."""
    for step in steps:
        state = step["from"]
        if state not in STATES:
            continue
        if row["state"] in ("TIME_WAIT", "FIN_WAIT2") and state == row["state"]:
            continue  # the full socket ended before that did
        name = state.lower()
        assert row[name] == step["dwell"], (name, row, step)
        if step["dwell"] == "exact":
            assert abs(row[f"{name}_ns"] - step["dwell_ns"]) < SLACK_NS, (name, row, step)
    visited = {state for state in STATES if row[state.lower()] is not None}
    assert visited <= {step["from"] for step in steps} | {row["state"]}, (row, steps)


def test_dwells_are_those_of_trace(netns: Netns, tracer: Callable[..., Any]) -> None:
    """Of all kinds of connections, each with its own rows."""
    if not capability.cookies():
        pytest.skip("identities are each tracer's own")
    trace = tracer(*filtered_to(netns))
    played = 0
    with lives(netns) as seen:
        for name in scenarios():
            with contextlib.suppress(traffic.CannotPlay):
                traffic.play(name, netns=netns)
                played += 1
        seen.finish()
        rows = [row for row in seen.rows() if not row["open"]]
    trace.stop()
    assert played > 10 and len(rows) > played
    known: dict[tuple[int, int, int], list[Row]] = {}
    for step in trace.all_rows():
        known.setdefault(key(step), []).append(step)
    compared = 0
    for row in rows:
        steps = known.get(key(row), [])
        assert steps, row
        if len({step["cookie"] for step in steps}) > 1 or several(rows, row):
            continue  # one socket that lived several connections
        compare(row, steps)
        compared += 1
    assert compared > len(rows) / 2


def key(row: Row) -> tuple[Any, ...]:
    return row["laddr"], row["lport"], row["raddr"], row["rport"]


def several(rows: list[Row], row: Row) -> bool:
    return sum(key(other) == key(row) for other in rows) > 1


def test_time_wait_is_waited_for(netns: Netns) -> None:
    """It ends early where the next connection takes its place."""
    netns.sysctl("net/ipv4/tcp_tw_reuse", 1)
    if capability.missing("timewait"):
        pytest.skip("TIME_WAIT is not seen here")
    with lives(netns, "--time-wait") as seen:
        pair = Pair(netns)
        client, listener = pair.ports[0], pair.listener
        pair.client.sendall(bytes(9))
        pair.client.close()
        assert read_all(pair.server, 10) == 9
        pair.server.close()
        time.sleep(1.2)  # its time stamps must be older than a second
        netns.sysctl("net/ipv4/ip_local_port_range", f"{client} {client}")
        again = netns.inside(socket.socket)
        again.connect(listener.getsockname())
        row = seen.of(client)
        check_bytes(row, 9, 0)
        assert row["reason"] == "timewait_reused" and row["state"] == "CLOSE"
        assert row["time_wait"] == "exact" and row["time_wait_ns"] > 1_000_000_000
        reset_on_close(again)
        again.close()
        listener.close()
        seen.finish()


# ---- Which rows there are ------------------------------------------------------------------------


def test_connects_that_fail(netns: Netns) -> None:
    with lives(netns) as seen:
        bound = netns.inside(socket.socket)
        bound.bind(("127.0.0.1", 0))
        client = netns.inside(socket.socket)
        with pytest.raises(ConnectionRefusedError):
            client.connect(bound.getsockname())
        rows = seen.running.wait_for(seen.rows)
        assert len(rows) == 1
        row = rows[0]
        check_bytes(row, 0, 0)
        assert (row["reason"], row["errno"], row["side"]) == ("refused", "ECONNREFUSED", "client")
        assert row["handshake_ns"] is None and row["syn_sent"] == "exact"
        seen.finish()


def test_what_is_open_at_the_end(netns: Netns) -> None:
    with lives(netns) as seen:
        pair = Pair(netns)
        pair.client.sendall(bytes(11))
        assert read_all(pair.server, 5) == 5
        seen.usr1()
        client, server = (seen.of(port, open_=True) for port in pair.ports)
        for row in (client, server):
            assert row["ended"] is None and row["reason"] is None
            assert (row["state"], row["life"]) == ("ESTABLISHED", "at_least")
            assert row["established"] == "at_least" and row["opened"]
        check_bytes(client, 11, 0)
        check_bytes(server, 0, 11, unread=6)
        pair.client.close()
        summary = seen.finish()
        rows = [row for row in seen.rows() if row["lport"] == pair.ports[1]]
        assert [row["open"] for row in rows] == [True, True] and rows[1]["state"] == "CLOSE_WAIT"
        assert summary["printed"] == len(seen.rows())
        pair.close()


def test_no_open(netns: Netns) -> None:
    with lives(netns, "--no-open") as seen:
        pair = Pair(netns)
        seen.usr1()
        seen.running.wait_for(lambda: "seen" in seen.running.said())
        seen.finish()
        assert not seen.rows()
        pair.close()


def test_what_was_there_before(netns: Netns) -> None:
    pair = Pair(netns)
    idle = Pair(netns)
    pair.client.sendall(bytes(1000))
    assert read_all(pair.server, 1000) == 1000
    with lives(netns) as seen:
        pair.server.sendall(bytes(77))
        assert read_all(pair.client, 77) == 77
        pair.client.close()
        assert pair.server.recv(1) == b""
        pair.close()
        client, server = pair.rows(seen)
        check_bytes(client, 1077 - 77, 77)
        check_bytes(server, 77, 1000)
        assert (client["side"], server["side"]) == ("client", "server")
        assert client["life"] == client["established"] == "at_least"
        assert client["opened"] is None and client["handshake_ns"] is None
        assert client["fin_wait1"] == "exact"
        seen.finish()
        assert {row["lport"] for row in seen.rows() if row["open"]} == set(idle.ports)
    idle.close()


FILTERS: list[tuple[list[str], set[str]]] = [
    ([], {"slow", "short", "reset"}),
    (["--min-life", "2s"], {"slow"}),
    (["--min-bytes", "50"], {"short"}),
    (["--reason", "reset_sent,reset_received"], {"reset"}),
    (["-s", "CLOSE_WAIT,FIN_WAIT1"], {"slow", "short"}),
    (["--longer", "ESTABLISHED=2s", "--longer", "FIN_WAIT1=0s"], {"slow"}),
    (["-p", "4194303"], set()),
    (["--comm", "nobody"], set()),
]


@pytest.mark.parametrize("arguments,wanted", FILTERS, ids=[" ".join(f[0]) for f in FILTERS])
def test_filters(netns: Netns, arguments: list[str], wanted: set[str]) -> None:
    with lives(netns, *arguments) as seen:
        pairs = {name: Pair(netns) for name in ("slow", "short", "reset")}
        exchange(pairs["short"], 50, 0)
        reset_on_close(pairs["reset"].client)
        pairs["reset"].client.close()
        pairs["reset"].close()
        time.sleep(2.1 if "2s" in " ".join(arguments) else 0)
        exchange(pairs["slow"], 1, 1)
        summary = seen.finish()
        shown = {name for name, pair in pairs.items()
                 if {row["lport"] for row in seen.rows()} & set(pair.ports)}
        assert shown == wanted
        assert summary["filtered"] >= 6 - summary["printed"]  # with those of other namespaces


def test_filter_of_ports(netns: Netns) -> None:
    """That of a client is not known before it has one."""
    pairs = [Pair(netns) for _ in range(2)]
    listener = pairs[0].listener
    with lives(netns, "-L", str(pairs[0].ports[0])) as seen:
        for pair in pairs:
            reset_on_close(pair.client)
            pair.client.close()
        client = netns.inside(socket.socket)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        client.connect(listener.getsockname())
        reset_on_close(client)
        client.close()
        seen.of(pairs[0].ports[0])
        summary = seen.finish()
        assert len(seen.rows()) == 1 and summary["filtered"] >= 5
    for pair in pairs:
        pair.close()


# ---- Output --------------------------------------------------------------------------------------


def test_csv_is_json(netns: Netns) -> None:
    with lives(netns) as seen, \
            Running("life", "-o", "csv", *place.backend(), *filtered_to(netns)) as as_csv:
        pair = Pair(netns)
        exchange(pair, 3, 4)
        rows = {row["lport"]: row for row in pair.rows(seen)}
        as_csv.wait_for_lines(3)
        as_csv.finish()
        seen.finish()
    for line in parse_csv(as_csv.output()):
        row = rows[int(line["lport"])]
        assert list(line) == list(row)
        for name in ("pid", "comm", "side", "bytes_sent", "bytes_received", "reason", "state"):
            assert line[name] == str(row[name])


def test_table(netns: Netns) -> None:
    with Running("life", *place.backend(), *filtered_to(netns)) as running:
        pair = Pair(netns)
        exchange(pair, 12345, 0)
        header, *rows = (line.text.decode() for line in running.wait_for_lines(3))
        running.finish()
    assert header.split() == ["PID", "COMM", "SIDE", "LADDR:LPORT", "RADDR:RPORT", "HSHAKE",
                              "ACCEPT", "LIFE", "SENT", "RECV", "RETR", "SRTT", "END"]
    for row in (header, *rows):
        assert len(row) <= 132
    cells = {tuple(row.split()[2:5:2]): row.split() for row in rows}
    client = cells["client", f"127.0.0.1:{pair.ports[1]}"]
    assert client[8:11] == ["12.0K", "0", "0"] and client[-1] == "fin"


def test_program_and_count(netns: Netns) -> None:
    pair = Pair(netns)
    code = ("import socket\n"
            f"for _ in range(3):\n s = socket.create_connection({pair.listener.getsockname()!r})\n"
            " s.close()\n")
    done = run("life", "-q", "-n", "2", "-o", "json", *place.backend(), "--", *netns.argv(
        ["python3", "-c", code]))
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    pair.close()
    assert done.returncode == 0, done.stderr
    assert [row["type"] for row in rows] == ["connection", "connection", "summary"]
    assert all(row["side"] == "client" and row["comm"].startswith("python") for row in rows[:2])
    check_account(rows[-1])
