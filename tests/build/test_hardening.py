# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the compiler and the linker do so that a fault cannot easily be exploited against root."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
DYNAMIC, STATIC = TOP / "build/tcpdwell", TOP / "build/tcpdwell-static"
OBJECTS = TOP / "build/obj/user"


def output(*command: str | Path) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def segments(binary: Path) -> dict[str, str]:
    """Returns the flags of each program header, by its type."""
    lines = output("readelf", "--wide", "--program-headers", binary).splitlines()
    rows = [line.split() for line in lines if re.match(r"  [A-Z_]+ +0x", line)]
    return {row[0]: "".join(row[6:-1]) for row in rows if row[0] != "LOAD"}


def takes(flag: str) -> bool:
    """Whether the compiler knows the flag for the architecture that it compiles for."""
    return subprocess.run(["cc", "-Werror", flag, "-x", "c", "-c", "-o", "/dev/null", "/dev/null"],
                          capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("binary", [DYNAMIC, STATIC], ids=lambda path: path.name)
def test_it_lies_anywhere_and_is_bound_before_it_runs(binary: Path) -> None:
    assert binary.exists(), f"{binary} is not built"
    assert re.search(r"Type: +DYN ", output("readelf", "--file-header", binary))
    dynamic = output("readelf", "--wide", "--dynamic", binary)
    assert re.search(r"\(FLAGS_1\) +Flags: (?:\w+ )*NOW (?:\w+ )*PIE", dynamic)
    assert "TEXTREL" not in dynamic and "RPATH" not in dynamic and "RUNPATH" not in dynamic
    headers = segments(binary)
    assert headers["GNU_RELRO"] == "R"
    assert headers["GNU_STACK"] == "RW"


@pytest.mark.parametrize("binary", [DYNAMIC, STATIC], ids=lambda path: path.name)
def test_no_page_can_be_written_and_run(binary: Path) -> None:
    lines = output("readelf", "--wide", "--program-headers", binary).splitlines()
    loads = [line for line in lines if line.startswith("  LOAD ")]
    assert len(loads) >= 2 and not [line for line in loads if " RWE " in line]


def test_copies_and_frames_are_checked() -> None:
    """A call that the compiler can check goes to the checking function of the C library."""
    wanted = set(re.findall(r" U (\w+)", output("nm", "--dynamic", DYNAMIC)))
    assert "__stack_chk_fail" in wanted
    assert {"__memcpy_chk", "__snprintf_chk"} & wanted


def test_each_jump_has_a_mark_to_land_on() -> None:
    """Objects are checked: the linker marks the binary only if the C library's have the mark,
    too."""
    features = {"-fcf-protection": r"x86 feature: IBT, SHSTK",
                "-mbranch-protection=standard": r"AArch64 feature: BTI, PAC"}
    marks = [mark for flag, mark in features.items() if takes(flag)]
    if not marks:
        pytest.skip("the compiler has none of these here")
    objects = sorted(OBJECTS.rglob("*.o"))
    assert len(objects) > 50
    unmarked = [str(each) for each in objects
                if not re.search(marks[0], output("readelf", "--notes", each))]
    assert unmarked == []
