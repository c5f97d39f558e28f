# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""How much of a test's work a machine has to do."""

from __future__ import annotations

import os


def count(full: int, least: int = 10) -> int:
    """Returns full times TCPDWELL_TEST_SCALE (1 if not set), since emulated processors must do
    less."""
    return max(least, round(full * float(os.environ.get("TCPDWELL_TEST_SCALE", "1"))))
