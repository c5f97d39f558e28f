# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Which cases of a test each kernel of the matrix runs (tools/vm/run.py)."""

from __future__ import annotations

from typing import Any, Iterable

import pytest


def on_every_kernel(values: Iterable[Any], *chosen: Any) -> list[Any]:
    """Parameters, or tuples of them; guests need only run the chosen ones."""
    return [pytest.param(*(value if isinstance(value, tuple) else (value,)),
                         marks=[pytest.mark.every_kernel] * (value in chosen))
            for value in values]
