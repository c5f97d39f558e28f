# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`snapshot` and `leaks` where the kernel refuses them BPF, and in a PID namespace of their own."""

from __future__ import annotations

import json
import os
import socket
import time
from collections import Counter
from typing import Any, Iterator

import pytest

from harness import actor as actors, capability, refusal, within
from harness.actor import Cast
from harness.netns import Netns
from harness.plain import Running, filtered_to

OLDER_S = 0.4
FOUND = 10
cast = pytest.fixture(actors.cast, name="cast")
STATES = {"ESTAB": "ESTABLISHED", "FIN-WAIT-2": "FIN_WAIT2", "TIME-WAIT": "TIME_WAIT",
          "CLOSE-WAIT": "CLOSE_WAIT", "LISTEN": "LISTEN", "SYN-SENT": "SYN_SENT"}
# The states whose ages the kernel's stamps tell without BPF.
AGED = {"ESTABLISHED", "CLOSE_WAIT", "TIME_WAIT"}
# Refused are all of bpf(2), what looks at sockets, or reading records after all was granted.
RULES = ["BPF_*=EPERM", "BPF_PROG_LOAD:iter_*=EINVAL", "BPF_ITER_CREATE=EPERM",
         "BPF_LINK_CREATE:iter_socket=EOPNOTSUPP", "BPF_MAP_CREATE=ENOMEM"]


class Scene:
    """In each family, connections: open, waiting for accept(), leaked, orphaned, in TIME_WAIT."""

    def __init__(self, netns: Netns) -> None:
        self.netns = netns
        self.open: list[socket.socket] = []
        for family in [socket.AF_INET] + [socket.AF_INET6] * capability.ipv6():
            self._fill(family)
        self.before_ns = time.monotonic_ns()
        time.sleep(OLDER_S)

    def _fill(self, family: int) -> None:
        listener = within.listen(self.netns, family, backlog=9)
        pairs = [within.Pair(self.netns, listener) for _ in range(5)]
        waiting = within.make_socket(self.netns, family)
        waiting.connect(listener.getsockname())
        pairs[0].client.shutdown(socket.SHUT_WR)  # CLOSE_WAIT here, FIN_WAIT2 there
        pairs[1].client.close()  # an orphan in FIN_WAIT2
        pairs[2].client.close()
        pairs[2].server.close()
        # Data goes only one way, so that the stamps of sent and received data differ.
        pairs[3].client.send(b"x")
        self.open += [listener, waiting, *(end for pair in pairs
                                           for end in (pair.client, pair.server))]

    def ss(self) -> dict[str, int]:
        lines = self.netns.run(["ss", "-Htan"]).stdout.splitlines()
        return dict(Counter(STATES[line.split()[0]] for line in lines))

    def close(self) -> None:
        for sock in self.open:
            sock.close()


@pytest.fixture(name="scene")
def _scene(netns: Netns) -> Iterator[Scene]:
    scene = Scene(netns)
    yield scene
    scene.close()


def look(rules: list[str], scene: Scene, *arguments: str) -> tuple[list[dict[str, Any]], str, int]:
    done = refusal.run(rules, *arguments, "-o", "json", "--netns", scene.netns.path)
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr, done.returncode


@pytest.mark.every_kernel
@pytest.mark.parametrize("rule", RULES)
def test_snapshot(rule: str, scene: Scene) -> None:
    """Counts are those of ss, owners are right, and no age is wrong."""
    (found,), said, status = look([rule], scene, "snapshot")
    now_ns = time.monotonic_ns()
    assert status == 0 and said.count("\n") == 1 and "sock_diag" in said, said
    assert {group["state"]: group["count"] for group in found["states"]} == scene.ss()
    families = 1 + capability.ipv6()
    mine = {group["state"]: group["count"] for group in found["processes"]
            if group["pid"] == os.getpid()}
    # ESTABLISHED: both ends of two open connections, the client of the one that waits for accept(),
    # and that one's other end, which is the listener's. CLOSE_WAIT: two leaks. FIN_WAIT2: of two
    # ends, a process still has one.
    assert mine == {"LISTEN": families, "ESTABLISHED": 6 * families, "CLOSE_WAIT": 2 * families,
                    "FIN_WAIT2": families}
    for group in found["states"]:
        assert group["oldest"] == ("at_least" if group["state"] in AGED else "unknown"), group
        if group["state"] in AGED:
            assert 0.5e9 * OLDER_S < group["oldest_ns"] < now_ns - scene.before_ns + 1e9, group


@pytest.mark.parametrize("rule", RULES[:2])
def test_filters(rule: str, scene: Scene) -> None:
    def states(*arguments: str) -> dict[str, int]:
        (found,), _, status = look([rule], scene, "snapshot", *arguments)
        assert status == 0
        return {group["state"]: group["count"] for group in found["states"]}

    everything = scene.ss()
    assert states("-s", "CLOSE_WAIT") == {"CLOSE_WAIT": everything["CLOSE_WAIT"]}
    assert not states("--older", "1h")
    assert set(states("--older", "100ms")) == AGED
    assert states("-p", str(os.getpid()))["LISTEN"] == everything["LISTEN"]
    assert not states("-p", "1")
    assert not states("--uid", "54321")
    # A timewait socket has no user any more.
    assert set(states("--uid", str(os.getuid()))) == set(everything) - {"TIME_WAIT"}
    port = str(scene.open[0].getsockname()[1])
    assert states("-L", port)["LISTEN"] == 1 and "LISTEN" not in states("-D", port)
    both = [states(family) for family in ("-4", "-6")]
    assert sum(map(Counter, both), Counter()) == Counter(everything)


@pytest.mark.parametrize("rule", RULES[:3])
def test_listening(rule: str, scene: Scene) -> None:
    rows, _, status = look([rule], scene, "snapshot", "--listening")
    assert status == 0 and len(rows) == 1 + capability.ipv6()
    for row in rows:
        assert (row["pid"], row["holders"], row["queued"], row["queue_limit"]) == (
            os.getpid(), 1, 1, 9)
        assert (row["age"], row["age_ns"]) == ("unknown", None)


@pytest.mark.skipif(not capability.ipv6(), reason="needs IPv6")
@pytest.mark.parametrize("only", [0, 1])
def test_ipv6_only(only: int, netns: Netns, cast: Cast) -> None:
    """A listener at :: may have an IPv4 connection of the accept queue only without IPV6_V6ONLY."""
    text = """
l = socket.socket({family})
l.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, {only}) if {family} == socket.AF_INET6 else 0
l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
l.bind(({address!r}, {port})); l.listen()
"""
    # The kernel prefers a listener of IPv4, so there is one only beside IPV6_V6ONLY.
    six = cast.actor("six", netns)
    six.run(text.format(family=int(socket.AF_INET6), only=only, address="::", port=0))
    port, holder = six.ask("l.getsockname()[1]"), six
    if only:
        holder = cast.actor("four", netns)
        holder.run(text.format(family=int(socket.AF_INET), only=only, address="0.0.0.0", port=port))
    with within.make_socket(netns) as client:
        client.connect(("127.0.0.1", port))
        done = refusal.run(["BPF_*=EPERM"], "snapshot", "-s", "ESTABLISHED", "-L", str(port), "-o",
                           "json", "--netns", netns.path)
    (found,) = [json.loads(line) for line in done.stdout.splitlines()]
    (group,) = found["processes"]
    assert (group["pid"], group["count"]) == (holder.pid, 1), group


@pytest.mark.every_kernel
@pytest.mark.parametrize("rule", RULES)
def test_leaks(rule: str, scene: Scene) -> None:
    """Leaks and connections that wait for accept() are found; undatable sockets are perhaps
    leaks."""
    families = 1 + capability.ipv6()
    (leak,), said, status = look([rule], scene, "leaks", "--older", "200ms")
    assert status == FOUND and "sock_diag" in said
    assert (leak["pid"], leak["count"], leak["verdict"]) == (os.getpid(), 2 * families, "leaks")
    numbers = {sock.fileno() for sock in scene.open}
    assert all(first in numbers for first, _ in leak["descriptors"])
    found, _, _ = look([rule], scene, "leaks", "--older", "200ms", "-s", "ESTABLISHED")
    assert {(one["verdict"], one["pid"]): one["count"] for one in found} == {
        ("idle", os.getpid()): 5 * families, ("stuck_accept_queue", os.getpid()): families}
    done = refusal.run([rule], "leaks", "--older", "200ms", "-s", "FIN_WAIT2", "--netns",
                       scene.netns.path)
    assert done.returncode == FOUND and "perhaps" in done.stdout, done


@pytest.mark.any_kernel
def test_cgroup_needs_the_iterators(scene: Scene) -> None:
    """sock_diag cannot filter by cgroup, so the command refuses rather than guesses."""
    _, said, status = look(["BPF_*=EPERM"], scene, "snapshot", "--cgroup", "/")
    assert status == 3 and said.count("\n") == 1


@pytest.mark.any_kernel
def test_misuse_stays_misuse(netns: Netns) -> None:
    done = refusal.run(["BPF_*=EPERM"], "snapshot", "--netns", netns.path + "-not")
    assert done.returncode == 2 and "sock_diag" not in done.stderr


# Without the ring nothing can be traced, and diagnose only looks.
@pytest.mark.parametrize("rule", ["BPF_MAP_CREATE:ring=ENOMEM", "mmap:ring=EINVAL"])
def test_diagnose_looks_if_nothing_can_be_traced(netns: Netns, rule: str) -> None:
    done = refusal.run([rule], "diagnose", "-d", "300ms", "--netns", netns.path)
    assert done.returncode == 0, done.stderr
    assert "not seen on this kernel: how connections end, and calls that fail" in done.stdout
    assert "ring" in done.stderr and "looked for by sock_diag" in done.stderr


@pytest.mark.parametrize("rule", ["BPF_*=EPERM", "mmap:ring=EINVAL"])
def test_diagnose_watch_goes_on_if_nothing_can_be_traced(netns: Netns, rule: str) -> None:
    """What goes wrong later is found, what is over ends, and a line says what is not seen."""
    with Running("diagnose", "--watch", "-i", "300ms", "--older", "200ms", *filtered_to(netns),
                 wrap=refusal.wrap(rule), ready=False) as running:
        running.await_ready("tcpdwell: looking, as nothing can be traced…\n")
        with within.listen(netns) as listener:
            pair = within.Pair(netns, listener)
        pair.client.shutdown(socket.SHUT_WR)
        running.wait_for(lambda: b" + warning close_wait_leak: " in running.output())
        pair.close()
        running.wait_for(lambda: b" - warning close_wait_leak: " in running.output())
        assert running.stop() == 0
        assert running.said().count(
            "not seen: how connections end, and calls that fail\n") == 1
        assert "ring" in running.said() or "Operation not permitted" in running.said()


def test_diagnose_watch_counts_looks_if_nothing_can_be_traced(netns: Netns) -> None:
    done = refusal.run(["BPF_*=EPERM"], "diagnose", "--watch", "-i", "200ms", "-n", "3", "-o",
                       "json", *filtered_to(netns))
    assert (done.returncode, done.stdout) == (0, ""), done
    assert "not seen: how connections end, and calls that fail\n" in done.stderr


# ---- A PID namespace of its own ------------------------------------------------------------------


APART = ("unshare", "--pid", "--fork", "--mount-proc")


@pytest.mark.every_kernel
@pytest.mark.parametrize("rule", [None, "BPF_*=EPERM"])
def test_processes_outside_are_not_nobody(rule: str | None, scene: Scene) -> None:
    """It says that these processes cannot be seen; it does not say that no process has the
    sockets."""
    arguments = ["leaks", "--older", "200ms", "--netns", scene.netns.path]
    done = refusal.run([rule] if rule else [], *arguments, before=APART)
    assert done.returncode == FOUND, done
    assert "PID namespace" in done.stderr
    assert "no process" not in done.stdout.replace("of a process that cannot be seen", "")
    assert "of a process that cannot be seen" in done.stdout
    done = refusal.run([rule] if rule else [], *arguments, "-o", "json", before=APART)
    (leak,) = map(json.loads, done.stdout.splitlines())
    assert (leak["verdict"], leak["pid"]) == ("leaks", None), leak
    assert leak["count"] == 2 * (1 + capability.ipv6())


@pytest.mark.any_kernel
def test_orphans_are_nobodys_there_too(scene: Scene) -> None:
    done = refusal.run([], "leaks", "--older", "200ms", "-s", "TIME_WAIT", "--netns",
                       scene.netns.path, "-o", "json", before=APART)
    found = {(one["verdict"], one["pid"]): one["count"]
             for one in map(json.loads, done.stdout.splitlines())}
    assert found == {("timewait", None): 1 + capability.ipv6()}


@pytest.mark.any_kernel
def test_snapshot_there(scene: Scene) -> None:
    done = refusal.run([], "snapshot", "-o", "json", "--netns", scene.netns.path,
                       before=APART)
    assert done.returncode == 0 and "PID namespace" in done.stderr
    (found,) = map(json.loads, done.stdout.splitlines())
    assert {group["state"]: group["count"] for group in found["states"]} == scene.ss()
    assert {group["pid"] for group in found["processes"]} == {None}
