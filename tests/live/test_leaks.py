# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`tcpdwell leaks` reports each leak with its process, its descriptors, its number and its age.

Every leak is made twice: before the tracer starts, which then reports at once, and while it
watches. """

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from harness import actor as actors, leaks as finder, place, process, within
from harness.actor import Actor, Cast
from harness.leaks import OLDER, Leak, Watch
from harness.netns import Netns
from harness.plain import Running
from harness.scale import count

FOUND = 10
LEAKED = 6
# How long a test waits for a leak to become older than OLDER.
OLDER_S = 0.4

cast = pytest.fixture(actors.cast, name="cast")


@pytest.fixture(name="watch")
def _watch(netns: Netns) -> Iterator[Callable[..., Watch]]:
    yield from finder.watch(netns, "-o", "json")


class Scene:
    """A namespace with a client of this process, and servers that leak the client's connections."""

    def __init__(self, cast: Cast, netns: Netns) -> None:
        self.cast, self.netns = cast, netns
        self.clients: list[socket.socket] = []

    def server(self, name: str = "leaker", backlog: int = 64) -> Actor:
        server = self.cast.actor(name, self.netns)
        server.run(f"l = socket.create_server(('127.0.0.1', 8080), backlog={backlog}); kept = []")
        return server

    def visit(self, number: int = LEAKED) -> None:
        """Connects, and closes at once."""
        for _ in range(number):
            client = within.make_socket(self.netns)
            client.connect(("127.0.0.1", 8080))
            client.shutdown(socket.SHUT_WR)
            self.clients.append(client)

    def close(self) -> None:
        for client in self.clients:
            client.close()


@pytest.fixture(name="scene")
def _scene(cast: Cast, netns: Netns) -> Iterator[Scene]:
    scene = Scene(cast, netns)
    yield scene
    scene.close()


def accept(server: Actor, number: int = LEAKED) -> list[int]:
    """Accepts, and forgets the connections. Returns their descriptors."""
    server.run(f"kept += [l.accept()[0] for _ in range({number})]")
    fds: list[int] = server.ask("[s.fileno() for s in kept]")
    return fds


def leaks(netns: Netns, *arguments: str) -> list[Leak]:
    """Makes one report; its exit status says whether there is anything wrong in it."""
    done = subprocess.run(finder.command(netns, "-o", "json", *arguments), capture_output=True,
                          text=True, check=False, timeout=process.LIMIT_S)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    wrong = [leak for leak in found if leak["verdict"] not in ("at_work", "idle", "slow",
                                                                       "timewait")]
    assert done.returncode == (FOUND if wrong else 0), done.stderr
    return found


def one(found: list[Leak]) -> Leak:
    assert len(found) == 1, found
    return found[0]


def members(leak: Leak) -> list[int]:
    return [fd for first, last in leak["descriptors"] for fd in range(first, last + 1)]


def check(leak: Leak, who: Actor, fds: list[int]) -> None:
    assert (leak["pid"], leak["comm"]) == (who.pid, who.comm)
    assert leak["count"] == len(fds) and members(leak) == sorted(fds)
    assert leak["state"] == "CLOSE_WAIT"


# ---- Before the tracer ---------------------------------------------------------------------------


@pytest.mark.every_kernel
def test_forgotten_close(scene: Scene) -> None:
    server = scene.server()
    before_ns = time.monotonic_ns()
    scene.visit()
    fds = accept(server)
    entered_ns = time.monotonic_ns()
    time.sleep(OLDER_S)
    leak = one(leaks(scene.netns))
    now_ns = time.monotonic_ns()
    check(leak, server, fds)
    assert leak["verdict"] == "leaks" and leak["unaccepted"] == 0 and leak["shared"] == 0
    assert leak["lports"] == [{"port": 8080, "count": LEAKED}]
    assert leak["peers"] == [{"addr": "127.0.0.1", "count": LEAKED}]
    assert leak["oldest"] == "at_least" and leak["oldest_ns"] <= now_ns - before_ns
    assert leak["median_ns"] <= leak["oldest_ns"]
    assert leak["oldest_ns"] >= OLDER_S * 1e9 - 100_000_000 and entered_ns >= before_ns
    limits = Path(f"/proc/{server.pid}/limits").read_text(encoding="utf-8")
    line = next(line for line in limits.splitlines() if line.startswith("Max open files"))
    assert leak["fd_limit"] == int(line.split()[3])
    assert leak["fds"] == len(list(Path(f"/proc/{server.pid}/fd").iterdir()))
    assert server.comm in leak["command"]


@pytest.mark.every_kernel
def test_half_closed_at_work(scene: Scene) -> None:
    """The peer is done, and the process goes on sending; the peer's keep-alive is no data."""
    server = scene.server()
    client = within.make_socket(scene.netns)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
    client.connect(("127.0.0.1", 8080))
    scene.clients.append(client)
    server.run("s, _ = l.accept()")
    client.shutdown(socket.SHUT_WR)
    server.run("import threading, time\n"
               "def work():\n"
               "    while go:\n"
               "        s.send(b'x'); time.sleep(0.1)\n"
               "go = True; thread = threading.Thread(target=work); thread.start()")
    older = 2
    time.sleep(older + 0.5)
    assert one(leaks(scene.netns, "--older", f"{older}s"))["verdict"] == "at_work"
    server.run("go = False; thread.join()")
    time.sleep(older + 0.5)
    leak = one(leaks(scene.netns, "--older", f"{older}s"))
    assert (leak["pid"], leak["count"], leak["verdict"]) == (server.pid, 1, "leaks")


def test_child_that_inherited(scene: Scene) -> None:
    """The parent closes its descriptors; the child does not know that it has them."""
    server = scene.server()
    scene.visit()
    fds = accept(server)
    child = server.fork()
    server.run("[s.close() for s in kept]")
    time.sleep(OLDER_S)
    check(one(leaks(scene.netns)), child, fds)


def test_held_by_two(scene: Scene) -> None:
    server = scene.server()
    scene.visit()
    fds = accept(server)
    child = server.fork()
    time.sleep(OLDER_S)
    leak = one(leaks(scene.netns))
    first, second = sorted((server, child), key=lambda actor: actor.pid)
    check(leak, first, fds)
    assert (leak["shared"], leak["sharers"]) == (LEAKED, [second.pid])


def test_passed_to_another(scene: Scene) -> None:
    server = scene.server()
    server.run("a, b = socket.socketpair()")
    taker = server.fork()
    scene.visit()
    accept(server)
    server.run("socket.send_fds(a, [b'x'], [s.fileno() for s in kept]); [s.close() for s in kept]")
    taker.run(f"fds = list(socket.recv_fds(b, 1, {LEAKED})[1])")
    time.sleep(OLDER_S)
    check(one(leaks(scene.netns)), taker, taker.ask("fds"))


@pytest.mark.every_kernel
def test_full_accept_queue(scene: Scene) -> None:
    server = scene.server(backlog=LEAKED - 1)
    scene.visit()
    time.sleep(OLDER_S)
    leak = one(leaks(scene.netns))
    assert (leak["pid"], leak["comm"], leak["count"]) == (server.pid, "leaker", LEAKED)
    assert (leak["verdict"], leak["unaccepted"]) == ("stuck_accept_queue", LEAKED)
    assert leak["queue_limit"] == LEAKED - 1 and leak["descriptors"] == []


def test_thread_that_leaks(scene: Scene) -> None:
    """The process is named, not its thread."""
    server = scene.server()
    scene.visit()
    server.run("import threading\n"
               "def leak():\n"
               "    me.name('worker')\n"
               f"    kept.extend(l.accept()[0] for _ in range({LEAKED}))\n"
               "thread = threading.Thread(target=leak); thread.start(); thread.join()")
    fds = server.ask("[s.fileno() for s in kept]")
    time.sleep(OLDER_S)
    leak = one(leaks(scene.netns))
    check(leak, server, fds)
    assert leak["comm"] == "leaker"


def test_two_processes_worst_first(scene: Scene) -> None:
    server = scene.server()
    child = server.fork()
    scene.visit(8)
    few = accept(server, 3)
    many = accept(child, 5)
    time.sleep(OLDER_S)
    found = leaks(scene.netns)
    assert [leak["pid"] for leak in found] == [child.pid, server.pid]
    check(found[0], child, many)
    check(found[1], server, few)
    only = one(leaks(scene.netns, "-p", str(server.pid)))
    check(only, server, few)


def test_other_states(scene: Scene) -> None:
    server = scene.server()
    for _ in range(LEAKED):
        client = within.make_socket(scene.netns)
        client.connect(("127.0.0.1", 8080))
        scene.clients.append(client)
    fds = accept(server)
    time.sleep(OLDER_S)
    assert not leaks(scene.netns)
    done = subprocess.run(finder.command(scene.netns, "-o", "json", "-s", "ESTABLISHED"),
                          capture_output=True, text=True, check=False, timeout=process.LIMIT_S)
    idle = {leak["pid"]: leak for leak in map(json.loads, done.stdout.splitlines())}
    assert members(idle[server.pid]) == sorted(fds)
    assert idle[server.pid]["verdict"] == "idle" and done.returncode == 0  # a long life is no fault
    server.run("[s.close() for s in kept]")
    # How long an orphan has been in FIN_WAIT2 is unknown if it was there before the tracer.
    orphans = one(leaks(scene.netns, "-s", "FIN_WAIT2", "--older", "0s"))
    assert (orphans["verdict"], orphans["pid"], orphans["count"]) == ("orphaned", None, LEAKED)


def test_nothing_wrong(scene: Scene) -> None:
    server = scene.server()
    scene.visit()
    accept(server)
    assert not leaks(scene.netns, "--older", "1h")
    done = process.run([place.tcpdwell(), "leaks", "--netns", scene.netns.path])
    assert done.stdout.startswith("nothing wrong: no socket has been in CLOSE_WAIT")
    assert f"{LEAKED} for less" in done.stdout


@pytest.mark.any_kernel
def test_text(scene: Scene) -> None:
    server = scene.server()
    scene.visit()
    fds = accept(server)
    time.sleep(OLDER_S)
    done = subprocess.run([place.tcpdwell(), "leaks", "--netns", scene.netns.path,
                           "--older", OLDER],
                          capture_output=True, text=True, check=False, timeout=process.LIMIT_S)
    assert done.returncode == FOUND
    assert f"leaks: {LEAKED} in CLOSE_WAIT" in done.stdout
    assert f"pid {server.pid} leaker" in done.stdout
    assert f"descriptors {min(fds)}-{max(fds)}" in done.stdout


@pytest.mark.any_kernel
def test_text_of_what_is_at_any_age(scene: Scene) -> None:
    """A listener has no peers, and no process has what is in TIME_WAIT. Neither is perhaps so."""
    def text(*arguments: str) -> list[str]:
        done = subprocess.run([place.tcpdwell(), "leaks", "--netns", scene.netns.path, *arguments],
                              capture_output=True, text=True, check=False,
                              timeout=process.LIMIT_S)
        return done.stdout.splitlines()

    server = scene.server()
    listens = text("-s", "LISTEN")
    assert listens[0] == "listens: 1 in LISTEN for a time that is not known"
    assert not [line for line in listens if "peers" in line]
    assert one(leaks(scene.netns, "-s", "LISTEN"))["peers"] == []
    client = within.make_socket(scene.netns)
    client.connect(("127.0.0.1", 8080))
    client.close()
    server.run("l.accept()[0].close()")
    assert text("-s", "TIME_WAIT", "--older", "0s")[:2] == [
        "kept: 1 in TIME_WAIT, which the kernel ends after 60s", "  no process"]


@pytest.mark.any_kernel
def test_name_with_escapes(scene: Scene) -> None:
    """A process may have any name; none of it reaches the terminal raw."""
    server = scene.server()
    scene.visit()
    accept(server)
    server.run(r"me.name('\x1b[31mred')")
    time.sleep(OLDER_S)
    done = subprocess.run([place.tcpdwell(), "leaks", "--netns", scene.netns.path,
                           "--older", OLDER],
                          capture_output=True, text=True, check=False, timeout=process.LIMIT_S)
    assert "\x1b" not in done.stdout and r"\x1b[31mred" in done.stdout


def test_in_flight(scene: Scene) -> None:
    """Sockets in the queue of a unix socket have no holder, and nobody has closed them."""
    server = scene.server()
    server.run("a, b = socket.socketpair()")
    scene.visit()
    accept(server)
    server.run("socket.send_fds(a, [b'x'], [s.fileno() for s in kept]); [s.close() for s in kept]")
    time.sleep(OLDER_S)
    leak = one(leaks(scene.netns))
    assert (leak["pid"], leak["count"], leak["verdict"]) == (None, LEAKED, "leaks"), leak


def test_behind_mptcp(scene: Scene) -> None:
    """The descriptor is MPTCP's, and leads to the TCP sockets below it."""
    server = scene.cast.actor("leaker", scene.netns)
    if not server.ask("os.path.exists('/proc/sys/net/mptcp/enabled')"):
        pytest.skip("no MPTCP")
    server.run("l = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)\n"
               "l.bind(('127.0.0.1', 0)); l.listen(); c = []")
    port = server.ask("l.getsockname()[1]")
    for _ in range(LEAKED):
        server.run("c.append(socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262))\n"
                   f"c[-1].connect(('127.0.0.1', {port})); c[-1].send(b'x')")
    server.run(f"kept = [l.accept()[0] for _ in range({LEAKED})]")
    time.sleep(OLDER_S)
    leak = one(leaks(scene.netns, "-s", "ESTABLISHED", "--lport", str(port)))
    assert (leak["pid"], leak["count"]) == (server.pid, LEAKED), leak
    assert members(leak) == sorted(server.ask("[s.fileno() for s in kept]"))
    listening = one(leaks(scene.netns, "-s", "LISTEN", "--older", "0s"))
    assert (listening["pid"], members(listening)) == (server.pid, [server.ask("l.fileno()")])


# ---- While it watches ----------------------------------------------------------------------------


@pytest.mark.every_kernel
def test_watch_a_growing_leak(scene: Scene, watch: Callable[..., Watch]) -> None:
    server = scene.server()
    watching = watch()
    before_ns = time.monotonic_ns()
    scene.visit()
    fds = accept(server)
    after_ns = time.monotonic_ns()
    leak = watching.wait_for(lambda leak: leak["count"] == LEAKED)
    check(leak, server, fds)
    # The tracer saw each of them enter the state.
    assert leak["oldest"] == "exact"
    age_ns = leak["oldest_ns"]
    assert age_ns <= time.monotonic_ns() - before_ns and after_ns > before_ns
    scene.visit()
    fds = accept(server)
    leak = watching.wait_for(lambda leak: leak["count"] == 2 * LEAKED and leak["only_grows"])
    check(leak, server, fds)
    assert leak["growth_per_min"] > 0 and leak["closed"] == 0 and leak["fd_limit_in_s"]
    assert "none closed in" in leak["text"] and "/min, limit " in leak["text"]
    assert watching.stop() == FOUND


def test_watch_a_slow_closer(scene: Scene, watch: Callable[..., Watch]) -> None:
    """The server closes all of them, but late: that is no leak."""
    server = scene.server()
    watching = watch()
    scene.visit()
    accept(server)
    watching.wait_for(lambda leak: leak["count"] == LEAKED and leak["verdict"] == "leaks")
    time.sleep(OLDER_S)
    server.run("[s.close() for s in kept]")
    leak = watching.wait_for(lambda leak: leak["verdict"] == "slow")
    assert (leak["pid"], leak["closed"]) == (server.pid, LEAKED)
    assert leak["close_median_ns"] >= OLDER_S * 1e9
    assert leak["text"].startswith("slow: closes after ")
    assert watching.stop() == 0


def test_watch_a_process_that_ends(scene: Scene, watch: Callable[..., Watch]) -> None:
    server = scene.server()
    scene.visit()
    accept(server)
    watching = watch()
    watching.wait_for(lambda leak: leak["count"] == LEAKED)
    server.kill()
    time.sleep(1)
    assert watching.stop() == 0


class Abroad:
    """`leaks --watch` of all namespaces, and a namespace that is made while it watches."""

    def __init__(self) -> None:
        self.running = Running("leaks", "--watch", "--older", OLDER, "-i", "300ms", "-o", "json",
                               *place.backend())
        self.netns = Netns.make()

    def wait_for(self, who: Actor, good: Callable[[Leak], bool]) -> Leak:
        """Returns the first report from now on of a leak of that process for which good() is
        true."""
        seen = len(self.running.lines())

        def find() -> Leak | None:
            for line in self.running.lines()[seen:]:
                leak: Leak = json.loads(line.text)
                if leak["pid"] == who.pid and good(leak):
                    return leak
            return None

        found = self.running.wait_for(find, limit_s=30)
        assert found
        return found

    def close(self) -> None:
        self.netns.remove()
        self.running.__exit__()


@pytest.fixture(name="abroad")
def _abroad() -> Iterator[Abroad]:
    abroad = Abroad()
    yield abroad
    abroad.close()


@pytest.mark.every_kernel
def test_watch_a_namespace_that_comes_later(cast: Cast, abroad: Abroad) -> None:
    """In the new namespace, unaccepted connections are found, and the listener's command line."""
    scene = Scene(cast, abroad.netns)
    server = scene.server(backlog=LEAKED - 1)
    scene.visit()
    # Until they are old enough, the report says only that the queue is full.
    leak = abroad.wait_for(server, lambda leak: bool(leak["type"] == "leak" and
                                                     leak["unaccepted"] == LEAKED))
    assert leak["verdict"] == "stuck_accept_queue"
    expected = Path(f"/proc/{server.pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    assert leak["command"].partition("…")[0] == expected[:len(leak["command"].partition("…")[0])]
    assert leak["command"]
    scene.close()
    assert abroad.running.stop() == FOUND


@pytest.mark.every_kernel
def test_watch_goes_on_when_its_helper_is_killed(cast: Cast, abroad: Abroad) -> None:
    """What is seen by descriptor is still reported; the rest is unknown, which is said once."""
    scene = Scene(cast, abroad.netns)
    server = scene.server()
    scene.visit()
    accept(server)
    assert abroad.wait_for(server, lambda leak: bool(leak["count"] == LEAKED))["command"]
    pid = abroad.running.child.pid
    helper, = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    os.kill(int(helper), signal.SIGKILL)
    leak = abroad.wait_for(server, lambda leak: not leak["command"])
    assert leak["count"] == LEAKED
    scene.close()
    assert abroad.running.stop() == FOUND
    assert abroad.running.said().count("the helper process has ended") == 1


def test_many(scene: Scene) -> None:
    server = scene.server(backlog=4096)
    number = count(500)
    scene.visit(number)
    fds = accept(server, number)
    time.sleep(OLDER_S)
    check(one(leaks(scene.netns)), server, fds)


@pytest.mark.any_kernel
@pytest.mark.parametrize("arguments", [
    ("-s", "NONE"), ("--older", "5"), ("--older", "-5s"), ("-o", "csv"), ("-i", "0s"),
    ("-i", "199ms"), ("-d", "0s"), ("--", "true"), ("--min-dwell", "1s")])
def test_bad_input(arguments: tuple[str, ...]) -> None:
    done = subprocess.run([place.tcpdwell(), "leaks", *arguments], capture_output=True, text=True,
                          check=False, timeout=process.LIMIT_S)
    assert done.returncode == 2 and done.stderr.startswith("tcpdwell: ") and not done.stdout
