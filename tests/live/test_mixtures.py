# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Random mixtures of processes that accept, fork, pass on, exec, rename, thread, move and end.

After each mixture its connections rest. /proc then says who holds them, including threads with a
descriptor table of their own, and so does `ss`. Then the peers close, each by a FIN or by an RST.
A softirq causes the row of that, and the row must not name a process that does not hold the
connection. TCPDWELL_TEST_MIXTURES says how many mixtures there are, TCPDWELL_TEST_SEED the first.
"""

from __future__ import annotations

import os
import random
import re
import socket
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

import pytest

from harness import actor as actors, within
from harness.actor import Actor, Cast
from harness.netns import Netns
from harness.play import begin
from harness.scale import count
from harness.story import show
from harness.tracer import Row, Tracer

MIXTURES = int(os.environ.get("TCPDWELL_TEST_MIXTURES", count(40)))
SEED = int(os.environ.get("TCPDWELL_TEST_SEED", "1"))
CONNECTIONS, PROCESSES, STEPS = 3, 6, 10
CLONE_FILES = 0x400
LIMIT_S = 60
PORT = 9000
# The least share of rows that name somebody: a tracer that names nobody is never wrong.
NAMED = 0.6

# What each process begins with; it receives descriptors at u.
BEGIN = """
import select, struct, threading
u = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
u.bind({place!r})
def send(fd, place):
    rights = socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", fd)
    u.sendmsg([b"x"], [rights], 0, place)
def own_table(listener):
    global got, go, thread
    go, ready = threading.Event(), threading.Event()
    def work():
        global got
        ctypes.CDLL(None).unshare(%d)
        one = socket.socket(fileno=os.dup(listener))
        got = one.accept()[0].detach()
        ready.set()
        go.wait()
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    ready.wait()
def accept(listener):
    one = socket.socket(fileno=os.dup(listener))
    return one.accept()[0].detach()
def threaded(listener):
    found = []
    thread = threading.Thread(target=lambda: found.append(accept(listener)))
    thread.start()
    thread.join()
    return found[0]
""" % CLONE_FILES

WAYS = {
    "recv": "socket.socket(fileno=os.dup({fd})).recv(1)",
    "poll": "p = select.poll(); p.register({fd}, select.POLLIN); p.poll()",
    "select": "select.select([{fd}], [], [])",
    "epoll": "e = select.epoll(); e.register({fd}, select.EPOLLIN); e.poll()",
}

cast = pytest.fixture(actors.cast, name="cast")


@dataclass(eq=False)
class Person:
    """A process, and its descriptors of the listener and of connections."""

    actor: Actor
    listener: int
    places: int = 0
    fds: dict[int, int] = field(default_factory=dict)  # by the client's port

    def begin(self) -> None:
        self.places += 1
        place = f"\0tcpdwell-{self.actor.pid}-{self.places}"
        self.actor.run(BEGIN.format(place=place))
        self.place = place


def descriptors(pid: int) -> set[str]:
    """Returns what the descriptors of a process lead to, including threads with tables of their
    own."""
    found = set()
    for name in Path(f"/proc/{pid}/task").glob("*/fd/*"):
        try:
            found.add(os.readlink(name))
        except FileNotFoundError:
            pass
    return found


class Mixture:
    """One mixture, made from its seed."""

    def __init__(self, seed: int, netns: Netns, nursery: Actor) -> None:
        self.random = random.Random(seed)
        self.netns = netns
        self.port = PORT + seed % 10_000
        self.names: dict[int, set[str]] = {}
        self.clients: dict[int, socket.socket] = {}
        self.done: list[str] = []
        first = Person(nursery.fork(), 0)
        first.actor.run(f"me.enter({netns.path!r})")
        first.begin()
        first.listener = first.actor.ask(
            f"socket.create_server(('127.0.0.1', {self.port})).detach()")
        self.people = [first]
        self.note(first)

    def note(self, person: Person) -> None:
        self.names.setdefault(person.actor.pid, set()).add(person.actor.comm)

    def pick(self, having: bool = False) -> Person | None:
        able = [one for one in self.people if one.fds or not having]
        return self.random.choice(able) if able else None

    # ---- Steps -----------------------------------------------------------------------------------

    def accept(self, how: str = "accept") -> None:
        person = self.pick()
        if not person or len(self.clients) >= CONNECTIONS or person.listener < 0:
            return
        client = within.make_socket(self.netns)
        client.connect(("127.0.0.1", self.port))
        port = client.getsockname()[1]
        self.clients[port] = client
        if how == "own_table":
            person.actor.run(f"own_table({person.listener})")
            # The connection is the thread's alone; the rest of its table is a copy.
        else:
            person.fds[port] = person.actor.ask(f"{how}({person.listener})")

    def threaded(self) -> None:
        self.accept("threaded")

    def own_table(self) -> None:
        self.accept("own_table")

    def fork(self) -> None:
        person = self.pick()
        if not person or len(self.people) >= PROCESSES:
            return
        child = Person(person.actor.fork(), person.listener, fds=dict(person.fds))
        child.begin()
        self.people.append(child)
        self.note(child)

    def close(self) -> None:
        person = self.pick(having=True)
        if person:
            port = self.random.choice(sorted(person.fds))
            person.actor.run(f"os.close({person.fds.pop(port)})")

    def hand_over(self) -> None:
        """Forks, and closes what the child is to serve, as a server does."""
        person = self.pick(having=True)
        if not person or len(self.people) >= PROCESSES:
            return
        child = Person(person.actor.fork(), person.listener, fds=dict(person.fds))
        port = self.random.choice(sorted(person.fds))
        person.actor.run(f"os.close({person.fds.pop(port)})")
        child.begin()
        self.people.append(child)
        self.note(child)

    def pass_on(self) -> None:
        sender = self.pick(having=True)
        others = [one for one in self.people if one is not sender]
        if not sender or not others:
            return
        receiver = self.random.choice(others)
        port = self.random.choice(sorted(sender.fds))
        sender.actor.run(f"send({sender.fds[port]}, {receiver.place!r})")
        fd = receiver.actor.ask("socket.recv_fds(u, 1, 1)[1][0]")
        if port in receiver.fds:
            receiver.actor.run(f"os.close({fd})")
        else:
            receiver.fds[port] = fd
        if self.random.random() < 0.7:
            sender.actor.run(f"os.close({sender.fds.pop(port)})")

    def exec(self) -> None:
        person = self.pick()
        if person:
            person.actor.exec(f"program{self.random.randrange(3)}")
            person.begin()
            self.note(person)

    def rename(self) -> None:
        person = self.pick()
        if person:
            person.actor.run(f"me.name('name{self.random.randrange(100)}')")
            self.note(person)

    def move(self) -> None:
        person = self.pick(having=True)
        if person:
            port = self.random.choice(sorted(person.fds))
            old, new = person.fds[port], self.random.randrange(100, 1000)
            person.actor.run(f"os.dup2({old}, {new}); os.close({old})")
            person.fds[port] = new

    def end(self) -> None:
        person = self.pick()
        if person and len(self.people) > 1:
            person.actor.cast.dismiss(person.actor)
            self.people.remove(person)

    # ---- At rest ---------------------------------------------------------------------------------

    def play(self) -> None:
        steps = [self.accept, self.threaded, self.own_table, self.fork, self.hand_over,
                 self.hand_over, self.close, self.pass_on, self.pass_on, self.exec, self.rename,
                 self.move, self.end]
        self.accept()
        for _ in range(self.random.randrange(3, STEPS)):
            step = self.random.choice(steps)
            self.done.append(step.__name__)
            step()

    def wait(self) -> None:
        """Makes some processes begin to wait for one of their connections."""
        for person in self.people:
            if person.fds and self.random.random() < 0.5:
                way = self.random.choice(sorted(WAYS))
                fd = self.random.choice(sorted(person.fds.values()))
                begin(person.actor, WAYS[way].format(fd=fd))
                self.done.append(f"{person.actor.pid} waits by {way}")

    def rest(self) -> dict[int, set[int]]:
        """Returns who holds the server's end of each connection, by the client's port."""
        found = {pid: descriptors(pid) for pid in (one.actor.pid for one in self.people)}
        shown = self.netns.run(["ss", "-Htanpe", "state", "established",
                                f"sport = :{self.port}"])
        holders = {}
        for line in shown.stdout.splitlines():
            port = int(line.split()[3].rpartition(":")[2])
            inode = re.search(r"\bino:(\d+)", line)
            assert inode, line
            pids = {pid for pid, links in found.items() if f"socket:[{inode[1]}]" in links}
            assert {int(pid) for pid in re.findall(r"pid=(\d+)", line)} <= pids, (line, pids)
            holders[port] = pids
        return holders

    def release(self) -> None:
        """Closes the peers' ends."""
        for client in self.clients.values():
            if self.random.random() < 0.3:
                within.reset(client)
            else:
                client.close()

    def close_all(self) -> None:
        for person in self.people:
            person.actor.cast.dismiss(person.actor)


def row_of(rows: list[Row], mixture: Mixture, port: int) -> Row | None:
    """Returns the row of the FIN or RST that came for a connection."""
    return next((row for row in rows if row["lport"] == mixture.port and row["rport"] == port
                 and row["from"] == "ESTABLISHED"), None)


def check(mixture: Mixture, tracer: Tracer, tally: Counter[str]) -> list[str]:
    """Plays a mixture, and returns what is wrong with its rows."""
    mixture.play()
    mixture.wait()
    holders = mixture.rest()
    mixture.release()
    wrong = []
    for port, pids in holders.items():
        row = tracer.wait_for(lambda rows, port=port: row_of(rows, mixture, port),
                              limit_s=LIMIT_S, what=f"the end of {port}")
        if row["pid"] is None:
            tally["unknown"] += 1
        elif row["pid"] in pids and row["comm"] in mixture.names[row["pid"]]:
            tally["named"] += 1
        else:
            wrong.append(f"{show(row)}: held by {pids}, {mixture.names} after "
                         f"{', '.join(mixture.done)}")
    mixture.close_all()
    return wrong


def test_nobody_is_named_who_does_not_hold_it(netns: Netns, tracer: Callable[..., Tracer],
                                              cast: Cast) -> None:
    watch = tracer("--netns", str(netns.inode))
    nursery = cast.actor("nursery")
    nursery.run("import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)")
    tally: Counter[str] = Counter()
    wrong = []
    for seed in range(SEED, SEED + MIXTURES):
        wrong += [f"seed {seed}: {line}"
                  for line in check(Mixture(seed, netns, nursery), watch, tally)]
    print(f"{MIXTURES} mixtures: {dict(tally)}, {len(wrong)} wrong")
    assert not wrong, "\n".join(wrong)
    assert tally["named"] >= NAMED * tally.total(), tally
