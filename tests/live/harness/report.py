# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A running `tcpdwell timewait`, connections that it can measure, and its figures."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from typing import Any

from . import place, process
from .netns import Netns

PORT = 7000
LIMIT_S = 60

# Makes connections one after another to a server of the same process. Arguments: COUNT PORT
# FIRST_TO_CLOSE. Prints its pid, and how many connect() calls found no port.
LOAD = """
import errno, os, socket, sys
count, port, first = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("127.0.0.1", port))
server.listen(16)
refused = 0
for _ in range(count):
    client = socket.socket()
    try:
        client.connect(("127.0.0.1", port))
    except OSError as failure:
        assert failure.errno == errno.EADDRNOTAVAIL, failure
        refused += 1
        continue
    child, _ = server.accept()
    one, other = (client, child) if first == "client" else (child, client)
    one.shutdown(socket.SHUT_WR)
    assert other.recv(1) == b""
    other.close()
    assert one.recv(1) == b""
    one.close()
print(os.getpid(), refused)
"""


def connect(netns: Netns, count: int, port: int = PORT, first: str = "client") -> tuple[int, int]:
    """Makes connections and closes them; returns the process, and how many found no local port."""
    done = netns.run([sys.executable, "-I", "-S", "-c", LOAD, str(count), str(port), first])
    pid, refused = done.stdout.split()
    return int(pid), int(refused)


class Timewait:
    """A running `tcpdwell timewait` that is ready when the constructor returns."""

    def __init__(self, *arguments: str, stdout: int = subprocess.PIPE) -> None:
        self.child = subprocess.Popen(
            [place.tcpdwell(), "timewait", *arguments], stdin=subprocess.DEVNULL, stdout=stdout,
            stderr=subprocess.PIPE,
            # A process group of its own: ^Z never stops a group that has no parent in the session.
            preexec_fn=os.setpgrp,
        )
        assert self.child.stderr
        self.errors = b""
        while b"tracing" not in self.errors:
            ready, _, _ = select.select([self.child.stderr], [], [], LIMIT_S)
            got = os.read(self.child.stderr.fileno(), 4096) if ready else b""
            self.errors += got
            if not got:
                self.close()
                raise AssertionError(f"not ready: {self.errors.decode()}")

    def stop(self) -> str:
        """Sends SIGINT; returns all that was written to standard output."""
        self.child.send_signal(signal.SIGINT)
        output, errors = self.child.communicate(timeout=LIMIT_S)
        assert self.child.returncode == 0, self.errors + errors
        return output.decode() if output else ""

    def figures(self) -> dict[str, Any]:
        """Does the same for one that was started with -o json; returns its object."""
        lines = self.stop().splitlines()
        assert len(lines) == 1
        figures: dict[str, Any] = json.loads(lines[0])
        assert figures["type"] == "timewait"
        assert figures["lost"] == {"ring": 0, "map": 0} and figures["untracked"] == 0
        return figures

    def close(self) -> None:
        process.end(self.child)


def lifetimes(figures: dict[str, Any]) -> dict[str, Any]:
    return {entry["reason"]: entry for entry in figures["lifetimes"]}
