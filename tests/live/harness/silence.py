# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""An address that nobody has, so that nobody answers from it."""

from __future__ import annotations

import socket

from . import within
from .netns import Netns

# Of RFC 5737: ours on loopback, and one that loopback is said to lead to and that nobody has.
# What is sent there comes back in, is no one's, and is dropped without a word.
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
