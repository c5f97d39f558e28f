# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The bench starts its peers on any host."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from harness import place

# What the peers look for.
EVENT = "/sys/kernel/tracing/events/sock/inet_sock_set_state/id"
HIDE = "umount -a -l -t tracefs,debugfs"


def wrapper() -> list[str]:
    """What the bench puts in front of a peer's command."""
    text = "import json, tracer; print(json.dumps(tracer.TRACEFS))"
    done = subprocess.run([sys.executable, "-B", "-c", text], capture_output=True, text=True,
                          cwd=place.TOP / "tools/bench", check=True)
    return [str(word) for word in json.loads(done.stdout)]


@pytest.mark.parametrize("before", [HIDE, f"{HIDE}; mount -t tracefs tracefs /sys/kernel/tracing"],
                         ids=["hidden", "mounted"])
def test_peers_find_tracefs(before: str) -> None:
    """Most hosts have it mounted, and mount(8) refuses to do that once more."""
    command = [*wrapper(), "test", "-e", EVENT]
    done = subprocess.run(["unshare", "--mount", "sh", "-ec", f'{before}; exec "$@"', "sh",
                           *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
