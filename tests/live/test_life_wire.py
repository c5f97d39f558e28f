# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`life` across a veth pair: against a capture with dropped packets, and with nginx and curl."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Iterator

import pytest

from harness import plain
from harness.capture import Capture
from harness.lives import Lives, Row, check_bytes, lives, read_all
from harness.netns import Netns, Veth
from harness.peer import ACK, FIN, RST, SYN, Segment
from harness.scale import count
from harness.server import PORT, Nginx, Server, curl

SIZE = 60_000
CONNECTIONS = 12
REQUESTS = count(100)
# A capture stamps a segment before the transition that it causes, some time before on a busy host.
SLACK_NS = 20_000_000
# One of so many packets that come is dropped, but no reset.
EVERY_OTHER = 7
# A segment counts as sent before only if it is less than half the sequence space behind.
SPAN = 2**31


def drop(netns: Netns, rule: str) -> None:
    """Drops the packets that come into a namespace and match the rule."""
    chain = "{ type filter hook input priority 0; }"
    for command in ("add table inet lossy", f"add chain inet lossy arrive {chain}",
                    f"add rule inet lossy arrive {rule} drop"):
        done = subprocess.run(netns.argv(["nft", command]), capture_output=True, text=True,
                              check=False)
        if done.returncode:
            pytest.skip(f"nft: {done.stderr.strip()}")


def mend(netns: Netns) -> None:
    netns.run(["nft", "flush table inet lossy"])


@pytest.fixture(name="wire")
def _wire(veth_pair: Veth) -> Veth:
    if not shutil.which("nft"):
        pytest.skip("no nft")
    for netns in (veth_pair.client, veth_pair.server):
        # Segments are captured as they are sent.
        netns.ip("link", "set", "veth0", "gso_max_segs", "1")
    return veth_pair


def listen(wire: Veth) -> socket.socket:
    listener = wire.server.inside(socket.socket)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((wire.server.ipv4, PORT))
    listener.listen(64)
    return listener


def echo(listener: socket.socket) -> None:
    """Receives what a client sends, and sends as much back; the client closes first."""
    server, _ = listener.accept()
    with server:
        assert read_all(server, SIZE) == SIZE
        server.sendall(bytes(SIZE))
        assert server.recv(1) == b""


def visit(wire: Veth) -> None:
    client = wire.client.inside(socket.socket)
    with client:
        client.connect((wire.server.ipv4, PORT))
        client.sendall(bytes(SIZE))
        assert read_all(client, SIZE) == SIZE


def sent_again(segments: list[Segment]) -> Counter[tuple[int, int]]:
    """Counts segments with data, SYN or FIN that had been sent before, by ports of both ends."""
    ahead: dict[tuple[int, int], int] = {}
    again: Counter[tuple[int, int]] = Counter()
    for segment in segments:
        if segment.next == segment.seq or segment.flags & RST:
            continue
        ends = segment.sport, segment.dport
        before = (ahead.get(ends, segment.seq) - segment.seq) % 2**32
        if 0 < before < SPAN:
            again[ends] += 1
        else:
            ahead[ends] = segment.next
    return again


@contextlib.contextmanager
def both(wire: Veth) -> Iterator[tuple[Lives, Lives]]:
    """Yields the watcher of the clients and the watcher of the servers."""
    with lives(wire.client) as clients, lives(wire.server) as servers:
        yield clients, servers


def finished(seen: Lives, number: int) -> list[Row]:
    """Waits for this many rows, and returns them."""
    seen.running.wait_for(lambda: len(seen.rows()) >= number, limit_s=60, what=f"{number} rows")
    seen.finish()
    rows = [row for row in seen.rows() if not row["open"]]
    assert len(rows) == number
    return rows


def test_retransmits_are_those_of_the_wire(wire: Veth, tmp_path: Path) -> None:
    """Retransmits of SYNs, SYN-ACKs, data and FINs are counted right where both ways lose
    packets."""
    listener = listen(wire)
    captures = [Capture(netns, tmp_path / netns.name) for netns in (wire.client, wire.server)]
    for netns, number in ((wire.client, 3), (wire.server, 5)):
        drop(netns, f"meta l4proto tcp numgen inc mod {EVERY_OTHER} == {number}")
    with both(wire) as (clients, servers):
        threads = [threading.Thread(target=work, args=(what,)) for _ in range(CONNECTIONS)
                   for work, what in ((echo, listener), (visit, wire))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        ends = [finished(seen, CONNECTIONS) for seen in (clients, servers)]
    for netns in (wire.client, wire.server):
        mend(netns)
    listener.close()
    for rows, capture in zip(ends, captures):
        assert wire.client.inside(lambda: poke(wire))
        again = sent_again(capture.stop(lambda segment: segment.dport == PORT + 1))
        assert sum(row["retransmits"] for row in rows) > CONNECTIONS
        for row in rows:
            check_bytes(row, SIZE, SIZE)
            assert row["retransmits"] == again[row["lport"], row["rport"]], row
            assert row["reason"] == "fin"


def poke(wire: Veth) -> bool:
    """Sends a segment that is the last one of a capture: nobody listens at its port."""
    with socket.socket() as client:
        return client.connect_ex((wire.server.ipv4, PORT + 1)) != 0


@pytest.mark.parametrize("lost", ["nothing", "SYN", "SYN-ACK"])
def test_times_are_those_of_the_wire(wire: Veth, tmp_path: Path, lost: str) -> None:
    """Times of the handshake and until accept() are right; a received SYN's times are the
    server's."""
    listener = listen(wire)
    capture = Capture(wire.server, tmp_path / "server")
    if lost != "nothing":
        drop(wire.server if lost == "SYN" else wire.client,
             f"tcp flags & syn == syn tcp {'dport' if lost == 'SYN' else 'sport'} {PORT} "
             "limit rate 1/hour burst 1 packets")
    with both(wire) as (clients, servers):
        client = wire.client.inside(socket.socket)
        client.connect((wire.server.ipv4, PORT))
        time.sleep(0.2)
        accepting_ns = time.monotonic_ns()
        server, _ = listener.accept()
        accepted_ns = time.monotonic_ns()
        client.close()
        assert server.recv(1) == b""
        server.close()
        [of_client], [of_server] = finished(clients, 1), finished(servers, 1)
    listener.close()
    wire.client.inside(lambda: poke(wire))
    segments = capture.stop(lambda segment: segment.dport == PORT + 1)
    syns = [s.time_ns for s in segments if s.flags & (SYN | ACK) == SYN and s.dport == PORT]
    answers = [s.time_ns for s in segments if s.flags & (SYN | ACK) == SYN | ACK]
    acks = [s.time_ns for s in segments if s.dport == PORT and s.flags & (SYN | ACK | FIN) == ACK]
    assert (len(syns) > 1) == (lost != "nothing") and (len(answers) > 1) == (lost == "SYN-ACK")
    heard_ns = syns[1] if lost == "SYN" else syns[0]
    assert near(of_client["handshake_ns"], answers[-1] - syns[0])
    assert near(of_server["handshake_ns"], acks[0] - heard_ns)
    established_ns = of_server["opened_mono_ns"] + of_server["handshake_ns"]
    assert accepting_ns <= established_ns + of_server["accept_ns"] <= accepted_ns
    assert of_client["retransmits"] == len(syns) - 1
    assert of_server["retransmits"] == len(answers) - 1


def near(found_ns: int, wanted_ns: int) -> bool:
    return abs(found_ns - wanted_ns) < SLACK_NS / min(1.0, 1 / plain.patience(1))


# ---- Processes -----------------------------------------------------------------------------------


@pytest.mark.skipif(not shutil.which("nginx"), reason="no nginx")
def test_nginx_and_curl(veth_pair: Veth, tmp_path: Path) -> None:
    """Every connection has the right process on both sides, and the server's wait for accept()."""
    nginx = Nginx(veth_pair.server, tmp_path, veth_pair.server.ipv4)
    try:
        with both(veth_pair) as (clients, servers):
            asked = curl(veth_pair.client, f"http://{veth_pair.server.ipv4}:{PORT}", REQUESTS)
            served = nginx.served(REQUESTS)
            ends = [finished(seen, REQUESTS) for seen in (clients, servers)]
    finally:
        nginx.stop()
    for rows, who, port, side, owner in ((ends[0], asked, "lport", "client", "connect"),
                                         (ends[1], served, "rport", "server", "accept")):
        found = Counter((row[port], row["pid"], row["comm"]) for row in rows)
        assert found == Counter((name.port, *process) for name, process in who.items())
        assert {(row["side"], row["owner"], row["reason"]) for row in rows} \
            == {(side, owner, "fin")}
        assert all(row["handshake_ns"] is not None and row["life"] == "exact" for row in rows)
        assert all((row["accept_ns"] is None) == (side == "client") for row in rows)
        assert all(row["bytes_sent"] and row["bytes_received"] for row in rows)


@pytest.mark.parametrize("kind", ["forking", "threaded", "preforked"])
def test_who_closes_is_the_owner(veth_pair: Veth, kind: str) -> None:
    """The owner is a child that got the connection and has another name now, or who accepted it."""
    server = Server(kind, veth_pair.server, "ipv4")
    try:
        with lives(veth_pair.server) as seen:
            curl(veth_pair.client, f"http://{veth_pair.server.ipv4}:{PORT}", REQUESTS // 4)
            log = server.wait_closed(REQUESTS // 4)
            rows = finished(seen, REQUESTS // 4)
    finally:
        server.stop()
    assert Counter((row["rport"], row["pid"], row["comm"]) for row in rows) \
        == Counter((name.port, *who) for name, who in log.closed.items())
    assert {row["owner"] for row in rows} <= {"accept", "close"}
    assert all(row["accept_ns"] is not None for row in rows)
