# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Alert rules: what promtool says of them, and that each has a case and metrics that exist."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
RULES = TOP / "tools/prometheus/alerts.yml"
CASES = TOP / "tools/prometheus/alerts.test.yml"


def promtool(*arguments: str) -> None:
    if not (program := shutil.which("promtool")):
        pytest.skip("there is no promtool here")
    done = subprocess.run([program, *arguments], cwd=RULES.parent, capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0 and "FAILED" not in done.stdout, done.stdout + done.stderr


def test_rules() -> None:
    promtool("check", "rules", RULES.name)


def test_cases() -> None:
    promtool("test", "rules", CASES.name)


def test_each_alert_fires_in_a_case() -> None:
    alerts = re.findall(r"alert: (\w+)", RULES.read_text())
    fired = re.findall(r"alertname: (\w+)\n +eval_time: \w+\n +exp_alerts:\n", CASES.read_text())
    assert alerts and set(fired) == set(alerts)


def test_each_metric_exists() -> None:
    """In the table of the model, and in the manual."""
    code = (TOP / "user/model/export.c").read_text()
    manual = (TOP / "user/tcpdwell.8").read_text()
    known = set(re.findall(r'"(tcpdwell_\w+)"', code))
    expressions = re.findall(r"expr:(?: >-\n)?(.*(?:\n +[^a-z\s].*)*)", RULES.read_text())
    used = {name for line in expressions for name in re.findall(r"tcpdwell_\w+", line)}
    assert len(used) > 5 and {name.removesuffix("_total") for name in used} <= known
    assert all(f"\n.It Li {name} Ta" in manual for name in used)


def test_each_metric_is_documented() -> None:
    code = (TOP / "user/model/export.c").read_text()
    manual = (TOP / "user/tcpdwell.8").read_text()
    suffixes = {"EXPORT_COUNTER": "_total", "EXPORT_INFO": "_info"}
    defined = re.findall(r'{ "(tcpdwell_\w+)",\s*(EXPORT_\w+)', code)
    assert len(defined) > 20
    for name, kind in defined:
        assert f"\n.It Li {name}{suffixes.get(kind, '')} Ta" in manual, name
