# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A running `tcpdwell export`, a client that scrapes it, and the samples by metric and labels."""

from __future__ import annotations

import contextlib
import re
import socket
import sys
import threading
import urllib.error
import urllib.request
from typing import Any, Callable, Iterator

from . import within
from .netns import Netns
from .plain import Running, filtered_to

SAMPLE = re.compile(r'(\w+)(?:\{(.*)\})? (\S+)')
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)",?')
ADDRESS = re.compile(r"tcpdwell: metrics at http://(\S+):(\d+)/metrics\n")

OPENMETRICS = "application/openmetrics-text; version=1.0.0; q=0.5, text/plain; q=0.3"
HEALTH = b"GET /healthz HTTP/1.0\r\n\r\n"
# The name of this process while it exports.
COMM = "exported"
# In addition to its interval, since a machine may stall.
LIMIT_S = 30


class Metrics:
    """The samples of a page; those with labels are found by keywords."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.samples: list[tuple[str, dict[str, str], float]] = []
        for line in text.splitlines():
            if line.startswith("#"):
                continue
            match = SAMPLE.fullmatch(line)
            assert match, line
            labels = dict(LABEL.findall(match[2] or ""))
            self.samples.append((match[1], labels, float(match[3])))
        keys = [(name, tuple(sorted(labels.items()))) for name, labels, _ in self.samples]
        assert len(keys) == len(set(keys)), "a series is there twice"

    def find(self, metric: str, /, **labels: str) -> list[float]:
        return [value for name, of, value in self.samples
                if name == metric and all(of.get(key) == want for key, want in labels.items())]

    def sum(self, metric: str, /, **labels: str) -> float:
        return sum(self.find(metric, **labels))

    def labels(self, metric: str, label: str) -> set[str]:
        return {of[label] for name, of, _ in self.samples if name == metric}


# Takes a descriptor, a count, and the program that replaces it.
HAND_OVER = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=sys.argv[2])
os.execvp(sys.argv[3], sys.argv[3:])
"""


def handing_over(given: socket.socket, wrap: Callable[[list[Any]], list[Any]] = list,
                 fds: str = "1") -> Callable[[list[Any]], list[Any]]:
    """Hands a socket over as a process manager does (sd_listen_fds(3)); wrap must replace its
    process."""
    return lambda argv: [sys.executable, "-c", HAND_OVER, str(given.fileno()), fds, *wrap(argv)]


class Export:
    """An export that serves at a port of its own choice, or at listener, and looks once a second.
    """

    def __init__(self, *arguments: str, listener: socket.socket | None = None,
                 **kwargs: Any) -> None:
        if listener:
            kwargs["wrap"] = handing_over(listener, kwargs.get("wrap", list))
            kwargs["pass_fds"] = [listener.fileno()]
        where = [] if listener else ["--listen", "127.0.0.1:0"]
        self.running = Running("export", *where, "-i", "1s", *arguments, **kwargs)
        found = ADDRESS.search(self.running.said())
        assert found, self.running.said()
        self.address = (found[1], int(found[2]))

    def __enter__(self) -> Export:
        return self

    def __exit__(self, *unused: object) -> None:
        self.running.__exit__()

    def fetch(self, path: str = "/metrics", accept: str = "text/plain") -> tuple[str, str]:
        """What is at the path, and its content type."""
        request = urllib.request.Request("http://%s:%d%s" % (*self.address, path),
                                         headers={"Accept": accept})
        with urllib.request.urlopen(request, timeout=LIMIT_S) as answer:
            return answer.read().decode(), answer.headers["Content-Type"]

    def healthy(self) -> bool:
        """Whether there is a page that is not too old."""
        try:
            return self.fetch("/healthz")[0] == "ok\n"
        except urllib.error.HTTPError:
            return False

    def metrics(self) -> Metrics:
        return Metrics(self.fetch()[0])

    def look(self) -> Metrics:
        """What a look has found that began after the call."""
        def fresh() -> Metrics | None:
            try:
                found = self.metrics()
            except urllib.error.HTTPError as error:
                assert error.code == 503
                return None
            return found if found.find("tcpdwell_look_timestamp_seconds") > before else None

        try:
            before = self.metrics().find("tcpdwell_look_timestamp_seconds")
        except urllib.error.HTTPError:
            before = [0.0]
        self.running.wait_for(fresh, LIMIT_S, "another look")
        # A look that had begun before the call is over by then.
        before = self.metrics().find("tcpdwell_look_timestamp_seconds")
        return self.running.wait_for(fresh, LIMIT_S, "another look")

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=LIMIT_S)


@contextlib.contextmanager
def export(netns: Netns, *arguments: str, **kwargs: Any) -> Iterator[Export]:
    with within.named(COMM.encode()), Export(*arguments, *filtered_to(netns), **kwargs) as running:
        yield running


@contextlib.contextmanager
def at_intervals(interval_s: float, call: Callable[[], object]) -> Iterator[None]:
    """Calls it again and again, in a thread of its own."""
    over = threading.Event()

    def work() -> None:
        while not over.wait(interval_s):
            call()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def ask(running: Export, request: bytes) -> bytes:
    with running.connect() as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def transfer(sender: socket.socket, receiver: socket.socket, count: int) -> None:
    sender.sendall(bytes(count))
    while count:
        count -= len(receiver.recv(min(count, 65536)))
