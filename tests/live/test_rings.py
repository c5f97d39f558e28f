# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Several rings, as on hosts with many processors: the rows of a connection stay in order, none is
lost between the rings, and a row in any of them wakes the reader."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import pytest

from harness import place, process, refusal, within
from harness.netns import Netns
from harness.plain import Running, filtered_to
from harness.tracer import Tracer, by_cookie, check_account, check_chains

RINGS = 4
# A CPU takes this many cookies at a time, and each batch of cookies has its ring.
BATCH = 4096
CONNECTIONS = RINGS * BATCH  # two cookies each
# A row comes within some tens of milliseconds, or never if it does not wake the reader.
SOON_S = 2.0


def rush(netns: Netns, connections: int) -> None:
    """Makes connections that end by a reset: six rows each, and no TIME_WAIT."""
    subprocess.run(netns.argv([str(place.TOP / "build/tests/servers/rush"), "--reset",
                               "--connections", str(connections)]),
                   check=True, capture_output=True, timeout=process.LIMIT_S)


def test_rows_of_each_connection_stay_in_their_order(netns: Netns, tmp_path: Path) -> None:
    file = tmp_path / "rows"
    with open(file, "wb") as out, \
            Running("-o", "json", "--rings", str(RINGS), "--ring-size", "128M",
                    *filtered_to(netns), stdout=out) as running:
        rush(netns, CONNECTIONS)
        running.finish()
    *rows, summary = map(json.loads, file.read_text(encoding="utf-8").splitlines())
    check_account(summary, rows)
    check_chains(rows, summary["missed"])
    chains = by_cookie(rows)
    assert len(chains) >= 2 * CONNECTIONS
    # The rows came out of all rings.
    assert {cookie // BATCH % RINGS for cookie in chains} == set(range(RINGS))


def test_row_in_any_ring_wakes_a_reader_that_sleeps(netns: Netns) -> None:
    tracer = Tracer("--rings", "32", "--ring-size", "1M", "--netns", str(netns.inode))
    try:
        with within.listen(netns) as listener:
            for number in range(6):
                time.sleep(0.5)  # by then the reader sleeps without a time limit
                before = len(tracer.all_rows())
                within.Pair(netns, listener).close()
                tracer.wait_for(lambda rows, before=before: len(rows) > before + 4, SOON_S,
                                f"rows of connection {number}")
                rush(netns, BATCH // 2)  # the next connection's cookies are of another batch
    finally:
        tracer.close()


def test_lives_come_out_of_several_rings(netns: Netns) -> None:
    with Running("life", "--no-open", "-o", "json", "--rings", str(RINGS),
                 *filtered_to(netns)) as running:
        rush(netns, BATCH)
        running.finish()
        lines = [json.loads(line.text) for line in running.lines()]
    lives = [line for line in lines if line["type"] == "connection"]
    assert len({life["cookie"] for life in lives}) == len(lives) >= 2 * BATCH


@pytest.mark.parametrize("rule", ["BPF_MAP_CREATE:rings=EPERM", "BPF_MAP_CREATE:records=ENOMEM"])
def test_kernel_that_refuses_several_has_one(rule: str) -> None:
    done = refusal.run([rule], "--rings", "4", "-d", "100ms")
    assert done.returncode == 0, done.stderr
    assert "many processors wait for one ring" in done.stderr
    assert "seen " in done.stderr
