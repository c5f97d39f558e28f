#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""run.py RESULTS PROGRAM...: runs cmocka programs and leaves JUnit XML in the directory RESULTS.

cmocka writes its XML when a group ends. If a program dies before that, for example by a sanitizer,
this writes a result for it, so that it counts. The exit status is 0 whatever the tests say:
tools/tally.py judges.
"""

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

# The slowest program takes a second; one that takes a hundred times as long hangs.
TIMEOUT_S = 100


def failures(files: list[Path]) -> tuple[int, list[str]]:
    """Returns how many test cases some result files have, and what each failed case says."""
    cases = [case for file in files for case in ElementTree.parse(file).iter("testcase")]
    said = []
    for case in cases:
        for problem in case.findall("failure") + case.findall("error"):
            said.append(f"{case.get('name')}: {(problem.text or '').strip()}")
    return len(cases), said


def run(program: Path, results: Path) -> None:
    """Runs one program, prints its line and, if it fails, why."""
    env = dict(
        os.environ,
        CMOCKA_MESSAGE_OUTPUT="xml",
        CMOCKA_XML_FILE=str(results / f"{program.name}.%g.xml"),
        UBSAN_OPTIONS="print_stacktrace=1",
    )
    try:
        done = subprocess.run(
            [program.absolute()],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=TIMEOUT_S,
            check=False,
        )
        status, output = done.returncode, done.stdout
    except subprocess.TimeoutExpired:
        status, output = -1, f"still running after {TIMEOUT_S} s"
    count, said = failures(sorted(results.glob(f"{program.name}.*.xml")))
    if (status != 0 or count == 0) and not said:
        said = [f"exit status {status}\n{output}"]
        # XML has no way to write most control bytes, nor does it need them here.
        text = "".join(c for c in said[0] if c.isprintable() or c in "\n\t")
        (results / f"{program.name}.died.xml").write_text(
            f"<testsuites><testsuite><testcase name={quoteattr(program.name)}>"
            f"<error>{escape(text)}</error></testcase></testsuite></testsuites>\n"
        )
    verdict = f"{len(said)} FAILED" if said else f"{count} cases"
    print(f"  TEST    {program.name:<24} {verdict}", flush=True)
    for text in said:
        print("    " + text.replace("\n", "\n    "))


def main() -> int:
    results = Path(sys.argv[1])
    results.mkdir(parents=True, exist_ok=True)
    for old in results.glob("*.xml"):
        old.unlink()
    for program in sys.argv[2:]:
        run(Path(program), results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
