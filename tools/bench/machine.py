# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The machine that was measured, and the commit."""
import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def _first_line(*command: str) -> str:
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    except OSError:
        return ""
    lines = (said.stdout or said.stderr).strip().splitlines()
    return lines[0] if lines and not said.returncode else ""


def commit() -> str:
    """The commit's short id, with a + if the tree has changed since."""
    head = _first_line("git", "rev-parse", "--short=12", "HEAD") or "unknown"
    return head + ("+" if _first_line("git", "status", "--porcelain") else "")


def _cpu_model() -> str:
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    model = re.search(r"^(?:model name|CPU part)\s*:\s*(.+)$", text, re.MULTILINE)
    return model[1] if model else os.uname().machine


def _package(name: str) -> str:
    return _first_line("dpkg-query", "--show", "--showformat", "${Version}", name) or "?"


def describe() -> dict[str, str]:
    kernel = os.uname()
    return {
        "cpu": f"{_cpu_model()}, {os.cpu_count()} cores",
        "kernel": f"{kernel.release} {kernel.machine}",
        "tcpstates": f"libbpf-tools {_package('libbpf-tools')}",
        "bpftrace": _first_line("bpftrace", "--version") or "?",
    }
