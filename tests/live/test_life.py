# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`life`: handshakes, waits and dwells, and what becomes of orphans."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from typing import Any, Callable, Iterator

import pytest

from harness import capability, stall, traffic
from harness.lives import Pair, Row, carry, check_bytes, lives, read_all, reset_on_close
from harness.loss import dropping
from harness.netns import Netns
from harness.plain import filtered_to
from harness.scale import count

pytestmark = pytest.mark.every_kernel

# Programs read two clocks one after the other, and may be interrupted in between.
SLACK_NS = 5_000_000
# How long a server's last ACK may take after its client has returned from connect().
BEHIND_NS = 100_000_000


def test_handshake_and_wait_for_accept(netns: Netns) -> None:
    with lives(netns) as seen:
        listener = netns.inside(socket.socket)
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)
        client = netns.inside(socket.socket)
        before_ns = time.monotonic_ns()
        client.connect(listener.getsockname())
        connected_ns = time.monotonic_ns()
        time.sleep(0.3)
        accepting_ns = time.monotonic_ns()
        server, peer = listener.accept()
        accepted_ns = time.monotonic_ns()
        client.close()
        server.close()
        listener.close()
        of_client = seen.of(peer[1])
        of_server = seen.of(listener_port(of_client))
        for row in (of_client, of_server):
            assert 0 < row["handshake_ns"] <= connected_ns - before_ns
            assert before_ns <= row["opened_mono_ns"] <= connected_ns
            assert row["ended_mono_ns"] - row["opened_mono_ns"] == row["life_ns"]
        assert of_client["accept_ns"] is None
        assert accepting_ns - connected_ns <= of_server["accept_ns"] + BEHIND_NS
        assert of_server["accept_ns"] <= accepted_ns - before_ns
        assert of_server["owner"] == "accept" and of_client["owner"] == "connect"
        seen.finish()


def listener_port(client: Row) -> int:
    return int(client["rport"])


STATES = ["SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT1", "FIN_WAIT2", "CLOSE_WAIT",
          "LAST_ACK", "CLOSING", "TIME_WAIT"]


# At least how many connections are compared. TCPDWELL_LIVES=10000 takes some minutes.
LIVES = int(os.environ.get("TCPDWELL_LIVES", count(300, 50)))
# Where a timer's expiry shows the end of FIN_WAIT2, the time is exact to a jiffy.
JIFFY_NS = 10_000_000


def ends(row: Row) -> tuple[Any, ...]:
    return row["laddr"], row["lport"], row["raddr"], row["rport"]


def lives_of(steps: list[Row]) -> dict[tuple[Any, ...], list[list[Row]]]:
    """Returns the transitions that trace saw, by ends; connections with the same ends in order."""
    found: dict[tuple[Any, ...], list[list[Row]]] = {}
    for step in steps:
        if "LISTEN" in (step["from"], step["to"]) and step["to"] != "SYN_RECV":
            continue
        if step["from"] in ("CLOSE", "LISTEN"):
            found.setdefault(ends(step), []).append([])
        if step["from"] != "TIME_WAIT":
            found[ends(step)][-1].append(step)
    return found


def differences(row: Row, steps: list[Row], slack_ns: int) -> Iterator[str]:
    """Yields how a life differs from the transitions of its connection that another tracer saw."""
    known = {step["from"]: step for step in steps}
    for before, after in zip(steps, steps[1:]):
        if before["to"] != after["from"]:  # the kernel ran no program in between
            known[before["to"]] = {"dwell": "unknown"}
    for state in STATES:
        name = state.lower()
        step = known.get(state)
        if row[name] != (step and step["dwell"]):
            yield f"{name}: {row[name]}, not {step and step['dwell']}"
        elif step and step["dwell"] == "exact":
            apart_ns = abs(row[f"{name}_ns"] - step["dwell_ns"])
            if apart_ns > slack_ns + (JIFFY_NS if state == "FIN_WAIT2" else 0):
                yield f"{name}_ns: {apart_ns} apart"
    last = steps[-1]
    # A request that outlives its listener has no owner in life (BUGS in the manual).
    outlives = last["from"] == "SYN_RECV" and last["reason"] == "listener_closed"
    for name in ("pid", "comm", "owner", "uid", "errno"):
        if row[name] != last[name] and not (outlives and row["owner"] is None):
            yield f"{name}: {row[name]}, not {last[name]}"
    if row["state"] != last["to"]:
        yield f"state: {row['state']}, not {last['to']}"
    reason = "fin" if last["to"] == "TIME_WAIT" else last["reason"]
    if row["reason"] != reason:
        yield f"reason: {row['reason']}, not {reason}"


def test_dwells_are_those_of_trace(netns: Netns, tracer: Callable[..., Any]) -> None:
    """Dwells are the same connection by connection, and so are owner, reason and errno."""
    # With many connections, the kernel may run no program for some: as many as both count, no more.
    trace = tracer(*filtered_to(netns), lossy=LIVES > 1000)
    begun_ns = time.monotonic_ns()
    with lives(netns) as seen:
        assert traffic.play_all(LIVES, netns) > LIVES
        seen.finish()
    rows: dict[tuple[Any, ...], list[Row]] = {}
    for row in seen.rows():
        if not row["open"]:
            rows.setdefault(ends(row), []).append(row)
    trace.stop()
    known = lives_of(trace.all_rows())
    slack_ns = SLACK_NS + stall.worst_ns(begun_ns, time.monotonic_ns())
    wrong, compared = [], 0
    for key, found in rows.items():
        assert len(found) <= len(known.get(key, [])), (found, known.get(key))
        for row, steps in zip(found, known[key]):
            compared += 1
            wrong += [f"{line}: {row}" for line in differences(row, steps, slack_ns)]
    assert not wrong, f"{len(wrong)} differences of {compared}, the first:\n" + "\n".join(wrong[:9])
    assert compared > LIVES


def test_time_wait_is_waited_for(netns: Netns) -> None:
    """TIME_WAIT ends early where the next connection takes its place."""
    netns.sysctl("net/ipv4/tcp_tw_reuse", 1)
    if capability.missing("timewait"):
        pytest.skip("TIME_WAIT is not seen here")
    with lives(netns, "--time-wait") as seen:
        pair = Pair(netns)
        client, listener = pair.ports[0], pair.listener
        pair.client.sendall(bytes(9))
        pair.client.close()
        assert read_all(pair.server, 10) == 9
        pair.server.close()
        time.sleep(1.2)  # the old time stamps must be older than a second
        netns.sysctl("net/ipv4/ip_local_port_range", f"{client} {client}")
        again = netns.inside(socket.socket)
        again.connect(listener.getsockname())
        row = seen.of(client)
        check_bytes(row, 9, 0)
        assert row["reason"] == "timewait_reused" and row["state"] == "CLOSE"
        assert row["time_wait"] == "exact" and row["time_wait_ns"] > 1_000_000_000
        reset_on_close(again)
        again.close()
        listener.close()
        seen.finish()


# ---- Orphans -------------------------------------------------------------------------------------


def test_orphans(netns: Netns) -> None:
    """An orphan is left in FIN_WAIT2, and its row says what becomes of it."""
    netns.sysctl("net/ipv4/tcp_fin_timeout", 2)
    with lives(netns) as seen:
        pairs = {name: Pair(netns) for name in ("fin", "reset", "silent", "goes on")}
        for pair in pairs.values():
            carry(pair.client, pair.server, 3)
            if pair is not pairs["goes on"]:
                pair.client.close()
                assert pair.server.recv(1) == b""
        time.sleep(0.3)
        pairs["fin"].close()
        reset_on_close(pairs["reset"].server)
        pairs["reset"].close()
        for name, reason in (("fin", "fin"), ("reset", "reset_received"), ("silent", "timeout")):
            if capability.missing("timewait"):
                break
            row = seen.of(pairs[name].ports[0])
            check_bytes(row, 3, 0)
            assert row["reason"] == reason and row["errno"] is None, row
            assert (row["fin_wait1"], row["fin_wait2"]) == ("exact", "exact")
            assert row["time_wait"] is None and row["life"] == "exact"
            assert row["state"] == ("TIME_WAIT" if name == "fin" else "CLOSE")
            # The FIN may be acknowledged late, and the timer runs from then on.
            waited_ns = row["fin_wait2_ns"]
            waited_ns += 0 if name == "silent" else row["fin_wait1_ns"]
            assert waited_ns >= (2 if name == "silent" else 0.3) * 10**9 - SLACK_NS
        pairs["goes on"].client.close()
        assert pairs["goes on"].server.recv(1) == b""
        summary = seen.finish()
        row = seen.of(pairs["goes on"].ports[0], open_=True)
        assert row["state"] in ("FIN_WAIT1", "FIN_WAIT2") and row["reason"] is None
        assert row["life"] == "at_least"
        assert seen.of(pairs["goes on"].ports[1], open_=True)["state"] == "CLOSE_WAIT"
        assert summary["printed"] == 8
    for pair in pairs.values():
        pair.close()


def test_orphan_of_a_request_that_was_there_before(netns: Netns) -> None:
    """The snapshot gave it an identity that is not its cookie. Its row comes once, and is whole."""
    if capability.missing("timewait") or capability.missing("syn_recv"):
        pytest.skip("the orphan or its request is not seen here")
    listener, client = (netns.inside(socket.socket) for _ in range(2))
    listener.bind(("127.0.0.1", 0))
    listener.listen(8)
    client.setblocking(False)
    with contextlib.ExitStack() as lost:
        lost.enter_context(dropping(client))
        client.connect_ex(listener.getsockname())
        with lives(netns) as seen:
            lost.close()
            server, _ = listener.accept()  # when the SYN-ACK has been sent again
            client.setblocking(True)
            server.close()
            assert client.recv(1) == b""
            time.sleep(0.1)
            client.close()
            row = seen.of(listener.getsockname()[1])
            assert (row["reason"], row["state"], row["life"]) == ("fin", "TIME_WAIT", "exact")
            for state in ("syn_recv", "established", "fin_wait1", "fin_wait2"):
                assert row[state] == "exact", row
            check_bytes(row, 0, 0)
            assert seen.finish()["printed"] == 2
    listener.close()
