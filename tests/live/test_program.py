# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`-- PROGRAM ARGS` traces the program, its descendants and nobody else, and ends with it.

An unfiltered tracer is the oracle of what the family did. Programs keep what the caller gave them.
"""

from __future__ import annotations

import errno
import os
import signal
import subprocess
from typing import Any, Callable, Iterable

import pytest

from harness import actor as actors, place, process
from harness.actor import Actor, Cast
from harness.netns import Netns
from harness.oracle import compare, connections, from_owner
from harness.story import ENDED
from harness.tracer import Tracer, by_cookie

PORT = 8080
LIMIT_S = 60

cast = pytest.fixture(actors.cast, name="cast")


def visit(*clients: Actor) -> None:
    """Each client connects once, and closes."""
    for client in clients:
        client.run(f"c = socket.create_connection(('127.0.0.1', {PORT})); c.send(b'x'); c.close()")


def wait_over(tracer: Tracer, number: int) -> None:
    tracer.wait_for(lambda rows: sum(any(row["to"] in ENDED for row in chain)
                                     for chain in by_cookie(rows).values()) >= number,
                    limit_s=LIMIT_S, what=f"{number} ends")


def check_family(oracle: Tracer, tracer: Tracer, family: Iterable[int]) -> None:
    """The tracer printed exactly what these processes owned."""
    pids = set(family)
    tracer.check()
    oracle.stop()
    shown = compare(connections(oracle.all_rows()), connections(tracer.all_rows()),
                    lambda chain: from_owner(chain, lambda row: row["pid"] in pids))
    assert 0 < shown < len(oracle.all_rows())
    assert {row["pid"] for row in tracer.all_rows()} == pids


class Family:
    """A server and a stranger, an oracle, and a tracer that started an actor."""

    def __init__(self, netns: Netns, start: Callable[..., Tracer], cast: Cast,
                 *options: str) -> None:
        self.netns, self.cast = netns, cast
        self.server, self.stranger = cast.actor("server", netns), cast.actor("actor", netns)
        self.oracle = start("--netns", str(netns.inode))
        # The actor replaces ip-netns by the first exec that the tracer must follow.
        self.tracer = start(*options, "--", *netns.argv(cast.argv("actor")))
        self.first = cast.meet()
        # A child that outlives the actor must not hold the pipes at which the tracer's end is read.
        self.first.run("null = os.open(os.devnull, os.O_RDWR); os.dup2(null, 1); os.dup2(null, 2)")
        self.server.run(f"l = socket.create_server(('127.0.0.1', {PORT}), backlog=64)")

    def serve(self, number: int) -> None:
        """Serves this many connections to their end."""
        self.server.run(f"for _ in range({number}): s, _ = l.accept(); s.recv(2); s.recv(1); "
                        "s.close()")
        wait_over(self.oracle, 2 * number)


@pytest.fixture(name="family")
def _family(netns: Netns, tracer: Callable[..., Tracer], cast: Cast) -> Family:
    return Family(netns, tracer, cast)


def end(actor: Actor) -> None:
    """Ends the actor with status 0, as a program would."""
    actor.send("os._exit(0)")
    actor.wait()


@pytest.mark.every_kernel
def test_descendants(family: Family) -> None:
    """Children, their children, a child whose parent has ended, and a child after exec are
    traced."""
    first = family.first
    child = first.fork()
    grandchild = child.fork()
    orphan = first.fork()
    parent, orphan = orphan, orphan.fork()
    end(parent)
    replaced = first.fork()
    replaced.exec("another")
    clients = (first, child, grandchild, orphan, replaced)
    visit(*clients, family.stranger)
    family.serve(len(clients) + 1)
    pids = [client.pid for client in clients]
    end(first)
    assert family.tracer.wait() == 0
    check_family(family.oracle, family.tracer, pids)


def test_passive_opens(family: Family) -> None:
    """A descendant listens: all rows of what it accepts are shown, from SYN_RECV on."""
    child = family.first.fork()
    child.run(f"l = socket.create_server(('127.0.0.1', {PORT + 1}))")
    for client in (family.stranger, family.server):
        client.run(f"c = socket.create_connection(('127.0.0.1', {PORT + 1})); c.send(b'x')")
        child.run("s, _ = l.accept(); s.recv(1); s.close()")
        client.run("c.close()")
    wait_over(family.oracle, 4)
    end(child)
    end(family.first)
    assert family.tracer.wait() == 0
    assert {(row["from"], row["to"]) for row in family.tracer.all_rows()} \
        >= {("CLOSE", "LISTEN"), ("LISTEN", "SYN_RECV"), ("SYN_RECV", "ESTABLISHED")}
    check_family(family.oracle, family.tracer, [child.pid])


WAYS = {
    "subprocess": "import subprocess; subprocess.run(argv, check=True)",
    "thread": "import subprocess, threading; "
              "t = threading.Thread(target=subprocess.run, args=[argv]); t.start(); t.join()",
    "shell": "import shlex; os.system('(' + shlex.join(argv) + ') & wait')",
    "session": "import subprocess; subprocess.run(['setsid', '--fork', '--wait', *argv])",
    "pid-namespace": "import subprocess; subprocess.run(['unshare', '--pid', '--fork', *argv])",
}


@pytest.mark.parametrize("way", WAYS)
def test_ways_to_start(way: str, family: Family) -> None:
    """The family may grow by vfork, from a thread, by a shell, or into a session or namespace."""
    argv = ["curl", "-s", "-o", "/dev/null", f"http://127.0.0.1:{PORT}/"]
    family.server.send("s, _ = l.accept(); s.recv(1000); "
                       "s.send(b'HTTP/1.0 200 OK\\r\\n\\r\\n'); s.close()")
    family.first.run(f"argv = {argv!r}; {WAYS[way]}")
    family.server.answer()
    wait_over(family.oracle, 2)
    client = {row["pid"] for row in family.oracle.all_rows() if row["comm"] == "curl"}
    assert len(client) == 1 and family.first.pid not in client
    end(family.first)
    assert family.tracer.wait() == 0
    check_family(family.oracle, family.tracer, client)


def test_other_filters_narrow(netns: Netns, tracer: Callable[..., Tracer], cast: Cast) -> None:
    family = Family(netns, tracer, cast, "-D", str(PORT + 1))
    visit(family.first)
    family.serve(1)
    end(family.first)
    assert family.tracer.wait() == 0
    family.tracer.check()
    assert not family.tracer.all_rows()


def test_ends_with_the_program(family: Family) -> None:
    """The tracer ends with the program, not with its children; its last transitions are shown."""
    child = family.first.fork()
    family.first.run(f"c = socket.create_connection(('127.0.0.1', {PORT}))")
    family.server.run("s, _ = l.accept()")
    pid = family.first.pid
    assert family.tracer.child.poll() is None
    end(family.first)
    assert family.tracer.wait() == 0
    assert child.ask("os.getpid()") == child.pid
    # The program's exit closed its descriptor; the child has another, so there was no FIN.
    assert {row["pid"] for row in family.tracer.all_rows()} == {pid}


@pytest.mark.any_kernel
def test_ends_with_a_killed_program(family: Family) -> None:
    family.first.run(f"c = socket.create_connection(('127.0.0.1', {PORT}))")
    family.first.kill()
    assert family.tracer.wait() == 0
    assert ("ESTABLISHED", "FIN_WAIT1") in [(row["from"], row["to"])
                                            for row in family.tracer.all_rows()]


# ---- What the program is given -------------------------------------------------------------------


def tcpdwell(*arguments: str, **kwargs: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([place.tcpdwell(), *arguments], capture_output=True, text=True,
                          check=False, timeout=process.LIMIT_S, **kwargs)


@pytest.mark.any_kernel
@pytest.mark.parametrize("program,error", [
    ("/nonexistent/program", errno.ENOENT), ("no-such-program-anywhere", errno.ENOENT),
    ("/etc/passwd", errno.EACCES), ("/", errno.EACCES)])
def test_program_cannot_be_run(program: str, error: int) -> None:
    done = tcpdwell("-o", "json", "--", program, "argument")
    assert done.returncode == 1
    assert program in done.stderr and os.strerror(error) in done.stderr
    assert not [line for line in done.stdout.splitlines() if '"transition"' in line]


@pytest.mark.any_kernel
def test_streams_pass_through() -> None:
    """Standard input, output and error are the caller's."""
    done = tcpdwell("-q", "-o", "json", "--", "sh", "-c",
                    "read line; echo \"out $line\"; echo err >&2", input="in\n")
    assert done.returncode == 0
    assert "out in\n" in done.stdout
    assert done.stderr == "err\n"


def status_of_program(**kwargs: Any) -> dict[str, int]:
    """Returns the signal masks in /proc/self/status of a program that is started after --."""
    done = tcpdwell("-q", "--netns", "1", "--", "grep", "^Sig", "/proc/self/status", **kwargs)
    assert done.returncode == 0, done.stderr
    found = dict(line.split(":") for line in done.stdout.splitlines() if line.startswith("Sig"))
    return {name: int(value, 16) for name, value in found.items() if name != "SigQ"}


def mask(*signals: signal.Signals) -> int:
    return sum(1 << (number - 1) for number in signals)


@pytest.mark.any_kernel
def test_signal_mask_is_the_callers() -> None:
    assert status_of_program()["SigBlk"] == 0
    blocked = {signal.SIGUSR2, signal.SIGHUP, signal.SIGCHLD}
    found = status_of_program(
        preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, blocked))
    assert found["SigBlk"] == mask(*blocked)


@pytest.mark.any_kernel
def test_sigpipe_is_not_ignored() -> None:
    """A signal that the caller ignores is still ignored, as nohup wants it."""
    assert status_of_program()["SigIgn"] & mask(signal.SIGPIPE) == 0
    found = status_of_program(preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    assert found["SigIgn"] & mask(signal.SIGPIPE, signal.SIGHUP) == mask(signal.SIGHUP)


@pytest.mark.any_kernel
def test_no_descriptor_of_the_tracers() -> None:
    done = tcpdwell("-q", "--netns", "1", "--", "ls", "/proc/self/fd")
    # The last descriptor is of the folder that ls reads.
    assert [line for line in done.stdout.split() if line.isdigit()] == ["0", "1", "2", "3"]
