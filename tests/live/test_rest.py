# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What commands that keep running use on a host where nothing happens."""

from __future__ import annotations

import contextlib
import re
import socket
import time
from pathlib import Path

import pytest

from harness import bpfmap, process
from harness.netns import Netns
from harness.plain import Running, filtered_to

# The ring has 8 or 16 MiB; only a part of it may be mapped at a time.
RESIDENT_KIB = 7 << 10

# A connection makes 5.5 rows on each side. These commands get at most two of them.
FEW_ROWS = {"timewait": ["timewait"], "leaks": ["leaks", "--watch"]}

# A large map that only a look at sockets needs (queued, bpf/snapshot.bpf.h): its kind, the bytes of
# a value and the most elements.
QUEUED = bpfmap.HASH, 8, 65536

# The maps of sums (bpf/stat.bpf.h): the bytes of a key and a value.
SUMS = 24, 136

# What open connections have carried (bpf/carried.bpf.h), likewise, and its usual size.
CARRIED = 8, 24
CARRIED_ELEMENTS = 1 << 18

# A thread may wake to make slots for sockets of others; the rest sleeps.
QUIET_S = 5
WAKES = QUIET_S - 1

# Those that look at all sockets do so at an interval, which is long here.
QUIET = {
    "trace": ["trace"], "life": ["life"], "stat": ["stat"],
    "stat by unit": ["stat", "--by", "unit"], "timewait": ["timewait"],
    "leaks": ["leaks", "--watch", "-i", "1h"],
    "diagnose": ["diagnose", "--watch", "-i", "1h"],
    "export": ["export", "--listen", "127.0.0.1:0", "-i", "1h"],
}


def resident_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    found = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
    assert found
    return int(found[1])


@pytest.mark.any_kernel
@pytest.mark.parametrize("command", ["leaks", "diagnose", "export"])
def test_memory_after_a_look(command: str) -> None:
    """What a look took is given back, and tables that are for many take what is used of them."""
    with Running(*QUIET[command]) as running:
        deadline = time.monotonic() + process.LIMIT_S
        while resident_kib(running.child.pid) > RESIDENT_KIB:
            assert time.monotonic() < deadline, resident_kib(running.child.pid)
            time.sleep(0.1)


@pytest.mark.every_kernel
@pytest.mark.parametrize("command", ["trace", "life", "stat", "timewait"])
def test_memory(command: str) -> None:
    """The memory of the start is given back, maps included; the ring is not mapped as a whole."""
    with Running(command) as running:
        assert resident_kib(running.child.pid) <= RESIDENT_KIB
        maps = bpfmap.of_process(running.child.pid)
        for one in maps:
            one.close()
        assert QUEUED not in [(one.kind, one.value_size, one.max_entries) for one in maps]


def maps_of(*arguments: str) -> list[bpfmap.Map]:
    with Running(*arguments) as running:
        maps = bpfmap.of_process(running.child.pid)
    for one in maps:
        one.close()
    return maps


def ring_bytes(*arguments: str) -> int:
    return max(one.max_entries for one in maps_of(*arguments) if one.kind == bpfmap.RINGBUF)


@pytest.mark.any_kernel
@pytest.mark.parametrize("command", sorted(FEW_ROWS))
def test_few_rows_have_a_small_ring(command: str) -> None:
    """It holds them for as long as the ring of trace, unless an option says how large it is."""
    assert ring_bytes(*FEW_ROWS[command]) == ring_bytes("trace") // 2
    assert ring_bytes(*FEW_ROWS[command], "--ring-size", "1M") == 1 << 20


@pytest.mark.any_kernel
def test_leaks_of_other_states_have_a_whole_ring() -> None:
    states = ["-s", "ESTABLISHED,CLOSE_WAIT"]
    assert ring_bytes("leaks", "--watch", *states) == ring_bytes("trace")


@pytest.mark.any_kernel
@pytest.mark.parametrize("arguments,large", [
    (["stat"], 1), (["stat", "-i", "1h"], 2), (["stat", "--by", "unit"], 2)])
def test_sums_have_a_second_map_only_to_turn_to(arguments: list[str], large: int) -> None:
    sizes = [one.max_entries for one in maps_of(*arguments)
             if one.kind == bpfmap.HASH and (one.key_size, one.value_size) == SUMS]
    assert sorted(size > 1 for size in sizes) == sorted([True] * large + [False] * (2 - large))


@pytest.mark.any_kernel
def test_export_reserves_by_the_sockets_there_are() -> None:
    """Buckets for as many as memory could hold took 32 MiB on a host of 24 GB."""
    sizes = [one.max_entries for one in maps_of(*QUIET["export"])
             if (one.kind, one.key_size, one.value_size) == (bpfmap.HASH, *CARRIED)]
    assert all(size <= CARRIED_ELEMENTS for size in sizes), sizes


def wakes(running: Running) -> tuple[int, ...]:
    return process.wakes_of_loop(running.child.pid), process.wakes(running.child.pid)


@pytest.mark.any_kernel
def test_nothing_wakes_it(netns: Netns) -> None:
    """All side by side, in a namespace with a listener and a connection in TIME_WAIT.

    What others do on the host may wake one in between: one quiet span will do.
    """
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(netns.inside(lambda: socket.create_server(("127.0.0.1", 0))))
        client = netns.inside(lambda: socket.create_connection(listener.getsockname()))
        server, _ = listener.accept()
        client.close()
        server.close()
        running = {name: stack.enter_context(Running(*arguments, *filtered_to(netns)))
                   for name, arguments in QUIET.items()}
        time.sleep(2)
        least = dict.fromkeys(running, (1 << 30, 1 << 30))
        deadline = time.monotonic() + 12 * QUIET_S
        while time.monotonic() < deadline and max(least.values()) > (0, WAKES):
            before = {name: wakes(one) for name, one in running.items()}
            time.sleep(QUIET_S)
            for name, one in running.items():
                spent = tuple(now - then for now, then in zip(wakes(one), before[name]))
                least[name] = min(least[name], spent)
    assert {name: count for name, count in least.items() if count > (0, WAKES)} == {}
