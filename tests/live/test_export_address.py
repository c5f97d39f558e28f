# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`tcpdwell export`: where it listens."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

import pytest

from harness.metrics import HEALTH, LIMIT_S, Export, export, handing_over
from harness.netns import Netns
from harness.plain import Running, filtered_to, run

pytestmark = pytest.mark.any_kernel


@pytest.mark.parametrize(("address", "status", "why"), [
    ("9435", 2, "is no address"), ("localhost:9435", 2, "is no address"),
    ("127.0.0.1:65536", 2, "is no address"), ("::1:9435", 2, "is no address"),
    ("unix:", 2, "has no path"), ("unix:/etc/passwd", 2, "is no socket"),
    ("unix:/" + "x" * 200, 2, "too long"), ("unix:/nonexistent/x", 3, "No such file"),
    ("192.0.2.1:9435", 3, "Cannot assign"),
])
def test_addresses_that_are_none(address: str, status: int, why: str) -> None:
    done = run("export", "--listen", address, "-d", "1s")
    assert done.returncode == status
    assert re.fullmatch(r"tcpdwell: --listen: .*\n", done.stderr.decode()) and \
        why in done.stderr.decode()


@pytest.mark.parametrize("arguments", [
    ("--listen", "unix:/root/x"), ("--listen", "127.0.0.1:1"), ("--textfile", "/root/x.prom"), (),
])
def test_no_permission(arguments: tuple[str, ...]) -> None:
    """A user without rights gets neither the place nor the kernel, and is told so."""
    def nobody(argv: list[str]) -> list[str]:
        return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--", *argv]

    done = run("export", *arguments, "-d", "1s", wrap=nobody)
    assert done.returncode == 3, done.stderr
    said = done.stderr.decode().splitlines()[-1]
    assert said.startswith("tcpdwell: ")
    assert "ermi" in said or "CAP_" in said, said


def test_all_addresses_when_said(netns: Netns) -> None:
    """[::] is all addresses of both families; a restart works while clients are in TIME_WAIT."""
    port = 0
    for _ in range(3):
        with Running("export", "--listen", f"[::]:{port}", "-i", "1s", *filtered_to(netns)) as one:
            found = re.search(r"metrics at http://\[::\]:(\d+)/metrics", one.said())
            assert found, one.said()
            port = int(found[1])
            for address in ("127.0.0.1", "::1"):
                with socket.create_connection((address, port), timeout=LIMIT_S) as connection:
                    connection.sendall(HEALTH)
                    assert connection.recv(9) == b"HTTP/1.1 "
            one.finish()


def test_port_in_use(netns: Netns) -> None:
    with export(netns) as running:
        done = run("export", "--listen", "%s:%d" % running.address, "-d", "1s")
    assert done.returncode == 3
    assert done.stderr.decode().endswith("is in use\n")


def test_unix_socket(netns: Netns, tmp_path: Path) -> None:
    """A socket left by an earlier run is replaced, but one that is in use is not."""
    path = tmp_path / "socket"
    arguments = ["export", "--listen", f"unix:{path}", "-i", "1s", *filtered_to(netns)]
    for _ in range(2):
        with Running(*arguments) as running:
            assert f"metrics at unix:{path}\n" in running.said()
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(path))
                connection.sendall(HEALTH)
                assert connection.recv(9) == b"HTTP/1.1 "
            assert run(*arguments, "-d", "1s").returncode == 3
            running.finish()
    assert path.is_socket()


def test_socket_of_a_process_manager(netns: Netns) -> None:
    """sd_listen_fds(3): a listening socket is served; a LISTEN_PID of another process is
    ignored."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with Export(*filtered_to(netns), listener=listener) as running:
            assert running.address == listener.getsockname()
            assert running.look().find("tcpdwell_build_info") == [1]
        with Export(*filtered_to(netns), env={**os.environ, "LISTEN_FDS": "1",
                                              "LISTEN_PID": "1"}) as running:
            assert running.address != listener.getsockname()


def test_unix_socket_of_a_process_manager(netns: Netns, tmp_path: Path) -> None:
    """Its path is said; a name of the abstract namespace begins with @, as in ss(8)."""
    for name, said in ((str(tmp_path / "a b\n"), f"{tmp_path}/a b\\x0a"),
                       ("\0tcpdwell-test", "@tcpdwell-test")):
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(name)
            listener.listen()
            with Running("export", "-i", "1s", *filtered_to(netns), wrap=handing_over(listener),
                         pass_fds=[listener.fileno()]) as running:
                assert f"metrics at unix:{said}\n" in running.said()
                running.finish()


@pytest.mark.parametrize(("fds", "listens", "why"), [
    ("1", False, "descriptor 3 is no stream that listens"), ("2", True, "one socket is served")])
def test_sockets_that_cannot_be_served(fds: str, listens: bool, why: str) -> None:
    with socket.socket() as client, socket.create_server(("127.0.0.1", 0)) as listener:
        given = listener if listens else client
        done = run("export", "-d", "1s", pass_fds=[given.fileno()],
                   wrap=handing_over(given, fds=fds))
    assert done.returncode == 2
    assert why in done.stderr.decode()
