# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Timewait sockets of many namespaces, found by one walk over the kernel's table, against ss.

The walk is also refused: then each namespace is looked at by itself, with the same result.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from harness import capability, process, refusal, within
from harness.netns import Netns
from harness.tracer import Tracer

# More namespaces than are looked at one by one; another one has a hash table of its own.
NAMESPACES = 12
EACH = 3
AGE_S = 0.3
NO_WALK = "BPF_PROG_LOAD:walk_all=EPERM"
OWN_TABLE = ("echo 1024 >/proc/sys/net/ipv4/tcp_child_ehash_entries && ip netns add {0} && "
             "ip -n {0} link set lo up")
Ends = tuple[int, str, str, int, str, int]


def families() -> list[int]:
    return [socket.AF_INET] + [socket.AF_INET6] * capability.ipv6()


class Scene:
    """In each namespace and family: some in TIME_WAIT, an orphan in FIN_WAIT2, an open connection.

    Nobody has asked for their cookies.
    """

    def __init__(self) -> None:
        self.spaces = [Netns.make() for _ in range(NAMESPACES)]
        own = Netns(f"{self.spaces[0].name}-own")
        try:
            process.run(["nsenter", f"--net={self.spaces[0].path}", "sh", "-c",
                         OWN_TABLE.format(own.name)])
            self.spaces.append(own)
        except AssertionError:
            pass  # no hash table of its own before 6.1
        self.open: list[socket.socket] = []
        for netns in self.spaces:
            netns.inside(lambda netns=netns: self._fill(netns))
        time.sleep(AGE_S)

    def _fill(self, netns: Netns) -> None:
        for family in families():
            with within.listen(netns, family) as listener:
                for _ in range(EACH):
                    pair = within.Pair(netns, listener)
                    pair.close()
                orphan, stays = within.Pair(netns, listener), within.Pair(netns, listener)
            orphan.client.close()
            self.open += [orphan.server, stays.client, stays.server]

    def ss(self) -> Counter[Ends]:
        found: Counter[Ends] = Counter()
        for netns in self.spaces:
            lines = netns.run(["ss", "-Htan", "state", "time-wait", "state", "fin-wait-2"]).stdout
            for line in lines.splitlines():
                state, _, _, local, remote = line.split()[:5]
                ends = [one.rsplit(":", 1) for one in (local, remote)]
                found[(netns.inode, {"TIME-WAIT": "TIME_WAIT", "FIN-WAIT-2": "FIN_WAIT2"}[state],
                       *(what for address, port in ends
                         for what in (address.strip("[]"), int(port))))] += 1  # type: ignore
        return found

    def close(self) -> None:
        for sock in self.open:
            sock.close()
        for netns in self.spaces:
            netns.remove()


@pytest.fixture(name="scene", scope="module")
def _scene() -> Iterator[Scene]:
    scene = Scene()
    yield scene
    scene.close()


def snapshot(scene: Scene, rules: list[str], log: str | None = None) -> list[dict[str, Any]]:
    done = refusal.run(rules, "snapshot", "--sockets", "-s", "TIME_WAIT,FIN_WAIT2", "-o", "json",
                       log=log)
    assert done.returncode == 0, done
    spaces = {netns.inode for netns in scene.spaces}
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return [row for row in rows if row["netns"] in spaces]


def ends_of(rows: list[dict[str, Any]]) -> Counter[Ends]:
    return Counter((row["netns"], row["state"], row["laddr"], row["lport"], row["raddr"],
                    row["rport"]) for row in rows)


def test_snapshot(scene: Scene, tmp_path: Path, require: Callable[..., None]) -> None:
    """Each is listed once, as by ss. One walk finds all but those in a table of their own."""
    require(capability.TIME_WAIT)
    log = tmp_path / "calls"
    rows = snapshot(scene, [], log=str(log))
    assert ends_of(rows) == scene.ss()
    assert ends_of(snapshot(scene, [NO_WALK])) == scene.ss()
    for row in rows:
        if row["state"] == "TIME_WAIT":
            assert AGE_S * 1e9 * 0.9 < row["age_ns"] < 60e9, row
    calls = Counter(line.split()[0] for line in log.read_text("utf-8").splitlines())
    assert calls["BPF_PROG_TEST_RUN:walk_all"]
    assert calls["BPF_ITER_CREATE:iter_socket"] < NAMESPACES


def test_others_move_meanwhile(scene: Scene, netns: Netns) -> None:
    """What stays is found once, while connections come to its hash chains and go."""
    over = threading.Event()

    def churn() -> None:
        with within.listen(netns) as listener:
            while not over.is_set():
                within.connect_and_reset(netns, listener, 20)

    threads = [threading.Thread(target=churn) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        expected = scene.ss()
        for _ in range(3):
            assert ends_of(snapshot(scene, [])) == expected
    finally:
        over.set()
        for thread in threads:
            thread.join()


def at_start(rules: list[str], *arguments: str) -> dict[str, Any]:
    done = refusal.run(rules, "timewait", "-d", "10ms", "-o", "json", *arguments)
    assert done.returncode == 0, done
    return json.loads(done.stdout.splitlines()[0])


def test_timewait(scene: Scene, require: Callable[..., None]) -> None:
    """A walk and dumps count alike: what is there at the start, and open clients."""
    require(capability.TIME_WAIT)
    mine = {netns.inode for netns in scene.spaces}
    found = []
    for rules in ([], [NO_WALK]):
        report = at_start(rules)
        listed = [one for one in report["at_start"]["sockets"] if one["netns"] in mine]
        found.append(Counter((one["netns"], one["laddr"], one["lport"], one["raddr"],
                              one["rport"]) for one in listed))
        assert all(0 < one["left_ns"] < 60e9 - AGE_S * 0.9e9 for one in listed)
    expected = Counter({(netns, *ends): count for (netns, state, *ends), count
                        in scene.ss().items() if state == "TIME_WAIT"})
    assert found == [expected, expected]


@pytest.mark.parametrize("rules", [[], [NO_WALK]])
def test_they_end(rules: list[str], require: Callable[..., None]) -> None:
    """A timewait socket that was found is followed: its end is reported, with a bound of its
    dwell."""
    require(capability.TIME_WAIT)
    scene = Scene()
    try:
        here = scene.spaces[1]
        expected = [ends[2:] for ends in scene.ss() if ends[0] == here.inode
                    and ends[1] == "TIME_WAIT"]
        inode = here.inode
        tracer = Tracer("--from", "TIME_WAIT", chains=False, wrap=refusal.wrap(*rules))
        try:
            here.remove()
            tracer.wait_for(lambda rows: len([row for row in rows if row["netns"] == inode])
                            >= len(expected), 20)
            rows = tracer.rows(netns=inode)
            assert sorted((row["laddr"], row["lport"], row["raddr"], row["rport"])
                          for row in rows) == sorted(expected)
            for row in rows:
                assert (row["dwell"], row["reason"]) == ("at_least", "netns_gone"), row
                assert AGE_S * 0.9e9 < row["dwell_ns"] < 60e9, row
        finally:
            tracer.close()
    finally:
        scene.close()
