# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`tcpdwell export`: looks that fail, signals, privileges."""

from __future__ import annotations

import os
import re
import signal
import socket
import time
from pathlib import Path

import pytest

from harness import place, refusal, within
from harness.metrics import LIMIT_S, Export, export
from harness.netns import Netns
from harness.plain import filtered_to, patience

pytestmark = pytest.mark.any_kernel


def test_signals(netns: Netns) -> None:
    with export(netns) as running:
        running.look()
        running.running.child.send_signal(signal.SIGUSR1)
        running.running.wait_for(lambda: "tcpdwell: seen " in running.running.said())
        begin = time.monotonic()
        assert running.running.stop(signal.SIGTERM) == 0
        assert time.monotonic() - begin < patience(6)
        line = running.running.said().splitlines()[-1]
    counts = [int(count) for count in re.findall(r"(?:seen|counted|undated|filtered|lost) (\d+)",
                                                 line)]
    assert counts[0] == sum(counts[1:]), line


# The loader makes the first update, and the first look the second one.
TURN = "BPF_MAP_UPDATE_ELEM:stats=ENOMEM"


@pytest.mark.parametrize("by", ["comm", "cgroup"])
def test_a_look_that_fails_is_not_the_end(netns: Netns, by: str) -> None:
    """It is said, the page stays, and the next look has all that was counted meanwhile."""
    with export(netns, "--by", by, wrap=refusal.wrap(TURN + "@4")) as running, \
            within.listen(netns) as listener:
        running.running.wait_for(running.healthy, LIMIT_S)
        for _ in range(3):
            within.connect_and_reset(netns, listener, 2)
            running.look()
        got = running.look()
        running.running.finish()
        said = running.running.said()
    assert said.count("Cannot allocate memory: what was seen before stays\n") == 1
    assert got.sum("tcpdwell_closes_total", reason="reset_sent") == 6
    assert got.sum("tcpdwell_handshake_seconds_count", side="client") == 6


def test_looks_that_always_fail_are_the_end(netns: Netns) -> None:
    with export(netns, wrap=refusal.wrap(TURN + "@3+")) as running:
        assert running.running.wait(LIMIT_S) == 1
        said = running.running.said()
    assert said.count("what was seen before stays\n") == 2
    assert said.endswith("tcpdwell: cannot turn to the other map: Cannot allocate memory\n")


def test_it_has_no_privileges(netns: Netns) -> None:
    with export(netns) as running:
        running.look()
        tasks = Path(f"/proc/{running.running.child.pid}/task").iterdir()
        for status in [(task / "status").read_text("ascii") for task in tasks]:
            assert re.search(r"^Uid:\t65534\t65534\t65534\t65534$", status, re.M)
            assert re.search(r"^NoNewPrivs:\t1$", status, re.M)
            effective = re.search(r"^CapEff:\t(\w+)$", status, re.M)
            # CAP_BPF is kept to make tables, or where the kernel asks for it at each call.
            assert effective and not int(effective[1], 16) & ~(1 << 39)


def test_manager_is_told(netns: Netns, tmp_path: Path) -> None:
    """sd_notify(3) is called once, when the first look is over."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(patience(LIMIT_S))
        with Export(*filtered_to(netns), env={**os.environ, "NOTIFY_SOCKET":
                                              str(tmp_path / "notify")}) as running:
            assert manager.recv(64) == b"READY=1"
            assert running.fetch("/healthz")[0] == "ok\n"


def test_static_binary_serves_as_well(netns: Netns, monkeypatch: pytest.MonkeyPatch) -> None:
    static = Path(f"{place.tcpdwell()}-static")
    if not static.exists():
        pytest.skip("there is no static binary here")
    monkeypatch.setattr(place, "tcpdwell", lambda: str(static))
    with export(netns) as running:
        assert running.look().find("tcpdwell_build_info") == [1]
