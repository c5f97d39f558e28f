# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The closing line: every test counts once, and a program that dies counts as a failure."""

from __future__ import annotations

import subprocess
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
MIXED = """<testsuites><testsuite>
<testcase name="good"/>
<testcase name="bad"><failure>1 != 2</failure></testcase>
<testcase name="broken"><error/></testcase>
<testcase name="absent"><skipped/></testcase>
</testsuite></testsuites>"""


def tally(*results: Path) -> tuple[int, str]:
    """Returns the exit status and the last line."""
    command = [TOP / "tools/tally.py", *results]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.splitlines()[-1]


def run_programs(results: Path, *programs: Path) -> tuple[int, str]:
    """Returns what the tally says about programs that tests/unit/run.py ran."""
    subprocess.run([TOP / "tests/unit/run.py", results, *programs], check=True)
    return tally(results)


def script(path: Path, body: str) -> Path:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def report(name: str, body: str) -> str:
    """Returns a shell script that does what a cmocka program does at the end of a group."""
    suite = f"<testsuites><testsuite>{body}</testsuite></testsuites>"
    return f"""echo '{suite}' >"$(echo "$CMOCKA_XML_FILE" | sed s/%g/{name}/)" """


def test_files_directories_and_logs_are_summed(tmp_path: Path) -> None:
    folder, log = tmp_path / "unit", tmp_path / "vm.log"
    folder.mkdir()
    (folder / "a.xml").write_text(MIXED)
    (tmp_path / "b.xml").write_text(MIXED)
    log.write_text("5.10: booted\n3 passed, 1 failed, 2 skipped\n")
    assert tally(folder, tmp_path / "b.xml", log) == (1, "5 passed, 5 failed, 4 skipped")


def test_all_well_exits_0(tmp_path: Path) -> None:
    log = tmp_path / "vm.log"
    log.write_text("3 passed, 0 failed, 2 skipped\n")
    assert tally(log) == (0, "3 passed, 0 failed, 2 skipped")


def test_second_try_counts_instead_of_the_first(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(MIXED)
    (tmp_path / "a.again.xml").write_text(
        '<testsuite><testcase name="bad"/><testcase name="broken"><error/></testcase></testsuite>')
    assert tally(tmp_path / "a.xml") == (1, "2 passed, 1 failed, 1 skipped")
    assert tally(tmp_path) == (1, "2 passed, 1 failed, 1 skipped")


def test_what_is_missing_cut_short_or_empty_fails(tmp_path: Path) -> None:
    (tmp_path / "cut.xml").write_text(MIXED[:60])
    (tmp_path / "none.xml").write_text("<testsuites/>")
    (tmp_path / "cut.log").write_text("3 passed, 0 failed, 2 skipped\nkilled\n")
    for name in ["absent.xml", "cut.xml", "none.xml", "cut.log"]:
        assert tally(tmp_path / name) == (1, "0 passed, 1 failed, 0 skipped"), name


def test_program_that_passes(tmp_path: Path) -> None:
    good = script(tmp_path / "test_good", report("g", '<testcase name="a"/>'))
    assert run_programs(tmp_path / "results", good) == (0, "1 passed, 0 failed, 0 skipped")


def test_program_that_dies_after_its_first_group(tmp_path: Path) -> None:
    body = report("g", '<testcase name="a"/>') + "\nprintf 'ERROR: \\033 <heap>' >&2; kill -ABRT $$"
    dying = script(tmp_path / "test_dying", body)
    assert run_programs(tmp_path / "results", dying) == (1, "1 passed, 1 failed, 0 skipped")


def test_program_that_says_nothing(tmp_path: Path) -> None:
    mute = script(tmp_path / "test_mute", "exit 0")
    assert run_programs(tmp_path / "results", mute) == (1, "0 passed, 1 failed, 0 skipped")


def test_results_of_an_earlier_run_do_not_count(tmp_path: Path) -> None:
    results = tmp_path / "results"
    good = script(tmp_path / "test_good", report("g", '<testcase name="a"/>'))
    run_programs(results, script(tmp_path / "test_mute", "exit 0"))
    assert run_programs(results, good) == (0, "1 passed, 0 failed, 0 skipped")
