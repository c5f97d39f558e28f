# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Hosts that are healthy, about which `diagnose` has nothing to say.

Each is a network namespace of its own, in which programs do for some time what sound programs do.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Callable

from . import place, process
from .netns import Netns
from .server import Nginx

HEAD = """
import os, random, resource, select, signal, socket, sys, threading, time

seconds, size = float(sys.argv[1]), int(sys.argv[2])
end = time.monotonic() + seconds
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

def name(text):
    open("/proc/self/comm", "w").write(text)

def ready():
    print("ready", flush=True)

def answer(listener):
    # One thread for all: who says something is answered, who ends is closed.
    poll = select.epoll()
    poll.register(listener, select.EPOLLIN)
    clients = {}
    while True:
        for fd, _ in poll.poll():
            if fd == listener.fileno():
                client, _ = listener.accept()
                clients[client.fileno()] = client
                poll.register(client, select.EPOLLIN)
            elif data := clients[fd].recv(4096):
                clients[fd].send(data)
            else:
                poll.unregister(fd)
                clients.pop(fd).close()

def serve(port, backlog=1024):
    listener = socket.create_server(("", port), backlog=backlog)
    threading.Thread(target=answer, args=(listener,), daemon=True).start()

def ask(s):
    s.send(b"?" * 100)
    while s.recv(4096) == b"":
        raise SystemExit("closed")
"""

# A pool of connections with keep-alive, a few of which are in use at a time.
POOL = """
if not os.fork():
    name("database")
    serve(5432)
    time.sleep(seconds + 60)
name("app")
time.sleep(.5)
pool = [socket.create_connection(("127.0.0.1", 5432)) for _ in range(size)]
for s in pool:
    s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
ready()
while time.monotonic() < end:
    ask(random.choice(pool[:size // 10]))
    time.sleep(.01)
time.sleep(60)
"""

# A proxy with clients that do nothing, each at a separate address; some come and go.
PROXY = """
def connect(number):
    s = socket.socket()
    s.bind((f"127.{1 + number // 62500}.{number // 250 % 250}.{1 + number % 250}", 0))
    s.connect(("127.0.0.1", 8080))
    return s
if not os.fork():
    name("proxy")
    serve(8080, 4096)
    time.sleep(seconds + 60)
name("clients")
time.sleep(.5)
idle = [connect(number) for number in range(size)]
ready()
number = size
while time.monotonic() < end:
    with connect(number) as s:
        ask(s)
    number += 1
    time.sleep(.01)
time.sleep(60)
"""

# Services that start in any order; those that they need may come up a little later.
BOOT = """
def need(port):
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port))
        except ConnectionRefusedError:
            time.sleep(2)
def service(number):
    name(f"service{number}")
    time.sleep(random.random() * 2)
    serve(9000 + number, 128)
    needed = need(9000 + number // 2) if number else None
    if needed:
        needed.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    while time.monotonic() < end:
        if needed:
            ask(needed)
        time.sleep(1)
    time.sleep(60)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
ready()
children = []
for number in range(size):
    pid = os.fork()
    if not pid:
        service(number)
        os._exit(0)
    children.append(pid)
def stop(*_):
    for pid in children:
        os.kill(pid, signal.SIGKILL)
    os._exit(0)
signal.signal(signal.SIGTERM, stop)
while True:
    time.sleep(1)
"""


def _play(netns: Netns, text: str, seconds: float, size: int) -> None:
    # It has a process group of its own, so what it forks ends with it.
    child = netns.spawn([sys.executable, "-c", HEAD + text, str(seconds), str(size)], text=True,
                        stdout=subprocess.PIPE)
    assert child.stdout and child.stdout.readline() == "ready\n"


def _load(netns: Netns, tool: str, *arguments: str) -> None:
    """A load generator of the benchmark, which starts when it gets its first line."""
    path = place.TOP / "build/tools" / tool
    child = netns.spawn([str(path), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                        text=True)
    assert child.stdin and child.stdout and child.stdout.readline() == "ready\n"
    child.stdin.write("go\n")
    child.stdin.flush()


def pool(netns: Netns, seconds: float, _folder: Path) -> None:
    _play(netns, POOL, seconds, 200)


def proxy(netns: Netns, seconds: float, _folder: Path) -> None:
    """Ten thousand clients, if there is time to make them."""
    _play(netns, PROXY, seconds, 10000 if seconds > 60 else 1000)


def nginx(netns: Netns, _seconds: float, folder: Path) -> None:
    """Pages as fast as curl fetches them: on connections that either side closes, or many share."""
    folder.chmod(0o755)  # for the user of the workers
    server = Nginx(netns, folder, netns.ipv4)
    for page in ("first", "last"):
        url = f"http://{netns.ipv4}:{server.port}/{page}?[1-1000000000]"
        netns.spawn(["curl", "-s", "-o", "/dev/null", url])
    url = f"http://{netns.ipv4}:{server.port}/last?[1-1000000000]"
    netns.spawn(["curl", "-s", "-o", "/dev/null", "-H", "Connection: close", url])


def full_speed(netns: Netns, seconds: float, _folder: Path) -> None:
    """A server that closes first, and clients as fast as they can."""
    _load(netns, "load_async", "-t", str(seconds), "-c", "2", "-s", "2")


def load_test(netns: Netns, seconds: float, _folder: Path) -> None:
    """It ends by itself during the look, and leaves its timewait sockets behind."""
    _load(netns, "load", "-t", str(seconds / 2), "-c", "4", "-s", "2", "-w", "5000")


def boot(netns: Netns, seconds: float, _folder: Path) -> None:
    _play(netns, BOOT, seconds, 200)


SCENES: dict[str, Callable[[Netns, float, Path], None]] = {
    "pool": pool, "proxy": proxy, "nginx": nginx, "full_speed": full_speed,
    "load_test": load_test, "boot": boot,
}


def diagnose(name: str, seconds: float) -> subprocess.CompletedProcess[str]:
    """What `diagnose` says about such a host, which it watches the whole time."""
    netns = Netns.make()
    try:
        with tempfile.TemporaryDirectory() as folder:
            try:
                SCENES[name](netns, seconds, Path(folder))
                return subprocess.run([place.tcpdwell(), "diagnose", "-d", f"{seconds:g}s",
                                       "--netns", netns.path, *place.backend()],
                                      capture_output=True, text=True, check=False,
                                      timeout=seconds + process.LIMIT_S)
            finally:
                _end_children(netns)
    finally:
        netns.remove()


def _end_children(netns: Netns) -> None:
    """Ends what the players forked; nothing else is in their namespace."""
    pids = netns_pids(netns)
    for child in netns.children:
        process.end(child)
    for pid in pids:
        subprocess.run(["kill", "-KILL", str(pid)], capture_output=True, check=False)


def netns_pids(netns: Netns) -> list[int]:
    done = subprocess.run(["ip", "netns", "pids", netns.name], capture_output=True, text=True,
                          check=False)
    return [int(pid) for pid in done.stdout.split() if Path(f"/proc/{pid}").exists()]
