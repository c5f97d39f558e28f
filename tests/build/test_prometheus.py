# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Alert rules and dashboard: each rule has its cases, and the metrics exist."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
RULES = TOP / "tools/prometheus/alerts.yml"
DASHBOARD = TOP / "tools/prometheus/dashboard.json"
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


def test_each_alert_has_a_case_that_fires_and_one_that_does_not() -> None:
    text = CASES.read_text()
    alerts = set(re.findall(r"alert: (\w+)", RULES.read_text()))
    for expected in (r"\n", r" \[\]\n"):
        cases = re.findall(r"alertname: (\w+)\n +eval_time: \w+\n +exp_alerts:" + expected, text)
        assert alerts and set(cases) == alerts


def check_metrics(used: set[str]) -> None:
    """Each metric is in the table of the model, and in the manual."""
    code = (TOP / "user/model/export_table.c").read_text()
    manual = (TOP / "user/tcpdwell.8").read_text()
    known = set(re.findall(r'"(tcpdwell_\w+)"', code))
    bare = {re.sub("_(bucket|count|sum)$", "", name) for name in used}
    assert len(bare) > 5
    assert {re.sub("_(total|info)$", "", name) for name in bare} <= known
    assert all(f"\n.It Li {name} Ta" in manual for name in bare)


def test_each_metric_of_rules_exists() -> None:
    expressions = re.findall(r"expr:(?: >-\n)?(.*(?:\n +[^a-z\s].*)*)", RULES.read_text())
    check_metrics({name for line in expressions for name in re.findall(r"tcpdwell_\w+", line)})


def test_dashboard() -> None:
    """This checks what needs no Prometheus; a live test puts the queries to one."""
    page = json.loads(DASHBOARD.read_text())
    panels = page["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    check_metrics(set(re.findall(r"tcpdwell_\w+(?=[{)\[ ,])", json.dumps(page))))
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken and at["x"] + at["w"] <= 24, panel["title"]
        taken |= cells
    # The choices of `by` are those of --by.
    choices = {item["name"]: item for item in page["templating"]["list"]}["by"]["query"].split(",")
    table = (TOP / "user/cli/option_table.c").read_text() + (
        TOP / "user/run/export_groups.c").read_text()
    assert all(f'"{name}' in table or f"|{name}" in table for name in choices)


def test_each_metric_is_documented() -> None:
    code = (TOP / "user/model/export_table.c").read_text()
    manual = (TOP / "user/tcpdwell.8").read_text()
    suffixes = {"EXPORT_COUNTER": "_total", "EXPORT_INFO": "_info"}
    defined = re.findall(r'{ "(tcpdwell_\w+)",\s*(EXPORT_\w+)', code)
    assert len(defined) > 20
    for name, kind in defined:
        assert f"\n.It Li {name}{suffixes.get(kind, '')} Ta" in manual, name
