# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A real Prometheus on loopback, which scrapes one target each second and evaluates the alerts."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, Callable, TypeVar

from . import process
from .plain import patience

T = TypeVar("T")

RULES = Path(__file__).resolve().parents[3] / "tools/prometheus/alerts.yml"
# It reads its files first, and a machine may stall.
LIMIT_S = 60

CONFIG = """\
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: [{rules}]
scrape_configs:
  - job_name: tcpdwell
    static_configs: [{{targets: ["{target}"]}}]
"""


def find() -> str | None:
    return shutil.which("prometheus")


def hasty_rules() -> str:
    """The alert rules that are shipped, with seconds instead of minutes."""
    return re.sub(r"\[\d+m\]", "[20s]", re.sub(r"for: \d+m", "for: 1s", RULES.read_text("ascii")))


class Prometheus:
    """A Prometheus with its files in a folder of the test; it ends with the test."""

    def __init__(self, folder: Path, target: tuple[str, int]) -> None:
        rules, config = folder / "rules.yml", folder / "prometheus.yml"
        rules.write_text(hasty_rules(), encoding="ascii")
        config.write_text(CONFIG.format(rules=rules, target="%s:%d" % target), encoding="ascii")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.address = "127.0.0.1:%d" % free.getsockname()[1]
        self.log = (folder / "log").open("w+b")
        program = find()
        assert program
        self.child = subprocess.Popen(
            [program, f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}",
             f"--web.listen-address={self.address}"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def __enter__(self) -> Prometheus:
        return self

    def __exit__(self, *unused: object) -> None:
        process.end(self.child)
        self.log.close()

    def wait_for(self, ask: Callable[[], T], what: str) -> T:
        """Returns what ask() returns, once that is true."""
        deadline = time.monotonic() + patience(LIMIT_S)
        while time.monotonic() < deadline:
            try:
                if found := ask():
                    return found
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                assert self.child.poll() is None, self._said()
            time.sleep(0.2)
        raise AssertionError(f"not in {patience(LIMIT_S)} s: {what}\n{self._said()}")

    def _said(self) -> str:
        self.log.seek(0)
        return self.log.read().decode()[-2000:]

    def _get(self, path: str, **arguments: str) -> Any:
        url = f"http://{self.address}/api/v1/{path}?{urllib.parse.urlencode(arguments)}"
        with urllib.request.urlopen(url, timeout=LIMIT_S) as answer:
            return json.load(answer)["data"]

    def query(self, expression: str) -> dict[str, float]:
        """What it answers now: values by the values of their labels, without the target's labels.
        """
        found = self._get("query", query=expression)["result"]
        return {",".join(value for name, value in sorted(one["metric"].items())
                         if name not in ("__name__", "instance", "job")): float(one["value"][1])
                for one in found}

    def value(self, expression: str) -> float | None:
        """The only value of an expression that sums; None: there is none."""
        found = list(self.query(expression).values())
        assert len(found) <= 1, found
        return found[0] if found else None

    def firing(self) -> set[str]:
        return {alert["labels"]["alertname"] for alert in self._get("alerts")["alerts"]
                if alert["state"] == "firing"}

    def faults(self) -> set[str]:
        """The errors of scrapes."""
        return {target["lastError"] for target in self._get("targets")["activeTargets"]} - {""}
