# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The BPF object that is built in has a line of source for each function, and no more."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
OBJECT, TOOL = TOP / "build/bpf/tcpdwell.linked.o", TOP / "build/tools/thin_lines"
# Magic, version, flags and length of the header; then where each part is, and how long.
HEADER = struct.Struct("<HBBI6I")

Places = dict[int, list[int]]


def section(file: Path, folder: Path) -> bytes:
    out = folder / "section"
    subprocess.run(["llvm-objcopy", f"--dump-section=.BTF.ext={out}", file, folder / "copy"],
                   check=True)
    return out.read_bytes()


def places(part: bytes) -> Places:
    """Returns the instructions that records are about, by the section of programs."""
    record, = struct.unpack_from("<I", part)
    found: Places = {}
    at = 4
    while at < len(part):
        name, count = struct.unpack_from("<II", part, at)
        found[name] = [struct.unpack_from("<I", part, at + 8 + i * record)[0]
                       for i in range(count)]
        at += 8 + count * record
    assert at == len(part)
    return found


def parts(data: bytes) -> tuple[Places, Places, Places]:
    """Returns functions, lines and relocations."""
    _, _, _, length, *rest = HEADER.unpack_from(data)
    spans = [data[length + at:length + at + size] for at, size in zip(rest[::2], rest[1::2])]
    assert length + sum(map(len, spans)) == len(data)
    return places(spans[0]), places(spans[1]), places(spans[2])


def test_each_function_has_its_first_line(tmp_path: Path) -> None:
    functions, lines, _ = parts(section(OBJECT, tmp_path))
    assert sum(map(len, functions.values())) > 100
    assert lines == functions


def test_all_else_stays(tmp_path: Path) -> None:
    """The linker's object has all lines."""
    linked = tmp_path / "linked.o"
    subprocess.run(["bpftool", "gen", "object", linked, TOP / "build/bpf/tcpdwell.bpf.o"],
                   check=True)
    before = parts(section(linked, tmp_path))
    assert sum(map(len, before[1].values())) > 10 * sum(map(len, before[0].values()))
    subprocess.run([TOOL, linked], check=True)
    after = parts(section(linked, tmp_path))
    assert (after[0], after[2]) == (before[0], before[2])
    subprocess.run([TOOL, linked], check=True)
    assert parts(section(linked, tmp_path)) == after


@pytest.mark.parametrize("content", [b"", b"text", b"\x7fELF"])
def test_what_is_no_object_is_refused(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)
    assert subprocess.run([TOOL, file], capture_output=True, check=False).returncode == 1
