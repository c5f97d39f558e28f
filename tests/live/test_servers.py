# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""nginx, a Python and a C server with 5 000 sockets in two namespaces, healthy and leaking."""

from __future__ import annotations

import contextlib
import json
import resource
import shutil
import socket
import subprocess
import time
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from harness import actor as actors, leaks as finder, place, plain, process
from harness.actor import Actor, Cast
from harness.netns import Netns, Veth
from harness.scale import count
from harness.server import PORT, Nginx, Server, curl

FOUND = 10
# Sockets of all three servers and their clients: each connection has two.
SOCKETS = count(5000)
OLDER = "200ms"
OLDER_NS = 200_000_000
# How exactly a state that the tracer saw is dated; a process that gets no processor acts later.
EXACT_NS = 10_000_000
SS = {"ESTAB": "ESTABLISHED", "FIN-WAIT-2": "FIN_WAIT2", "CLOSE-WAIT": "CLOSE_WAIT",
      "LISTEN": "LISTEN", "TIME-WAIT": "TIME_WAIT"}

cast = pytest.fixture(actors.cast, name="cast")
needs_nginx = pytest.mark.skipif(not shutil.which("nginx"), reason="no nginx")


@pytest.fixture(autouse=True)
def _room() -> Iterator[None]:
    """Raises the limit of descriptors: clients are this process's, and servers inherit the
    limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def visit(netns: Netns, port: int, number: int) -> list[socket.socket]:
    """Makes connections to a server on loopback."""
    def connect() -> list[socket.socket]:
        return [socket.create_connection(("127.0.0.1", port)) for _ in range(number)]

    return netns.inside(connect)


class Street:
    """nginx and a Python server in one namespace, a C server in the other."""

    def __init__(self, cast: Cast, spaces: tuple[Netns, Netns], folder: Path) -> None:
        self.spaces = spaces
        self.nginx = Nginx(spaces[0], folder, "127.0.0.1")
        self.keep = Server("keep", spaces[1], "ipv4")
        self.python: Actor = cast.actor("python-leaks", spaces[0])
        self.python.run(f"l = socket.create_server(('127.0.0.1', {PORT + 1}), backlog=512)")
        self.clients: dict[str, list[socket.socket]] = {}

    def fill(self) -> None:
        number = SOCKETS // 6
        self.clients["nginx"] = visit(self.spaces[0], PORT, min(number, 900))
        self.python.send(f"kept = [l.accept()[0] for _ in range({number})]")
        self.clients["python"] = visit(self.spaces[0], PORT + 1, number)
        self.python.answer()
        self.clients["keep"] = visit(self.spaces[1], PORT, SOCKETS // 2 - number -
                                     len(self.clients["nginx"]))
        self.keep.wait_for(
            lambda: len(self.keep.log.accepted) == len(self.clients["keep"]))

    def leak(self, server: str, number: int) -> tuple[int, int]:
        """Closes this many clients of a server. Returns the times before and after."""
        before_ns = time.time_ns()
        for client in self.clients[server][:number]:
            client.shutdown(socket.SHUT_WR)
        return before_ns, time.time_ns()

    def close(self) -> None:
        for clients in self.clients.values():
            for client in clients:
                client.close()
        self.keep.stop()
        self.nginx.stop()


@pytest.fixture(name="street")
def _street(cast: Cast, make_netns: Callable[[], Netns], tmp_path: Path) -> Iterator[Street]:
    street = Street(cast, (make_netns(), make_netns()), tmp_path)
    yield street
    street.close()


def ss(netns: Netns) -> dict[str, int]:
    lines = netns.run(["ss", "-Htan"]).stdout.splitlines()
    return dict(Counter(SS[line.split()[0]] for line in lines))


def snapshot(netns: Netns) -> dict[str, int]:
    done = process.run([place.tcpdwell(), "snapshot", "-o", "json", "--netns", netns.path])
    return {group["state"]: group["count"] for group in json.loads(done.stdout)["states"]}


def leaks() -> dict[str, Any]:
    """Returns the leaks on the host, by the name of the process, of the street's processes."""
    done = subprocess.run([place.tcpdwell(), "leaks", "-o", "json", "--older", OLDER],
                          capture_output=True, text=True, check=False, timeout=process.LIMIT_S)
    assert done.returncode == FOUND, done.stderr
    return {leak["comm"]: leak for leak in map(json.loads, done.stdout.splitlines())}


def seen_ns(leak: dict[str, Any]) -> int:
    """Returns when the oldest socket entered the state, by the wall clock."""
    whole, fraction = leak["time"].removesuffix("Z").split(".")
    at = datetime.fromisoformat(whole + "+00:00").timestamp()
    return int(at) * 10**9 + int(fraction.ljust(9, "0")) - leak["oldest_ns"]


@needs_nginx
def test_counts_and_leaks(street: Street) -> None:
    street.fill()
    for netns in street.spaces:
        assert snapshot(netns) == ss(netns)
    numbers = {"python": len(street.clients["python"]) // 2,
               "keep": len(street.clients["keep"]) // 2}
    python_ns, _ = street.leak("python", numbers["python"])
    keep_ns, _ = street.leak("keep", numbers["keep"])
    time.sleep(2 * OLDER_NS / 1e9)
    begun = time.monotonic()
    found = leaks()
    assert time.monotonic() - begun < plain.patience(2)
    for netns in street.spaces:
        assert snapshot(netns) == ss(netns)
    assert "nginx" not in found
    for comm, pid, number, before_ns in (
            (street.python.comm, street.python.pid, numbers["python"], python_ns),
            ("keep-0", street.keep.pid, numbers["keep"], keep_ns)):
        leak = found[comm]
        assert (leak["pid"], leak["count"], leak["verdict"]) == (pid, number, "leaks")
        assert sum(last - first + 1 for first, last in leak["descriptors"]) == number
        assert (leak["oldest"], seen_ns(leak) >= before_ns) == ("at_least", True)


@needs_nginx
def test_ages_of_what_is_seen(street: Street) -> None:
    street.fill()
    child = subprocess.Popen(
        [place.tcpdwell(), "leaks", "-o", "json", "--older", OLDER, "--watch", "-i", "300ms",
         "--netns", street.spaces[1].path],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert child.stdout and child.stderr
        assert any("tracing" in line for line in child.stderr)
        before_ns, after_ns = street.leak("keep", 1)
        leak = json.loads(child.stdout.readline())
    finally:
        child.terminate()
        child.communicate(timeout=process.LIMIT_S)
    assert (leak["pid"], leak["count"], leak["oldest"]) == (street.keep.pid, 1, "exact")
    assert before_ns - EXACT_NS <= seen_ns(leak) <= after_ns + plain.patience(1) * EXACT_NS


@needs_nginx
def test_healthy_nginx_under_load(veth_pair: Veth, tmp_path: Path) -> None:
    """There is always something in CLOSE_WAIT, yet nothing stays there long enough to be a leak."""
    with contextlib.ExitStack() as closing:
        nginx = Nginx(veth_pair.server, tmp_path, veth_pair.server.ipv4)
        closing.callback(nginx.stop)
        watching = finder.Watch(veth_pair.server, "-o", "json", "--older", "2s")
        closing.callback(process.end, watching.child)
        end = time.monotonic() + count(7, 2)
        while time.monotonic() < end:
            curl(veth_pair.client, f"http://{veth_pair.server.ipv4}:{PORT}", 200)
        assert watching.stop() == 0 and watching.rest == ""
