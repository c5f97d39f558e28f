# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The rows in each format, held against the contract."""

from __future__ import annotations

import datetime
import json
import os
import re
import socket
import time
from typing import Any, Callable

import pytest

from harness import process, within
from harness.netns import Netns
from harness.plain import Running, filtered_to, parse_csv, patience
from harness.silence import SILENT, add_silence, begin_to_connect

pytestmark = pytest.mark.any_kernel

Check = Callable[[Any], bool]

STATES = {"LISTEN", "SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT1", "FIN_WAIT2", "CLOSE_WAIT",
          "CLOSING", "LAST_ACK", "TIME_WAIT", "CLOSE"}
OWNERS = {"connect", "listen", "accept", "close", "scan", None}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z")


def is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def is_text(value: Any) -> bool:
    return isinstance(value, str)


def is_port(value: Any) -> bool:
    return is_integer(value) and 0 < value <= 65535


def or_null(check: Check) -> Check:
    return lambda value: value is None or check(value)


# The contract of the JSON lines.
TRANSITION: dict[str, Check] = {
    "type": lambda value: value == "transition",
    "time": lambda value: bool(TIME.fullmatch(value)),
    "mono_ns": is_integer,
    "cookie": is_integer,
    "netns": is_integer,
    "family": lambda value: value in ("ipv4", "ipv6"),
    "laddr": is_text,
    "lport": or_null(is_port),
    "raddr": is_text,
    "rport": or_null(is_port),
    "from": lambda value: value in STATES,
    "to": lambda value: value in STATES,
    "dwell_ns": or_null(is_integer),
    "dwell": lambda value: value in ("exact", "at_least", "unknown"),
    "pid": or_null(lambda value: is_integer(value) and value > 0),
    "comm": or_null(is_text),
    "uid": or_null(is_integer),
    "cgroup": or_null(lambda value: is_text(value) and value.startswith("/")),
    "owner": lambda value: value in OWNERS,
    "reason": or_null(is_text),
    "errno": or_null(lambda value: bool(re.fullmatch("E[A-Z0-9]+", value))),
    "source": lambda value: value in ("tracepoint", "request_sock", "timewait_sock"),
}
# What later versions added after the contract's fields.
NAMES = ("unit", "container", "container_id", "pod", "pod_namespace", "netns_name")
ADDED: dict[str, Check] = {"holders": or_null(is_integer), "dwell_error_ns": or_null(is_integer),
                           **{name: or_null(is_text) for name in NAMES}}
SUMMARY: dict[str, Check] = {
    "type": lambda value: value == "summary",
    "seen": is_integer,
    "printed": is_integer,
    "filtered": is_integer,
    "lost": lambda value: set(value) == {"ring", "map"} and all(map(is_integer, value.values())),
}
SUMMARY_ADDED: dict[str, Check] = {"folded": is_integer, "untracked": is_integer,
                                   "missed": is_integer, "unwritten": is_integer,
                                   "unknown": is_integer, "malformed": is_integer}


def check_fields(row: dict[str, Any], contract: dict[str, Check], added: dict[str, Check]) -> None:
    assert set(contract) <= set(row) <= set(contract) | set(added)
    wrong = {name: value for name, value in row.items() if not {**contract, **added}[name](value)}
    assert not wrong


def check_transition(row: dict[str, Any]) -> None:
    check_fields(row, TRANSITION, ADDED)
    assert (row["dwell_ns"] is None) == (row["dwell"] == "unknown")
    assert (row["pid"] is None) == (row["comm"] is None) == (row["owner"] is None)
    socket.inet_pton(socket.AF_INET if row["family"] == "ipv4" else socket.AF_INET6, row["laddr"])
    socket.inet_pton(socket.AF_INET if row["family"] == "ipv4" else socket.AF_INET6, row["raddr"])
    if row["to"] != "CLOSE":
        assert (row["reason"], row["errno"]) == (None, None)


def rows_of(running: Running) -> list[dict[str, Any]]:
    """Returns the transitions that a JSON tracer has printed, each held against the contract."""
    rows = [json.loads(line.text) for line in running.lines()]
    transitions = [row for row in rows if row["type"] == "transition"]
    for row in transitions:
        check_transition(row)
    return transitions


# ---- Formats -------------------------------------------------------------------------------------


def some_of_everything(netns: Netns) -> None:
    """Plays both families, a listener, ends by FIN, by reset and by nobody, and a closed port."""
    for family in (socket.AF_INET, socket.AF_INET6):
        within.connect_and_end(netns, family)
    begin_to_connect(netns).close()


def test_every_json_line_follows_the_contract(netns: Netns) -> None:
    add_silence(netns)
    with Running("-o", "json") as running:
        some_of_everything(netns)
        running.wait_for(lambda: [line for line in running.lines()
                                  if b'"to":"SYN_SENT"' in line.text
                                  and SILENT.encode() in line.text])
        running.finish()
        rows = rows_of(running)
        assert running.output().endswith(b"\n")
        lines = running.lines()
        summary = json.loads(lines[-1].text)
    check_fields(summary, SUMMARY, SUMMARY_ADDED)
    assert len(rows) == len(lines) - 1 == summary["printed"]
    assert {row["family"] for row in rows} >= {"ipv4", "ipv6"}
    # The order is always the contract's, which users who cut columns out of it may rely on.
    assert list(rows[0])[:len(TRANSITION)] == list(TRANSITION)
    assert {tuple(row) for row in rows} == {tuple(rows[0])}


def as_json(row: dict[str, str]) -> dict[str, Any]:
    """Returns a CSV row with the types of the JSON lines."""
    numbers = ("mono_ns", "cookie", "netns", "lport", "rport", "dwell_ns", "pid", "uid", "holders",
               "dwell_error_ns")
    return {name: None if value == "" else int(value) if name in numbers else value
            for name, value in row.items()}


def test_formats_agree(netns: Netns) -> None:
    """JSON, CSV and table show the same rows at the same time."""
    add_silence(netns)
    with Running("-o", "json", *filtered_to(netns)) as one, \
            Running("-o", "csv", *filtered_to(netns)) as two, \
            Running("-w", *filtered_to(netns)) as three:
        some_of_everything(netns)
        for running in (one, two, three):
            running.wait_for(lambda out=running.output: SILENT.encode() in out())
        for running in (one, two, three):
            running.finish()
        rows = rows_of(one)
        cells = [as_json(row) for row in parse_csv(two.output())]
        table = [line.text.decode().split() for line in three.lines()[1:]]
    # The three tracers start at different times and know cgroups in different ways, but rows agree.
    own = ("time", "mono_ns", "dwell_ns")
    for row, cell in zip(rows, cells):
        assert list(row) == list(cell)
        assert all(row[name] == cell[name] for name in row if name not in own)
        assert abs(row["mono_ns"] - cell["mono_ns"]) < patience(1) * 1e9
    assert len(rows) == len(cells) == len(table) > 20
    for row, columns in zip(rows, table):
        assert columns[0] == str(row["pid"] or "-")
        assert columns[columns.index("->") - 1:columns.index("->") + 2] == [
            row["from"], "->", row["to"]]
        assert {str(row["cookie"]), str(row["netns"])} <= set(columns)


def test_csv_is_rfc_4180(netns: Netns) -> None:
    with Running("-o", "csv", *filtered_to(netns)) as running:
        running.wait_for_lines(1)
        within.make_socket(netns).listen()
        running.wait_for_lines(2)
        running.finish()
        data = running.output()
        said = running.said()
    header, *rows = parse_csv(data.split(b"\n")[0] + b"\n" + data)
    assert list(header) == list(header.values())
    assert list(header)[:len(TRANSITION)] == list(TRANSITION)
    assert [None not in row and None not in row.values() for row in rows] == [True] * len(rows)
    # There is no row of another shape at the end: the account is on standard error.
    assert {row["type"] for row in rows} == {"transition"}
    assert re.search(r"seen \d+ = printed 2 \+ filtered \d+ \+ ", said)


def columns_of(header: str) -> list[str]:
    return header.split()


def test_table_columns(netns: Netns) -> None:
    with within.listen(netns) as listener, Running(*filtered_to(netns)) as running:
        running.wait_for_lines(1)
        within.connect_and_reset(netns, listener)
        header, *rows = [line.text.decode() for line in running.wait_for_lines(7)]
    assert columns_of(header)[:6] == ["PID", "COMM", "LADDR:LPORT", "RADDR:RPORT", "DWELL", "FROM"]
    assert max(map(len, rows)) <= 132
    place = {name: header.index(name) for name in ("COMM", "LADDR", "RADDR", "FROM")}
    for row in rows:
        # Numbers end, and words begin, under their headers.
        assert re.fullmatch(r"-|\d+", row[:header.index("PID") + 3].strip())
        assert row[place["COMM"] - 1] == " " and row[place["COMM"]] != " "
        assert re.match(r"127\.0\.0\.1:\d+ ", row[place["LADDR"]:])
        assert re.match(r"127\.0\.0\.1:\d+ ", row[place["RADDR"]:])
        assert re.match(r"[A-Z_0-9]+ +-> [A-Z]", row[place["FROM"]:])
        dwell = row[:header.index("DWELL") + 5].split()[-1]
        assert re.fullmatch(r"-|>?\d[\d.]*(ns|µs|ms|s|m|h|d)\S*", dwell), row
        assert row[header.index("DWELL") + 5] == " "


def test_wide_table(netns: Netns) -> None:
    with within.listen(netns, socket.AF_INET6) as listener, \
            Running("-w", *filtered_to(netns)) as running:
        running.wait_for_lines(1)
        within.connect_and_reset(netns, listener)
        header, *rows = [line.text.decode() for line in running.wait_for_lines(7)]
    for name in ("COOKIE", "NETNS", "UID", "CGROUP"):
        assert name in columns_of(header)
    for row in rows:
        columns = row.split()
        assert row.index("[::1]:") == header.index("LADDR")
        assert str(netns.inode) in columns
        # Numbers end under their headers.
        for name in ("COOKIE", "NETNS", "UID"):
            last = header.index(f" {name} ") + len(name)
            assert row[last].isdigit() and row[last + 1] == " ", (name, row)


# ---- Times ---------------------------------------------------------------------------------------


def rows_with_clock(netns: Netns, *arguments: str, zone: str | None = None) -> tuple[str, float]:
    """Returns a row, and the time of day of its transition."""
    environment = dict(os.environ, **({"TZ": zone} if zone else {}))
    with Running(*arguments, *filtered_to(netns), env=environment) as running:
        before = time.time()
        within.make_socket(netns).listen()
        is_row = re.compile(rb"CLOSE *-> LISTEN|,CLOSE,LISTEN,|\"to\":\"LISTEN\"")
        found = running.wait_for(lambda: [line.text for line in running.lines()
                                          if is_row.search(line.text)])
        return found[0].decode(), before


def seconds_of_day(text: str) -> float:
    match = re.match(r"(\d\d):(\d\d):(\d\d(?:\.\d+)?) ", text)
    assert match, text
    return int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3])


@pytest.mark.parametrize(("arguments", "zone", "east_s"), [
    (["-T"], "ABC-5:30", 5.5 * 3600), (["-T"], "ABC+8", -8 * 3600), (["-T"], "UTC", 0),
    (["-T", "--utc"], "ABC-5:30", 0), (["-T", "-w"], "ABC-5:30", 5.5 * 3600),
], ids=str)
def test_time_of_day(netns: Netns, arguments: list[str], zone: str, east_s: float) -> None:
    row, before = rows_with_clock(netns, *arguments, zone=zone)
    # Midnight may come in between.
    off = (seconds_of_day(row) - (before + east_s)) % 86400
    assert min(off, 86400 - off) < 1, row


def test_time_of_day_is_that_of_date(netns: Netns) -> None:
    row, _ = rows_with_clock(netns, "-T")
    date = process.run(["date", "+%T "]).stdout
    off = (seconds_of_day(date) - seconds_of_day(row)) % 86400
    assert min(off, 86400 - off) < 1 + patience(1), (row, date)


def test_seconds_since_the_start(netns: Netns) -> None:
    start = time.monotonic()
    with Running("-t", *filtered_to(netns)) as running:
        header = running.wait_for_lines(1)[0].text.decode()
        time.sleep(1.2)
        within.make_socket(netns).listen()
        row = running.wait_for_lines(2)[1].text.decode()
    assert header.split()[0] == "TIME(s)"
    # The clock counts from when the tracer was attached, which was before it said so.
    assert 1.2 <= float(row.split()[0]) <= time.monotonic() - start


@pytest.mark.parametrize("form", ["json", "csv"])
def test_both_clocks(netns: Netns, form: str) -> None:
    """JSON and CSV give the time in UTC whatever the time zone is, and CLOCK_MONOTONIC."""
    mono_ns = time.monotonic_ns()
    row, before = rows_with_clock(netns, "-o", form, zone="ABC-5:30")
    at, mono = ((json.loads(row)["time"], json.loads(row)["mono_ns"]) if form == "json"
                else row.split(",")[1:3])
    assert mono_ns <= int(mono) <= time.monotonic_ns()
    second = datetime.datetime.strptime(at[:19] + "+0000", "%Y-%m-%dT%H:%M:%S%z").timestamp()
    assert abs(second + float(at[19:-1]) - before) < 1
    # Both clocks give the same moment.
    shift = time.time() - time.monotonic()
    assert abs(second + float(at[19:-1]) - (int(mono) / 1e9 + shift)) < 0.1
