# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The bench starts its peers on any host, and its model of many cores holds for two."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness import place

# How far the model may be from what two processors do; cores.py has the same figure.
FACTOR = 2
MODEL = """
import pathlib, sys
import cores, measure, run
bench = measure.Bench(pathlib.Path(), run.build_objects(), pathlib.Path(sys.argv[1]))
cores.measure_shared(bench, 3, cores.FAR_TIMES)
print(*cores.predicted(bench.figures) or ())
"""

# The files that the peers look for.
EVENT = "/sys/kernel/tracing/events/sock/inet_sock_set_state/id"
HIDE = "umount -a -l -t tracefs,debugfs"


def wrapper() -> list[str]:
    """Returns what the bench puts in front of a peer's command."""
    text = "import json, tracer; print(json.dumps(tracer.TRACEFS))"
    done = subprocess.run([sys.executable, "-B", "-c", text], capture_output=True, text=True,
                          cwd=place.TOP / "tools/bench", check=True)
    return [str(word) for word in json.loads(done.stdout)]


@pytest.mark.parametrize("before", [HIDE, f"{HIDE}; mount -t tracefs tracefs /sys/kernel/tracing"],
                         ids=["hidden", "mounted"])
def test_peers_find_tracefs(before: str) -> None:
    """Most hosts have tracefs mounted, and mount(8) refuses to mount it once more."""
    command = [*wrapper(), "test", "-e", EVENT]
    done = subprocess.run(["unshare", "--mount", "sh", "-ec", f'{before}; exec "$@"', "sh",
                           *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="two processors are wanted")
def test_model_of_many_cores_says_what_two_producers_do(tmp_path: Path) -> None:
    """Two pinned producers do nothing but write to one ring. One may be kept off its processor."""
    tried = []
    for _ in range(5):
        done = subprocess.run([sys.executable, "-B", "-c", MODEL, str(tmp_path)],
                              capture_output=True, text=True, cwd=place.TOP / "tools/bench",
                              check=True)
        said, measured = map(float, done.stdout.split())
        tried.append((said, measured))
        if measured / FACTOR <= said <= measured * FACTOR:
            return
    pytest.fail(f"ns a record, by the model and measured: {tried}")
