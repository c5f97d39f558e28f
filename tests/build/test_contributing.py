# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What CONTRIBUTING.md says of where things are, held against the files."""

from __future__ import annotations

import re
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]


def where_things_are() -> dict[str, set[str]]:
    """The names of the table in CONTRIBUTING.md, and the files that each stands for.

    A name without a folder is of the folder before it.
    """
    text = (TOP / "CONTRIBUTING.md").read_text()
    table = text.split("## Where things are\n\n", 1)[1].split("\n\n", 1)[0]
    named = {}
    for row in table.splitlines()[2:]:
        folder = ""
        for name in re.findall(r"`([^`]+)`", row.split("|")[1]):
            path = name if "/" in name or (TOP / name).exists() else f"{folder}/{name}"
            folder = name.rpartition("/")[0] or folder
            named[path] = {str(f.relative_to(TOP)) for f in TOP.glob(path.rstrip("/"))}
    assert len(named) > 100
    return named


def test_contributing_names_files_that_exist() -> None:
    assert [name for name, found in where_things_are().items() if not found] == []


def test_contributing_names_every_source() -> None:
    """A header goes without saying where its source is named, and the other way round."""
    def stem(path: str) -> str:
        return path.rpartition(".")[0].removesuffix(".bpf")

    named = {stem(file) for found in where_things_are().values() for file in found}
    inside = [str(f.relative_to(TOP)) for folder in ("bpf", "include", "user")
              for f in sorted((TOP / folder).rglob("*.[ch]"))]
    assert len(inside) > 100
    assert [f for f in inside if stem(f) not in named] == []
