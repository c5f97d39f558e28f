# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Where tests play with peers: namespaces with a link, actors in them, and watching tracers."""

from __future__ import annotations

import contextlib
import itertools
from dataclasses import dataclass, field
from typing import Any, Callable, Iterator

import pytest

from .actor import Actor, Cast
from .netns import Netns
from .peer import Link, Peer
from .tracer import Tracer
from .watch import UID, Watch, watch_all

# How a connection comes: the socket's family, and the IP version of the segments.
FAMILIES = {"ipv4": 4, "ipv6": 6, "mapped": 4}
_ports = itertools.count(8000)


@dataclass
class Server:
    """An actor that listens for peers: l is its listener."""

    actor: Actor
    link: Link
    family: str
    port: int
    backlog: int
    before: str  # what is done with the socket o before listen()

    def listen(self) -> None:
        # An IPv6 listener takes both.
        kind, address = ("AF_INET", "0.0.0.0") if self.family == "ipv4" else ("AF_INET6", "::")
        self.actor.run(f"l = o = socket.socket(socket.{kind})\n"
                       "o.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n"
                       f"{self.before}\n"
                       f"l.bind(('{address}', {self.port})); l.listen({self.backlog})")

    def another(self, name: str) -> Server:
        """Makes another listener of the same process; the one before goes on under this name."""
        other = Server(self.actor, self.link, self.family, next(_ports), self.backlog, self.before)
        self.actor.run(f"{name} = l")
        other.listen()
        return other

    def peer(self) -> Peer:
        return Peer(self.link, FAMILIES[self.family], self.port)

    def accept(self, name: str = "s") -> None:
        """Accepts the next connection of the queue as name."""
        self.actor.run(f"{name}, _ = l.accept()")

    def open(self, name: str = "s") -> Peer:
        """Makes a connection and accepts it."""
        peer = self.peer()
        peer.open()
        self.accept(name)
        return peer


@dataclass(eq=False, repr=False)
class Stage:
    """Makes things that last as long as a module."""

    watches: dict[str, Watch]
    netns: Callable[[], Netns]
    cast: Cast
    played: dict[Any, tuple[Any, BaseException | None]] = field(default_factory=dict)
    closing: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    parent: Actor | None = None

    def once(self, play: Callable[..., Any], *arguments: Any) -> Any:
        """Calls play(stage, *arguments) for the first test that asks; the others get the same
        result."""
        key = (play, *arguments)
        if key not in self.played:
            try:
                self.played[key] = (play(self, *arguments), None)
            except BaseException as failure:  # pylint: disable=broad-except
                self.played[key] = (None, failure)
        value, failure = self.played[key]
        if failure:
            raise failure
        return value

    def link(self, **sysctls: object) -> Link:
        """Makes a namespace of its own with these settings of net/ipv4."""
        netns = self.netns()
        for name, value in sysctls.items():
            netns.sysctl(f"net/ipv4/{name}", value)
        link = Link.make(netns)
        self.closing.callback(link.close)
        return link

    def actor(self, name: str, netns: Netns) -> Actor:
        """Makes a process of this name in netns, of the user that is watched.

        All are children of one process, since an emulated processor takes a second to start Python.
        """
        if not self.parent:
            self.parent = self.cast.actor("parent")
            # Nobody waits for the children.
            self.parent.run("import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)")
        actor = self.parent.fork()
        actor.run(f"me.enter({netns.path!r}); me.name({name!r})\n"
                  f"os.setresgid({UID}, {UID}, {UID}); os.setresuid({UID}, {UID}, {UID})")
        return actor

    def server(self, link: Link, family: str = "ipv4", backlog: int = 128,
               name: str = "server", before: str = "", listen: bool = True) -> Server:
        """A process that listens."""
        actor = self.actor(name, link.netns)
        server = Server(actor, link, family, next(_ports), backlog, before)
        if listen:
            server.listen()
        return server

    def watch(self, backend: str) -> Watch:
        """The backend's view; skips the test, by name, if the kernel refuses that backend."""
        watch = self.watches[backend]
        if watch.refused:
            pytest.skip(f"backend {backend}: not here")
        return watch

    def seeing(self, *, requests: bool = False, timewait: bool = False) -> list[Watch]:
        """The watches that see this kind of hidden state."""
        return [watch for watch in self.watches.values()
                if (watch.requests or not requests) and (watch.timewait or not timewait)]


def stages(module_tracer: Callable[..., Tracer],
           module_netns: Callable[[], Netns]) -> Iterator[Stage]:
    """The body of a module's fixture: the tracers watch before anything begins."""
    with Cast() as cast:
        stage = Stage(watch_all(module_tracer, "--uid", str(UID)), module_netns, cast)
        with stage.closing:
            yield stage


def fields(server: Server, peer: Peer) -> dict[str, Any]:
    """What all rows of a connection to this server say, whoever owns it at the time."""
    return {
        "lport": server.port, "rport": peer.port, "uid": UID,
        "family": "ipv6" if FAMILIES[server.family] == 6 else "ipv4",
        "netns": server.link.inode, "pid": server.actor.pid, "comm": server.actor.comm,
    }
