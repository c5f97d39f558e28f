# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The manual's table of features against the one in the program."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

USER = Path(__file__).resolve().parents[2] / "user"


class Feature(NamedTuple):
    name: str
    ways: tuple[str, ...]
    lost: str


def sentence(lost: str) -> str:
    return lost[0].upper() + lost[1:] + "."


def in_the_table() -> list[Feature]:
    """Reads user/kernel/feature.c. A part is told from a way by the PART_ that follows it."""
    source = (USER / "kernel/feature.c").read_text("utf-8")
    table = source.split("feature_table[FEATURE_COUNT] = {", 1)[1].split("\n};", 1)[0]
    found = []
    for row in re.split(r"\[FEATURE_\w+\] = {", table)[1:]:
        name, lost = re.match(r'\s*"(\w+)",\s*((?:"[^"]*"\s*)+),', row).groups()  # type: ignore
        ways = re.findall(r'{ "(\w+)"(?!,\s*PART_)', row)
        found.append(Feature(name, tuple(ways), sentence("".join(re.findall('"(.*?)"', lost)))))
    return found


def in_the_manual() -> list[Feature]:
    text = (USER / "tcpdwell.8").read_text("utf-8")
    section = text.split("\n.Ss Features\n", 1)[1].split("\n.El\n", 1)[0]
    return [Feature(name, tuple(ways.split(" , ")), " ".join(lost.split("\n")))
            for name, ways, lost in
            re.findall(r"^\.It Li (\w+) Pq Cm (.*)\n((?:[^.].*\n?)+)", section, re.MULTILINE)]


def test_the_manual_has_each_feature() -> None:
    """The manual has each feature's name, its ways, best first, and what is lost without it."""
    table, manual = in_the_table(), in_the_manual()
    assert len(table) > 20 and all(one.ways for one in table)
    assert [(one.name, one.ways) for one in manual] == [(one.name, one.ways) for one in table]
    for documented, one in zip(manual, table):
        assert documented.lost.rstrip() == one.lost, one.name
