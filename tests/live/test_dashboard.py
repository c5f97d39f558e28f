# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Queries of the dashboard and of the alert rules, put to a Prometheus that scrapes an export."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, Iterator

import pytest

from harness import place, within
from harness.metrics import LIMIT_S, Export
from harness.netns import Netns
from harness.plain import filtered_to, patience

pytestmark = pytest.mark.any_kernel

FOLDER = place.TOP / "tools/prometheus"
DASHBOARD, RULES = FOLDER / "dashboard.json", FOLDER / "alerts.yml"
COMM = "dashed"

CONFIG = """
global:
  scrape_interval: 1s
  evaluation_interval: 1s
rule_files: [%s]
scrape_configs:
  - job_name: tcpdwell
    static_configs:
      - targets: ["%s:%d"]
"""

# Queries for these have no answer on a host where nothing is wrong; all others have one.
MAY_BE_EMPTY = {"tcpdwell_feature", "tcpdwell_local_ports_seconds_left"}


class Prometheus:
    """A Prometheus of the test's, which keeps what it scrapes below the folder."""

    def __init__(self, folder: Path, target: tuple[str, int]) -> None:
        if not (program := shutil.which("prometheus")):
            pytest.skip("there is no prometheus here")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = "127.0.0.1:%d" % free.getsockname()[1]
        config = folder / "prometheus.yml"
        config.write_text(CONFIG % (RULES, *target))
        self.log = folder / "log"
        with self.log.open("w") as log:
            self.child = subprocess.Popen(
                [program, f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}",
                 f"--web.listen-address={self.address}"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def __enter__(self) -> Prometheus:
        return self

    def __exit__(self, *unused: object) -> None:
        self.child.terminate()
        try:
            self.child.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()

    def get(self, path: str, **arguments: str) -> Any:
        """Returns the API's answer; a query that Prometheus does not understand is an HTTP
        error."""
        url = f"http://{self.address}/api/v1/{path}?{urllib.parse.urlencode(arguments)}"
        with urllib.request.urlopen(url, timeout=LIMIT_S) as answer:
            page = json.load(answer)
        assert page["status"] == "success" and not page.get("warnings"), page
        return page["data"]

    def query(self, expression: str) -> list[Any]:
        return list(self.get("query", query=expression)["result"])

    def await_scrapes(self, count: int) -> None:
        end = time.monotonic() + patience(LIMIT_S)
        while True:
            with contextlib.suppress(OSError):
                scraped = self.query(f"count_over_time(up[1m]) >= {count} and up == 1")
                if scraped:
                    return
            assert self.child.poll() is None and time.monotonic() < end, self.log.read_text()
            time.sleep(0.2)


@contextlib.contextmanager
def troubles(netns: Netns) -> Iterator[None]:
    """Makes connections that are open, leaked, reset, refused, and waiting for accept()."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(within.listen(netns))
        idle = stack.enter_context(within.listen(netns, backlog=3))
        for _ in range(3):
            stack.enter_context(within.make_socket(netns)).connect(idle.getsockname())
        pairs = [within.Pair(netns, listener) for _ in range(50)]
        for pair in pairs:
            stack.callback(pair.close)
        for pair in pairs[:15]:
            pair.client.shutdown(socket.SHUT_WR)
        yield


def churn(netns: Netns) -> None:
    """Makes connections for rates and quantiles."""
    with within.listen(netns) as listener:
        within.connect_and_reset(netns, listener, 5)
        carrying = within.Pair(netns, listener)
        carrying.client.send(b"x")
        carrying.close()
    with within.make_socket(netns) as refused:
        assert refused.connect_ex(("127.0.0.1", 1))


def expressions() -> list[str]:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    found = [target["expr"] for panel in panels for target in panel.get("targets", [])]
    assert len(found) > 20
    for name, value in (("instance", ".*"), ("by", "comm"), ("__rate_interval", "30s")):
        found = [text.replace("$" + name, value) for text in found]
    assert not any("$" in text for text in found)
    return found


def test_each_query_has_an_answer(netns: Netns, tmp_path: Path) -> None:
    netns.sysctl("net/ipv4/ip_local_port_range", "40000 40059")
    with within.named(COMM.encode()), within.listen(netns) as listener:
        older = within.Pair(netns, listener)
    with within.named(COMM.encode()), \
            Export("--older", "1s", *filtered_to(netns)) as export, troubles(netns), \
            Prometheus(tmp_path, export.address) as prometheus:
        # A counter has to grow between two scrapes.
        prometheus.await_scrapes(2)
        churn(netns)
        older.close()
        export.look()
        prometheus.await_scrapes(len(prometheus.query("up[1m]")[0]["values"]) + 3)
        empty = {name for text in expressions() if not prometheus.query(text)
                 for name in re.findall(r"tcpdwell_\w+", text)}
        known = set(prometheus.get("label/__name__/values"))
        leaked = prometheus.query(f'tcpdwell_leaked_connections{{comm="{COMM}"}}')
        rules = [rule for group in prometheus.get("rules")["groups"] for rule in group["rules"]]
    assert empty <= MAY_BE_EMPTY
    named = {name for text in expressions() for name in re.findall(r"tcpdwell_\w+", text)}
    assert named - known <= {"tcpdwell_local_ports_seconds_left"}
    assert [float(row["value"][1]) for row in leaked] == [15]
    assert len(rules) == len(re.findall("alert: ", RULES.read_text()))
    assert {rule["health"] for rule in rules} == {"ok"}
    states = {rule["name"]: rule["state"] for rule in rules}
    assert states["TcpdwellLocalPortsRunOut"] in ("pending", "firing")
    assert states["TcpdwellBlind"] == "inactive"
