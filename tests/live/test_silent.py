# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Files that never answer, behind what commands read of processes and containers."""

from __future__ import annotations

import ctypes
import json
import os
import socket
import subprocess
import time
from pathlib import Path
from typing import Any, Iterator

import pytest

from harness import fuse, place, process, within
from harness.netns import Netns
from harness.plain import Running, filtered_to, run

pytestmark = pytest.mark.any_kernel

PR_SET_CHILD_SUBREAPER = 36
# Longer than the helper process is waited for, and far from for ever.
LIMIT_S = 40


@pytest.fixture(name="silent")
def _silent(tmp_path: Path) -> Iterator[fuse.Silent]:
    try:
        silent = fuse.Silent(tmp_path)
    except fuse.NoFuse as why:
        pytest.skip(f"no FUSE: {why}")
    yield silent
    silent.close()


class Holder:
    """A process whose command line nobody can read. It holds sockets in CLOSE_WAIT."""

    def __init__(self, netns: Netns, silent: fuse.Silent) -> None:
        with within.listen(netns) as listener:
            pair = within.Pair(netns, listener)
        pair.client.shutdown(socket.SHUT_WR)
        self._client = pair.client
        self.child = subprocess.Popen(
            [place.TOP / "build/tests/servers/silent", silent.file],
            pass_fds=[pair.server.fileno()])
        pair.server.close()
        assert silent.asked.wait(process.LIMIT_S)
        while self._state() != "D":
            time.sleep(0.01)

    def _state(self) -> str:
        return Path(f"/proc/{self.child.pid}/stat").read_text(encoding="utf-8").split()[2]

    def close(self) -> None:
        process.end(self.child)
        self._client.close()


@pytest.fixture(name="holder")
def _holder(netns: Netns, silent: fuse.Silent) -> Iterator[Holder]:
    holder = Holder(netns, silent)
    yield holder
    holder.close()


def test_command_line_for_leaks(netns: Netns, holder: Holder) -> None:
    done = run("leaks", "--older", "0s", "-o", "json", *filtered_to(netns), limit_s=LIMIT_S)
    assert done.returncode == 10, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["pid"] for row in found if row["type"] == "leak"] == [holder.child.pid]
    assert b"does not answer: such names may be missing" in done.stderr
    assert found[0]["cgroup"]  # all but the command line is known


def test_command_line_of_another(netns: Netns, holder: Holder) -> None:
    """It costs the command lines of that process alone, while the command goes on."""
    def lines(pid: int, command: str | None) -> int:
        leaks = [json.loads(line.text) for line in running.lines()]
        return sum(leak["pid"] == pid and bool(leak["command"]) == bool(command)
                   for leak in leaks)

    with within.listen(netns) as listener:
        pair = within.Pair(netns, listener)
    pair.client.shutdown(socket.SHUT_WR)
    with Running("leaks", "--watch", "-i", "200ms", "--older", "0s", "-o", "json",
                 *filtered_to(netns)) as running:
        running.wait_for(lambda: lines(os.getpid(), "known") > 2, LIMIT_S)
        assert lines(holder.child.pid, None) > 2
        assert running.stop() == 10
        assert running.said().count("does not answer") == 1
        assert "helper" not in running.said()
    pair.close()


def test_it_leaves_no_process(netns: Netns) -> None:
    """No reader is left to whoever waits for the children of others: this test does here."""
    assert not ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        done = run("leaks", *filtered_to(netns))
        assert done.returncode == 0, done.stderr
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="utf-8")
        assert "tcpdwell-host" not in [Path(f"/proc/{child}/comm").read_text(
            encoding="utf-8").strip() for child in children.split()]
    finally:
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
