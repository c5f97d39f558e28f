# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`tcpdwell export`: bytes, and segments that are sent again."""

from __future__ import annotations

import pytest

from harness import within
from harness.loss import retransmitted
from harness.metrics import COMM, Export, Metrics, export, transfer
from harness.netns import Netns
from harness.plain import filtered_to

pytestmark = pytest.mark.any_kernel


def carried(got: Metrics) -> tuple[float, float]:
    return (got.sum("tcpdwell_bytes_total", direction="sent", comm=COMM),
            got.sum("tcpdwell_bytes_total", direction="received", comm=COMM))


def test_bytes(netns: Netns) -> None:
    """Bytes count once: those of open connections at each look, and not again when these end."""
    with within.named(COMM.encode()), within.listen(netns) as listener:
        old = within.Pair(netns, listener)
        transfer(old.client, old.server, 5000)  # before anything counts
        with Export(*filtered_to(netns)) as running:
            first = running.look()
            opened = bool(first.find("tcpdwell_feature", name="carried", backend="kernel"))
            assert carried(first) == (0, 0)
            transfer(old.client, old.server, 300)
            pair = within.Pair(netns, listener)
            transfer(pair.client, pair.server, 1000)
            transfer(pair.server, pair.client, 70000)
            if opened:
                assert carried(running.look()) == (71300, 71300)
                assert carried(running.look()) == (71300, 71300)
            transfer(pair.client, pair.server, 20)
            pair.client.close()  # neither a FIN nor a SYN is a byte
            assert pair.server.recv(1) == b""
            if opened:
                assert carried(running.look()) == (71320, 71320)
            pair.server.close()
            short = within.Pair(netns, listener)
            transfer(short.client, short.server, 7)
            short.close()
            last = running.look()
            again = retransmitted(netns)
            old.close()
            assert carried(running.look())[0] >= carried(last)[0]
    assert carried(last) == ((71327, 71327) if opened else (71027, 71027))
    if opened:
        assert last.sum("tcpdwell_retransmitted_segments_total") == again


def test_retransmitted_segments(netns: Netns) -> None:
    """SYNs that nobody answers are sent again, and are counted when connect() gives up."""
    netns.sysctl("net/ipv4/tcp_syn_retries", "1")
    netns.ip("route", "add", "198.51.100.0/24", "dev", "lo")
    with export(netns) as running, within.make_socket(netns) as client:
        assert client.connect_ex(("198.51.100.1", 80))
        got = running.look()
    assert got.sum("tcpdwell_retransmitted_segments_total", comm=COMM) == retransmitted(netns) > 0
