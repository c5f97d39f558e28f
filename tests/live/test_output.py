# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the rows look like in each format, how soon they come, and readers that are odd."""

from __future__ import annotations

import contextlib
import csv
import datetime
import io
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import threading
import time
import unicodedata
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from harness import process, within
from harness.netns import Netns
from harness.plain import READY, Line, Running, end, patience, run

pytestmark = pytest.mark.any_kernel

Check = Callable[[Any], bool]

# A row may be this old when its reader has it.
PROMPT_NS = 100_000_000
# Of RFC 5737: ours on loopback, and one that loopback is said to lead to and that nobody has.
# What is sent there comes back in, is no one's, and is dropped without a word.
OURS, SILENT = "192.0.2.1", "192.0.2.99"

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
# What later versions added behind it.
ADDED: dict[str, Check] = {"holders": or_null(is_integer)}
SUMMARY: dict[str, Check] = {
    "type": lambda value: value == "summary",
    "seen": is_integer,
    "printed": is_integer,
    "filtered": is_integer,
    "lost": lambda value: set(value) == {"ring", "map"} and all(map(is_integer, value.values())),
}
SUMMARY_ADDED: dict[str, Check] = {"folded": is_integer, "untracked": is_integer,
                                   "missed": is_integer}


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
    """The transitions that a JSON tracer has printed, each held against the contract."""
    rows = [json.loads(line.text) for line in running.lines()]
    transitions = [row for row in rows if row["type"] == "transition"]
    for row in transitions:
        check_transition(row)
    return transitions


def filtered_to(netns: Netns) -> list[str]:
    return ["--netns", str(netns.inode)]


# ---- Formats -------------------------------------------------------------------------------------


def add_silence(netns: Netns) -> None:
    netns.ip("addr", "add", f"{OURS}/32", "dev", "lo")
    netns.ip("route", "add", f"{SILENT}/32", "dev", "lo", "src", OURS)


def some_of_everything(netns: Netns) -> None:
    """Both families, a listener, ends by FIN, by reset and by nobody, a port that is not open."""
    for family in (socket.AF_INET, socket.AF_INET6):
        with within.listen(netns, family) as listener:
            within.connect_and_reset(netns, listener)
            pair = within.Pair(netns, listener)
            pair.client.close()
            assert pair.server.recv(1) == b""
            pair.server.close()
            address = listener.getsockname()
        with within.make_socket(netns, family) as refused:
            assert refused.connect_ex(address)
    begin_to_connect(netns).close()


def begin_to_connect(netns: Netns) -> socket.socket:
    """A connection attempt that nobody answers."""
    sock = within.make_socket(netns)
    sock.setblocking(False)
    sock.connect_ex((SILENT, 9))
    return sock


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
    # Always in the contract's order, which those who cut columns out of it may rely on.
    assert list(rows[0])[:len(TRANSITION)] == list(TRANSITION)
    assert {tuple(row) for row in rows} == {tuple(rows[0])}


def parse_csv(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))


def as_json(row: dict[str, str]) -> dict[str, Any]:
    """A CSV row with the types of the JSON lines."""
    numbers = ("mono_ns", "cookie", "netns", "lport", "rport", "dwell_ns", "pid", "uid", "holders")
    return {name: None if value == "" else int(value) if name in numbers else value
            for name, value in row.items()}


def test_formats_agree(netns: Netns) -> None:
    """The same rows at the same time as JSON, CSV and table."""
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
    # Three tracers: each has its own moment and its own way to know a cgroup, but one truth.
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
    # Not a row of another shape at the end: it is on standard error.
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
    """A row, and the time of day of what it tells."""
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
    # It counts from when it was attached, which was before it said so.
    assert 1.2 <= float(row.split()[0]) <= time.monotonic() - start


@pytest.mark.parametrize("form", ["json", "csv"])
def test_both_clocks(netns: Netns, form: str) -> None:
    """JSON and CSV tell UTC whatever the zone, and CLOCK_MONOTONIC."""
    mono_ns = time.monotonic_ns()
    row, before = rows_with_clock(netns, "-o", form, zone="ABC-5:30")
    at, mono = ((json.loads(row)["time"], json.loads(row)["mono_ns"]) if form == "json"
                else row.split(",")[1:3])
    assert mono_ns <= int(mono) <= time.monotonic_ns()
    second = datetime.datetime.strptime(at[:19] + "+0000", "%Y-%m-%dT%H:%M:%S%z").timestamp()
    assert abs(second + float(at[19:-1]) - before) < 1
    # Both are one moment.
    shift = time.time() - time.monotonic()
    assert abs(second + float(at[19:-1]) - (int(mono) / 1e9 + shift)) < 0.1


# ---- Names that others chose ---------------------------------------------------------------------

NASTY = {
    "colour": b"\x1b[31mred",
    "title": b"\x1b]0;mine\x07",
    "quotes": b"\"a','b",
    "backslash": b"a\\nb\\",
    "newline": b"a\nb\r\tc",
    "latin1": b"caf\xe9\xff",
    "cut": "ααααααα".encode() + b"\xce",
    "c1": b"a\xc2\x9b31mb",
    "raw c1": b"a\x9b31m",
    "bidi": "a\u202eb\u2066".encode(),
    "invisible": "a\u200bb\ufeff".encode(),
    "delete": b"a\x7fb",
    "formula": b"=cmd|'/C x'!A",
    "comma": b"a,b;c",
    "json": b'","pid":1,"',
    "empty": b"",
    "blank": b"  a  ",
    "wide": "日本語".encode(),
}


def assert_harmless(data: bytes) -> None:
    """Nothing but text and line ends, none of which steers a terminal or hides a neighbour."""
    text = data.decode("utf-8")
    bad = [char for char in text if char != "\n"
           and unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")]
    assert not bad, data


def expected_text(name: bytes) -> str:
    """As JSON gives it back: each byte that is not UTF-8 is U+FFFD by itself."""
    text = name[:15].decode("utf-8", errors="surrogateescape")
    return "".join("\ufffd" if 0xdc80 <= ord(char) <= 0xdcff else char for char in text)


def rows_named(netns: Netns, running: Running, name: bytes) -> list[bytes]:
    """What is printed of a listener that a process of this name opens and closes."""
    before = len(running.lines())
    with within.named(name):
        within.listen(netns).close()
    return [line.text for line in running.wait_for_lines(before + 2)[before:]]


@pytest.mark.parametrize("form", ["table", "wide", "csv", "json"])
def test_names_of_processes_are_harmless(netns: Netns, form: str) -> None:
    arguments = ["-w"] if form == "wide" else ["-o", form]
    with Running(*arguments, *filtered_to(netns)) as running:
        if form != "json":
            running.wait_for_lines(1)
        rows = {kind: rows_named(netns, running, name) for kind, name in NASTY.items()}
        running.finish()
        data = running.output()
    assert_harmless(data)
    for kind, name in NASTY.items():
        for row in rows[kind]:
            assert f"{os.getpid()}".encode() in row, kind
    if form == "json":
        for kind, name in NASTY.items():
            assert {json.loads(row)["comm"] for row in rows[kind]} == {expected_text(name)}
    elif form == "csv":
        cells = {kind: next(csv.reader([rows[kind][0].decode()])) for kind in NASTY}
        assert {len(row) for row in cells.values()} == {len(cells["empty"])}
        comm = {kind: row[15] for kind, row in cells.items()}
        assert comm["comma"] == "a,b;c" and comm["quotes"] == "\"a','b"
        assert comm["colour"] == r"\x1b[31mred" and comm["backslash"] == r"a\\nb\\".replace(
            "\\\\", r"\x5c")
        assert not comm["formula"].startswith("=")
    else:
        # A name does not move what stands behind it.
        at = {width(row.decode().partition("127.0.0.1:")[0]) for kind in NASTY
              for row in rows[kind]}
        assert len(at) == 1, at


def width(text: str) -> int:
    """Columns on a terminal."""
    return sum(0 if unicodedata.combining(char) else
               2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def cgroup_mount() -> Path | None:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, rest = line.partition(" - ")
        if rest.split()[0] == "cgroup2" and fields.split()[3] == "/":
            return Path(fields.split()[4])
    return None


@contextlib.contextmanager
def in_cgroup(name: bytes) -> Iterator[None]:
    """This process in a new cgroup of this name."""
    mount = cgroup_mount()
    if not mount:
        pytest.skip("no cgroup version 2 hierarchy")
    folder = Path(os.fsdecode(os.fsencode(mount) + b"/" + name))
    own = next(line[3:] for line in Path("/proc/self/cgroup").read_text().splitlines()
               if line.startswith("0::"))
    try:
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"no cgroup can be made: {error}")
    try:
        (folder / "cgroup.procs").write_text(str(os.getpid()))
        yield
    finally:
        Path(f"{mount}{own}/cgroup.procs").write_text(str(os.getpid()))
        folder.rmdir()


def cgroup_named(running: Running, netns: Netns) -> str | None:
    """What a JSON tracer calls the cgroup of this process; None if it never knows."""
    name = None
    for _ in range(5):
        count = len(running.lines())
        within.listen(netns).close()
        name = json.loads(running.wait_for_lines(count + 2)[-1].text)["cgroup"]
        if name is not None:
            break
        # One that is younger than the tracer is not looked for at each row.
        time.sleep(0.5)
    return name


@pytest.mark.parametrize("when", ["before", "after"])
def test_names_of_cgroups_are_harmless(netns: Netns, when: str) -> None:
    """A cgroup that is older than the tracer, and one that is younger."""
    name = f"tcpdwell-{os.getpid()}-{when}-".encode() + b"\x1b[31m\"\\,\x07\xff\r\t\xe2\x80\xae"
    with contextlib.ExitStack() as stack:
        if when == "before":
            stack.enter_context(in_cgroup(name))
        json_, csv_, wide = (stack.enter_context(Running(*arguments, *filtered_to(netns)))
                             for arguments in (["-o", "json"], ["-o", "csv"], ["-w"]))
        if when == "after":
            if cgroup_named(json_, netns) is None:
                pytest.skip("this kernel does not tell the socket's cgroup")
            stack.enter_context(in_cgroup(name))
        shown = cgroup_named(json_, netns)
        count = len(json_.lines())
        for running in (csv_, wide):
            running.wait_for_lines(count + 1)
        outputs = [running.output() for running in (json_, csv_, wide)]
    if shown is None and when == "before":
        pytest.skip("this kernel does not tell the socket's cgroup")
    for data in outputs:
        assert_harmless(data)
    text = name.decode("utf-8", errors="surrogateescape")
    assert shown == "/" + "".join(
        "\ufffd" if 0xdc80 <= ord(char) <= 0xdcff else char for char in text)
    for data in outputs[1:]:
        assert rb"\x1b[31m" in data and rb"\xff" in data


# ---- Promptness ----------------------------------------------------------------------------------


def delay_ns(line: Line) -> int:
    """From what a row tells to its reader."""
    return line.at_ns - json.loads(line.text)["mono_ns"]


def assert_prompt(delays_ns: list[int]) -> None:
    """The median, because a busy machine may keep a reader waiting by itself."""
    assert statistics.median(delays_ns) <= patience(PROMPT_NS), [ns / 1e6 for ns in delays_ns]


def test_rows_are_prompt_at_a_low_rate(netns: Netns) -> None:
    with within.listen(netns) as listener, Running("-o", "json", *filtered_to(netns)) as running:
        for _ in range(10):
            within.connect_and_reset(netns, listener)
            time.sleep(0.15)
        lines = running.wait_for_lines(60)
    assert_prompt([delay_ns(line) for line in lines])


@pytest.mark.parametrize("arguments", [[], ["-w"], ["-o", "csv"]], ids=str)
def test_rows_are_prompt_in_every_format(netns: Netns, arguments: list[str]) -> None:
    delays = []
    with Running(*arguments, *filtered_to(netns)) as running:
        for count in range(2, 7):
            time.sleep(0.1)
            at_ns = time.monotonic_ns()
            # Left open: one row each.
            within.make_socket(netns).listen()
            delays.append(running.wait_for_lines(count)[-1].at_ns - at_ns)
    assert_prompt(delays)


@pytest.mark.parametrize("begin", [within.listen, begin_to_connect],
                         ids=["a listener", "nobody answers"])
def test_first_row_after_idling(make_netns: Callable[[], Netns],
                                begin: Callable[[Netns], socket.socket]) -> None:
    """The reader has long gone to sleep, and the row that comes may be one that waits for its port.

    Three tracers of their own namespaces idle at the same time.
    """
    with contextlib.ExitStack() as stack:
        places = [make_netns() for _ in range(3)]
        for netns in places:
            add_silence(netns)
        tracers = [stack.enter_context(Running("-o", "json", *filtered_to(netns)))
                   for netns in places]
        time.sleep(5)
        for netns, running in zip(places, tracers):
            stack.enter_context(begin(netns))
            running.wait_for_lines(1)
        assert_prompt([delay_ns(running.lines()[0]) for running in tracers])


def test_connection_attempt_that_nobody_answers_is_prompt(netns: Netns) -> None:
    add_silence(netns)
    delays = []
    with Running("-o", "json", *filtered_to(netns)) as running:
        for count in range(1, 6):
            sock = begin_to_connect(netns)
            port = sock.getsockname()[1]
            line = running.wait_for_lines(2 * count - 1)[-1]
            row = json.loads(line.text)
            assert (row["from"], row["to"], row["lport"]) == ("CLOSE", "SYN_SENT", port)
            assert (row["raddr"], row["rport"], row["pid"]) == (SILENT, 9, os.getpid())
            delays.append(delay_ns(line))
            sock.close()
            running.wait_for_lines(2 * count)
    assert_prompt(delays)


def test_no_row_is_forgotten_as_the_reader_goes_to_sleep(netns: Netns) -> None:
    """It stops looking about a second after the last row: whatever comes just then is not lost."""
    add_silence(netns)
    with Running("-o", "json", *filtered_to(netns)) as running:
        for step in range(10):
            count = len(running.lines())
            with within.listen(netns):
                last = running.wait_for_lines(count + 1)[-1]
                wake_ns = last.at_ns + 930_000_000 + step * 12_000_000
                time.sleep(max(0, wake_ns - time.monotonic_ns()) / 1e9)
                with begin_to_connect(netns):
                    # No other row follows that would bring it along.
                    running.wait_for_lines(count + 2)
            running.wait_for_lines(count + 4)


def test_header_does_not_wait_for_a_row(netns: Netns) -> None:
    for arguments in ([], ["-w"], ["-o", "csv"]):
        with Running(*arguments, *filtered_to(netns)) as running:
            assert len(running.wait_for_lines(1)) == 1


# ---- Readers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [[], ["-o", "json"], ["-o", "csv"]], ids=str)
def test_count_is_exact(netns: Netns, arguments: list[str]) -> None:
    header = arguments != ["-o", "json"]
    with within.listen(netns) as listener, \
            Running("-n", "7", *arguments, *filtered_to(netns)) as running:
        within.connect_and_reset(netns, listener)
        running.wait_for_lines(6 + header)
        assert running.child.poll() is None
        within.connect_and_reset(netns, listener, 5)
        assert running.wait() == 0
        lines = [line.text for line in running.lines()]
    if header:
        assert len(lines) == 8
    else:
        assert [json.loads(line)["type"] for line in lines] == ["transition"] * 7 + ["summary"]
        assert json.loads(lines[-1])["printed"] == 7


def test_duration_ends_it_though_nothing_comes(netns: Netns) -> None:
    done = run("-d", "300ms", "-o", "json", *filtered_to(netns))
    assert done.returncode == 0
    assert json.loads(done.stdout)["printed"] == 0


def read_by(argv: list[str], *arguments: str,
            netns: Netns) -> tuple[Running, subprocess.Popen[Any]]:
    """A tracer whose standard output is the standard input of argv."""
    reader, writer = os.pipe()
    child = subprocess.Popen(argv, stdin=reader, stdout=subprocess.PIPE)
    os.close(reader)
    try:
        return Running(*arguments, *filtered_to(netns), stdout=writer), child
    except BaseException:
        end(child)
        raise
    finally:
        os.close(writer)


def assert_quiet(running: Running) -> None:
    """Status 0, and no complaint."""
    assert running.wait() == 0
    complaints = [line for line in running.errors
                  if line != READY and not re.match("tcpdwell: seen ", line)]
    assert not complaints


def test_head_1_of_a_table(netns: Netns) -> None:
    """It has its line at once, and nothing more ever comes."""
    running, head = read_by(["head", "-1"], netns=netns)
    with running:
        assert_quiet(running)
        out, _ = head.communicate(timeout=patience(10))
    assert out.split()[0] == b"PID"


@pytest.mark.parametrize("form", ["json", "csv"])
def test_head_1_of_rows(netns: Netns, form: str) -> None:
    running, head = read_by(["head", "-1"], "-o", form, netns=netns)
    with running, within.listen(netns):
        assert_quiet(running)
        out, _ = head.communicate(timeout=patience(10))
    assert out.count(b"\n") == 1


@pytest.mark.parametrize("arguments", [[], ["-o", "json"], ["-o", "csv"], ["-q"]], ids=str)
def test_reader_that_is_gone_before_it_starts(arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = run(*arguments, stdout=writer)
    finally:
        os.close(writer)
    assert done.returncode == 0, done.stderr
    assert not [line for line in done.stderr.decode().splitlines(True)
                if line != READY and not line.startswith("tcpdwell: seen ")]


def test_reader_that_goes_under_load(netns: Netns) -> None:
    running, head = read_by(["head", "-5"], "-o", "csv", netns=netns)
    with running, within.listen(netns) as listener:
        for _ in range(200):
            if running.child.poll() is None:
                within.connect_and_reset(netns, listener)
        assert_quiet(running)
        head.communicate(timeout=patience(10))


def test_jq(netns: Netns) -> None:
    running, jq = read_by(["jq", "--unbuffered", "-c", "."], "-o", "json", netns=netns)
    with running, within.listen(netns) as listener:
        assert jq.stdout
        first = json.loads(jq.stdout.readline())
        assert (first["from"], first["to"]) == ("CLOSE", "LISTEN")
        within.connect_and_reset(netns, listener)
        running.finish()
        out, _ = jq.communicate(timeout=patience(10))
    assert jq.returncode == 0
    assert [json.loads(line)["type"] for line in out.splitlines()] == [
        "transition"] * 6 + ["summary"]


@pytest.fixture(name="full_pipe")
def _full_pipe(netns: Netns) -> Iterator[tuple[Running, int]]:
    """A JSON tracer with 600 rows to write into a pipe that nobody reads, and the pipe's end."""
    reader, writer = os.pipe()
    try:
        with within.listen(netns) as listener, \
                Running("-o", "json", *filtered_to(netns), stdout=writer) as running:
            os.close(writer)
            # 64 KiB fit; a row takes about 400 bytes.
            within.connect_and_reset(netns, listener, 100)
            time.sleep(patience(0.5))
            assert running.child.poll() is None
            yield running, reader
    finally:
        os.close(reader)


def read_to_end(reader: int, pause_s: float = 0.0) -> list[dict[str, Any]]:
    """All that a tracer writes until it is gone, read a piece at a time."""
    pieces = []
    while data := os.read(reader, 1 << 14):
        pieces.append(data)
        time.sleep(pause_s)
    return [json.loads(line) for line in b"".join(pieces).splitlines()]


def assert_nothing_lost(rows: list[dict[str, Any]]) -> None:
    *transitions, summary = rows
    assert (summary["type"], summary["printed"]) == ("summary", 600)
    assert len(transitions) == 600
    assert summary["lost"] == {"ring": 0, "map": 0}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_it_while_its_reader_does_not_read(full_pipe: tuple[Running, int],
                                                       number: int) -> None:
    """As with `| less`, or a terminal that Ctrl-S holds."""
    running, _ = full_pipe
    assert running.stop(number) == 0


def test_reader_that_rests_loses_nothing(full_pipe: tuple[Running, int]) -> None:
    """The ring takes what comes meanwhile."""
    running, reader = full_pipe
    rows: list[dict[str, Any]] = []
    thread = threading.Thread(target=lambda: rows.extend(read_to_end(reader)))
    thread.start()
    time.sleep(patience(0.5))
    running.finish()
    thread.join()
    assert_nothing_lost(rows)


def test_slow_reader_gets_all_after_a_stop(full_pipe: tuple[Running, int]) -> None:
    """`| jq .` under load: the pipe is full when Ctrl-C comes, but is read on."""
    running, reader = full_pipe
    running.child.send_signal(signal.SIGINT)
    rows = read_to_end(reader, pause_s=0.05)
    assert running.wait() == 0
    assert_nothing_lost(rows)


def test_report_while_the_pipe_is_full(full_pipe: tuple[Running, int]) -> None:
    """SIGUSR1 is no reason to stop."""
    running, reader = full_pipe
    running.child.send_signal(signal.SIGUSR1)
    time.sleep(patience(0.3))
    assert running.child.poll() is None
    rows: list[dict[str, Any]] = []
    thread = threading.Thread(target=lambda: rows.extend(read_to_end(reader)))
    thread.start()
    running.wait_for(lambda: "tcpdwell: seen " in running.said())
    running.finish()
    thread.join()
    assert_nothing_lost(rows)


def test_program_that_ends_while_the_pipe_is_full(tmp_path: Path) -> None:
    """The end of the program does not cut its rows off."""
    done = tmp_path / "done"
    reader, writer = os.pipe()
    script = ("import socket\n"
              "for _ in range(300):\n"
              "    socket.create_server(('127.0.0.1', 0)).close()\n"
              f"open('{done}', 'w')\n")
    try:
        with Running("-o", "json", "--", "/usr/bin/python3", "-c", script,
                     stdout=writer) as running:
            os.close(writer)
            running.wait_for(done.exists)
            time.sleep(patience(0.3))
            *rows, summary = read_to_end(reader, pause_s=0.05)
            assert running.wait() == 0
    finally:
        os.close(reader)
    assert len(rows) == summary["printed"] == 600
    assert {row["pid"] for row in rows} == {rows[0]["pid"]}


# ---- Disks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [[], ["-o", "csv"], ["-o", "json"]], ids=str)
def test_device_that_is_full(netns: Netns, arguments: list[str]) -> None:
    with open("/dev/full", "wb") as full, \
            Running(*arguments, *filtered_to(netns), stdout=full, ready=False) as running:
        if arguments == ["-o", "json"]:
            running.await_ready()
            within.listen(netns).close()
        assert running.wait() == 1
        assert_disk_full(running)


def assert_disk_full(running: Running) -> None:
    *before, last = running.errors
    assert last == "tcpdwell: standard output: No space left on device\n"
    assert not [line for line in before if line != READY]


@pytest.fixture(name="small_disk")
def _small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system that holds 64 KiB."""
    process.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(tmp_path)])
    yield tmp_path
    process.run(["umount", "--lazy", str(tmp_path)])


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_disk_that_fills_up(netns: Netns, small_disk: Path, form: str) -> None:
    file = small_disk / "rows"
    with within.listen(netns) as listener, open(file, "wb") as out, \
            Running("-o", form, *filtered_to(netns), stdout=out) as running:
        for _ in range(1000):
            if running.child.poll() is not None:
                break
            within.connect_and_reset(netns, listener)
        assert running.wait() == 1
        assert_disk_full(running)
    assert file.stat().st_size == 64 << 10


def test_file_gets_all_rows(netns: Netns, tmp_path: Path) -> None:
    """A regular file cannot be waited for by epoll, and is no special case to the user."""
    with within.listen(netns) as listener, open(tmp_path / "rows", "wb") as out, \
            Running("-o", "csv", *filtered_to(netns), stdout=out) as running:
        within.connect_and_reset(netns, listener, 100)
        running.finish()
    assert len(parse_csv((tmp_path / "rows").read_bytes())) == 600
