# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Sockets of this process in other network namespaces, and the process under another name."""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import struct
from typing import Iterator

from .netns import Netns

PR_SET_NAME = 15
COMM_BYTES = 16

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def make_socket(netns: Netns, family: int = socket.AF_INET) -> socket.socket:
    """A TCP socket that lives in netns. Only the thread that makes it enters netns."""
    return netns.inside(lambda: socket.socket(family, socket.SOCK_STREAM))


def listen(netns: Netns, family: int = socket.AF_INET, backlog: int = 512) -> socket.socket:
    """A listener on loopback, at a free port."""
    listener = make_socket(netns, family)
    listener.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
    listener.listen(backlog)
    return listener


def reset(sock: socket.socket) -> None:
    """Closes by a reset, which leaves no TIME_WAIT behind."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def disconnect(sock: socket.socket) -> None:
    """Calls connect() with AF_UNSPEC: then the socket may connect again."""
    _check(_libc.connect(sock.fileno(), bytes(16), 16))


class Pair:
    """A connection in netns both of whose ends belong to this process."""

    def __init__(self, netns: Netns, listener: socket.socket) -> None:
        self.client = make_socket(netns, listener.family)
        self.client.connect(listener.getsockname())
        self.server, _ = listener.accept()

    def port(self) -> int:
        """The client's port, which no other connection has."""
        return self.client.getsockname()[1]

    def close(self) -> None:
        """Goes from ESTABLISHED to CLOSE at both ends, in one transition each."""
        reset(self.client)
        self.server.close()


def connect_and_reset(netns: Netns, listener: socket.socket, count: int = 1) -> None:
    """Makes three rows for each end of each connection: two up to ESTABLISHED, one to CLOSE."""
    for _ in range(count):
        Pair(netns, listener).close()


def connect_and_end(netns: Netns, family: int) -> int:
    """Ends by reset, by FIN, and at a port that is not open. Returns the least number of rows."""
    with listen(netns, family) as listener:
        connect_and_reset(netns, listener)
        pair = Pair(netns, listener)
        pair.client.close()
        assert pair.server.recv(1) == b""
        pair.server.close()
        address = listener.getsockname()
    with make_socket(netns, family) as refused:
        assert refused.connect_ex(address)
    return 2 + 6 + 8 + 2


@contextlib.contextmanager
def named(name: bytes) -> Iterator[None]:
    """Gives this process another comm, cut to 15 bytes as the kernel does. Main thread only."""
    with open("/proc/self/comm", "rb") as file:
        before = file.read()[:-1]
    _set_name(name)
    try:
        yield
    finally:
        _set_name(before)


def _set_name(name: bytes) -> None:
    buffer = ctypes.create_string_buffer(name[:COMM_BYTES - 1], COMM_BYTES)
    _check(_libc.prctl(PR_SET_NAME, buffer, 0, 0, 0))
