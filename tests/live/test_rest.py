# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the commands that go on take of a host on which nothing happens."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.plain import Running

# The ring has 16 MiB; no more than a part of it is mapped at a time.
RESIDENT_KIB = 10 << 10


def resident_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    found = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
    assert found
    return int(found[1])


@pytest.mark.every_kernel
@pytest.mark.parametrize("command", ["trace", "life", "stat", "timewait"])
def test_memory(command: str) -> None:
    """Neither the start's memory is kept, nor the whole ring mapped."""
    with Running(command) as running:
        assert resident_kib(running.child.pid) <= RESIDENT_KIB
