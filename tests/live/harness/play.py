# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Actors on the loopback of a namespace, a tracer of only that, and who must be named."""

from __future__ import annotations

from typing import Callable, NamedTuple, Union

from .actor import Actor, Cast
from .netns import Netns
from .server import wait_until
from .story import ENDED, Chains, Name, Process, owner_of, show
from .tracer import Row, Tracer

PORT = 8080
LIMIT_S = 60
Owner = tuple[Union[Process, None], Union[str, None]]
UNKNOWN: Owner = (None, None)


class Stage(NamedTuple):
    """A namespace, a tracer of it, and actors in it."""

    netns: Netns
    tracer: Tracer
    cast: Cast

    def actor(self, name: str) -> Actor:
        return self.cast.actor(name, self.netns)

    def server(self, name: str = "server") -> Actor:
        """An actor that listens: l is its listener."""
        server = self.actor(name)
        server.run(f"l = socket.create_server(('127.0.0.1', {PORT}), backlog=64)")
        return server

    def wait(self, find: Callable[[Chains], list[Row] | None], what: str) -> list[Row]:
        """The rows of a connection that is over, except for TIME_WAIT."""
        def ended(rows: list[Row]) -> list[Row] | None:
            chain = find(Chains.of(rows)) or []
            return chain if any(row["to"] in ENDED for row in chain) else None

        return list(self.tracer.wait_for(ended, limit_s=LIMIT_S, what=f"the end of {what}"))

    def client(self, port: int) -> list[Row]:
        return self.wait(lambda chains: chains.clients.get(Name(port)),
                         f"the client's end of {port}")

    def passive(self, port: int) -> list[Row]:
        return self.wait(lambda chains: chains.servers.get(Name(port)),
                         f"the server's end of {port}")

    def listener(self) -> list[Row]:
        return self.wait(lambda chains: (chains.listeners or [None])[0], "the listener")


def who(actor: Actor) -> Process:
    """The actor's process as it is now."""
    return Process(actor.pid, actor.comm)


def begin(actor: Actor, text: str) -> None:
    """Makes the actor begin something that waits; returns when it waits for that, not for an
    order."""
    resting = wait_until(actor.call)
    actor.send(text)
    wait_until(lambda: actor.call() not in ([], resting))


def connect(client: Actor, server: Actor | None = None) -> int:
    """Makes a connection: c is the client's end, s the server's if it accepts. Returns the client's
    port."""
    client.run(f"c = socket.create_connection(('127.0.0.1', {PORT}))")
    if server:
        server.run("s, _ = l.accept()")
    return client.ask("c.getsockname()[1]")


def expect(chain: list[Row], by_state: dict[str, Owner | set[Owner]]) -> None:
    """by_state says who must be named when a state is left; '*' stands for all other states."""
    wrong = []
    for row in chain:
        wanted = by_state.get(row["from"], by_state.get("*"))
        assert wanted is not None, show(row)
        if owner_of(row) not in (wanted if isinstance(wanted, set) else {wanted}):
            wrong.append(f"{show(row)}: not {wanted}")
    assert not wrong, "\n" + "\n".join([*map(show, chain), "wrong:", *wrong])


def passive_open(listener: Process, rest: Owner) -> dict[str, Owner | set[Owner]]:
    """The holder of the listener is named before accept, rest from then on."""
    return {"LISTEN": (listener, "listen"), "SYN_RECV": (listener, "listen"), "*": rest}
