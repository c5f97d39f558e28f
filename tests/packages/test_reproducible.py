# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Two builds of the same sources are the same bytes. `make test-packages` makes the first one."""

from __future__ import annotations

import os
import subprocess
import tarfile
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
PACKAGES = "build/packages"
BINARY = "build/tcpdwell-static"
MADE = ("tcpdwell-*.tar.gz", "tcpdwell_*.deb", "tcpdwell-*.rpm", "tcpdwell-*-oci.tar")


def made_in(top: Path) -> dict[str, bytes]:
    """Returns what was built, by name."""
    files = [path for name in MADE for path in (top / PACKAGES).glob(name)]
    return {path.name: path.read_bytes() for path in [*files, top / BINARY] if path.exists()}


def test_two_builds_are_the_same_bytes(tmp_path: Path) -> None:
    """The second one is made elsewhere, later, with another umask, time zone and language, and
    without a cache of the compiler's."""
    first = made_in(TOP)
    if len(first) < len(MADE) + 1:
        pytest.skip("not all is built: make deb rpm oci")
    source = next((TOP / PACKAGES).glob(MADE[0]))
    with tarfile.open(source) as archive:
        epoch = archive.getmembers()[0].mtime
        archive.extractall(tmp_path)
    there = tmp_path / source.name.removesuffix(".tar.gz")
    env = {name: value for name, value in os.environ.items()
           if not name.startswith(("MAKE", "MFLAGS"))}
    env |= {"SOURCE_DATE_EPOCH": str(epoch), "TZ": "Asia/Tokyo", "LC_ALL": "C.UTF-8",
            "CCACHE_DISABLE": "1"}
    done = subprocess.run(["sh", "-c", "umask 027; make deb rpm oci"], cwd=there, env=env,
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    second = made_in(there)
    assert {name for name in first if first[name] != second.get(name)} == set()
