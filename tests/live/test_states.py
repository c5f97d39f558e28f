# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Every path of the state diagram, as tools/traffic plays it, seen row by row.

One tracer watches all namespaces of the host while the scenarios run side by side in namespaces of
the tests' own. Each test then looks for its rows. At the end everything that was traced is checked
against the accounting identity and the chain rule. test_timewait.py tests the end of TIME_WAIT,
which comes a minute later.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Callable, Iterator, NamedTuple

import pytest

from harness import capability, place, process, traffic as oracle
from harness.compare import SLACK_NS, View, assert_follows, rows_of
from harness.netns import Netns, Veth
from harness.tracer import (TIMEWAIT_NS, Row, Tracer, check_account, check_chains,
                            count_overdue)
from harness.traffic import Expectation

SHARED = [
    "simultaneous-open", "self-connect", "bind-then-connect", "reconnect",
    "active-close", "passive-close", "half-close-client", "half-close-server",
    "simultaneous-close", "fin-unanswered", "last-fin-unanswered", "process-exit",
    "rst-from-client", "rst-from-server", "rst-unread-data", "rst-in-close-wait",
    "rst-in-fin-wait2", "data-after-close", "listener-closed-with-queue",
    "refused", "timed-out", "unreachable", "connect-abort", "keepalive-timeout", "user-timeout",
    "slow-handshake", "syn-again", "handshake-timeout", "handshake-reset",
    "handshake-listener-closed", "accept-queue-full",
    "orphan-fin-wait2", "timewait-reused-by-syn", "timewait-reset",
]
# These scenarios change settings, so each makes its own namespace.
OWN_NETNS = ["fastopen", "port-exhausted", "syn-cookie", "timewait-reused-by-connect",
             "timewait-overflow"]
# How many scenarios run at a time; each is asleep most of the time.
AT_ONCE = 8
# A user that nobody else is: a row with root's uid is wrong, and others' traffic is filtered out.
UID = 23456


class Case(NamedTuple):
    scenario: str
    family: str  # ipv4, ipv6 or mapped
    topology: str  # loopback, veth or own

    def __str__(self) -> str:
        return "-".join(self)


FAMILIES = {"ipv4": ["-4"], "ipv6": ["-6"], "mapped": ["--mapped"]}
CASES = [
    *[Case(scenario, family, topology)
      for scenario in SHARED for family in FAMILIES for topology in ("loopback", "veth")],
    *[Case(scenario, family, "own") for scenario in OWN_NETNS for family in FAMILIES],
]


class Places(NamedTuple):
    """Where the cases of one module are played."""

    loopback: Netns
    veth: Veth

    def play(self, case: Case) -> list[Expectation]:
        arguments = [*FAMILIES[case.family], "--uid", str(UID)]
        if case.family == "mapped":
            # Asking a socket for its cookie may make one, so only these cases ask.
            arguments.append("--cookie")
        if case.topology == "own":
            return oracle.play(case.scenario, *arguments)
        if case.topology == "loopback":
            return oracle.play(case.scenario, *arguments, netns=self.loopback)
        client, server = self.veth.client, self.veth.server
        address = "ipv6" if case.family == "ipv6" else "ipv4"
        return oracle.play(
            case.scenario, *arguments, "--server-netns", server.name,
            "--client-addr", getattr(client, address), "--server-addr", getattr(server, address),
            netns=client,
        )


@pytest.fixture(scope="module")
def host_tracer(module_tracer: Callable[..., Tracer]) -> Tracer:
    """Starts a tracer of every namespace before any scenario begins."""
    return module_tracer("--uid", str(UID))


@pytest.fixture(scope="module")
def played(request: pytest.FixtureRequest, host_tracer: Tracer,
           module_netns: Callable[[], Netns],
           module_veth: Callable[[], Veth]) -> Iterator[dict[Case, Future[list[Expectation]]]]:
    """Yields, for each selected case, what must be seen of it once it is played."""
    veth = module_veth()
    places = Places(module_netns(), veth)
    selected = [item.callspec.params["case"] for item in request.session.items
                if item.path == request.path and "case" in getattr(item, "callspec", Empty).params]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        futures = {case: pool.submit(places.play, case)
                   for case in sorted(selected, key=CASES.index)
                   if case.family != "ipv6" or capability.ipv6()}
        yield futures
        for future in futures.values():
            future.cancel()


class Empty:
    """Stands for the parameters of an item that has none."""

    params: dict[str, Any] = {}


def view_of(case: Case) -> View:
    """Returns how the tracer at hand must see a case."""
    syn_recv = capability.backend(capability.SYN_RECV)
    timewait = capability.backend(capability.TIME_WAIT)
    # The timer backend is exact to a jiffy, and timers of timewait sockets may be a jiffy late.
    coarse_ns = SLACK_NS + 2 * capability.jiffy_ns()
    return View(
        syn_recv=bool(syn_recv),
        timewait=bool(timewait),
        timewait_slack_ns=coarse_ns if timewait == "timer" else SLACK_NS,
        asks_cookies=capability.cookies(),
        syn_cookies=case.scenario == "syn-cookie",
    )


def on_every_kernel(case: Case) -> bool:
    """Selects each scenario in one family and place, which vary from scenario to scenario."""
    names = [*SHARED, *OWN_NETNS]
    places = [one for one in CASES if one.scenario == case.scenario]
    return case == places[names.index(case.scenario) % len(places)]


@pytest.mark.parametrize("case", [
    pytest.param(case, marks=[pytest.mark.every_kernel] * on_every_kernel(case)) for case in CASES
], ids=str)
def test_path(case: Case, host_tracer: Tracer,
              played: dict[Case, Future[list[Expectation]]]) -> None:
    if case not in played:
        pytest.skip("no IPv6")
    try:
        expectations = played[case].result(timeout=2 * oracle.LIMIT_S)
    except oracle.CannotPlay as why:
        pytest.skip(f"{case.scenario}: {why}")
    assert expectations
    view = view_of(case)
    failures = []
    for expectation in expectations:
        try:
            assert_follows(host_tracer, expectation, view)
        except AssertionError as failure:
            failures.append(str(failure))
    if failures:
        pytest.fail("\n".join(failures), pytrace=False)


def test_every_scenario_is_played() -> None:
    assert sorted(SHARED + OWN_NETNS) == sorted(oracle.scenarios())


@pytest.mark.parametrize("by", ["inode", "path"])
def test_namespace_filter(by: str, tracer: Callable[..., Tracer],
                          make_netns: Callable[[], Netns],
                          traffic: Callable[..., list[Expectation]]) -> None:
    """--netns leaves out the same traffic in another namespace, and counts it."""
    here, there = make_netns(), make_netns()
    running = tracer("--netns", str(here.inode) if by == "inode" else here.path)
    other = traffic("active-close", netns=there)
    expectations = traffic("active-close", netns=here)
    for expectation in expectations:
        assert_follows(running, expectation, view_of(Case("active-close", "ipv4", "loopback")))
    running.check()
    assert {row["netns"] for row in running.all_rows()} == {here.inode}
    assert running.summary and running.summary["filtered"] >= len(other)


def test_two_connections_one_after_the_other(tracer: Callable[..., Tracer], netns: Netns,
                                             traffic: Callable[..., list[Expectation]]) -> None:
    """Sockets follow each other at once at the same addresses in the kernel's memory."""
    running = tracer("--netns", str(netns.inode))
    view = view_of(Case("rst-from-client", "ipv4", "loopback"))
    for expectation in traffic("rst-from-client", "--count", "50", "--hold", "0", netns=netns):
        assert_follows(running, expectation, view)


def begin(netns: Netns, scenario: str) -> subprocess.Popen[str]:
    """Starts a scenario that pauses until step_to_end(); returns when it has paused."""
    child = netns.spawn([place.traffic(), scenario, "--step"], stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stderr and child.stderr.readline() == "holding\n"
    return child


def step_to_end(child: subprocess.Popen[str]) -> list[Expectation]:
    """Lets the scenario go on to its end."""
    out, err = child.communicate(timeout=process.LIMIT_S)
    assert child.returncode == 0, err
    return [Expectation.parse(line) for line in out.splitlines()]


@pytest.mark.every_kernel
def test_socket_older_than_the_tracer(tracer: Callable[..., Tracer], netns: Netns) -> None:
    """The first row's dwell is at most a bound; every later dwell is exact, as for other
    sockets."""
    child = begin(netns, "half-close-client")
    running = tracer("--netns", str(netns.inode))
    expectations = {one.end: one for one in step_to_end(child)}
    server = expectations["server"]
    found = running.wait_for(lambda rows: [row for row in rows_of(rows, server)
                                           if row["to"] == "CLOSE"] and rows_of(rows, server))
    assert [(row["from"], row["to"]) for row in found] == [("CLOSE_WAIT", "LAST_ACK"),
                                                           ("LAST_ACK", "CLOSE")]
    assert found[0]["dwell"] in ("unknown", "at_least")
    if found[0]["dwell"] == "at_least":
        # It is a true lower bound: no more than the longest that it can have been.
        bounds = server.dwell_ns(server.path.index("CLOSE_WAIT"))
        assert bounds and found[0]["dwell_ns"] <= bounds[1] + SLACK_NS
    else:
        assert found[0]["dwell_ns"] is None
    assert found[1]["dwell"] == "exact"
    # The owner causes the close, so from there on at the latest the owner is known.
    assert {(row["pid"], row["comm"]) for row in found} == {(server.pid, server.comm)}


@pytest.mark.every_kernel
def test_namespace_goes_with_its_timewait(tracer: Callable[..., Tracer],
                                          make_netns: Callable[[], Netns],
                                          traffic: Callable[..., list[Expectation]],
                                          require: Callable[..., None]) -> None:
    require(capability.TIME_WAIT)
    netns = make_netns()
    running = tracer("--netns", str(netns.inode))
    client = next(one for one in traffic("active-close", netns=netns) if one.end == "client")
    netns.remove()
    # The rows take a while: the kernel removes namespaces in a worker.
    last = running.wait_for(lambda rows: [row for row in rows_of(rows, client)
                                          if row["from"] == "TIME_WAIT"], limit_s=30)[-1]
    assert (last["to"], last["reason"]) == ("CLOSE", "netns_gone")
    assert (last["pid"], last["comm"]) == (client.pid, client.comm)


# The two ends take turns in closing first, and the last connection ends by a reset. 262 is
# IPPROTO_MPTCP.
SUBFLOWS = """
import socket, struct
listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
listener.bind(("127.0.0.1", 7000))
listener.listen(4)
for number in range(3):
    client = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
    client.connect(listener.getsockname())
    child, _ = listener.accept()
    client.send(b"x")
    child.recv(1)
    if number == 2:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    one, other = (child, client) if number == 1 else (client, child)
    one.close()
    if number < 2:
        other.recv(1)
    other.close()
"""


def test_subflows(netns: Netns, tracer: Callable[..., Tracer]) -> None:
    """No descriptor leads to the subflows of MPTCP, so they seem to wait in an accept queue."""
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262).close()
    except OSError:
        pytest.skip("no MPTCP")
    running = tracer("--netns", str(netns.inode))
    netns.run([sys.executable, "-I", "-c", SUBFLOWS])
    ended = running.wait_for(lambda rows: [row for row in rows if row["from"] == "LISTEN"
                                           and row["to"] == "CLOSE"] and rows)
    closes = [row for row in ended if row["to"] == "CLOSE" and row["source"] == "tracepoint"]
    reasons = {row["reason"] for row in closes if row["from"] != "LISTEN"}
    assert {"fin", "reset_sent"} <= reasons and "listener_closed" not in reasons, closes
    # Until accept(), a child is held by whoever holds the socket of its listener.
    born = [row for row in ended if row["from"] == "LISTEN" and row["to"] == "SYN_RECV"]
    assert len(born) == 3 and {row["owner"] for row in born} == {"listen"}, born


def test_account_adds_up_by_cause() -> None:
    """This tests the harness: an identity that is off by one is an error."""
    summary = {"seen": 3, "printed": 1, "filtered": 1, "lost": {"ring": 1, "map": 0}}
    check_account(summary, [{}], lossy=True)
    with pytest.raises(AssertionError):
        check_account({**summary, "seen": 4}, [{}], lossy=True)
    with pytest.raises(AssertionError):
        check_account(summary, [{}])


def chain(*states: str) -> list[Row]:
    """Returns the rows of a socket that goes through these states, a nanosecond apart."""
    same = {"cookie": 1, "netns": 1, "laddr": "", "lport": 1, "raddr": "", "rport": 1,
            "source": "tracepoint", "reason": None}
    return [{**same, "from": before, "to": after, "mono_ns": at}
            for at, (before, after) in enumerate(zip(states, states[1:]))]


def test_missed_is_what_the_rows_lack() -> None:
    """This tests the harness: an overdue end of TIME_WAIT explains one missed row; a gap needs
    one."""
    whole = chain("SYN_SENT", "ESTABLISHED", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT")
    rows = [*whole[:2], whole[3]]
    assert count_overdue(whole, TIMEWAIT_NS) == 0
    assert count_overdue(whole, 2 * TIMEWAIT_NS) == 1
    assert count_overdue(whole[:3], 2 * TIMEWAIT_NS) == 0
    check_chains(whole)
    check_chains(rows, missed=1)
    with pytest.raises(AssertionError):
        check_chains(rows)
    summary = {"seen": 3, "printed": 3, "filtered": 0, "lost": {"ring": 0, "map": 0}, "missed": 2}
    check_account(summary, rows, overdue=2)
    with pytest.raises(AssertionError):
        check_account(summary, rows, overdue=1)
