# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`tcpdwell stat` against `tcpdwell trace` of the same connections: the same counts and dwells."""

from __future__ import annotations

import fcntl
import ipaddress
import json
import os
import pty
import re
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any, Callable, Iterator

import pytest

from harness import capability, place, plain, refusal
from harness.cgroup import Cgroup, NoCgroups, mounted
from harness.close import HELD_S, closer
from harness.matrix import on_every_kernel
from harness.netns import Netns
from harness.peer import ACK, FIN
from harness.scale import count
from harness.stage import Stage, stages
from harness.sums import Group, Sums
from harness.tracer import Row, Tracer
from harness.watch import SEEING, Watch

PORT, OTHER_PORT = 7000, 60999
# A held state lasts this long, which tells it from a state that is over at once.
HOLD_S = 0.3
MIN_DWELL = "150ms"
ENTER, LEAVE = b"\033[?1049h\033[?25l", b"\033[?25h\033[?1049l"

# Connections one by one to a listener of the same process: COUNT PORT HOLD_S FAMILY. The two ends
# take turns in closing first; now and then each state is held for a while.
LOAD = """
import socket, sys, time
count, port, hold_s, family = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
kind, address = ((socket.AF_INET, "127.0.0.1") if family == "4" else (socket.AF_INET6, "::1"))
server = socket.socket(kind)
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind((address, port))
server.listen(16)
for number in range(count):
    client = socket.socket(kind)
    client.connect((address, port))
    child, _ = server.accept()
    if number % 10 == 0:
        time.sleep(hold_s)
    one, other = (client, child) if number % 2 else (child, client)
    if number % 3:
        one.close()
    else:
        one.shutdown(socket.SHUT_WR)
    assert other.recv(1) == b""
    if number % 10 == 5:
        time.sleep(hold_s)
    other.close()
    one.close()
server.close()
"""


def connect(netns: Netns, number: int, port: int = PORT, hold_s: float = 0.0,
            family: int = 4) -> None:
    netns.run([sys.executable, "-I", "-S", "-c", LOAD, str(number), str(port), str(hold_s),
               str(family)])


def perform(netns: Netns) -> None:
    """Three processes at a time use two ports and two families, with long states and short ones."""
    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(connect, netns, count(40), PORT, HOLD_S, 4),
                     pool.submit(connect, netns, count(40), OTHER_PORT, 0.0, 6),
                     pool.submit(connect, netns, count(60), PORT + 1, 0.01, 4)]:
            done.result()


def prefix(row: Row) -> tuple[str, int]:
    length = 24 if row["family"] == "ipv4" else 64
    network = ipaddress.ip_network(f"{row['raddr']}/{length}", strict=False)
    return str(network.network_address), length


def service_port(row: Row) -> int | None:
    """Returns the service's port as the manual defines it; these namespaces have Linux's own
    range."""
    if row["owner"] in ("listen", "accept") or not row["rport"]:
        return row["lport"]
    if row["owner"] == "connect":
        return row["rport"]
    ours, theirs = (32768 <= row[end] <= 60999 for end in ("lport", "rport"))
    return None if ours == theirs else row["rport"] if ours else row["lport"]


# What identifies a group: taken from a row, and from a group.
BY: dict[str, tuple[Callable[[Row], Any], Callable[[Group], Any]]] = {
    "process": (lambda row: (row["pid"], row["comm"]), lambda group: (group["pid"], group["comm"])),
    "comm": (lambda row: row["comm"], lambda group: group["comm"]),
    "port": (service_port, lambda group: group["port"]),
    "lport": (lambda row: row["lport"], lambda group: group["lport"]),
    "rport": (lambda row: row["rport"], lambda group: group["rport"]),
    "prefix": (prefix, lambda group: (group["raddr"], group["prefix"])),
    "cgroup": (lambda row: row["cgroup"], lambda group: group["cgroup"]),
    "state": (lambda row: None, lambda group: None),
}

FILTERS: dict[str, list[str]] = {
    "everything": [],
    "lport": ["-L", str(PORT)],
    "port": ["--port", f"{PORT},{OTHER_PORT}"],
    "comm": ["--comm", os.path.basename(sys.executable)[:15]],
    "from": ["--from", "ESTABLISHED,CLOSE_WAIT"],
    "dwell": ["--min-dwell", MIN_DWELL],
    "ipv6": ["-6"],
}


def dwells(rows: list[Row], by: str) -> dict[Any, list[int]]:
    """Returns the known dwells by state and group, sorted."""
    found = defaultdict(list)
    for row in rows:
        if row["dwell"] == "exact":
            found[row["from"], BY[by][0](row)].append(row["dwell_ns"])
    return {key: sorted(values) for key, values in found.items()}


def by_group(groups: list[Group], by: str) -> dict[Any, Group]:
    found = {(group["state"], BY[by][1](group)): group for group in groups if group["count"]}
    assert not any(group["others"] for group in groups)
    return found


@pytest.fixture(scope="module", name="by_performance")
def _by_performance(module_netns: Callable[[], Netns]) -> Iterator[dict[str, Any]]:
    """All kinds of groups of one performance, and its rows."""
    yield _watched(module_netns(), {by: ["--by", by] for by in BY}, {"rows": []})


@pytest.fixture(scope="module", name="filtered")
def _filtered(module_netns: Callable[[], Netns]) -> Iterator[dict[str, Any]]:
    """For one performance, stat and trace with each of the filters."""
    netns = module_netns()
    yield _watched(netns, FILTERS, {f"rows {name}": args for name, args in FILTERS.items()})


def _watched(netns: Netns, stats: dict[str, list[str]],
             traces: dict[str, list[str]]) -> dict[str, Any]:
    """Returns the rows of each trace, and each stat once it has ended, by name."""
    # Starting one is mostly the kernel's work, and stopping one is mostly waiting for the kernel.
    with ExitStack() as stack, ThreadPoolExecutor(4) as pool:
        where = ["--netns", netns.path]

        def start(kind: Any, *arguments: str, **kwargs: Any) -> Any:
            made = kind(*where, *arguments, **kwargs)
            stack.callback(made.close)
            return made

        sums = {name: pool.submit(start, Sums, *args) for name, args in stats.items()}
        tracers = {name: pool.submit(start, Tracer, *args, chains=not args)
                   for name, args in traces.items()}
        started = {name: future.result() for name, future in (sums | tracers).items()}
        perform(netns)
        # Orphans may flip until now, and the tracers must have looked at all of them.
        time.sleep(0.2)
        list(pool.map(lambda made: made.stop(), started.values()))
        return {name: made if name in sums else made.all_rows() for name, made in started.items()}


@pytest.mark.parametrize("by", BY)
def test_counts_are_those_of_trace(by_performance: dict[str, Any], by: str) -> None:
    want = dwells(by_performance["rows"], by)
    got = by_group(by_performance[by].groups(), by)
    assert {key: group["count"] for key, group in got.items()} == \
        {key: len(values) for key, values in want.items()}
    assert by_performance[by].summary["lost"] == {"map": 0}


# How far the clocks of two programs may be apart that see a transition one after the other.
CLOCKS_NS = 200_000


@pytest.mark.parametrize("by", ["process", "state"])
def test_percentiles_are_within_a_bucket(by_performance: dict[str, Any], by: str) -> None:
    """The percentile is that of the nearest rank; unit tests check buckets against equal values.

    The timer backend knows to within two jiffies when an orphan leaves FIN_WAIT2.
    """
    want = dwells(by_performance["rows"], by)
    timers = capability.backend(capability.TIME_WAIT) == "timer"
    flips_ns = 2 * capability.jiffy_ns() if timers else 0
    for key, group in by_group(by_performance[by].groups(), by).items():
        values = want[key]
        slack_ns = CLOCKS_NS + (flips_ns if key[0] == "FIN_WAIT2" else 0)
        for percent in (50, 90):
            exact = values[max(0, -(-len(values) * percent // 100) - 1)]
            got = group[f"p{percent}_ns"]
            assert abs(got - exact) <= exact / 32 + slack_ns, (key, percent, got, exact)


# The timer backend looks once a second for orphans that flip, and at each of them twice.
LOOKED_S = 2.2

stage = pytest.fixture(stages, scope="module", name="stage")


@pytest.fixture(params=SEEING, name="watch")
def _watch(request: pytest.FixtureRequest, stage: Stage) -> Watch:
    return stage.watch(request.param)


@pytest.mark.parametrize("fin_timeout", [60, 2])
def test_timewait_sockets(fin_timeout: int, stage: Stage, watch: Watch) -> None:
    """An orphan flips, a segment arms its timer again, and a reset ends it ahead of time."""
    watch.require(timewait=True)
    link = stage.link(tcp_fin_timeout=fin_timeout)
    sums = Sums("--backend", watch.backend, "--netns", str(link.inode), "--by", "state")
    try:
        close = closer(stage, link)
        close.shut("s.close()")
        close.ack()
        time.sleep(HELD_S)
        close.fin()
        time.sleep(LOOKED_S)
        again = close.peer.send(FIN | ACK, seq=close.peer.next - 1)
        close.peer.expect(ACK)
        assert again.before_ns > close.at["TIME_WAIT"].to_ns
        time.sleep(HELD_S)
        close.reset()
        sums.stop()
    finally:
        sums.close()
    groups = {group["state"]: group for group in sums.groups()}
    for state, after in ("FIN_WAIT1", "FIN_WAIT2"), ("FIN_WAIT2", "TIME_WAIT"), ("TIME_WAIT",
                                                                                 "CLOSE"):
        begun, ended = close.at[state], close.at[after]
        assert groups[state]["count"] == 1, groups
        assert ended.from_ns - begun.to_ns - watch.tw_slack_ns <= groups[state]["max_ns"] <= \
            ended.to_ns - begun.from_ns + watch.tw_slack_ns, (state, close.at, groups)


@pytest.mark.parametrize("name", FILTERS)
def test_filters_are_those_of_trace(filtered: dict[str, Any], name: str) -> None:
    """stat and trace filter alike, including rows that wait for an owner or a port."""
    rows, sums = filtered[f"rows {name}"], filtered[name]
    want = dwells(rows, "process")
    got = by_group(sums.groups(), "process")
    assert want
    assert {key: group["count"] for key, group in got.items()} == \
        {key: len(values) for key, values in want.items()}
    undated = [row for row in rows if row["dwell"] == "unknown"]
    assert sums.summary["undated"] == len(undated)


@pytest.mark.every_kernel
def test_old_sockets_are_lower_bounds(netns: Netns) -> None:
    """Sockets older than the tracer are counted apart, and are in no percentile."""
    holder = netns.spawn([sys.executable, "-I", "-S", "-c", """
import socket, sys
s = socket.socket(); s.bind(("127.0.0.1", 7000)); s.listen(4)
c = socket.socket(); c.connect(("127.0.0.1", 7000))
a, _ = s.accept()
print(flush=True)
sys.stdin.readline()
"""], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    holder.stdout.readline()
    sums = Sums("--netns", netns.path)
    holder.stdin.close()
    holder.wait(60)
    groups = sums.stop().groups()
    old = {group["state"]: group for group in groups if group["at_least"]}
    assert old["ESTABLISHED"]["at_least"] == 2
    assert old["ESTABLISHED"]["at_least_max_ns"] > 0
    assert old["ESTABLISHED"]["pid"] == holder.pid
    assert not old["ESTABLISHED"]["count"] and old["ESTABLISHED"]["p50_ns"] is None


@pytest.mark.every_kernel
def test_service_port(netns: Netns) -> None:
    """A service in the range of ephemeral ports, above its clients' ports, is one group."""
    netns.sysctl("net/ipv4/ip_local_port_range", "40000 40999")
    sums = Sums("--netns", netns.path, "--by", "port")
    connect(netns, 50, 50432)
    groups = sums.stop().groups()
    assert {group["port"] for group in groups} == {50432}
    assert sum(group["count"] for group in groups if group["state"] == "ESTABLISHED") == 100


@pytest.mark.every_kernel
def test_full_map_is_counted(netns: Netns) -> None:
    """There are more ports than room; the account is exact, and the message says what to do."""
    sums = Sums("--netns", netns.path, "--by", "lport", "--hist-size", "64K")
    connect(netns, 400)
    sums.stop()
    lost = sums.summary["lost"]["map"]
    assert lost > 0
    assert sums.reports[0]["lost"] == lost
    assert f"{lost} rows found no room: see --hist-size" in sums.running.said()


@pytest.mark.parametrize("cumulative", on_every_kernel([[], ["--cumulative"]], []))
def test_reports_add_up(netns: Netns, cumulative: list[str]) -> None:
    """Switching from map to map loses nothing, whatever happens meanwhile."""
    number = count(1000)
    hold_s = 0.3 / (number / 5)  # two in ten are held, so the load spans intervals on any host
    sums = Sums("--netns", netns.path, "-i", "100ms", *cumulative)
    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(connect, netns, number, PORT + i, hold_s) for i in range(3)]:
            done.result()
    sums.stop()
    counted = [report["counted"] for report in sums.reports]
    assert len(counted) >= 2
    if cumulative:
        assert counted == sorted(counted) and counted[-1] == sums.summary["counted"]
        return
    assert sum(counted) == sums.summary["counted"]
    # A connection has 10 transitions: two have no dwell, and TIME_WAIT goes on.
    established = sum(group["count"] for report in sums.reports for group in report["groups"]
                      if group["state"] == "ESTABLISHED")
    assert established == 3 * number * 2


def test_duration_and_interval(netns: Netns) -> None:
    """Reports come in step; the last one covers what is left."""
    sums = Sums("--netns", netns.path, "-i", "200ms", "-d", "500ms")
    assert sums.running.wait(30) == 0
    spans = [report["duration_ns"] for report in sums.ended().reports]
    assert len(spans) in (2, 3) and 450e6 < sum(spans) < 5e9


# How often stat looks for new cgroups.
NAMES_S = 1


@pytest.mark.any_kernel
@pytest.mark.parametrize("interval", [[], ["-i", "1h"]])
def test_cgroup_that_ends_before_the_report(netns: Netns, interval: list[str]) -> None:
    """The group keeps the cgroup's name after the cgroup is gone."""
    if not mounted():
        pytest.skip("no cgroup version 2 hierarchy")
    sums = Sums("--netns", netns.path, "--by", "cgroup", *interval)
    try:
        cgroup = Cgroup()
    except NoCgroups as why:
        sums.close()
        pytest.skip(f"no cgroup can be made: {why}")
    try:
        child = netns.spawn([sys.executable, "-I", "-S", "-c", "input()\n" + LOAD, "10", str(PORT),
                             "0", "4"], stdin=subprocess.PIPE, text=True)
        cgroup.add(child.pid)
        child.communicate("\n")
        assert child.returncode == 0
        # Nothing is printed before the end, so the test cannot wait for output.
        time.sleep(plain.patience(2 * NAMES_S))
    finally:
        cgroup.remove()
    sums.stop()
    assert {group["cgroup"] for group in sums.groups()} == {cgroup.path}


def test_account_at_sigusr1(netns: Netns) -> None:
    with plain.Running("stat", "--netns", netns.path, *place.backend()) as running:
        connect(netns, 10)
        running.child.send_signal(signal.SIGUSR1)
        said = running.wait_for(lambda: re.search(
            r"seen (\d+) = counted (\d+) \+ undated (\d+) \+ filtered (\d+) \+ lost (\d+)",
            "".join(running.errors)))
        seen, *rest = map(int, said.groups())
        assert seen == sum(rest) and rest[0] >= 60
        running.finish()


def test_program(netns: Netns) -> None:
    """stat starts and ends with the program, and sees nothing else."""
    done = plain.run("stat", "-q", "-o", "json", *place.backend(), "--", *netns.argv(
        [sys.executable, "-I", "-S", "-c", LOAD, "20", str(PORT), "0", "4"]))
    assert done.returncode == 0, done.stderr
    report, summary = map(json.loads, done.stdout.splitlines())
    assert len({group["pid"] for group in report["groups"]}) == 1
    assert sum(g["count"] for g in report["groups"] if g["state"] == "ESTABLISHED") == 40
    assert summary["type"] == "summary"


@pytest.mark.any_kernel
@pytest.mark.parametrize(("arguments", "message"), [
    (["-i", "0s"], "-i: '0s' is too short"),
    (["-i", "0"], "-i: '0'"),
    (["--by", "colour"], "--by: 'colour'"),
    (["--prefix4", "33"], "--prefix4: '33'"),
    (["--hist-size", "1"], "--hist-size: '1' is out of range"),
    (["-o", "csv"], "-o: 'csv'"),
])
def test_bad_options(arguments: list[str], message: str) -> None:
    done = plain.run("stat", *arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert message in done.stderr.decode()


def test_reader_that_goes(netns: Netns) -> None:
    """A closed pipe ends it quietly."""
    done = subprocess.run(f"{place.tcpdwell()} stat -i 100ms --netns {netns.path} | head -n 1",
                          shell=True, capture_output=True, timeout=plain.READY_LIMIT_S, check=False)
    assert b"dwells in" in done.stdout
    assert done.stderr.decode() == plain.READY


@pytest.mark.any_kernel
@pytest.mark.parametrize("columns", [80, 140])
def test_terminal(netns: Netns, columns: int) -> None:
    """It draws in place while it runs; what it leaves afterwards fits the width."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    child = subprocess.Popen([place.tcpdwell(), "stat", "-q", "--netns", netns.path, "-i", "100ms",
                              *place.backend(), "--", *netns.argv(
                                  [sys.executable, "-I", "-S", "-c", LOAD, "30", str(PORT), "0.3",
                                   "4"])],
                             stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    data = b""
    try:
        while True:
            try:
                got = os.read(master, 65536)
            except OSError:  # EIO: the other side is closed
                break
            if not got:
                break
            data += got
    finally:
        plain.end(child)
        os.close(master)
    before, left = data.rsplit(LEAVE, 1)
    assert before.startswith(ENTER) and before.count(b"dwells in") > 2
    lines = left.decode().replace("\r", "").splitlines()
    assert lines[1].startswith("STATE           PID COMM")
    assert ("OLDER" in lines[1]) == (columns >= 132)
    assert all(len(line) <= columns for line in lines), lines
    assert any(line.startswith("ESTABLISHED") for line in lines)


def test_handshakes_and_waits_for_accept(netns: Netns) -> None:
    """Completed handshakes are counted on both sides, and how long the server let them wait."""
    sums = Sums("--netns", netns.path)
    listener = netns.inside(socket.socket)
    listener.bind(("127.0.0.1", 0))
    listener.listen(8)
    made = [netns.inside(socket.socket) for _ in range(4)]
    for client in made:
        client.connect(listener.getsockname())
    time.sleep(0.3)
    accepted = [listener.accept()[0] for _ in range(3)]
    refused = netns.inside(socket.socket)
    with pytest.raises(ConnectionRefusedError):
        refused.connect(("127.0.0.1", 1))
    for end in (*made, *accepted, listener):
        end.close()
    groups = {group["state"]: group for group in sums.stop().all_groups()}
    assert groups["HANDSHAKE"]["count"] == 8
    assert groups["SYN_SENT"]["count"] == 5 and groups["SYN_RECV"]["count"] == 4
    assert groups["ACCEPT"]["count"] == 3 and groups["ACCEPT"]["pid"] == os.getpid()
    assert 250_000_000 < groups["ACCEPT"]["p50_ns"] < 3_000_000_000


def test_rows_where_the_kernel_refuses_sums(netns: Netns) -> None:
    """The report is the same, but for the waits for accept(); what is lost is said."""
    only = ["--netns", netns.path, "--by", "comm", "-o", "json"]
    refused = refusal.wrap("BPF_MAP_CREATE:stat_even=EPERM")
    with plain.Running("stat", *only) as sums, plain.Running("stat", *only, wrap=refused) as rows:
        connect(netns, 40)
        reports = []
        for running in (sums, rows):
            running.finish()
            reports.append([json.loads(line.text) for line in running.lines()])
        assert "waits for accept() are not known: the kernel refuses stat_even" in rows.said()
    (of_sums, account), (of_rows, account_of_rows) = reports
    waits = sum(group["count"] for group in of_sums["groups"] if group["state"] == "ACCEPT")
    counts = [{(group["state"], group["comm"]): (group["count"], group["at_least"])
               for group in report["groups"] if group["state"] != "ACCEPT"}
              for report in (of_sums, of_rows)]
    assert waits and counts[0] and counts[0] == counts[1]
    assert account_of_rows["counted"] == account["counted"] - waits
    assert account_of_rows["undated"] == account["undated"]
    assert account_of_rows["lost"] == {"map": 0, "ring": 0}


# ---- Rows and sums in one capture ----------------------------------------------------------------


@pytest.mark.parametrize("by", on_every_kernel(["process", "comm", "lport", "rport", "prefix",
                                                "cgroup", "state"], "process"))
def test_rows_and_sums_of_one_capture(netns: Netns, by: str) -> None:
    """The kernel side sends each transition and sums it: both make the same report."""
    both = netns.spawn([str(place.TOP / "build/tests/loader/both"), by,
                        f"{PORT},{PORT + 1},{OTHER_PORT}"],
                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert both.stdout is not None and both.stdout.readline() == "ready\n"
    perform(netns)
    text, _ = both.communicate("", timeout=120)
    rows, sums, counted = text.splitlines()
    assert both.returncode == 0 and rows == sums
    assert json.loads(rows)["counted"] >= 3 * count(40)
    account = json.loads(counted)
    assert account["lost"] == account["sums_lost"] == 0
    assert account["taken"] == account["emitted"] == account["seen"] - account["filtered"]
