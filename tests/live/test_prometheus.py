# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A real Prometheus scrapes `tcpdwell export` amid clients and a server that leaks."""

from __future__ import annotations

import socket
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from harness import prometheus, within
from harness.metrics import Export
from harness.netns import Netns
from harness.plain import filtered_to
from harness.prometheus import Prometheus

pytestmark = pytest.mark.any_kernel

COMM = "leaky"
SS_STATES = {"ESTAB": "ESTABLISHED", "CLOSE-WAIT": "CLOSE_WAIT", "FIN-WAIT-2": "FIN_WAIT2",
             "LISTEN": "LISTEN", "TIME-WAIT": "TIME_WAIT"}
LEAKS_MAX = 25


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


def test_leaks_and_local_ports(netns: Netns, tmp_path: Path) -> None:
    """Queries return what ss and the test count, and the alerts fire."""
    if not prometheus.find():
        pytest.skip("there is no prometheus here")
    netns.sysctl("net/ipv4/ip_local_port_range", "40000 40049")
    with within.named(COMM.encode()), within.listen(netns) as listener, \
            Export("--older", "1s", *filtered_to(netns)) as running, \
            Prometheus(tmp_path, running.address) as server:
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
        after_a_look(server)
        check_numbers(server, netns, pairs)
        assert server.faults() == set()
        for pair in pairs:
            pair.close()


def check_numbers(server: Prometheus, netns: Netns, pairs: list[within.Pair]) -> None:
    leaks = sum(pair.server.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO) == 8 for pair in pairs)
    states = server.query(f'sum by (state) (tcpdwell_connections{{comm="{COMM}"}}) > 0')
    assert states == ss_states(netns)
    assert leaks and server.value("sum(tcpdwell_leaked_connections)") == leaks
    assert server.query("sum by (reason) (tcpdwell_closes_total)") == {
        "reset_sent": 7, "reset_received": 7, "refused": 1}
    assert server.query("sum by (errno) (tcpdwell_connect_failures_total)") == {"ECONNREFUSED": 1}
    assert server.query("sum by (side) (tcpdwell_handshake_seconds_count)") == {
        "client": len(pairs) + 7, "server": len(pairs) + 7}
    assert server.value("tcpdwell_local_ports_used_ratio") == 0.9
    assert server.value('sum(tcpdwell_findings{id="close_wait_leak"})') == 1
    if server.value('tcpdwell_feature{name="carried"}'):
        assert server.query("sum by (direction) (tcpdwell_bytes_total)") == {
            "sent": 100 * leaks, "received": 100 * leaks}
    # Prometheus can tell a quantile with native buckets and without.
    quantile = server.value("histogram_quantile(0.5, sum by (le) "
                            "(tcpdwell_handshake_seconds_bucket))")
    assert quantile is not None and 0 < quantile < 1
