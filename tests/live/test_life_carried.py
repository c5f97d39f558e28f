# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`life`: bytes that get into a socket, or out of it, in other ways than by send() and recv()."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from pathlib import Path
from typing import Iterator

import pytest

from harness import within
from harness.lives import Lives, Pair, carry, check_bytes, lives, read_all, reset_on_close
from harness.loss import dropping
from harness.netns import Netns

pytestmark = pytest.mark.every_kernel

SIZE = 300_000
SO_ZEROCOPY, MSG_ZEROCOPY = 60, 0x4000000
TCP_REPAIR = 19


def finish(pair: Pair) -> None:
    """The client closes first."""
    pair.client.close()
    assert pair.server.recv(1) == b""
    pair.close()


@contextlib.contextmanager
def read_beside(pair: Pair, size: int) -> Iterator[None]:
    """The server reads so many bytes meanwhile."""
    got: list[int] = []
    reader = threading.Thread(target=lambda: got.append(read_all(pair.server, size)))
    reader.start()
    yield
    reader.join()
    assert got == [size]


def check_upload(seen: Lives, pair: Pair, size: int) -> None:
    client, server = pair.rows(seen)
    check_bytes(client, size, 0)
    check_bytes(server, 0, size)
    assert client["reason"] == server["reason"] == "fin"
    seen.finish()


def test_sendfile(netns: Netns, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(SIZE))
    with lives(netns) as seen, open(tmp_path / "file", "rb") as file:
        pair = Pair(netns)
        with read_beside(pair, SIZE):
            sent = 0
            while sent < SIZE:
                sent += os.sendfile(pair.client.fileno(), file.fileno(), sent, SIZE - sent)
        finish(pair)
        check_upload(seen, pair, SIZE)


def test_splice(netns: Netns) -> None:
    """Data goes from a pipe into one socket, and out of the other one into a pipe."""
    with lives(netns) as seen:
        pair = Pair(netns)
        (out, into), (out_there, into_there) = os.pipe(), os.pipe()
        for _ in range(10):
            assert os.write(into, bytes(4096)) == 4096
            assert os.splice(out, pair.client.fileno(), 4096) == 4096
            got = 0
            while got < 4096:
                moved = os.splice(pair.server.fileno(), into_there, 4096 - got)
                got += len(os.read(out_there, moved))
        for end in (out, into, out_there, into_there):
            os.close(end)
        finish(pair)
        check_upload(seen, pair, 40960)


def test_zero_copy(netns: Netns) -> None:
    with lives(netns) as seen:
        pair = Pair(netns)
        pair.client.setsockopt(socket.SOL_SOCKET, SO_ZEROCOPY, 1)
        with read_beside(pair, 10 * 20000):
            for _ in range(10):
                sent = 0
                while sent < 20000:
                    sent += pair.client.send(bytes(20000 - sent), MSG_ZEROCOPY)
        finish(pair)
        check_upload(seen, pair, 10 * 20000)


@pytest.mark.parametrize("inline", [False, True])
def test_urgent_data(netns: Netns, inline: bool) -> None:
    """An urgent byte is a byte like the others, on the wire and where it is read."""
    with lives(netns) as seen:
        pair = Pair(netns)
        pair.server.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, inline)
        pair.client.sendall(b"abc")
        pair.client.send(b"!", socket.MSG_OOB)
        pair.client.sendall(b"defg")
        time.sleep(0.1)
        if not inline:
            assert pair.server.recv(1, socket.MSG_OOB) == b"!"
        assert read_all(pair.server, 8 if inline else 7) == (8 if inline else 7)
        finish(pair)
        check_upload(seen, pair, 8)


def test_urgent_data_that_is_never_read(netns: Netns) -> None:
    with lives(netns) as seen:
        pair = Pair(netns)
        pair.client.sendall(b"abc")
        pair.client.send(b"!", socket.MSG_OOB)
        time.sleep(0.1)
        assert read_all(pair.server, 3) == 3
        pair.server.close()
        pair.close()
        client, server = pair.rows(seen)
        check_bytes(client, 4, 0)
        check_bytes(server, 0, 4, unread=1)
        seen.finish()


def choked(netns: Netns, size: int) -> Pair:
    """Returns a pair whose client has written more than the window lets it send."""
    def small(listener: socket.socket) -> None:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)

    pair = Pair(netns, prepare=small)
    pair.client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * size)
    pair.client.sendall(bytes(size))
    return pair


def test_close_with_data_that_is_not_sent_yet(netns: Netns) -> None:
    """The window is closed when the process closes; what is left is sent later, by an orphan."""
    with lives(netns) as seen:
        pair = choked(netns, 100_000)
        pair.client.close()
        time.sleep(0.3)
        assert read_all(pair.server, 100_001) == 100_000
        pair.close()
        client, server = pair.rows(seen)
        check_bytes(client, 100_000, 0)
        check_bytes(server, 0, 100_000)
        assert client["established"] == client["fin_wait1"] == "exact"
        assert client["fin_wait1_ns"] >= 250_000_000 and client["pid"] == os.getpid()
        seen.finish()


def test_reset_with_data_that_was_never_sent(netns: Netns) -> None:
    """What the process wrote and nobody acknowledged includes what was not sent."""
    with lives(netns) as seen:
        pair = choked(netns, 100_000)
        time.sleep(0.3)
        reset_on_close(pair.client)
        pair.client.close()
        client = seen.of(pair.ports[0])
        assert client["bytes_acked"] + client["bytes_unacked"] == 100_000
        assert client["bytes_sent"] < 100_000 and client["reason"] == "reset_sent"
        server = seen.of(pair.ports[1])
        assert server["bytes_received"] == client["bytes_acked"] == server["bytes_unread"] or \
            server["bytes_unread"] is None
        pair.close()
        seen.finish()


def test_simultaneous_close(netns: Netns) -> None:
    """Both sides close before the other's FIN comes; each has sent its data before that."""
    with lives(netns) as seen:
        pair = Pair(netns)
        carry(pair.client, pair.server, 11)
        carry(pair.server, pair.client, 22)
        time.sleep(0.1)
        with dropping(pair.client), dropping(pair.server):
            pair.client.shutdown(socket.SHUT_WR)
            pair.server.shutdown(socket.SHUT_WR)
        assert pair.client.recv(1) == pair.server.recv(1) == b""
        pair.close()
        client, server = pair.rows(seen)
        check_bytes(client, 11, 22)
        check_bytes(server, 22, 11)
        assert client["closing"] or server["closing"]
        assert client["retransmits"] + server["retransmits"] >= 1
        assert client["reason"] == server["reason"] == "fin"
        seen.finish()


def test_repair(netns: Netns) -> None:
    """A socket that is moved to another host (TCP_REPAIR) ends here without a segment."""
    with lives(netns) as seen:
        pair = Pair(netns)
        carry(pair.client, pair.server, 30)
        time.sleep(0.1)
        pair.client.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
        pair.client.close()
        client = seen.of(pair.ports[0])
        check_bytes(client, 30, 0)
        assert client["reason"] == "repair" and client["errno"] is None
        reset_on_close(pair.server)
        pair.close()
        check_bytes(seen.of(pair.ports[1]), 0, 30)
        seen.finish()


def test_a_socket_that_connects_again(netns: Netns) -> None:
    """connect() with AF_UNSPEC ends a connection; the socket's next one counts from 0."""
    with lives(netns) as seen:
        pair = Pair(netns)
        carry(pair.client, pair.server, 100)
        within.disconnect(pair.client)
        pair.server.close()
        pair.client.connect(pair.listener.getsockname())
        server, peer = pair.listener.accept()
        carry(pair.client, server, 7)
        pair.client.close()
        assert server.recv(1) == b""
        server.close()
        pair.close()
        rows = seen.running.wait_for(
            lambda: [row for row in seen.rows() if row["side"] == "client"][1:] and
            [row for row in seen.rows() if row["side"] == "client"])
        first, second = rows
        assert second["lport"] == peer[1]
        check_bytes(first, 100, 0)
        check_bytes(second, 7, 0)
        assert (first["reason"], second["reason"]) == ("reset_sent", "fin")
        assert second["segments_sent"] == 1 and second["life"] == "exact"
        seen.finish()
