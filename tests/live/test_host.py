# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Peculiar hosts: namespaces of time and of the network, threads, files that hang."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
import time
from typing import Iterator

import pytest

from harness import within
from harness.netns import Netns
from harness.place import tcpdwell

pytestmark = pytest.mark.any_kernel

TCPDWELL = tcpdwell()

# Far longer than a start takes, yet not for ever.
HANG_S = 60


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=HANG_S, check=False)


def make_half_closed(netns: Netns) -> tuple[socket.socket, ...]:
    """Makes a connection of this process whose accepting side is in CLOSE_WAIT."""
    listener, client = within.make_socket(netns), within.make_socket(netns)
    listener.bind(("127.0.0.1", 8080))
    listener.listen()
    client.connect(("127.0.0.1", 8080))
    accepted, _ = listener.accept()
    client.shutdown(socket.SHUT_WR)
    return listener, client, accepted


@pytest.mark.parametrize("command", ["trace -d 1s", "leaks", "snapshot", "timewait -d 1s",
                                     "stat -d 1s"])
def test_a_fifo_among_names_of_namespaces(command: str) -> None:
    script = ("mkdir -p /run/netns && mount -t tmpfs none /run/netns && mkfifo /run/netns/left && "
              f"exec timeout -k 1 {HANG_S // 2} {TCPDWELL} {command}")
    result = run("unshare", "-m", "sh", "-c", script)
    assert result.returncode in (0, 10), result.stderr
    refused = run("unshare", "-m", "sh", "-c", script + " --netns left")
    assert refused.returncode == 2
    assert "'left' is no network namespace" in refused.stderr


# A mount whose server is there and answers nothing, as long as descriptor 3 is open.
GONE = ("exec 3<>/dev/fuse; mkdir -p /run/netns && mount -t tmpfs none /run/netns && "
        "touch /run/netns/gone && mount -i -t fuse "
        "-o fd=3,rootmode=100000,user_id=0,group_id=0 gone /run/netns/gone")


@pytest.mark.parametrize("command", ["trace -w -d 1s", "leaks", "snapshot"])
def test_a_server_that_is_gone_among_names_of_namespaces(command: str) -> None:
    if run("unshare", "-m", "sh", "-c", GONE).returncode:
        pytest.skip("no FUSE")
    result = run("unshare", "-m", "sh", "-c",
                 f"{GONE} && exec timeout -k 1 {HANG_S // 2} {TCPDWELL} {command}")
    assert result.returncode in (0, 10), result.stderr


@pytest.mark.parametrize("ahead_s", [86400, -600])
def test_time_namespace(netns: Netns, ahead_s: int) -> None:
    """Ages and times are the host's, whatever CLOCK_MONOTONIC the tracer's namespace has."""
    if run("unshare", "-T", "--fork", "--monotonic", str(ahead_s), "true").returncode:
        pytest.skip("no time namespaces")
    before_s = time.monotonic()
    sockets = make_half_closed(netns)
    while time.monotonic() < before_s + 1:
        time.sleep(0.1)
    result = run("unshare", "-T", "--fork", "--monotonic", str(ahead_s), TCPDWELL, "leaks",
                 "--older", "500ms", "--netns", str(netns.inode), "-o", "json")
    since_s = time.monotonic() - before_s
    leak = json.loads(result.stdout.splitlines()[0])
    assert 0.5 <= leak["oldest_ns"] / 1e9 <= since_s
    for sock in sockets:
        sock.close()


def test_namespace_by_name(netns: Netns) -> None:
    sockets = make_half_closed(netns)
    named = run(TCPDWELL, "snapshot", "--netns", netns.name, "-o", "json")
    assert '"CLOSE_WAIT"' in named.stdout, named.stderr
    for sock in sockets:
        sock.close()
    gone = run(TCPDWELL, "snapshot", "--netns", "tcpdwell-none")
    assert gone.returncode == 2
    assert "'tcpdwell-none' is no network namespace (No such file" in gone.stderr


@pytest.fixture(name="thread")
def _thread() -> Iterator[int]:
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    assert thread.native_id
    yield thread.native_id
    end.set()
    thread.join()


def test_number_of_a_thread(netns: Netns, thread: int) -> None:
    """The number of a thread finds the sockets of its process, and the tool says so."""
    sockets = make_half_closed(netns)
    result = run(TCPDWELL, "snapshot", "-p", str(thread), "--netns", str(netns.inode),
                 "-o", "json")
    assert f"{thread} is a thread of process" in result.stderr
    assert '"CLOSE_WAIT"' in result.stdout
    for sock in sockets:
        sock.close()


def test_number_of_a_zombie() -> None:
    with subprocess.Popen(["true"]) as child:
        within_s = time.monotonic() + HANG_S
        while " Z " not in open(f"/proc/{child.pid}/stat", encoding="utf-8").read():
            assert time.monotonic() < within_s
            time.sleep(0.01)
        result = run(TCPDWELL, "snapshot", "-p", str(child.pid))
    assert f"process {child.pid} is a zombie" in result.stderr
