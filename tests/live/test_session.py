# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Behaviour that all commands which keep running share: how they answer, and that they end."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import signal
import socket
import struct
import subprocess
import termios
import threading
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from harness import cookie_flood, place, refusal, within
from harness.netns import Netns
from harness.plain import READY, READY_LIMIT_S, Running, filtered_to, patience, run

pytestmark = pytest.mark.any_kernel

COMMANDS = {
    "trace": [],
    "trace json": ["-o", "json"],
    "life": ["life"],
    "life json": ["life", "-o", "json"],
    "timewait": ["timewait"],
    "timewait json": ["timewait", "-o", "json"],
    "stat": ["stat"],
    "stat json": ["stat", "-i", "200ms", "-o", "json"],
    "leaks": ["leaks", "--watch"],
    # Each of the command's listeners counts as a leak, so that there is something to write.
    "leaks json": ["leaks", "--watch", "-s", "LISTEN", "--older", "0s", "-o", "json"],
}
# These show their findings in another way: at a port, or after they have looked for a while.
EXPORT = {"export": ["export", "--listen", "127.0.0.1:0"]}
DIAGNOSE = {"diagnose": ["diagnose"], "diagnose json": ["diagnose", "-o", "json"]}
WATCH = {name: [*arguments, "--watch"] for name, arguments in DIAGNOSE.items()}
# Metrics at standard output; a look is there at the start, and at each interval.
LINES = {"export otlp": ["export", "-o", "otlp", "-i", "1s"]}
# What is left open counts as a leak at once, so that there is something to write.
FINDING = {name: [*arguments, "--older", "0s", "-i", "200ms"] for name, arguments in WATCH.items()}
# These lines have no account, because nothing is traced.
TOTALS = {"totals": ["snapshot", "-i", "200ms"],
          "totals json": ["snapshot", "-i", "200ms", "-o", "json"]}
# The second screen of a terminal, without a cursor; back; and its upper left corner.
ENTER, LEAVE, HOME = b"\033[?1049h\033[?25l", b"\033[?25h\033[?1049l", b"\033[H"
# No process has this number: numbers are given out from below, up to 2^22 at most.
NOBODY = "4194303"
ACCOUNT = re.compile(r"tcpdwell: (seen \d+ = (?:printed|counted) .*)")
FLOOD = "SYN cookies:"
CUT = "tcpdwell: stopped while nobody read the output: its last "
# The output gets two seconds; detaching takes grace periods of the kernel.
END_S = 2.0
GRACE_S = 4.0

def of_commands(commands: dict[str, list[str]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("arguments", commands.values(), ids=commands.keys())


every_command = of_commands(COMMANDS)


def ok(arguments: list[str]) -> tuple[int, ...]:
    """Returns the exit statuses of a run that was told to end."""
    return (0, 10) if {"leaks", "diagnose"} & set(arguments) else (0,)


def accounts(said: str) -> list[dict[str, int]]:
    """Returns the accounts that were printed; each of them must add up."""
    all_counts = []
    for line in ACCOUNT.findall(said):
        line = re.sub(r" \(.*\)", "", line)
        counts = {name: int(count) for name, count in re.findall(r"(\w+) (\d+)", line)}
        assert counts["seen"] == sum(counts.values()) - counts["seen"], line
        all_counts.append(counts)
    return all_counts


# ---- The table of command by behaviour -----------------------------------------------------------


@of_commands(COMMANDS | EXPORT | WATCH)
def test_usr1_is_answered_by_an_account(netns: Netns, arguments: list[str]) -> None:
    with within.listen(netns) as listener, Running(*arguments, *filtered_to(netns)) as running:
        within.connect_and_reset(netns, listener)
        for count in (1, 2):
            running.child.send_signal(signal.SIGUSR1)
            running.wait_for(lambda wanted=count: len(accounts(running.said())) == wanted)
        assert running.stop() in ok(arguments)


def test_usr1_is_answered_by_a_line_of_totals(netns: Netns) -> None:
    """The lines at each interval stay in step with the start."""
    with Running("snapshot", "-i", "10m", "-o", "json", "--netns", netns.path,
                 ready=False) as running:
        is_up(running)
        running.child.send_signal(signal.SIGUSR1)
        running.wait_for(lambda: len(running.lines()) == 1)
        assert running.stop() == 0
    assert json.loads(running.lines()[0].text)["type"] == "totals"


@of_commands(COMMANDS | EXPORT | DIAGNOSE)
def test_process_that_is_not_there_is_warned_of(arguments: list[str]) -> None:
    done = run(*arguments, "-p", NOBODY, "-d", "200ms")
    assert done.returncode in ok(arguments)
    assert f"tcpdwell: -p: there is no process {NOBODY} now\n" in done.stderr.decode()


@pytest.fixture(scope="module", name="flooded")
def _flooded(module_netns: Callable[[], Netns]) -> dict[str, str]:
    """What each command says while SYN cookies hold off a flood."""
    netns = module_netns()
    cookie_flood.prepare(netns)
    with cookie_flood.serving(netns), contextlib.ExitStack() as stack:
        runs = {name: stack.enter_context(Running(*arguments, *filtered_to(netns)))
                for name, arguments in (COMMANDS | EXPORT).items() if "json" not in arguments}
        cookie_flood.flood(netns, lambda: all(FLOOD in run.said() for run in runs.values()))
        return {name: run.said() for name, run in runs.items()}


@pytest.mark.parametrize("name", [name for name, arguments in (COMMANDS | EXPORT).items()
                                  if "json" not in arguments])
def test_flood_is_told_in_a_line(flooded: dict[str, str], name: str) -> None:
    """For diagnose it is a finding."""
    assert re.search(rf"^tcpdwell: {FLOOD} .*127\.0\.0\.1:{cookie_flood.PORT}", flooded[name],
                     re.MULTILINE)


@of_commands(COMMANDS | EXPORT | DIAGNOSE | TOTALS)
def test_duration_and_quiet(netns: Netns, arguments: list[str]) -> None:
    begin = time.monotonic()
    done = run(*arguments, "-q", "-d", "500ms", *filtered_to(netns))
    assert done.returncode in ok(arguments)
    assert time.monotonic() - begin >= 0.5
    assert done.stderr == b""


@every_command
def test_account_at_the_end(netns: Netns, arguments: list[str]) -> None:
    """With JSON, the account goes to standard output only, if the command has one."""
    done = run(*arguments, "-d", "200ms", *filtered_to(netns))
    assert len(accounts(done.stderr.decode())) == ("json" not in arguments)


@of_commands({name: arguments for name, arguments in (COMMANDS | DIAGNOSE | TOTALS).items()
              if "json" in arguments})
def test_json_is_an_object_a_line(netns: Netns, arguments: list[str]) -> None:
    """Each line has a type; the account is the last line. Without findings diagnose prints none."""
    with within.listen(netns) as listener:
        within.connect_and_reset(netns, listener, 3)
        done = run(*arguments, "-d", "500ms", *filtered_to(netns))
    assert done.returncode in ok(arguments)
    kinds = [json.loads(line)["type"] for line in done.stdout.splitlines()]
    assert all(kinds) and (kinds or "diagnose" in arguments)
    assert "summary" not in kinds[:-1]


WATCHING = {name: arguments for name, arguments in (COMMANDS | WATCH).items()
            if name.split()[0] in ("timewait", "stat", "leaks", "diagnose")}
ROWS = {name: arguments for name, arguments in COMMANDS.items()
        if name.split()[0] in ("trace", "life")}


def reports_of(arguments: list[str], out: str) -> int:
    """How many there are in what was written into a pipe."""
    if "json" in arguments:
        return sum(json.loads(line)["type"] != "summary" for line in out.splitlines())
    return len(re.findall(r"^(?:\d\d:\d\d:\d\d|TIME_WAIT: \d+ now,) ", out, re.MULTILINE))


def at_interval(arguments: list[str], interval: str) -> list[str]:
    return [*(word for word in arguments if word not in ("-i", "200ms")), "-i", interval]


@of_commands(ROWS)
def test_count_of_rows(netns: Netns, arguments: list[str]) -> None:
    """Neither more nor fewer, and it ends by itself."""
    with within.listen(netns) as listener, \
            Running(*arguments, "-n", "3", *filtered_to(netns)) as running:
        within.connect_and_reset(netns, listener, 5)
        assert running.wait() in ok(arguments)
        rows = [line.text for line in running.lines() if b'"summary"' not in line.text]
    assert len(rows) == 3 + ("json" not in arguments)


@of_commands(WATCHING | TOTALS)
def test_count_of_reports(netns: Netns, arguments: list[str]) -> None:
    """The last one is that of the end, so the run takes as long as the intervals."""
    begin = time.monotonic()
    with within.listen(netns):
        done = run(*at_interval(arguments, "300ms"), "-n", "3", *filtered_to(netns))
    assert done.returncode in ok(arguments), done.stderr
    assert 0.6 <= time.monotonic() - begin < patience(READY_LIMIT_S)
    if not {"leaks", "diagnose"} & set(arguments):  # which tell a pipe what comes and goes
        assert reports_of(arguments, done.stdout.decode()) == 3


@of_commands(WATCHING)
def test_interval_into_a_pipe(netns: Netns, arguments: list[str]) -> None:
    """One report after another, in step with the start: nothing that is for a terminal."""
    with within.listen(netns):
        done = run(*at_interval(arguments, "400ms"), "-d", "1s", *filtered_to(netns))
    assert done.returncode in ok(arguments), done.stderr
    assert b"\033" not in done.stdout
    if not {"leaks", "diagnose"} & set(arguments):
        assert reports_of(arguments, done.stdout.decode()) == 3


def on_terminal(arguments: list[str]) -> tuple[int, bytes]:
    """The exit status, and what a terminal of 120 columns gets."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    child = subprocess.Popen([place.tcpdwell(), *arguments], stdin=slave, stdout=slave,
                             stderr=subprocess.DEVNULL)
    os.close(slave)
    data = b""
    with contextlib.suppress(OSError):  # EIO: the other side is gone
        while piece := os.read(master, 1 << 16):
            data += piece
    os.close(master)
    return child.wait(), data


@of_commands({name: arguments for name, arguments in WATCHING.items() if "json" not in arguments})
def test_in_place_on_a_terminal(netns: Netns, arguments: list[str]) -> None:
    """Each report takes the other's place; the last one stays when the screen is given back."""
    with within.listen(netns):
        status, data = on_terminal([*at_interval(arguments, "300ms"), "-d", "2s",
                                    *filtered_to(netns)])
    assert status in ok(arguments)
    assert data.startswith(ENTER) and data.count(ENTER) == 1 and data.count(LEAVE) == 1
    frames, last = data.split(LEAVE)
    assert frames.count(HOME) >= 2  # a look that is slow is rested from
    assert last.strip() and HOME not in last


@of_commands(ROWS | TOTALS)
def test_rows_are_one_after_another_on_a_terminal(netns: Netns, arguments: list[str]) -> None:
    status, data = on_terminal([*arguments, "-d", "300ms", *filtered_to(netns)])
    assert status in ok(arguments)
    assert ENTER not in data


# ---- Readers that do not read --------------------------------------------------------------------


@contextlib.contextmanager
def full_pipe() -> Iterator[tuple[int, int]]:
    """Yields both ends of a pipe that takes nothing."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, bytes(4096))
    os.set_blocking(writer, True)
    try:
        yield reader, writer
    finally:
        os.close(reader)
        os.close(writer)


@contextlib.contextmanager
def held_terminal(held: bytes) -> Iterator[tuple[int, int]]:
    """Yields master and slave of a terminal that takes nothing: ^S was typed, or it is full."""
    master, slave = pty.openpty()
    if held:
        os.write(master, held)
        time.sleep(0.1)
    else:
        other = os.open(os.ttyname(slave), os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
        # The terminal moves what it holds to the master's side, which makes room once more.
        for _ in range(10):
            with contextlib.suppress(BlockingIOError):
                while True:
                    os.write(other, b"x")
            time.sleep(0.02)
        os.close(other)
    try:
        yield master, slave
    finally:
        os.close(slave)
        os.close(master)


OUTPUTS: dict[str, Callable[[], Any]] = {
    "pipe": full_pipe,
    "^S": lambda: held_terminal(b"\x13"),
    "hung ssh": lambda: held_terminal(b""),
}


def is_up(running: Running) -> None:
    """Waits until SIGTERM is caught: the run may not announce itself before its header is
    written."""
    def waits() -> bool:
        status = Path(f"/proc/{running.child.pid}/status").read_text()
        caught = int(re.search(r"SigCgt:\s*(\w+)", status)[1], 16)  # type: ignore[index]
        return bool(caught >> (signal.SIGTERM - 1) & 1)

    running.wait_for(waits, READY_LIMIT_S)


@contextlib.contextmanager
def left_open(netns: Netns, listener: socket.socket) -> Iterator[None]:
    """Leaves a connection in CLOSE_WAIT."""
    pair = within.Pair(netns, listener)
    pair.client.close()
    try:
        yield
    finally:
        within.reset(pair.server)


@pytest.mark.parametrize("output", OUTPUTS.values(), ids=OUTPUTS.keys())
@of_commands(COMMANDS | FINDING | LINES)
def test_output_that_takes_nothing(netns: Netns, arguments: list[str],
                                   output: Callable[[], Any]) -> None:
    """SIGUSR1 is answered meanwhile; SIGTERM ends the run, which says what it could not write."""
    with within.listen(netns) as listener, left_open(netns, listener), output() as (_, writer), \
            Running(*arguments, *filtered_to(netns), stdout=writer, ready=False) as running:
        is_up(running)
        within.connect_and_reset(netns, listener, 5)
        time.sleep(patience(0.3))
        running.child.send_signal(signal.SIGUSR1)
        running.wait_for(lambda: accounts(running.said()))
        begin = time.monotonic()
        assert running.stop(signal.SIGTERM) in ok(arguments)
        assert time.monotonic() - begin < patience(END_S + GRACE_S)
        counts = accounts(running.said())[-1]
        assert CUT in running.said()
        assert ("its last lines are" in running.said()) == ("export" in arguments)
    if not {"leaks", "timewait", "diagnose", "export"} & set(arguments):
        assert counts["unwritten"] > 0


def test_report_of_a_look_without_bpf(netns: Netns) -> None:
    """Without tracing there is no account; SIGUSR1 while the output waits does no harm."""
    with within.listen(netns), full_pipe() as (_, writer), \
            Running("snapshot", "--sockets", "--netns", netns.path, stdout=writer, ready=False,
                    wrap=refusal.wrap("BPF_*=EPERM")) as running:
        running.wait_for(lambda: "sock_diag" in running.said())
        time.sleep(patience(0.3))
        for _ in range(5):
            running.child.send_signal(signal.SIGUSR1)
            time.sleep(patience(0.1))
        assert running.child.poll() is None


@of_commands(COMMANDS | FINDING | LINES)
def test_duration_while_nobody_reads(netns: Netns, arguments: list[str]) -> None:
    with within.listen(netns) as listener, left_open(netns, listener), full_pipe() as (_, writer), \
            Running(*arguments, "-d", "300ms", *filtered_to(netns), stdout=writer,
                    ready=False) as running:
        is_up(running)
        begin = time.monotonic()
        assert running.wait() in ok(arguments)
        assert time.monotonic() - begin < patience(0.3 + END_S + GRACE_S)
        assert CUT in running.said()


def test_second_signal_ends_at_once(netns: Netns) -> None:
    with within.listen(netns) as listener, full_pipe() as (_, writer), \
            Running("-o", "json", *filtered_to(netns), stdout=writer) as running:
        within.connect_and_reset(netns, listener, 5)
        time.sleep(patience(0.3))
        running.child.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert running.child.poll() is None
        begin = time.monotonic()
        assert running.stop(signal.SIGINT) == 0
        assert time.monotonic() - begin < END_S - 0.5
        assert accounts(running.said())[-1]["unwritten"] == 30


def test_slow_reader(netns: Netns) -> None:
    """The reader takes 500 KB/s: what it gets before the end is whole, and the rest is counted."""
    reader, writer = os.pipe()
    pieces: list[bytes] = []

    def read() -> None:
        while data := os.read(reader, 5000):
            pieces.append(data)
            time.sleep(0.01)

    thread = threading.Thread(target=read)
    with within.listen(netns) as listener, \
            Running("-o", "json", *filtered_to(netns), stdout=writer) as running:
        os.close(writer)
        thread.start()
        within.connect_and_reset(netns, listener, 2000)
        begin = time.monotonic()
        assert running.stop() == 0
        assert time.monotonic() - begin < patience(END_S + GRACE_S)
        said = running.said()
    thread.join()
    os.close(reader)
    *rows, summary = [json.loads(line) for line in b"".join(pieces).splitlines()]
    assert summary["type"] == "summary"
    assert summary["printed"] == len(rows)
    assert summary["unwritten"] == 12000 - len(rows) > 0
    assert accounts(said)[-1]["unwritten"] == summary["unwritten"]
    assert CUT + "rows are not written" in said


@every_command
def test_terminal_that_goes_away(netns: Netns, arguments: list[str]) -> None:
    """The run ends as with a pipe, and that is no failure."""
    master, slave = pty.openpty()
    with within.listen(netns) as listener, \
            Running(*arguments, *filtered_to(netns), stdout=slave) as running:
        os.close(slave)
        os.close(master)
        within.connect_and_reset(netns, listener)
        assert running.wait() in ok(arguments)
        assert "standard output" not in running.said()


@every_command
def test_standard_error_that_takes_nothing(netns: Netns, arguments: list[str]) -> None:
    with full_pipe() as (_, writer):
        child = subprocess.Popen(
            [place.tcpdwell(), *arguments, "-d", "200ms", *filtered_to(netns)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=writer)
        try:
            assert child.wait(timeout=patience(READY_LIMIT_S)) in ok(arguments)
        finally:
            child.kill()
            child.wait()


# ---- The start -----------------------------------------------------------------------------------


def test_signals_are_not_blocked_while_files_are_opened(tmp_path: Path) -> None:
    """The other end of this FIFO is never opened."""
    fifo = tmp_path / "netns"
    os.mkfifo(fifo)
    with Running("--netns", str(fifo), ready=False) as running:
        time.sleep(patience(0.5))
        if running.child.poll() is None:
            status = Path(f"/proc/{running.child.pid}/status").read_text()
            blocked = int(re.search(r"SigBlk:\s*(\w+)", status)[1], 16)  # type: ignore[index]
            assert not blocked >> (signal.SIGINT - 1) & 1
            running.child.send_signal(signal.SIGINT)
        assert running.wait(2) != 0
        assert READY not in running.errors
