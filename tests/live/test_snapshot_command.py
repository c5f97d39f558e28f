# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`tcpdwell snapshot` counts what ss counts, and attributes each count to the right process."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections import Counter
from typing import Any, Iterator

import pytest

from harness import actor as actors, capability, place, process, within
from harness.actor import Cast
from harness.netns import Netns
from harness.plain import filtered_to, run
from harness.scale import count

# The states as ss prints them.
SS = {"ESTAB": "ESTABLISHED", "SYN-SENT": "SYN_SENT", "SYN-RECV": "SYN_RECV",
      "FIN-WAIT-1": "FIN_WAIT1", "FIN-WAIT-2": "FIN_WAIT2", "TIME-WAIT": "TIME_WAIT",
      "CLOSE-WAIT": "CLOSE_WAIT", "LAST-ACK": "LAST_ACK", "LISTEN": "LISTEN", "CLOSING": "CLOSING"}

cast = pytest.fixture(actors.cast, name="cast")


def snapshot(netns: Netns, *arguments: str) -> Any:
    """Returns the JSON of `tcpdwell snapshot` in one namespace."""
    done = process.run([place.tcpdwell(), "snapshot", "-o", "json", "--netns", netns.path,
                        *arguments])
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return lines if "--listening" in arguments else lines[0]


def by_state(netns: Netns, *arguments: str) -> dict[str, int]:
    return {group["state"]: group["count"] for group in snapshot(netns, *arguments)["states"]}


def ss(netns: Netns) -> dict[str, int]:
    lines = netns.run(["ss", "-Htan"]).stdout.splitlines()
    return dict(Counter(SS[line.split()[0]] for line in lines))


class Zoo:
    """Sockets in many states in one namespace, in both families."""

    def __init__(self, netns: Netns) -> None:
        self.netns = netns
        self.open: list[socket.socket] = []
        families = [socket.AF_INET] + ([socket.AF_INET6] if capability.ipv6() else [])
        for family in families:
            self.listener = within.listen(netns, family)
            self.open.append(self.listener)
            self._established()
            self._close_wait()
            self._orphan()
            self._time_wait()
            self._queued()

    def _pair(self) -> within.Pair:
        pair = within.Pair(self.netns, self.listener)
        self.open += [pair.client, pair.server]
        return pair

    def _established(self) -> None:
        for _ in range(3):
            self._pair()

    def _close_wait(self) -> None:
        for _ in range(2):
            self._pair().client.shutdown(socket.SHUT_WR)

    def _orphan(self) -> None:
        self._pair().client.close()

    def _time_wait(self) -> None:
        pair = self._pair()
        pair.client.close()
        pair.server.close()

    def _queued(self) -> None:
        client = within.make_socket(self.netns, self.listener.family)
        client.connect(self.listener.getsockname())
        self.open.append(client)

    def close(self) -> None:
        for sock in self.open:
            sock.close()


@pytest.fixture(name="zoo")
def _zoo(netns: Netns) -> Iterator[Zoo]:
    zoo = Zoo(netns)
    time.sleep(0.1)
    yield zoo
    zoo.close()


@pytest.mark.every_kernel
def test_counts_equal_ss(zoo: Zoo) -> None:
    states = by_state(zoo.netns)
    assert states == ss(zoo.netns)
    assert {"LISTEN", "ESTABLISHED", "CLOSE_WAIT", "FIN_WAIT2", "TIME_WAIT"} <= states.keys()


def test_counts_equal_ss_with_many(netns: Netns) -> None:
    listener = within.listen(netns, backlog=4096)
    pairs = [within.Pair(netns, listener) for _ in range(count(1000))]
    for pair in pairs[::2]:
        pair.client.shutdown(socket.SHUT_WR)
    assert by_state(netns) == ss(netns)
    for pair in pairs:
        within.reset(pair.server)
        within.reset(pair.client)
    listener.close()


def test_long_accept_queue(cast: Cast, netns: Netns) -> None:
    """All children are the listener's, however many records one read returns."""
    queued = count(2000)
    netns.sysctl("net/core/somaxconn", queued)
    server = cast.actor("server", netns)
    server.run(f"l = socket.create_server(('127.0.0.1', 8080), backlog={queued})")
    clients = [within.make_socket(netns) for _ in range(queued)]
    for client in clients:
        client.connect(("127.0.0.1", 8080))
    groups = snapshot(netns, "--port", "8080")["processes"]
    waiting = [group for group in groups if group["pid"] != os.getpid()]
    assert [(group["pid"], group["count"]) for group in waiting] == [(server.pid, queued),
                                                                     (server.pid, 1)]
    for client in clients:
        client.close()


def test_filters(zoo: Zoo) -> None:
    everything = by_state(zoo.netns)
    assert by_state(zoo.netns, "-s", "CLOSE_WAIT") == {"CLOSE_WAIT": everything["CLOSE_WAIT"]}
    assert not by_state(zoo.netns, "--older", "1h")
    assert by_state(zoo.netns, "-p", str(os.getpid()))["LISTEN"] == everything["LISTEN"]
    assert not by_state(zoo.netns, "-p", "1")
    assert not by_state(zoo.netns, "--comm", "nobody")
    assert not by_state(zoo.netns, "--uid", "54321")
    assert not by_state(zoo.netns, "--addr", "192.0.2.0/24")
    port = str(zoo.listener.getsockname()[1])
    assert by_state(zoo.netns, "-L", port)["LISTEN"] == 1
    assert "LISTEN" not in by_state(zoo.netns, "-D", port)
    both = [by_state(zoo.netns, family) for family in ("-4", "-6")]
    assert sum((Counter(states) for states in both), Counter()) == Counter(everything)


def test_processes_and_ports(cast: Cast, netns: Netns) -> None:
    listener = within.listen(netns)
    port = listener.getsockname()[1]
    client = cast.actor("client", netns)
    client.run(f"s = [socket.create_connection({listener.getsockname()!r}) for _ in range(5)]")
    servers = [listener.accept()[0] for _ in range(5)]
    found = snapshot(netns)
    owners = {(group["pid"], group["comm"], group["state"]): group["count"]
              for group in found["processes"]}
    with open("/proc/self/comm", encoding="utf-8") as file:
        mine = file.read().rstrip("\n")
    assert owners == {(client.pid, "client", "ESTABLISHED"): 5,
                      (os.getpid(), mine, "ESTABLISHED"): 5, (os.getpid(), mine, "LISTEN"): 1}
    ports = {(group["port"], group["side"], group["state"]): group["count"]
             for group in found["ports"]}
    assert ports == {(port, "local", "ESTABLISHED"): 5, (port, "remote", "ESTABLISHED"): 5,
                     (port, "local", "LISTEN"): 1}
    for sock in (*servers, listener):
        sock.close()


def test_ages(netns: Netns) -> None:
    listener = within.listen(netns)
    pair = within.Pair(netns, listener)
    before_ns = time.monotonic_ns()
    pair.client.shutdown(socket.SHUT_WR)
    assert pair.server.recv(1) == b""
    entered_ns = time.monotonic_ns()
    time.sleep(0.5)
    begun_ns = time.monotonic_ns()
    group = snapshot(netns, "-s", "CLOSE_WAIT")["states"][0]
    ended_ns = time.monotonic_ns()
    assert group["oldest"] == "at_least"
    assert begun_ns - entered_ns - 100_000_000 <= group["oldest_ns"] <= ended_ns - before_ns
    pair.close()
    listener.close()


def test_listening(cast: Cast, netns: Netns) -> None:
    server = cast.actor("server", netns)
    server.run("l = socket.create_server(('127.0.0.1', 8080), backlog=7)")
    clients = [within.make_socket(netns) for _ in range(3)]
    for client in clients:
        client.connect(("127.0.0.1", 8080))
    child = server.fork()
    rows = snapshot(netns, "--listening")
    assert len(rows) == 1
    row = rows[0]
    assert row["pid"] == min(server.pid, child.pid)
    assert (row["comm"], row["holders"], row["laddr"], row["lport"], row["queued"],
            row["queue_limit"]) == ("server", 2, "127.0.0.1", 8080, 3, 7)
    for client in clients:
        client.close()


@pytest.mark.any_kernel
def test_table(zoo: Zoo) -> None:
    done = process.run([place.tcpdwell(), "snapshot", "--netns", zoo.netns.path])
    total = next(line for line in done.stdout.splitlines() if line.startswith("all "))
    assert int(total.split()[1]) == sum(ss(zoo.netns).values())


@pytest.mark.any_kernel
def test_nothing_there(netns: Netns) -> None:
    assert snapshot(netns)["sockets"] == 0
    process.run([place.tcpdwell(), "snapshot", "--netns", netns.path])


@pytest.mark.any_kernel
@pytest.mark.parametrize("arguments", [
    ("-s", "NONE"), ("--older", "5"), ("--older", "-5s"), ("-o", "csv"), ("--top", "0"),
    ("--netns", "/proc/self/ns/mnt"), ("--", "true"), ("--min-dwell", "1s")])
def test_bad_input(arguments: tuple[str, ...]) -> None:
    done = subprocess.run([place.tcpdwell(), "snapshot", *arguments], capture_output=True,
                          text=True, check=False, timeout=process.LIMIT_S)
    assert done.returncode == 2 and done.stderr.startswith("tcpdwell: ") and not done.stdout


@pytest.mark.any_kernel
def test_reader_that_goes(zoo: Zoo) -> None:
    done = subprocess.run(f"{place.tcpdwell()} snapshot --netns {zoo.netns.path} | true",
                          shell=True, capture_output=True, text=True, check=False,
                          timeout=process.LIMIT_S)
    assert done.returncode == 0 and not done.stderr


def test_namespaces_have_names(netns: Netns) -> None:
    """Tables and JSON show the names that ip-netns(8) gave."""
    with within.listen(netns) as listener:
        pair = within.Pair(netns, listener)
        tables = run("snapshot", *filtered_to(netns)).stdout.decode()
        listeners = run("snapshot", "-l", *filtered_to(netns)).stdout.decode()
        census = json.loads(run("snapshot", "-o", "json", *filtered_to(netns)).stdout)
        one = json.loads(run("snapshot", "-l", "-o", "json", *filtered_to(netns)).stdout)
        pair.close()
    ports = tables.split("NETNS\n", 1)[1].splitlines()
    assert ports and all(line.endswith(f" {netns.name}") for line in ports)
    assert listeners.splitlines()[1].split()[-2:] == [netns.name, "-"]
    assert {group["netns_name"] for group in census["ports"]} == {netns.name}
    assert (one["netns"], one["netns_name"]) == (netns.inode, netns.name)
