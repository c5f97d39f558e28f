# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`tcpdwell snapshot -i`: counts are those of ss, and rates match what the test did."""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
import select
import signal
import socket
import subprocess
import time
from typing import Any, Iterator

import pytest

from harness import place, process, within
from harness.netns import Netns

Line = dict[str, Any]

STEP = ["opened", "closed", "failed", "reset", "retransmitted"]
STATES = {"ESTAB": "established", "SYN-SENT": "syn_sent", "FIN-WAIT-2": "fin_wait2",
          "TIME-WAIT": "time_wait", "CLOSE-WAIT": "close_wait", "LISTEN": "listen"}


class Running:
    """A `snapshot -i` that keeps running, and whose lines are read as they come."""

    def __init__(self, netns: Netns, *arguments: str) -> None:
        self.child = subprocess.Popen(
            [place.tcpdwell(), "snapshot", "-i", "200ms", "-o", "json", "--netns", netns.path,
             *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def line(self) -> Line:
        assert self.child.stdout
        return dict(json.loads(self.child.stdout.readline()))

    def end(self) -> int:
        self.child.send_signal(signal.SIGINT)
        return self.child.wait(timeout=process.LIMIT_S)

    def close(self) -> None:
        process.end(self.child)


@pytest.fixture(name="running")
def _running(netns: Netns) -> Iterator[Running]:
    running = Running(netns)
    yield running
    running.close()


@pytest.mark.every_kernel
def test_states_and_rates(netns: Netns, running: Running) -> None:
    """Each connection opens and closes at two ends; one is refused; some stay open."""
    running.line()
    listener = within.listen(netns)
    port = listener.getsockname()[1]
    kept = [within.Pair(netns, listener) for _ in range(3)]
    for _ in range(5):
        pair = within.Pair(netns, listener)
        pair.client.close()
        pair.server.close()
    within.Pair(netns, listener).close()  # by reset
    refused = within.make_socket(netns)
    assert refused.connect_ex(("127.0.0.1", 1))
    refused.close()
    kept[0].client.shutdown(socket.SHUT_WR)
    done = dict.fromkeys(STEP, 0)
    deadline = time.monotonic() + process.LIMIT_S
    while done["closed"] < 2 * 6 + 1 and time.monotonic() < deadline:
        line = running.line()
        for step in STEP:
            done[step] += line[step]
    # A reset counts at the side that sends it, with linger 0, and at the side that gets it. A
    # machine that stalls retransmits.
    assert done == {"opened": 2 * 9 + 1, "closed": 2 * 6 + 1, "failed": 1, "reset": 2,
                    "retransmitted": done["retransmitted"]}
    assert done["retransmitted"] <= 9
    line = running.line()
    lines = netns.run(["ss", "-Htan"]).stdout.splitlines()
    counts = dict.fromkeys(STATES.values(), 0)
    for text in lines:
        counts[STATES[text.split()[0]]] += 1
    assert {state: line[state] for state in counts} == counts
    assert counts["established"] == 4 and port
    assert line["memory_bytes"] is not None and line["orphans"] is not None
    assert running.end() == 0
    for pair in kept:
        pair.close()
    listener.close()


def test_ends_by_count_and_time(netns: Netns) -> None:
    command = [place.tcpdwell(), "snapshot", "-i", "100ms", "--netns", netns.path]
    done = process.run([*command, "-n", "3"])
    head, *lines = done.stdout.splitlines()
    assert head.split()[0] == "TIME" and len(lines) == 3
    assert {len(line.split()) for line in [head, *lines]} == {17}
    begun = time.monotonic()
    done = process.run([*command, "-d", "500ms", "-o", "csv"])
    assert 0.4 < time.monotonic() - begun < 5
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert 1 <= len(rows) <= 5 and {row["type"] for row in rows} == {"totals"}


def test_reader_that_goes(netns: Netns) -> None:
    running = Running(netns)
    try:
        running.line()
        assert running.child.stdout
        running.child.stdout.close()
        assert running.child.wait(timeout=process.LIMIT_S) == 0
    finally:
        running.close()


def test_nobody_reads(netns: Netns) -> None:
    """A full pipe does not keep it from ending, and it says that nobody read."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    child = subprocess.Popen([place.tcpdwell(), "snapshot", "-i", "100ms", "-o", "json", "--netns",
                              netns.path], stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    try:
        full = select.poll()
        full.register(reader, select.POLLIN)
        assert full.poll(process.LIMIT_S * 1000)
        time.sleep(3)  # a dozen lines fill it
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=process.LIMIT_S)
        assert child.returncode == 0 and "nobody read the output" in said, said
    finally:
        os.close(reader)
        process.end(child)


def test_no_such_namespace() -> None:
    done = subprocess.run([place.tcpdwell(), "snapshot", "-i", "1s", "--netns", "1"],
                          capture_output=True, text=True, check=False, timeout=process.LIMIT_S)
    assert done.returncode == 3 and "there is no network namespace" in done.stderr


@pytest.mark.any_kernel
def test_duration_while_nobody_reads(netns: Netns) -> None:
    """-d ends it, whatever standard output does, and what is not written is said."""
    reader, writer = os.pipe()
    try:
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
        os.write(writer, bytes(4096))
        done = subprocess.run(
            [place.tcpdwell(), "snapshot", "-i", "100ms", "-d", "500ms", "--netns", netns.path],
            stdout=writer, stderr=subprocess.PIPE, text=True, check=False,
            timeout=process.LIMIT_S)
    finally:
        os.close(reader)
        os.close(writer)
    assert done.returncode == 0
    assert "stopped while nobody read the output" in done.stderr
