# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`leaks --watch --stacks` against files that a user has prepared for it."""

from __future__ import annotations

import gzip
import signal
import socket
import threading
import time
from pathlib import Path

import pytest

from harness import process, within
from harness.leaks import Watch
from harness.netns import Netns
from harness.server import PORT, Server

MEBIBYTE = 1 << 20


def resident_kib(pid: int) -> int:
    """Its own and that of those it has started."""
    total = 0
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        except OSError:
            continue
        named = fields["Name"].strip() == "tcpdwell-names"
        if named or pid in (int(fields["Pid"]), int(fields["PPid"])):
            total += int(fields.get("VmRSS", "0").split()[0])
    return total


def bomb(file: Path) -> None:
    file.write_bytes(gzip.compress(b"\0" * (200 * MEBIBYTE)))


def sparse(file: Path) -> None:
    """A terabyte that says it is ELF, with sections at its end."""
    head = bytearray(Path("/bin/true").read_bytes()[:4096])
    head[40:48] = ((1 << 40) - 4096).to_bytes(8, "little")
    with file.open("wb") as out:
        out.write(head)
        out.truncate(1 << 40)


@pytest.mark.any_kernel
@pytest.mark.parametrize("prepare, leased, said", [
    (bomb, False, "it is no ELF file"),
    (sparse, False, None),
    (bomb, True, "a process holds a lease on it"),
], ids=["bomb", "sparse", "lease"])
def test_goes_on(tmp_path: Path, netns: Netns, monkeypatch: pytest.MonkeyPatch,
                 prepare: object, leased: bool, said: str | None) -> None:
    file = tmp_path / "code"
    prepare(file)  # type: ignore[operator]
    monkeypatch.setenv("MAPPED", str(file))
    if leased:
        monkeypatch.setenv("LEASED", "1")
    server = Server("mapped", netns, "ipv4")
    watching = Watch(netns, "--stacks")
    errors: list[str] = []
    assert watching.child.stderr
    reader = threading.Thread(target=errors.extend, args=(watching.child.stderr,), daemon=True)
    reader.start()
    clients: list[socket.socket] = []
    try:
        for _ in range(3):
            clients.append(within.make_socket(netns))
            clients[-1].connect(("127.0.0.1", PORT))
            clients[-1].shutdown(socket.SHUT_WR)
        watching.wait_for_text(lambda text: "came from this accept" in text)
        assert resident_kib(watching.child.pid) < 100 << 10
        begin = time.monotonic()
        watching.child.send_signal(signal.SIGINT)
        watching.child.wait(process.LIMIT_S)
        assert time.monotonic() - begin < 1
        reader.join(process.LIMIT_S)
        assert said is None or said in "".join(errors)
    finally:
        process.end(watching.child)
        server.stop()
        for client in clients:
            client.close()
