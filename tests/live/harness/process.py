# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Child processes that never outlive their test."""

from __future__ import annotations

import contextlib
import re
import subprocess
from pathlib import Path
from typing import Any, Sequence

# Longer than any step of a test takes on an emulated processor, but short enough to end a hang.
LIMIT_S = 120


def run(argv: Sequence[str], **kwargs: Any) -> subprocess.CompletedProcess[str]:
    """Runs it to the end; a failure contains what was printed."""
    kwargs.setdefault("timeout", LIMIT_S)
    done = subprocess.run(argv, capture_output=True, text=True, check=False, **kwargs)
    if done.returncode:
        raise AssertionError(f"{' '.join(argv)}: status {done.returncode}\n{done.stderr}")
    return done


def end(child: subprocess.Popen[Any]) -> None:
    """Ends it by its pid, if it still runs, and reaps it."""
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(timeout=5)
        except subprocess.TimeoutExpired:
            child.kill()
    child.wait()
    for stream in (child.stdin, child.stdout, child.stderr):
        if stream:
            with contextlib.suppress(OSError):
                stream.close()


def _wakes_of(thread: Path) -> int:
    text = (thread / "status").read_text()
    return int(re.findall(r"^voluntary_ctxt_switches:\s+(\d+)$", text, re.MULTILINE)[0])


def wakes(pid: int) -> int:
    """How often its threads, and those of its helpers, gave up the processor to wait."""
    task = Path(f"/proc/{pid}/task")
    children = (task / str(pid) / "children").read_text().split()
    return sum(map(_wakes_of, task.iterdir())) + sum(wakes(int(child)) for child in children)


def wakes_of_loop(pid: int) -> int:
    """How often its first thread did, and those of its helpers."""
    task = Path(f"/proc/{pid}/task/{pid}")
    children = (task / "children").read_text().split()
    return _wakes_of(task) + sum(wakes_of_loop(int(child)) for child in children)
