# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The units for systemd: what systemd itself says about them, and where their program is."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
UNITS = TOP / "tools/systemd"

# In tenths: 10.0 is a service without any sandbox. What these need cannot get to 0.
EXPOSURE = {"tcpdwell-record.service": 20, "tcpdwell-export.service": 18}
SOCKETS = {"tcpdwell-export.socket"}

CAPABILITIES = ["CAP_BPF", "CAP_PERFMON", "CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH",
                "CAP_SYSLOG"]
COMMANDS = {"tcpdwell-record.service": "trace -o json", "tcpdwell-export.service": "export -q"}
each_unit = pytest.mark.parametrize("unit", [UNITS / name for name in COMMANDS], ids=COMMANDS)


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Skips the test without systemd-analyze, or before version 250, which cannot look offline."""
    program = shutil.which("systemd-analyze")
    if not program:
        pytest.skip("there is no systemd-analyze here")
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    number = re.search(r"systemd (\d+)", version.stdout)
    if not number or int(number[1]) < 250:
        pytest.skip(f"it is too old to look offline: {version.stdout.splitlines()[0]}")
    return subprocess.run([program, "--no-pager", *arguments], capture_output=True, text=True,
                          check=False)


def test_all_units_are_looked_at() -> None:
    assert {path.name for path in UNITS.iterdir()} == set(COMMANDS) | SOCKETS


@each_unit
def test_it_is_little_exposed(unit: Path) -> None:
    done = analyze("security", "--offline=true", f"--threshold={EXPOSURE[unit.name]}", unit)
    assert done.returncode == 0, done.stdout + done.stderr
    exposure = re.search(rf"Overall exposure level for {unit.name}: ([0-9.]+)", done.stdout)
    assert exposure and float(exposure[1]) * 10 <= EXPOSURE[unit.name]


@pytest.mark.parametrize("name", [*COMMANDS, *SOCKETS])
def test_systemd_understands_each_line(name: str, tmp_path: Path) -> None:
    """The unit's program exists here, because a unit without one is an error by itself."""
    for unit in UNITS.iterdir():
        text = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", unit.read_text(), flags=re.M)
        (tmp_path / unit.name).write_text(text)
    said = analyze("verify", "--man=no", tmp_path / name)
    assert [line for line in said.stderr.splitlines() if "tcpdwell" in line] == []


@pytest.mark.parametrize("name", SOCKETS)
def test_a_socket_comes_with_its_service(name: str) -> None:
    text = (UNITS / name.replace(".socket", ".service")).read_text()
    assert f"\nRequires={name}\n" in text and f"\nAlso={name}\n" in text


@each_unit
def test_each_capability_has_a_name_and_a_use(unit: Path) -> None:
    """No capability is a number, none is there twice, and none is as strong as loading modules."""
    text = unit.read_text()
    for name in ("CapabilityBoundingSet", "AmbientCapabilities"):
        assert re.findall(rf"^{name}=(.*)$", text, re.M) == [" ".join(CAPABILITIES)]
    assert "\nDynamicUser=yes\n" in text
    # The comment says what each capability is needed for.
    comment = "".join(re.findall(r"^#(.*)$", text, re.M))
    assert all(name.removeprefix("CAP_") in comment for name in CAPABILITIES)


@each_unit
def test_it_starts_what_is_installed(unit: Path, tmp_path: Path) -> None:
    subprocess.run(["make", "-s", "install", f"DESTDIR={tmp_path}", "PREFIX=/opt/tcp"], cwd=TOP,
                   capture_output=True, check=True)
    installed = (tmp_path / "opt/tcp/lib/systemd/system" / unit.name).read_text()
    start = re.search(rf"^ExecStart=(\S+) {COMMANDS[unit.name]}$", installed, re.M)
    assert start and (tmp_path / start[1].lstrip("/")).is_file()
    assert installed.replace("/opt/tcp/", "/usr/local/") == unit.read_text()
