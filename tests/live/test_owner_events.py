# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What happens to processes while they have sockets: exit, exec, fork, handing over, threads.

Both ends are on the loopback of a namespace of the test, and one tracer sees nothing else.
expect() says, for each state that a connection leaves, which process must be named: "unknown" is
right only where a test says so, and another process is never right.

Kernel threads close and open sockets, too. A late close is made with io_uring's fixed files, which
a worker releases, and with the garbage collector of AF_UNIX. A connection is opened with the second
subflow of MPTCP. NFS, the other user of such sockets, is in too few kernels.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Callable

import pytest

from harness import actor as actors, place, within
from harness.actor import Actor, Cast
from harness.matrix import on_every_kernel
from harness.netns import Netns, Veth
from harness.play import (LIMIT_S, PORT, UNKNOWN, Owner, Stage, connect, expect, passive_open,
                          who)
from harness.scale import count
from harness.server import wait_until
from harness.story import ENDED, Process
from harness.tracer import Row, Tracer

# An address in the tests' network that nobody has: a SYN to it is never answered.
NOBODY = "192.0.2.99"
# For so long either end waits before it closes: as long as it takes the other one to see the last
# byte, and then some.
SPREAD_NS = 10_000

cast = pytest.fixture(actors.cast, name="cast")


@pytest.fixture(name="stage")
def _stage(netns: Netns, tracer: Callable[..., Tracer], cast: Cast) -> Stage:
    return Stage(netns, tracer("--netns", str(netns.inode)), cast)


# ---- Exit ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("unread", on_every_kernel([False, True], True), ids=["fin", "reset"])
def test_killed(unread: bool, stage: Stage) -> None:
    """SIGKILL closes by a FIN, or by an RST if data was unread; both are the process's doing."""
    server, client = stage.server(), stage.actor("client")
    port = connect(client, server)
    if unread:
        server.run("s.send(b'x')")
        client.run("c.recv(1, socket.MSG_PEEK)")
    mine, theirs = who(client), who(server)
    client.kill()
    if not unread:
        assert server.ask("len(s.recv(1))") == 0
    server.kill()
    chain = stage.client(port)
    expect(chain, {"*": (mine, "connect")})
    assert any(row["reason"] == "reset_sent" for row in chain) == unread
    expect(stage.passive(port), passive_open(theirs, (theirs, "accept")))
    expect(stage.listener(), {"CLOSE": (theirs, "listen"),
                              "LISTEN": {(theirs, "listen"), (theirs, "close")}})


def test_killed_with_a_queue(stage: Stage) -> None:
    """A connection that nobody accepted is its listener's, and ends with it."""
    server, client = stage.server(), stage.actor("client")
    port = connect(client)
    holder = who(server)
    server.kill()
    chain = stage.passive(port)
    expect(chain, {"*": (holder, "listen")})
    assert chain[-1]["reason"] == "listener_closed"


# ---- exec ----------------------------------------------------------------------------------------


def test_exec_of_a_client(stage: Stage) -> None:
    server, client = stage.server(), stage.actor("before")
    port = connect(client, server)
    before = who(client)
    number = client.ask("c.fileno()")
    client.exec("after")
    client.run(f"c = socket.socket(fileno={number}); c.close()")
    after = who(client)
    assert after == Process(before.pid, "after")
    server.run("s.close()")
    expect(stage.client(port), {"CLOSE": (before, "connect"), "SYN_SENT": (before, "connect"),
                                "*": (after, "connect")})


def test_exec_of_a_server(stage: Stage) -> None:
    """The server executes another program twice: with only a listener, and with a connection."""
    server, client = stage.server("before"), stage.actor("client")
    before = who(server)
    number = server.ask("l.fileno()")
    server.exec("between")
    server.run(f"l = socket.socket(fileno={number})")
    between = who(server)
    port = connect(client, server)
    number = server.ask("s.fileno()")
    server.exec("after")
    after = who(server)
    client.run("c.close()")
    # The name does not come from its own close, which follows a moment later.
    stage.tracer.wait_for(lambda rows: [row for row in rows if row["to"] == "CLOSE_WAIT"])
    server.run(f"s = socket.socket(fileno={number}); s.close()")
    expect(stage.passive(port), passive_open(between, (after, "accept")))
    server.kill()
    expect(stage.listener(), {"CLOSE": (before, "listen"),
                              "LISTEN": {(after, "listen"), (after, "close")}})


@pytest.mark.every_kernel
@pytest.mark.parametrize("number", [900, 3000])
def test_exec_with_a_high_descriptor(number: int, stage: Stage) -> None:
    """The name is the new one, however many descriptors are before it."""
    server, client = stage.server(), stage.actor("before")
    port = connect(client, server)
    client.run("import resource\n"
               "resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))\n"
               f"low = c.detach(); os.dup2(low, {number}); os.close(low)")
    before = who(client)
    client.exec("after")
    after = who(client)
    server.run("s.close()")
    client.run(f"c = socket.socket(fileno={number}); c.recv(1); c.close()")
    expect(stage.client(port), {"CLOSE": (before, "connect"), "SYN_SENT": (before, "connect"),
                                "*": (after, "connect")})


def test_exec_by_a_thread(stage: Stage) -> None:
    """The process keeps its number, whichever of its threads called exec."""
    server, client = stage.server(), stage.actor("before")
    port = connect(client, server)
    before = who(client)
    number = client.ask("c.fileno()")
    client.run("import threading\nplace = me.replace\n"
               "me.replace = lambda to: (threading.Thread(target=place, args=[to]).start(),"
               " __import__('time').sleep(3600))")
    client.exec("after")
    after = who(client)
    assert after == Process(before.pid, "after")
    client.run(f"c = socket.socket(fileno={number}); c.close()")
    server.run("s.close()")
    expect(stage.client(port), {"CLOSE": (before, "connect"), "SYN_SENT": (before, "connect"),
                                "*": (after, "connect")})


def test_exec_at_once(veth_pair: Veth, tracer: Callable[..., Tracer], cast: Cast) -> None:
    """A first row that waited for its port has the name of the process that caused it."""
    stage = Stage(veth_pair.client, tracer("--netns", str(veth_pair.client.inode)), cast)
    client = stage.actor("before")
    before = who(client)
    client.run("c = socket.socket(); c.setblocking(False); replace = me.replace\n"
               f"me.replace = lambda to: (c.connect_ex(('{NOBODY}', {PORT})), replace(to))")
    client.exec("after")
    rows = stage.tracer.wait_for(lambda rows: list(rows), limit_s=LIMIT_S)
    expect(rows[:1], {"CLOSE": (before, "connect")})


# ---- fork and hand-over --------------------------------------------------------------------------


def test_child_closes(stage: Stage) -> None:
    """The child is named from its close on; until then its parent is, which made the connection."""
    server, client = stage.server(), stage.actor("parent")
    port = connect(client, server)
    child = client.fork()
    client.run("c.close()")
    child.run("me.name('child')")
    parent, heir = who(client), who(child)
    child.run("c.close()")
    server.run("s.close()")
    expect(stage.client(port), {"CLOSE": (parent, "connect"), "SYN_SENT": (parent, "connect"),
                                "*": (heir, "close")})


def test_child_outlives_its_parent(stage: Stage) -> None:
    """After accept, fork and exit of the parent, the child has it, and closes it."""
    server, client = stage.server("parent"), stage.actor("client")
    port = connect(client, server)
    child = server.fork()
    parent, heir = who(server), who(child)
    server.kill()
    client.run("c.close()")
    assert child.ask("len(s.recv(1))") == 0
    child.run("s.close()")
    expect(stage.passive(port), passive_open(parent, (heir, "accept")))


def test_child_closes_what_never_connected(veth_pair: Veth, tracer: Callable[..., Tracer],
                                           cast: Cast) -> None:
    """Fork and close come at once, so that the first row may still be waiting for its port."""
    stage = Stage(veth_pair.client, tracer("--netns", str(veth_pair.client.inode)), cast)
    client = stage.actor("parent")
    parent = who(client)
    child = client.ask(f"""[
        c := socket.socket(),
        c.setblocking(False),
        gate := os.pipe(),
        c.connect_ex(('{NOBODY}', {PORT})),
        child := os.fork(),
        # Both close their end of the pipe; the child goes on once the parent has closed all.
        child or (os.close(gate[1]), os.read(gate[0], 1), c.close(), os._exit(0)),
        c.close(),
        os.close(gate[1]),
        os.waitpid(child, 0),
    ] and child""")
    chain = stage.wait(lambda chains: next(iter(chains.clients.values()), None), "the connection")
    expect(chain, {"CLOSE": (parent, "connect"),
                   "SYN_SENT": (Process(child, "parent"), "close")})


READ = {"x86_64": 0, "aarch64": 63}[os.uname().machine]


def test_last_to_let_go(stage: Stage) -> None:
    """A read keeps the file while others close it, and the reader is the one that closes the
    socket.

    Any process that looks at the descriptors of others does the same, a snapshot among them.
    """
    server, client = stage.server(), stage.actor("client")
    port = connect(client, server)
    holder = who(client)
    reader = client.fork()
    reader.run("""
import threading
me.name("reader")
thread = threading.Thread(target=os.read, args=(c.fileno(), 1))
thread.start()""")
    call = Path(f"/proc/{reader.pid}/task/{reader.ask('thread.native_id')}/syscall")
    wait_until(lambda: call.read_text("ascii").split()[0] == str(READ))
    reader.run("os.close(c.fileno())")
    client.run("c.close()")
    server.run("s.send(b'x')")
    reader.run("thread.join()")
    server.run("s.close()")
    expect(stage.client(port), {"*": (holder, "connect")})


def test_passed_over_a_socket(stage: Stage) -> None:
    """After SCM_RIGHTS, shutdown and close are the receiver's own."""
    server, client, other = stage.server(), stage.actor("client"), stage.actor("receiver")
    other.run("u = socket.socket(socket.AF_UNIX); u.bind('\\0here'); u.listen()")
    client.run("u = socket.socket(socket.AF_UNIX); u.connect('\\0here')")
    other.run("r, _ = u.accept()")
    port = connect(client, server)
    client.run("socket.send_fds(u, [b'x'], [c.fileno()])")
    other.run("_, [number], _, _ = socket.recv_fds(r, 1, 1); c = socket.socket(fileno=number)")
    other.run("c.shutdown(socket.SHUT_WR)")
    sender, receiver = who(client), who(other)
    server.run("s.close()")
    client.run("c.close()")
    other.run("c.close()")
    expect(stage.client(port), {"CLOSE": (sender, "connect"), "SYN_SENT": (sender, "connect"),
                                "*": (receiver, "close")})


# ---- Threads -------------------------------------------------------------------------------------


def test_thread_connects(stage: Stage) -> None:
    """The owner is the process, under the name of its first thread."""
    server, client = stage.server(), stage.actor("client")
    client.run(f"""
import threading
def work():
    global c, name
    me.name("thread")
    name = open("/proc/thread-self/comm").read()
    c = socket.create_connection(("127.0.0.1", {PORT}))
    c.shutdown(socket.SHUT_WR)
thread = threading.Thread(target=work)
thread.start()
thread.join()""")
    server.run("s, _ = l.accept(); s.close()")
    assert client.ask("name") == "thread\n"
    assert client.comm == "client"
    expect(stage.client(client.ask("c.getsockname()[1]")), {"*": (who(client), "connect")})


def test_first_thread_ends(stage: Stage) -> None:
    """The process goes on, and so does what it owns."""
    server, client = stage.server(), stage.actor("client")
    server.send("""
import threading
threading.Thread(target=me.play).start()
ctypes.CDLL(None).syscall(%d, 0)""" % {"x86_64": 60, "aarch64": 93}[os.uname().machine])
    holder = who(server)
    port = connect(client, server)
    assert Path(f"/proc/{server.pid}/stat").read_text("utf-8").split()[2] == "Z"
    client.run("c.close()")
    server.run("s.close()")
    expect(stage.passive(port), passive_open(holder, (holder, "accept")))


# ---- Listeners -----------------------------------------------------------------------------------


def serve_once(stage: Stage, server: Actor) -> list[Row]:
    """A connection waits a moment until the server accepts it; returns the rows of its end."""
    client = stage.actor("client")
    port = connect(client)
    client.run("c.close()")
    stage.tracer.wait_for(lambda rows: [row for row in rows if row["to"] == "CLOSE_WAIT"])
    server.run("s, _ = l.accept(); s.close()")
    return stage.passive(port)


def test_listener_of_an_ended_parent(stage: Stage) -> None:
    """In a daemon, the process that listened is gone before anybody accepts."""
    parent = stage.server()
    child = parent.fork()
    parent.kill()
    holder = who(child)
    chain = serve_once(stage, child)
    expect(chain, {"*": (holder, "listen"), "CLOSE_WAIT": (holder, "accept"),
                   "LAST_ACK": (holder, "accept")})


def test_listener_of_several_children(stage: Stage) -> None:
    """Each of the children holds the listener."""
    parent = stage.server()
    children = [parent.fork() for _ in range(3)]
    parent.kill()
    holders: set[Owner] = {(who(child), "listen") for child in children}
    last = who(children[-1])
    expect(serve_once(stage, children[-1]), {"*": holders, "CLOSE_WAIT": (last, "accept"),
                                             "LAST_ACK": (last, "accept")})


@pytest.mark.parametrize("first", ["parent", "child"])
def test_listener_of_a_grandchild(first: str, stage: Stage) -> None:
    """A daemon forks twice. If the orphan's parent ends first, its holder may be unknown."""
    parent = stage.server()
    child = parent.fork()
    grandchild = child.fork()
    for one in (parent, child) if first == "parent" else (child, parent):
        one.kill()
    holder = who(grandchild)
    expect(serve_once(stage, grandchild), {
        "*": (holder, "listen") if first == "parent" else {(holder, "listen"), UNKNOWN},
        "CLOSE_WAIT": (holder, "accept"), "LAST_ACK": (holder, "accept")})


@pytest.mark.parametrize("ends", [False, True], ids=["parent-lives", "parent-ends"])
def test_listener_that_its_parent_closed(ends: bool, stage: Stage) -> None:
    """A process that has closed the listener does not hold it, whether it lives or not."""
    parent = stage.server()
    child = parent.fork()
    parent.run("l.close()")
    if ends:
        parent.kill()
    holder = who(child)
    expect(serve_once(stage, child), {
        "*": {(holder, "listen"), UNKNOWN},
        "CLOSE_WAIT": (holder, "accept"), "LAST_ACK": (holder, "accept")})


@pytest.mark.every_kernel
def test_accept_in_a_loop(stage: Stage) -> None:
    """A worker that never sleeps may accept at any moment, even before the child's first
    transition."""
    server = stage.server()
    worker = server.fork()
    worker.run("import threading\n"
               "l.setblocking(False)\n"
               "def spin():\n"
               "    while True:\n"
               "        try:\n"
               "            s, _ = l.accept()\n"
               "        except BlockingIOError:\n"
               "            continue\n"
               "        s.setblocking(True)\n"
               "        s.send(s.recv(1))\n"
               "        s.recv(1)\n"
               "        s.close()\n"
               "threading.Thread(target=spin, daemon=True).start()")
    ports = []
    for _ in range(count(300)):
        with within.make_socket(stage.netns) as client:
            client.connect(("127.0.0.1", PORT))
            client.send(b"?")
            assert client.recv(1) == b"?"
            ports.append(client.getsockname()[1])
    for port in reversed(ports):
        expect([row for row in stage.passive(port) if row["from"] not in ("LISTEN", "SYN_RECV")],
               {"*": (who(worker), "accept")})


# ---- Kernel threads and interrupted tasks --------------------------------------------------------

# The numbers of these system calls are the same on all architectures.
URING = """
libc = ctypes.CDLL(None, use_errno=True)
params = ctypes.create_string_buffer(120)
ring = libc.syscall(425, 1, params)
def put(sock):
    "Keep it in the ring alone: the worker that takes the ring apart closes it."
    number = (ctypes.c_int * 1)(sock.fileno())
    if libc.syscall(427, ring, 2, number, 1):
        raise OSError(ctypes.get_errno(), "io_uring_register")
    sock.close()
"""


def uring(actor: Actor) -> None:
    actor.run(URING)
    if actor.ask("ring") < 0:
        pytest.skip(f"no io_uring: {os.strerror(actor.ask('ctypes.get_errno()'))}")


def test_worker_closes(stage: Stage) -> None:
    """A late fput() runs in a kernel thread: the connection stays its owner's."""
    server, client = stage.server(), stage.actor("client")
    uring(client)
    port = connect(client, server)
    client.run("put(c); os.close(ring)")
    assert server.ask("len(s.recv(1))") == 0
    server.run("s.close()")
    expect(stage.client(port), {"*": (who(client), "connect")})


def test_worker_closes_what_is_older(netns: Netns, tracer: Callable[..., Tracer],
                                     cast: Cast) -> None:
    """For a connection older than the tracer, the worker is not made the owner, either."""
    client, server = cast.actor("client", netns), cast.actor("server", netns)
    server.run(f"l = socket.create_server(('127.0.0.1', {PORT}))")
    uring(client)
    port = connect(client, server)
    client.run("put(c)")
    stage = Stage(netns, tracer("--netns", str(netns.inode)), cast)
    client.run("os.close(ring)")
    assert server.ask("len(s.recv(1))") == 0
    server.run("s.close()")
    rows = stage.tracer.wait_for(lambda rows: [row for row in rows if row["lport"] == port
                                               and row["to"] in ENDED] and list(rows))
    expect([row for row in rows if row["lport"] == port], {"*": {UNKNOWN, (who(client), "scan")}})
    expect([row for row in rows if row["rport"] == port],
           {"*": {(who(server), "close"), (who(server), "scan")},
            "ESTABLISHED": {UNKNOWN, (who(server), "scan")}})


def test_garbage_collector_closes(stage: Stage) -> None:
    """Sockets in flight that nobody can receive are closed, since Linux 6.9 by a kernel thread."""
    server, client = stage.server(), stage.actor("client")
    port = connect(client, server)
    client.run("""
a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
socket.send_fds(a, [b"x"], [c.fileno(), a.fileno(), b.fileno()])
for one in (a, b, c):
    one.close()
# The end of any AF_UNIX socket makes the collector look.
socket.socket(socket.AF_UNIX).close()""")
    assert server.ask("len(s.recv(1))") == 0
    server.run("s.close()")
    expect(stage.client(port), {"*": (who(client), "connect")})


@pytest.mark.every_kernel
def test_worker_connects(stage: Stage) -> None:
    """A kernel thread opens the second subflow of MPTCP, and a kernel thread is never the owner."""
    stage.netns.ip("addr", "add", "192.0.2.1/32", "dev", "lo")
    stage.netns.ip("addr", "add", "192.0.2.2/32", "dev", "lo")
    server, client = stage.actor("server"), stage.actor("client")
    for one in (server, client):
        if one.ask("(lambda: [socket.socket(proto=262).close(), 0])()[1] "
                   "if os.path.exists('/proc/sys/net/mptcp/enabled') else 1"):
            pytest.skip("no MPTCP")
    try:
        stage.netns.ip("mptcp", "limits", "set", "subflows", "2", "add_addr_accepted", "2")
        stage.netns.ip("mptcp", "endpoint", "add", "192.0.2.2", "dev", "lo", "subflow")
    except AssertionError as why:
        pytest.skip(f"ip mptcp: {why}")
    server.run(f"l = socket.socket(proto=262); l.bind(('192.0.2.1', {PORT})); l.listen()")
    client.run(f"c = socket.socket(proto=262); c.connect(('192.0.2.1', {PORT}))")
    server.run("s, _ = l.accept()")
    # Once the first data is acknowledged, subflows can be added.
    client.run("c.send(b'x')")
    server.run("s.recv(1); s.send(b'y')")
    client.run("c.recv(1)")
    stage.tracer.wait_for(lambda rows: [
        row for row in rows if row["laddr"] == "192.0.2.2" and row["to"] == "ESTABLISHED"],
        limit_s=LIMIT_S)
    client.run("c.close()")
    server.run("s.close(); l.close()")
    rows = stage.tracer.wait_for(lambda rows: [
        row for row in rows if row["laddr"] == "192.0.2.2" and row["to"] in ENDED] and list(rows),
        limit_s=LIMIT_S)
    named = {Process(row["pid"], row["comm"]) for row in rows if row["owner"]}
    assert named <= {who(client), who(server)}
    opened = [row for row in rows if row["laddr"] == "192.0.2.2" and row["from"] == "CLOSE"]
    expect(opened, {"*": UNKNOWN})


@pytest.mark.parametrize("threads", on_every_kernel([0, 300], 0))
def test_closed_on_both_sides_at_once(threads: int, netns: Netns,
                                      tracer: Callable[..., Tracer]) -> None:
    """A FIN that comes while the owner is in close(): its descriptor is gone, the socket is not.
    Whichever thread of the owner that is, it is found."""
    number = count(15_000, 300)
    running = tracer("--netns", str(netns.inode), "--from", "ESTABLISHED")
    done = netns.run([str(place.TOP / "build/tests/servers/collide"), str(PORT), str(number),
                      str(SPREAD_NS), str(threads)])
    assert done.stdout == "done\n", done
    rows = running.wait_for(lambda rows: len(rows) == 2 * number and list(rows), limit_s=LIMIT_S)
    came = Counter((row["comm"], "left" if row["lport"] == PORT else "right")
                   for row in rows if row["to"] == "CLOSE_WAIT")
    unknown = sum(number for (comm, _), number in came.items() if comm is None)
    assert {pair for pair in came if pair[0]} == {("left", "left"), ("right", "right")}, came
    # Of who is taken off its processor just there nothing more is seen; of others it was each 40th.
    assert unknown <= 3 + sum(came.values()) // 500, came


def test_interrupted_task_is_nobody(veth_pair: Veth, tracer: Callable[..., Tracer],
                                    cast: Cast) -> None:
    """Softirqs of a connection run on top of a task that has nothing to do with it."""
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("one processor: no task but the sender is interrupted")
    mine, other = sorted(os.sched_getaffinity(0))[:2]
    ends = veth_pair.client, veth_pair.server
    for netns in ends:
        netns.run(["sh", "-c", f"printf %x {1 << other} >"
                             "/sys/class/net/veth0/queues/rx-0/rps_cpus"])
    server, client = (cast.actor(name, netns) for name, netns in
                      (("server", veth_pair.server), ("client", veth_pair.client)))
    hog = cast.actor("hog")
    for actor, processor in ((server, mine), (client, mine), (hog, other)):
        actor.run(f"os.sched_setaffinity(0, [{processor}])")
    hog.send("while True: pass")
    running = [tracer("--netns", str(netns.inode)) for netns in ends]
    number = count(300)
    before = softirqs(other)
    server.run(f"l = socket.create_server(('', {PORT}), backlog=64)")
    server.send(f"for _ in range({number}): s, _ = l.accept(); s.recv(1); s.close()")
    client.run(f"for _ in range({number}): "
               f"socket.create_connection(('{veth_pair.server.ipv4}', {PORT})).close()")
    server.answer()
    for one, owner in zip(running, (client, server)):
        one.wait_for(lambda rows: sum(row["to"] in ENDED for row in rows) >= number,
                     limit_s=LIMIT_S)
        assert {Process(row["pid"], row["comm"]) for row in one.all_rows()} == {who(owner)}
    # The task was interrupted, often.
    assert softirqs(other) - before >= number


def softirqs(processor: int) -> int:
    """Returns how many softirqs for received packets a processor has run."""
    lines = Path("/proc/softirqs").read_text("utf-8").splitlines()
    column = lines[0].split().index(f"CPU{processor}")
    return next(int(line.split()[1 + column]) for line in lines if "NET_RX:" in line)
