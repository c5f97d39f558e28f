# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The results of the tests in a guest, from pytest's JUnit file or, if it was cut short, its log.
"""

from __future__ import annotations

import collections
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import NamedTuple


# Enough to tell failures apart; the log has all of it.
MESSAGE_CHARACTERS = 200


class Counts(NamedTuple):
    """Tests that passed, failed and were skipped; for failures and skips, (reason, names), the most
    frequent reason first."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    failures: tuple[tuple[str, list[str]], ...] = ()
    skips: tuple[tuple[str, list[str]], ...] = ()
    retried: tuple[tuple[str, str], ...] = ()  # passed at another try: name, why it had failed


class Case(NamedTuple):
    """What became of one test, and why."""

    what: str  # passed, failed or skipped
    reason: str = ""


def one_line(text: str | None) -> str:
    """The text with every run of white space replaced by one space."""
    return " ".join((text or "").split())


def read_cases(path: Path) -> dict[str, Case] | None:
    """What a JUnit file says about each test; None if there is none or it is cut short."""
    try:
        nodes = list(ElementTree.parse(path).getroot().iter("testcase"))
    except (OSError, ElementTree.ParseError):
        return None
    cases: dict[str, Case] = {}
    for node in nodes:
        name = f"{node.get('classname')}::{node.get('name')}"
        bad = [child for kind in ("failure", "error") for child in node.iter(kind)]
        skip = node.find("skipped")  # an expected failure, too
        why = bad[0] if bad else skip
        reason = "" if why is None else \
            one_line(why.get("message"))[:MESSAGE_CHARACTERS] or "no reason given"
        what = "failed" if bad else "passed" if skip is None else "skipped"
        # A test and its teardown have an entry each; the worse one counts.
        if name not in cases or what == "failed":
            cases[name] = Case(what, reason)
    return cases


def read_junit(path: Path, again: Path) -> Counts | None:
    """The counts of a JUnit file, and of another one from a second try of what failed."""
    cases = read_cases(path)
    if cases is None:
        return None
    retried = []
    for name, case in (read_cases(again) or {}).items():
        if case.what == "passed" and cases.get(name, case).what == "failed":
            retried.append((name, cases[name].reason))
        cases[name] = case
    found: dict[str, dict[str, list[str]]] = {"passed": {}, "failed": {}, "skipped": {}}
    for name, case in cases.items():
        found[case.what].setdefault(case.reason, []).append(name)
    number = {what: sum(map(len, reasons.values())) for what, reasons in found.items()}
    return Counts(number["passed"], number["failed"], number["skipped"],
                  by_number(found["failed"]), by_number(found["skipped"]), tuple(retried))


def by_number(found: dict[str, list[str]]) -> tuple[tuple[str, list[str]], ...]:
    """The reasons with their tests, the one with the most tests first."""
    return tuple(sorted(found.items(), key=lambda item: -len(item[1])))


def read_log(path: Path) -> tuple[Counts, str]:
    """The counts of a run of pytest -v that did not end, and the test that was running."""
    text = path.read_text(encoding="utf-8", errors="replace")
    words = collections.Counter(re.findall(
        r"\b(PASSED|FAILED|ERROR|SKIPPED)\b.*\[ *\d+%\]$", text, re.M))
    begun = re.findall(r"^(tests/\S+::.*?)(?: (?:PASSED|FAILED|ERROR|SKIPPED)\b.*)?$", text, re.M)
    return (Counts(words["PASSED"], words["FAILED"] + words["ERROR"], words["SKIPPED"]),
            begun[-1].strip() if begun else "")
