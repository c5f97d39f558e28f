# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Odd readers: one that is gone, a slow one, and a full disk."""

from __future__ import annotations

import fcntl
import json
import os
import re
import select
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any, Iterator

import pytest

from harness import place, process, within
from harness.netns import Netns
from harness.plain import READY, Running, end, filtered_to, parse_csv, patience, run

pytestmark = pytest.mark.any_kernel


def counts_of(said: str) -> dict[str, int]:
    """Returns the terms of the last account."""
    line = [line for line in said.splitlines() if line.startswith("tcpdwell: seen ")][-1]
    return {name: int(count) for name, count in re.findall(r"(\w+) (\d+)", line)}


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
    """Starts a tracer whose standard output is the standard input of argv."""
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
    """The tracer exits with 0 and prints no complaint."""
    assert running.wait() == 0
    complaints = [line for line in running.errors
                  if line != READY and not re.match("tcpdwell: seen ", line)]
    assert not complaints


def test_head_1_of_a_table(netns: Netns) -> None:
    """The reader gets its line at once, and nothing more ever comes."""
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
    """Yields a JSON tracer with 600 rows to write into a pipe that nobody reads, and the pipe's
    end."""
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
    """Reads all that a tracer writes until it is gone, a piece at a time."""
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
    """The reader stops as with `| less`, or as a terminal does at Ctrl-S."""
    running, _ = full_pipe
    assert running.stop(number) == 0


def test_reader_that_rests_loses_nothing(full_pipe: tuple[Running, int]) -> None:
    """The ring takes the rows that come meanwhile."""
    running, reader = full_pipe
    rows: list[dict[str, Any]] = []
    thread = threading.Thread(target=lambda: rows.extend(read_to_end(reader)))
    thread.start()
    time.sleep(patience(0.5))
    running.finish()
    thread.join()
    assert_nothing_lost(rows)


def test_slow_reader_gets_all_after_a_stop(full_pipe: tuple[Running, int]) -> None:
    """As with `| jq .` under load, the pipe is full when Ctrl-C comes, but is still read."""
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
    """The end of the program does not cut off its rows."""
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


def assert_disk_full(running: Running, why: str = "No space left on device") -> None:
    """The tracer prints the account, and what ended the run."""
    *before, account, last = running.errors
    assert last == f"tcpdwell: standard output: {why}\n"
    assert re.match(r"tcpdwell: seen \d+ = ", account)
    assert not [line for line in before if line != READY]


def check_account_of(running: Running, form: str, file: Path, begin: int = 0) -> None:
    """All lines are whole, and each row is in the file or reported as missing."""
    data = file.read_bytes()[begin:]
    assert data.endswith(b"\n")
    counts = counts_of(running.said())
    assert counts["printed"] == data.count(b"\n") - (form != "json")
    assert counts["unwritten"] > 0
    assert counts["seen"] == (counts["printed"] + counts["filtered"] + counts["unwritten"]
                              + counts["lost"])


@pytest.fixture(name="small_disk")
def _small_disk(tmp_path: Path) -> Iterator[Path]:
    """Makes a file system that holds 64 KiB."""
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
        check_account_of(running, form, file)
    assert 63 << 10 < file.stat().st_size <= 64 << 10


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_file_that_may_not_grow(netns: Netns, tmp_path: Path, form: str) -> None:
    """At RLIMIT_FSIZE, SIGXFSZ is an error like a full disk."""
    file, limit = tmp_path / "rows", 16 << 20
    # The tracer's own files are smaller than this limit.
    before = bytes(limit - 20001) + b"\n"
    file.write_bytes(before)
    with within.listen(netns) as listener, open(file, "ab") as out, \
            Running("-o", form, *filtered_to(netns), stdout=out,
                    wrap=lambda argv: ["prlimit", f"--fsize={limit}", *argv]) as running:
        for _ in range(1000):
            if running.child.poll() is not None:
                break
            within.connect_and_reset(netns, listener)
        assert running.wait() == 1
        assert_disk_full(running, "File too large")
        check_account_of(running, form, file, len(before))
    assert limit - 1000 < file.stat().st_size <= limit


@pytest.mark.parametrize("arguments", [["probe", "-o", "json"], ["--help"]], ids=str)
def test_page_into_a_pipe_that_does_not_block(arguments: list[str]) -> None:
    """A pipe that is nearly full takes a part of the page, and the rest waits for it."""
    whole = run(*arguments)
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(writer, False)
    filled = os.write(writer, bytes(4096 - 16))
    with subprocess.Popen([place.tcpdwell(), *arguments], stdout=writer,
                          stderr=subprocess.PIPE) as child:
        os.close(writer)
        with open(reader, "rb") as pipe:
            assert child.stderr
            select.select([child.stderr], [], [], 1)
            assert pipe.read()[filled:] == whole.stdout
        assert (child.wait(), child.stderr.read()) == (0, b"")


def test_file_gets_all_rows(netns: Netns, tmp_path: Path) -> None:
    """epoll cannot wait for a regular file, but the user sees no difference."""
    with within.listen(netns) as listener, open(tmp_path / "rows", "wb") as out, \
            Running("-o", "csv", *filtered_to(netns), stdout=out) as running:
        within.connect_and_reset(netns, listener, 100)
        running.finish()
    assert len(parse_csv((tmp_path / "rows").read_bytes())) == 600
