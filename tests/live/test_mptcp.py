# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""MPTCP: the state that a process sees of its connection is not the state of the TCP socket
below."""

from __future__ import annotations

import json
import os
import socket
import subprocess

import pytest

from harness import place, process
from harness.netns import Netns

MPTCP = 262


@pytest.mark.every_kernel
def test_close_wait(netns: Netns) -> None:
    """The peer's end of data leaves the TCP socket in ESTABLISHED, and its holder leaks it."""

    def connected() -> tuple[socket.socket, socket.socket, socket.socket]:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, MPTCP)
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        client = socket.socket(socket.AF_INET, socket.SOCK_STREAM, MPTCP)
        client.connect(listener.getsockname())
        client.sendall(b"x")
        return listener, client, listener.accept()[0]

    try:
        listener, client, child = netns.inside(connected)
    except OSError as failure:
        pytest.skip(f"no MPTCP: {failure}")
    with listener, client, child:
        client.shutdown(socket.SHUT_WR)
        assert child.recv(2) == b"x" and child.recv(1) == b""
        done = subprocess.run(
            [place.tcpdwell(), "leaks", "--older", "1ms", "--netns", netns.path, "-o", "json"],
            capture_output=True, text=True, check=False, timeout=process.LIMIT_S)
    if "sock_diag" in done.stderr:
        pytest.skip("the kernel refuses iterators")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(leak["pid"], leak["state"], leak["count"] + leak["perhaps"]) for leak in found
            if leak["type"] == "leak"] == [(os.getpid(), "CLOSE_WAIT", 1)]
    assert done.returncode == 10
