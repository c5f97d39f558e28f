# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`life`: the bytes of a connection are those that its programs wrote and read."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
import time

import pytest

from harness.lives import KINDS, Pair, carry, check_bytes, exchange, lives, read_all, reset_on_close
from harness.loss import dropping
from harness.netns import Netns

pytestmark = pytest.mark.every_kernel

MSG_FASTOPEN = 0x20000000
TCP_FASTOPEN = 23
BIG = 10 << 20


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
        carry(pair.server, pair.client, 5000)
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
        carry(pair.client, pair.server, 20)
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
            carry(server, client, 60)
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
