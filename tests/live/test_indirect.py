# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Sockets that somebody holds although no descriptor leads to them.

They are in flight in the queue of a unix socket, or fixed files of an io_uring. Their holder is
named. If only one process can receive a socket, that one is named as its receiver. Nobody is named
where it may be another. Sockets that the kernel made for itself are said to be its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable

import pytest

from harness import actor as actors, capability, leaks, place, process
from harness.actor import Actor, Cast
from harness.netns import Netns
from harness.play import PORT, who
from harness.tracer import Tracer

cast = pytest.fixture(actors.cast, name="cast")

# The numbers of these system calls are the same on all architectures. The program keeps @sock only
# as a fixed file: nobody has a descriptor of it afterwards.
URING = """
libc = ctypes.CDLL(None, use_errno=True)
params = ctypes.create_string_buffer(120)
ring = libc.syscall(425, 1, params)
def put(*socks):
    numbers = (ctypes.c_int * len(socks))(*[sock.fileno() if sock else -1 for sock in socks])
    if libc.syscall(427, ring, 2, numbers, len(socks)):
        raise OSError(ctypes.get_errno(), "io_uring_register")
"""


def uring(actor: Actor) -> None:
    actor.run(URING)
    if actor.ask("ring") < 0:
        pytest.skip(f"no io_uring: {os.strerror(actor.ask('ctypes.get_errno()'))}")


@pytest.fixture(name="server")
def _server(cast: Cast, netns: Netns) -> Actor:
    """Has three connections in CLOSE_WAIT, in the list kept."""
    server, client = cast.actor("server", netns), cast.actor("client", netns)
    server.run(f"l = socket.create_server(('127.0.0.1', {PORT}))")
    client.run(f"""
made = [socket.create_connection(('127.0.0.1', {PORT})) for _ in range(3)]
for one in made:
    one.shutdown(socket.SHUT_WR)""")
    server.run("""
kept = [l.accept()[0] for _ in range(3)]
for one in kept:
    assert one.recv(1) == b''""")
    return server


def look(netns: Netns, *arguments: str) -> list[dict[str, Any]]:
    """Returns the leaks in CLOSE_WAIT, of any age."""
    done = subprocess.run(leaks.command(netns, "--older", "0s", "-o", "json", *arguments),
                          capture_output=True, text=True, check=False, timeout=process.LIMIT_S)
    assert done.returncode in (0, 10), done.stderr
    if "sock_diag" in done.stderr:
        pytest.skip("the kernel refuses iterators")
    return [json.loads(line) for line in done.stdout.splitlines()]


def named(netns: Netns, *arguments: str) -> list[tuple[Any, ...]]:
    """Of each leak, returns the process, the number, how many are fixed files, and the receiver."""
    return sorted(((leak["pid"], leak["count"], leak["fixed_files"], leak["receiver_pid"])
                   for leak in look(netns, *arguments)), key=str)


# ---- In flight -----------------------------------------------------------------------------------

# Sends the kept sockets through a, so that b has them in its queue.
SEND = """
a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
for one in kept:
    socket.send_fds(a, [b'x'], [one.fileno()])
"""
CLOSE = """
for one in kept:
    one.close()
kept = []
"""


@pytest.mark.every_kernel
def test_receiver(server: Actor, netns: Netns) -> None:
    """A process that alone holds the unix socket is no holder yet, and is named as the receiver."""
    server.run(SEND + CLOSE)
    assert named(netns) == [(None, 3, 0, server.pid)]
    text = subprocess.run(leaks.command(netns, "--older", "0s"), capture_output=True, text=True,
                          check=False, timeout=process.LIMIT_S).stdout
    assert (f"\n  in flight in the queue of a unix socket of pid {server.pid} {server.comm}, "
            in text)
    assert named(netns, "-p", str(server.pid)) == []
    server.run("taken = socket.recv_fds(b, 1, 8)")
    assert named(netns) == [(server.pid, 1, 0, None), (None, 2, 0, server.pid)]


def test_other_receives(server: Actor, netns: Netns) -> None:
    """The process that has the unix socket is the receiver, not the one that sent or accepted."""
    server.run("a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)")
    child = server.fork()
    child.run("a.close(); l.close()" + CLOSE)
    server.run("""b.close()
for one in kept:
    socket.send_fds(a, [b'x'], [one.fileno()])""" + CLOSE)
    assert named(netns) == [(None, 3, 0, child.pid)]
    child.kill()
    assert named(netns) == []  # closed with the queue


@pytest.mark.every_kernel
def test_two_can_receive(server: Actor, netns: Netns) -> None:
    """No receiver is named where either of two processes may receive."""
    server.run(SEND)
    child = server.fork()
    server.run(CLOSE)
    child.run(CLOSE)
    assert named(netns) == [(None, 3, 0, None)]
    server.run("b.close()")
    assert named(netns) == [(None, 3, 0, child.pid)]


def test_sender_still_holds(server: Actor, netns: Netns) -> None:
    """A process that has a descriptor holds the socket, whoever else receives one."""
    server.run(SEND)
    child = server.fork()
    child.run("a.close(); l.close()" + CLOSE)
    server.run("b.close()")
    assert named(netns) == [(server.pid, 3, 0, None)]
    server.run("kept.pop().close()")
    assert named(netns) == [(server.pid, 2, 0, None), (None, 1, 0, child.pid)]


def test_in_two_queues(server: Actor, netns: Netns) -> None:
    """The same socket is in the queues of two processes: it is unknown which will have it."""
    server.run(SEND + SEND.replace("a, b", "c, d").replace("(a,", "(c,"))
    child = server.fork()
    child.run("a.close(); b.close(); c.close(); l.close()" + CLOSE)
    server.run("d.close()" + CLOSE)
    assert named(netns) == [(None, 3, 0, None)]


def test_before_accept(server: Actor, netns: Netns) -> None:
    """It was sent to a unix socket that is not accepted yet: the listener's process may receive
    it."""
    server.run("""
u = socket.socket(socket.AF_UNIX)
u.bind("\\0tcpdwell-%d" % os.getpid())
u.listen(4)
a = socket.socket(socket.AF_UNIX)
a.connect(u.getsockname())
for one in kept:
    socket.send_fds(a, [b'x'], [one.fileno()])""" + CLOSE)
    assert named(netns) == [(None, 3, 0, server.pid)]


# ---- io_uring ------------------------------------------------------------------------------------


@pytest.mark.every_kernel
def test_fixed_files(server: Actor, netns: Netns) -> None:
    """Who has the ring holds its files; a file that also has a descriptor is named once."""
    uring(server)
    server.run("put(*kept[:2], None, kept[2]); kept[0].close(); kept[1].close()")
    assert named(netns) == [(server.pid, 3, 2, None)]
    assert look(netns)[0]["descriptors"] == [[server.ask("kept[2].fileno()")] * 2]
    assert named(netns, "-p", str(server.pid)) == [(server.pid, 3, 2, None)]
    text = subprocess.run(leaks.command(netns, "--older", "0s"), capture_output=True, text=True,
                          check=False, timeout=process.LIMIT_S).stdout
    assert "\n  2 of them are fixed files of io_uring, without a descriptor\n" in text


def test_many_fixed_files(server: Actor, netns: Netns) -> None:
    """Fixed files are found behind a thousand empty places."""
    uring(server)
    server.run("put(*[None] * 1000, *kept)" + CLOSE)
    assert named(netns) == [(server.pid, 3, 3, None)]


def test_fixed_files_listed(server: Actor, netns: Netns) -> None:
    """snapshot --sockets names their holder without a descriptor."""
    uring(server)
    server.run("put(*kept)" + CLOSE)
    done = subprocess.run([place.tcpdwell(), "snapshot", "--sockets", "-s", "CLOSE_WAIT", "-o",
                           "json", "--netns", netns.path], capture_output=True, text=True,
                          check=True, timeout=process.LIMIT_S)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(row["pid"], row["fd"], row["holders"]) for row in rows] == [
        (server.pid, None, [{"pid": server.pid, "comm": server.comm, "fd": None}])] * 3


def test_shared_ring(server: Actor, netns: Netns) -> None:
    """Two processes that share the ring both hold its files."""
    uring(server)
    server.run("put(*kept)")
    child = server.fork()
    child.run(CLOSE)
    server.run(CLOSE)
    found = look(netns)
    assert {leak["pid"] for leak in found} <= {server.pid, child.pid}
    assert [(leak["count"], leak["shared"]) for leak in found] == [(3, 3)]


@pytest.mark.every_kernel
def test_owner_of_rows(server: Actor, netns: Netns, tracer: Callable[..., Tracer]) -> None:
    """A row of a socket in a ring names the process that has the ring."""
    uring(server)
    server.run("put(*kept)" + CLOSE)
    stage = tracer("--netns", str(netns.inode))
    mine = who(server)
    server.run("os.close(ring)")
    rows = stage.wait_for(lambda rows: [row for row in rows if row["from"] == "CLOSE_WAIT"][2:]
                          and list(rows))
    for row in rows:
        if row["from"] == "CLOSE_WAIT":
            assert (row["pid"], row["comm"]) == (mine.pid, mine.comm) and row["owner"] == "scan"


# ---- Of the kernel -------------------------------------------------------------------------------

# The kernel connects by itself, and waits for an answer until the process is ended.
MOUNT = f"""
import ctypes, os, tempfile
libc = ctypes.CDLL(None, use_errno=True)
clone_newns, private = 0x20000, 1 << 18 | 1 << 14
assert not libc.unshare(clone_newns) and not libc.mount(None, b"/", None, private, None)
libc.mount(b"127.0.0.1:/", tempfile.gettempdir().encode(), b"nfs4", 0,
           b"vers=4.1,proto=tcp,addr=127.0.0.1,clientaddr=127.0.0.1,port={PORT}")
print(os.strerror(ctypes.get_errno()), flush=True)
"""


@pytest.mark.every_kernel
def test_kernel(cast: Cast, netns: Netns) -> None:
    """Nobody but the kernel has the socket of a mount of NFS."""
    if not capability.guest() and "\tnfs4\n" not in Path("/proc/filesystems").read_text("ascii"):
        pytest.skip("the module of NFS is not loaded")
    server = cast.actor("server", netns)
    server.run(f"l = socket.create_server(('127.0.0.1', {PORT})); l.settimeout({process.LIMIT_S})")
    with subprocess.Popen(netns.argv([sys.executable, "-c", MOUNT]), stdout=subprocess.PIPE,
                          text=True) as mount:
        try:
            server.run("kept = l.accept()[0]")
            census = json.loads(process.run(
                [place.tcpdwell(), "snapshot", "-o", "json", "--netns", netns.path]).stdout)
            leak, = [one for one in look(netns, "-s", "ESTABLISHED") if not one["pid"]]
            text = subprocess.run(leaks.command(netns, "--older", "0s", "-s", "ESTABLISHED"),
                                  capture_output=True, text=True, check=False,
                                  timeout=process.LIMIT_S).stdout
            rows = [json.loads(line) for line in subprocess.run(
                [place.tcpdwell(), "snapshot", "--sockets", "-o", "json", "--netns", netns.path],
                capture_output=True, text=True, check=True,
                timeout=process.LIMIT_S).stdout.splitlines()]
        finally:
            process.end(mount)
    assert (leak["count"], leak["kernel"]) == (1, True), leak
    assert {(one["pid"], one["kernel"]): one["count"] for one in census["processes"]
            if one["state"] == "ESTABLISHED"} == {(None, True): 1, (server.pid, False): 1}
    assert "\n  of the kernel itself" in text, text
    assert {row["rport"]: (row["pid"], row["kernel"], row["orphan"]) for row in rows
            if row["state"] != "LISTEN"} == {
        PORT: (None, True, False), leak_port(rows): (server.pid, False, False)}


def leak_port(rows: list[dict[str, Any]]) -> int:
    """The local port of the kernel's socket."""
    return next(int(row["lport"]) for row in rows if row["rport"] == PORT)
