# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`tcpdwell diagnose` finds what is broken, with its owner and figures, and nothing that is well.

All scenes are staged at once, each in namespaces of its own, and one run looks at all of them.
"""

from __future__ import annotations

import json
import signal
import subprocess
from typing import Any, Iterator

import pytest

from harness import capability, place, players, process
from harness.netns import Netns
from harness.scene import Player, Scene, behind_router, lose

FOUND = 10


@pytest.fixture(scope="module", name="scene")
def _scene() -> Iterator[Scene]:
    scene = Scene()
    try:
        gone = scene.pair("peer", players.PEER, "gone", players.GONE)
        flood = scene.pair("flooded", players.LISTENER, "flood", players.FLOOD)
        scene.alone("broken", players.LOCAL)
        scene.alone("ports", players.PORTS, ip_local_port_range="40000 40019", tcp_tw_reuse=0)
        scene.alone("overflow", players.PORTS, tcp_max_tw_buckets=1)
        scene.alone("scanner", players.SCAN)
        scene.alone("well", players.WELL)
        scene.alone("half", players.HALF)
        giver = scene.pair("target", "ready(); stay()", "giver", players.GIVER)
        behind_router(giver)
        behind_router(scene.pair("router", "ready(); stay()", "workers", players.WORKERS))
        scene.alone("checked", players.CHECKED)
        scene.pair("database", players.DATABASE, "pool", players.POOL)
        scene.pair("prefork", players.PREFORK, "patient", players.PATIENT)
        scene.alone("family", players.FAMILY)
        scene.alone("denied", players.DENIED)
        scene.alone("deaf", players.DEAF)
        scene.alone("few", players.FEW_FILES)
        scene.alone("shared", players.SHARED)
        scene.alone("ring", players.RING)
        scene.alone("balancer", players.BALANCER)
        scene.alone("dual", players.DUAL)
        scene.alone("restart", players.RESTART)
        scene.alone("without", players.DUAL)
        scene.netns["without"].sysctl("net/ipv6/conf/all/disable_ipv6", 1)
        dies = scene.pair("sink", players.PEER, "dies", players.DIES)
        dies.client.sysctl("net/ipv4/tcp_retries2", 3)
        lose(dies.client, dies.server.ipv4)
        lose(gone.client, gone.server.ipv4)
        lose(flood.server, flood.client.ipv4)
        scene.look()
        yield scene
    finally:
        scene.remove()


def test_something_is_wrong(scene: Scene) -> None:
    assert scene.status == FOUND
    severities = ["critical", "warning", "note"]
    order = [severities.index(f["severity"]) for f in scene.found]
    assert order == sorted(order)


def test_each_says_what_who_and_why(scene: Scene) -> None:
    for finding in scene.found:
        assert finding["type"] == "finding" and finding["seen"], finding
        assert finding["title"] and finding["do"] and finding["more"], finding
        assert set(finding["grew"]) <= set(finding["seen"]), finding


def test_syn_unanswered(scene: Scene) -> None:
    finding = scene.owned("gone", "syn_unanswered")
    assert (finding["rport"], finding["seen"]["in_syn_sent"]) == (9000, 4)
    assert finding["raddr"] == scene.netns["peer"].ipv4
    assert finding["seen"]["syns_sent_again"] >= 2
    assert finding["ends_by"] == "net.ipv4.tcp_syn_retries"


def test_half_open(scene: Scene) -> None:
    finding = scene.owned("gone", "half_open")
    assert finding["seen"]["connections"] == 2 and finding["seen"]["sent_again"] >= 4
    assert finding["seen"]["unacknowledged_bytes"] == 2000
    assert (finding["ends"], finding["ends_by"]) == ("within", "net.ipv4.tcp_retries2")


@pytest.mark.parametrize("which", ["stuck_fin_wait1", "stuck_last_ack", "stuck_closing"])
def test_stuck(scene: Scene, which: str) -> None:
    finding = scene.one("gone", which)
    assert finding["seen"]["connections"] == 6 and finding["seen"]["fin_sent_again"] >= 3
    assert finding["ends_by"] == "net.ipv4.tcp_orphan_retries" and finding["pid"] is None
    assert finding["settings"]["net.ipv4.tcp_orphan_retries"] == 0


def test_stuck_fin_wait2(scene: Scene) -> None:
    finding = scene.owned("gone", "stuck_fin_wait2")
    assert finding["seen"]["connections"] == 6 and finding["ends"] == "never"


def test_close_wait_leak(scene: Scene) -> None:
    finding = scene.owned("peer", "close_wait_leak")
    assert (finding["lport"], finding["count"], finding["ends"]) == (8003, 6, "never")


def test_keepalive_died(scene: Scene) -> None:
    finding = scene.owned("gone", "keepalive_died")
    assert finding["seen"]["died"] == 4 and finding["errno"] == "ETIMEDOUT"
    assert "TCP_KEEPIDLE" in finding["why"]  # the settings of the namespace did not decide


def test_syn_flood(scene: Scene) -> None:
    finding = scene.owned("flooded", "syn_flood")
    assert finding["lport"] == 8080 and finding["seen"]["half_open_old"] >= 16
    assert finding["seen"]["half_open"] == 40 and finding["seen"]["sources"] == 1
    assert finding["settings"]["net.ipv4.tcp_syncookies"] in (0, 1, 2)
    more = finding["more"].split()
    done = process.run([place.tcpdwell(), *more[1:], "-o", "json"])
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert {(row["state"], row["lport"]) for row in rows} == {("SYN_RECV", 8080)}, done.stderr


def test_accept_queue_full(scene: Scene) -> None:
    finding = scene.owned("broken", "accept_queue_full")
    assert (finding["lport"], finding["severity"]) == (8080, "critical")
    assert finding["seen"]["waiting"] == 3 and finding["seen"]["backlog"] == 2


def test_busy_workers(scene: Scene) -> None:
    """Each process that has the listener tells what it does, and the one that is stopped is named.
    """
    finding = scene.one("prefork", "accept_queue_full")
    seen = finding["seen"]
    assert (seen["waiting"], seen["processes"], seen["other_connections"]) == (3, 5, 3)
    assert (finding["comm"], seen["stopped"]) == ("stopped", 1)
    assert seen.get("accepted", 0) == 0  # in the time
    assert "3 sleep in recv()" in finding["why"] and "1 is stopped" in finding["why"]
    assert "kill -CONT" in finding["do"]


def test_calls_of_accept(scene: Scene, require: Any) -> None:
    require("failed_calls")
    by_port = {f["lport"]: f for f in scene.of("few", "accept_queue_full")}
    assert by_port[8080]["errno"] == "EMFILE" and "no descriptor" in by_port[8080]["why"]
    assert by_port[8081]["seen"]["accepted"] == 2 and "accepted" in by_port[8081]["grew"]
    assert not scene.of("few", "syn_flood")  # each cookie was answered
    assert scene.players["few"].child.pid in [
        f["pid"] for f in scene.found if f["id"] == "descriptors"]


def test_listener_in_another_namespace(scene: Scene) -> None:
    """Its clients are told that the host is up, and who must accept."""
    finding = scene.owned("patient", "syn_unanswered")
    assert finding["severity"] == "warning"
    assert "in another namespace of this host" in finding["why"]
    assert scene.one("prefork", "accept_queue_full")["lport"] == finding["rport"]


def test_one_of_two_listeners(scene: Scene) -> None:
    finding = scene.owned("shared", "accept_queue_full")
    assert finding["seen"].get("accepted", 0) == 0 and 0 < finding["seen"]["waiting"] < 40
    assert "2 listeners share that address" in finding["why"]


def test_accepts_of_io_uring(scene: Scene) -> None:
    if not capability.io_uring():
        pytest.skip("no io_uring")
    finding = scene.owned("ring", "accept_queue_full")
    assert "accepted" not in finding["seen"] and "accepts of io_uring" in finding["why"]


def test_connect_failing(scene: Scene, require: Any) -> None:
    by_errno = {f["errno"]: f for f in scene.of("broken", "connect_failing")}
    assert by_errno["ECONNREFUSED"]["rport"] == 9
    assert by_errno["ECONNREFUSED"]["seen"]["failed"] >= 60
    require("failed_calls")
    assert by_errno["ENETUNREACH"]["raddr"] == "203.0.113.9"
    assert by_errno["ENETUNREACH"]["seen"]["failed"] == 60


def test_address_in_use(scene: Scene, require: Any) -> None:
    require("failed_calls")
    finding = scene.owned("broken", "address_in_use")
    assert finding["lport"] == 8080 and "listens there" in finding["why"]


def test_address_of_another(scene: Scene, require: Any) -> None:
    """listen() fails if another socket with SO_REUSEADDR listens, bind() if root alone may have it.
    """
    require("failed_calls")
    by_errno = {f["errno"]: f for f in scene.of("denied", "address_in_use")}
    taken, forbidden = by_errno["EADDRINUSE"], by_errno["EACCES"]
    assert (taken["comm"], taken["lport"]) == ("denied", 8080) and "listens there" in taken["why"]
    assert (forbidden["comm"], forbidden["lport"]) == ("nobody", 80)
    assert forbidden["settings"] == {"net.ipv4.ip_unprivileged_port_start": 1024}


def test_no_route_to_many(scene: Scene, require: Any) -> None:
    """There is one finding for all addresses."""
    require("failed_calls")
    finding = scene.owned("denied", "connect_failing")
    assert finding["seen"] == {"failed": 25, "destinations": 25}
    assert (finding["errno"], finding["raddr"], finding["rport"]) == ("ENETUNREACH", None, 443)


def test_no_room_for_the_fin(scene: Scene) -> None:
    finding = scene.one("deaf", "stuck_fin_wait1")
    assert finding["seen"]["connections"] == 6 and "reads nothing" in finding["why"]
    assert finding["ends_by"] == "net.ipv4.tcp_orphan_retries"


@pytest.mark.parametrize("which, figure", [
    ("resets", "resets_sent"), ("close_wait_leak", "connections"), ("connect_failing", "failed")])
def test_processes_of_one_program(scene: Scene, require: Any, which: str, figure: str) -> None:
    if which == "connect_failing":
        require("failed_calls")
    found = [f for f in scene.of("family", which) if f["comm"] == "child"]
    assert len(found) == 1 and found[0]["seen"][figure] == found[0]["seen"]["processes"] == 8


def test_resets(scene: Scene) -> None:
    """Both ends are the process's own."""
    found = scene.of("broken", "resets")
    sent, received = sorted(found, key=lambda f: "resets_sent" not in f["seen"])
    assert sent["seen"]["resets_sent"] == 12 and received["seen"]["resets_received"] == 12
    assert sent["pid"] == received["pid"] == scene.players["broken"].child.pid


def test_descriptors(scene: Scene) -> None:
    player = scene.players["broken"].child
    found = [f for f in scene.found if f["id"] == "descriptors" and f["pid"] == player.pid]
    assert len(found) == 1 and found[0]["seen"]["limit"] == 64


def test_self_connect(scene: Scene) -> None:
    finding = scene.owned("broken", "self_connect")
    assert finding["lport"] == finding["rport"] == 45678
    assert (finding["ends"], finding["ends_ns"], finding["ends_by"]) == ("never", None, None)


def test_ports_exhausted(scene: Scene) -> None:
    finding = scene.one("ports", "ports_exhausted")
    assert finding["seen"]["ports"] == 20 and finding["seen"]["used_percent"] >= 80
    assert finding["settings"]["net.ipv4.ip_local_port_range.low"] == 40000


def test_timewait_overflow(scene: Scene) -> None:
    assert scene.one("overflow", "timewait_overflow")["seen"]["closed_without"] > 1


def test_scan(scene: Scene) -> None:
    finding = scene.owned("scanner", "scan")
    assert (finding["rport"], finding["seen"]["addresses"]) == (4444, 30)


def test_icmp_error_that_does_not_end_it(scene: Scene) -> None:
    by_port = {f["rport"]: f for f in scene.of("giver", "connect_failing")}
    assert by_port[7000]["errno"] == "EHOSTUNREACH"
    assert by_port[7000]["seen"]["failed"] == 4


def test_many_ports_of_one_host(scene: Scene) -> None:
    by_port = {f["rport"]: f for f in scene.of("giver", "connect_failing")}
    assert by_port[None]["seen"] == {"failed": 40, "remote_ports": 40}
    assert by_port[None]["raddr"] == scene.netns["target"].ipv4


def test_given_up(scene: Scene) -> None:
    found = [f for f in scene.of("giver", "syn_unanswered") if f["rport"] == 9001]
    assert len(found) == 1 and found[0]["pid"] == scene.players["giver"].child.pid
    assert found[0]["seen"]["given_up"] == 4


def test_given_up_in_haste(scene: Scene) -> None:
    """The SYN is not sent a second time in so short a time."""
    found = [f for f in scene.of("giver", "syn_unanswered") if f["rport"] == 9002]
    assert len(found) == 1 and found[0]["pid"] == scene.players["giver"].child.pid
    assert found[0]["seen"]["given_up"] == 6
    assert 300e6 < found[0]["seen"]["longest_wait_ns"] < 1e9


def test_workers(scene: Scene) -> None:
    finding = scene.one("workers", "syn_unanswered")
    assert (finding["comm"], finding["rport"]) == ("worker", 9003)
    assert finding["seen"]["in_syn_sent"] == finding["seen"]["processes"] == 4


def test_data_died(scene: Scene) -> None:
    finding = scene.owned("dies", "half_open")
    assert (finding["seen"], finding["errno"]) == ({"died": 4}, "ETIMEDOUT")
    assert finding["settings"]["net.ipv4.tcp_retries2"] == 3


def test_pool_that_came_back(scene: Scene) -> None:
    finding = scene.owned("database", "half_open")
    assert finding["seen"] == {"suspects": 12, "peers": 1} and finding["ends"] == "never"


@pytest.mark.parametrize("name", ["well", "half", "checked", "balancer",
                                  "dual", "without", "restart"])
def test_what_is_well_is_not_found(scene: Scene, name: str) -> None:
    assert [f for f in scene.found if f["netns"] == scene.netns[name].inode] == []


def test_what_is_over_goes(netns: Netns) -> None:
    """There is one line when it comes and one when it goes; the status is that of the last look."""
    watch = subprocess.Popen([place.tcpdwell(), "diagnose", "--watch", "-i", "1s", "--netns",
                              netns.path, *place.backend()], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True)
    assert watch.stderr and watch.stdout
    try:
        assert any("tracing" in line for line in watch.stderr)
        player = Player.start(netns, "ready()\nfor _ in range(9):\n    s = socket.socket(); "
                              "attempt(s.connect, ('127.0.0.1', 9)); s.close()\n")
        player.go()
        came, went = watch.stdout.readline(), watch.stdout.readline()
        assert "+ warning connect_failing" in came and "failed +9" in came
        assert "- warning connect_failing" in went
        watch.send_signal(signal.SIGINT)
        assert watch.wait(timeout=process.LIMIT_S) == 0
        process.end(player.child)
    finally:
        process.end(watch)


def test_no_such_namespace() -> None:
    """A namespace that does not exist is not reported as well."""
    done = subprocess.run([place.tcpdwell(), "diagnose", "-d", "1s", "--netns", "1"],
                          capture_output=True, text=True, check=False, timeout=process.LIMIT_S)
    assert done.returncode == 3 and "--netns" in done.stderr and not done.stdout


def test_nothing_wrong(netns: Netns) -> None:
    done = subprocess.run([place.tcpdwell(), "diagnose", "-d", "1s", "--netns", netns.path,
                           *place.backend()], capture_output=True, text=True, check=False,
                          timeout=process.LIMIT_S)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("nothing wrong among 0 sockets (0 listeners) in 1 network ")
