# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""How long a tracer takes from its start to its first row, as on a terminal."""
import contextlib
import os
import pty
import select
import signal
import subprocess
import time

from load import PORT, Load
from measure import Bench, in_turn
from tracer import STOP_SECONDS, Failed, Tracer

ROW_SECONDS = 20
PACE_US = 1000  # a connection every millisecond, so that the load adds no wait of its own


def _wait_row(terminal: int, deadline: float) -> float:
    """Waits for a row about the load; returns the time at which it came."""
    text = b""
    while str(PORT).encode() not in text:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([terminal], [], [], left)[0]:
            raise Failed(f"no row in {ROW_SECONDS} s")
        try:
            text = text[-len(str(PORT)):] + os.read(terminal, 65536)
        except OSError as error:  # EIO: the tracer has ended
            raise Failed("it ended without a row") from error
    return time.monotonic()


def _drain(terminal: int, process: subprocess.Popen) -> None:
    """Reads on until the tracer has ended, since it must not block on a full terminal."""
    deadline = time.monotonic() + STOP_SECONDS
    while process.poll() is None:
        if time.monotonic() > deadline:
            process.kill()
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                os.read(terminal, 65536)
            except OSError:
                process.wait()


def _time(tracer: Tracer) -> float:
    terminal, child = pty.openpty()
    begin = time.monotonic()
    process = subprocess.Popen(tracer.argv(), stdin=subprocess.DEVNULL, stdout=child,
                               stderr=subprocess.DEVNULL)
    os.close(child)
    try:
        return _wait_row(terminal, begin + ROW_SECONDS) - begin
    finally:
        process.send_signal(signal.SIGINT)
        _drain(terminal, process)
        os.close(terminal)


def first_row(bench: Bench, tracers: list[Tracer], sockets: int, number: int) -> None:
    """Measures it with this many sockets on the host whose begin the tracers have not seen."""
    with contextlib.ExitStack() as loads:
        if sockets:
            loads.enter_context(Load(bench.load, "-k", "-n", sockets // 2)).run()
        loads.enter_context(Load(bench.load, "-c", 1, "-s", 1, "-t", 3600, "-w", PACE_US)).go()
        for tracer in in_turn(tracers, number):
            if tracer.name not in bench.not_run:
                with bench.attempt(tracer.name):
                    bench.figures.add(f"first row ms, {sockets} sockets", tracer.name,
                                      1000 * _time(tracer))
