# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Segments that a socket never gets, and how many were sent again."""

from __future__ import annotations

import contextlib
import ctypes
import socket
import struct
from pathlib import Path
from typing import Iterator

from .netns import Netns

SO_ATTACH_FILTER, SO_DETACH_FILTER = 26, 27


class Instruction(ctypes.Structure):  # struct sock_filter
    _fields_ = [("code", ctypes.c_ushort), ("jt", ctypes.c_ubyte), ("jf", ctypes.c_ubyte),
                ("k", ctypes.c_uint)]


@contextlib.contextmanager
def dropping(end: socket.socket) -> Iterator[None]:
    """A filter on the socket drops all that comes for it, as if it were lost on the way."""
    none = Instruction(6, 0, 0, 0)  # BPF_RET | BPF_K: no bytes of it
    end.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER,
                   struct.pack("HL", 1, ctypes.addressof(none)))
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            end.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, struct.pack("i", 0))


def retransmitted(netns: Netns) -> int:
    """Returns what the kernel has counted in the namespace."""
    names, values = [line.split() for line in netns.inside(
        lambda: Path("/proc/thread-self/net/snmp").read_text("ascii")).splitlines()
        if line.startswith("Tcp:")]
    return int(values[names.index("RetransSegs")])
