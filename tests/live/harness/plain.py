# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A tcpdwell as its user sees it: bytes on standard output, lines on standard error, a status."""

from __future__ import annotations

import csv
import io
import os
import signal
import subprocess
import threading
import time
from typing import Any, Callable, NamedTuple, TypeVar

from . import place, process
from .netns import Netns

T = TypeVar("T")

# What a tracer prints once it is attached.
READY = "tcpdwell: tracing…\n"
# An emulated processor takes seconds to verify the programs.
READY_LIMIT_S = 60


def patience(limit_s: float) -> float:
    """A time limit for this machine: TCPDWELL_TEST_SCALE below 1 says how much slower it is."""
    return limit_s / min(1.0, float(os.environ.get("TCPDWELL_TEST_SCALE", "1")))


def filtered_to(netns: Netns) -> list[str]:
    """The options that limit the tool to this namespace."""
    return ["--netns", str(netns.inode)]


def parse_csv(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))


def run(*arguments: str | bytes, limit_s: float = READY_LIMIT_S,
        wrap: Callable[[list[Any]], list[Any]] = list,
        **kwargs: Any) -> subprocess.CompletedProcess[bytes]:
    """Runs it to the end, without input. SIGINT ends what would go on."""
    kwargs.setdefault("stdin", subprocess.DEVNULL)
    kwargs.setdefault("stdout", subprocess.PIPE)
    child = subprocess.Popen(wrap([place.tcpdwell(), *arguments]), stderr=subprocess.PIPE, **kwargs)
    try:
        out, err = child.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        child.kill()
        out, err = child.communicate()
        raise AssertionError(
            f"{child.args}: did not end in {limit_s} s\n{out!r}\n{err!r}") from None
    return subprocess.CompletedProcess(child.args, child.returncode, out or b"", err)


class Line(NamedTuple):
    """A whole line, without its end, and when its last byte was read (CLOCK_MONOTONIC)."""

    text: bytes
    at_ns: int


class Running:
    """A running tracer: `with Running("-o", "json") as running`. It is killed at the end if it
    still runs.

    A thread reads at once what it prints, unless stdout is given.
    """

    def __init__(self, *arguments: str, stdout: Any = subprocess.PIPE,
                 wrap: Callable[[list[str]], list[str]] = list, ready: bool = True,
                 **kwargs: Any) -> None:
        kwargs.setdefault("stdin", subprocess.DEVNULL)
        self.child = subprocess.Popen(wrap([place.tcpdwell(), *arguments]), stdout=stdout,
                                      stderr=subprocess.PIPE, **kwargs)
        self.errors: list[str] = []
        self._lines: list[Line] = []
        self._rest = b""
        self._news = threading.Condition()
        self._threads = [threading.Thread(target=self._read_errors, daemon=True)]
        if stdout == subprocess.PIPE:
            self._threads.append(threading.Thread(target=self._read_output, daemon=True))
        for thread in self._threads:
            thread.start()
        if ready:
            self.await_ready()

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *unused: object) -> None:
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGCONT)
            self.child.kill()
        self.child.wait()
        for thread in self._threads:
            thread.join()
        for stream in (self.child.stdout, self.child.stderr):
            if stream:
                stream.close()

    def _read_output(self) -> None:
        assert self.child.stdout
        descriptor = self.child.stdout.fileno()
        while data := os.read(descriptor, 1 << 20):
            at_ns = time.monotonic_ns()
            with self._news:
                *whole, self._rest = (self._rest + data).split(b"\n")
                self._lines += [Line(text, at_ns) for text in whole]
                self._news.notify_all()

    def _read_errors(self) -> None:
        assert self.child.stderr
        for line in self.child.stderr:
            with self._news:
                self.errors.append(line.decode())
                self._news.notify_all()
        with self._news:
            self._news.notify_all()

    # ---- What it printed -------------------------------------------------------------------------

    def lines(self) -> list[Line]:
        """The whole lines so far."""
        with self._news:
            return list(self._lines)

    def output(self) -> bytes:
        """All of standard output so far, including a line that has no end yet."""
        with self._news:
            return b"".join(line.text + b"\n" for line in self._lines) + self._rest

    def said(self) -> str:
        """Standard error so far."""
        with self._news:
            return "".join(self.errors)

    def wait_for(self, predicate: Callable[[], T], limit_s: float = 10, what: str = "") -> T:
        """Waits until predicate() is true and returns that; fails with the output if it never is.
        """
        deadline = time.monotonic() + patience(limit_s)
        with self._news:
            while not (found := predicate()):
                left = deadline - time.monotonic()
                if left <= 0:
                    last = b"\n".join(line.text for line in self._lines[-10:]).decode("latin-1")
                    raise AssertionError(f"not in {patience(limit_s)} s: {what or predicate}\n"
                                         f"{last}\n{''.join(self.errors)}")
                # The short timeout also lets it notice that the child has ended.
                self._news.wait(timeout=min(left, 0.1))
            return found

    def wait_for_lines(self, count: int, limit_s: float = 10) -> list[Line]:
        return self.wait_for(lambda: len(self._lines) >= count and list(self._lines), limit_s,
                             f"{count} lines")

    def await_ready(self, instead: str = READY) -> None:
        """Until it traces, or says that."""
        def ready() -> bool:
            return any(READY in line or instead in line for line in self.errors)

        try:
            self.wait_for(lambda: ready() or self.child.poll() is not None, READY_LIMIT_S,
                          "tracing…")
            if not ready():
                status = self.wait(READY_LIMIT_S)  # until what it said is read
                raise AssertionError(f"status {status}: {self.said()}")
        except BaseException:
            self.__exit__()
            raise

    # ---- The end ---------------------------------------------------------------------------------

    def wait(self, limit_s: float = 10) -> int:
        """Waits for it to end by itself; returns the exit status."""
        try:
            status = self.child.wait(timeout=patience(limit_s))
        except subprocess.TimeoutExpired:
            raise AssertionError(f"did not end in {patience(limit_s)} s\n{self.said()}") from None
        for thread in self._threads:
            thread.join()
        return status

    def finish(self) -> None:
        """Stops it as Ctrl-C does; it must end well."""
        status = self.stop()
        assert status == 0, f"status {status}: {self.said()}"

    def stop(self, number: int = signal.SIGINT, limit_s: float = 30) -> int:
        """Sends a signal and waits; returns the exit status."""
        self.child.send_signal(number)
        return self.wait(limit_s)


def end(child: subprocess.Popen[Any]) -> None:
    """As process.end(), also for a child that is stopped."""
    if child.poll() is None:
        child.send_signal(signal.SIGCONT)
    process.end(child)
