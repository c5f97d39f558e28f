# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Every row names the right process: real servers and curl in two namespaces over veth.

The servers say which process listened, accepted and closed; the shell says which process each curl
was. Two tracers, one in each namespace, see nothing but this, and each of their rows must be
explained.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any, Callable, Iterable, Iterator, NamedTuple

import pytest

from harness import capability
from harness.netns import Veth
from harness.scale import count
from harness.server import PORT, CannotServe, Nginx, Server, curl
from harness.story import (Chains, Name, Process, Story, owner_of, show, wait_ended,
                           wrong_rows)
from harness.tracer import Row, Tracer

REQUESTS = count(300)
PORT_UNKNOWN = "local port is unknown"


class Seen(NamedTuple):
    """Two tracers at the two ends of a veth pair."""

    veth: Veth
    client: Tracer
    server: Tracer


@pytest.fixture(name="seen")
def _seen(veth_pair: Veth, tracer: Callable[..., Tracer]) -> Seen:
    return Seen(veth_pair, tracer("--netns", str(veth_pair.client.inode)),
                tracer("--netns", str(veth_pair.server.inode)))


@pytest.fixture(name="stack")
def _stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture(name="family", params=["ipv4", "ipv6"])
def _family(request: pytest.FixtureRequest) -> str:
    if request.param == "ipv6" and not capability.ipv6():
        pytest.skip("no IPv6")
    return request.param


def url_of(veth: Veth, family: str) -> str:
    address = getattr(veth.server, family)
    return f"http://[{address}]:{PORT}" if family == "ipv6" else f"http://{address}:{PORT}"


def check(chains: dict[Name, list[Row]], stories: dict[Name, Story]) -> None:
    """Each connection has its rows, and each row its owner."""
    assert chains.keys() == stories.keys()
    wrong = [line for name, story in stories.items() for line in wrong_rows(chains[name], story)]
    rows = sum(map(len, chains.values()))
    assert not wrong, f"{len(wrong)} of {rows} rows are wrong, the first:\n" + "\n".join(wrong[:20])


def check_clients(tracer: Tracer, clients: dict[Name, Process]) -> None:
    found = wait_ended(tracer, len(clients))
    assert not found.listeners and not found.servers
    check(found.clients, {name: Story(opened_by=who, accepted_by=None, closed_by=who)
                          for name, who in clients.items()})
    first = [chain[0] for chain in found.clients.values()]
    assert {(row["from"], row["to"]) for row in first} == {("CLOSE", "SYN_SENT")}
    if not any(PORT_UNKNOWN in line for line in tracer.errors):
        assert all(row["lport"] for row in first)


def check_listeners(listeners: Iterable[list[Row]], opened_by: list[Process],
                    closed_by: Process | None = None) -> None:
    """The first row is by the process that listened; the last, if it is over, by the last
    closer."""
    found = list(listeners)
    assert sorted(owner_of(chain[0]) for chain in found) \
        == sorted((who, "listen") for who in opened_by)
    for chain in found:
        assert (chain[0]["from"], chain[0]["to"]) == ("CLOSE", "LISTEN")
        if len(chain) > 1:
            assert len(chain) == 2 and chain[1]["to"] == "CLOSE", chain
            who = closed_by or owner_of(chain[0])[0]
            assert owner_of(chain[1])[0] == who, f"{show(chain[1])}: not {who}"


def serve(seen: Seen, stack: ExitStack, name: str, family: str) -> tuple[Server, Chains]:
    """Lets curl fetch from a server, checks the clients' rows, and returns the server's."""
    try:
        server = Server(name, seen.veth.server, family)
    except CannotServe as why:
        pytest.skip(f"this kernel cannot: {why}")
    stack.callback(server.stop)
    clients = curl(seen.veth.client, url_of(seen.veth, family), REQUESTS)
    log = server.wait_closed(REQUESTS)
    assert log.accepted.keys() == log.closed.keys() == clients.keys()
    check_clients(seen.client, clients)
    chains = wait_ended(seen.server, REQUESTS)
    assert not chains.clients
    server.stop()
    return server, chains


def stories_of(server: Server, opened_by: Process | None = None) -> dict[Name, Story]:
    """Returns what a server's log tells; without opened_by, the acceptor is who listened."""
    log = server.log
    return {name: Story(opened_by=opened_by or who, accepted_by=who, accepted_ns=ns,
                        closed_by=log.closed[name])
            for name, (who, ns) in log.accepted.items()}


# ---- Servers -------------------------------------------------------------------------------------


def test_forking_server(seen: Seen, stack: ExitStack, family: str) -> None:
    """The parent accepts; a child with another name closes, and is named from then on."""
    server, chains = serve(seen, stack, "forking", family)
    parent = Process(server.pid, "forking")
    stories = stories_of(server, parent)
    assert {story.accepted_by for story in stories.values()} == {parent}
    assert len({story.closed_by for story in stories.values()}) == REQUESTS
    check(chains.servers, stories)
    check_listeners(chains.listeners, [parent])


def test_threaded_server(seen: Seen, stack: ExitStack, family: str) -> None:
    """Threads accept and close: the process is the owner, under its first thread's name."""
    server, chains = serve(seen, stack, "threaded", family)
    process = Process(server.pid, "threaded")
    stories = stories_of(server, process)
    assert {story.accepted_by for story in stories.values()} == {process}
    check(chains.servers, stories)
    check_listeners(chains.listeners, [process])


def test_preforked_server(seen: Seen, stack: ExitStack, family: str) -> None:
    """Children accept from a listener of their parent."""
    server, chains = serve(seen, stack, "preforked", family)
    parent = Process(server.pid, "preforked")
    stories = stories_of(server, parent)
    workers = {story.accepted_by for story in stories.values()}
    assert parent not in workers and len(workers) > 1
    check(chains.servers, stories)
    check_listeners(chains.listeners, [parent])


def test_reuseport_server(seen: Seen, stack: ExitStack, family: str) -> None:
    """Each process has its own listener: the owner is known at once by the kernel's choice of
    it."""
    server, chains = serve(seen, stack, "reuseport", family)
    stories = stories_of(server)
    workers = {story.accepted_by for story in stories.values()}
    assert len(workers) > 1 and workers <= set(server.log.listeners)
    check(chains.servers, stories)
    check_listeners(chains.listeners, server.log.listeners)


def test_uring_server(seen: Seen, stack: ExitStack) -> None:
    """io_uring makes no accept() that can be seen: at worst the listener's owner is named."""
    server, chains = serve(seen, stack, "uring", "ipv4")
    process = Process(server.pid, "uring")
    rows = [row for chain in chains.servers.values() for row in chain]
    assert chains.servers.keys() == server.log.accepted.keys()
    assert {Process(row["pid"], row["comm"]) for row in rows} == {process}
    assert {row["owner"] for row in rows} <= {"listen", "accept", "close"}
    check_listeners(chains.listeners, [process])


# ---- nginx ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["foreground", "daemon", "reuseport"])
def test_nginx(how: str, seen: Seen, stack: ExitStack, family: str, tmp_path: Path) -> None:
    """A master listens, and two workers accept.

    As a daemon, the process that listened is gone: its child, the master, holds the listener.
    """
    options: dict[str, Any] = {"foreground": {}, "daemon": {"daemon": True},
                               "reuseport": {"listen": "reuseport"}}[how]
    nginx = Nginx(seen.veth.server, tmp_path, getattr(seen.veth.server, family), **options)
    stack.callback(nginx.stop)
    clients = curl(seen.veth.client, url_of(seen.veth, family), REQUESTS)
    served = nginx.served(REQUESTS)
    assert served.keys() == clients.keys()
    assert {who.pid for who in served.values()} <= set(nginx.workers)
    check_clients(seen.client, clients)
    chains = wait_ended(seen.server, REQUESTS)
    assert not chains.clients

    master = Process(nginx.master, "nginx")
    starter = Process(nginx.child.pid, "nginx")
    assert (starter == master) == (how != "daemon")
    # The log does not tell when it accepted; at the latest, that was before it closed.
    check(chains.servers, {name: Story(opened_by=master, accepted_by=who, closed_by=who)
                           for name, who in served.items()})
    nginx.stop()
    number = 2 if how == "reuseport" else 1
    seen.server.wait_for(lambda rows: sum(row["from"] == "LISTEN" and row["to"] == "CLOSE"
                                          for row in rows) == number)
    check_listeners(Chains.of(seen.server.all_rows()).listeners, [starter] * number, master)
