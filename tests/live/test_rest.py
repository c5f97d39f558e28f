# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What commands that keep running use on a host where nothing happens."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.plain import Running

# The ring has 16 MiB; only a part of it may be mapped at a time.
RESIDENT_KIB = 10 << 10


def resident_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    found = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
    assert found
    return int(found[1])


@pytest.mark.every_kernel
@pytest.mark.parametrize("command", ["trace", "life", "stat", "timewait"])
def test_memory(command: str) -> None:
    """The memory of the start is given back, and the ring is not mapped as a whole."""
    with Running(command) as running:
        assert resident_kib(running.child.pid) <= RESIDENT_KIB
