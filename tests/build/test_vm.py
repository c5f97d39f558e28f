# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Which guests there are, and which of them boot again."""

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


def test_log_is_published_again(vm: ModuleType, monkeypatch: pytest.MonkeyPatch,
                                tmp_path: Path) -> None:
    """A guest that boots again has its log published at each boot and at the end."""
    monkeypatch.setattr(vm, "CACHE", tmp_path)
    (tmp_path / "run").mkdir()
    log = tmp_path / "run/log"
    log.write_text("console\n")
    for _ in range(3):
        vm.publish(argparse.Namespace(name="7.3"), log)
    assert (tmp_path / "7.3.log").samefile(log)
    assert list(log.parent.iterdir()) == [log]


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
    kernel = argparse.Namespace(name="7.3", line="newest", arch=None)
    disks = vm.guest.Disks(tmp_path, tmp_path / "project")
    options = argparse.Namespace(command=None, lines=["newest"], accel="tcg", limit=600)
    outcome = vm.run_one(kernel, disks, {}, options)
    assert limits == [600 - 5 * earlier for earlier in range(runs)] and not left
    assert outcome.started == ends[-1].get("started", False)
    assert outcome.trouble == ends[-1].get("trouble", "")


def test_a_mirror_need_not_have_all_that_it_lists(vm: ModuleType, tmp_path: Path) -> None:
    """The newest kernel that the mirror really has is taken."""
    fetch = vm.fetch
    metas = [{"Version": f"5.10.{patch}-1",
              "Depends": f"linux-image-5.10.0-{patch} (= 5.10.{patch}-1)"} for patch in (9, 12, 10)]
    asked = []

    def download(packages: list[tuple[str, str]], _target: Path) -> list[Path]:
        asked.append(packages)
        if packages[0][1] != "5.10.9-1":
            raise fetch.NotFetched("404")
        return [tmp_path / "kernel.deb"]

    apt = argparse.Namespace(folder=tmp_path, download=download,
                             stanzas=lambda name: metas if name == "meta" else [])
    assert fetch.download(apt, "meta") == ([tmp_path / "kernel.deb"], "5.10.9-1")
    assert [packages[0][0] for packages in asked] == [
        "linux-image-5.10.0-12", "linux-image-5.10.0-10", "linux-image-5.10.0-9"]


@pytest.mark.parametrize(("arguments", "guests"), [
    (["--kernels", "oldest"], ["x86-5.10", "arm64-5.10"]),
    (["--kernels", "newest,6.1", "--arch", "arm64"], ["arm64-6.1", "arm64-newest"]),
    (["--kernels", "6.12", "--arch", "x86"], ["x86-6.12"]),
])
def test_guests_are_of_each_architecture(vm: ModuleType, monkeypatch: pytest.MonkeyPatch,
                                         arguments: list[str], guests: list[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["run.py", *arguments])
    chosen = vm.parse_options().lines
    assert sorted(f"{arch.name}-{line}" for arch, line in chosen) == sorted(guests)
    assert chosen[0][0].native or all(not arch.native for arch, _ in chosen)


def test_each_guest_has_what_was_built_for_it(vm: ModuleType, monkeypatch: pytest.MonkeyPatch,
                                              tmp_path: Path) -> None:
    """The file is in the tree's build/, whatever architecture the machine has."""
    top = tmp_path / "top"
    for arch in vm.ARCHES.values():
        folder = top / "build" / ("" if arch.native else arch.name)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "tcpdwell-static").write_text(arch.name)
        (top / f"build/sysroot-{arch.name}").mkdir()
    (top / "README.md").touch()
    seen = {}

    def make_ext4(tree: Path, _target: Path, _spare: int) -> None:
        seen[(tree / "build/tcpdwell-static").read_text()] = sorted(
            str(path.relative_to(tree)) for path in tree.rglob("*"))

    monkeypatch.setattr(vm, "TOP", top)
    monkeypatch.setattr(sys.modules["arch"], "TOP", top)
    monkeypatch.setattr(vm.image, "make_ext4", make_ext4)
    for arch in vm.ARCHES.values():
        vm.make_project(tmp_path, arch)
    assert seen == {name: ["README.md", "build", "build/tcpdwell-static"] for name in vm.ARCHES}
