# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""An address that nobody has, so nobody answers from it."""

from __future__ import annotations

import socket

from . import within
from .netns import Netns

# Addresses of RFC 5737: ours on loopback, and one that a route leads to loopback but that nobody
# has. What is sent to that one comes back in, belongs to no one, and is dropped without an answer.
OURS, SILENT = "192.0.2.1", "192.0.2.99"


def add_silence(netns: Netns) -> None:
    netns.ip("addr", "add", f"{OURS}/32", "dev", "lo")
    netns.ip("route", "add", f"{SILENT}/32", "dev", "lo", "src", OURS)


def begin_to_connect(netns: Netns) -> socket.socket:
    """A connection attempt that nobody answers."""
    sock = within.make_socket(netns)
    sock.setblocking(False)
    sock.connect_ex((SILENT, 9))
    return sock
