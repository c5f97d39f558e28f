# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`tcpdwell diagnose` finds what is broken, with its owner and figures, and nothing that is well.

All scenes are staged at once, each in namespaces of its own, and one run looks at all of them.
Frames that are to be lost go to a hardware address that nobody has.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterator

import pytest

from harness import place, process
from harness.netns import Netns, Veth

Finding = dict[str, Any]

# Long enough for a peer to be silent for 10 s. The look also lasts until the players have done all
# that they do, for which an emulated processor needs longer.
LOOK_S = 15
OLDER = "2s"
FOUND = 10

HEAD = """
import ctypes, errno, fcntl, os, random, resource, select, signal, socket, struct, sys
import threading, time

def ready():
    print("ready", flush=True)
    sys.stdin.readline()

def attempt(function, *arguments):
    try:
        return function(*arguments)
    except OSError:
        return None

def name(text):
    open("/proc/self/comm", "w").write(text)

def stay():
    print("done", flush=True)
    sys.stdin.read()

def fork(title):
    # The child ends with its parent, even while it is stopped.
    if os.fork():
        return False
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    name(title)
    return True
"""

# The peer of the processes that lose what they send.
PEER = """
name("peer")
def serve(port, end):
    listener = socket.create_server(("0.0.0.0", port), backlog=64)
    def run():
        while True:
            end(listener.accept()[0])
    threading.Thread(target=run, daemon=True).start()
kept = []
serve(8000, kept.append)
serve(8001, lambda s: s.close())
later = []
serve(8002, later.append)
serve(8003, kept.append)
ready()
time.sleep(3)
for s in later:
    s.close()
stay()
"""

# A client whose segments are lost from the moment at which it is told to go on.
GONE = """
name("gone")
peer = sys.argv[1]
def connect(port, count):
    return [socket.create_connection((peer, port)) for _ in range(count)]
talks, closes, shut, alive = connect(8000, 2), connect(8000, 6), connect(8003, 6), connect(8000, 4)
for s in shut:
    s.shutdown(socket.SHUT_WR)
both = connect(8002, 6)
last = connect(8001, 6)
time.sleep(.3)
ready()
for s in alive:
    for option, value in ((socket.TCP_KEEPIDLE, 1), (socket.TCP_KEEPINTVL, 1),
                          (socket.TCP_KEEPCNT, 2)):
        s.setsockopt(socket.IPPROTO_TCP, option, value)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
for s in talks:
    s.send(b"x" * 1000)
for s in closes + both + last:
    s.close()
syns = [socket.socket() for _ in range(4)]
for s in syns:
    s.setblocking(False)
    attempt(s.connect, (peer, 9000))
stay()
"""

# A namespace in which much goes wrong without others.
LOCAL = """
name("broken")
full = socket.socket(); full.bind(("127.0.0.1", 8080)); full.listen(2)
waiting = []
for _ in range(6):
    s = socket.socket(); s.setblocking(False); attempt(s.connect, ("127.0.0.1", 8080))
    waiting.append(s)
itself = socket.socket(); itself.bind(("127.0.0.1", 45678)); itself.connect(("127.0.0.1", 45678))
sink = socket.create_server(("127.0.0.1", 8081), backlog=64)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
files = [open("/dev/null") for _ in range(42)]
ready()
for turn in range(60):
    s = socket.socket(); attempt(s.connect, ("127.0.0.1", 9)); s.close()
    s = socket.socket(); attempt(s.connect, ("203.0.113.9", 80)); s.close()
    s = socket.socket(); attempt(s.bind, ("127.0.0.1", 8080)); s.close()
    if turn < 12:
        s = socket.create_connection(("127.0.0.1", 8081)); t, _ = sink.accept()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)); s.close()
        t.close()
    time.sleep(.1)
stay()
"""

# It has more connections than local ports, and more timewait sockets than are allowed.
PORTS = """
name("busy")
listener = socket.create_server(("127.0.0.1", 8080), backlog=64)
ready()
for _ in range(60):
    s = socket.socket()
    if attempt(s.connect, ("127.0.0.1", 8080)) is None and s.getsockname()[1]:
        t, _peer = listener.accept()
        s.close(); t.close()
    else:
        s.close()
    time.sleep(.05)
stay()
"""

SCAN = """
name("scanner")
ready()
for host in range(1, 31):
    s = socket.socket(); attempt(s.connect, (f"127.0.1.{host}", 4444)); s.close()
stay()
"""

# This runs behind the router that the server is.
UNREACHABLE, LOST = "10.50.0", "10.51.0"

# An ICMP error comes while connect() has the socket; a non-blocking client learns of it by
# SO_ERROR. Others get no answer and soon give up, and some use many ports of one host. A router
# whose route is unreachable sends one error a second: without icmp_ratelimit, older kernels do not
# save up the right to send more.
GIVER = """
name("giver")
ready()
for turn in range(4):
    time.sleep(1.1)
    s = socket.socket(); s.setblocking(False); attempt(s.connect, ("10.50.0.1", 7000))
    select.select([], [s], [], .3); s.close()
for port in range(100, 140):
    s = socket.socket(); attempt(s.connect, (sys.argv[1], port)); s.close()
for turn in range(4):
    s = socket.socket(); s.settimeout(1.3); attempt(s.connect, ("10.51.0.1", 9001)); s.close()
for turn in range(6):
    s = socket.socket(); s.settimeout(.4); attempt(s.connect, ("10.51.0.1", 9002)); s.close()
stay()
"""

# Workers with a connection each, none of which is answered.
WORKERS = """
name("workers")
ready()
for number in range(4):
    if fork("worker"):
        s = socket.socket(); s.settimeout(120); attempt(s.connect, ("10.51.0.1", 9003))
        os._exit(0)
stay()
"""

# A client whose data is lost, and whose kernel does not try for long.
DIES = """
name("dies")
talks = [socket.create_connection((sys.argv[1], 8000)) for _ in range(4)]
ready()
for s in talks:
    s.send(b"x" * 100)
stay()
"""

# A server that closes first, and a client that checks now and then that the port answers.
CHECKED = """
listener = socket.create_server(("127.0.0.1", 8080), backlog=64)
if fork("server"):
    while True:
        s, _peer = listener.accept()
        if attempt(s.recv, 10):
            s.send(b"y")
        s.close()
listener.close()
name("checked")
ready()
for turn in range(100):
    with socket.create_connection(("127.0.0.1", 8080)) as s:
        s.send(b"x"); s.recv(10); s.recv(10)
    if turn % 20 == 0:
        s = socket.create_connection(("127.0.0.1", 8080))
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)); s.close()
    time.sleep(.05)
stay()
"""

# A server with a thread for each connection.
DATABASE = """
name("database")
listener = socket.create_server(("0.0.0.0", 5432), backlog=64)
def answer(s):
    while attempt(s.recv, 100):
        s.send(b"y")
def serve():
    while True:
        threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()
threading.Thread(target=serve, daemon=True).start()
ready()
stay()
"""

# A client that vanishes with a pool of connections, without a word, and comes back with another.
POOL = """
name("pool")
def ask(s):
    s.send(b"x"); s.recv(100)
def connect():
    pool = [socket.create_connection((sys.argv[1], 5432)) for _ in range(12)]
    for s in pool:
        ask(s)
    return pool
pool = connect()
ready()
for s in pool:
    s.setsockopt(socket.IPPROTO_TCP, 19, 1)  # TCP_REPAIR: no FIN is sent
    s.close()
time.sleep(3)
pool = connect()
while True:
    for s in pool[:6]:
        ask(s)
    time.sleep(.5)
"""

# Half closed, and at work: one side reads on what the other still sends.
HALF = """
name("half")
listener = socket.create_server(("127.0.0.1", 8080), backlog=64)
pairs = []
for _ in range(6):
    s = socket.create_connection(("127.0.0.1", 8080)); t, _peer = listener.accept()
    s.shutdown(socket.SHUT_WR); pairs.append((s, t))
ready()
while True:
    for s, t in pairs:
        t.send(b"x" * 100); s.recv(100)
    time.sleep(.2)
"""

LISTENER = """
name("flooded")
listener = socket.create_server(("0.0.0.0", 8080), backlog=128)
ready()
stay()
"""

# No SYN-ACK reaches these clients.
FLOOD = """
name("flood")
ready()
clients = [socket.socket() for _ in range(40)]
for s in clients:
    s.setblocking(False)
    attempt(s.connect, (sys.argv[1], 8080))
stay()
"""

# Three workers serve one connection each and accept no other; one was stopped before it accepted.
PREFORK = """
name("prefork")
listener = socket.create_server(("0.0.0.0", 8080), backlog=2)
if fork("stopped"):
    os.kill(os.getpid(), signal.SIGSTOP)
for number in range(3):
    if fork("worker"):
        kept = listener.accept()[0]
        kept.recv(1)
        os._exit(0)
ready()
stay()
"""
PATIENT = """
name("patient")
served = [socket.create_connection((sys.argv[1], 8080)) for _ in range(3)]
ready()
waiting = [socket.socket() for _ in range(3)]
for s in waiting:
    s.setblocking(False)
    attempt(s.connect, (sys.argv[1], 8080))
stay()
"""

# Each of these processes fails once in each way; only together they are worth a word.
FAMILY = """
name("family")
listener = socket.create_server(("127.0.0.1", 8080), backlog=64)
wait, go = os.pipe()
done, end = os.pipe()
for number in range(8):
    if fork("child"):
        os.close(go)
        left, reset = listener.accept()[0], listener.accept()[0]
        os.read(wait, 1)
        reset.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        reset.close()
        s = socket.socket(); attempt(s.connect, ("203.0.113.9", 80)); s.close()
        os.write(end, b"x")
        signal.pause()
mine = [socket.create_connection(("127.0.0.1", 8080)) for _ in range(16)]
ready()
os.close(go)
time.sleep(.5)
for s in mine:
    s.close()
for number in range(8):
    os.read(done, 1)
stay()
"""

# A server that closes what its clients do not read: there is no room for the FIN. The clients
# answer each probe.
DEAF = """
name("deaf")
listener = socket.create_server(("127.0.0.1", 8080), backlog=64)
clients = [socket.create_connection(("127.0.0.1", 8080)) for _ in range(6)]
for _ in clients:
    s = listener.accept()[0]
    s.setblocking(False)
    while attempt(s.send, bytes(65536)):
        pass
    s.close()
ready()
stay()
"""

# Servers that cannot have their ports, and a client without a route.
DENIED = """
name("denied")
def bound():
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", 8080))
    return s
first, second = bound(), bound()
first.listen()
ready()
attempt(second.listen)
for host in range(25):
    s = socket.socket(); attempt(s.connect, (f"203.0.113.{host}", 443)); s.close()
if fork("nobody"):
    os.setresuid(65534, 65534, 65534)
    s = socket.socket(); attempt(s.bind, ("127.0.0.1", 80))
    os._exit(0)
stay()
"""

# A server whose accept() fails, beside one that is too slow, and accepts a connection a second.
FEW_FILES = """
name("few")
full = socket.create_server(("127.0.0.1", 8080), backlog=64)
slow = socket.create_server(("127.0.0.1", 8081), backlog=1)
def call(port):
    s = socket.socket(); s.setblocking(False); attempt(s.connect, ("127.0.0.1", port))
    return s
waiting = [call(8080) for _ in range(4)] + [call(8081) for _ in range(12)]
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
ready()
slow.setblocking(False)
for _ in range(2):
    slow.accept()[0].close()
    time.sleep(.5)
files = []
while (file := attempt(open, "/dev/null")):
    files.append(file)
while True:
    attempt(full.accept)
    time.sleep(1)
"""

# These are well: a server at work, a pool of idle connections with keep-alive, and idle clients.
WELL = """
name("well")
listener = socket.create_server(("127.0.0.1", 8080), backlog=512)
def serve():
    while True:
        s, _ = listener.accept()
        threading.Thread(target=answer, args=(s,), daemon=True).start()
def answer(s):
    while s.recv(100):
        s.send(b"y" * 100)
    s.close()
threading.Thread(target=serve, daemon=True).start()
pool = [socket.create_connection(("127.0.0.1", 8080)) for _ in range(50)]
for s in pool:
    s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
idle = [socket.create_connection(("127.0.0.1", 8080)) for _ in range(50)]
deferred = socket.create_server(("127.0.0.1", 8081), backlog=64)
deferred.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 60)
silent = [socket.create_connection(("127.0.0.1", 8081)) for _ in range(40)]
ready()
while True:
    with socket.create_connection(("127.0.0.1", 8080)) as s:
        s.send(b"x"); s.recv(100)
    time.sleep(.005)
"""


@dataclass
class Player:
    child: subprocess.Popen[str]
    stays: bool  # when it has done all that it does; others go on

    @classmethod
    def start(cls, netns: Netns, text: str, *arguments: str) -> Player:
        child = netns.spawn([sys.executable, "-c", HEAD + text, *arguments], text=True,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert child.stdout and child.stdout.readline() == "ready\n"
        return cls(child, "stay()" in text)

    def go(self) -> None:
        assert self.child.stdin
        self.child.stdin.write("go\n")
        self.child.stdin.flush()

    def wait(self) -> None:
        """Waits until it has done all that it does."""
        assert self.child.stdout and (not self.stays or self.child.stdout.readline() == "done\n")


def lose(netns: Netns, peer: str) -> None:
    """Makes everything that netns sends to peer get lost from now on."""
    netns.ip("neigh", "replace", peer, "lladdr", "02:00:00:00:00:01", "nud", "permanent",
             "dev", "veth0")


def behind_router(pair: Veth) -> None:
    """Makes the server a router, to a host that cannot be reached and to one where all is lost."""
    for way, prefix in (("unreachable", UNREACHABLE), ("blackhole", LOST)):
        pair.server.ip("route", "add", way, f"{prefix}.0/24")
        pair.client.ip("route", "add", f"{prefix}.0/24", "via", pair.server.ipv4)
    pair.server.sysctl("net/ipv4/ip_forward", 1)
    pair.server.sysctl("net/ipv4/icmp_ratelimit", 0)


class Scene:
    """What is staged, and what one look at it found."""

    def __init__(self) -> None:
        self.made: list[Any] = []
        self.players: dict[str, Player] = {}
        self.netns: dict[str, Netns] = {}
        self.found: list[Finding] = []
        self.status = 0
        self.text = ""

    def alone(self, name: str, text: str, **settings: object) -> None:
        netns = Netns.make()
        self.made.append(netns)
        for setting, value in settings.items():
            netns.sysctl(f"net/ipv4/{setting}", value)
        self.netns[name] = netns
        self.players[name] = Player.start(netns, text)

    def pair(self, server: str, server_text: str, client: str, client_text: str) -> Veth:
        pair = Veth.make()
        self.made.append(pair)
        self.netns[server], self.netns[client] = pair.server, pair.client
        self.players[server] = Player.start(pair.server, server_text)
        self.players[client] = Player.start(pair.client, client_text, pair.server.ipv4)
        return pair

    def look(self) -> None:
        child = subprocess.Popen([place.tcpdwell(), "diagnose", "-d", "1h", "--older", OLDER,
                                  "-o", "json", *place.backend()],
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert child.stderr
        said = []
        for line in child.stderr:
            said.append(line)
            if "tracing" in line:
                break
        for player in self.players.values():
            player.go()
        time.sleep(LOOK_S)
        for player in self.players.values():
            player.wait()
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=process.LIMIT_S)
        self.found = [json.loads(line) for line in out.splitlines()]
        self.status, self.text = child.returncode, "".join(said) + err

    def of(self, name: str, which: str) -> list[Finding]:
        return [f for f in self.found
                if f["id"] == which and f["netns"] == self.netns[name].inode]

    def one(self, name: str, which: str) -> Finding:
        found = self.of(name, which)
        ids = [(f["id"], f["netns"]) for f in self.found]
        assert len(found) == 1, (which, self.netns[name].inode, ids, self.text)
        return found[0]

    def owned(self, name: str, which: str) -> Finding:
        """Returns the one such finding, and checks whose it is."""
        finding = self.one(name, which)
        player = self.players[name].child
        assert finding["pid"] == player.pid
        assert finding["comm"] == Path(f"/proc/{player.pid}/comm").read_text("ascii").strip()
        return finding

    def remove(self) -> None:
        for player in self.players.values():
            process.end(player.child)
        for made in reversed(self.made):
            made.remove()


@pytest.fixture(scope="module", name="scene")
def _scene() -> Iterator[Scene]:
    scene = Scene()
    try:
        gone = scene.pair("peer", PEER, "gone", GONE)
        flood = scene.pair("flooded", LISTENER, "flood", FLOOD)
        scene.alone("broken", LOCAL)
        scene.alone("ports", PORTS, ip_local_port_range="40000 40019", tcp_tw_reuse=0)
        scene.alone("overflow", PORTS, tcp_max_tw_buckets=1)
        scene.alone("scanner", SCAN)
        scene.alone("well", WELL)
        scene.alone("half", HALF)
        giver = scene.pair("target", "ready(); stay()", "giver", GIVER)
        behind_router(giver)
        behind_router(scene.pair("router", "ready(); stay()", "workers", WORKERS))
        scene.alone("checked", CHECKED)
        scene.pair("database", DATABASE, "pool", POOL)
        scene.pair("prefork", PREFORK, "patient", PATIENT)
        scene.alone("family", FAMILY)
        scene.alone("denied", DENIED)
        scene.alone("deaf", DEAF)
        scene.alone("few", FEW_FILES)
        dies = scene.pair("sink", PEER, "dies", DIES)
        dies.client.sysctl("net/ipv4/tcp_retries2", 3)
        lose(dies.client, dies.server.ipv4)
        lose(gone.client, gone.server.ipv4)
        lose(flood.server, flood.client.ipv4)
        scene.look()
        yield scene
    finally:
        scene.remove()


def test_something_is_wrong(scene: Scene) -> None:
    assert scene.status == FOUND
    severities = ["critical", "warning", "note"]
    order = [severities.index(f["severity"]) for f in scene.found]
    assert order == sorted(order)


def test_each_says_what_who_and_why(scene: Scene) -> None:
    for finding in scene.found:
        assert finding["type"] == "finding" and finding["seen"], finding
        assert finding["title"] and finding["do"] and finding["more"], finding
        assert set(finding["grew"]) <= set(finding["seen"]), finding


def test_syn_unanswered(scene: Scene) -> None:
    finding = scene.owned("gone", "syn_unanswered")
    assert (finding["rport"], finding["seen"]["in_syn_sent"]) == (9000, 4)
    assert finding["raddr"] == scene.netns["peer"].ipv4
    assert finding["seen"]["syns_sent_again"] >= 2
    assert finding["ends_by"] == "net.ipv4.tcp_syn_retries"


def test_half_open(scene: Scene) -> None:
    finding = scene.owned("gone", "half_open")
    assert finding["seen"]["connections"] == 2 and finding["seen"]["sent_again"] >= 4
    assert finding["seen"]["unacknowledged_bytes"] == 2000
    assert (finding["ends"], finding["ends_by"]) == ("within", "net.ipv4.tcp_retries2")


@pytest.mark.parametrize("which", ["stuck_fin_wait1", "stuck_last_ack", "stuck_closing"])
def test_stuck(scene: Scene, which: str) -> None:
    finding = scene.one("gone", which)
    assert finding["seen"]["connections"] == 6 and finding["seen"]["fin_sent_again"] >= 3
    assert finding["ends_by"] == "net.ipv4.tcp_orphan_retries" and finding["pid"] is None
    assert finding["settings"]["net.ipv4.tcp_orphan_retries"] == 0


def test_stuck_fin_wait2(scene: Scene) -> None:
    finding = scene.owned("gone", "stuck_fin_wait2")
    assert finding["seen"]["connections"] == 6 and finding["ends"] == "never"


def test_close_wait_leak(scene: Scene) -> None:
    finding = scene.owned("peer", "close_wait_leak")
    assert (finding["lport"], finding["count"], finding["ends"]) == (8003, 6, "never")


def test_keepalive_died(scene: Scene) -> None:
    finding = scene.owned("gone", "keepalive_died")
    assert finding["seen"]["died"] == 4 and finding["errno"] == "ETIMEDOUT"


def test_syn_flood(scene: Scene) -> None:
    finding = scene.owned("flooded", "syn_flood")
    assert finding["lport"] == 8080 and finding["seen"]["half_open_old"] >= 16
    assert finding["seen"]["half_open"] == 40 and finding["seen"]["sources"] == 1
    assert finding["settings"]["net.ipv4.tcp_syncookies"] in (0, 1, 2)
    more = finding["more"].split()
    done = process.run([place.tcpdwell(), *more[1:], "-o", "json"])
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert {(row["state"], row["lport"]) for row in rows} == {("SYN_RECV", 8080)}, done.stderr


def test_accept_queue_full(scene: Scene) -> None:
    finding = scene.owned("broken", "accept_queue_full")
    assert (finding["lport"], finding["severity"]) == (8080, "critical")
    assert finding["seen"]["waiting"] == 3 and finding["seen"]["backlog"] == 2


def test_busy_workers(scene: Scene) -> None:
    """Each process that has the listener tells what it does, and the one that is stopped is named.
    """
    finding = scene.one("prefork", "accept_queue_full")
    seen = finding["seen"]
    assert (seen["waiting"], seen["processes"], seen["other_connections"]) == (3, 5, 3)
    assert (finding["comm"], seen["stopped"]) == ("stopped", 1)
    assert seen.get("accepted", 0) == 0  # in the time
    assert "3 sleep in recv()" in finding["why"] and "1 is stopped" in finding["why"]
    assert "kill -CONT" in finding["do"]


def test_calls_of_accept(scene: Scene, require: Any) -> None:
    require("failed_calls")
    by_port = {f["lport"]: f for f in scene.of("few", "accept_queue_full")}
    assert by_port[8080]["errno"] == "EMFILE" and "no descriptor" in by_port[8080]["why"]
    assert by_port[8081]["seen"]["accepted"] == 2 and "accepted" in by_port[8081]["grew"]
    assert not scene.of("few", "syn_flood")  # each cookie was answered
    assert scene.players["few"].child.pid in [
        f["pid"] for f in scene.found if f["id"] == "descriptors"]


def test_connect_failing(scene: Scene, require: Any) -> None:
    by_errno = {f["errno"]: f for f in scene.of("broken", "connect_failing")}
    assert by_errno["ECONNREFUSED"]["rport"] == 9
    assert by_errno["ECONNREFUSED"]["seen"]["failed"] >= 60
    require("failed_calls")
    assert by_errno["ENETUNREACH"]["raddr"] == "203.0.113.9"
    assert by_errno["ENETUNREACH"]["seen"]["failed"] == 60


def test_address_in_use(scene: Scene, require: Any) -> None:
    require("failed_calls")
    finding = scene.owned("broken", "address_in_use")
    assert finding["lport"] == 8080 and "listens there" in finding["why"]


def test_address_of_another(scene: Scene, require: Any) -> None:
    """listen() fails if another socket with SO_REUSEADDR listens, bind() if root alone may have it.
    """
    require("failed_calls")
    by_errno = {f["errno"]: f for f in scene.of("denied", "address_in_use")}
    taken, forbidden = by_errno["EADDRINUSE"], by_errno["EACCES"]
    assert (taken["comm"], taken["lport"]) == ("denied", 8080) and "listens there" in taken["why"]
    assert (forbidden["comm"], forbidden["lport"]) == ("nobody", 80)
    assert forbidden["settings"] == {"net.ipv4.ip_unprivileged_port_start": 1024}


def test_no_route_to_many(scene: Scene, require: Any) -> None:
    """There is one finding for all addresses."""
    require("failed_calls")
    finding = scene.owned("denied", "connect_failing")
    assert finding["seen"] == {"failed": 25, "destinations": 25}
    assert (finding["errno"], finding["raddr"], finding["rport"]) == ("ENETUNREACH", None, 443)


def test_no_room_for_the_fin(scene: Scene) -> None:
    finding = scene.one("deaf", "stuck_fin_wait1")
    assert finding["seen"]["connections"] == 6 and "reads nothing" in finding["why"]
    assert finding["ends_by"] == "net.ipv4.tcp_orphan_retries"


@pytest.mark.parametrize("which, figure", [
    ("resets", "resets_sent"), ("close_wait_leak", "connections"), ("connect_failing", "failed")])
def test_processes_of_one_program(scene: Scene, require: Any, which: str, figure: str) -> None:
    if which == "connect_failing":
        require("failed_calls")
    found = [f for f in scene.of("family", which) if f["comm"] == "child"]
    assert len(found) == 1 and found[0]["seen"][figure] == found[0]["seen"]["processes"] == 8


def test_resets(scene: Scene) -> None:
    """Both ends are the process's own."""
    found = scene.of("broken", "resets")
    sent, received = sorted(found, key=lambda f: "resets_sent" not in f["seen"])
    assert sent["seen"]["resets_sent"] == 12 and received["seen"]["resets_received"] == 12
    assert sent["pid"] == received["pid"] == scene.players["broken"].child.pid


def test_descriptors(scene: Scene) -> None:
    player = scene.players["broken"].child
    found = [f for f in scene.found if f["id"] == "descriptors" and f["pid"] == player.pid]
    assert len(found) == 1 and found[0]["seen"]["limit"] == 64


def test_self_connect(scene: Scene) -> None:
    finding = scene.owned("broken", "self_connect")
    assert finding["lport"] == finding["rport"] == 45678
    assert (finding["ends"], finding["ends_ns"], finding["ends_by"]) == ("never", None, None)


def test_ports_exhausted(scene: Scene) -> None:
    finding = scene.one("ports", "ports_exhausted")
    assert finding["seen"]["ports"] == 20 and finding["seen"]["used_percent"] >= 80
    assert finding["settings"]["net.ipv4.ip_local_port_range.low"] == 40000


def test_timewait_overflow(scene: Scene) -> None:
    assert scene.one("overflow", "timewait_overflow")["seen"]["closed_without"] > 1


def test_scan(scene: Scene) -> None:
    finding = scene.owned("scanner", "scan")
    assert (finding["rport"], finding["seen"]["addresses"]) == (4444, 30)


def test_icmp_error_that_does_not_end_it(scene: Scene) -> None:
    by_port = {f["rport"]: f for f in scene.of("giver", "connect_failing")}
    assert by_port[7000]["errno"] == "EHOSTUNREACH"
    assert by_port[7000]["seen"]["failed"] == 4


def test_many_ports_of_one_host(scene: Scene) -> None:
    by_port = {f["rport"]: f for f in scene.of("giver", "connect_failing")}
    assert by_port[None]["seen"] == {"failed": 40, "remote_ports": 40}
    assert by_port[None]["raddr"] == scene.netns["target"].ipv4


def test_given_up(scene: Scene) -> None:
    found = [f for f in scene.of("giver", "syn_unanswered") if f["rport"] == 9001]
    assert len(found) == 1 and found[0]["pid"] == scene.players["giver"].child.pid
    assert found[0]["seen"]["given_up"] == 4


def test_given_up_in_haste(scene: Scene) -> None:
    """The SYN is not sent a second time in so short a time."""
    found = [f for f in scene.of("giver", "syn_unanswered") if f["rport"] == 9002]
    assert len(found) == 1 and found[0]["pid"] == scene.players["giver"].child.pid
    assert found[0]["seen"]["given_up"] == 6
    assert 300e6 < found[0]["seen"]["longest_wait_ns"] < 1e9


def test_workers(scene: Scene) -> None:
    finding = scene.one("workers", "syn_unanswered")
    assert (finding["comm"], finding["rport"]) == ("worker", 9003)
    assert finding["seen"]["in_syn_sent"] == finding["seen"]["processes"] == 4


def test_data_died(scene: Scene) -> None:
    finding = scene.owned("dies", "half_open")
    assert (finding["seen"], finding["errno"]) == ({"died": 4}, "ETIMEDOUT")
    assert finding["settings"]["net.ipv4.tcp_retries2"] == 3


def test_pool_that_came_back(scene: Scene) -> None:
    finding = scene.owned("database", "half_open")
    assert finding["seen"] == {"suspects": 12, "peers": 1} and finding["ends"] == "never"


@pytest.mark.parametrize("name", ["well", "half", "checked"])
def test_what_is_well_is_not_found(scene: Scene, name: str) -> None:
    assert [f for f in scene.found if f["netns"] == scene.netns[name].inode] == []


def test_what_is_over_goes(netns: Netns) -> None:
    """There is one line when it comes and one when it goes; the status is that of the last look."""
    watch = subprocess.Popen([place.tcpdwell(), "diagnose", "--watch", "-i", "1s", "--netns",
                              netns.path, *place.backend()], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True)
    assert watch.stderr and watch.stdout
    try:
        assert any("tracing" in line for line in watch.stderr)
        player = Player.start(netns, "ready()\nfor _ in range(9):\n    s = socket.socket(); "
                              "attempt(s.connect, ('127.0.0.1', 9)); s.close()\n")
        player.go()
        came, went = watch.stdout.readline(), watch.stdout.readline()
        assert "+ warning connect_failing" in came and "failed +9" in came
        assert "- warning connect_failing" in went
        watch.send_signal(signal.SIGINT)
        assert watch.wait(timeout=process.LIMIT_S) == 0
        process.end(player.child)
    finally:
        process.end(watch)


def test_no_such_namespace() -> None:
    """A namespace that does not exist is not reported as well."""
    done = subprocess.run([place.tcpdwell(), "diagnose", "-d", "1s", "--netns", "1"],
                          capture_output=True, text=True, check=False, timeout=process.LIMIT_S)
    assert done.returncode == 3 and "--netns" in done.stderr and not done.stdout


def test_nothing_wrong(netns: Netns) -> None:
    done = subprocess.run([place.tcpdwell(), "diagnose", "-d", "1s", "--netns", netns.path,
                           *place.backend()], capture_output=True, text=True, check=False,
                          timeout=process.LIMIT_S)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("nothing wrong among 0 sockets (0 listeners) in 1 network ")
