# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The commands of the README against the binary: each is one that works as it is typed."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
BINARY, README = TOP / "build/tcpdwell", TOP / "README.md"
# What stands for something that the reader has to choose.
CHOICES = {"PORT": "80", "PROGRAM": "true"}
# Names of commands of other packages, and of files, begin like this too.
COMMAND = re.compile(r"^tcpdwell(?: [^`#&]*)?$")


def commands() -> list[str]:
    """Returns the commands in the text and those of the blocks, each once."""
    text = README.read_text()
    found = re.findall(r"`([^`\n]+)`", text) + re.findall(r"^    ([^\n#&]+)", text, re.MULTILINE)
    return sorted({line.strip() for line in found if COMMAND.match(line.strip())})


@pytest.mark.parametrize("command", commands())
def test_command_is_one(command: str) -> None:
    """-h ends the run before anything is done, but after all that stands before it was read."""
    words = [CHOICES.get(word, word) for word in shlex.split(command)[1:]]
    if words[:1] == ["explain"]:
        done = subprocess.run([BINARY, *words], capture_output=True, text=True, check=False)
        assert done.stdout
    else:
        end = words.index("--") if "--" in words else len(words)
        done = subprocess.run([BINARY, *words[:end], "-h"], capture_output=True, text=True,
                              check=False)
        assert done.stdout.startswith("Usage: ")
    assert (done.returncode, done.stderr) == (0, "")


def test_they_are_found() -> None:
    assert {"tcpdwell -T", "tcpdwell diagnose", "tcpdwell -- PROGRAM"} <= set(commands())
