# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`life`: connections that fail to open, and those that end otherwise than by a FIN."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import socket
import time

import pytest

from harness import capability, place, silence, within
from harness.lives import Pair, carry, check_account, check_bytes, lives, read_all, reset_on_close
from harness.loss import dropping, retransmitted
from harness.netns import Netns
from harness.plain import filtered_to, run

pytestmark = pytest.mark.every_kernel

TCP_USER_TIMEOUT = 18
LIMIT_S = 30


def keep_alive(end: socket.socket) -> None:
    for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT):
        end.setsockopt(socket.IPPROTO_TCP, option, 1)
    end.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


def expect_timeout(end: socket.socket) -> None:
    end.settimeout(LIMIT_S)
    with pytest.raises(OSError) as raised:
        end.recv(1)
    assert raised.value.errno == errno.ETIMEDOUT


def test_death_of_silence(netns: Netns) -> None:
    with lives(netns) as seen:
        pair = Pair(netns)
        carry(pair.client, pair.server, 5)
        time.sleep(0.1)
        with dropping(pair.server):
            keep_alive(pair.client)
            expect_timeout(pair.client)
            client = seen.of(pair.ports[0])
        check_bytes(client, 5, 0)
        assert (client["reason"], client["errno"]) == ("keepalive_timeout", "ETIMEDOUT")
        assert client["established_ns"] >= 1_900_000_000 and client["retransmits"] == 0
        assert client["pid"] == os.getpid()
        pair.close()
        seen.finish()


def test_death_by_user_timeout(netns: Netns) -> None:
    with lives(netns) as seen:
        pair = Pair(netns)
        pair.client.setsockopt(socket.IPPROTO_TCP, TCP_USER_TIMEOUT, 500)
        with dropping(pair.server):
            pair.client.sendall(bytes(40))
            expect_timeout(pair.client)
            client = seen.of(pair.ports[0])
        check_bytes(client, 40, 0, unacked=40)
        assert (client["reason"], client["errno"]) == ("user_timeout", "ETIMEDOUT")
        assert client["retransmits"] >= 1
        pair.close()
        seen.finish()


def test_death_by_retransmission(netns: Netns) -> None:
    netns.sysctl("net/ipv4/tcp_retries2", 2)
    with lives(netns) as seen:
        pair = Pair(netns)
        with dropping(pair.server):
            pair.client.sendall(bytes(40))
            expect_timeout(pair.client)
            client = seen.of(pair.ports[0])
        check_bytes(client, 40, 0, unacked=40)
        assert (client["reason"], client["errno"]) == ("timeout", "ETIMEDOUT")
        assert client["retransmits"] >= 2 and client["srtt_us"] is not None
        pair.close()
        seen.finish()


def test_connect_that_gets_no_answer(netns: Netns) -> None:
    silence.add_silence(netns)
    netns.sysctl("net/ipv4/tcp_syn_retries", 1)
    with lives(netns) as seen, within.make_socket(netns) as client:
        assert client.connect_ex((silence.SILENT, 9)) == errno.ETIMEDOUT
        row = seen.running.wait_for(seen.rows)[0]
        check_bytes(row, 0, 0)
        assert (row["reason"], row["errno"], row["state"]) == ("timeout", "ETIMEDOUT", "CLOSE")
        assert row["retransmits"] == retransmitted(netns) and row["syn_sent_ns"] >= 2_900_000_000
        assert row["handshake_ns"] is None and row["side"] == "client"
        assert (row["raddr"], row["rport"], row["pid"]) == (silence.SILENT, 9, os.getpid())
        seen.finish()


def test_connect_that_is_given_up(netns: Netns) -> None:
    silence.add_silence(netns)
    with lives(netns) as seen:
        client = silence.begin_to_connect(netns)
        time.sleep(0.3)
        client.close()
        row = seen.running.wait_for(seen.rows)[0]
        check_bytes(row, 0, 0)
        assert (row["reason"], row["errno"]) == ("aborted", None)
        assert row["syn_sent_ns"] >= 300_000_000
        seen.finish()


def test_no_local_port(netns: Netns) -> None:
    with lives(netns) as seen, within.listen(netns) as listener:
        netns.sysctl("net/ipv4/ip_local_port_range", "40000 40000")
        pair = within.Pair(netns, listener)
        with within.make_socket(netns) as client:
            assert client.connect_ex(listener.getsockname()) == errno.EADDRNOTAVAIL
        rows = seen.running.wait_for(seen.rows)
        assert len(rows) == 1
        check_bytes(rows[0], 0, 0)
        assert (rows[0]["reason"], rows[0]["errno"]) == ("no_local_port", "EADDRNOTAVAIL")
        assert rows[0]["lport"] in (0, None) and rows[0]["pid"] == os.getpid()
        pair.close()
        seen.finish()


def test_listener_overflow(netns: Netns) -> None:
    """The last ACK is dropped because the accept queue is full: one side is open, the other is not.
    """
    netns.sysctl("net/ipv4/tcp_synack_retries", 1)
    with lives(netns) as seen, within.listen(netns, backlog=0) as listener, \
            contextlib.ExitStack() as stack:
        clients = [stack.enter_context(within.make_socket(netns)) for _ in range(3)]
        for client in clients:
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        time.sleep(0.5)
        first, _ = listener.accept()
        ports = {client.getsockname()[1] for client in clients}
        reset_on_close(first)
        first.close()
        for client in clients:
            reset_on_close(client)
            client.close()
        listener.close()
        summary = seen.finish()
        rows = seen.rows()
    assert {row["lport"] for row in rows if row["side"] == "client"} == ports, rows
    servers = [row for row in rows if row["side"] == "server"]
    assert sum(row["accept_ns"] is not None for row in servers) == 1
    for row in rows:
        check_bytes(row, 0, 0)
    assert summary["printed"] == len(rows)


def test_syn_cookie(netns: Netns) -> None:
    """With a cookie there is no request: the server's connection begins in ESTABLISHED."""
    netns.sysctl("net/ipv4/tcp_syncookies", 2)
    with lives(netns) as seen:
        pair = Pair(netns)
        carry(pair.client, pair.server, 12)
        carry(pair.server, pair.client, 34)
        pair.client.close()
        assert pair.server.recv(1) == b""
        pair.close()
        client, server = pair.rows(seen)
        check_bytes(client, 12, 34)
        check_bytes(server, 34, 12)
        assert client["handshake_ns"] > 0 and client["side"] == "client"
        assert server["side"] == "server" and server["pid"] == os.getpid()
        seen.finish()


def test_accept_after_the_client_has_closed(netns: Netns) -> None:
    with lives(netns) as seen, within.listen(netns) as listener:
        client = within.make_socket(netns)
        client.connect(listener.getsockname())
        client.sendall(bytes(9))
        port = client.getsockname()[1]
        client.close()
        time.sleep(0.3)
        server, _ = listener.accept()
        assert read_all(server, 100) == 9
        server.close()
        row = seen.of(listener.getsockname()[1])
        check_bytes(row, 0, 9)
        if not capability.missing("accept_owner"):
            assert row["accept_ns"] >= 300_000_000
        assert row["close_wait"] == "exact" and row["reason"] == "fin"
        check_bytes(seen.of(port), 9, 0)
        seen.finish()


def test_never_accepted(netns: Netns) -> None:
    """The listener closes with a connection in its queue, which has data that nobody reads."""
    with lives(netns) as seen:
        listener = within.listen(netns)
        lport = listener.getsockname()[1]
        client = within.make_socket(netns)
        client.connect(listener.getsockname())
        client.sendall(bytes(9))
        port = client.getsockname()[1]
        time.sleep(0.1)
        listener.close()
        server = seen.of(lport)
        check_bytes(server, 0, 9, unread=9)
        assert server["reason"] == "listener_closed" and server["accept_ns"] is None
        assert server["side"] == "server"
        row = seen.of(port)
        check_bytes(row, 9, 0)
        assert (row["reason"], row["errno"]) == ("reset_received", "ECONNRESET")
        client.close()
        seen.finish()


# ---- The end of the run --------------------------------------------------------------------------


def test_duration_shows_what_is_open(netns: Netns) -> None:
    pair = Pair(netns)
    done = run("life", "-d", "1s", "-o", "json", *place.backend(), *filtered_to(netns))
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    pair.close()
    assert done.returncode == 0
    check_account(rows[-1])
    assert {row["lport"] for row in rows[:-1]} == set(pair.ports)
    assert all(row["open"] for row in rows[:-1]) and len(rows) == 3


def test_count_of_1(netns: Netns) -> None:
    """-n 1 ends the run with that row, without those that are open."""
    other = Pair(netns)
    with lives(netns, "-n", "1") as seen:
        pair = Pair(netns)
        pair.client.close()
        pair.close()
        assert seen.running.wait(LIMIT_S) == 0
        rows = [json.loads(line.text) for line in seen.running.lines()]
    other.close()
    assert [row["type"] for row in rows] == ["connection", "summary"]
    assert rows[0]["lport"] in pair.ports
    check_account(rows[-1])


def test_two_looks_at_what_is_open(netns: Netns) -> None:
    with lives(netns) as seen:
        pair = Pair(netns)
        for count, size in ((2, 10), (4, 20)):
            carry(pair.client, pair.server, 10)
            seen.running.child.send_signal(signal.SIGUSR1)
            rows = seen.running.wait_for(lambda: seen.rows() if len(seen.rows()) >= count else None)
            client = [row for row in rows if row["side"] == "client"][-1]
            check_bytes(client, size, 0)
        pair.client.close()
        pair.close()
        row = [row for row in seen.running.wait_for(lambda: [
            row for row in seen.rows() if not row["open"] and row["side"] == "client"])][0]
        check_bytes(row, 20, 0)
        seen.finish()
