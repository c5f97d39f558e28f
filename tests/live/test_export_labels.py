# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`tcpdwell export`: labels, and the number of series."""

from __future__ import annotations

import contextlib

import pytest

from harness import within
from harness.metrics import COMM, Export, export
from harness.netns import Netns
from harness.plain import filtered_to

pytestmark = pytest.mark.any_kernel


@pytest.mark.parametrize(("by", "label"), [
    ("port", "port"), ("netns", "netns"), ("peer=/16", "peer"), ("cgroup", "cgroup"),
    ("unit", "unit"), ("container", "container"), ("pod", "namespace"),
])
def test_by(netns: Netns, by: str, label: str) -> None:
    """Counters and gauges have the same groups."""
    with export(netns, "--by", by) as running, within.listen(netns) as listener:
        pairs = [within.Pair(netns, listener) for _ in range(3)]
        within.connect_and_reset(netns, listener, 2)
        got = running.look()
        port = listener.getsockname()[1]
        for pair in pairs:
            pair.close()
    wanted = {"port": str(port), "netns": netns.name, "peer=/16": "127.0.0.0/16"}.get(by)
    open_now = got.labels("tcpdwell_connections", label)
    if by == "peer=/16":
        # A listener has no peer.
        assert got.find("tcpdwell_connections", state="LISTEN", peer="") == [1]
        open_now -= {""}
    assert wanted is None or open_now == {wanted}
    assert got.labels("tcpdwell_handshake_seconds_count", label) == open_now
    assert got.sum("tcpdwell_connections", state="ESTABLISHED") == 6
    assert got.sum("tcpdwell_handshake_seconds_count") == 10
    assert got.sum("tcpdwell_closes_total") == 4


def test_ports_that_are_not_listed_are_other(netns: Netns) -> None:
    with within.listen(netns) as listed, within.listen(netns) as unlisted, \
            export(netns, "--by", "port", "--ports", str(listed.getsockname()[1])) as running:
        within.connect_and_reset(netns, listed, 2)
        within.connect_and_reset(netns, unlisted, 3)
        got = running.look()
        port = str(listed.getsockname()[1])
    assert got.labels("tcpdwell_connections", "port") == {port, "other"}
    assert got.sum("tcpdwell_closes_total", port="other") == 6
    assert got.sum("tcpdwell_beyond_max_series_total") == 0
    assert got.sum("tcpdwell_closes_total", port=port) == 4


def test_series_are_bounded(netns: Netns) -> None:
    """There are more services than --max-series: the rest is `other`, and nothing is lost."""
    with contextlib.ExitStack() as stack, \
            export(netns, "--by", "port", "--max-series", "500") as running:
        for _ in range(600):
            stack.enter_context(within.listen(netns))
        got = running.look()
    lines = got.find("tcpdwell_connections")
    assert len(lines) <= 500
    assert got.sum("tcpdwell_connections", state="LISTEN") == 600
    assert got.sum("tcpdwell_connections", port="other") >= 100
    assert got.find("tcpdwell_metric_series", metric="tcpdwell_connections") == [len(lines)]
    assert got.sum("tcpdwell_beyond_max_series_total", metric="tcpdwell_connections") >= 100


@pytest.mark.parametrize("series", ["1", "30", "240"])
def test_few_series(netns: Netns, series: str) -> None:
    """A metric for which there is no room has `other` alone, which counts all."""
    with export(netns, "--max-series", series) as running, within.listen(netns) as listener:
        within.connect_and_reset(netns, listener, 5)
        with within.make_socket(netns) as refused:
            assert refused.connect_ex(("127.0.0.1", 1))
        got = running.look()
    room = {"tcpdwell_connections": 11 + 1, "tcpdwell_state_dwell_seconds_count": 11 * 19 + 19,
            "tcpdwell_closes_total": 20 + 1, "tcpdwell_connect_failures_total": 140 + 1}
    for name, needed in room.items():
        wanted = COMM if int(series) >= needed else "other"
        assert wanted in got.labels(name, "comm"), name
        assert (wanted == "other") == (COMM not in got.labels(name, "comm")), name
    assert got.sum("tcpdwell_closes_total") == 11
    assert got.sum("tcpdwell_connect_failures_total") == 1
    assert got.sum("tcpdwell_connections", state="LISTEN") == 1
    beyond = got.sum("tcpdwell_beyond_max_series_total", metric="tcpdwell_closes_total")
    assert (beyond > 0) == (int(series) < room["tcpdwell_closes_total"])


def test_names_that_would_break_the_format(netns: Netns) -> None:
    with Export(*filtered_to(netns)) as running, within.named(b'a"b\\c\nd\xff'), \
            within.listen(netns):
        got = running.look()
    assert got.labels("tcpdwell_connections", "comm") == {r'a\"b\\x5cc\\x0ad\\xff'}
