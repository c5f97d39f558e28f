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
    """Tests that passed, failed and were skipped; names of the failed; reasons of the skipped."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    failures: tuple[str, ...] = ()
    reasons: tuple[tuple[str, int], ...] = ()


def one_line(text: str | None) -> str:
    """text with every run of white space made one space."""
    return " ".join((text or "").split())


def read_junit(path: Path) -> Counts | None:
    """The counts of a JUnit file; None if there is none or it is cut short."""
    try:
        cases = list(ElementTree.parse(path).getroot().iter("testcase"))
    except (OSError, ElementTree.ParseError):
        return None
    failures: list[str] = []
    reasons: collections.Counter[str] = collections.Counter()
    for case in cases:
        bad = [node for kind in ("failure", "error") for node in case.iter(kind)]
        skip = case.find("skipped")
        if bad:
            reason = one_line(bad[0].get("message"))[:MESSAGE_CHARACTERS]
            failures.append(f"{case.get('classname')}::{case.get('name')}: {reason}")
        elif skip is not None:
            # An expected failure is a skip, too, in JUnit's terms.
            reasons[one_line(skip.get("message")) or "no reason given"] += 1
    skipped = sum(reasons.values())
    # A test whose teardown fails after it failed has two cases' worth of trouble but one name.
    failed = len(failures)
    return Counts(len(cases) - failed - skipped, failed, skipped, tuple(failures),
                  tuple(reasons.most_common()))


def read_log(path: Path) -> tuple[Counts, str]:
    """The counts of a run of pytest -v that did not end, and the test that it was in."""
    text = path.read_text(encoding="utf-8", errors="replace")
    words = collections.Counter(re.findall(
        r"\b(PASSED|FAILED|ERROR|SKIPPED)\b.*\[ *\d+%\]$", text, re.M))
    begun = re.findall(r"^(tests/\S+::.*?)(?: (?:PASSED|FAILED|ERROR|SKIPPED)\b.*)?$", text, re.M)
    return (Counts(words["PASSED"], words["FAILED"] + words["ERROR"], words["SKIPPED"]),
            begun[-1].strip() if begun else "")
