# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`life`: a row for each connection, held against what its two programs did and what the wire
saw."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import socket
import struct
import subprocess
import threading
import time
from typing import Any, Callable, Iterator

import pytest

from harness import capability, place, stall, traffic
from harness.lives import (KINDS, Pair, Row, check_account, check_bytes, exchange, lives, read_all,
                           reset_on_close)
from harness.netns import Netns
from harness.plain import Running, filtered_to, parse_csv, run
from harness.scale import count

pytestmark = pytest.mark.every_kernel

# Programs read two clocks one after the other, and may be interrupted in between.
SLACK_NS = 5_000_000
# How long a server's last ACK may take after its client has returned from connect().
BEHIND_NS = 100_000_000
SO_ATTACH_FILTER, SO_DETACH_FILTER = 26, 27
MSG_FASTOPEN = 0x20000000
TCP_FASTOPEN = 23
BIG = 10 << 20


# ---- Bytes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_bytes_are_those_of_the_programs(netns: Netns, kind: str) -> None:
    sizes = [(0, 0), (1, 0), (0, 1), (10, 1), (1, 10), (BIG, 10), (10, BIG)]
    if kind == "mptcp":
        sizes = sizes[:-2]  # much of it would be sent again on the same TCP socket, as new bytes
    with lives(netns) as seen:
        try:
            pairs = [Pair(netns, kind) for _ in sizes]
        except OSError as failure:
            pytest.skip(f"no {kind}: {failure}")
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
            assert client["pid"] == server["pid"] == os.getpid()
            assert client["family"] == server["family"] == ("ipv6" if kind == "ipv6" else "ipv4")
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
    """The connection ends before its program reads what came: how much it will read is unknown."""
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


def test_reset_in_the_middle(netns: Netns) -> None:
    """Everything written is acknowledged or not, and everything received is read or not."""
    with lives(netns) as seen:
        pair = Pair(netns)
        pair.client.setblocking(False)
        written = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                written += pair.client.send(bytes(100_000))
        read = read_all(pair.server, 123_456)
        reset_on_close(pair.server)
        pair.server.close()
        client, server = pair.rows(seen)
        assert client["bytes_acked"] + client["bytes_unacked"] == written
        assert client["bytes_acked"] <= client["bytes_sent"] <= written
        assert server["bytes_received"] - server["bytes_unread"] == read
        assert read <= client["bytes_acked"] <= server["bytes_received"] <= client["bytes_sent"]
        assert (server["reason"], client["reason"]) == ("reset_sent", "reset_received")
        pair.close()
        seen.finish()


def test_data_that_nobody_acknowledges(netns: Netns) -> None:
    """The server drops what comes, then the client gives up: its data is unacknowledged."""
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
        time.sleep(1)  # the window is closed, and the client probes it
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
    """With TCP Fast Open (RFC 7413) the first SYN fetches the cookie, and the second carries
    data."""
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
    """Segments on this namespace's loopback, before filters, by port and sequence number."""

    def __init__(self, netns: Netns) -> None:
        self.socket = netns.inside(
            lambda: socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800)))
        self.socket.bind(("lo", 0x0800))

    def sent_again(self, port: int) -> int:
        """How many segments of that port with data, SYN or FIN had been sent before."""
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
                if address[2] or source != port or not fills:  # PACKET_HOST: received packets
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
            time.sleep(1.5)  # retransmissions come after 200 ms, 400 ms and so on
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


# The kinds of tools/traffic that take a second or more.
SLOW = {"simultaneous-open", "fastopen", "timed-out", "keepalive-timeout", "user-timeout",
        "slow-handshake", "syn-again", "handshake-timeout", "handshake-reset",
        "handshake-listener-closed", "accept-queue-full", "orphan-fin-wait2",
        "simultaneous-close", "fin-unanswered", "last-fin-unanswered"}
# At least how many connections are compared. TCPDWELL_LIVES=10000 takes some minutes.
LIVES = int(os.environ.get("TCPDWELL_LIVES", count(300, 50)))
# Where a timer's expiry shows the end of FIN_WAIT2, the time is exact to a jiffy.
JIFFY_NS = 10_000_000


def play_all(netns: Netns) -> int:
    """Plays all kinds that end by themselves, the quick ones until there are enough connections."""
    names = [name for name in traffic.scenarios() if not name.startswith("timewait")]
    quick = [name for name in names if name not in SLOW]
    played = 0
    for name in names:
        times = 1 if name in SLOW else -(-LIVES // len(quick))
        with contextlib.suppress(traffic.CannotPlay):
            played += len(traffic.play(name, "--count", str(times), "--hold", "2", netns=netns))
    return played


def ends(row: Row) -> tuple[Any, ...]:
    return row["laddr"], row["lport"], row["raddr"], row["rport"]


def lives_of(steps: list[Row]) -> dict[tuple[Any, ...], list[list[Row]]]:
    """Returns the transitions that trace saw, by ends; connections with the same ends in order."""
    found: dict[tuple[Any, ...], list[list[Row]]] = {}
    for step in steps:
        if "LISTEN" in (step["from"], step["to"]) and step["to"] != "SYN_RECV":
            continue
        if step["from"] in ("CLOSE", "LISTEN"):
            found.setdefault(ends(step), []).append([])
        if step["from"] != "TIME_WAIT":
            found[ends(step)][-1].append(step)
    return found


def differences(row: Row, steps: list[Row], slack_ns: int) -> Iterator[str]:
    """Yields how a life differs from the transitions of its connection that another tracer saw."""
    known = {step["from"]: step for step in steps}
    for before, after in zip(steps, steps[1:]):
        if before["to"] != after["from"]:  # the kernel ran no program in between
            known[before["to"]] = {"dwell": "unknown"}
    for state in STATES:
        name = state.lower()
        step = known.get(state)
        if row[name] != (step and step["dwell"]):
            yield f"{name}: {row[name]}, not {step and step['dwell']}"
        elif step and step["dwell"] == "exact":
            apart_ns = abs(row[f"{name}_ns"] - step["dwell_ns"])
            if apart_ns > slack_ns + (JIFFY_NS if state == "FIN_WAIT2" else 0):
                yield f"{name}_ns: {apart_ns} apart"
    last = steps[-1]
    # A request that outlives its listener has no owner in life (BUGS in the manual).
    outlives = last["from"] == "SYN_RECV" and last["reason"] == "listener_closed"
    for name in ("pid", "comm", "owner", "uid", "errno"):
        if row[name] != last[name] and not (outlives and row["owner"] is None):
            yield f"{name}: {row[name]}, not {last[name]}"
    if row["state"] != last["to"]:
        yield f"state: {row['state']}, not {last['to']}"
    reason = "fin" if last["to"] == "TIME_WAIT" else last["reason"]
    if row["reason"] != reason:
        yield f"reason: {row['reason']}, not {reason}"


def test_dwells_are_those_of_trace(netns: Netns, tracer: Callable[..., Any]) -> None:
    """Dwells are the same connection by connection, and so are owner, reason and errno."""
    # With many connections, the kernel may run no program for some: as many as both count, no more.
    trace = tracer(*filtered_to(netns), lossy=LIVES > 1000)
    begun_ns = time.monotonic_ns()
    with lives(netns) as seen:
        assert play_all(netns) > LIVES
        seen.finish()
    rows: dict[tuple[Any, ...], list[Row]] = {}
    for row in seen.rows():
        if not row["open"]:
            rows.setdefault(ends(row), []).append(row)
    trace.stop()
    known = lives_of(trace.all_rows())
    slack_ns = SLACK_NS + stall.worst_ns(begun_ns, time.monotonic_ns())
    wrong, compared = [], 0
    for key, found in rows.items():
        assert len(found) <= len(known.get(key, [])), (found, known.get(key))
        for row, steps in zip(found, known[key]):
            compared += 1
            wrong += [f"{line}: {row}" for line in differences(row, steps, slack_ns)]
    assert not wrong, f"{len(wrong)} differences of {compared}, the first:\n" + "\n".join(wrong[:9])
    assert compared > LIVES


def test_time_wait_is_waited_for(netns: Netns) -> None:
    """TIME_WAIT ends early where the next connection takes its place."""
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
        time.sleep(1.2)  # the old time stamps must be older than a second
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


# ---- Orphans -------------------------------------------------------------------------------------


def test_orphans(netns: Netns) -> None:
    """An orphan is left in FIN_WAIT2, and its row says what becomes of it."""
    netns.sysctl("net/ipv4/tcp_fin_timeout", 2)
    with lives(netns) as seen:
        pairs = {name: Pair(netns) for name in ("fin", "reset", "silent", "goes on")}
        for pair in pairs.values():
            pair.client.sendall(bytes(3))
            assert read_all(pair.server, 3) == 3
            if pair is not pairs["goes on"]:
                pair.client.close()
                assert pair.server.recv(1) == b""
        time.sleep(0.3)
        pairs["fin"].close()
        reset_on_close(pairs["reset"].server)
        pairs["reset"].close()
        for name, reason in (("fin", "fin"), ("reset", "reset_received"), ("silent", "timeout")):
            if capability.missing("timewait"):
                break
            row = seen.of(pairs[name].ports[0])
            check_bytes(row, 3, 0)
            assert row["reason"] == reason and row["errno"] is None, row
            assert (row["fin_wait1"], row["fin_wait2"]) == ("exact", "exact")
            assert row["time_wait"] is None and row["life"] == "exact"
            assert row["state"] == ("TIME_WAIT" if name == "fin" else "CLOSE")
            # The FIN may be acknowledged late, and the timer runs from then on.
            waited_ns = row["fin_wait2_ns"]
            waited_ns += 0 if name == "silent" else row["fin_wait1_ns"]
            assert waited_ns >= (2 if name == "silent" else 0.3) * 10**9 - SLACK_NS
        pairs["goes on"].client.close()
        assert pairs["goes on"].server.recv(1) == b""
        summary = seen.finish()
        row = seen.of(pairs["goes on"].ports[0], open_=True)
        assert row["state"] in ("FIN_WAIT1", "FIN_WAIT2") and row["reason"] is None
        assert row["life"] == "at_least"
        assert seen.of(pairs["goes on"].ports[1], open_=True)["state"] == "CLOSE_WAIT"
        assert summary["printed"] == 8
    for pair in pairs.values():
        pair.close()


def test_orphan_of_a_request_that_was_there_before(netns: Netns) -> None:
    """The snapshot gave it an identity that is not its cookie. Its row comes once, and is whole."""
    if capability.missing("timewait") or capability.missing("syn_recv"):
        pytest.skip("the orphan or its request is not seen here")
    listener, client = (netns.inside(socket.socket) for _ in range(2))
    listener.bind(("127.0.0.1", 0))
    listener.listen(8)
    client.setblocking(False)
    with contextlib.ExitStack() as lost:
        lost.enter_context(dropping(client))
        client.connect_ex(listener.getsockname())
        with lives(netns) as seen:
            lost.close()
            server, _ = listener.accept()  # when the SYN-ACK has been sent again
            client.setblocking(True)
            server.close()
            assert client.recv(1) == b""
            time.sleep(0.1)
            client.close()
            row = seen.of(listener.getsockname()[1])
            assert (row["reason"], row["state"], row["life"]) == ("fin", "TIME_WAIT", "exact")
            for state in ("syn_recv", "established", "fin_wait1", "fin_wait2"):
                assert row[state] == "exact", row
            check_bytes(row, 0, 0)
            assert seen.finish()["printed"] == 2
    listener.close()


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


def test_who_holds_it_owns_what_is_open(netns: Netns) -> None:
    """The process that accepted has closed its descriptor, and no transition came since."""
    with lives(netns) as seen:
        pair = Pair(netns)
        with subprocess.Popen(["cat"], stdin=pair.server, stdout=subprocess.DEVNULL) as holder:
            pair.server.close()
            seen.usr1()
            server = seen.of(pair.ports[1], open_=True)
            assert (server["pid"], server["comm"]) == (holder.pid, "cat")
            pair.client.close()
        seen.finish()
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
        assert summary["filtered"] >= 6 - summary["printed"]  # includes other namespaces' rows


def test_filter_of_ports(netns: Netns) -> None:
    """A client's port is unknown until the client has one."""
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
