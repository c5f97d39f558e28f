# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A running `life`, its rows, and connections both of whose ends belong to the test."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import struct
import threading
from typing import Any, Callable, Iterator

from . import place
from .netns import Netns
from .plain import Running, filtered_to

Row = dict[str, Any]


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
        """Ends it. Returns its account, which must hold."""
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


MPTCP = 262
# For each kind of pair: family, protocol and address of its sockets.
KINDS = {
    "ipv4": (socket.AF_INET, 0, "127.0.0.1"),
    "ipv6": (socket.AF_INET6, 0, "::1"),
    "mapped": (socket.AF_INET6, 0, "::ffff:127.0.0.1"),
    "mptcp": (socket.AF_INET, MPTCP, "127.0.0.1"),
}


class Pair:
    """A connection both of whose ends belong to this process."""

    def __init__(self, netns: Netns, kind: str = "ipv4",
                 prepare: Callable[[socket.socket], None] = lambda listener: None) -> None:
        family, protocol, address = KINDS[kind]

        def make() -> socket.socket:
            return netns.inside(lambda: socket.socket(family, socket.SOCK_STREAM, protocol))

        self.listener = make()
        prepare(self.listener)
        self.listener.bind((address, 0))
        self.listener.listen(8)
        self.client = make()
        self.client.connect(self.listener.getsockname())
        self.server, _ = self.listener.accept()
        self.ports = self.client.getsockname()[1], self.server.getsockname()[1]

    def close(self) -> None:
        for end in (self.client, self.server, self.listener):
            end.close()

    def rows(self, seen: Lives) -> tuple[Row, Row]:
        """The rows of the client and of the server."""
        return seen.of(self.ports[0]), seen.of(self.ports[1])


def reset_on_close(end: socket.socket) -> None:
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def read_all(end: socket.socket, size: int) -> int:
    """Reads size bytes, or until the other side has closed; returns how many bytes came."""
    got = 0
    while got < size and (data := end.recv(min(size - got, 1 << 16))):
        got += len(data)
    return got


def carry(sender: socket.socket, reader: socket.socket, size: int) -> None:
    """Has so many bytes sent, and read at the other end."""
    sender.sendall(bytes(size))
    assert read_all(reader, size) == size


def exchange(pair: Pair, up: int, down: int) -> None:
    """The client sends @up bytes, the server @down, and each reads all. The client closes first."""
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
