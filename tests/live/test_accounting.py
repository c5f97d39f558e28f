# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Every transition is printed, filtered or lost, and counted as one of them: seen is their sum."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any, Callable, NamedTuple

import pytest

from harness import bpfmap, capability, place, scale, within
from harness.netns import Netns
from harness.plain import Running, end, patience
from harness.tracer import check_account

# How many connections the load makes at full speed. TCPDWELL_TEST_CONNECTIONS sets another number.
CONNECTIONS = int(os.environ.get("TCPDWELL_TEST_CONNECTIONS", scale.count(40_000)))
# Places for connections of young sockets (user/kernel/map_sizes.c).
RECENT_SLOTS = 1 << 15  # for a tracer of up to 16 times as many sockets
# So many connections in TIME_WAIT fill the places and the first table, but not the second one.
TO_FILL_THE_FIRST_TABLE = 62_000
# How long the tracer is stopped, and how long no connection may take meanwhile: a connection that
# had to wait for the tracer would take the whole time. A busy machine alone may delay one a while.
STOPPED_S = 5
SLOWEST_MS = 2500
# The transitions at both ends of a connection that ends by a FIN, and of one that ends by a reset.
# The end of TIME_WAIT comes a minute later, if it is seen at all, and is left out.
OPENED = [("CLOSE", "SYN_SENT"), ("SYN_SENT", "ESTABLISHED"),
          ("LISTEN", "SYN_RECV"), ("SYN_RECV", "ESTABLISHED")]
FINISHED = [*OPENED, ("ESTABLISHED", "FIN_WAIT1"), ("FIN_WAIT1", "FIN_WAIT2"),
            ("ESTABLISHED", "CLOSE_WAIT"), ("CLOSE_WAIT", "LAST_ACK"), ("LAST_ACK", "CLOSE")]
# The end of the client's FIN_WAIT2. Not every kernel shows it as what it is.
LEFT = [("FIN_WAIT2", "TIME_WAIT"), ("FIN_WAIT2", "CLOSE")]
LISTENER = [("CLOSE", "LISTEN"), ("LISTEN", "CLOSE")]


class Load(NamedTuple):
    """What servers/rush.c reports that it did."""

    made: int
    listeners: int
    seconds: float
    slowest_ms: float


def rush_argv(netns: Netns, *arguments: str) -> list[str]:
    return netns.argv([str(place.TOP / "build/tests/servers/rush"), *arguments])


def loaded(out: str) -> Load:
    return Load(**json.loads(out))


def rush(netns: Netns, *arguments: str) -> Load:
    """Makes connections at full speed, and returns when all are made."""
    done = subprocess.run(rush_argv(netns, *arguments), capture_output=True, text=True,
                          check=False, timeout=patience(600))
    assert done.returncode == 0, done.stderr
    return loaded(done.stdout)


class Rush:
    """Makes connections at full speed while the test goes on."""

    def __init__(self, netns: Netns, *arguments: str) -> None:
        self.child = subprocess.Popen(rush_argv(netns, *arguments), stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, text=True)

    def __enter__(self) -> Rush:
        return self

    def __exit__(self, *unused: object) -> None:
        end(self.child)

    def wait(self) -> Load:
        out, err = self.child.communicate(timeout=patience(600))
        assert self.child.returncode == 0, err
        return loaded(out)


def check_nobody_waited(netns: Netns, load: Load) -> None:
    """No connection failed, or rush would have said so; none waited, and no segment was lost."""
    assert load.made > 0
    assert load.slowest_ms < SLOWEST_MS
    names, values = [line.split()[1:] for line in netns.run(["cat", "/proc/net/snmp"])
                     .stdout.splitlines() if line.startswith("Tcp:")]
    assert dict(zip(names, values))["RetransSegs"] == "0"


def check_identity(summary: dict[str, Any], printed: int) -> None:
    """The account matches the rows that were printed exactly. Rows may be lost."""
    assert summary["type"] == "summary"
    check_account(summary, [{}] * printed, lossy=True)


# ---- Exact counts --------------------------------------------------------------------------------


def pairs_in(file: Path) -> Counter[tuple[str, str]]:
    """Returns how often each transition is in a CSV file."""
    with open(file, newline="", encoding="utf-8") as rows:
        table = csv.reader(rows)
        header = next(table)
        at = header.index("from")
        assert header[at + 1] == "to"
        return Counter((row[at], row[at + 1]) for row in table)


def counts_of(said: str) -> dict[str, int]:
    """Returns the terms of the last line of accounting on standard error."""
    line = re.findall(r"^tcpdwell: (seen .*)$", said, re.MULTILINE)[-1]
    return {name: int(number) for name, number in re.findall(r"([a-z][a-z ]*?) (\d+)", line)}


def check_line(said: str) -> dict[str, int]:
    """Checks the identity in the line for human readers, and returns its terms."""
    counts = counts_of(said)
    others = sum(counts.get(name, 0) for name in ("folded", "unwritten", "unknown", "malformed"))
    assert counts["seen"] == (counts["printed"] + counts["filtered"] + counts["lost"]
                              + others), counts
    assert counts["lost"] == counts["ring full"] + counts["map full"], counts
    return counts


def untold_in(said: str) -> int:
    """Returns how many transitions the tracer says that it missed."""
    found = re.search(r"^tcpdwell: (\d+) transitions or more were missed", said, re.MULTILINE)
    return int(found[1]) if found else 0


# A hardened kernel runs no program on top of a process that it protects, although its own trace
# buffer has the event. This happens when that process wakes amid the load and a timer's softirq
# interrupts it.
UNTOLD_AT_MOST = CONNECTIONS // 1000


@pytest.mark.parametrize(("arguments", "of_each"), [
    pytest.param([], FINISHED, id="ipv4"),
    pytest.param(["-6"], FINISHED, id="ipv6"),
    pytest.param(["--reset"], OPENED, id="reset"),
])
def test_not_one_of_many_is_missing(netns: Netns, tmp_path: Path, arguments: list[str],
                                    of_each: list[tuple[str, str]]) -> None:
    """At full speed on both processors, which the tracer shares, every row gets into the file."""
    rows = tmp_path / "rows"
    with open(rows, "wb") as out, \
            Running("-o", "csv", "--netns", str(netns.inode), stdout=out) as running:
        load = rush(netns, "--workers", "4", "--connections", str(CONNECTIONS), *arguments)
        running.finish()
        counts = check_line(running.said())
    assert (load.made, counts["lost"]) == (CONNECTIONS, 0)
    pairs = pairs_in(rows)
    assert sum(pairs.values()) == counts["printed"]
    left = sum(pairs.pop(pair, 0) for pair in LEFT)
    # Not every TIME_WAIT has time to end before the tracer is stopped.
    assert pairs.pop(("TIME_WAIT", "CLOSE"), 0) <= CONNECTIONS
    assert left == (0 if of_each == OPENED else CONNECTIONS)
    if of_each == OPENED:
        assert pairs.pop(("ESTABLISHED", "CLOSE")) == 2 * CONNECTIONS
    untold = Counter({**{pair: CONNECTIONS for pair in of_each},
                      **{pair: load.listeners for pair in LISTENER}})
    untold.subtract(pairs)
    # Each transition that is missing is counted, and none is printed twice.
    assert min(untold.values()) == 0
    assert sum(untold.values()) == untold_in(running.said()) <= UNTOLD_AT_MOST


# ---- The identity --------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [
    pytest.param([], marks=pytest.mark.every_kernel), ["-4"], ["-6"], ["-L", "1-32767"],
    ["-D", "1-32767"], ["--port", "1-1023"],
    ["--addr", "127.0.0.0/8,::1"], ["--addr", "192.0.2.0/24"], ["-s", "ESTABLISHED"],
    ["--from", "SYN_SENT,LISTEN"], ["--to", "CLOSE,TIME_WAIT"], ["--min-dwell", "1ms"],
    ["--reason", "fin,refused"],
    ["--min-dwell", "1h"], ["--comm", "rush"], ["--comm", "none-such"], ["--uid", "0"],
    ["--uid", "12345"], ["--cgroup", "/"], ["--kernel-view"], ["--netns", "1"], ["-n", "100"],
    ["-p", "1"],
], ids=" ".join)
def test_identity_with(arguments: list[str], netns: Netns, tmp_path: Path) -> None:
    """The identity holds whatever else happens on this host. A file takes all rows."""
    file = tmp_path / "rows"
    count = scale.count(500)
    with open(file, "wb") as out, Running("-o", "csv", *arguments, stdout=out) as running:
        rush(netns, "--connections", str(count))
        rush(netns, "-6", "--reset", "--connections", str(count))
        if "-n" in arguments:
            assert running.wait() == 0, running.said()
        else:
            running.finish()
        counts = check_line(running.said())
    rows = file.read_bytes().count(b"\n") - 1
    assert counts["printed"] == rows
    if "-n" in arguments:
        assert rows == 100
    else:
        assert counts["seen"] >= 15 * count


# One client and its server are enough to keep two processors busy. With more of them, the kernel's
# grace periods would not end, and each program that is detached waits for one.
ENDLESS = ["--workers", "1", "--seconds", "600", "--connections", "3000000"]


@pytest.mark.parametrize("arguments", [[], ["--comm", "rush"]], ids=["", "owner filter"])
def test_identity_when_stopped_under_load(netns: Netns, tmp_path: Path,
                                          arguments: list[str]) -> None:
    """Transitions happen on every processor while the programs are detached."""
    with Rush(netns, *ENDLESS):
        for number in range(3):
            file = tmp_path / f"rows{number}"
            with open(file, "wb") as out, \
                    Running("-o", "csv", "-d", "500ms", "--netns", str(netns.inode), *arguments,
                            stdout=out) as running:
                assert running.wait(60) == 0, running.said()
                counts = check_line(running.said())
            assert counts["printed"] == file.read_bytes().count(b"\n") - 1
            file.unlink()


def test_report_on_signal_under_load(netns: Netns) -> None:
    """Each SIGUSR1 is answered by an identity that holds, and the numbers only grow."""
    with Running("-o", "csv", "-q", "--netns", str(netns.inode), ready=False) as running, \
            Rush(netns, *ENDLESS):
        # With -q it says nothing when it is ready; the header comes once it is attached.
        running.wait_for_lines(1, 60)
        before: dict[str, int] = {}
        for count in range(1, 11):
            time.sleep(0.1)
            running.child.send_signal(signal.SIGUSR1)
            running.wait_for(lambda wanted=count: running.said().count("seen ") == wanted, 30)
            counts = check_line(running.said())
            # What is not written yet must be written soon.
            assert all(counts[name] >= before.get(name, 0)
                       for name in counts if name != "unwritten"), (before, counts)
            before = counts
        assert before["printed"] > 0
        running.finish()
        # With -q it says only what was asked for, and what was lost, not written or missed.
        others = [line for line in running.errors if not line.startswith("tcpdwell: seen ")]
        losses = ("rows lost", "not written", "were missed")
        assert not [line for line in others if not any(loss in line for loss in losses)]
        assert len(running.errors) - len(others) == 10


@pytest.mark.any_kernel
def test_report_when_nothing_happens(netns: Netns) -> None:
    with Running("-o", "json", "--netns", str(netns.inode)) as running:
        running.child.send_signal(signal.SIGUSR1)
        running.wait_for(lambda: "seen " in running.said())
        assert check_line(running.said())["printed"] == 0
        assert running.child.poll() is None


# ---- A reader that is too slow -------------------------------------------------------------------


def json_rows(data: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in data.splitlines()]


def json_rows_of(data: bytes, ports: set[int]) -> tuple[list[dict[str, Any]], dict[str, Any], int]:
    """Returns the rows of these ports, the summary, and how many rows there are in all.

    There are too many of them to parse each.
    """
    *lines, summary = data.splitlines()
    named = re.compile(rb'port":(?:%s)\b' % "|".join(map(str, ports)).encode())
    return ([json.loads(line) for line in lines if named.search(line)], json.loads(summary),
            len(lines))


def check_later_rows(netns: Netns, rows: list[dict[str, Any]], pair_ports: tuple[int, int],
                     held_s: float) -> None:
    """A connection whose beginning was lost still has an owner and a dwell at its end."""
    client_port, server_port = pair_ports
    ends = [row for row in rows if row["to"] == "CLOSE" and row["from"] == "ESTABLISHED"
            and {row["lport"], row["rport"]} == {client_port, server_port}]
    assert {row["lport"] for row in ends} == {client_port, server_port}, ends
    for row in ends:
        assert (row["pid"], row["netns"]) == (os.getpid(), netns.inode)
        assert row["dwell"] == "exact"
        assert held_s <= row["dwell_ns"] / 1e9 <= held_s + patience(10), row
    assert {row["owner"] for row in ends} <= {"connect", "accept", "listen"}


def check_fresh_connection(netns: Netns, rows: list[dict[str, Any]],
                           ports: tuple[int, int]) -> None:
    """A connection that was made when no rows were lost any more is complete."""
    ends = [row for row in rows if {row["lport"], row["rport"]} == set(ports)]
    paths: dict[int, list[str]] = {}
    for row in ends:
        paths.setdefault(row["cookie"], [row["from"]]).append(row["to"])
        assert (row["pid"], row["netns"]) == (os.getpid(), netns.inode)
    assert sorted(paths.values()) == [["CLOSE", "SYN_SENT", "ESTABLISHED", "CLOSE"],
                                      ["LISTEN", "SYN_RECV", "ESTABLISHED", "CLOSE"]]


def rows_of_resets(load: Load) -> int:
    """Returns the rows of a load with --reset, two connections of the test, and its open listener.

    There are three rows for each end, and no TIME_WAIT. Each row is counted once, lost or not.
    """
    return 6 * (load.made + 2) + 2 * load.listeners + 1


def test_tracer_that_is_stopped_under_load(netns: Netns, tmp_path: Path) -> None:
    """The ring holds a few hundred rows; the host goes on as if the tracer were not there."""
    file = tmp_path / "rows"
    with open(file, "wb") as out, \
            Running("-o", "json", "--ring-size", "64K", "--netns", str(netns.inode),
                    stdout=out) as running, within.listen(netns) as listener:
        with Rush(netns, "--reset", "--seconds", "6", "--connections", "5000000") as rushing:
            time.sleep(0.5)
            running.child.send_signal(signal.SIGSTOP)
            try:
                time.sleep(STOPPED_S / 2)
                pair = within.Pair(netns, listener)
                pair_ports = pair.port(), listener.getsockname()[1]
                time.sleep(STOPPED_S / 2)
            finally:
                running.child.send_signal(signal.SIGCONT)
            load = rushing.wait()
        time.sleep(patience(0.2))
        pair.close()
        fresh = within.Pair(netns, listener)
        fresh_ports = fresh.port(), pair_ports[1]
        fresh.close()
        running.finish()
        said = running.said()
    rows, summary, printed = json_rows_of(file.read_bytes(), {*pair_ports, *fresh_ports})
    check_identity(summary, printed)
    assert summary["lost"]["ring"] > 0 and summary["lost"]["map"] == 0
    assert summary["seen"] - summary["filtered"] == rows_of_resets(load)
    assert re.search(rf"tcpdwell: {summary['lost']['ring']} rows lost.*--ring-size", said)
    check_nobody_waited(netns, load)
    check_later_rows(netns, rows, pair_ports, STOPPED_S / 2)
    check_fresh_connection(netns, rows, fresh_ports)


@pytest.mark.any_kernel
def test_slow_pipe(netns: Netns) -> None:
    """The tracer waits for its reader, and the host does not."""
    reader, writer = os.pipe()
    pieces: list[bytes] = []
    fast = threading.Event()

    def read() -> None:
        while data := os.read(reader, 4096):
            pieces.append(data)
            fast.wait(timeout=0.02)

    thread = threading.Thread(target=read)
    try:
        with Running("-o", "json", "--ring-size", "64K", "--netns", str(netns.inode),
                     stdout=writer) as running, within.listen(netns) as listener:
            os.close(writer)
            thread.start()
            with Rush(netns, "--reset", "--seconds", "3", "--connections",
                          "5000000") as rushing:
                time.sleep(1)
                pair = within.Pair(netns, listener)
                pair_ports = pair.port(), listener.getsockname()[1]
                load = rushing.wait()
            fast.set()
            time.sleep(patience(1))
            pair.close()
            fresh = within.Pair(netns, listener)
            fresh_ports = fresh.port(), pair_ports[1]
            fresh.close()
            running.finish()
        thread.join()
    finally:
        os.close(reader)
    rows, summary, printed = json_rows_of(b"".join(pieces), {*pair_ports, *fresh_ports})
    check_identity(summary, printed)
    assert summary["lost"]["ring"] > 0
    assert summary["seen"] - summary["filtered"] == rows_of_resets(load)
    check_nobody_waited(netns, load)
    check_later_rows(netns, rows, pair_ports, 1)
    check_fresh_connection(netns, rows, fresh_ports)


# ---- A map that is too small ---------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [[], ["--comm", "any"], ["-p", "any"]],
                         ids=["", "--comm", "-p"])
def test_more_sockets_than_there_is_room_for(netns: Netns, arguments: list[str]) -> None:
    """200 connections at a time are traced where 16 sockets may be remembered."""
    comm = Path("/proc/self/comm").read_text().strip()
    own = {"--comm": comm, "-p": str(os.getpid())}
    if arguments:
        arguments = [arguments[0], own[arguments[0]]]
    with Running("-o", "json", "--max-sockets", "16", "--netns", str(netns.inode),
                 *arguments) as running:
        with within.listen(netns) as listener:
            pairs = [within.Pair(netns, listener) for _ in range(200)]
            ports = [pair.port() for pair in pairs]
            for pair in pairs:
                pair.close()
        running.finish()
        said = running.said()
        *rows, summary = json_rows(running.output())
    check_identity(summary, len(rows))
    # Both ends of each, except 16 in a table and as many in the places.
    assert 2 * 200 - 2 * 16 <= summary["untracked"] <= 2 * 200
    assert re.search(rf"tcpdwell: {summary['untracked']} sockets .*--max-sockets", said)
    if not arguments:
        check_every_row_is_there(rows, ports)
        assert summary["lost"] == {"ring": 0, "map": 0}
    check_nothing_is_made_up(rows)


def check_every_row_is_there(rows: list[dict[str, Any]], ports: list[int]) -> None:
    """Every row is there, although not each has a dwell."""
    seen = Counter((row["from"], row["to"]) for row in rows
                   if row["rport"] in ports or row["lport"] in ports)
    assert seen[("ESTABLISHED", "CLOSE")] == 400
    assert [pair for pair in OPENED if seen[pair] != 200 and pair != OPENED[0]] == []
    # Without room in the table the first row cannot wait for its port, and is shown without it.
    assert sum((row["from"], row["to"]) == OPENED[0] for row in rows) == 200


def check_nothing_is_made_up(rows: list[dict[str, Any]]) -> None:
    """A dwell is the time since the row before, or unknown; the owner is ours or unknown."""
    last: dict[int, dict[str, Any]] = {}
    for row in rows:
        before = last.get(row["cookie"])
        if row["dwell"] == "exact":
            assert before and before["to"] == row["from"], (before, row)
            assert row["dwell_ns"] == row["mono_ns"] - before["mono_ns"], (before, row)
        assert row["pid"] in (os.getpid(), None), row
        last[row["cookie"]] = row


def count_maps(pid: int, wanted: Callable[[bpfmap.Map], bool]) -> int:
    """Returns how many maps the tracer has made when they were needed (user/kernel/tables.c)."""
    maps = bpfmap.of_process(pid)
    for one in maps:
        one.close()
    return sum(map(wanted, maps))


def test_places_are_made_when_sockets_come(netns: Netns) -> None:
    """Nothing is reserved for sockets that do not exist."""
    if not capability.cookies():
        pytest.skip("without cookies no socket has a place")
    with Running("--netns", str(netns.inode)) as running:
        pid = running.child.pid
        # Another process's listener may have come meanwhile. It is remembered, wanted or not.
        assert count_maps(pid, bpfmap.is_recent) <= 1
        with within.listen(netns) as listener:
            pair = within.Pair(netns, listener)
        running.wait_for(lambda: count_maps(pid, bpfmap.is_recent))
        pair.close()


@pytest.mark.parametrize(("sockets", "tables"), [
    pytest.param(3 * RECENT_SLOTS // 2, 2, id="all-taken"),
    pytest.param(8 * RECENT_SLOTS, 3, id="more-made")])
def test_more_sockets_than_recent_slots(netns: Netns, sockets: int, tables: int) -> None:
    """When TIME_WAIT has taken the places, the next connections go into the tables and are found.

    Connections that existed before the tracer go into the first table, which has half as much room
    as there are places. The second has twice as much. If these two hold all sockets, there is no
    third table; otherwise the third is made when the second comes into use.
    """
    with within.listen(netns) as listener:
        old = [within.Pair(netns, listener) for _ in range(200)]
        # The connections that rush makes end in another way.
        with Running("-o", "json", "--netns", str(netns.inode), "--from", "ESTABLISHED", "--to",
                     "CLOSE", "--max-sockets", str(sockets)) as running:
            rush(netns, "--workers", "4", "--connections", str(TO_FILL_THE_FIRST_TABLE))
            young = [within.Pair(netns, listener) for _ in range(200)]
            ends = {worth: {pair.port() for pair in pairs}
                    for worth, pairs in (("at_least", old), ("exact", young))}
            for pair in old + young:
                pair.close()
            assert count_maps(running.child.pid, bpfmap.is_table) == tables
            running.finish()
            *rows, summary = json_rows(running.output())
    check_identity(summary, len(rows))
    assert (summary["untracked"], summary["lost"]) == (0, {"ring": 0, "map": 0})
    for worth, ports in ends.items():
        assert [row["dwell"] for row in rows
                if {row["rport"], row["lport"]} & ports] == [worth] * 400


def test_room_is_given_back(netns: Netns) -> None:
    """16 places serve any number of connections one after another."""
    with Running("-o", "json", "--max-sockets", "16", "--netns", str(netns.inode)) as running:
        with within.listen(netns) as listener:
            within.connect_and_reset(netns, listener, 200)
            with within.make_socket(netns, socket.AF_INET) as refused:
                refused.connect_ex(("127.0.0.1", 1))
        running.finish()
        *rows, summary = json_rows(running.output())
    assert summary["untracked"] == 0
    assert summary["lost"] == {"ring": 0, "map": 0}
    assert {row["dwell"] for row in rows
            if row["from"] in ("SYN_SENT", "ESTABLISHED")} == {"exact"}
