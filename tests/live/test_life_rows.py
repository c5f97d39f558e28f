# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`life`: which rows there are, and how they are written."""

from __future__ import annotations

import json
import socket
import subprocess
import time

import pytest

from harness import place
from harness.lives import (Pair, carry, check_account, check_bytes, exchange, lives, read_all,
                           reset_on_close)
from harness.netns import Netns
from harness.plain import Running, filtered_to, parse_csv, run

pytestmark = pytest.mark.every_kernel


def test_connects_that_fail(netns: Netns) -> None:
    with lives(netns) as seen:
        bound = netns.inside(socket.socket)
        bound.bind(("127.0.0.1", 0))
        client = netns.inside(socket.socket)
        with pytest.raises(ConnectionRefusedError):
            client.connect(bound.getsockname())
        rows = seen.running.wait_for(seen.rows)
        assert len(rows) == 1
        row = rows[0]
        check_bytes(row, 0, 0)
        assert (row["reason"], row["errno"], row["side"]) == ("refused", "ECONNREFUSED", "client")
        assert row["handshake_ns"] is None and row["syn_sent"] == "exact"
        seen.finish()


def test_what_is_open_at_the_end(netns: Netns) -> None:
    with lives(netns) as seen:
        pair = Pair(netns)
        pair.client.sendall(bytes(11))
        assert read_all(pair.server, 5) == 5
        seen.usr1()
        client, server = (seen.of(port, open_=True) for port in pair.ports)
        for row in (client, server):
            assert row["ended"] is None and row["reason"] is None
            assert (row["state"], row["life"]) == ("ESTABLISHED", "at_least")
            assert row["established"] == "at_least" and row["opened"]
        check_bytes(client, 11, 0)
        check_bytes(server, 0, 11, unread=6)
        pair.client.close()
        summary = seen.finish()
        rows = [row for row in seen.rows() if row["lport"] == pair.ports[1]]
        assert [row["open"] for row in rows] == [True, True] and rows[1]["state"] == "CLOSE_WAIT"
        assert summary["printed"] == len(seen.rows())
        pair.close()


def test_who_holds_it_owns_what_is_open(netns: Netns) -> None:
    """The process that accepted has closed its descriptor, and no transition came since."""
    with lives(netns) as seen:
        pair = Pair(netns)
        with subprocess.Popen(["cat"], stdin=pair.server, stdout=subprocess.DEVNULL) as holder:
            pair.server.close()
            seen.usr1()
            server = seen.of(pair.ports[1], open_=True)
            assert (server["pid"], server["comm"]) == (holder.pid, "cat")
            pair.client.close()
        seen.finish()
        pair.close()


def test_no_open(netns: Netns) -> None:
    with lives(netns, "--no-open") as seen:
        pair = Pair(netns)
        seen.usr1()
        seen.running.wait_for(lambda: "seen" in seen.running.said())
        seen.finish()
        assert not seen.rows()
        pair.close()


def test_what_was_there_before(netns: Netns) -> None:
    pair = Pair(netns)
    idle = Pair(netns)
    carry(pair.client, pair.server, 1000)
    with lives(netns) as seen:
        carry(pair.server, pair.client, 77)
        pair.client.close()
        assert pair.server.recv(1) == b""
        pair.close()
        client, server = pair.rows(seen)
        check_bytes(client, 1077 - 77, 77)
        check_bytes(server, 77, 1000)
        assert (client["side"], server["side"]) == ("client", "server")
        assert client["life"] == client["established"] == "at_least"
        assert client["opened"] is None and client["handshake_ns"] is None
        assert client["fin_wait1"] == "exact"
        seen.finish()
        assert {row["lport"] for row in seen.rows() if row["open"]} == set(idle.ports)
    idle.close()


FILTERS: list[tuple[list[str], set[str]]] = [
    ([], {"slow", "short", "reset"}),
    (["--min-life", "2s"], {"slow"}),
    (["--min-bytes", "50"], {"short"}),
    (["--reason", "reset_sent,reset_received"], {"reset"}),
    (["-s", "CLOSE_WAIT,FIN_WAIT1"], {"slow", "short"}),
    (["--longer", "ESTABLISHED=2s", "--longer", "FIN_WAIT1=0s"], {"slow"}),
    (["-p", "4194303"], set()),
    (["--comm", "nobody"], set()),
]


@pytest.mark.parametrize("arguments,wanted", FILTERS, ids=[" ".join(f[0]) for f in FILTERS])
def test_filters(netns: Netns, arguments: list[str], wanted: set[str]) -> None:
    with lives(netns, *arguments) as seen:
        pairs = {name: Pair(netns) for name in ("slow", "short", "reset")}
        exchange(pairs["short"], 50, 0)
        reset_on_close(pairs["reset"].client)
        pairs["reset"].client.close()
        pairs["reset"].close()
        time.sleep(2.1 if "2s" in " ".join(arguments) else 0)
        exchange(pairs["slow"], 1, 1)
        summary = seen.finish()
        shown = {name for name, pair in pairs.items()
                 if {row["lport"] for row in seen.rows()} & set(pair.ports)}
        assert shown == wanted
        assert summary["filtered"] >= 6 - summary["printed"]  # includes other namespaces' rows


def test_filter_of_ports(netns: Netns) -> None:
    """A client's port is unknown until the client has one."""
    pairs = [Pair(netns) for _ in range(2)]
    listener = pairs[0].listener
    with lives(netns, "-L", str(pairs[0].ports[0])) as seen:
        for pair in pairs:
            reset_on_close(pair.client)
            pair.client.close()
        client = netns.inside(socket.socket)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        client.connect(listener.getsockname())
        reset_on_close(client)
        client.close()
        seen.of(pairs[0].ports[0])
        summary = seen.finish()
        assert len(seen.rows()) == 1 and summary["filtered"] >= 5
    for pair in pairs:
        pair.close()


# ---- Output --------------------------------------------------------------------------------------


def test_csv_is_json(netns: Netns) -> None:
    with lives(netns) as seen, \
            Running("life", "-o", "csv", *place.backend(), *filtered_to(netns)) as as_csv:
        pair = Pair(netns)
        exchange(pair, 3, 4)
        rows = {row["lport"]: row for row in pair.rows(seen)}
        as_csv.wait_for_lines(3)
        as_csv.finish()
        seen.finish()
    for line in parse_csv(as_csv.output()):
        row = rows[int(line["lport"])]
        assert list(line) == list(row)
        for name in ("pid", "comm", "side", "bytes_sent", "bytes_received", "reason", "state"):
            assert line[name] == str(row[name])


def test_table(netns: Netns) -> None:
    with Running("life", *place.backend(), *filtered_to(netns)) as running:
        pair = Pair(netns)
        exchange(pair, 12345, 0)
        header, *rows = (line.text.decode() for line in running.wait_for_lines(3))
        running.finish()
    assert header.split() == ["PID", "COMM", "SIDE", "LADDR:LPORT", "RADDR:RPORT", "HSHAKE",
                              "ACCEPT", "LIFE", "SENT", "RECV", "RETR", "SRTT", "END"]
    for row in (header, *rows):
        assert len(row) <= 132
    cells = {tuple(row.split()[2:5:2]): row.split() for row in rows}
    client = cells["client", f"127.0.0.1:{pair.ports[1]}"]
    assert client[8:11] == ["12.0K", "0", "0"] and client[-1] == "fin"


def test_program_and_count(netns: Netns) -> None:
    pair = Pair(netns)
    code = ("import socket\n"
            f"for _ in range(3):\n s = socket.create_connection({pair.listener.getsockname()!r})\n"
            " s.close()\n")
    done = run("life", "-q", "-n", "2", "-o", "json", *place.backend(), "--", *netns.argv(
        ["python3", "-c", code]))
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    pair.close()
    assert done.returncode == 0, done.stderr
    assert [row["type"] for row in rows] == ["connection", "connection", "summary"]
    assert all(row["side"] == "client" and row["comm"].startswith("python") for row in rows[:2])
    check_account(rows[-1])
