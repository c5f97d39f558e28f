# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The command lines of systemd's units work with as little as the units leave them."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

from harness import place, within
from harness.metrics import Export
from harness.netns import Netns
from harness.plain import Running, filtered_to, run

pytestmark = pytest.mark.any_kernel

UNITS = place.TOP / "tools/systemd"
TRACE, EXPORT = UNITS / "tcpdwell-record.service", UNITS / "tcpdwell-export.service"
# A user id from the range of DynamicUser=.
UID = 61184
COMM = "united"

# The mounts that the settings of these names make before the program starts.
MOUNTS = {
    "ProtectSystem=strict": "mount -o remount,bind,ro /",
    "ProtectProc=invisible": "mount -t proc -o hidepid=invisible proc /proc",
    "ProtectKernelTunables=yes": """
        mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys
        for hidden in /proc/kallsyms /proc/kcore; do
            [ ! -e $hidden ] || mount --bind "$MASK" $hidden
        done
        mount -o remount,bind,ro /sys""",
    "ProtectControlGroups=yes": "mount -o remount,bind,ro /sys/fs/cgroup 2>/dev/null || :",
}


def setting(unit: Path, name: str) -> list[str]:
    """Returns all words of a setting of the unit."""
    return " ".join(re.findall(rf"^{name}=(.*)$", unit.read_text(), re.M)).split()


def is_set(unit: Path, line: str) -> bool:
    return f"\n{line}\n" in unit.read_text()


def arguments(unit: Path) -> list[str]:
    program, *rest = shlex.split(" ".join(setting(unit, "ExecStart")))
    assert program.endswith("/tcpdwell")
    return rest


class Bounds:
    """Gives a command the user and capabilities of the unit, and its view of files and network."""

    def __init__(self, unit: Path, folder: Path) -> None:
        self.unit = unit
        self.mask = folder / "mask"
        self.mask.touch(mode=0o000)

    def __call__(self, argv: list[Any]) -> list[Any]:
        assert is_set(self.unit, "DynamicUser=yes")
        sets = {name: ",".join("+" + word.lower().removeprefix("cap_")
                               for word in setting(self.unit, name))
                for name in ("CapabilityBoundingSet", "AmbientCapabilities")}
        assert all(is_set(self.unit, line) for line in MOUNTS)
        # tracefs may be mounted nowhere here; the manager would have mounted it.
        script = """
            set -e
            [ -d /sys/kernel/tracing/events ] || mount -t tracefs tracefs /sys/kernel/tracing
            """ + "\n".join(MOUNTS.values()) + '\nexec "$@"'
        setpriv = ["setpriv", "--no-new-privs", f"--reuid={UID}", f"--regid={UID}",
                   "--clear-groups", f"--inh-caps=-all,{sets['AmbientCapabilities']}",
                   f"--ambient-caps=-all,{sets['AmbientCapabilities']}",
                   f"--bounding-set=-all,{sets['CapabilityBoundingSet']}", *argv]
        network = ["--net"] if is_set(self.unit, "PrivateNetwork=yes") else []
        return ["env", f"MASK={self.mask}", "unshare", "--mount", "--propagation", "slave",
                *network, "sh", "-c", script, "sh", *setpriv]


def capabilities(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    assert re.search(rf"^Uid:\t{UID}\t{UID}\t{UID}\t{UID}$", status, re.M)
    found = re.search(r"^CapEff:\t(\w+)$", status, re.M)
    assert found
    return int(found[1], 16)


def features(*command: str) -> dict[str, str]:
    """Returns, by the feature's name, the way by which the program has it."""
    done = subprocess.run([*command, "probe", "-o", "json"], capture_output=True, text=True,
                          check=True)
    return {row["feature"]: row["backend"] for row in json.loads(done.stdout)
            if "backend" in row}


@pytest.mark.parametrize("unit", [TRACE, EXPORT], ids=lambda unit: unit.stem)
def test_nothing_is_lost_in_its_bounds(unit: Path, tmp_path: Path) -> None:
    """Each feature uses the same way as it does without bounds."""
    assert features(*Bounds(unit, tmp_path)([place.tcpdwell()])) == features(place.tcpdwell())


def test_trace_works_in_its_bounds(netns: Netns, tmp_path: Path) -> None:
    with Running(*arguments(TRACE), wrap=Bounds(TRACE, tmp_path)) as running:
        assert not capabilities(running.child.pid) & ~(1 << 39 | 1 << 2)
        with within.named(COMM.encode()), within.listen(netns) as listener:
            within.connect_and_reset(netns, listener)
        running.finish()
        rows = [json.loads(line.text) for line in running.lines()]
        said = running.said()
    assert "cannot" not in said and "refuse" not in said.replace("refuses fentry", ""), said
    mine = [row for row in rows if row.get("netns") == netns.inode]
    assert {"SYN_SENT", "ESTABLISHED", "LISTEN"} <= {row["to"] for row in mine}
    assert {row["comm"] for row in mine} == {COMM}
    assert rows[-1]["type"] == "summary" and not any(rows[-1]["lost"].values())


def test_export_works_in_its_bounds(netns: Netns, tmp_path: Path) -> None:
    words = [word for word in arguments(EXPORT) if word not in ("export", "-q")]
    with within.named(COMM.encode()), within.listen(netns) as listener, \
            socket.create_server(("127.0.0.1", 0)) as served, \
            Export(*words, *filtered_to(netns), listener=served,
                   wrap=Bounds(EXPORT, tmp_path)) as running:
        pairs = [within.Pair(netns, listener) for _ in range(5)]
        pairs[0].client.send(b"x")
        within.connect_and_reset(netns, listener, 3)
        got = running.look()
        assert running.address == served.getsockname()
        assert not capabilities(running.running.child.pid) & ~(1 << 39)
        said = running.running.said()
        for pair in pairs:
            pair.close()
    assert got.sum("tcpdwell_connections", state="ESTABLISHED", comm=COMM) == 10
    assert got.sum("tcpdwell_closes_total", comm=COMM) == 6
    assert got.sum("tcpdwell_accept_queue_limit", comm=COMM) > 0
    assert got.find("tcpdwell_retransmitted_segments_total")
    assert "cannot" not in said and "refuse" not in said.replace("refuses fentry", ""), said


def members() -> dict[str, list[str]]:
    """Returns the members of systemd's groups of system calls, by the group's name."""
    if not (analyze := shutil.which("systemd-analyze")):
        pytest.skip("there is no systemd-analyze here")
    groups = subprocess.run([analyze, "--no-pager", "syscall-filter"], capture_output=True,
                            text=True, check=True).stdout
    found: dict[str, list[str]] = {}
    for line in re.sub(r"\x1b\[[0-9;]*m", "", groups).splitlines():
        word = line.strip()
        if line.startswith("@"):
            found[word] = []
        elif word and not word.startswith("#") and found:
            found[list(found)[-1]].append(word)
    return found


def refused(unit: Path) -> set[str]:
    """Returns the calls that the unit answers with EPERM, among those that systemd knows."""
    groups = members()

    def calls(name: str) -> set[str]:
        if not name.startswith("@"):
            return {name}
        return {call for member in groups.get(name, []) for call in calls(member)}

    allowed = calls("@default")
    for words in re.findall(r"^SystemCallFilter=(.*)$", unit.read_text(), re.M):
        named = set().union(*map(calls, words.removeprefix("~").split()))
        allowed = allowed - named if words.startswith("~") else allowed | named
    return {call for name in groups for call in calls(name)} - allowed


def known_to_strace(strace: str, names: set[str]) -> list[str]:
    """Returns the names as strace takes them: `?` allows names that only other processors have."""
    done = subprocess.run([strace, "-e", "trace=" + ",".join("?" + name for name in sorted(names)),
                           "true"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return ["?" + name for name in sorted(names)]


@pytest.mark.parametrize("unit", [TRACE, EXPORT], ids=lambda unit: unit.stem)
def test_it_works_without_what_the_unit_refuses(unit: Path, tmp_path: Path) -> None:
    """strace answers EPERM as systemd's filter would, and notes which calls were made."""
    if not (strace := shutil.which("strace")):
        pytest.skip("strace is not there")
    served = ["--listen", "127.0.0.1:0"] if unit == EXPORT else []
    names = ",".join(known_to_strace(strace, refused(unit)))
    assert "?mount" in names and "?setuid" in names and "?bpf" not in names
    # / is read-only for the traced program, so strace's log is on a file system mounted below it.
    with tempfile.NamedTemporaryFile(dir="/dev/shm") as log:
        os.chmod(log.name, 0o666)

        def traced(argv: list[Any]) -> list[Any]:
            return Bounds(unit, tmp_path)([strace, "-f", "-qq", "-o", log.name, "-e",
                                           f"trace={names}", "-e", f"inject={names}:error=EPERM",
                                           *argv])

        done = run(*arguments(unit), *served, "-d", "1s", wrap=traced)
        called = log.read().decode(errors="replace")
    assert done.returncode == 0, done.stderr.decode()
    assert "cannot" not in done.stderr.decode()
    assert re.findall(r"^\d+ +(\w+)\(", called, re.M) == []
