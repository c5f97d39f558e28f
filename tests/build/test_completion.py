# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The completion for bash, against the help of the binary that it reads."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
SCRIPT, BINARY = TOP / "tools/completion/tcpdwell.bash", TOP / "build/tcpdwell"
# $1 is the script, the rest the words up to the cursor.
DRIVER = """
. "$1"; shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_tcpdwell
printf '%s\\n' "${COMPREPLY[@]}"
"""
COMMANDS = [
    "trace", "life", "timewait", "stat", "leaks", "diagnose", "export", "snapshot", "probe",
    "explain",
]
STATES = (
    "LISTEN SYN_SENT SYN_RECV ESTABLISHED FIN_WAIT1 FIN_WAIT2 CLOSE_WAIT CLOSING LAST_ACK "
    "TIME_WAIT CLOSE"
).split()


def complete(*words: str) -> list[str]:
    """What bash offers when the last of the words is being typed."""
    done = subprocess.run(
        ["bash", "--norc", "-c", DRIVER, "bash", SCRIPT, BINARY, *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


def test_commands() -> None:
    assert complete("") == COMMANDS
    assert complete("-L", "80", "p") == ["probe"]
    assert complete("trace", "") == []


@pytest.mark.parametrize("command", COMMANDS)
def test_options_are_those_of_the_help(command: str) -> None:
    done = subprocess.run([BINARY, command, "-h"], capture_output=True, text=True, check=True)
    known = re.findall(r"^ +(?:-., )?(--[a-z0-9-]+)", done.stdout, re.MULTILINE)
    assert "--help" in known
    assert complete(command, "--") == known


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["-o", ""], ["table", "json", "csv"]),
        (["probe", "-o", ""], ["table", "json"]),
        (["--output", "=", "c"], ["csv"]),
        (["--output", "="], ["table", "json", "csv"]),
        (["--backend", ""], ["auto", "fentry", "kprobe", "timer", "none"]),
        (["stat", "--by", "p"], ["process", "port", "prefix"]),
        (["-s", ""], STATES),
        (["--to", "LISTEN,FIN"], ["LISTEN,FIN_WAIT1", "LISTEN,FIN_WAIT2"]),
        (["--reason", "fin,reset"], ["fin,reset_received", "fin,reset_sent"]),
        (["--uid", "roo"], ["root"]),
        (["--cgroup", "/pro"], ["/proc"]),
        (["-p", "1"], None),
        (["-L", ""], []),
        (["-T", "pr"], ["probe"]),
        (["explain", "FIN"], ["FIN_WAIT1", "FIN_WAIT2"]),
        (["--", "bas"], None),
    ],
)
def test_values(words: list[str], offered: list[str] | None) -> None:
    found = complete(*words)
    if offered is None:  # what there is depends on the host, but it has some
        assert found and all(f.startswith(words[-1]) for f in found)
    else:
        assert found == offered


def test_script_is_clean() -> None:
    done = subprocess.run(
        ["shellcheck", "-s", "bash", SCRIPT], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
