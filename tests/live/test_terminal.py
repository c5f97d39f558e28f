# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The table on a terminal: no row wraps, and every column stands under its header."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import socket
import struct
import subprocess
import termios
import time
import unicodedata
from typing import Iterator

import pytest

from harness import place, within
from harness.netns import Netns
from harness.plain import READY, READY_LIMIT_S, end, patience

pytestmark = pytest.mark.any_kernel

STATES = ("LISTEN|SYN_SENT|SYN_RECV|ESTABLISHED|ESTAB|FIN_WAIT1|FIN_WAIT2|CLOSE_WAIT"
          "|CLOSING|LAST_ACK"
          "|TIME_WAIT|CLOSE")
# On a narrow terminal, the reason of an end replaces CLOSE.
PAIR = re.compile(rf"({STATES}) *-> ?({STATES})|[A-Z][A-Z0-9_-]*->[A-Za-z][A-Za-z0-9_-]*")
# What makes rows long: a name of 15 columns, ports of five digits, reasons with an error.
LONG_NAME = b"a-name-of-15-by"


def width(text: str) -> int:
    """Returns how many columns the text takes."""
    return sum(0 if unicodedata.combining(char) else
               2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


class Terminal:
    """A tracer on a terminal of its own, which is its controlling terminal as a shell's is."""

    def __init__(self, columns: int, *arguments: str) -> None:
        self.columns = columns
        self.master, slave = pty.openpty()
        try:
            fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
            self.child = subprocess.Popen(
                ["setsid", "--ctty", "--wait", place.tcpdwell(), *arguments], stdin=slave,
                stdout=slave, stderr=slave)
        finally:
            os.close(slave)
        self.data = b""
        try:
            self.wait_for(READY, READY_LIMIT_S)
        except BaseException:
            self.close()
            raise

    def read(self, limit_s: float) -> bool:
        """Reads more of what is on the screen; false if there is nothing, or nobody left to
        write."""
        if not select.select([self.master], [], [], limit_s)[0]:
            return False
        try:
            data = os.read(self.master, 1 << 16)
        except OSError:  # EIO: the other side is gone
            return False
        self.data += data
        return bool(data)

    def lines(self) -> list[str]:
        return self.data.decode().replace("\r\n", "\n").split("\n")[:-1]

    def wait_for(self, text: str, limit_s: float = 10) -> None:
        deadline = time.monotonic() + patience(limit_s)
        while text.strip("\n") not in self.data.decode(errors="replace"):
            left = deadline - time.monotonic()
            assert left > 0 and (self.read(left) or self.child.poll() is None), self.data

    def wait_for_rows(self, count: int) -> list[str]:
        """Returns the header and that many rows."""
        deadline = time.monotonic() + patience(10)
        while len(self.table()) <= count:
            left = deadline - time.monotonic()
            assert left > 0, self.data
            self.read(left)
        return self.table()

    def table(self) -> list[str]:
        return [line for line in self.lines() if not line.startswith("tcpdwell: ")
                and not line.startswith("^C")]

    def type(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def close(self) -> None:
        end(self.child)
        os.close(self.master)


@pytest.fixture(name="terminal")
def _terminal() -> Iterator[list[Terminal]]:
    """Terminals that a test appends are closed when the test ends."""
    terminals: list[Terminal] = []
    yield terminals
    for terminal in terminals:
        terminal.close()


def play(netns: Netns, family: int) -> int:
    """Makes connections with long rows; returns how many rows there are at least."""
    with within.named(LONG_NAME):
        return within.connect_and_end(netns, family)


def show(terminal: list[Terminal], netns: Netns, columns: int, family: int,
         *arguments: str) -> list[str]:
    """Returns the header and the rows of play() on a terminal of this many columns."""
    shown = Terminal(columns, "--netns", str(netns.inode), *arguments)
    terminal.append(shown)
    rows = play(netns, family)
    return shown.wait_for_rows(rows)


TIMES = [[], ["-T"], ["-t"], ["-T", "-t"]]


@pytest.mark.parametrize(("columns", "kinds"), [
    (80, TIMES[:3]), (100, TIMES), (140, TIMES),
])
def test_no_row_wraps(terminal: list[Terminal], netns: Netns, columns: int,
                      kinds: list[list[str]]) -> None:
    """Both times and a whole row are more than 80 columns; each alone need not be."""
    for arguments in kinds:
        terminal.append(Terminal(columns, "--netns", str(netns.inode), *arguments))
    rows = play(netns, socket.AF_INET) + play(netns, socket.AF_INET6)
    wrapped = {}
    for arguments, shown in zip(kinds, terminal):
        lines = shown.wait_for_rows(rows)
        assert [row for row in lines[1:] if not PAIR.search(row)] == []
        too_long = [line for line in lines if width(line) > columns]
        if too_long:
            wrapped[" ".join(arguments)] = too_long[0]
    assert not wrapped


@pytest.mark.parametrize("columns", [80, 140])
def test_columns_stand_under_their_headers(terminal: list[Terminal], netns: Netns,
                                           columns: int) -> None:
    header, *rows = show(terminal, netns, columns, socket.AF_INET)
    for row in rows:
        pair = PAIR.search(row)
        assert pair and pair.start() == header.index("FROM"), row
        pid = re.match(r" *(\d+|-) ", row)
        assert pid and pid.end() - 1 == header.index("PID") + 3, row
        dwell = header.index("DWELL") + 5
        assert row[dwell - 1] != " " and row[dwell] == " ", row
        assert row[header.index("COMM")] != " " and row[header.index("COMM") - 1] == " "
        assert row[header.index("RADDR") - 1] == " "
        assert re.match(r"(\*:\*|127\.0\.0\.1:\d+) ", row[header.index("RADDR"):]), row


def test_narrow_row_keeps_what_matters(terminal: list[Terminal], netns: Netns) -> None:
    """Process, ports, peer, dwell and states are shown in 80 columns."""
    rows = show(terminal, netns, 80, socket.AF_INET)[1:]
    for row in rows:
        assert re.search(r"(^| )(\d+|-) ", row) and PAIR.search(row)
    refused = [row for row in rows if "refused" in row]
    assert len(refused) == 1
    assert str(os.getpid()) in refused[0] and LONG_NAME.decode()[:7] in refused[0]


def test_wide_is_as_wide_as_it_must_be(terminal: list[Terminal], netns: Netns) -> None:
    """-w shows everything, whatever the width of the terminal."""
    header, *rows = show(terminal, netns, 80, socket.AF_INET6, "-w")
    assert header.split()[-1] == "CGROUP"
    assert {len(row.split()) for row in rows} >= {len(header.split())}
    for row in rows:
        assert PAIR.search(row)
        assert str(netns.inode) in row.split()


ODD_NAMES = ["日本語日本", "e\u0301\u0301\u0301x", "\x1b[2Jabcdefg", "αβγδεζη"]


@pytest.mark.parametrize("columns", [80, 140])
def test_odd_names_move_nothing(terminal: list[Terminal], netns: Netns, columns: int) -> None:
    shown = Terminal(columns, "--netns", str(netns.inode))
    terminal.append(shown)
    for name in ODD_NAMES:
        with within.named(name.encode()):
            within.listen(netns).close()
    header, *rows = shown.wait_for_rows(2 * len(ODD_NAMES))
    assert b"\x1b" not in shown.data
    for row in rows:
        pair = PAIR.search(row)
        assert pair and width(row[:pair.start()]) == header.index("FROM"), row
        assert width(row) <= columns


def test_ctrl_c_ends_it(terminal: list[Terminal], netns: Netns) -> None:
    shown = Terminal(80, "--netns", str(netns.inode))
    terminal.append(shown)
    shown.type(b"\x03")
    while shown.child.poll() is None:
        shown.read(0.1)
    assert shown.child.returncode == 0
    while shown.read(0.2):
        pass
    assert re.match(r"(\^C)?tcpdwell: seen \d+ = ", shown.lines()[-1])


def test_ctrl_s_holds_the_rows_and_ctrl_c_still_ends_it(terminal: list[Terminal],
                                                        netns: Netns) -> None:
    shown = Terminal(80, "--netns", str(netns.inode))
    terminal.append(shown)
    shown.type(b"\x13")
    time.sleep(patience(0.2))
    within.listen(netns).close()
    time.sleep(patience(0.3))
    assert len(shown.table()) <= 1
    shown.type(b"\x03")
    deadline = time.monotonic() + patience(30)
    while shown.child.poll() is None:
        assert time.monotonic() < deadline, "held for ever"
        shown.read(0.1)
    assert shown.child.returncode == 0


def test_terminal_that_hangs_up(netns: Netns) -> None:
    """The window is closed, and the tracer must end."""
    shown = Terminal(80, "--netns", str(netns.inode))
    os.close(shown.master)
    try:
        assert shown.child.wait(timeout=patience(30)) in (0, 129)
    finally:
        end(shown.child)
