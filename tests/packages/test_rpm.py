# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The RPM has its files, and can be installed, run and removed. `make test-packages` builds it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
BUILT = TOP / "build/packages"


@pytest.fixture(name="package", scope="module")
def fixture_package() -> Path:
    found = sorted(BUILT.glob("tcpdwell-*.rpm"))
    if not found or not shutil.which("rpm"):
        pytest.skip("no package is built: make rpm")
    return found[-1]


def rpm(*arguments: str | Path) -> str:
    done = subprocess.run(["rpm", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def files(top: Path) -> set[str]:
    return {str(file.relative_to(top)) for file in top.rglob("*") if file.is_file()}


def test_it_has_what_is_installed(package: Path, tmp_path: Path) -> None:
    """Some versions of rpm compress manual pages."""
    subprocess.run(["make", "-s", "install", f"DESTDIR={tmp_path}", "PREFIX=/usr"], cwd=TOP,
                   capture_output=True, check=True)
    listed = {re.sub(r"(/man/.*)\.gz$", r"\1", line.lstrip("/"))
              for line in rpm("-qp", "--list", package).splitlines()}
    theirs = ("usr/share/doc/", "usr/share/licenses/", "usr/lib/.build-id")
    folders = {"usr/share/tcpdwell", "usr/share/tcpdwell/prometheus"}
    assert {name for name in listed - folders if not name.startswith(theirs)} == files(tmp_path)


def test_it_installs_runs_and_goes(package: Path, tmp_path: Path) -> None:
    """It is installed below a folder with a database of its own; its libraries are the host's."""
    if os.geteuid() != 0:
        pytest.skip("only root may install below a folder")
    where = ["--root", tmp_path, "--nodeps", "--noscripts"]
    rpm("--initdb", "--root", tmp_path)
    rpm(*where, "--install", package)
    binary = tmp_path / "usr/sbin/tcpdwell"
    done = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True)
    version = rpm("-qp", "--queryformat", "%{version}", package)
    assert done.stdout.startswith(f"tcpdwell {version}\n")
    rpm(*where, "--verify", "--nomode", "tcpdwell")
    rpm(*where, "--erase", "tcpdwell")
    assert [name for name in files(tmp_path) if "tcpdwell" in name] == []


def test_nothing_says_where_it_was_built(package: Path) -> None:
    said = rpm("-qp", "--queryformat", "%{buildhost}", package)
    assert said == "localhost"
