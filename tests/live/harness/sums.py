# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A running `tcpdwell stat -o json`, its reports and its account."""

from __future__ import annotations

import json
from typing import Any

from . import place
from .plain import Running
from .tracer import missed_at_most

Group = dict[str, Any]


OPENING = ("HANDSHAKE", "ACCEPT")


class Sums:
    """Is ready when the constructor returns; stop() ends it and checks what holds for every run."""

    def __init__(self, *arguments: str) -> None:
        self.running = Running("stat", "-o", "json", *place.backend(), *arguments)
        self.reports: list[dict[str, Any]] = []
        self.summary: dict[str, Any] = {}

    def stop(self) -> Sums:
        """Ends it as Ctrl-C does."""
        self.running.finish()
        return self.ended()

    def ended(self) -> Sums:
        """Checks a run that has ended."""
        lines = [json.loads(line.text) for line in self.running.lines()]
        self.running.__exit__()
        *self.reports, self.summary = lines
        assert self.summary["type"] == "summary" and self.reports
        assert {report["type"] for report in self.reports} == {"stat"}
        self._check()
        return self

    def _check(self) -> None:
        summary = self.summary
        assert summary["seen"] == (summary["counted"] + summary["undated"] + summary["filtered"]
                                   + sum(summary["lost"].values())), summary
        assert summary["missed"] <= missed_at_most(summary["seen"]), summary
        for report in self.reports:
            groups = report["groups"]
            # Handshakes are counted in the states that they left, too.
            assert report["counted"] == sum(g["count"] + g["at_least"] for g in groups
                                            if g["state"] != "HANDSHAKE")
            for group in groups:
                assert group["count"] == sum(b["count"] for b in group["buckets"]), group
                check_figures(group)

    def groups(self) -> list[Group]:
        """The groups of states in the only report."""
        return [group for group in self.all_groups() if group["state"] not in OPENING]

    def all_groups(self) -> list[Group]:
        """All groups in the only report, including those of handshakes and accept()."""
        assert len(self.reports) == 1
        return self.reports[0]["groups"]

    def close(self) -> None:
        self.running.__exit__()


def check_figures(group: Group) -> None:
    """Percentiles are in their buckets, and in order."""
    figures = [group[f"{name}_ns"] for name in ("p50", "p90", "p99", "max")]
    if not group["count"]:
        assert figures == [None] * 4 and not group["buckets"], group
        return
    assert figures == sorted(figures), group
    last = group["buckets"][-1]
    assert last["from_ns"] <= figures[-1] < last["to_ns"], group
