# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Rules that every file of the project must keep."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
FOLDERS = ["bpf", "include", "user", "tools", "tests", "vmlinux"]
# Later versions of clang-format lay out some of the BPF macros differently.
CLANG_FORMAT = "version 14."
LICENSE = "SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause"
COLUMNS = 100


def files(*suffixes: str) -> list[Path]:
    found = [f for folder in FOLDERS for f in (TOP / folder).rglob("*") if f.suffix in suffixes]
    return sorted(f for f in found if "__pycache__" not in f.parts)


def names(found: list[Path]) -> list[str]:
    return [str(f.relative_to(TOP)) for f in found]


def test_every_file_names_its_licence() -> None:
    sources = [*files(".c", ".h", ".py", ".sh"), TOP / "Makefile"]
    assert names([f for f in sources if LICENSE not in "".join(f.read_text()[:400])]) == []


def test_lines_are_not_too_long() -> None:
    """A tab counts as eight columns."""
    long = [
        f"{file.relative_to(TOP)}:{number}"
        for file in files(".c", ".h", ".py", ".sh")
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if len(line.expandtabs(8)) > COLUMNS
    ]
    assert long == []


def test_c_sources_are_formatted() -> None:
    version = subprocess.run(
        ["clang-format", "--version"], capture_output=True, text=True, check=True
    ).stdout
    if CLANG_FORMAT not in version:
        pytest.skip(f"the style is written for clang-format {CLANG_FORMAT}x")
    done = subprocess.run(
        ["make", "-s", "format-check"], cwd=TOP, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_shell_scripts_are_clean() -> None:
    scripts = [*files(".sh"), TOP / ".ci/run"]
    done = subprocess.run(["shellcheck", *scripts], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


# The rooms of user/ in the order of CONTRIBUTING.md: each includes itself and those before it.
ROOMS = ["base", "cli", "host", "kernel", "record", "model", "view", "run"]


def test_rooms_include_in_one_direction() -> None:
    against = [
        (str(file.relative_to(TOP / "user")), name)
        for file in files(".c", ".h")
        if file.parts[len(TOP.parts)] == "user" and file.parent.name in ROOMS
        for name in re.findall(r'^#include "((?:\w+)/\w+\.h)"', file.read_text(), re.MULTILINE)
        if ROOMS.index(name.split("/")[0]) > ROOMS.index(file.parent.name)
    ]
    assert against == []


def test_only_run_knows_the_commands() -> None:
    """Commands tell the kernel side what they want by the capture (kernel/capture.h)."""
    rooms = ["host", "kernel", "model", "view"]
    sources = [f for f in files(".c", ".h") if f.parent.parent.name == "user"]
    inner = [f for f in sources if f.parent.name in rooms]
    kernel = [f for f in sources if f.parent.name == "kernel"]
    options = re.compile(r"\bstruct options\b|cli/options")
    assert names([f for f in inner if re.search(r"\bCOMMAND_", f.read_text())]) == []
    assert names([f for f in kernel if options.search(f.read_text())]) == []


# Lines that a function may have, from its name to its closing brace: what fits a screen.
SCREEN = {"user": 50, "bpf": 60}


def functions(file: Path) -> list[tuple[str, int]]:
    """Returns the place of each function, and its length."""
    lines = file.read_text().splitlines()
    found = []
    for brace, line in enumerate(lines):
        if line == "{":
            end = lines.index("}", brace)
            begin = brace - 1
            while lines[begin].startswith(("\t", " ")):  # parameters
                begin -= 1
            found.append((f"{file.relative_to(TOP)}:{begin + 1}", end - begin + 1))
    return found


def test_functions_fit_a_screen() -> None:
    long = [
        f"{place}: {length} lines"
        for folder, limit in SCREEN.items()
        for file in files(".c", ".h")
        if file.parts[len(TOP.parts)] == folder
        for place, length in functions(file)
        if length > limit
    ]
    assert long == []


# Words for which the glossary of CONTRIBUTING.md has another word.
OTHER_WORDS = {r"(?i)(?<![a-z])minis?(?![a-z])": "a timewait socket"}


def test_one_word_for_one_thing() -> None:
    sources = [*files(".c", ".h", ".8", ".txt"), *TOP.glob("*.md")]
    shipped = [f for f in sources if f.parts[len(TOP.parts)] != "tests"]
    found = {
        f"{word}: see {f.relative_to(TOP)}"
        for f in shipped
        for pattern, word in OTHER_WORDS.items()
        if re.search(pattern, f.read_text())
    }
    assert found == set()
