# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The bench's model of many cores, against what is known about queues in closed form."""

from __future__ import annotations

import math
import re
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
sys.path.append(str(TOP / "tools/bench"))

import cores
from cores_model import (Lock, Machine, at_full_speed, look_ns, rate_within, reader, saturation,
                         simulate, slowdown)

HELD = 20.0
ALIKE = Machine(16, 0, 0)  # cache lines move at no cost: a plain lock


def busy_share(machine: Machine, think_ns: float) -> float:
    """Returns the share of time for which the lock is held if nobody has to wait."""
    return machine.processors * HELD / (think_ns + HELD)


def test_one_processor_waits_for_nobody() -> None:
    alone = Machine(1, 80, 200, sockets=1)
    for think_ns in (0, 10, 1000):
        assert simulate(alone, Lock(HELD, 1), think_ns).added_ns == pytest.approx(0, abs=1e-3)
    assert alone.mean_line_ns() == 0
    assert at_full_speed(alone, Lock(HELD, 1), 50) == pytest.approx(50, rel=0.02)


def test_lock_passes_one_use_in_the_time_that_it_is_held() -> None:
    result = simulate(ALIKE, Lock(HELD, 1), 0)
    assert result.per_second == pytest.approx(1e9 / HELD, rel=0.001)
    # Each processor waits for all the others.
    assert result.added_ns == pytest.approx((ALIKE.processors - 1) * HELD, rel=0.01)


@pytest.mark.parametrize(("processors", "think_ns"), [(2, 0), (16, 500), (192, 5000)])
def test_lines_that_come_over_are_part_of_the_time(processors: int, think_ns: float) -> None:
    """If all want the lock, hardly any processor gets it twice in a row, in whatever order."""
    machine = Machine(processors, 80, 200)
    lock = Lock(HELD, 1, lines=2)
    said = saturation(machine, lock) * processors
    assert said == pytest.approx(1e9 / (HELD + 2 * machine.mean_line_ns()))
    assert simulate(machine, lock, think_ns).per_second == pytest.approx(said, rel=0.05)


def test_saturation_is_shared_by_cores_and_uses() -> None:
    one, six = Lock(HELD, 1), Lock(HELD, 6)
    assert saturation(ALIKE, one) == pytest.approx(1e9 / HELD / 16)
    assert saturation(ALIKE, six) == pytest.approx(saturation(ALIKE, one) / 6)
    assert saturation(ALIKE, Lock(HELD, 1, locks=8)) == pytest.approx(8 * saturation(ALIKE, one))


def test_many_that_seldom_come_wait_as_in_a_queue_of_fixed_service() -> None:
    """M/D/1: the mean wait is half the service time, times rho / (1 - rho)."""
    many = Machine(2000, 0, 0)
    for rho in (0.2, 0.5):
        think_ns = many.processors * HELD / rho
        assert busy_share(many, think_ns) == pytest.approx(rho, rel=0.01)
        waits = simulate(many, Lock(HELD, 1), think_ns, uses=200_000).added_ns
        assert waits == pytest.approx(HELD / 2 * rho / (1 - rho), rel=0.07)


def test_far_lines_are_those_of_the_other_socket() -> None:
    machine = Machine(16, 80, 200)
    assert machine.mean_line_ns() == pytest.approx((7 * 80 + 8 * 200) / 15)
    assert machine.line_ns(None, 3) == machine.line_ns(3, 3) == 0
    assert machine.line_ns(1, 3) == 80
    assert machine.line_ns(1, 2) == 200


def test_slowdown_grows_with_the_rate_and_with_the_cores() -> None:
    lock = Lock(HELD, 5)
    shares = [slowdown(Machine(64, 80, 200), lock, rate) for rate in (1000, 5000, 20000, 80000)]
    assert shares == sorted(shares)
    few, many = (slowdown(Machine(cores, 80, 200), lock, 20000) for cores in (16, 192))
    assert few < many


def test_what_is_far_above_saturation_takes_as_many_times_as_long() -> None:
    """16 cores want four times what the lock can bear, so each connection takes four times as
    long."""
    lock = Lock(1000, 1)
    rate = 4 * saturation(ALIKE, lock)
    assert 1 + slowdown(ALIKE, lock, rate) == pytest.approx(4, rel=0.05)


def test_rate_within_is_where_the_slowdown_is_that_share() -> None:
    machine, lock = Machine(64, 80, 200), Lock(HELD, 5)
    rate = rate_within(machine, lock, 0.05)
    assert slowdown(machine, lock, rate) <= 0.05 < slowdown(machine, lock, rate * 1.03)
    assert rate_within(machine, Lock(HELD, 2, lines=0, locks=32768), 0.05) == math.inf


def test_reader_and_look() -> None:
    assert reader(1, 100, 1) == 10_000_000
    assert reader(192, 100, 5) == pytest.approx(10_000_000 / 5 / 192)
    assert look_ns(Machine(16, 80, 200), 2) == pytest.approx(32 * (7 * 80 + 8 * 200) / 15)


def constant(file: str, name: str) -> int:
    found = re.search(rf"^#define {name}\s+(\d+)", (TOP / file).read_text(), re.MULTILINE)
    assert found
    return int(found[1])


def test_the_rings_are_those_of_the_loader() -> None:
    assert cores.RINGS_MAX == constant("include/wire.h", "TCPDWELL_RINGS")
    assert cores.CORES_OF_RING == constant("user/kernel/rings.c", "CPUS_OF_EACH")
    assert [cores.rings(processors) for processors in (16, 64, 192)] == [4, 16, 32]


@pytest.mark.parametrize("processors", cores.CORES)
def test_no_ring_is_the_limit_on_a_large_host(processors: int) -> None:
    """Most of what is left is lines of the cache that move. With one record a connection, as life
    has it, that is little enough."""
    machine, count = Machine(processors, 96, 240), cores.rings(processors)
    few, many = (slowdown(machine, Lock(HELD, 5.5, cores.RING_LINES, locks), cores.RATE)
                 for locks in (count, 64 * count))
    assert few < 2 * many
    assert slowdown(machine, Lock(HELD, 1, cores.RING_LINES, count), cores.RATE) < cores.SHARE
