# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The completion for bash, zsh and fish, against the help of the binary that they ask."""

from __future__ import annotations

import os
import pty
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Callable

import pytest

TOP = Path(__file__).resolve().parents[2]
SCRIPTS, BINARY = TOP / "tools/completion", TOP / "build/tcpdwell"
COMMANDS = [
    "trace", "life", "timewait", "stat", "leaks", "diagnose", "export", "snapshot", "probe",
    "explain",
]
STATES = (
    "LISTEN SYN_SENT SYN_RECV ESTABLISHED FIN_WAIT1 FIN_WAIT2 CLOSE_WAIT CLOSING LAST_ACK "
    "TIME_WAIT CLOSE"
).split()
# The time for a shell that completes once, and for one that first reads a file of its own.
LIMIT_S = 60.0

Complete = Callable[..., "list[str]"]

# $1 is the script, and the rest are the words up to the cursor.
BASH = """
. "$1"; shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_tcpdwell
printf '%s\\n' "${COMPREPLY[@]}"
"""


def bash(_: Path, *words: str) -> list[str]:
    """Returns what bash offers when the last of the words is being typed."""
    # bash makes three words of --name=value.
    split = [part for word in words
             for part in (re.split("(=)", word) if word.startswith("--") else [word])]
    if len(split) > len(words) and not split[-1]:
        split.pop()
    done = subprocess.run(
        ["bash", "--norc", "-c", BASH, "bash", SCRIPTS / "tcpdwell.bash", BINARY, *split],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


def fish(tmp_path: Path, *words: str) -> list[str]:
    """Returns what fish prints, without descriptions."""
    line = " ".join(("tcpdwell", *words))
    done = subprocess.run(
        ["fish", "--no-config", "-c", "source $argv[1]; complete -C $argv[2]",
         SCRIPTS / "tcpdwell.fish", line],
        env={**os.environ, "PATH": f"{BINARY.parent}:{os.environ['PATH']}", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return [offered.split("\t")[0] for offered in done.stdout.splitlines()]


# zsh completes only a line that is being edited, so this edits one. What the completion adds goes
# to a file; what it only tries does not.
ZSHRC = r"""
fpath=(%(folder)s $fpath)
autoload -Uz compinit && compinit -u -D
compadd() {
	local -a hits
	if [[ ${(j: :)@[1,(i)(-|--)]} == *-[a-zA-Z]#[OAD]\ * ]]; then
		builtin compadd "$@"
		return
	fi
	builtin compadd -O hits "$@"
	((!$#hits)) || print -rl -- $IPREFIX${^hits} >>%(folder)s/offered
	builtin compadd "$@"
}
offer() { zle list-choices; print >%(folder)s/done }
setopt extended_glob
zle -N offer
bindkey '^I' offer
PS1='ready'
"""


def zsh(tmp_path: Path, *words: str) -> list[str]:
    """Returns what zsh adds to the list, on a terminal."""
    for name in ("done", "offered"):
        (tmp_path / name).unlink(missing_ok=True)
    (tmp_path / "_tcpdwell").write_text((SCRIPTS / "tcpdwell.zsh").read_text())
    (tmp_path / ".zshrc").write_text(ZSHRC % {"folder": tmp_path})
    terminal, inner = pty.openpty()
    env = {**os.environ, "PATH": f"{BINARY.parent}:{os.environ['PATH']}", "ZDOTDIR": str(tmp_path),
           "TERM": "dumb"}
    with subprocess.Popen(["zsh", "-d", "-i"], stdin=inner, stdout=inner, stderr=inner, env=env,
                          start_new_session=True) as shell:
        os.close(inner)
        try:
            type_into(terminal, " ".join(("tcpdwell", *words)) + "\t", tmp_path / "done")
        finally:
            shell.kill()
            os.close(terminal)
    offered = tmp_path / "offered"
    return offered.read_text().split() if offered.exists() else []


def type_into(terminal: int, keys: str, done: Path) -> None:
    """Types at the prompt, and reads what is printed until the file is there."""
    said = b""
    os.set_blocking(terminal, False)
    end = time.monotonic() + LIMIT_S
    typed = False
    while not done.exists():
        assert time.monotonic() < end, said
        try:
            said += os.read(terminal, 65536)
        except BlockingIOError:
            time.sleep(0.01)
        if not typed and b"ready" in said:
            os.write(terminal, keys.encode())
            typed = True


SHELLS = {"bash": bash, "zsh": zsh, "fish": fish}


@pytest.fixture(name="complete", params=SHELLS)
def fixture_complete(request: pytest.FixtureRequest, tmp_path: Path) -> Complete:
    """Yields a function that returns what a shell offers for the last word, sorted."""
    if not shutil.which(request.param):
        pytest.skip(f"there is no {request.param} here")
    return lambda *words: sorted(SHELLS[request.param](tmp_path, *words))


def test_commands(complete: Complete) -> None:
    assert complete("") == sorted(COMMANDS)
    assert complete("-L", "80", "p") == ["probe"]
    assert complete("trace", "") == []


@pytest.mark.parametrize("command", COMMANDS)
def test_options_are_those_of_the_help(complete: Complete, command: str) -> None:
    done = subprocess.run([BINARY, command, "-h"], capture_output=True, text=True, check=True)
    known = re.findall(r"^  (?:    |-., )(--[a-z0-9-]+)", done.stdout, re.MULTILINE)
    assert "--help" in known
    assert complete(command, "--") == sorted(known)


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["-o", ""], ["table", "json", "csv"]),
        (["probe", "-o", ""], ["table", "json"]),
        (["--output=c"], ["csv"]),
        (["--output="], ["table", "json", "csv"]),
        (["--backend", ""], ["auto", "fentry", "kprobe", "timer", "none"]),
        (["stat", "--by", "p"], ["process", "port", "prefix", "pod"]),
        (["-s", ""], STATES),
        (["leaks", "-s", ""], STATES),
        (["export", "--by", "co"], ["comm", "container"]),
        (["--to", "LISTEN,FIN"], ["LISTEN,FIN_WAIT1", "LISTEN,FIN_WAIT2"]),
        (["--reason", "fin,reset"], ["fin,reset_received", "fin,reset_sent"]),
        (["--uid", "roo"], ["root"]),
        (["-p", "1"], None),
        (["-L", ""], []),
        (["-T", "pr"], ["probe"]),
        (["explain", "FIN"], ["FIN_WAIT1", "FIN_WAIT2"]),
        (["--", "bas"], None),
    ],
)
def test_values(complete: Complete, words: list[str], offered: list[str] | None) -> None:
    found = [word.removeprefix("--output=") for word in complete(*words)]
    if offered is None:  # the words depend on the host, but there are some
        assert found and all(f.startswith(words[-1]) for f in found)
    else:
        assert found == sorted(offered)


@pytest.mark.parametrize("command", COMMANDS)
def test_words_are_those_of_the_help(command: str) -> None:
    """Each line has six members, of which only the last one may contain a colon."""
    def ask(option: str) -> str:
        return subprocess.run([BINARY, command, option], capture_output=True, text=True,
                              check=True).stdout

    lines = [line.split(":", 5) for line in ask("--words").splitlines()]
    assert {len(members) for members in lines} == {6}
    assert [name for kind, name, *_ in lines if kind == "command"] == COMMANDS
    known = re.findall(r"^  (?:    |(-.), )(--[a-z0-9-]+)(?: (\S+))?", ask("-h"), re.MULTILINE)
    assert [(letter, name, value) for kind, name, letter, value, _, _ in lines
            if kind == "option"] == known
    assert any(kind == "word" for kind, *_ in lines) == (command == "explain")


def test_paths(complete: Complete) -> None:
    """zsh offers the last part of a path, and fish adds a slash to it."""
    assert {word.strip("/") for word in complete("--cgroup", "/pro")} == {"proc"}


@pytest.mark.parametrize("shell", SHELLS)
def test_there_is_no_second_list(shell: str) -> None:
    """No script has a list of options of its own, which could be out of date."""
    script = (SCRIPTS / f"tcpdwell.{shell}").read_text()
    assert "--min-dwell" not in script and "ESTABLISHED" not in script


def test_script_is_clean() -> None:
    """shellcheck knows one of the three shells; the other shells check their own scripts."""
    done = subprocess.run(
        ["shellcheck", "-s", "bash", SCRIPTS / "tcpdwell.bash"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_shell_understands_it(shell: str) -> None:
    if not (program := shutil.which(shell)):
        pytest.skip(f"there is no {shell} here")
    done = subprocess.run([program, "-n", SCRIPTS / f"tcpdwell.{shell}"], capture_output=True,
                          text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
