# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What a start costs, as far as that does not depend on how busy the host is."""

from __future__ import annotations

import collections

import pytest

from harness import refusal

pytestmark = pytest.mark.any_kernel

# How often the verifier may go through each instruction of the programs on average, including
# those that are switched off. It goes through one again for each path on which registers differ.
PATHS = 2


def costs(*arguments: str) -> list[refusal.Cost]:
    return [cost for cost in refusal.costs_of(*arguments, "-d", "1ms") if cost.instructions > 25]


def test_the_verifier_goes_few_ways() -> None:
    """The verifier takes most of a start, in proportion to the instructions it goes through."""
    whole = costs("-v")
    verified = sum(cost.verified for cost in costs())
    assert 0 < verified < PATHS * sum(cost.instructions for cost in whole), whole


def test_what_is_switched_off_is_not_shown() -> None:
    """The kernel would remove dead code piece by piece, and move all code after it. -v may show
    it."""
    whole, shown = costs("-v"), costs()
    assert len(whole) == len(shown)
    assert 2 * sum(cost.instructions for cost in shown) < sum(cost.instructions for cost in whole)


def test_no_program_is_loaded_twice() -> None:
    names = collections.Counter(cost.name for cost in costs())
    assert not [name for name, times in names.items() if times > 1]


def test_a_transition_is_verified_once() -> None:
    """A second program is at the tracepoint for transitions on top of another; it must be small."""
    first = [cost for cost in costs() if cost.name.startswith("inet_sock_set_state")]
    if len(first) < 2:
        pytest.skip("there is one program at the tracepoint")
    large = [cost for cost in first if cost.instructions > 1000]
    assert len(large) == 1
