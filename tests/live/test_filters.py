# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Each filter shows all that it must show and nothing else.

Traffic is played in two namespaces, over veth and over loopback. Each namespace has an unfiltered
tracer, the oracle. A filtered tracer that runs at the same time must print the oracle's rows that
pass the same predicate, which is written here in Python. Each performance serves a dozen filters.

The end of TIME_WAIT is left out: its timers go on when the performance is over.
"""

from __future__ import annotations

import errno
import ipaddress
import json
import os
import socket
import subprocess
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Callable, Iterator, NamedTuple, Optional

import pytest

from harness import actor as actors, bpfmap, capability, place, process
from harness.actor import Actor, Cast
from harness.cgroup import Cgroup, NoCgroups
from harness.matrix import on_every_kernel
from harness.netns import Netns, Veth
from harness.oracle import CLOCKS_NS, compare, connections, from_owner
from harness.scale import count
from harness.server import PORT, Nginx, curl
from harness.story import ENDED, show
from harness.tracer import Row, Tracer, by_cookie

# FRONT accepts IPv6 and mapped IPv4; BACK accepts IPv4; nobody listens at CLOSED.
FRONT, BACK, CLOSED = 8001, 8002, 8003
# The range from which connect() takes its ports.
EPHEMERAL = range(40000, 41000)
UID = 23456
HOLD_S = 0.8
MIN_DWELL_NS = 500_000_000
LIMIT_S = 120
# How many tracers run at a time. More would wait for each other; a trampoline takes 38 programs.
BATCH = 12

cast = pytest.fixture(actors.cast, name="cast")

ACTOR = """
import threading, time
def serve(l):
    while True:
        try:
            s, _ = l.accept()
        except OSError:
            return l.close()
        while s.recv(1) == b"x":
            pass
        s.close()
def listen(*arguments, **options):
    global listener, server
    listener = socket.create_server(*arguments, backlog=512, **options)
    server = threading.Thread(target=serve, args=[listener])
    server.start()
def stop():
    listener.shutdown(socket.SHUT_RDWR)
    server.join()
def visit(address, port, hold=0, says=b"x", source=None):
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    if source:
        s.bind((source, 0))
    try:
        s.connect((address, port))
        s.send(says)
        if says != b"x":
            s.recv(1)
        time.sleep(hold)
        return 1
    except ConnectionRefusedError:
        return 0
    finally:
        s.close()
"""


class Facts(NamedTuple):
    """Who takes part, and where."""

    here: Netns
    there: Netns
    nginx: Nginx
    alpha: Actor
    beta: Actor
    gamma: Actor
    delta: Actor
    front: Actor
    back: Actor
    dead: int  # a pid that no process has
    outer: Optional[Cgroup]
    inner: Optional[Cgroup]  # the cgroup of gamma

    def plan(self) -> dict[Actor, list[str]]:
        """Returns what each client does, as the arguments of visit()."""
        local4, local6, mapped = "'127.0.0.1'", "'::1'", "'::ffff:127.0.0.1'"
        ipv6 = capability.ipv6()
        one = [f"{local4}, {BACK}", f"{local4}, {BACK}, says=b'q'", f"{local4}, {CLOSED}",
               f"{local4}, {BACK}, source='127.1.2.3'"]
        two = [f"{local6}, {FRONT}", f"{local6}, {FRONT}, says=b'q'", f"{mapped}, {BACK}",
               f"{mapped}, {FRONT}", f"{local4}, {FRONT}",
               f"'{self.here.ipv6}', {FRONT}"] if ipv6 else []
        held = f", hold={HOLD_S}"
        return {
            self.alpha: (one + two) * count(6, 1) + [one[0] + held] + [place + held
                                                                      for place in two[:1]],
            self.beta: one * count(6, 1),
            self.gamma: (one[:2] + two[:1]) * count(3, 1),
            self.delta: one * count(3, 1),
        }


# ---- The oracle ----------------------------------------------------------------------------------

Keep = Callable[[Row, Facts], bool]
Whose = Callable[[Row, Facts], bool]


def always(_row: Row, _facts: Facts) -> bool:
    return True


@dataclass
class Case:
    """A filter, and the same filter in Python.

    owner(row) is whether the row's owner is wanted; keep(row) is whether all else about it is.
    netns confines a filter that would show more than the test's own traffic.
    """

    name: str
    arguments: Callable[[Facts], list[object]]
    keep: Keep = always
    owner: Whose | None = None
    netns: str | None = None
    # The filter takes rows out of the middle of a connection.
    cuts: bool = False
    # Nothing at all passes.
    nothing: bool = False
    needs_ipv6: bool = False

    def __str__(self) -> str:
        return self.name

    def argv(self, facts: Facts) -> list[str]:
        argv = ["--ring-size", "4M", *map(str, self.arguments(facts))]
        if self.netns:
            argv += ["--netns", getattr(facts, self.netns).path]
        return argv

    def passes(self, row: Row, facts: Facts) -> bool:
        if self.netns and row["netns"] != getattr(facts, self.netns).inode:
            return False
        return self.keep(row, facts)

    def select(self, chain: list[Row], facts: Facts) -> list[Row]:
        """Returns the rows of a connection that must be shown."""
        whose = self.owner
        if whose:
            chain = from_owner(chain, lambda row: whose(row, facts))
        return [row for row in chain if self.passes(row, facts)]


def pid_is(*names: str) -> Whose:
    """The owner is one of these; a name with a number is one of nginx's workers."""
    def whose(row: Row, facts: Facts) -> bool:
        return row["pid"] in [pid_of(facts, name) for name in names]
    return whose


def pid_of(facts: Facts, name: str) -> int:
    if name == "master":
        return facts.nginx.master
    if name.startswith("worker"):
        return facts.nginx.workers[int(name[-1])]
    if name == "dead":
        return facts.dead
    return getattr(facts, name).pid


def pids(*names: str) -> Callable[[Facts], list[object]]:
    return lambda facts: ["-p", ",".join(str(pid_of(facts, name)) for name in names)]


def comm_is(name: str) -> Whose:
    return lambda row, _facts: row["comm"] == name


def lport_in(*ports: int) -> Keep:
    return lambda row, _facts: row["lport"] in ports


def rport_in(*ports: int) -> Keep:
    return lambda row, _facts: row["rport"] in ports


def port_in(*ports: int) -> Keep:
    return lambda row, _facts: row["lport"] in ports or row["rport"] in ports


def addr_in(*prefixes: str) -> Keep:
    networks = [ipaddress.ip_network(prefix) for prefix in prefixes]

    def keep(row: Row, _facts: Facts) -> bool:
        return any(ipaddress.ip_address(row[name]) in network
                   for name in ("laddr", "raddr") if row[name] for network in networks)
    return keep


def is_(**fields: object) -> Keep:
    return lambda row, _facts: all(row[name.rstrip("_")] == value
                                   for name, value in fields.items())


def both(*keeps: Keep) -> Keep:
    return lambda row, facts: all(keep(row, facts) for keep in keeps)


def long_enough(row: Row, _facts: Facts) -> bool:
    return row["dwell_ns"] is not None and row["dwell_ns"] >= MIN_DWELL_NS


def below(name: str) -> Keep:
    def keep(row: Row, facts: Facts) -> bool:
        path = getattr(facts, name).path
        return row["cgroup"] == path or (row["cgroup"] or "").startswith(path + "/")
    return keep


def words(*arguments: object) -> Callable[[Facts], list[object]]:
    return lambda _facts: list(arguments)


LOW, HIGH = EPHEMERAL[0], EPHEMERAL[-1]
MIDDLE = (LOW + HIGH) // 2

CASES = [
    # Owners.
    Case("pid-of-a-client", pids("alpha"), owner=pid_is("alpha")),
    Case("pid-of-a-server", pids("back"), owner=pid_is("back")),
    Case("pid-of-a-worker", pids("worker0"), owner=pid_is("worker0")),
    Case("pid-of-its-master", pids("master"), owner=pid_is("master"), nothing=True),
    Case("pids", pids("alpha", "worker1", "back"), owner=pid_is("alpha", "worker1", "back")),
    Case("pid-twice", lambda facts: ["-p", facts.alpha.pid, "-p", facts.beta.pid],
         owner=pid_is("alpha", "beta")),
    Case("pid-of-nobody", pids("dead"), owner=pid_is("dead"), nothing=True),
    Case("pid-of-nobody-and-another", pids("dead", "beta"), owner=pid_is("dead", "beta")),
    Case("comm-of-clients", words("--comm", "curl"), owner=comm_is("curl")),
    Case("comm-of-a-server", words("--comm", "nginx"), owner=comm_is("nginx")),
    Case("comm-of-15-bytes", words("--comm", "fifteen-bytes-x"), owner=comm_is("fifteen-bytes-x")),
    Case("comm-is-no-prefix", words("--comm", "alph"), owner=comm_is("alph"), nothing=True),
    # Ports.
    Case("remote-port", words("-D", PORT), rport_in(PORT)),
    Case("remote-ports", words("-D", f"80,{FRONT}-{BACK}"), rport_in(80, FRONT, BACK)),
    Case("remote-port-refused", words("-D", CLOSED), rport_in(CLOSED)),
    Case("local-port-of-a-listener", words("-L", BACK), lport_in(BACK)),
    Case("local-port-ephemeral", words("-L", f"{LOW}-{MIDDLE}"), lport_in(*range(LOW, MIDDLE + 1))),
    Case("local-ports-ephemeral", words("-L", f"{LOW}-{LOW + 9},{MIDDLE}-{HIGH}"),
         lport_in(*range(LOW, LOW + 10), *range(MIDDLE, HIGH + 1))),
    Case("either-port", words("--port", FRONT), port_in(FRONT), needs_ipv6=True),
    Case("either-port-ephemeral", words("--port", f"{PORT},{LOW}-{MIDDLE}"),
         port_in(PORT, *range(LOW, MIDDLE + 1))),
    # Addresses.
    Case("addr-v4", words("--addr", "192.0.2.0/24"), addr_in("192.0.2.0/24")),
    Case("addr-v4-host", words("--addr", "127.1.2.3"), addr_in("127.1.2.3")),
    Case("addr-v6-host", words("--addr", "::1"), addr_in("::1"), needs_ipv6=True),
    Case("addrs", words("--addr", "2001:db8::/32,127.1.0.0/16", "--addr", "192.0.2.2"),
         addr_in("2001:db8::/32", "127.1.0.0/16", "192.0.2.2")),
    Case("addr-all-v4", words("--addr", "0.0.0.0/0"), addr_in("0.0.0.0/0"), netns="here"),
    Case("addr-all-v6", words("--addr", "::/0"), addr_in("::/0"), netns="here", needs_ipv6=True),
    Case("addr-v6-not-mapped", words("--addr", "::/64"), addr_in("::/64"), netns="here",
         needs_ipv6=True),
    Case("v4", words("-4"), is_(family="ipv4"), netns="here"),
    Case("v6", words("-6"), is_(family="ipv6"), netns="here", needs_ipv6=True),
    # Users, cgroups, namespaces.
    Case("uid", words("--uid", UID), is_(uid=UID)),
    Case("uid-by-name", words("--uid", f"www-data,{UID}"),
         lambda row, _facts: row["uid"] in (33, UID), netns="there"),
    Case("uid-of-root", words("--uid", 0), is_(uid=0), netns="there"),
    Case("cgroup", lambda facts: ["--cgroup", facts.inner.path], below("inner")),
    Case("cgroup-above", lambda facts: ["--cgroup", facts.outer.path], below("outer")),
    Case("netns-by-inode", lambda facts: ["--netns", facts.there.inode],
         lambda row, facts: row["netns"] == facts.there.inode),
    Case("netns-by-path", lambda facts: ["--netns", facts.here.path],
         lambda row, facts: row["netns"] == facts.here.inode),
    # Transitions.
    Case("state", words("-s", "close-wait"), netns="here", cuts=True,
         keep=lambda row, _facts: "CLOSE_WAIT" in (row["from"], row["to"])),
    Case("states", words("-s", "LISTEN,TIME_WAIT"), netns="there", cuts=True,
         keep=lambda row, _facts: bool({"LISTEN", "TIME_WAIT"} & {row["from"], row["to"]})),
    Case("from", words("--from", "syn_sent,SYN_RECV"), netns="here", cuts=True,
         keep=lambda row, _facts: row["from"] in ("SYN_SENT", "SYN_RECV")),
    Case("to", words("--to", "CLOSED"), is_(to="CLOSE"), netns="here", cuts=True),
    Case("from-and-to", words("--from", "ESTABLISHED", "--to", "FIN_WAIT1"),
         is_(from_="ESTABLISHED", to="FIN_WAIT1"), netns="there", cuts=True),
    Case("min-dwell", words("--min-dwell", f"{MIN_DWELL_NS // 1_000_000}ms"), long_enough,
         netns="here", cuts=True),
    Case("reason", words("--reason", "refused,timewait_expired,fin"), netns="here", cuts=True,
         keep=lambda row, _facts: row["reason"] in ("refused", "timewait_expired", "fin")),
    # Several filters at once: each narrows the result.
    Case("pid-port-family", lambda facts: ["-p", facts.alpha.pid, "-D", FRONT, "-6"],
         both(rport_in(FRONT), is_(family="ipv6")), pid_is("alpha"), needs_ipv6=True),
    Case("comm-to", words("--comm", "curl", "--to", "CLOSE"), is_(to="CLOSE"), comm_is("curl"),
         cuts=True),
    Case("worker-port-to", lambda facts: ["-p", facts.nginx.workers[0], "-L", PORT,
                                          "--to", "LAST_ACK,FIN_WAIT1"],
         both(lport_in(PORT), lambda row, _facts: row["to"] in ("LAST_ACK", "FIN_WAIT1")),
         pid_is("worker0"), cuts=True),
    Case("port-dwell-addr", words("-L", f"{LOW}-{HIGH}", "--min-dwell", "500ms",
                                  "--addr", "127.0.0.0/8"),
         both(lport_in(*EPHEMERAL), addr_in("127.0.0.0/8"), long_enough), cuts=True),
    Case("uid-family-port-from", words("--uid", UID, "-4", "--port", BACK, "--from", "ESTABLISHED"),
         both(is_(uid=UID, family="ipv4", from_="ESTABLISHED"), port_in(BACK)), cuts=True),
    Case("pid-ephemeral", lambda facts: ["-p", facts.beta.pid, "-L", f"{LOW}-{MIDDLE}"],
         lport_in(*range(LOW, MIDDLE + 1)), pid_is("beta")),
    Case("excluding-each-other", words("-4", "--addr", "2001:db8::/32"), nothing=True,
         keep=both(is_(family="ipv4"), addr_in("2001:db8::/32"))),
]


# ---- The performance -----------------------------------------------------------------------------


@pytest.fixture(name="facts", scope="module")
def _facts(module_veth: Callable[[], Veth],
           tmp_path_factory: pytest.TempPathFactory) -> Iterator[Facts]:
    veth = module_veth()
    here, there = veth.client, veth.server
    for netns in (here, there):
        netns.sysctl("net/ipv4/ip_local_port_range", f"{LOW} {HIGH}")
    gone = subprocess.Popen(["true"])
    gone.wait()
    with ExitStack() as stack:
        # Before the actors: they must have left it when it is removed.
        outer, inner = cgroups(stack)
        nginx = Nginx(there, tmp_path_factory.mktemp("nginx"), there.ipv4)
        stack.callback(nginx.stop)
        cast = stack.enter_context(Cast())
        made = {name: cast.actor(name, netns, user)
                for name, netns, user in (("alpha", here, None), ("beta", here, UID),
                                          ("gamma", here, None), ("delta", there, None),
                                          ("front", here, None), ("back", here, None))}
        made["gamma"].run("me.name('fifteen-bytes-x')")
        for actor in made.values():
            actor.run(ACTOR)
        if inner:
            inner.add(made["gamma"].pid)
        yield Facts(here, there, nginx, dead=gone.pid, outer=outer, inner=inner, **made)


def cgroups(stack: ExitStack) -> tuple[Cgroup | None, Cgroup | None]:
    """Makes two cgroups, one in the other, if the host has any."""
    try:
        outer = Cgroup()
        stack.callback(outer.remove)
        inner = Cgroup(outer)
        stack.callback(inner.remove)
    except NoCgroups:
        return None, None
    return outer, inner


def perform(facts: Facts) -> int:
    """Lets everybody play; returns how many ends of connections came of it."""
    facts.back.run(f"listen(('', {BACK}))")
    if capability.ipv6():
        facts.front.run(f"listen(('::', {FRONT}), family=socket.AF_INET6, dualstack_ipv6=True)")
    plan = facts.plan()
    for actor, visits in plan.items():
        actor.send(" + ".join(f"visit({place})" for place in visits), ask=True)
    clients = curl(facts.here, f"http://{facts.there.ipv4}:{PORT}", count(24, 8))
    made = sum(actor.answer() for actor in plan)
    tried = sum(map(len, plan.values()))
    return tried + made + 2 * len(clients)


def end_servers(facts: Facts) -> None:
    facts.back.run("stop()")
    if capability.ipv6():
        facts.front.run("stop()")


def is_over(chain: list[Row]) -> bool:
    return any(row["to"] in ENDED for row in chain)


def wait_over(oracles: list[Tracer], ends: int) -> None:
    """Waits until the oracles have seen how each end of each connection closed."""
    for oracle in oracles:
        oracle.wait_for(
            lambda _rows: sum(is_over(chain) for one in oracles
                              for chain in by_cookie(one.all_rows()).values()) >= ends,
            limit_s=LIMIT_S, what=f"{ends} ends")


class Seen(NamedTuple):
    """What a batch of tracers and the oracles printed."""

    oracle: list[Row]
    filtered: dict[str, Future[Tracer]]


def play_batch(cases: list[Case], facts: Facts) -> Seen:
    with ExitStack() as stack, ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        def start(*arguments: str, **kwargs: Any) -> Tracer:
            tracer = Tracer(*arguments, **kwargs)
            stack.callback(process.end, tracer.child)
            return tracer

        oracles = [start("--netns", str(netns.inode)) for netns in (facts.here, facts.there)]
        wrap = facts.inner.wrap if facts.inner else list
        # Rows of others may be lost while the host is fully loaded; only ours are compared.
        starts = {case.name: pool.submit(start, *case.argv(facts), chains=not case.cuts,
                                         lossy=not case.netns, wrap=wrap)
                  for case in cases}
        wait(starts.values())
        wait_over(oracles, perform(facts))
        end_servers(facts)
        # Stopped, a tracer has printed all that it has seen.
        made = [started.result() for started in starts.values() if not started.exception()]
        list(pool.map(Tracer.stop, made + oracles))
        for oracle in oracles:
            oracle.check()
        return Seen([row for oracle in oracles for row in oracle.all_rows()], starts)


@pytest.fixture(name="batches", scope="module")
def _batches() -> dict[int, Seen]:
    return {}


@pytest.fixture(name="seen")
def _seen(request: pytest.FixtureRequest, case: Case, facts: Facts,
          batches: dict[int, Seen]) -> Seen:
    """Returns what was seen when this case's batch was played, which happens once."""
    number = CASES.index(case) // BATCH
    if number not in batches:
        selected = {str(item.callspec.params.get("case")) for item in request.session.items
                    if item.path == request.path and hasattr(item, "callspec")}
        batches[number] = play_batch(
            [one for one in CASES[number * BATCH:(number + 1) * BATCH]
             if one.name in selected and not why_not(one, facts)], facts)
    return batches[number]


def why_not(case: Case, facts: Facts) -> str | None:
    if case.needs_ipv6 and not capability.ipv6():
        return "no IPv6"
    if case.name.startswith("cgroup") and not facts.inner:
        return "no cgroup of version 2 can be made"
    return None


# ---- The comparison ------------------------------------------------------------------------------


def is_close_call(chain: list[Row]) -> bool:
    """Whether two clocks may disagree about whether a row is long enough."""
    return any(abs((row["dwell_ns"] or 0) - MIN_DWELL_NS) <= CLOCKS_NS for row in chain)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_filter(case: Case, facts: Facts, request: pytest.FixtureRequest) -> None:
    if why_not(case, facts):
        pytest.skip(why_not(case, facts))
    seen: Seen = request.getfixturevalue("seen")
    tracer = seen.filtered[case.name].result()
    tracer.check()
    ours = (facts.here.inode, facts.there.inode)
    oracle = connections(seen.oracle)
    printed = connections(row for row in tracer.all_rows() if row["netns"] in ours)
    if "--min-dwell" in tracer.arguments:
        for ends in [ends for ends, chain in oracle.items() if is_close_call(chain)]:
            del oracle[ends]
            printed.pop(ends, None)
    number = compare(oracle, printed, lambda chain: case.select(chain, facts))
    assert case.nothing == (number == 0), f"{number} rows pass"
    assert number < sum(map(len, oracle.values())), "all rows pass"
    # About connections of others it is only known that their rows must pass, too.
    foreign = [show(row) for row in tracer.all_rows() if not case.passes(row, facts)]
    assert not foreign, "\n".join(foreign[:20])
    if "nobody" in case.name:
        assert any(f"no process {facts.dead}" in line for line in tracer.errors)


@pytest.mark.parametrize("written", ["{}", "sk:{:x}"])
def test_one_connection_by_its_cookie(written: str, netns: Netns, tracer: Callable[..., Tracer],
                                      cast: Cast) -> None:
    """SO_COOKIE of a socket, as our rows and `ss -e` write it, selects its rows and no others."""
    actor = cast.actor("actor", netns)
    actor.run(f"""
l = socket.create_server(("127.0.0.1", {BACK}))
one = socket.create_connection(("127.0.0.1", {BACK}))
peer = l.accept()[0]""")
    cookie = int.from_bytes(bytes(actor.ask("list(one.getsockopt(1, 57, 8))")), sys.byteorder)
    oracle = tracer("--netns", str(netns.inode))
    filtered = tracer("--netns", str(netns.inode), "--cookie", written.format(cookie))
    actor.run(f"""
one.close(); peer.close()
other = socket.create_connection(("127.0.0.1", {BACK}))
for socket_ in (other, l.accept()[0], l): socket_.close()""")
    oracle.wait_for(lambda rows: [row for row in rows if row["reason"] == "listener_closed"])
    filtered.stop()
    oracle.stop()
    rows = [show(row) for row in oracle.all_rows() if row["cookie"] == cookie]
    assert len(rows) > 2
    assert [show(row) for row in filtered.all_rows()] == rows


def test_no_port_is_in_no_set(netns: Netns, tracer: Callable[..., Tracer], cast: Cast) -> None:
    """A connect() that finds no free port passes no filter of local ports."""
    netns.sysctl("net/ipv4/ip_local_port_range", f"{LOW} {LOW}")
    oracle = tracer("--netns", str(netns.inode))
    filtered = {option: tracer("--netns", str(netns.inode), option, str(LOW))
                for option in ("-L", "--port")}
    actor = cast.actor("actor", netns)
    actor.run(f"""
l = socket.create_server(("127.0.0.1", {BACK}))
c = socket.create_connection(("127.0.0.1", {BACK}))
d = socket.socket()
failed = d.connect_ex(("127.0.0.1", {BACK}))
for one in (c, d, l): one.close()""")
    assert actor.ask("failed") == errno.EADDRNOTAVAIL
    oracle.wait_for(lambda rows: [row for row in rows if row["reason"] == "no_local_port"])
    for one in (*filtered.values(), oracle):
        one.stop()

    def wanted(*names: str) -> list[str]:
        return sorted(show(row) for row in oracle.all_rows()
                      if LOW in [row[name] for name in names])

    assert wanted("lport") != wanted("lport", "rport") != []
    assert sorted(map(show, filtered["-L"].all_rows())) == wanted("lport")
    assert sorted(map(show, filtered["--port"].all_rows())) == wanted("lport", "rport")


@pytest.mark.parametrize("ports", on_every_kernel(["80,90", "1-90", "80-99"], "80,90"))
def test_port_that_connect_may_not_take(ports: str, netns: Netns, tracer: Callable[..., Tracer],
                                        cast: Cast) -> None:
    """The range that connect() takes ports from is checked at once; ports in use there are seen."""
    netns.sysctl("net/ipv4/ip_unprivileged_port_start", "0")
    netns.sysctl("net/ipv4/ip_local_port_range", f"{LOW} {LOW}")
    oracle = tracer("--netns", str(netns.inode))
    filtered = {option: tracer("--netns", str(netns.inode), option, ports)
                for option in ("-L", "--port")}
    actor = cast.actor("actor", netns)
    actor.run(f"""
l = socket.create_server(("", {BACK}))
c = socket.create_connection(("127.0.0.1", {BACK}))
d = socket.create_connection(("127.0.0.1", {BACK}), source_address=("127.0.0.1", 90))
for one in (c, d): one.close()
for one in (c, d): l.accept()[0].close()""")
    netns.sysctl("net/ipv4/ip_local_port_range", "80 80")
    actor.run(f"""
e = socket.socket()
failed = e.connect_ex(("127.0.0.2", {BACK}))
e.close(); l.close()""")
    assert actor.ask("failed") == 0
    oracle.wait_for(lambda rows: [row for row in rows if (row["from"], row["to"])
                                  == ("LISTEN", "CLOSE")])
    for one in (*filtered.values(), oracle):
        one.stop()
    assert {row["lport"] for row in oracle.all_rows()} == {80, 90, LOW, BACK}
    for option, names in (("-L", ("lport",)), ("--port", ("lport", "rport"))):
        wanted = sorted(show(row) for row in oracle.all_rows()
                        if {80, 90} & {row[name] for name in names})
        assert wanted and sorted(map(show, filtered[option].all_rows())) == wanted


@pytest.mark.xfail(reason="listen() binds after the transition: CLOSE -> LISTEN has no port yet")
def test_listen_without_a_port(netns: Netns, tracer: Callable[..., Tracer], cast: Cast) -> None:
    """listen() may bind a port, as connect() does: its row has that port and no other."""
    netns.sysctl("net/ipv4/ip_local_port_range", f"{LOW} {LOW}")
    oracle = tracer("--netns", str(netns.inode))
    mine = tracer("--netns", str(netns.inode), "-L", str(LOW))
    others = tracer("--netns", str(netns.inode), "-L", str(HIGH))
    actor = cast.actor("actor", netns)
    actor.run("l = socket.socket(); l.listen(); l.close()")
    oracle.wait_for(lambda rows: [row for row in rows if row["from"] == "LISTEN"])
    for one in (mine, others, oracle):
        one.stop()
    assert [(row["from"], row["to"], row["lport"]) for row in oracle.all_rows()] == [
        ("CLOSE", "LISTEN", LOW), ("LISTEN", "CLOSE", LOW)]
    assert len(mine.all_rows()) == 2
    assert not others.all_rows()


def test_mapped_listener_counts_as_ipv4(netns: Netns, tracer: Callable[..., Tracer],
                                        cast: Cast) -> None:
    if not capability.ipv6():
        pytest.skip("no IPv6")
    oracle, v6 = tracer("--netns", str(netns.inode)), tracer("--netns", str(netns.inode), "-6")
    actor = cast.actor("actor", netns)
    actor.run(f"l = socket.create_server(('::ffff:127.0.0.1', {BACK}), family=socket.AF_INET6,"
              "dualstack_ipv6=True)")
    actor.run("l.close()")
    rows = oracle.wait_for(lambda rows: len(rows) == 2 and list(rows))
    assert {(row["family"], row["laddr"]) for row in rows} == {("ipv4", "127.0.0.1")}
    v6.stop()
    assert not v6.all_rows()


# ---- What is left behind -------------------------------------------------------------------------


def entries(tracer: Tracer) -> int:
    """Returns how many entries the tracer's hash maps hold: what it remembers of connections."""
    found = 0
    for one in bpfmap.of_process(tracer.child.pid):
        if one.kind == bpfmap.HASH:
            found += len(list(one.keys()))
        one.close()
    return found


@pytest.mark.parametrize("option", [("-D", 1), ("--uid", 1), ("--uid", 0), ("--uid", UID),
                                    ("--addr", "203.0.113.0/24"), ("-p", 1), ("--comm", "init")],
                         ids=lambda option: f"{option[0]}-{option[1]}")
def test_unwanted_leaves_nothing(option: tuple[str, object], netns: Netns,
                                 tracer: Callable[..., Tracer], cast: Cast) -> None:
    """Connections that a filter leaves out, or that a change of user leaves out, are forgotten.

    The server has another user's listener. The client closes with a reset, so that no TIME_WAIT has
    to be remembered.
    """
    number = count(50)
    server, client = cast.actor("server", netns), cast.actor("client", netns)
    oracle = tracer("--netns", str(netns.inode))
    running = tracer("--netns", str(netns.inode), *map(str, option))
    server.run(f"l = socket.create_server(('127.0.0.1', {BACK}), backlog=64);"
               f"os.setresuid({UID}, {UID}, {UID})")
    server.send(f"for _ in range({number}): s, _ = l.accept(); s.recv(1); s.close()")
    client.run(f"""
import struct
for _ in range({number}):
    c = socket.create_connection(("127.0.0.1", {BACK}))
    c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    c.send(b"x")
    c.close()""")
    server.answer()
    oracle.wait_for(lambda rows: sum(row["to"] == "CLOSE" for row in rows) >= 2 * number)
    # The listener may be remembered, and the entries that -p and --comm themselves need. The next
    # flush removes what a slow handshake leaves.
    deadline = time.monotonic() + process.LIMIT_S
    while entries(running) >= number // 2:
        assert time.monotonic() < deadline, entries(running)
        time.sleep(0.1)


def snapshot(netns: Netns, *arguments: str) -> list[str]:
    return subprocess.run(
        [place.tcpdwell(), "snapshot", "-o", "json", "-s", "ESTABLISHED", "--netns", netns.path,
         *arguments], capture_output=True, text=True, check=True,
        timeout=process.LIMIT_S).stdout.splitlines()


def test_port_means_the_service_everywhere(netns: Netns, tracer: Callable[..., Tracer]) -> None:
    """--port passes both ends, live and among existing sockets, of what snapshot counts by the
    port."""
    port, other = 8080, 8081

    def listen(number: int) -> socket.socket:
        return socket.create_server(("127.0.0.1", number))

    def connect(number: int, source: tuple[str, int]) -> socket.socket:
        return socket.create_connection(("127.0.0.1", number), source_address=source)

    live = tracer("--port", str(port), "--netns", str(netns.inode))
    with ExitStack() as stack:
        service, beside = [stack.enter_context(netns.inside(lambda number=number: listen(number)))
                           for number in (port, other)]
        for target, number, source in ((service, port, ("", 0)), (service, port, ("", 0)),
                                       (beside, other, ("", 0)),
                                       (beside, other, ("127.0.0.2", port))):
            client = netns.inside(lambda number=number, source=source: connect(number, source))
            stack.enter_context(client)
            stack.enter_context(target.accept()[0])
        looked = [json.loads(line) for line in snapshot(netns, "--sockets", "--port", str(port))]
        counted = json.loads(snapshot(netns)[0])
        rows = live.wait_for(lambda rows: [row for row in rows if row["to"] == "ESTABLISHED"][5:]
                             and list(rows))
    ends = {(row["lport"], row["rport"]) for row in rows if row["to"] == "ESTABLISHED"}
    assert {(row["lport"], row["rport"]) for row in looked} == ends
    # A client's port passes, too, but is not counted by: here something listens at either port.
    assert {pair for pair in ends if other in pair} == {(port, other), (other, port)}
    groups = {(group["port"], group["side"]): group["count"] for group in counted["ports"]
              if group["state"] == "ESTABLISHED"}
    assert groups == {(port, "local"): 2, (port, "remote"): 2, (other, "local"): 1,
                      (other, "remote"): 1, (None, None): 2}
    assert len([pair for pair in ends if other not in pair]) == 4
