# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The tracers that are compared, and a run of one of them."""
import os
import re
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import bpf
from load import PORT

HERE = Path(__file__).parent
BUILD = HERE.parents[1] / "build"
TCPDWELL = BUILD / "tcpdwell"

START_SECONDS = 20  # bpftrace compiles first
QUIET_SECONDS = 0.25  # without CPU time: the tracer is attached, or has printed all
STOP_SECONDS = 10

# Classic tracepoints are found through tracefs, which not every host has mounted. A mount namespace
# for the tracer leaves the host as it is.
TRACEFS = ["unshare", "--mount", "sh", "-ec",
           'test -d /sys/kernel/tracing/events || mount -t tracefs tracefs /sys/kernel/tracing\n'
           'exec "$@"', "sh"]
# Rows about the load that not every tracer has, or that are not about a connection.
OTHER_ROWS = r"(TIME_WAIT|LISTEN)[^A-Z]+CLOSE\b|CLOSE[^A-Z]+LISTEN\b"
# What tcpdwell prints once all is attached.
READY = "tracing"
# How many rows tcpdwell has summed up instead of printing them.
COUNTED = re.compile(r"= counted (\d+)")
# What a tool reports as lost: numbers to add up.
LOST = re.compile(r"lost (\d+)", re.IGNORECASE)

# A tracer does not outlive the bench.
ORPHAN = ["setpriv", "--pdeathsig", "INT"]
# A batch process does not preempt the one that wakes it. Without this, when all cores are busy, a
# program that wakes its reader would have the reader's run time counted as its own.
BATCH = ["chrt", "--batch", "0"]


@dataclass(frozen=True)
class Tracer:
    name: str
    command: tuple[str, ...]
    tracefs: bool = False
    connections: bool = False  # its rows are ends of connections, not transitions

    def argv(self, batch: bool = False) -> list[str]:
        return (ORPHAN + (BATCH if batch else []) + (TRACEFS if self.tracefs else [])
                + list(self.command))


TRACE = Tracer("tcpdwell", (str(TCPDWELL),))
CSV = Tracer("tcpdwell -o csv", (str(TCPDWELL), "-o", "csv"))
JSON = Tracer("tcpdwell -o json", (str(TCPDWELL), "-o", "json"))
STAT = Tracer("tcpdwell stat", (str(TCPDWELL), "stat"))
# One row for each connection; those that are open at the end do not belong to the load.
LIFE = Tracer("tcpdwell life", (str(TCPDWELL), "life", "--no-open"), connections=True)
LIFE_JSON = Tracer("tcpdwell life -o json", (*LIFE.command, "-o", "json"), connections=True)
DIAGNOSE = Tracer("tcpdwell diagnose", (str(TCPDWELL), "diagnose", "--watch"))
TIMEWAIT = Tracer("tcpdwell timewait", (str(TCPDWELL), "timewait"))
LEAKS = Tracer("tcpdwell leaks --watch", (str(TCPDWELL), "leaks", "--watch"))
EXPORT = Tracer("tcpdwell export", (str(TCPDWELL), "export", "--listen", "127.0.0.1:0"))
NOTHING = Tracer("tcpdwell -L 1", (str(TCPDWELL), "-L", "1"))
# They find out nothing: lower limits for tracers of the same events, with and without printing.
BARE = Tracer("bare programs", (str(BUILD / "tools/bare"), str(BUILD / "bench/bare.bpf.o")),
              tracefs=True)
BARE_NOTHING = Tracer("bare programs, no rows", (*BARE.command, "silent"), tracefs=True)
# Some distributions give it another name, beside the Python tool of the same name.
TCPSTATES = Tracer("tcpstates", (shutil.which("tcpstates-libbpf") or "tcpstates",), tracefs=True)
BPFTRACE = Tracer("bpftrace", ("bpftrace", str(HERE / "tcpstates.bt")), tracefs=True)
PEERS = (TCPSTATES, BPFTRACE)
TCPLIFE = Tracer("tcplife", (shutil.which("tcplife-libbpf") or "tcplife",), tracefs=True,
                 connections=True)
# It comes with bpftrace, and needs kprobes.
TCPLIFE_BT = Tracer("bpftrace tcplife.bt", ("bpftrace", shutil.which("tcplife.bt") or "tcplife.bt"),
                    tracefs=True, connections=True)
LIFE_PEERS = (TCPLIFE, TCPLIFE_BT)


class Failed(Exception):
    """A tracer does not run here; the text is its last words."""


def cpu_ns(pid: int) -> int:
    """CPU time of all threads, user and system."""
    return sum(int(task.joinpath("schedstat").read_text(encoding="ascii").split()[0])
               for task in Path(f"/proc/{pid}/task").iterdir())


def children_of(pid: int) -> list[int]:
    """The processes that it has started."""
    return [int(child) for task in Path(f"/proc/{pid}/task").iterdir()
            for child in task.joinpath("children").read_text(encoding="ascii").split()]


def wakeups_of_all(pid: int) -> int:
    """How often its threads, and those of its children, went to sleep by themselves."""
    return sum(int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)",
                             task.joinpath("status").read_text(encoding="utf-8"), re.MULTILINE)[1])
               for process in (pid, *children_of(pid))
               for task in Path(f"/proc/{process}/task").iterdir())


def cpu_ns_of_all(pid: int) -> int:
    """CPU time including threads that have ended, and processes that it has started; in ticks."""
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    ticks = sum(map(int, stat[11:15]))  # utime, stime, cutime, cstime
    return (ticks * 10**9 // os.sysconf("SC_CLK_TCK")) + sum(map(cpu_ns_of_all, children_of(pid)))


def resident_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) * 1024


def _count(path: Path, *options: str) -> int:
    counted = subprocess.run(["grep", "-c", *options, str(path)], capture_output=True, text=True,
                             env=os.environ | {"LC_ALL": "C"}, check=False)
    return int(counted.stdout or 0)


class Run:
    """A running tracer with its output in a file. Closing it removes the file."""

    def __init__(self, tracer: Tracer, directory: Path, batch: bool = False):
        self.tracer = tracer
        self._output = directory / "output"
        self._errors = directory / "errors"
        with self._output.open("wb") as output, self._errors.open("wb") as errors:
            self._process = subprocess.Popen(tracer.argv(batch), stdin=subprocess.DEVNULL,
                                             stdout=output, stderr=errors)
        self.pid = self._process.pid
        try:
            self._wait_attached()
        except BaseException:
            self.close()
            raise

    def _wait_attached(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            self.wait_quiet(START_SECONDS)
            if self._process.poll() is None and bpf.programs_of(self.pid) and self._is_ready():
                return
        raise Failed(f"it has attached nothing in {START_SECONDS} s")

    def _is_ready(self) -> bool:
        """tcpdwell says when it is ready; on a busy host it seems quiet before that, too."""
        return self.tracer.command[0] != str(TCPDWELL) or \
            READY in self._errors.read_text(encoding="utf-8", errors="replace")

    def wait_quiet(self, at_most_seconds: float) -> None:
        """Waits until the tracer has nothing more to do."""
        deadline = time.monotonic() + at_most_seconds
        before = -1
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise Failed(self._last_words())
            now = cpu_ns(self.pid)
            if before >= 0 and now - before < QUIET_SECONDS * 1e9 / 100:
                return
            before = now
            time.sleep(QUIET_SECONDS)

    def _last_words(self) -> str:
        lines = self._errors.read_text(encoding="utf-8", errors="replace").splitlines()
        return lines[-1].strip() if lines else f"it ended with status {self._process.returncode}"

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def rows(self) -> int:
        """The number of rows, printed or summed up; for a tracer that has been stopped."""
        counted = COUNTED.search(self._errors.read_text(encoding="utf-8", errors="replace"))
        return int(counted[1]) if counted else _count(self._output, "")

    def lines(self) -> list[str]:
        return self._output.read_text(encoding="utf-8", errors="replace").splitlines()

    def printed_bytes(self) -> int:
        return self._output.stat().st_size

    def rows_of_load(self) -> int:
        """Rows about the load's connections that every tracer should have."""
        own = self._output.with_name("own")
        with own.open("wb") as file:
            subprocess.run(["grep", "-wF", str(PORT), str(self._output)], stdout=file,
                           env=os.environ | {"LC_ALL": "C"}, check=False)
        count = _count(own, "-vE", OTHER_ROWS)
        own.unlink()
        return count

    def lost_by_own_account(self) -> int:
        """bpftrace reports it among the rows, the others on standard error."""
        said = subprocess.run(["grep", "-ihE", "lost [0-9]+", str(self._output), str(self._errors)],
                              capture_output=True, text=True, check=False)
        return sum(map(int, LOST.findall(said.stdout)))

    def close(self) -> None:
        self.stop()
        for path in (self._output, self._errors):
            path.unlink(missing_ok=True)

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
