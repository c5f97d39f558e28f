# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the tests in a guest came to, from pytest's JUnit file or, if it was cut short, its log."""

from __future__ import annotations

import collections
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import NamedTuple


# Enough to tell failures apart; the log has all of it.
MESSAGE_CHARACTERS = 200


class Counts(NamedTuple):
    """Tests that passed, failed and were skipped; (reason, names) of both, the commonest first."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    failures: tuple[tuple[str, list[str]], ...] = ()
    skips: tuple[tuple[str, list[str]], ...] = ()


def one_line(text: str | None) -> str:
    """text with every run of white space made one space."""
    return " ".join((text or "").split())


def read_junit(path: Path) -> Counts | None:
    """The counts of a JUnit file; None if there is none or it is cut short."""
    try:
        cases = list(ElementTree.parse(path).getroot().iter("testcase"))
    except (OSError, ElementTree.ParseError):
        return None
    failures: dict[str, list[str]] = {}
    skips: dict[str, list[str]] = {}
    for case in cases:
        bad = [node for kind in ("failure", "error") for node in case.iter(kind)]
        skip = case.find("skipped")  # an expected failure, too
        found, node = (failures, bad[0]) if bad else (skips, skip)
        if node is not None:
            reason = one_line(node.get("message"))[:MESSAGE_CHARACTERS] or "no reason given"
            found.setdefault(reason, []).append(f"{case.get('classname')}::{case.get('name')}")
    failed, skipped = (sum(map(len, found.values())) for found in (failures, skips))
    return Counts(len(cases) - failed - skipped, failed, skipped, by_number(failures),
                  by_number(skips))


def by_number(found: dict[str, list[str]]) -> tuple[tuple[str, list[str]], ...]:
    """The reasons with their tests, the one with the most tests first."""
    return tuple(sorted(found.items(), key=lambda item: -len(item[1])))


def read_log(path: Path) -> tuple[Counts, str]:
    """The counts of a run of pytest -v that did not end, and the test that it was in."""
    text = path.read_text(encoding="utf-8", errors="replace")
    words = collections.Counter(re.findall(
        r"\b(PASSED|FAILED|ERROR|SKIPPED)\b.*\[ *\d+%\]$", text, re.M))
    begun = re.findall(r"^(tests/\S+::.*?)(?: (?:PASSED|FAILED|ERROR|SKIPPED)\b.*)?$", text, re.M)
    return (Counts(words["PASSED"], words["FAILED"] + words["ERROR"], words["SKIPPED"]),
            begun[-1].strip() if begun else "")
