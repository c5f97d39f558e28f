# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Which guests are booted once more: those that the emulation ended, not those that failed."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

TOP = Path(__file__).resolve().parents[2]

GOOD = {"status": 0, "started": True}
FAILED = {"status": 1, "started": True}
PANIC_IN_BOOT = {"trouble": "Oops: int3"}
PANIC_IN_JOB = {"trouble": "Oops: int3", "started": True}
QEMU_CRASH = {"trouble": "QEMU ended with status -11", "started": True, "crashed": True}
LATE = {"trouble": "did not reach its job", "wall_s": 400.0}


@pytest.fixture(name="vm")
def _vm(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(TOP / "tools/vm"))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return importlib.import_module("run")


@pytest.mark.parametrize(("ends", "runs"), [
    ([GOOD], 1),
    ([FAILED], 1),
    ([PANIC_IN_JOB], 1),
    ([QEMU_CRASH, GOOD], 2),
    ([PANIC_IN_BOOT, GOOD], 2),
    ([PANIC_IN_BOOT, PANIC_IN_BOOT], 2),
    ([LATE], 1),
])
def test_guest_is_booted_again(vm: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
                               ends: list[dict[str, Any]], runs: int) -> None:
    clock_s = 0.0
    left = list(ends)
    limits = []

    def run(_kernel: Any, _disks: Any, _job: Any, folder: Path, _accel: str, limit_s: float,
            _prefix: Any) -> Any:
        nonlocal clock_s
        limits.append(limit_s)
        begin = {"status": None, "trouble": "", "started": False, "crashed": False, "boot_s": 0.0,
                 "wall_s": 5.0, "drift_s": 0.0, "log": folder / "log", "out": folder / "out"}
        outcome = vm.guest.Outcome(**(begin | left.pop(0)))
        clock_s += outcome.wall_s
        return outcome

    monkeypatch.setattr(vm.guest, "run", run)
    monkeypatch.setattr(vm, "publish", lambda *_: None)
    monkeypatch.setattr(vm.time, "monotonic", lambda: clock_s)
    kernel = argparse.Namespace(name="7.3", line="newest")
    disks = vm.guest.Disks(tmp_path, tmp_path / "project")
    options = argparse.Namespace(command=None, lines=["newest"], accel="tcg", limit=600)
    outcome = vm.run_one(kernel, disks, {}, options)
    assert limits == [600 - 5 * earlier for earlier in range(runs)] and not left
    assert outcome.started == ends[-1].get("started", False)
    assert outcome.trouble == ends[-1].get("trouble", "")
