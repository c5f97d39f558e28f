# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A real Prometheus scrapes `tcpdwell export` amid nginx, curl and a server that leaks."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Iterator

import pytest

from harness import prometheus, within
from harness.metrics import Export
from harness.netns import Netns
from harness.plain import Running, filtered_to
from harness.prometheus import Prometheus
from harness.server import PORT, Nginx, curl

pytestmark = pytest.mark.any_kernel

COMM = "leaky"
SS_STATES = {"ESTAB": "ESTABLISHED", "CLOSE-WAIT": "CLOSE_WAIT", "FIN-WAIT-2": "FIN_WAIT2",
             "LISTEN": "LISTEN", "TIME-WAIT": "TIME_WAIT"}
LEAKS_MAX = 25
REQUESTS = 8


def ss_states(netns: Netns) -> Counter[str]:
    done = subprocess.run(netns.argv(["ss", "-tanH"]), capture_output=True, text=True, check=True)
    return Counter(SS_STATES[line.split()[0]] for line in done.stdout.splitlines())


def leak(netns: Netns, listener: socket.socket) -> within.Pair:
    """The client says that it is done, and the server does not close."""
    pair = within.Pair(netns, listener)
    pair.client.sendall(bytes(100))
    pair.client.shutdown(socket.SHUT_WR)
    return pair


def after_a_look(server: Prometheus) -> None:
    """Waits until the answers include what has been done before this call."""
    now = time.time()
    server.wait_for(lambda: (server.value("tcpdwell_look_timestamp_seconds") or 0) > now,
                    "a scrape of another look")


@contextlib.contextmanager
def web(netns: Netns, folder: Path) -> Iterator[None]:
    """nginx serves, and curls have fetched from it."""
    nginx = Nginx(netns, folder, "127.0.0.1")
    try:
        curl(netns, f"http://127.0.0.1:{PORT}/last", REQUESTS)
        yield
    finally:
        nginx.stop()


def test_leaks_and_local_ports(netns: Netns, tmp_path: Path) -> None:
    """Queries return what ss, `tcpdwell stat` and the test count, and the alerts fire."""
    if not all(map(shutil.which, ("prometheus", "promtool", "nginx", "curl"))):
        pytest.skip("prometheus, promtool, nginx or curl is not here")
    netns.sysctl("net/ipv4/ip_local_port_range", "40000 40049")
    with within.named(COMM.encode()), within.listen(netns) as listener, \
            Export("--older", "1s", *filtered_to(netns)) as running, \
            Running("stat", "--by", "comm", "-o", "json", *filtered_to(netns)) as stat, \
            Prometheus(tmp_path, running.address) as server, web(netns, tmp_path):
        server.wait_for(lambda: server.value("up") == 1, "the first scrape")
        assert server.firing() == set()
        pairs = []

        def leaks_more() -> bool:
            if len(pairs) < LEAKS_MAX:
                pairs.append(leak(netns, listener))
            return "TcpdwellLeak" in server.firing()

        server.wait_for(leaks_more, "the alert for leaks")
        within.connect_and_reset(netns, listener, 7)
        with within.make_socket(netns) as refused:
            assert refused.connect_ex(("127.0.0.1", 1))
        assert "TcpdwellLocalPortsRunOut" not in server.firing()
        # 45 of 50 ports are in use.
        pairs += [within.Pair(netns, listener) for _ in range(45 - len(pairs))]
        server.wait_for(lambda: "TcpdwellLocalPortsRunOut" in server.firing(),
                        "the alert for local ports")
        stat.finish()
        after_a_look(server)
        check_numbers(server, netns, pairs)
        check_against_stat(server, stat.output())
        assert server.faults() == set()
        check_metrics(running)
        for pair in pairs:
            pair.close()


def check_numbers(server: Prometheus, netns: Netns, pairs: list[within.Pair]) -> None:
    leaks = sum(pair.server.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO) == 8 for pair in pairs)
    mine = f'comm="{COMM}"'
    assert server.query("sum by (state) (tcpdwell_connections) > 0") == ss_states(netns)
    assert leaks and server.value("sum(tcpdwell_leaked_connections)") == leaks
    assert server.query(f"sum by (reason) (tcpdwell_closes_total{{{mine}}})") == {
        "reset_sent": 7, "reset_received": 7, "refused": 1}
    assert server.query("sum by (errno) (tcpdwell_connect_failures_total)") == {"ECONNREFUSED": 1}
    assert server.query(f"sum by (side) (tcpdwell_handshake_seconds_count{{{mine}}})") == {
        "client": len(pairs) + 7, "server": len(pairs) + 7}
    assert server.query('sum by (comm, side) (tcpdwell_handshake_seconds_count'
                        '{comm=~"nginx|curl"})') == {
        "nginx,server": REQUESTS, "curl,client": REQUESTS}
    assert server.query('tcpdwell_closes_total{comm="nginx"}') == {"nginx,fin": REQUESTS}
    assert server.value("max(tcpdwell_local_ports_used_ratio)") == 0.9
    assert server.value('sum(tcpdwell_findings{id="close_wait_leak"})') == 1
    if server.value('tcpdwell_feature{name="carried"}'):
        assert server.query(f"sum by (direction) (tcpdwell_bytes_total{{{mine}}})") == {
            "sent": 100 * leaks, "received": 100 * leaks}
    # Prometheus can tell a quantile with native buckets and without.
    quantile = server.value("histogram_quantile(0.5, sum by (le) "
                            "(tcpdwell_handshake_seconds_bucket))")
    assert quantile is not None and 0 < quantile < 1


def check_against_stat(server: Prometheus, output: bytes) -> None:
    """How often each program left each state is as stat says; a TIME_WAIT may end between."""
    counts: Counter[str] = Counter()
    for group in json.loads(output.splitlines()[0])["groups"]:
        if group["state"] not in ("HANDSHAKE", "ACCEPT", "TIME_WAIT"):
            counts[f"{group['comm']},{group['state']}"] += group["count"]
    assert counts["nginx,LAST_ACK"] == REQUESTS
    assert server.query("sum by (comm, state) (tcpdwell_state_dwell_seconds_count"
                        "{state!=\"TIME_WAIT\"}) > 0") == counts


def check_metrics(running: Export) -> None:
    done = subprocess.run(["promtool", "check", "metrics"], input=running.fetch()[0], text=True,
                          capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
