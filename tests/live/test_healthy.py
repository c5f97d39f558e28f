# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`diagnose` is silent on hosts that are well; tests/live/healthy.py has five minutes for each."""

from __future__ import annotations

import shutil

import pytest

from harness import healthy

LOOK_S = 12


@pytest.mark.parametrize("name", healthy.SCENES)
def test_nothing_is_wrong(name: str) -> None:
    if name == "nginx" and not (shutil.which("nginx") and shutil.which("curl")):
        pytest.skip("no nginx, or no curl")
    done = healthy.diagnose(name, LOOK_S)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("nothing wrong among ")
    sockets = int(done.stdout.split()[3])
    assert sockets > 200 or name in ("full_speed", "nginx"), done.stdout
