#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""tally.py RESULT...: sums test results into one line, `N passed, N failed, N skipped`.

A RESULT is a JUnit file, a directory of them, or a log (*.log) whose last line is such a sum.  One
that should be there and is not counts as a failure, because the program that writes it must have
died.  Beside NAME.xml, NAME.again.xml holds another try of what failed in it, alone on the
machine: what passes there passes, and is named.  Exits 1 if anything failed.
"""

import re
import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path


def outcome(case: ElementTree.Element) -> str:
    """What became of one test case."""
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    return "skipped" if case.find("skipped") is not None else "passed"


def read_cases(file: Path) -> dict[tuple[str, str], str]:
    """The outcome of each case in a JUnit file; for a test and its teardown, the worse one."""
    cases: dict[tuple[str, str], str] = {}
    for case in ElementTree.parse(file).iter("testcase"):
        name = case.get("classname", ""), case.get("name", "")
        if cases.get(name) != "failed":
            cases[name] = outcome(case)
    return cases


def read_tries(file: Path) -> dict[tuple[str, str], str]:
    """The outcome of each case in a JUnit file, or of its last try if there were several."""
    cases = read_cases(file)
    again = file.with_suffix(".again.xml")
    for name, what in (read_tries(again) if again.exists() else {}).items():
        if cases.get(name) == "failed" and what == "passed":
            print(f"passed at another try: {'.'.join(name)}")
        cases[name] = what
    return cases


def read_junit(file: Path) -> Counter[str]:
    """The outcomes in a JUnit file."""
    return Counter(read_tries(file).values())


def read_log(file: Path) -> Counter[str]:
    """The outcomes that the last line of a log adds up."""
    last = file.read_text(errors="replace").rstrip("\n").rpartition("\n")[2]
    if not re.fullmatch(r"\d+ passed, \d+ failed, \d+ skipped", last):
        raise ValueError("it ends before its closing line")
    return Counter({what: int(number) for number, what in re.findall(r"(\d+) (\w+)", last)})


def tally(result: Path) -> Counter[str]:
    """The outcomes in one result."""
    files = sorted(result.glob("*.xml")) if result.is_dir() else [result]
    files = [file for file in files if not file.name.endswith(".again.xml")]
    counts: Counter[str] = Counter()
    for file in files:
        try:
            counts += read_log(file) if file.suffix == ".log" else read_junit(file)
        except (OSError, ValueError, ElementTree.ParseError) as error:
            print(f"no result: {file}: {error}", file=sys.stderr)
            counts["failed"] += 1
    if not counts:
        print(f"no result: {result}: not one test", file=sys.stderr)
        counts["failed"] += 1
    return counts


def main() -> int:
    total: Counter[str] = Counter()
    for result in sys.argv[1:]:
        total += tally(Path(result))
    sys.stderr.flush()
    print(f"{total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped")
    return 1 if total["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
