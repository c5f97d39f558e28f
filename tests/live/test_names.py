# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Names of processes and cgroups, which others chose, are only data in each format."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import time
import unicodedata
from pathlib import Path
from typing import Iterator

import pytest

from harness import within
from harness.netns import Netns
from harness.plain import Running, filtered_to

pytestmark = pytest.mark.any_kernel

NASTY = {
    "colour": b"\x1b[31mred",
    "title": b"\x1b]0;mine\x07",
    "quotes": b"\"a','b",
    "backslash": b"a\\nb\\",
    "newline": b"a\nb\r\tc",
    "latin1": b"caf\xe9\xff",
    "cut": "ααααααα".encode() + b"\xce",
    "c1": b"a\xc2\x9b31mb",
    "raw c1": b"a\x9b31m",
    "bidi": "a\u202eb\u2066".encode(),
    "invisible": "a\u200bb\ufeff".encode(),
    "delete": b"a\x7fb",
    "formula": b"=cmd|'/C x'!A",
    "comma": b"a,b;c",
    "json": b'","pid":1,"',
    "empty": b"",
    "blank": b"  a  ",
    "wide": "日本語".encode(),
}


def assert_harmless(data: bytes) -> None:
    """The data is text and line ends; nothing in it steers a terminal or hides its neighbours."""
    text = data.decode("utf-8")
    bad = [char for char in text if char != "\n"
           and unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")]
    assert not bad, data


def expected_text(name: bytes) -> str:
    """Returns the name as JSON gives it back: each byte that is not UTF-8 is one U+FFFD."""
    text = name[:15].decode("utf-8", errors="surrogateescape")
    return "".join("\ufffd" if 0xdc80 <= ord(char) <= 0xdcff else char for char in text)


def rows_named(netns: Netns, running: Running, name: bytes) -> list[bytes]:
    """Returns the lines about a listener that a process of this name opens and closes."""
    before = len(running.lines())
    with within.named(name):
        within.listen(netns).close()
    return [line.text for line in running.wait_for_lines(before + 2)[before:]]


@pytest.mark.parametrize("form", ["table", "wide", "csv", "json"])
def test_names_of_processes_are_harmless(netns: Netns, form: str) -> None:
    arguments = ["-w"] if form == "wide" else ["-o", form]
    with Running(*arguments, *filtered_to(netns)) as running:
        if form != "json":
            running.wait_for_lines(1)
        rows = {kind: rows_named(netns, running, name) for kind, name in NASTY.items()}
        running.finish()
        data = running.output()
    assert_harmless(data)
    for kind, name in NASTY.items():
        for row in rows[kind]:
            assert f"{os.getpid()}".encode() in row, kind
    if form == "json":
        for kind, name in NASTY.items():
            assert {json.loads(row)["comm"] for row in rows[kind]} == {expected_text(name)}
    elif form == "csv":
        cells = {kind: next(csv.reader([rows[kind][0].decode()])) for kind in NASTY}
        assert {len(row) for row in cells.values()} == {len(cells["empty"])}
        comm = {kind: row[15] for kind, row in cells.items()}
        assert comm["comma"] == "a,b;c" and comm["quotes"] == "\"a','b"
        assert comm["colour"] == r"\x1b[31mred" and comm["backslash"] == r"a\\nb\\".replace(
            "\\\\", r"\x5c")
        assert not comm["formula"].startswith("=")
    else:
        # A name does not move what comes after it.
        at = {width(row.decode().partition("127.0.0.1:")[0]) for kind in NASTY
              for row in rows[kind]}
        assert len(at) == 1, at


def width(text: str) -> int:
    """Returns how many columns the text takes on a terminal."""
    return sum(0 if unicodedata.combining(char) else
               2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def cgroup_mount() -> Path | None:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, rest = line.partition(" - ")
        if rest.split()[0] == "cgroup2" and fields.split()[3] == "/":
            return Path(fields.split()[4])
    return None


@contextlib.contextmanager
def in_cgroup(name: bytes) -> Iterator[None]:
    """Moves this process into a new cgroup of this name."""
    mount = cgroup_mount()
    if not mount:
        pytest.skip("no cgroup version 2 hierarchy")
    folder = Path(os.fsdecode(os.fsencode(mount) + b"/" + name))
    own = next(line[3:] for line in Path("/proc/self/cgroup").read_text().splitlines()
               if line.startswith("0::"))
    try:
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"no cgroup can be made: {error}")
    try:
        (folder / "cgroup.procs").write_text(str(os.getpid()))
        yield
    finally:
        Path(f"{mount}{own}/cgroup.procs").write_text(str(os.getpid()))
        folder.rmdir()


def cgroup_named(running: Running, netns: Netns) -> str | None:
    """Returns what a JSON tracer calls the cgroup of this process; None if it never knows."""
    name = None
    for _ in range(5):
        count = len(running.lines())
        within.listen(netns).close()
        name = json.loads(running.wait_for_lines(count + 2)[-1].text)["cgroup"]
        if name is not None:
            break
        # A cgroup that is younger than the tracer is not looked for at each row.
        time.sleep(0.5)
    return name


@pytest.mark.parametrize("when", ["before", "after"])
def test_names_of_cgroups_are_harmless(netns: Netns, when: str) -> None:
    """The cgroup is older than the tracer, or younger."""
    name = f"tcpdwell-{os.getpid()}-{when}-".encode() + b"\x1b[31m\"\\,\x07\xff\r\t\xe2\x80\xae"
    with contextlib.ExitStack() as stack:
        if when == "before":
            stack.enter_context(in_cgroup(name))
        json_, csv_, wide = (stack.enter_context(Running(*arguments, *filtered_to(netns)))
                             for arguments in (["-o", "json"], ["-o", "csv"], ["-w"]))
        if when == "after":
            if cgroup_named(json_, netns) is None:
                pytest.skip("this kernel does not tell the socket's cgroup")
            stack.enter_context(in_cgroup(name))
        shown = cgroup_named(json_, netns)
        count = len(json_.lines())
        for running in (csv_, wide):
            running.wait_for_lines(count + 1)
        outputs = [running.output() for running in (json_, csv_, wide)]
    if shown is None and when == "before":
        pytest.skip("this kernel does not tell the socket's cgroup")
    for data in outputs:
        assert_harmless(data)
    text = name.decode("utf-8", errors="surrogateescape")
    assert shown == "/" + "".join(
        "\ufffd" if 0xdc80 <= ord(char) <= 0xdcff else char for char in text)
    for data in outputs[1:]:
        assert rb"\x1b[31m" in data and rb"\xff" in data
