# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`-o otlp` of `export` and `life`: a strict reader accepts it, and it agrees with other
outputs."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from harness import otlp, within
from harness.metrics import ADDRESS, LIMIT_S, Metrics
from harness.netns import Netns
from harness.plain import Running, filtered_to, run

pytestmark = pytest.mark.any_kernel

COMM = "told"
# As OpenTelemetry's conventions spell them.
STATES = {"CLOSE": "closed", "FIN_WAIT1": "fin_wait_1", "FIN_WAIT2": "fin_wait_2",
          "SYN_RECV": "syn_received"}
UNITS = {"s": "_seconds", "By": "_bytes", "1": "_ratio", "": ""}


def as_prometheus(point: otlp.Point) -> str:
    """Returns the name that a collector gives a metric of OTLP for Prometheus.

    By its compatibility rules, it adds the unit and `_total` where the name lacks them.
    """
    name = point.name.replace(".", "_")
    unit = UNITS[point.unit]
    if unit and not name.endswith(unit):
        name += unit
    return name + "_total" if point.kind == "sum" else name


def sent_and_told(netns: Netns, *arguments: str, lines: int = 1) -> tuple[list[otlp.Point], str]:
    """Returns the points of a look, and the page that was served after it."""
    with Running("export", "-o", "otlp", "--listen", "127.0.0.1:0", "-i", "1h", *arguments,
                 *filtered_to(netns)) as running:
        found = ADDRESS.search(running.said())
        assert found, running.said()
        running.wait_for_lines(lines, LIMIT_S)
        with socket.create_connection((found[1], int(found[2])), timeout=LIMIT_S) as connection:
            connection.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            page = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
        requests = [otlp.parse(line.text, otlp.METRICS) for line in running.lines()]
        running.finish()
    return [point for request in requests for point in otlp.points(request)], \
        page.split("\r\n\r\n", 1)[1]


def test_metrics_are_those_of_prometheus(netns: Netns) -> None:
    """Names and values are those of Prometheus, once a collector would have renamed the metrics."""
    netns.sysctl("net/ipv4/ip_local_port_range", "40000 40049")
    with within.named(COMM.encode()), within.listen(netns) as listener:
        pairs = [within.Pair(netns, listener) for _ in range(40)]
        points, page = sent_and_told(netns)
        for pair in pairs:
            pair.close()
    metrics = Metrics(page)
    said: dict[str, list[float]] = {}
    for name, _, value in metrics.samples:
        if not name.endswith(("_bucket", "_sum")):
            said.setdefault(name.removesuffix("_count"), []).append(value)
    told: dict[str, list[float]] = {}
    for point in points:
        told.setdefault(as_prometheus(point), []).append(point.value())
    assert {name: sorted(values) for name, values in told.items()} == \
        {name: sorted(values) for name, values in said.items()}
    open_now = [point for point in points if point.name == "tcpdwell.connections" and
                point.of.get("network.connection.state") == "established"]
    assert [(point.of["process.executable.name"], point.value()) for point in open_now] == \
        [(COMM, 80)]


def test_counters_and_histograms(netns: Netns) -> None:
    """Counters and histograms begin at the start of the run, and go on."""
    begin_ns = time.time_ns()
    with within.named(COMM.encode()), within.listen(netns) as listener, \
            Running("export", "-o", "otlp", "-i", "1s", *filtered_to(netns)) as running:
        assert "metrics at" not in running.said()
        running.wait_for_lines(1, LIMIT_S)
        within.connect_and_reset(netns, listener, 3)
        with within.make_socket(netns) as refused:
            assert refused.connect_ex(("127.0.0.1", 1))

        def looks() -> list[list[otlp.Point]]:
            return [otlp.points(otlp.parse(line.text, otlp.METRICS)) for line in running.lines()]

        running.wait_for(lambda: any(point.name == "tcpdwell.closes" for point in looks()[-1]),
                         LIMIT_S)
        count = len(running.lines())
        running.wait_for_lines(count + 1, LIMIT_S)
        running.finish()
    last = looks()[-1]
    closes = {point.of["tcpdwell.reason"]: point for point in last
              if point.name == "tcpdwell.closes"}
    assert {reason: point.value() for reason, point in closes.items()} == {
        "reset_sent": 3, "reset_received": 3, "refused": 1}
    assert {point.of["error.type"]: point.value() for point in last
            if point.name == "tcpdwell.connect_failures"} == {"ECONNREFUSED": 1}
    for point in last:
        at_ns = int(point.point["timeUnixNano"])
        assert begin_ns < at_ns < time.time_ns()
        if point.kind != "gauge":
            assert begin_ns < int(point.point["startTimeUnixNano"]) <= at_ns
        if point.kind == "histogram":
            counts = list(map(int, point.point["bucketCounts"]))
            bounds = point.point["explicitBounds"]
            assert sum(counts) == int(point.point["count"])
            assert len(counts) == len(bounds) + 1 and bounds == sorted(bounds)
            assert 0 < point.point["sum"] < LIMIT_S * sum(counts)


def test_lines_are_bounded(netns: Netns) -> None:
    """A thousand groups make more than one line; none is longer than the collector reads."""
    with contextlib.ExitStack() as stack:
        for _ in range(1500):
            stack.enter_context(within.listen(netns))
        points, page = sent_and_told(netns, "--by", "port", lines=2)
    told = [point.value() for point in points if point.name == "tcpdwell.connections"]
    assert len(told) == 1500 and sum(told) == 1500
    ports = {point.of["server.port"] for point in points if point.name == "tcpdwell.connections"}
    assert {str(port) for port in ports} == Metrics(page).labels("tcpdwell_connections", "port")


def test_names_that_would_break_the_format(netns: Netns) -> None:
    with within.named(b'a"b\\c\nd\xff'), within.listen(netns):
        points, _ = sent_and_told(netns)
    assert {point.of["process.executable.name"] for point in points
            if point.name == "tcpdwell.connections"} == {'a"b\\c\nd\ufffd'}


def test_disk_that_is_full(netns: Netns) -> None:
    """It says that the disk is full and ends, as with other outputs."""
    with open("/dev/full", "wb") as full:
        done = run("export", "-o", "otlp", "-i", "1s", "-d", "3s", *filtered_to(netns),
                   stdout=full)
    assert done.returncode == 1
    assert "No space left" in done.stderr.decode()


def test_help_and_misuse() -> None:
    assert b"otlp" in run("life", "--help").stdout and b"otlp" in run("export", "--help").stdout
    for command in ("trace", "stat", "leaks"):
        assert run(command, "-o", "otlp", "-d", "1s").returncode == 2
    assert run("export", "-o", "json", "-d", "1s").returncode == 2


# ---- Connections as logs -------------------------------------------------------------------------


def connections(netns: Netns, listener: socket.socket) -> None:
    within.connect_and_reset(netns, listener)
    pair = within.Pair(netns, listener)
    pair.client.sendall(b"four")
    pair.server.recv(4)
    pair.client.close()
    assert pair.server.recv(1) == b""
    pair.server.close()
    with within.make_socket(netns, listener.family) as refused:
        assert refused.connect_ex((listener.getsockname()[0], 1))


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_logs_say_what_json_says(netns: Netns, family: socket.AddressFamily) -> None:
    """Each field of JSON is there under its name, or as an attribute of the conventions."""
    begin_ns = time.time_ns()
    with within.named(COMM.encode()), within.listen(netns, family) as listener, \
            Running("life", "-o", "otlp", *filtered_to(netns)) as logs, \
            Running("life", "-o", "json", *filtered_to(netns)) as lives:
        connections(netns, listener)
        logs.wait_for_lines(5)
        lives.wait_for_lines(5)
        logs.finish()
        lives.finish()
        told = {attributes["tcpdwell.cookie"]: (resource, record, attributes)
                for resource, record, attributes in map(read_log, logs.lines())}
        rows = [json.loads(line.text) for line in lives.lines()][:-1]
        assert re.search(r"tcpdwell: seen \d+ = printed", logs.said())
    assert len(told) == len(rows)
    for row in rows:
        resource, record, attributes = told[row["cookie"]]
        assert begin_ns < int(record["timeUnixNano"]) < time.time_ns()
        assert (record["eventName"], record["severityNumber"]) == ("tcpdwell.connection", 9)
        assert resource.pop("host.name") == socket.gethostname()
        assert resource.pop("os.type") == "linux"
        check_against(row, resource, attributes)


def read_log(line: Any) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    request = otlp.parse(line.text, otlp.LOGS)
    one, = request["resourceLogs"]
    scope, = one["scopeLogs"]
    record, = scope["logRecords"]
    assert scope["scope"]["name"] == "tcpdwell"
    return otlp.plain(one["resource"]["attributes"]), record, otlp.plain(record["attributes"])


CONVENTIONS = {"laddr": "network.local.address", "lport": "network.local.port",
               "raddr": "network.peer.address", "rport": "network.peer.port",
               "family": "network.type", "errno": "error.type"}
RESOURCES = {"pid": "process.pid", "comm": "process.executable.name", "cgroup": "tcpdwell.cgroup",
             "unit": "systemd.unit.name", "container": "container.name",
             "container_id": "container.id", "pod": "k8s.pod.name",
             "pod_namespace": "k8s.namespace.name"}
# Times of day, which a record has in fields of its own, and fields that are no attribute.
LEFT_OUT = {"type", "open", "opened", "ended", "opened_mono_ns", "ended_mono_ns"}


def check_against(row: dict[str, Any], resource: dict[str, Any],
                  attributes: dict[str, Any]) -> None:
    assert attributes.pop("network.transport") == "tcp"
    opened = attributes.pop("tcpdwell.opened_unix_ns", None)
    assert (opened is None) == (row["opened"] is None)
    state = row.pop("state")
    assert attributes.pop("network.connection.state") == STATES.get(state, state.lower())
    for name, value in row.items():
        if name in LEFT_OUT:
            continue
        if name in RESOURCES:
            assert resource.pop(RESOURCES[name], None) == value, name
        else:
            key = CONVENTIONS.get(name, f"tcpdwell.{name}")
            told = attributes.pop(key, None)
            # Two tracers do not see a transition in the same microsecond.
            if name.endswith("_ns") and value is not None:
                assert abs(told - value) < LIMIT_S * 10**9, name
            else:
                assert told == value, name
    assert (resource, attributes) == ({}, {})


def test_pod_is_the_resource(netns: Netns, tmp_path: Path) -> None:
    """The pod of a connection is the resource, if the connection's cgroup can name one on this
    host."""
    from harness import cgroup, pods  # pylint: disable=import-outside-toplevel

    del netns
    if not cgroup.mounted():
        pytest.skip("the version 2 hierarchy is not mounted")
    for folder in (tmp_path, *tmp_path.parents[:2]):
        os.chmod(folder, 0o755)
    with pods.Pods(tmp_path) as made:
        if subprocess.run(made.wrap(["true"]), check=False).returncode:
            pytest.skip("no file system can be mounted")
        with Running("life", "-o", "otlp", "--cgroup", made.top.path,
                     wrap=made.wrap) as running:
            made.add()
            running.wait_for_lines(4)
            running.finish()
            resources = [read_log(line)[0] for line in running.lines()]
    named = [one for one in resources if one.get("k8s.pod.name")]
    assert named
    for one in named:
        assert (one["k8s.pod.name"], one["k8s.namespace.name"]) == ("web-1", pods.SPACE)
        assert one["container.name"] == "app" and len(one["container.id"]) == 64
        assert one["k8s.pod.uid"]
