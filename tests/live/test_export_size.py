# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`export` on a host with many sockets of many processes: the time of a scrape, and the memory."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path
from typing import Iterator

import pytest

from harness import within
from harness.actor import enter_netns
from harness.metrics import Export
from harness.netns import Netns
from harness.plain import filtered_to, patience
from harness.pods import status_kb
from harness.scale import count

pytestmark = pytest.mark.any_kernel

PROCESSES = count(1000)
SOCKETS = 100  # of each process, including its listener
RESIDENT_KB = 16 * 1024
SCRAPE_S, SCRAPE_BYTES = 0.05, 2_000_000


def serve_itself(netns: Netns, name: bytes, ready: int) -> None:
    """Runs a process with connections to itself until it is killed."""
    try:
        enter_netns(netns.path)
        with within.named(name):
            listener = socket.create_server(("127.0.0.1", 0), backlog=SOCKETS)
            kept = []
            for _ in range((SOCKETS - 1) // 2):
                kept.append(socket.create_connection(listener.getsockname()))
                kept.append(listener.accept()[0])
            os.write(ready, b"+")
            while kept:
                signal.pause()
    finally:
        os._exit(1)


@pytest.fixture(name="crowd")
def _crowd(netns: Netns) -> Iterator[int]:
    """Starts processes with many names. Yields how many sockets they have."""
    reader, writer = os.pipe()
    children = []
    for number in range(PROCESSES):
        child = os.fork()
        if not child:
            serve_itself(netns, b"crowd%d" % number, writer)
        children.append(child)
    os.close(writer)
    made = 0
    while made < PROCESSES and (some := os.read(reader, 4096)):
        made += len(some)
    os.close(reader)
    yield made * (1 + (SOCKETS - 1) // 2 * 2)
    for child in children:
        os.kill(child, signal.SIGKILL)
    for child in children:
        os.waitpid(child, 0)
    assert made == PROCESSES


def test_memory_and_scrapes(netns: Netns, crowd: int) -> None:
    with Export(*filtered_to(netns), "-i", "5s") as running:
        got = running.look()
        pid = running.running.child.pid
        # From here on, the peak is that of a look and not of the start.
        Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")
        got = running.look()
        peak_kb, resident_kb = status_kb(pid, "VmHWM"), status_kb(pid, "VmRSS")
        scrapes = []
        for _ in range(10):
            begin = time.monotonic()
            text = running.fetch()[0]
            scrapes.append(time.monotonic() - begin)
    look_s = got.sum("tcpdwell_look_duration_seconds")
    print(f"{crowd} sockets of {PROCESSES} processes: a look {look_s:.2f} s, {peak_kb} kB; between "
          f"looks {resident_kb} kB; a scrape {min(scrapes) * 1000:.1f} ms, {len(text)} bytes")
    assert got.sum("tcpdwell_connections") == crowd
    assert peak_kb < RESIDENT_KB
    assert min(scrapes) < patience(SCRAPE_S) and len(text) < SCRAPE_BYTES
