# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`tcpdwell export`: its numbers against ss, `tcpdwell stat` and the test."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import time
from collections import Counter

import pytest

from harness import within
from harness.metrics import COMM, LIMIT_S, Export, Metrics, at_intervals, export
from harness.netns import Netns
from harness.plain import Running, filtered_to, patience

pytestmark = pytest.mark.any_kernel


SS_STATES = {"ESTAB": "ESTABLISHED", "CLOSE-WAIT": "CLOSE_WAIT", "FIN-WAIT-2": "FIN_WAIT2",
             "LISTEN": "LISTEN", "TIME-WAIT": "TIME_WAIT"}


def ss_states(netns: Netns) -> Counter[str]:
    done = subprocess.run(netns.argv(["ss", "-tanH"]), capture_output=True, text=True, check=True)
    return Counter(SS_STATES[line.split()[0]] for line in done.stdout.splitlines())


def test_counts(netns: Netns) -> None:
    """Counts connections that are open, leaked, reset and refused; stat runs beside it."""
    with export(netns, "--older", "1s") as running, within.listen(netns) as listener, \
            Running("stat", "--by", "comm", "-o", "json", *filtered_to(netns)) as stat:
        pairs = [within.Pair(netns, listener) for _ in range(12)]
        for pair in pairs[:5]:
            pair.client.shutdown(socket.SHUT_WR)
        within.connect_and_reset(netns, listener, 7)
        for _ in range(3):
            with within.make_socket(netns) as refused:
                assert refused.connect_ex(("127.0.0.1", 1))
        time.sleep(patience(1.2))  # CLOSE_WAIT for longer than --older
        got = running.look()
        stat.finish()
        said = {state: int(got.sum("tcpdwell_connections", state=state, comm=COMM))
                for state in got.labels("tcpdwell_connections", "state")}
        assert {state: count for state, count in said.items() if count} == ss_states(netns)
        for pair in pairs:
            pair.close()
    assert got.sum("tcpdwell_leaked_connections", state="CLOSE_WAIT", comm=COMM) == 5
    assert 1 <= got.sum("tcpdwell_oldest_seconds", state="CLOSE_WAIT", comm=COMM) < LIMIT_S
    # Both ends of seven connections, and those that were refused.
    assert got.sum("tcpdwell_closes_total", reason="reset_sent", comm=COMM) == 7
    assert got.sum("tcpdwell_closes_total", reason="reset_received", comm=COMM) == 7
    assert got.sum("tcpdwell_closes_total", reason="refused", comm=COMM) == 3
    assert got.sum("tcpdwell_handshake_seconds_count", side="client", comm=COMM) == 19
    assert got.sum("tcpdwell_handshake_seconds_count", side="server", comm=COMM) == 19
    assert got.sum("tcpdwell_connect_failures_total", errno="ECONNREFUSED", comm=COMM) == 3
    assert got.sum("tcpdwell_accept_queue_limit", comm=COMM) == 512
    check_histograms(got)
    check_against_stat(got, stat.output().decode())


def check_histograms(got: Metrics) -> None:
    """Buckets add up, the last one is the total, and the sum is between their bounds."""
    names = {name[:-7] for name, _, _ in got.samples if name.endswith("_bucket")}
    assert names == {f"tcpdwell_{name}_seconds" for name in ("state_dwell", "handshake",
                                                             "accept_wait")}
    for metric in names:
        for name, labels, count in list(got.samples):
            if name != metric + "_count":
                continue
            buckets = got.find(metric + "_bucket", **labels)
            assert buckets == sorted(buckets) and buckets[-1] == count and len(buckets) == 17
            assert 0 < got.sum(metric + "_sum", **labels) < count * LIMIT_S


def check_against_stat(got: Metrics, output: str) -> None:
    """The numbers equal stat's: the same rows, summed by the same programs in another process."""
    groups = [json.loads(line) for line in output.splitlines()][0]["groups"]
    counts = {group["state"]: group["count"] for group in groups
              if group["comm"] == COMM and group["state"] not in ("HANDSHAKE", "ACCEPT")}
    assert counts
    for state, count in counts.items():
        assert got.sum("tcpdwell_state_dwell_seconds_count", state=state, comm=COMM) == count


def fail(netns: Netns, address: str, count: int) -> None:
    """connect() is refused by so many ports."""
    for port in range(1, count + 1):
        with within.make_socket(netns) as refused:
            assert refused.connect_ex((address, port))


def test_failed_calls_of_many_kinds(netns: Netns) -> None:
    """The kernel side has room for 4096 kinds, and those that are over make room."""
    failures = 'tcpdwell_connect_failures_total'
    with export(netns) as running:
        for number in range(1, 4):
            fail(netns, f"127.0.0.{number}", 2000)
            got = running.look()
            assert got.sum(failures) == 2000 * number
            # From this look on they are over.
            running.look()
        fail(netns, "127.0.0.1", 3)
        got = running.look()
    assert got.sum(failures) == 6003
    assert got.sum("tcpdwell_lost_total", cause="failed_calls") == 0


def test_what_is_no_leak(netns: Netns) -> None:
    """Who goes on to send after the peer's FIN is at work, and what was not accepted has nobody who
    could close it. `leaks` and `diagnose` see it so, too."""
    with export(netns, "--older", "2s") as running, within.listen(netns) as listener:
        left, working = within.Pair(netns, listener), within.Pair(netns, listener)
        queued = within.make_socket(netns)
        queued.connect(listener.getsockname())
        for client in (left.client, working.client, queued):
            client.shutdown(socket.SHUT_WR)
        with at_intervals(0.1, lambda: working.server.send(b"x") and working.client.recv(1)):
            time.sleep(patience(2.5))
            got = running.look()
        queued.close()
        for pair in (left, working):
            pair.close()
    assert got.sum("tcpdwell_connections", state="CLOSE_WAIT") == 3
    assert got.sum("tcpdwell_leaked_connections") == 1
    assert got.sum("tcpdwell_accept_queue_length") == 1


def test_counters_go_on_and_sockets_that_are_gone_are_0(netns: Netns) -> None:
    with export(netns) as running, within.listen(netns) as listener:
        pair = within.Pair(netns, listener)
        first = running.look()
        pair.close()
        within.connect_and_reset(netns, listener, 2)
        second = running.look()
    assert first.sum("tcpdwell_connections", state="ESTABLISHED", comm=COMM) == 2
    assert second.find("tcpdwell_connections", state="ESTABLISHED", comm=COMM) == [0]
    assert second.sum("tcpdwell_handshake_seconds_count", comm=COMM) == 6
    for name, labels, value in first.samples:
        if name.endswith(("_total", "_count", "_bucket", "_sum")):
            assert second.sum(name, **labels) >= value, (name, labels)


def test_filters_of_failed_calls(netns: Netns) -> None:
    """The kernel counts calls of all processes; the tracer itself filters by process and end."""
    with Export(*filtered_to(netns), "--comm", COMM) as by_name, \
            Export(*filtered_to(netns), "--port", "3,4") as by_port, \
            Export(*filtered_to(netns), "-p", "1") as by_process:
        for name, port in [(COMM, 1), (COMM, 3), ("another", 2), ("another", 4)]:
            with within.named(name.encode()), within.make_socket(netns) as refused:
                assert refused.connect_ex(("127.0.0.1", port))
        found = {which: running.look() for which, running in [
            ("name", by_name), ("port", by_port), ("process", by_process)]}
    failures = "tcpdwell_connect_failures_total"
    assert found["name"].sum(failures) == found["name"].sum(failures, comm=COMM) == 2
    assert all(found["port"].sum(failures, comm=comm) == 1 for comm in (COMM, "another"))
    assert not found["process"].find(failures)


def test_accept_queue(netns: Netns) -> None:
    with export(netns) as running, within.listen(netns, backlog=3) as listener, \
            contextlib.ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(within.make_socket(netns)).connect(listener.getsockname())
        got = running.look()
    assert got.sum("tcpdwell_accept_queue_length", comm=COMM) == 3
    assert got.sum("tcpdwell_accept_queue_limit", comm=COMM) == 3


def test_accept_wait(netns: Netns) -> None:
    with export(netns) as running, within.listen(netns) as listener, \
            within.make_socket(netns) as client:
        client.connect(listener.getsockname())
        assert not running.look().find("tcpdwell_accept_wait_seconds_count")
        time.sleep(0.3)
        listener.accept()[0].close()
        got = running.look()
    if not got.find("tcpdwell_feature", name="accept_owner", backend="none"):
        assert got.sum("tcpdwell_accept_wait_seconds_count", comm=COMM) == 1
        assert 0.3 <= got.sum("tcpdwell_accept_wait_seconds_sum", comm=COMM) < LIMIT_S
