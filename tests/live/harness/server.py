# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Servers whose processes report what they do, and curl as their client."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, TypeVar

from . import place, process
from .netns import Netns
from .story import Name, Process, put

T = TypeVar("T")

PORT = 8080
CANNOT = 77
# Slow machines take seconds to start a process.
LIMIT_S = 60


class CannotServe(Exception):
    """This kernel lacks something that the server needs."""


@dataclass
class Log:
    """What was done, as the processes report it (servers/serve.h)."""

    listeners: list[Process] = field(default_factory=list)
    accepted: dict[Name, tuple[Process, int]] = field(default_factory=dict)  # with the time
    closed: dict[Name, Process] = field(default_factory=dict)

    def take(self, line: str) -> None:
        what, pid, comm, *rest = line.split()
        who = Process(int(pid), comm)
        if what == "listen":
            self.listeners.append(who)
        elif what == "accept":
            put(self.accepted, int(rest[0]), (who, int(rest[1])))
        elif what == "close":
            put(self.closed, int(rest[0]), who)
        else:
            raise AssertionError(f"not a line of a server's log: {line}")


class Server:
    """One of servers/*.c in a namespace, listening when the constructor returns."""

    def __init__(self, name: str, netns: Netns, family: str, port: int = PORT) -> None:
        self.name, self.port = name, port
        self.log = Log()
        self._news = threading.Condition()
        self._ready = False
        self.child = netns.spawn(
            [str(place.TOP / "build/tests/servers" / name), "-6" if family == "ipv6" else "-4",
             str(port)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.wait_for(lambda: self._ready)

    @property
    def pid(self) -> int:
        return self.child.pid

    def _read(self) -> None:
        assert self.child.stdout
        for line in self.child.stdout:
            with self._news:
                if line == "ready\n":
                    self._ready = True
                else:
                    self.log.take(line)
                self._news.notify_all()
        with self._news:
            self._news.notify_all()

    def wait_for(self, predicate: Callable[[], object]) -> None:
        """Waits until predicate() is true; fails if the server ends before that."""
        with self._news:
            self._news.wait_for(lambda: predicate() or not self._reader.is_alive()
                                or self.child.poll() is not None, timeout=LIMIT_S)
            if predicate():
                return
        status = self.child.poll()
        process.end(self.child)
        if status == CANNOT:
            raise CannotServe(self.name)
        raise AssertionError(f"{self.name}: not seen in {LIMIT_S} s, status {status}")

    def wait_closed(self, number: int) -> Log:
        """Waits until the server has closed this many connections."""
        self.wait_for(lambda: len(self.log.closed) >= number)
        return self.log

    def stop(self) -> None:
        """Ends it; the listener is gone when this returns."""
        process.end(self.child)


# ---- curl ----------------------------------------------------------------------------------------

# The server closes first and last in turn. The inner shell becomes curl, which keeps its pid.
CURL_LOOP = r"""
i=0
while [ $i -lt "$1" ]; do
	[ $((i % 2)) -eq 0 ] && path=first || path=last
	sh -c 'exec curl -gsS -o /dev/null -w "$$ %{local_port} %{http_code}\n" "$1"' \
		sh "$2/$path" || exit
	i=$((i + 1))
done
"""
AT_ONCE = 4


def curl(netns: Netns, url: str, number: int) -> dict[Name, Process]:
    """Makes number requests, each in a process of its own, some at a time: who used which port."""
    # One pipe serves all, so its lines are in the order in which they were written. If a port comes
    # twice, its first line was written before the port was free again.
    reader, writer = os.pipe()
    with open(writer, "w", encoding="utf-8") as output:
        loops = [netns.spawn(["sh", "-c", CURL_LOOP, "sh",
                              str(number // AT_ONCE + (part < number % AT_ONCE)), url],
                             stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.PIPE,
                             text=True)
                 for part in range(AT_ONCE)]
    clients: dict[Name, Process] = {}
    with open(reader, encoding="utf-8") as lines:
        for pid, port, code in map(str.split, lines):
            assert code == "200", f"curl {url}: {code}"
            put(clients, int(port), Process(int(pid), "curl"))
    for loop in loops:
        _, err = loop.communicate(timeout=LIMIT_S)
        assert loop.returncode == 0, f"curl {url}: status {loop.returncode}: {err}"
    assert len(clients) == number
    return clients


# ---- nginx ---------------------------------------------------------------------------------------

NGINX_CONFIG = """\
daemon {daemon};
user www-data;
worker_processes 2;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ }}
http {{
	log_format who '$pid $remote_port';
	access_log {folder}/access.log who;
	client_body_temp_path {folder}/body;
	proxy_temp_path {folder}/proxy;
	fastcgi_temp_path {folder}/fastcgi;
	uwsgi_temp_path {folder}/uwsgi;
	scgi_temp_path {folder}/scgi;
	server {{
		listen {address}:{port} backlog=512 {listen};
		keepalive_requests 100;
		location /last {{ return 200 "ok\\n"; }}
		location /first {{ keepalive_timeout 0; return 200 "ok\\n"; }}
	}}
}}
"""


class Nginx:
    """nginx with two workers in a namespace, in the foreground or as a daemon."""

    def __init__(self, netns: Netns, folder: Path, address: str, daemon: bool = False,
                 listen: str = "", port: int = PORT) -> None:
        self.folder, self.port = folder, port
        bracketed = f"[{address}]" if ":" in address else address
        config = folder / "nginx.conf"
        config.write_text(NGINX_CONFIG.format(
            daemon="on" if daemon else "off", folder=folder, address=bracketed, port=port,
            listen=listen), encoding="utf-8")
        self.child = netns.spawn(
            ["nginx", "-e", str(folder / "error.log"), "-p", str(folder), "-c", str(config)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._handles: list[int] = []
        try:
            if daemon:
                assert self.child.wait(LIMIT_S) == 0, self.errors()
            self.master = int(wait_until(self._read_pid, self.child if not daemon else None))
            self._handles.append(os.pidfd_open(self.master))
            self.workers = wait_until(
                lambda: len(found := children_of(self.master)) == 2 and found)
        except BaseException as failure:
            self.stop()
            raise AssertionError(f"nginx: {self.errors()}") from failure

    def _read_pid(self) -> str:
        with suppress(FileNotFoundError):
            return (self.folder / "pid").read_text(encoding="utf-8").strip()
        return ""

    def errors(self) -> str:
        with suppress(FileNotFoundError):
            return (self.folder / "error.log").read_text(encoding="utf-8")
        return ""

    def served(self, number: int) -> dict[Name, Process]:
        """Waits until this many requests are logged: which worker had the client of which port."""

        def read() -> list[str]:
            log = self.folder / "access.log"
            lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
            return lines if len(lines) >= number else []

        found: dict[Name, Process] = {}
        for pid, port in map(str.split, wait_until(read)):
            put(found, int(port), Process(int(pid), "nginx"))
        return found

    def stop(self) -> None:
        """Ends it; all its processes are gone when this returns."""
        for handle in self._handles:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, signal.SIGTERM)
            # Readable once the process has ended.
            ended, _, _ = select.select([handle], [], [], LIMIT_S)
            os.close(handle)
            assert ended, "nginx does not end"
        self._handles.clear()
        process.end(self.child)


def children_of(pid: int) -> list[int]:
    """The present children of a process."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # The name may contain blanks and brackets; what follows the last bracket does not.
            _, parent = stat.read_text(encoding="utf-8").rpartition(")")[2].split()[:2]
            if int(parent) == pid:
                found.append(int(stat.parent.name))
    return sorted(found)


def wait_until(fact: Callable[[], T], child: subprocess.Popen[Any] | None = None) -> T:
    """Waits until fact() is true and returns it; fails if child ends before that."""
    deadline = time.monotonic() + LIMIT_S
    while True:
        found = fact()
        if found:
            return found
        assert child is None or child.poll() is None, "ended"
        assert time.monotonic() < deadline, f"not in {LIMIT_S} s"
        time.sleep(0.01)
