# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The line that systemd's unit starts, with as little as the unit leaves it."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from harness import place, within
from harness.netns import Netns
from harness.plain import Running

UNIT = place.TOP / "tools/systemd/tcpdwell.service"


def setting(name: str) -> list[str]:
    """All words of a setting of the unit."""
    return " ".join(re.findall(rf"^{name}=(.*)$", UNIT.read_text(), re.M)).split()


def bounded(argv: list[Any]) -> list[Any]:
    """The capabilities of the unit and no others, and a file system that nobody can write to."""
    names = ",".join("+" + name.lower().removeprefix("cap_")
                     for name in setting("CapabilityBoundingSet"))
    setpriv = ["setpriv", "--no-new-privs", f"--bounding-set=-all,{names}", "--inh-caps=-all",
               *argv]
    return ["unshare", "--mount", "--propagation", "slave", "sh", "-c",
            'mount -o remount,bind,ro / && exec "$@"', "sh", *setpriv]


def arguments() -> list[str]:
    program, *rest = shlex.split(" ".join(setting("ExecStart")))
    assert program.endswith("/tcpdwell")
    return rest


@pytest.mark.any_kernel
def test_the_line_that_it_starts_works_in_its_bounds(netns: Netns) -> None:
    with Running(*arguments(), wrap=bounded) as running:
        status = Path(f"/proc/{running.child.pid}/status").read_text()
        with within.listen(netns) as listener:
            within.connect_and_reset(netns, listener)
        running.finish()
        rows = [json.loads(line.text) for line in running.lines()]
        said = running.said()
    assert "cannot" not in said and "refuse" not in said.replace("refuses fentry", ""), said
    mine = [row for row in rows if row.get("netns") == netns.inode]
    assert {"SYN_SENT", "ESTABLISHED", "LISTEN"} <= {row["to"] for row in mine}
    assert rows[-1]["type"] == "summary" and not any(rows[-1]["lost"].values())
    uid = re.search(r"^Uid:\t(\d+)", status, re.M)
    assert uid and uid[1] != "0"


@pytest.mark.any_kernel
def test_it_makes_no_call_that_the_unit_refuses(tmp_path: Path) -> None:
    """As systemd expands the names of groups; `strace` notes what is called."""
    strace, analyze = shutil.which("strace"), shutil.which("systemd-analyze")
    if not strace or not analyze:
        pytest.skip("strace or systemd-analyze is not there")
    groups = subprocess.run([analyze, "--no-pager", "syscall-filter"], capture_output=True,
                            text=True, check=True).stdout
    members: dict[str, list[str]] = {}
    for line in re.sub(r"\x1b\[[0-9;]*m", "", groups).splitlines():
        word = line.strip()
        if line.startswith("@"):
            members[word] = []
        elif word and not word.startswith("#") and members:
            members[list(members)[-1]].append(word)

    def calls(name: str) -> set[str]:
        if not name.startswith("@"):
            return {name}
        return {call for member in members.get(name, []) for call in calls(member)}

    allowed = set().union(*map(calls, ["@default", *setting("SystemCallFilter")]))
    log = tmp_path / "calls"
    subprocess.run([strace, "-f", "-qq", "-o", log, place.tcpdwell(), *arguments(), "-d", "1s"],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    called = set(re.findall(r"^\d+ +(\w+)\(", log.read_text(errors="replace"), re.M))
    assert {"bpf", "execve", "openat"} <= called
    assert called - allowed == set()
