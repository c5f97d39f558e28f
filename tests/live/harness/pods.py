# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Pods that come and go, each with a cgroup, a named network namespace and the files of a kubelet;
and what a `tcpdwell export` beside them takes."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import signal
import socket
import struct
import time
import traceback
import uuid
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, NamedTuple

from . import bpfmap, cgroup, within
from .metrics import LIMIT_S, Export
from .netns import Netns

_CLONE_NEWNET, _MS_BIND, _MNT_DETACH = 0x40000000, 4096, 2
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1
# Hash tables, including those of each processor and those of the least recently used
# (include/uapi/linux/bpf.h).
_HASHES = {bpfmap.HASH, 5, 9, 10}
NETNS_FOLDER = Path("/run/netns")
SPACE = "churn"

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _enter_new_netns(name: str) -> None:
    """Does what `ip netns add` does, and sets the loopback device up."""
    _check(_libc.unshare(_CLONE_NEWNET))
    path = NETNS_FOLDER / name
    path.touch(mode=0o444)
    _check(_libc.mount(b"/proc/self/ns/net", os.fsencode(path), b"none", _MS_BIND, None))
    with socket.socket() as any_socket:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack_from("h", fcntl.ioctl(any_socket, _SIOCGIFFLAGS, request), 16)[0]
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | _IFF_UP))


def _live(number: int) -> Any:
    """A server with its clients: connections that end either way, one open, one that leaks."""
    kept = []
    listener = socket.create_server(("127.0.0.1", 8000 + number % 1000))
    for how in ("open", "leak", "fin", "reset"):
        client = socket.create_connection(listener.getsockname())
        server = listener.accept()[0]
        client.sendall(b"x")
        server.recv(1)
        if how == "reset":
            within.reset(client)
        elif how == "fin":
            server.close()
            client.recv(1)
        elif how == "leak":
            client.shutdown(socket.SHUT_WR)
        if how in ("open", "leak"):
            kept += [client, server]
    return listener, kept


class Pod(NamedTuple):
    """A pod that lives: its process, and what was made for it."""

    pid: int
    netns: str
    folders: list[Path]
    links: list[Path]


class Pods:
    """Makes and removes pods below a cgroup of its own; @root has what stands for /var/log."""

    def __init__(self, root: Path) -> None:
        self.log = root / "log"
        for folder in ("pods", "containers"):
            (self.log / folder).mkdir(parents=True, mode=0o755)
        self.top = cgroup.Cgroup()
        self.folder = Path(f"{cgroup.mounted()}{self.top.path}/kubepods")
        self.folder.mkdir()
        self.made = 0
        # ip-netns(8) prepares the folder of names.
        Netns.make().remove()
        self._alive: deque[Pod] = deque()

    def __enter__(self) -> Pods:
        return self

    def __exit__(self, *unused: object) -> None:
        self.keep(0)
        self.folder.rmdir()
        self.top.remove()

    def wrap(self, argv: list[Any]) -> list[Any]:
        """A command that runs argv where the files of these pods are those of the host."""
        return ["unshare", "--mount", "--propagation", "slave", "sh", "-c",
                'mount --bind "$0" /var/log && exec "$@"', str(self.log), *argv]

    def add(self) -> None:
        self.made += 1
        uid, ident = str(uuid.uuid4()), os.urandom(32).hex()
        pod, netns = f"web-{self.made}", f"tcpdwell-{os.getpid()}-pod{self.made}"
        outer = self.folder / f"pod{uid}"
        inner = outer / ident
        inner.mkdir(parents=True)
        logs = self.log / "pods" / f"{SPACE}_{pod}_{uid}"
        (logs / "app").mkdir(parents=True, mode=0o755)
        link = self.log / "containers" / f"{pod}_{SPACE}_app-{ident}.log"
        link.symlink_to("/none")
        pid = self._start(inner, netns)
        self._alive.append(Pod(pid, netns, [inner, outer, logs / "app", logs], [link]))

    def _start(self, folder: Path, netns: str) -> int:
        reader, writer = os.pipe()
        pid = os.fork()
        if pid:
            os.close(writer)
            ready = os.read(reader, 1)
            os.close(reader)
            assert ready, "a pod did not start"
            return pid
        try:
            (folder / "cgroup.procs").write_text(str(os.getpid()), encoding="ascii")
            _enter_new_netns(netns)
            kept = _live(self.made)
            os.write(writer, b"+")
            while kept:
                signal.pause()
        except BaseException:  # pylint: disable=broad-except
            traceback.print_exc()
        finally:
            os._exit(1)

    def remove_oldest(self) -> None:
        pod = self._alive.popleft()
        os.kill(pod.pid, signal.SIGKILL)
        os.waitpid(pod.pid, 0)
        path = NETNS_FOLDER / pod.netns
        _check(_libc.umount2(os.fsencode(path), _MNT_DETACH))
        path.unlink()
        for link in pod.links:
            link.unlink()
        for folder in pod.folders:
            self._remove_folder(folder)

    @staticmethod
    def _remove_folder(folder: Path) -> None:
        """A cgroup may be busy for a moment after its last process."""
        for _ in range(100):
            try:
                folder.rmdir()
                return
            except OSError as why:
                if why.errno != errno.EBUSY:
                    raise
            time.sleep(0.05)
        raise AssertionError(f"{folder} stays busy")

    def keep(self, count: int) -> None:
        while len(self._alive) > count:
            self.remove_oldest()


# ---- What it takes -------------------------------------------------------------------------------


@dataclass
class Taken:
    """What a tcpdwell takes at a time: memory of both of its processes, series, elements of its
    maps."""

    seconds: float
    pods: int
    resident_kb: int
    peak_kb: int
    helper_kb: int
    series: int
    page_bytes: int
    groups: int
    elements: int
    map_kb: int
    descriptors: int


def status_kb(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    raise AssertionError(f"{pid} has no {name}")


def _children(pid: int) -> list[int]:
    return [int(word) for word in
            Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()]


def _elements(pid: int) -> int:
    """The elements of hash tables. Other maps never change their size."""
    maps = bpfmap.of_process(pid)
    count = sum(1 for one in maps if one.kind in _HASHES for _ in one.keys())
    for one in maps:
        one.close()
    return count


def _map_kb(pid: int) -> int:
    """What the kernel counts for the maps."""
    seen: dict[str, int] = {}
    for path in Path(f"/proc/{pid}/fdinfo").iterdir():
        try:
            text = path.read_text("ascii")
        except FileNotFoundError:  # closed meanwhile
            continue
        facts = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
        if "map_id" in facts:
            seen[facts["map_id"]] = int(facts["memlock"])
    return sum(seen.values()) // 1024


def take(exporter: Export, made: Pods, began: float) -> Taken:
    pid = exporter.running.child.pid
    got = exporter.metrics()
    return Taken(
        seconds=round(time.monotonic() - began, 1), pods=made.made,
        resident_kb=status_kb(pid, "VmRSS"), peak_kb=status_kb(pid, "VmHWM"),
        helper_kb=sum(status_kb(child, "VmRSS") for child in _children(pid)),
        series=len(got.samples), page_bytes=len(got.text),
        groups=len(got.labels("tcpdwell_connections", "pod")), elements=_elements(pid),
        map_kb=_map_kb(pid), descriptors=len(os.listdir(f"/proc/{pid}/fd")))


def churn(exporter: Export, made: Pods, seconds: float, each_s: float, alive: int,
          every_s: float, tell: Callable[[Taken], None]) -> list[Taken]:
    """Adds a pod every @each_s seconds, keeps @alive of them, and measures every @every_s."""
    exporter.running.wait_for(exporter.healthy, LIMIT_S, "the first look")
    began = time.monotonic()
    taken: list[Taken] = []
    while (now := time.monotonic() - began) < seconds:
        made.add()
        made.keep(alive)
        if now >= every_s * len(taken):
            taken.append(take(exporter, made, began))
            tell(taken[-1])
        time.sleep(max(0.0, began + each_s * made.made - time.monotonic()))
    return taken
