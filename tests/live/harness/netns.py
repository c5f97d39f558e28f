# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Throw-away network namespaces, alone or as two with a veth pair between them."""

from __future__ import annotations

import itertools
import os
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Sequence, TypeVar

from . import process
from .actor import enter_netns

T = TypeVar("T")

_numbers = itertools.count()


@dataclass
class Netns:
    """A namespace with loopback up. Its children end with it."""

    name: str
    ipv4: str = "127.0.0.1"
    ipv6: str = "::1"
    children: list[subprocess.Popen[Any]] = field(default_factory=list)

    @classmethod
    def make(cls) -> Netns:
        """Makes one. Its name is unique, even if another run goes on at the same time."""
        netns = cls(f"tcpdwell-{os.getpid()}-{next(_numbers)}")
        process.run(["ip", "netns", "add", netns.name])
        netns.ip("link", "set", "lo", "up")
        return netns

    @property
    def path(self) -> str:
        return f"/run/netns/{self.name}"

    @property
    def inode(self) -> int:
        return os.stat(self.path).st_ino

    def ip(self, *args: str) -> None:
        process.run(["ip", "-n", self.name, *args])

    def ip_all(self, *lines: str) -> None:
        """Several commands in one process, since an emulated processor takes long to start many."""
        process.run(["ip", "-n", self.name, "-batch", "-"], input="\n".join(lines))

    def device_is_up(self, name: str) -> bool:
        shown = process.run(["ip", "-n", self.name, "-o", "link", "show", name]).stdout
        return " state UP " in shown

    def inside(self, make: Callable[[], T]) -> T:
        """Calls make() in here and returns its result. A socket stays in the namespace that it was
        made in."""
        made: list[T] = []
        failed: list[BaseException] = []

        def run() -> None:
            try:
                # A thread has a namespace of its own; this one ends with the thread.
                enter_netns(self.path)
                made.append(make())
            except BaseException as failure:  # pylint: disable=broad-except
                failed.append(failure)

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        if failed:
            raise failed[0]
        return made[0]

    def sysctl(self, name: str, value: object) -> None:
        """Sets a setting of this namespace only."""
        self.inside(lambda: Path("/proc/sys", name).write_text(str(value), encoding="ascii"))

    def argv(self, argv: Sequence[str]) -> list[str]:
        """A command that runs argv inside."""
        return ["ip", "netns", "exec", self.name, *argv]

    def run(self, argv: Sequence[str], **kwargs: Any) -> subprocess.CompletedProcess[str]:
        return process.run(self.argv(argv), **kwargs)

    def spawn(self, argv: Sequence[str], **kwargs: Any) -> subprocess.Popen[Any]:
        """A child whose pid is that of argv's program, since ip-netns becomes that program."""
        child = subprocess.Popen(self.argv(argv), **kwargs)
        self.children.append(child)
        return child

    def remove(self) -> None:
        for child in self.children:
            process.end(child)
        subprocess.run(["ip", "netns", "del", self.name], capture_output=True, check=False)


@dataclass
class Veth:
    """Two namespaces that can reach each other."""

    client: Netns
    server: Netns

    @classmethod
    def make(cls) -> Veth:
        """Uses documentation addresses (RFC 5737, RFC 3849), which never leave the two namespaces.
        """
        client, server = Netns.make(), Netns.make()
        pair = cls(client, server)
        try:
            # By default each would have number 2. An interface with the number of its peer is taken
            # for hardware, and IPv6 learns of its carrier a second late (linkwatch_urgent_event()).
            client.ip("link", "add", "veth0", "index", "9", "type", "veth", "peer", "name", "veth0",
                      "netns", server.name)
            for number, netns in enumerate((client, server), 1):
                netns.ipv4, netns.ipv6 = f"192.0.2.{number}", f"2001:db8::{number}"
                netns.ip("addr", "add", f"{netns.ipv4}/24", "dev", "veth0")
                # nodad: the address is usable at once, without the second that a check for
                # duplicates takes.
                netns.ip("addr", "add", f"{netns.ipv6}/64", "dev", "veth0", "nodad")
                netns.ip("link", "set", "veth0", "up")
        except BaseException:
            pair.remove()
            raise
        return pair

    def remove(self) -> None:
        self.client.remove()
        self.server.remove()
