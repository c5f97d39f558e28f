# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`tcpdwell export`: its pages, and ill-behaved peers."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from harness import within
from harness.metrics import HEALTH, LIMIT_S, OPENMETRICS, Export, ask, export, transfer
from harness.netns import Netns
from harness.plain import patience

pytestmark = pytest.mark.any_kernel


def test_pages(netns: Netns) -> None:
    with export(netns) as running:
        running.look()
        text, kind = running.fetch()
        assert kind.startswith("text/plain; version=0.0.4") and "# EOF" not in text
        text, kind = running.fetch(accept=OPENMETRICS)
        assert kind.startswith("application/openmetrics-text; version=1.0.0")
        assert text.endswith("\n# EOF\n")
        assert "# UNIT tcpdwell_look_duration_seconds seconds\n" in text
        assert running.fetch("/healthz")[0] == "ok\n"
        assert "/metrics" in running.fetch("/")[0]
        assert ask(running, b"GET /secret HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 404 ")
        assert ask(running, b"POST /metrics HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 405 ")
        assert ask(running, b"\x16\x03\x01\x02\n\n").startswith(b"HTTP/1.1 400 ")
        head = ask(running, b"HEAD /metrics HTTP/1.1\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ") and head.endswith(b"\r\n\r\n")


def test_scrapes_between_two_looks_are_the_same(netns: Netns) -> None:
    """The kernel is asked once, however many scrapes there are."""
    with export(netns, "-i", "1h") as running, within.listen(netns) as listener:
        running.running.wait_for(lambda: "ok\n" in ask(running, HEALTH).decode(), LIMIT_S)
        first = running.fetch()[0]
        within.connect_and_reset(netns, listener, 5)
        assert running.fetch()[0] == first


def test_promtool(netns: Netns) -> None:
    if not (promtool := shutil.which("promtool")):
        pytest.skip("there is no promtool here")
    with export(netns) as running, within.listen(netns) as listener:
        within.connect_and_reset(netns, listener, 5)
        with within.make_socket(netns) as refused:
            assert refused.connect_ex(("127.0.0.1", 1))
        text = running.look().text
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True,
                          text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


MANUAL = Path(__file__).resolve().parents[2] / "user/tcpdwell.8"
# Metrics of the manual that a page may lack, because no such thing has happened.
MAY_BE_MISSING = {"tcpdwell_state_dwell_unknown_total", "tcpdwell_local_ports_seconds_left"}


def documented() -> dict[str, set[str]]:
    """Returns the manual's metrics with their labels; those of its upper list have --by's, too."""
    upper, lower = MANUAL.read_text("utf-8").split("These names are for good", 1)[1] \
        .split("\n.El\n")[:2]
    return {name: set(labels.replace(",", " ").split()) | by
            for part, by in ((upper, {"comm"}), (lower, set()))
            for name, labels in re.findall(r"^\.It Li (tcpdwell_\w+) Ta ([^T]*)Ta ", part, re.M)}


def family(name: str, kinds: dict[str, str]) -> str:
    """Returns the metric that a sample belongs to."""
    base = re.sub(r"_(bucket|sum|count)$", "", name)
    return base if kinds.get(base) == "histogram" else name


def test_the_manual_has_what_a_scrape_has(netns: Netns) -> None:
    """Each metric has its labels, and HELP, TYPE and, in OpenMetrics, UNIT."""
    netns.sysctl("net/ipv4/ip_local_port_range", "40000 40049")
    with export(netns, "--older", "1s") as running, within.listen(netns) as listener:
        pairs = [within.Pair(netns, listener) for _ in range(45)]
        pairs[0].client.shutdown(socket.SHUT_WR)
        transfer(pairs[1].client, pairs[1].server, 10)
        within.connect_and_reset(netns, listener)
        with within.make_socket(netns) as refused:
            assert refused.connect_ex(("127.0.0.1", 1))
        got = running.look()
        openmetrics = running.fetch(accept=OPENMETRICS)[0]
        for pair in pairs:
            pair.close()
    manual = documented()
    kinds = dict(re.findall(r"^# TYPE (\w+) (\w+)$", got.text, re.M))
    labels: dict[str, set[str]] = {}
    for name, of, _ in got.samples:
        labels.setdefault(family(name, kinds), set()).update(of.keys() - {"le"})
    assert set(manual) - set(labels) <= MAY_BE_MISSING
    assert labels == {name: manual.get(name) for name in labels}
    assert set(kinds) == set(re.findall(r"^# HELP (\w+) .+", got.text, re.M)) == set(labels)
    units = dict(re.findall(r"^# UNIT (\w+) (\w+)$", openmetrics, re.M))
    assert all(name.endswith("_" + unit) for name, unit in units.items())
    for name in labels:
        name = name.removesuffix("_total").removesuffix("_info")
        assert f"# HELP {name} " in openmetrics and f"# TYPE {name} " in openmetrics
        assert name in units or not name.endswith(("_seconds", "_bytes", "_ratio"))


def is_served(running: Export) -> None:
    begin = time.monotonic()
    assert running.metrics().find("tcpdwell_build_info") == [1]
    assert time.monotonic() - begin < patience(5)


def test_silent_scrapers(netns: Netns) -> None:
    """A thousand say nothing, and some say half a request: all others are served."""
    with export(netns) as running, contextlib.ExitStack() as stack:
        running.look()
        for number in range(1000):
            silent = stack.enter_context(socket.socket())
            silent.setblocking(False)
            silent.connect_ex(running.address)
            if number % 10 == 0:
                with contextlib.suppress(OSError):
                    silent.send(b"GET /metrics HTTP/1.1\r\nHost: ")
            if number % 250 == 249:
                is_served(running)
        is_served(running)
        descriptors = len(os.listdir(f"/proc/{running.running.child.pid}/fd"))
        assert descriptors < 64 + 150
        running.running.finish()


def test_slow_readers(netns: Netns) -> None:
    """As many as there are places ask for a large page and read none of it."""
    with contextlib.ExitStack() as stack, export(netns, "--by", "port") as running:
        for _ in range(400):
            stack.enter_context(within.listen(netns))
        assert len(running.look().text) > 50000
        for _ in range(80):
            slow = stack.enter_context(socket.socket())
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            slow.settimeout(LIMIT_S)
            slow.connect(running.address)
            slow.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        is_served(running)
        running.running.finish()


def test_endless_request(netns: Netns) -> None:
    with export(netns) as running:
        running.look()
        with running.connect() as connection:
            sent = 0
            with contextlib.suppress(OSError):
                while sent < 1 << 30:
                    sent += connection.send(b"GET /" + bytes(65536))
        assert sent < 1 << 26
        with running.connect() as connection:
            connection.sendall(b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 20000)
            assert connection.recv(16).startswith(b"HTTP/1.1 431 ")
        is_served(running)
