# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A descriptor is passed on after accept(): which process rows name that a softirq causes.

It is passed by fork and close, by exec, through a unix socket, or to a thread with its own table. A
process that is named must hold the socket at that time. A process that waits for the socket is
found, and so is a child, or a process after exec. If nobody waits for it and no child has it,
nobody is named.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from typing import Callable, Iterator

import pytest

from harness import actor as actors, cgroup
from harness.actor import Actor, Cast
from harness.matrix import on_every_kernel
from harness.netns import Netns
from harness.play import (LIMIT_S, PORT, UNKNOWN, Owner, Stage, begin, connect, expect,
                          passive_open, who)
from harness.scale import count
from harness.story import Process, owner_of
from harness.tracer import Row, Tracer

CLONE_FILES = 0x400

cast = pytest.fixture(actors.cast, name="cast")


@pytest.fixture(name="stage")
def _stage(netns: Netns, tracer: Callable[..., Tracer], cast: Cast) -> Stage:
    return Stage(netns, tracer("--netns", str(netns.inode)), cast)


# The ways in which a process serves its connection s until the peer has closed.
WAYS = {
    "recv": "s.recv(1)",
    "poll": "p = select.poll(); p.register(s, select.POLLIN); p.poll(); s.recv(1)",
    "select": "select.select([s], [], []); s.recv(1)",
    "epoll": "e = select.epoll(); e.register(s, select.EPOLLIN); e.poll(); s.recv(1)",
    "not": "",
}
WAITS = [way for way in WAYS if way != "not"]
every_way = pytest.mark.parametrize("way", on_every_kernel(list(WAYS), "recv", "epoll", "not"))


def serve(actor: Actor, way: str) -> None:
    """Makes the actor wait for s; whoever lets the peer close calls answer()."""
    actor.run("import select")
    if way == "not":
        return
    begin(actor, WAYS[way])


def finish(stage: Stage, client: Actor, actor: Actor, way: str, port: int) -> list[Row]:
    """The peer closes, then the server; returns the rows of the server's end."""
    client.run("c.close()")
    stage.tracer.wait_for(lambda rows: [row for row in rows if row["to"] == "CLOSE_WAIT"],
                          limit_s=LIMIT_S)
    if way != "not":
        actor.answer()
    actor.run("s.close()")
    return stage.passive(port)


def pass_on(sender: Actor, receiver: Actor, close: bool = True) -> None:
    """Sends s of one actor to the other, as its s, through a unix socket."""
    receiver.run("u = socket.socket(socket.AF_UNIX); u.bind('\\0tcpdwell-%d' % os.getpid())\n"
                 "u.listen()")
    sender.run("u = socket.socket(socket.AF_UNIX)\n"
               f"u.connect('\\0tcpdwell-{receiver.pid}')")
    receiver.run("r, _ = u.accept()")
    sender.run("socket.send_fds(u, [b'x'], [s.fileno()])")
    receiver.run("_, [number], _, _ = socket.recv_fds(r, 1, 1); s = socket.socket(fileno=number)")
    if close:
        sender.run("s.close()")


# ---- connect() -----------------------------------------------------------------------------------


# s is connected by IORING_OP_CONNECT of the process's own ring (linux/io_uring.h).
CONNECT_BY_RING = f"""
import mmap, struct
libc = ctypes.CDLL(None, use_errno=True)
params = ctypes.create_string_buffer(120)
ring, fault = libc.syscall(425, 4, params), 0
if ring < 0:
    fault = ctypes.get_errno()
else:
    ints = struct.unpack("30I", params)
    tail, mask, array = ints[11], ints[12], ints[16]
    submit = mmap.mmap(ring, array + 4 * ints[0], flags=mmap.MAP_SHARED, offset=0)
    entries = mmap.mmap(ring, 64 * ints[0], flags=mmap.MAP_SHARED, offset=0x10000000)
    s = socket.socket()
    address = ctypes.create_string_buffer(
        struct.pack("=HH4s8x", 2, socket.htons({PORT}), socket.inet_aton("127.0.0.1")), 16)
    entries[:64] = struct.pack("=BBHiQQIIQQQQ", 16, 0, 0, s.fileno(), 16,
                               ctypes.addressof(address), 0, 0, 1, 0, 0, 0)
    submit[array:array + 4] = struct.pack("I", 0)
    submit[tail:tail + 4] = struct.pack("I", 1)
    if libc.syscall(426, ring, 1, 1, 1, None, 0) < 0:
        fault = ctypes.get_errno()
    del submit, entries
"""


def connected_elsewhere(stage: Stage) -> tuple[Actor, Actor, int]:
    """Returns a server, and a client that knows its connection as s."""
    server, client = stage.server(), stage.actor("client")
    port = connect(client, server)
    client.run("s = c; del c")
    return server, client, port


def peer_closes(stage: Stage, server: Actor, holder: Actor, port: int) -> list[Row]:
    """The peer closes, then the holder of the client's end; returns the rows of that end."""
    server.run("s.close()")
    stage.tracer.wait_for(lambda rows: [row for row in rows if row["to"] == "CLOSE_WAIT"],
                          limit_s=LIMIT_S)
    holder.run("s.close()")
    return stage.client(port)


@pytest.mark.every_kernel
def test_connected_and_forked(stage: Stage) -> None:
    """The process that connected leaves it to a child, which is named for what its peer does."""
    server, client, port = connected_elsewhere(stage)
    child = client.fork()
    client.run("s.close()")
    mine, heir = who(client), who(child)
    expect(peer_closes(stage, server, child, port),
           {"*": (mine, "connect"), "ESTABLISHED": (heir, "connect"),
            "CLOSE_WAIT": (heir, "connect"), "LAST_ACK": (heir, "connect")})


@pytest.mark.every_kernel
def test_connected_and_passed_on(stage: Stage) -> None:
    """It goes through a unix socket to a process that does not wait: nobody is named until it
    acts."""
    server, client, port = connected_elsewhere(stage)
    other = stage.actor("other")
    pass_on(client, other)
    mine, heir = who(client), who(other)
    expect(peer_closes(stage, server, other, port),
           {"*": (mine, "connect"), "ESTABLISHED": UNKNOWN, "CLOSE_WAIT": (heir, "close"),
            "LAST_ACK": (heir, "close")})


def test_bound_connected_and_forked(stage: Stage) -> None:
    """The port is bound before connect(), so no row waits for it."""
    server, client = stage.server(), stage.actor("client")
    client.run("s = socket.socket(); s.bind(('127.0.0.1', 0))\n"
               f"s.connect(('127.0.0.1', {PORT}))")
    server.run("s, _ = l.accept()")
    port = client.ask("s.getsockname()[1]")
    child = client.fork()
    client.run("s.close()")
    mine, heir = who(client), who(child)
    expect(peer_closes(stage, server, child, port),
           {"CLOSE": (mine, "connect"), "SYN_SENT": (mine, "connect"), "*": (heir, "connect")})


@pytest.mark.every_kernel
def test_passed_on_while_it_connects(stage: Stage) -> None:
    """The row of connect() names its caller; the rows of the answer name the holder at that
    time."""
    server, client, other = map(stage.actor, ("server", "client", "other"))
    # The queue has room for only one, so the SYN of the next connection is dropped.
    server.run(f"l = socket.create_server(('127.0.0.1', {PORT}), backlog=0)")
    first = connect(client)
    client.run("s = socket.socket(); s.setblocking(False)\n"
               f"s.connect_ex(('127.0.0.1', {PORT}))")
    port = client.ask("s.getsockname()[1]")
    pass_on(client, other)
    mine, heir = who(client), who(other)
    server.run("s, _ = l.accept(); t, _ = l.accept(); t.close()")
    stage.tracer.wait_for(lambda rows: [row for row in rows if row["to"] == "CLOSE_WAIT"],
                          limit_s=LIMIT_S)
    other.run("s.close()")
    assert port != first
    expect(stage.client(port), {"CLOSE": (mine, "connect"), "SYN_SENT": UNKNOWN,
                                "ESTABLISHED": UNKNOWN, "*": (heir, "close")})


@pytest.mark.every_kernel
def test_subflow_connected_and_forked(stage: Stage) -> None:
    """connect() was given a descriptor of MPTCP, which leads to the subflow."""
    server, client = stage.server(), stage.actor("client")
    client.run("try: s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)\n"
               "except OSError: s = None")
    if not client.ask("bool(s)"):
        pytest.skip("no MPTCP")
    client.run(f"s.connect(('127.0.0.1', {PORT}))")
    server.run("s, _ = l.accept()")
    port = client.ask("s.getsockname()[1]")
    child = client.fork()
    client.run("s.close()")
    mine, heir = who(client), who(child)
    rows = peer_closes(stage, server, child, port)
    expect(rows, {"CLOSE": (mine, "connect"), "SYN_SENT": (mine, "connect"),
                  "ESTABLISHED": {(heir, "connect"), UNKNOWN},
                  "*": {(heir, "connect"), (heir, "close"), UNKNOWN}})


def test_connected_through_a_ring_and_forked(stage: Stage) -> None:
    """The system call was given the ring, not the socket."""
    server, client = stage.server(), stage.actor("client")
    client.run(CONNECT_BY_RING)
    if client.ask("fault"):
        pytest.skip(f"no io_uring: {os.strerror(client.ask('fault'))}")
    server.run("s, _ = l.accept()")
    port = client.ask("s.getsockname()[1]")
    child = client.fork()
    child.run("os.close(ring)")
    client.run("os.close(ring); s.close()")
    mine, heir = who(client), who(child)
    expect(peer_closes(stage, server, child, port),
           {"CLOSE": (mine, "connect"), "SYN_SENT": (mine, "connect"), "*": (heir, "connect")})


def test_connected_and_kept(stage: Stage) -> None:
    """A process that still holds it goes on being named, also behind another descriptor."""
    server, client, port = connected_elsewhere(stage)
    child = client.fork()
    child.run("s.close()")
    client.run("t = s.dup(); s.close(); s = t")
    expect(peer_closes(stage, server, client, port), {"*": (who(client), "connect")})


# ---- shutdown() and listen() ---------------------------------------------------------------------


def test_shut_down_by_one_that_is_gone(stage: Stage) -> None:
    """A process that called shutdown() and has ended holds nothing, but others do."""
    server, client = stage.server("parent"), stage.actor("client")
    port = connect(client, server)
    child = server.fork()
    parent, gone = who(server), who(child)
    child.run("s.shutdown(socket.SHUT_WR)")
    stage.tracer.wait_for(lambda rows: [row for row in rows if row["to"] == "FIN_WAIT2"],
                          limit_s=LIMIT_S)
    child.kill()
    client.run("c.close()")
    expect(stage.passive(port),
           {**passive_open(parent, (parent, "accept")), "ESTABLISHED": (gone, "close"),
            "FIN_WAIT1": (gone, "close"), "FIN_WAIT2": {UNKNOWN, (parent, "close")}})


def test_shut_down_and_kept(stage: Stage) -> None:
    """A child that calls shutdown() on what its parent accepted holds it, and is named."""
    server, client = stage.server("parent"), stage.actor("client")
    port = connect(client, server)
    child = server.fork()
    parent, heir = who(server), who(child)
    client.run("c.shutdown(socket.SHUT_WR)")
    stage.tracer.wait_for(lambda rows: [row for row in rows if row["to"] == "CLOSE_WAIT"],
                          limit_s=LIMIT_S)
    child.run("s.shutdown(socket.SHUT_WR)")
    expect(stage.passive(port),
           {**passive_open(parent, (parent, "accept")), "CLOSE_WAIT": (heir, "close"),
            "LAST_ACK": (heir, "close"), "ESTABLISHED": (parent, "accept")})


@pytest.mark.every_kernel
@pytest.mark.parametrize("to", ["one that waits", "one that does not", "a child"])
def test_shut_down_and_passed_on(to: str, stage: Stage) -> None:
    """Whoever called shutdown() holds it as long as its table has it, and no longer."""
    server, client = stage.server("server"), stage.actor("client")
    port = connect(client, server)
    first = who(server)
    server.run("s.shutdown(socket.SHUT_WR)")
    stage.tracer.wait_for(lambda rows: [row for row in rows if row["to"] == "FIN_WAIT2"],
                          limit_s=LIMIT_S)
    if to == "a child":
        other = server.fork()
        server.run("s.close()")
    else:
        other = stage.actor("other")
        pass_on(server, other)
    if to == "one that waits":
        serve(other, "recv")
    heir = who(other)
    client.run("c.close()")
    ends = {row["from"]: owner_of(row) for row in stage.passive(port)}
    assert ends["FIN_WAIT1"] == (first, "accept")
    assert ends["FIN_WAIT2"] == (UNKNOWN if to == "one that does not" else (heir, "accept"))


@pytest.mark.parametrize("number", [20, 700, 2000])
def test_shut_down_and_moved(number: int, stage: Stage) -> None:
    """The owner itself goes on to be it, wherever it keeps the connection."""
    server, client = stage.server("server"), stage.actor("client")
    port = connect(client, server)
    owner = who(server)
    server.run("import resource\n"
               "resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))\n"
               f"os.dup2(s.fileno(), {number}); s.close(); s = socket.socket(fileno={number})\n"
               "s.shutdown(socket.SHUT_WR)")
    client.run("c.close()")
    rows = stage.passive(port)
    assert {owner_of(row) for row in rows if row["from"] in ("FIN_WAIT1", "FIN_WAIT2")} == {
        (owner, "accept")}


def test_listener_behind_a_high_descriptor(stage: Stage) -> None:
    """listen() was given the descriptor, so it is known when the socket is there no more."""
    server, client, other = map(stage.actor, ("server", "client", "other"))
    server.run("import resource\n"
               "resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))\n"
               f"s = socket.socket(); s.bind(('127.0.0.1', {PORT}))\n"
               "os.dup2(s.fileno(), 3000); s.close()\n"
               "s = socket.socket(fileno=3000); s.listen()")
    pass_on(server, other)
    port = connect(client)
    heir = who(other)
    client.run("c.close()")
    stage.tracer.wait_for(lambda rows: [row for row in rows if row["to"] == "CLOSE_WAIT"],
                          limit_s=LIMIT_S)
    other.run("t, _ = s.accept(); t.close()")
    expect(stage.passive(port), {"LISTEN": UNKNOWN, "SYN_RECV": UNKNOWN, "ESTABLISHED": UNKNOWN,
                                 "*": (heir, "accept")})


# ---- fork ----------------------------------------------------------------------------------------


@every_way
def test_fork_server(way: str, stage: Stage) -> None:
    """The parent accepts, forks and closes: the child is named, whatever it does."""
    server, client = stage.server("parent"), stage.actor("client")
    port = connect(client, server)
    child = server.fork()
    server.run("s.close()")
    child.run("l.close(); me.name('child')")
    parent, heir = who(server), who(child)
    serve(child, way)
    expect(finish(stage, client, child, way, port), passive_open(parent, (heir, "accept")))


def test_fork_server_with_many_children(stage: Stage) -> None:
    """The child that has it, the oldest one, is found among others."""
    server, client = stage.server("parent"), stage.actor("client")
    port = connect(client, server)
    child = server.fork()
    server.run("s.close()")
    for _ in range(10):
        server.fork()
    parent, heir = who(server), who(child)
    expect(finish(stage, client, child, "not", port), passive_open(parent, (heir, "accept")))


@pytest.mark.parametrize("way", ["not", "recv", "epoll"])
def test_parent_keeps_it(way: str, stage: Stage) -> None:
    """Both hold it: the one that waits for it serves it."""
    server, client = stage.server("parent"), stage.actor("client")
    port = connect(client, server)
    child = server.fork()
    parent, heir = who(server), who(child)
    serve(child, way)
    client.run("c.close()")
    rows = stage.tracer.wait_for(lambda rows: [row for row in rows if row["to"] == "CLOSE_WAIT"])
    assert owner_of(rows[0]) == ((parent, "accept") if way == "not" else (heir, "accept"))
    assert rows[0]["rport"] == port


def test_parent_ends(stage: Stage) -> None:
    """The parent ends; a child has what it accepted, and a stranger has what it passed on."""
    server, client = stage.server("parent"), stage.actor("client")
    port = connect(client, server)
    child = server.fork()
    parent, heir = who(server), who(child)
    server.kill()
    expect(finish(stage, client, child, "not", port), passive_open(parent, (heir, "accept")))


@pytest.mark.every_kernel
def test_all_end_at_once(stage: Stage) -> None:
    """FINs come while the worker that connections were left to is ending, and closes one by one."""
    number = count(3000, 100)
    server, client = stage.server("master"), stage.actor("client")
    for actor in (server, client):
        actor.run("import resource as r\nr.setrlimit(r.RLIMIT_NOFILE, (4096, 4096))")
    server.send(f"all = [l.accept()[0] for _ in range({number})]")
    client.run(f"all = [socket.create_connection(('127.0.0.1', {PORT})) for _ in range({number})]")
    server.answer()
    worker = server.fork()
    worker.run("me.name('worker')")
    server.run("for one in all: one.close()")
    heir = who(worker)
    for actor in (client, worker):
        signal.pidfd_send_signal(actor.handle, signal.SIGKILL)
    for actor in (client, worker):
        actor.wait()
    rows = stage.tracer.wait_for(
        lambda rows: len(found := [row for row in rows if row["lport"] == PORT and
                                   row["from"] == "ESTABLISHED"]) == number and found,
        limit_s=LIMIT_S)
    assert Counter(owner_of(row)[0] for row in rows) == {heir: number}


# A child that shares its parent's table of descriptors (clone() with CLONE_FILES only).
SHARES_THE_TABLE = f"""
import time
child = ctypes.CDLL(None).syscall({{"x86_64": 56, "aarch64": 220}}[os.uname().machine],
                                  {CLONE_FILES} | 17, 0, 0, 0, 0)
if not child:
    os.read(end, 1)
    os._exit(0)
"""


@pytest.mark.every_kernel
def test_table_of_two_processes(stage: Stage) -> None:
    """A process ends whose child shares its table: nothing in it is closed, and the child has all.
    """
    server, client = stage.server("parent"), stage.actor("client")
    port = connect(client, server)
    end, told = os.pipe()
    server.run(f"end = os.open('/proc/{os.getpid()}/fd/{end}', os.O_RDONLY)")
    server.run(SHARES_THE_TABLE)
    child = server.ask("child")
    parent, heir = who(server), Process(child, "parent")
    server.kill()
    client.run("c.close()")
    stage.tracer.wait_for(lambda rows: [row for row in rows if row["to"] == "CLOSE_WAIT"],
                          limit_s=LIMIT_S)
    os.close(told)
    expect(stage.passive(port), passive_open(parent, (heir, "accept")))
    os.close(end)


def test_reset_by_the_peer(stage: Stage) -> None:
    """The row of the end names the holder."""
    server, client = stage.server("parent"), stage.actor("client")
    port = connect(client, server)
    child = server.fork()
    server.run("s.close()")
    parent, heir = who(server), who(child)
    client.run("import struct\n"
               "c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))\n"
               "c.close()")
    chain = stage.passive(port)
    expect(chain, passive_open(parent, (heir, "accept")))
    assert chain[-1]["reason"] == "reset_received"


@pytest.mark.every_kernel
def test_older_than_the_tracer(netns: Netns, tracer: Callable[..., Tracer], cast: Cast) -> None:
    """For a socket found at the start, the place of its descriptor is known, too."""
    server, client = cast.actor("parent", netns), cast.actor("client", netns)
    server.run(f"l = socket.create_server(('127.0.0.1', {PORT}))")
    port = connect(client, server)
    stage = Stage(netns, tracer("--netns", str(netns.inode)), cast)
    child = server.fork()
    server.run("s.close()")
    heir = who(child)
    client.run("c.close()")
    rows = stage.tracer.wait_for(lambda rows: [row for row in rows if row["to"] == "CLOSE_WAIT"])
    assert rows[0]["rport"] == port
    assert owner_of(rows[0]) in ((heir, "scan"), UNKNOWN)
    if rows[0]["dwell"] == "at_least":  # so it was found
        assert owner_of(rows[0]) == (heir, "scan")


# ---- exec ----------------------------------------------------------------------------------------


def become(actor: Actor, name: str, fd: int) -> None:
    """The connection becomes the program's standard input, as with `Accept=yes` and inetd."""
    actor.run(f"os.dup2(s.fileno(), {fd}); s.close(); l.close()")
    actor.exec(name)
    actor.run(f"s = socket.socket(fileno={fd})")


@pytest.mark.parametrize("way", ["not", "recv"])
@pytest.mark.parametrize("first", on_every_kernel(["close", "exec"], "close"))
def test_program_for_each_connection(first: str, way: str, stage: Stage) -> None:
    """The process that accepted closes its descriptor before the exec, or after it."""
    server, client = stage.server("systemd"), stage.actor("client")
    port = connect(client, server)
    child = server.fork()
    if first == "close":
        server.run("s.close()")
    become(child, "service", 0)
    server.run("s.close()")
    parent, heir = who(server), who(child)
    assert heir.comm == "service"
    serve(child, way)
    expect(finish(stage, client, child, way, port), passive_open(parent, (heir, "accept")))


def test_program_of_a_grandchild(stage: Stage) -> None:
    """No child of the acceptor has it, but the exec was seen."""
    server, client = stage.server("inetd"), stage.actor("client")
    port = connect(client, server)
    child = server.fork()
    server.run("s.close()")
    grandchild = child.fork()
    child.kill()
    become(grandchild, "service", 0)
    parent, heir = who(server), who(grandchild)
    expect(finish(stage, client, grandchild, "not", port), passive_open(parent, (heir, "accept")))


def test_program_that_was_not_meant(stage: Stage) -> None:
    """A descriptor left open for a helper is its owner's as long as the owner holds it."""
    server, client = stage.server("server"), stage.actor("client")
    port = connect(client, server)
    child = server.fork()
    child.exec("helper")
    owner = who(server)
    client.run("c.close()")
    rows = stage.tracer.wait_for(lambda rows: [row for row in rows if row["to"] == "CLOSE_WAIT"])
    assert (rows[0]["rport"], owner_of(rows[0])) == (port, (owner, "accept"))


# ---- Through a unix socket -----------------------------------------------------------------------


@every_way
def test_passed_on(way: str, stage: Stage) -> None:
    """As with Node's cluster, the process that waits is named, and none that has let go."""
    server, client = stage.server("master"), stage.actor("client")
    worker = stage.actor("worker")
    port = connect(client, server)
    pass_on(server, worker)
    master, holder = who(server), who(worker)
    serve(worker, way)
    wanted = passive_open(master, (holder, "close" if way == "not" else "accept"))
    if way == "not":
        wanted["ESTABLISHED"] = UNKNOWN
    expect(finish(stage, client, worker, way, port), wanted)


def test_passed_on_by_who_ends(stage: Stage) -> None:
    server, client = stage.server("master"), stage.actor("client")
    worker = stage.actor("worker")
    port = connect(client, server)
    pass_on(server, worker)
    master, holder = who(server), who(worker)
    server.kill()
    expect(finish(stage, client, worker, "not", port),
           {**passive_open(master, (holder, "close")), "ESTABLISHED": UNKNOWN})


def test_epoll_of_who_passed_it_on(stage: Stage) -> None:
    """The passing process's epoll keeps the socket, but only others hold it: waiting says
    nothing."""
    server, client = stage.server("master"), stage.actor("client")
    worker = stage.actor("worker")
    port = connect(client, server)
    server.run("import select; e = select.epoll(); e.register(s, select.EPOLLIN)")
    pass_on(server, worker)
    begin(server, "e.poll(1)")
    master, holder = who(server), who(worker)
    client.run("c.close()")
    rows = stage.tracer.wait_for(lambda rows: [row for row in rows if row["to"] == "CLOSE_WAIT"])
    assert owner_of(rows[0]) == UNKNOWN
    server.answer()
    worker.run("s.close()")
    expect(stage.passive(port), {**passive_open(master, (holder, "close")), "ESTABLISHED": UNKNOWN})


# ---- The same process ----------------------------------------------------------------------------


@pytest.mark.parametrize("number", [3, 40, 900])
def test_another_descriptor(number: int, stage: Stage) -> None:
    """A process that moves it to another descriptor holds it as before."""
    server, client = stage.server(), stage.actor("client")
    port = connect(client, server)
    server.run(f"os.dup2(s.fileno(), {number}); s.close(); s = socket.socket(fileno={number})"
               if number != 3 else "n = os.dup(s.fileno()); s.close(); s = socket.socket(fileno=n)")
    holder = who(server)
    expect(finish(stage, client, server, "not", port), passive_open(holder, (holder, "accept")))


# A thread that leaves its process's descriptor table, accepts, and waits for an order to go on.
OWN_TABLE = f"""
import threading
asked, done = threading.Event(), threading.Event()
def work():
    global s, fault
    fault = ctypes.CDLL(None, use_errno=True).unshare({CLONE_FILES})
    s, _ = l.accept()
    done.set()
    asked.wait()
    os.close(s.detach())
    done.set()
thread = threading.Thread(target=work, daemon=True)
thread.start()
"""


@pytest.mark.every_kernel
def test_thread_with_its_own_table(stage: Stage) -> None:
    """The first thread of the process does not have the descriptor, but the process does."""
    server, client = stage.server(), stage.actor("client")
    server.run(OWN_TABLE)
    port = connect(client)
    server.run("done.wait(); done.clear()")
    assert server.ask("fault") == 0
    assert not os.path.exists(f"/proc/{server.pid}/fd/{server.ask('s.fileno()')}")
    holder = who(server)
    client.run("c.close()")
    stage.tracer.wait_for(lambda rows: [row for row in rows if row["to"] == "CLOSE_WAIT"])
    server.run("asked.set(); done.wait(); thread.join()")
    expect(stage.passive(port), passive_open(holder, (holder, "accept")))


def test_listener_of_a_thread_with_its_own_table(stage: Stage) -> None:
    """The listener is the process's, and so is what nobody has accepted yet."""
    server, client = stage.actor("server"), stage.actor("client")
    server.run(f"""
import threading
asked, done = threading.Event(), threading.Event()
def work():
    ctypes.CDLL(None, use_errno=True).unshare({CLONE_FILES})
    l = socket.create_server(('127.0.0.1', {PORT}))
    done.set()
    asked.wait()
    os.close(l.detach())
thread = threading.Thread(target=work, daemon=True)
thread.start()
done.wait()""")
    port = connect(client)
    holder = who(server)
    server.run("asked.set(); thread.join()")
    expect(stage.passive(port), {"*": (holder, "listen")})


# ---- Filters -------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", on_every_kernel(["fork", "exec", "pass"], "exec"))
@pytest.mark.parametrize("filter_", ["pid", "comm"])
def test_filter_finds_who_serves(how: str, filter_: str, netns: Netns,
                                 tracer: Callable[..., Tracer], cast: Cast) -> None:
    """The filter shows the rows from the first that names the process."""
    server, client = cast.actor("server", netns), cast.actor("client", netns)
    server.run(f"l = socket.create_server(('127.0.0.1', {PORT}))")
    other = server.fork() if how != "pass" else cast.actor("serves", netns)
    if how != "pass":
        other.kill()
    stages = Stage(netns, tracer("--netns", str(netns.inode)), cast)
    # A filter by name may be for a later process; one by number needs a process that exists.
    if filter_ == "pid" and how != "pass":
        pytest.skip("its number is not known before")
    wanted = ("-p", str(other.pid)) if filter_ == "pid" else ("--comm", "serves")
    watch = tracer("--netns", str(netns.inode), *wanted, chains=False)
    port = connect(client, server)
    if how == "pass":
        pass_on(server, other)
    else:
        other = server.fork()
        server.run("s.close()")
        if how == "exec":
            become(other, "serves", 0)
        else:
            other.run("me.name('serves')")
    serve(other, "recv")
    finish(stages, client, other, "recv", port)
    rows = watch.wait_for(lambda rows: [row for row in rows if row["to"] == "LAST_ACK"])
    assert rows[0]["rport"] == port
    found = watch.rows(rport=port)
    assert ("ESTABLISHED", "CLOSE_WAIT") in {(row["from"], row["to"]) for row in found}
    assert {Process(row["pid"], row["comm"]) for row in found} == {who(other)}


@pytest.fixture(name="service")
def _service() -> Iterator[cgroup.Cgroup]:
    try:
        made = cgroup.Cgroup()
    except cgroup.NoCgroups as why:
        pytest.skip(f"no cgroups: {why}")
    yield made
    made.remove()


@pytest.mark.every_kernel
def test_cgroup_finds_who_serves(service: cgroup.Cgroup, netns: Netns,
                                 tracer: Callable[..., Tracer]) -> None:
    """The socket stays in the cgroup of its listener; another process there is not shown."""
    with Cast() as cast:
        server, client = cast.actor("systemd", netns), cast.actor("client", netns)
        stage = Stage(netns, tracer("--netns", str(netns.inode)), cast)
        watch = tracer("--netns", str(netns.inode), "--cgroup", service.path, chains=False,
                       wrap=service.wrap)
        server.run(f"l = socket.create_server(('127.0.0.1', {PORT}))")
        other = connect(client, server)
        client.run("c.close()")
        server.run("s.close()")
        stage.passive(other)
        port = connect(client, server)
        child = server.fork()
        service.add(child.pid)
        server.run("s.close()")
        become(child, "service", 0)
        finish(stage, client, child, "not", port)
        watch.wait_for(lambda rows: [row for row in rows if row["to"] == "LAST_ACK"])
        found = watch.all_rows()
        assert {row["rport"] for row in found} == {port}
        assert {Process(row["pid"], row["comm"]) for row in found} == {who(child)}
        assert found[0]["to"] == "CLOSE_WAIT" and found[0]["dwell_ns"]
