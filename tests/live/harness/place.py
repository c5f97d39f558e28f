# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Where the programs under test are."""

from __future__ import annotations

import os
from pathlib import Path

TOP = Path(__file__).resolve().parents[3]


def tcpdwell() -> str:
    """The tracer; TCPDWELL in the environment names another build."""
    return os.environ.get("TCPDWELL", str(TOP / "build/tcpdwell"))


def traffic() -> str:
    """The oracle; TRAFFIC in the environment names another build."""
    return os.environ.get("TRAFFIC", str(TOP / "build/tools/traffic"))


def backend() -> list[str]:
    """Options that choose one way to see hidden states, if TCPDWELL_BACKEND names one."""
    name = os.environ.get("TCPDWELL_BACKEND")
    return ["--backend", name] if name else []
