# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The share of connections for which a tracer names the right process: curl and nginx, across a
veth pair.

The servers and clients are those of the live tests. The shell tells which process each curl was,
and nginx logs which worker had which client.
"""
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

import machine
from measure import DRAIN_SECONDS, ENDS, Bench
from tracer import Run, Tracer

sys.path.append(str(machine.ROOT / "tests/live"))

from harness.netns import Veth
from harness.server import PORT, Nginx, curl

RIGHT = "share of rows with the right process"

# Local and remote port, process and its name.
End = tuple[int, int, int, str]


def end_of(line: str) -> End | None:
    """What a row of `life` or of tcplife says; None: it is no row."""
    words = line.replace(":", " ").split()
    if words[2:3] in (["client"], ["server"]):
        del words[2]
    if len(words) < 6 or not all(words[at].isdigit() for at in (0, 3, 5)):
        return None
    return int(words[3]), int(words[5]), int(words[0]), words[1]


def _visit(veth: Veth, folder: Path, requests: int) -> Counter[End]:
    """Runs curl against nginx. Returns who owned the ends of the connections."""
    folder.chmod(0o755)
    nginx = Nginx(veth.server, folder, veth.server.ipv4)
    try:
        clients = curl(veth.client, f"http://{veth.server.ipv4}:{PORT}", requests)
        served = nginx.served(requests)
    finally:
        nginx.stop()
    ends = Counter((name.port, PORT, who.pid, who.comm) for name, who in clients.items())
    ends.update((PORT, name.port, who.pid, who.comm) for name, who in served.items())
    return ends


def owners(bench: Bench, tracers: list[Tracer], requests: int) -> None:
    if not shutil.which("nginx") or not shutil.which("curl"):
        bench.not_run[RIGHT] = "there is no nginx, or no curl"
        return
    for tracer in tracers:
        if tracer.name in bench.not_run:
            continue
        veth = Veth.make()
        try:
            with bench.attempt(tracer.name), Run(tracer, bench.scratch) as run, \
                    tempfile.TemporaryDirectory() as folder:
                ends = _visit(veth, Path(folder), requests)
                run.wait_quiet(DRAIN_SECONDS)
                run.stop()
                found = Counter(end for line in run.lines() if (end := end_of(line)))
                bench.figures.add(RIGHT, tracer.name,
                                  (ends & found).total() / (ENDS * requests))
        finally:
            veth.remove()
    bench.say("processes of rows compared")
