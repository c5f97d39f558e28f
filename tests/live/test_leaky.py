# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Leaks of every kind in C servers, all at once: older than the tracer, and under it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from typing import Any, Iterator

import pytest

from harness import place, process, within
from harness.netns import Netns
from harness.server import PORT

FOUND = 10
LEAKED = 6  # servers/leaky.c
KINDS = ("forgets", "inherits", "passes", "stuck", "slow", "threaded")
OLDER = "200ms"
# From the start of the tracer to the end of its report.
AT_ONCE_S = 2
Leak = dict[str, Any]


class Leaky:
    """The servers; once all are visited, who says which process has which sockets of each kind."""

    def __init__(self, netns: Netns) -> None:
        self.netns = netns
        self.clients: list[socket.socket] = []
        self.who: dict[str, tuple[int, list[int]]] = {}
        self.child = netns.spawn([str(place.TOP / "build/tests/servers/leaky"), "-4", str(PORT)],
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self._read(lambda line: line == "ready")

    def _read(self, done: Any) -> None:
        assert self.child.stdout
        for line in map(str.rstrip, self.child.stdout):
            if line.startswith("leak "):
                _, kind, pid, *fds = line.split()
                self.who[kind] = int(pid), sorted(map(int, fds))
            if done(line):
                return
        raise AssertionError(f"ended, status {self.child.wait()}")

    def visit(self) -> None:
        """Connects to each server, and closes at once."""
        for port in range(PORT, PORT + len(KINDS)):
            for _ in range(LEAKED):
                client = within.make_socket(self.netns)
                client.connect(("127.0.0.1", port))
                client.shutdown(socket.SHUT_WR)
                self.clients.append(client)
        if len(self.who) < len(KINDS):
            self._read(lambda _: len(self.who) == len(KINDS))

    def close(self) -> None:
        process.end(self.child)
        for client in self.clients:
            client.close()


@pytest.fixture(name="leaky")
def _leaky(netns: Netns) -> Iterator[Leaky]:
    leaky = Leaky(netns)
    yield leaky
    leaky.close()


def command(netns: Netns, *arguments: str) -> list[str]:
    return [place.tcpdwell(), "leaks", "-o", "json", "--older", OLDER, "--netns", netns.path,
            *arguments]


def is_right(leaky: Leaky, kind: str, leak: Leak) -> bool:
    """Whether the leak is attributed to the process, with its descriptors and number."""
    pid, fds = leaky.who[kind]
    members = [fd for first, last in leak["descriptors"] for fd in range(first, last + 1)]
    verdict = "stuck_accept_queue" if kind == "stuck" else "leaks"
    return (leak["pid"], leak["count"], members, leak["verdict"]) == (pid, LEAKED, fds, verdict)


def test_there_before(leaky: Leaky) -> None:
    leaky.visit()
    time.sleep(0.4)
    started = time.monotonic()
    done = subprocess.run(command(leaky.netns), capture_output=True, text=True, check=False,
                          timeout=process.LIMIT_S)
    took_s = time.monotonic() - started
    found = {leak["pid"]: leak for leak in map(json.loads, done.stdout.splitlines())}
    assert done.returncode == FOUND, done.stderr
    assert len(found) == len(KINDS), found
    for kind in KINDS:
        assert is_right(leaky, kind, found[leaky.who[kind][0]]), (kind, leaky.who[kind], found)
    # An emulated processor takes longer to load programs.
    assert took_s < AT_ONCE_S or "TCPDWELL_TEST_SCALE" in os.environ


def test_under_the_tracer(netns: Netns) -> None:
    """The slow server is first taken for a leak, and no longer once it was seen to close."""
    watch = subprocess.Popen(command(netns, "--watch", "-i", "200ms",
                                     "-d", f"{process.LIMIT_S:.0f}s"), stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True)
    leaky = None
    try:
        assert watch.stdout and watch.stderr
        assert any("tracing" in line for line in watch.stderr)
        leaky = Leaky(netns)
        leaky.visit()
        missing = set(KINDS)
        slow = False
        deadline = time.monotonic() + process.LIMIT_S
        for leak in map(json.loads, watch.stdout):
            missing -= {kind for kind in missing if is_right(leaky, kind, leak)}
            if leak["verdict"] == "slow":
                assert (leak["pid"], leak["closed"]) == (leaky.who["slow"][0], LEAKED)
                slow = True
            if slow and not missing:
                break
            assert time.monotonic() < deadline, (missing, slow)
        assert slow and not missing, (missing, slow)
    finally:
        process.end(watch)
        if leaky:
            leaky.close()
