# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The manual page against the help of the binary that it describes, and its installation."""

from __future__ import annotations

import os
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
    """Returns the letter, if any, and the long name of each option in a help text."""
    found = re.findall(r"^ +(?:-(.), )?--([a-z0-9-]+)", text, re.MULTILINE)
    return {(letter or None, name) for letter, name in found}


def documented() -> set[tuple[str | None, str]]:
    """Returns the options that have an item: `.It Fl p , Fl -pid …` or `.It Fl -comm …`."""
    found = re.findall(r"^\.It (?:Fl (\w) , )?Fl -([a-z0-9-]+)", MANUAL.read_text(), re.MULTILINE)
    return {(letter or None, name) for letter, name in found}


def test_every_command_is_documented() -> None:
    items = re.findall(r"^\.It Cm ([a-z]+)$", MANUAL.read_text(), re.MULTILINE)
    assert [c for c in commands() if c not in items] == []


def test_every_command_is_in_the_synopsis() -> None:
    synopsis = MANUAL.read_text().split(".Sh SYNOPSIS\n", 1)[1].split(".Sh ", 1)[0]
    listed = re.findall(r"Cm ([a-z]+)\n((?:\.Op .*\n)*)", synopsis)
    assert [command for command, _ in listed] == commands()
    for command, ways in listed:
        takes_program = "-- PROGRAM" in help_of(command).split("\n", 1)[0]
        assert (".Op Fl - Ar program" in ways) == takes_program, command


@pytest.mark.parametrize("command", ["", *commands()] if BINARY.exists() else [])
def test_every_option_is_documented(command: str) -> None:
    known = options(help_of(*command.split()))
    assert (None, "version") in known
    assert known - documented() == set()


def test_no_option_is_documented_that_is_none() -> None:
    known = {option for command in commands() for option in options(help_of(command))}
    assert documented() - known == set()


def fields_of(source: str) -> list[str]:
    """Returns the names that the compiler makes of the list in @source (user/view/fields.h)."""
    compiler = [os.environ.get("CC", "cc"), "-E", "-P", "-D_GNU_SOURCE"]
    places = [f"-I{TOP}/user", f"-I{TOP}/include", TOP / "user/view" / source]
    done = subprocess.run([*compiler, *places], capture_output=True, text=True, check=True)
    table = re.search(r"static const struct field \w+\[\] = {(.*?)\n?};", done.stdout, re.DOTALL)
    assert table
    return re.findall(r'\.name = "(\w+)"', table[1])


@pytest.mark.parametrize(("source", "where"), [
    ("transition_fields.c", ".Ss JSON lines\n"), ("life_fields.c", ".Ss JSON of life\n"),
    ("socket_fields.c", ".Ss Sockets\n"), ("totals_fields.c", ".Ss Totals\n"),
])
def test_every_field_of_rows_is_documented(source: str, where: str) -> None:
    """The manual has the fields of JSON and CSV, in their order."""
    text = re.split(r"\n\.S[sh] ", MANUAL.read_text().split(where, 1)[1])[0]
    table = text.split(".It Em Field", 1)[-1]
    documented_fields = re.findall(r"^\.It Li (\w+) Ta", table, re.MULTILINE)
    assert documented_fields and fields_of(source) == documented_fields


def section(name: str) -> str:
    return MANUAL.read_text().split(f".Sh {name}\n", 1)[1].split("\n.Sh ", 1)[0]


@pytest.mark.parametrize(("source", "where"), [
    ("leaks_json.c", "LEAKS"), ("stacks_report.c", "LEAKS"), ("snapshot_report.c", "SNAPSHOT"),
    ("finding.c", "DIAGNOSE"), ("stat_json.c", "STAT"), ("timewait_json.c", "TIMEWAIT"),
    ("hist_json.c", "TIMEWAIT"),
])
def test_every_json_field_of_reports_is_documented(source: str, where: str) -> None:
    """The manual has the fields of reports; those of the account are described with the account."""
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
    """The manual has them in the order of the code, a reason with its short name if it has one."""
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
        "usr/lib/systemd/system/tcpdwell-export.socket",
        "usr/share/tcpdwell/prometheus/alerts.yml",
        "usr/share/tcpdwell/prometheus/dashboard.json",
        "usr/lib/systemd/system/tcpdwell-record.service",
    }
