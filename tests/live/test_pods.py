# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`export --by pod` while pods come and go; tests/live/pods.py has an hour for it."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Iterator

import pytest

from harness import cgroup, pods
from harness.metrics import LIMIT_S, Export
from harness.scale import count

pytestmark = pytest.mark.any_kernel

PODS = count(120)
EACH_S, ALIVE, SERIES = 0.2, 10, 500
RESIDENT_KB = 16 * 1024
# How many entries a look may find because of other things on this host.
ELEMENTS = 100


@pytest.fixture(name="made")
def _made(tmp_path: Path) -> Iterator[pods.Pods]:
    if not cgroup.mounted():
        pytest.skip("the version 2 hierarchy is not mounted")
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    try:
        made = pods.Pods(tmp_path)
    except cgroup.NoCgroups as why:
        pytest.skip(f"no cgroup can be made: {why}")
    with made:
        if subprocess.run(made.wrap(["true"]), check=False).returncode:
            pytest.skip("no file system can be mounted")
        yield made


def test_memory_series_and_maps_level_off(made: pods.Pods) -> None:
    """Pods have their names while they live; what is kept of pods that are gone is bounded."""
    with Export("--by", "pod", "--cgroup", made.top.path, "--max-series", str(SERIES),
                wrap=made.wrap) as exporter:
        taken = pods.churn(exporter, made, PODS * EACH_S, EACH_S, ALIVE, 2, lambda _: None)
        got = exporter.look()
        made.keep(0)
        # A socket that a killed process leaves goes away with its namespace.
        exporter.running.wait_for(
            lambda: pods.take(exporter, made, time.monotonic()).elements < ELEMENTS, LIMIT_S,
            "tables that are empty")
        exporter.running.finish()
    named = got.labels("tcpdwell_connections", "pod") - {"", "other"}
    assert all(name.startswith("web-") for name in named)
    # Where a machine stalls, some pods go away before a look has seen them.
    assert ALIVE < len(named) <= made.made
    assert got.labels("tcpdwell_connections", "namespace") <= {pods.SPACE, "", "other"}
    assert max(got.find("tcpdwell_metric_series")) <= SERIES
    half = len(taken) // 2
    assert max(one.resident_kb for one in taken) < RESIDENT_KB
    assert taken[-1].resident_kb < taken[half].resident_kb + 1024
    assert taken[-1].helper_kb < taken[half].helper_kb + 1024
