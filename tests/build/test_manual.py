# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The manual page against the help of the binary that it describes, and its installation."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
BINARY, MANUAL = TOP / "build/tcpdwell", TOP / "user/tcpdwell.8"


def help_of(*command: str) -> str:
    done = subprocess.run([BINARY, *command, "-h"], capture_output=True, text=True, check=True)
    return done.stdout


def commands() -> list[str]:
    listed = help_of().split("\nCommands\n", 1)[1].split("  Without one", 1)[0]
    return re.findall(r"^  ([a-z]+)", listed, re.MULTILINE)


def options(text: str) -> set[tuple[str | None, str]]:
    """Letter, if any, and long name of each option in a help text."""
    found = re.findall(r"^ +(?:-(.), )?--([a-z0-9-]+)", text, re.MULTILINE)
    return {(letter or None, name) for letter, name in found}


def documented() -> set[tuple[str | None, str]]:
    """What the manual has an item for: `.It Fl p , Fl -pid …` or `.It Fl -comm …`."""
    found = re.findall(r"^\.It (?:Fl (\w) , )?Fl -([a-z0-9-]+)", MANUAL.read_text(), re.MULTILINE)
    return {(letter or None, name) for letter, name in found}


def test_every_command_is_documented() -> None:
    items = re.findall(r"^\.It Cm ([a-z]+)$", MANUAL.read_text(), re.MULTILINE)
    assert [c for c in commands() if c not in items] == []


@pytest.mark.parametrize("command", ["", *commands()] if BINARY.exists() else [])
def test_every_option_is_documented(command: str) -> None:
    known = options(help_of(*command.split()))
    assert (None, "version") in known
    assert known - documented() == set()


def test_no_option_is_documented_that_is_none() -> None:
    known = {option for command in commands() for option in options(help_of(command))}
    assert documented() - known == set()


def test_every_json_field_is_documented() -> None:
    """CSV has the same."""
    source = (TOP / "user/view/fields.c").read_text()
    names = re.search(r"names\[FIELD_MAX\] = {([^}]*)}", source)
    assert names
    fields = re.findall(r'"(\w+)"', names[1])
    table = MANUAL.read_text().split(".Ss JSON lines", 1)[1].split(".Ss CSV", 1)[0]
    assert fields == re.findall(r"^\.It Li (\w+) Ta ", table, re.MULTILINE)


def test_every_json_field_of_lives_is_documented() -> None:
    source = (TOP / "user/view/life_fields.c").read_text()
    names = re.search(r"names\[FIELD_MAX\] = {(.*?)};", source, re.DOTALL)
    assert names
    table = section("LIFE").split(".Ss JSON of life", 1)[1]
    assert re.findall(r'"(\w+)"', names[1]) == re.findall(r"^\.It Li (\w+) Ta", table, re.MULTILINE)


@pytest.mark.parametrize(("source", "where"), [
    ("socket_fields.c", "Sockets"), ("totals_report.c", "Totals"),
])
def test_every_field_of_rows_is_documented(source: str, where: str) -> None:
    """Those of JSON and CSV, in their order."""
    code = (TOP / "user/view" / source).read_text()
    names = re.search(r"names\[FIELD_MAX\] = {([^}]*)}", code)
    assert names
    text = re.split(r"\n\.S[sh] ", MANUAL.read_text().split(f".Ss {where}\n", 1)[1])[0]
    table = text.split(".It Em Field", 1)[1]
    assert re.findall(r'"(\w+)"', names[1]) == re.findall(r"^\.It Li (\w+) Ta", table, re.MULTILINE)


def section(name: str) -> str:
    return MANUAL.read_text().split(f".Sh {name}\n", 1)[1].split("\n.Sh ", 1)[0]


@pytest.mark.parametrize(("source", "where"), [
    ("leaks_report.c", "LEAKS"), ("stacks_report.c", "LEAKS"), ("snapshot_report.c", "SNAPSHOT"),
    ("finding.c", "DIAGNOSE"), ("stat_json.c", "STAT"), ("timewait_json.c", "TIMEWAIT"),
    ("hist_json.c", "TIMEWAIT"),
])
def test_every_json_field_of_reports_is_documented(source: str, where: str) -> None:
    """What they have of the account is described there."""
    code = (TOP / "user/view" / source).read_text()
    names = set(re.findall(r'\\"(\w+)\\":', code)) | set(
        re.findall(r'(?:json_\w+|print_addr)\(out, "(\w+)"', code))
    text = section(where) + section("ACCOUNTING")
    lines = re.findall(r"^\.(?:It )?(?:Li|Pq|Po) (.*)$", text, re.MULTILINE)
    told = {word for line in lines for word in re.findall(r"\w+", line)}
    assert len(names) > 3 and names - told - {"type"} == set()


@pytest.mark.parametrize(("table", "where"), [
    (r"reasons\[TCPDWELL_REASON_MAX\] = {(.*?)};", "Reasons"),
    (r"owner_name.*?TCPDWELL_OWNER_MAX\] = {(.*?)};", "Owner"),
])
def test_every_reason_and_owner_is_documented(table: str, where: str) -> None:
    """In the order of the code, a reason with its short name if it has one."""
    names = re.search(table, (TOP / "user/base/tcpstate.c").read_text(), re.DOTALL)
    assert names
    known = re.findall(r'= (?:{ )?"(\w+)"(?:, "(\w+)")?', names[1])
    text = re.split(r"\n\.S[sh] ", MANUAL.read_text().split(f".Ss {where}\n", 1)[1])[0]
    told = re.findall(r"^\.It Li (\w+)(?: Pq Li (\w+))?$", text, re.MULTILINE)
    assert told == [(name, short if short != name else "") for name, short in known]


def test_manual_is_clean() -> None:
    done = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "warning", MANUAL],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout + done.stderr == ""


def test_explanations_are_a_clean_page() -> None:
    page = "build/tcpdwell-explain.7"
    subprocess.run(["make", "-s", page], cwd=TOP, check=True)
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", TOP / page],
                          capture_output=True, text=True, check=False)
    assert done.stdout + done.stderr == ""


def test_installation_brings_it(tmp_path: Path) -> None:
    subprocess.run(
        ["make", "-s", "install", f"DESTDIR={tmp_path}", "PREFIX=/usr"],
        cwd=TOP,
        capture_output=True,
        check=True,
    )
    installed = {str(f.relative_to(tmp_path)) for f in tmp_path.rglob("*") if f.is_file()}
    assert installed == {
        "usr/sbin/tcpdwell",
        "usr/share/man/man8/tcpdwell.8",
        "usr/share/man/man7/tcpdwell-explain.7",
        "usr/share/bash-completion/completions/tcpdwell",
        "usr/share/zsh/site-functions/_tcpdwell",
        "usr/share/fish/vendor_completions.d/tcpdwell.fish",
        "usr/lib/systemd/system/tcpdwell-export.service",
        "usr/share/tcpdwell/prometheus/alerts.yml",
        "usr/share/tcpdwell/prometheus/dashboard.json",
        "usr/lib/systemd/system/tcpdwell.service",
    }
