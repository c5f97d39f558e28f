# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`leaks --watch --stacks` against files that a user has prepared for it."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import shutil
import signal
import socket
import struct
import threading
import time
import zlib
from pathlib import Path
from typing import Callable, Iterator

import pytest

from harness import elf, process, within
from harness.leaks import Watch
from harness.netns import Netns
from harness.server import PORT, Server

MEBIBYTE = 1 << 20
# More than the number of files that the tracer keeps open (SYMBOLIZER_MODULES).
MODULES = 300
# More than it looks through (PROCFS_MAPS_MAX).
MAPPINGS = 5000


def resident_kib(pid: int) -> int:
    """Returns the memory of the process and of those that it has started."""
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


def bzip2_bomb(file: Path) -> None:
    file.write_bytes(bz2.compress(b"\0" * (200 * MEBIBYTE)))


def sparse(file: Path) -> None:
    """Makes a terabyte that claims to be ELF, with sections at its end."""
    head = bytearray(Path("/bin/true").read_bytes()[:4096])
    head[40:48] = ((1 << 40) - 4096).to_bytes(8, "little")
    with file.open("wb") as out:
        out.write(head)
        out.truncate(1 << 40)


def table(*sections: tuple[str, bytes, int]) -> dict[str, tuple[bytes, int]]:
    """Returns the sections of a file whose code has unwind tables."""
    return {".eh_frame": (elf.unwind_tables(0), 2),
            **{name: (data, flags) for name, data, flags in sections}}


def unwind_tables(file: Path) -> None:
    elf.write(file, {".eh_frame": (elf.unwind_tables(20 * MEBIBYTE // 24), 2)})


def xz_bomb(file: Path) -> None:
    packed = lzma.compress(b"\0" * (200 * MEBIBYTE), preset=0)
    elf.write(file, table((".gnu_debugdata", packed, 0)))


def lying_xz_bomb(file: Path) -> None:
    """Makes a file whose index claims that it unpacks to little."""
    packed = lzma.compress(b"\0" * (200 * MEBIBYTE), preset=0)
    size = (struct.unpack("<I", packed[-8:-4])[0] + 1) * 4
    # NUL, the number of blocks, and for each block its size, packed and unpacked. A number has
    # seven bits in each byte, and the eighth bit is set if more bytes follow.
    index = bytearray(packed[-12 - size:-12 - 4])
    ends = [i for i, byte in enumerate(index) if not byte & 0x80]
    for i in range(ends[2] + 1, ends[3]):
        index[i] = 0x81
    index[ends[3]] = 1
    index += struct.pack("<I", zlib.crc32(index))
    elf.write(file, table((".gnu_debugdata", packed[:-12 - size] + index + packed[-12:], 0)))


def compressed_debug_sections(file: Path) -> None:
    packed = struct.pack("<IIQQ", 1, 0, 200 * MEBIBYTE, 1) + zlib.compress(b"\0" * MEBIBYTE)
    elf.write(file, table((".debug_info", packed, elf.COMPRESSED)))


class Scene:
    """A server that leaks connections, whose stack leads into a prepared file; and its watch."""

    def __init__(self, netns: Netns, monkeypatch: pytest.MonkeyPatch, **setting: object) -> None:
        for name, value in setting.items():
            monkeypatch.setenv(name, str(value))
        self.netns = netns
        self.clients: list[socket.socket] = []
        self.errors: list[str] = []
        self.server = Server("mapped", netns, "ipv4")

    def watch(self) -> None:
        self.watching = Watch(self.netns, "--stacks")
        assert self.watching.child.stderr
        self.reader = threading.Thread(target=self.errors.extend,
                                       args=(self.watching.child.stderr,), daemon=True)
        self.reader.start()

    def leak(self, count: int) -> None:
        for _ in range(count):
            self.clients.append(within.make_socket(self.netns))
            self.clients[-1].connect(("127.0.0.1", PORT))
            self.clients[-1].shutdown(socket.SHUT_WR)

    def wait_for(self, text: str) -> None:
        """Waits for the text in a report that begins from now on."""
        self.watching.wait_for_text(lambda report: text in report)

    def wait_for_error(self, text: str) -> None:
        deadline = time.monotonic() + process.LIMIT_S
        while text not in "".join(self.errors):
            self.watching.wait_for_text(lambda report: "leaks" in report)
            assert time.monotonic() < deadline, self.errors

    def check(self) -> None:
        """The tracer stays small, and ends when told."""
        child = self.watching.child
        assert resident_kib(child.pid) < 100 << 10
        begin = time.monotonic()
        child.send_signal(signal.SIGINT)
        child.wait(process.LIMIT_S)
        assert time.monotonic() - begin < 1
        self.reader.join(process.LIMIT_S)

    def end(self) -> None:
        if hasattr(self, "watching"):
            process.end(self.watching.child)
        self.server.stop()
        for client in self.clients:
            client.close()


@pytest.fixture
def scene(netns: Netns, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Scene]]:
    """scene(NAME=value, …) sets the environment of the server (servers/mapped.c)."""
    made: list[Scene] = []

    def make(**setting: object) -> Scene:
        made.append(Scene(netns, monkeypatch, **setting))
        return made[-1]

    yield make
    for each in made:
        each.end()


@pytest.mark.any_kernel
@pytest.mark.parametrize("prepare, setting, said", [
    (bomb, {}, "it is no ELF file"),
    (bzip2_bomb, {}, "it is no ELF file"),
    (sparse, {}, None),
    (bomb, {"LEASED": 1}, "a process holds a lease on it"),
    (unwind_tables, {"CODE_AT": elf.CODE_AT}, "to read it takes too"),
    (xz_bomb, {"CODE_AT": elf.CODE_AT}, "unpack to more than 24 MB"),
    (lying_xz_bomb, {"CODE_AT": elf.CODE_AT}, "to read it takes too"),
    (compressed_debug_sections, {"CODE_AT": elf.CODE_AT},
     "its debugging information unpacks to more than 24 MB"),
], ids=["bomb", "bzip2", "sparse", "lease", "unwind tables", "xz", "lying xz", "debug sections"])
def test_goes_on(tmp_path: Path, scene: Callable[..., Scene], prepare: Callable[[Path], None],
                 setting: dict[str, object], said: str | None) -> None:
    prepare(tmp_path / "code")
    one = scene(MAPPED=tmp_path / "code", **setting)
    one.watch()
    one.leak(3)
    one.wait_for("came from this accept")
    if said:
        one.wait_for_error(said)
    one.check()


@pytest.mark.any_kernel
def test_truncated_while_it_is_read(tmp_path: Path, scene: Callable[..., Scene]) -> None:
    """The file shrinks after the first look at it; then a second address in it is looked up."""
    file = tmp_path / "code"
    elf.write(file, table((".data", bytes(MEBIBYTE), 0)))
    one = scene(MAPPED=file, CODE_AT=elf.CODE_AT)
    one.watch()
    one.leak(1)
    one.wait_for(f"{file}+0x{elf.CODE_AT + 64:x}")
    os.truncate(file, elf.CODE_AT + elf.PAGE)
    one.leak(1)
    one.wait_for_error("it was truncated while it was read")
    one.check()


@pytest.mark.any_kernel
def test_fifo_for_names(scene: Callable[..., Scene]) -> None:
    """The code is only in memory, and the file of its names is a FIFO, which waits for a writer."""
    one = scene()
    fifo = Path(f"/tmp/perf-{one.server.child.pid}.map")
    os.mkfifo(fifo)
    try:
        one.watch()
        one.leak(3)
        one.wait_for("came from this accept")
        one.check()
    finally:
        fifo.unlink()


@pytest.mark.any_kernel
def test_more_modules_than_are_kept(tmp_path: Path, scene: Callable[..., Scene]) -> None:
    elf.write(tmp_path / "0", table())
    for number in range(1, MODULES):
        shutil.copyfile(tmp_path / "0", tmp_path / str(number))
    one = scene(MAPPED=tmp_path, MODULES=MODULES, CODE_AT=elf.CODE_AT)
    one.watch()
    one.leak(MODULES)
    one.wait_for(f"leaks: {MODULES} in CLOSE_WAIT")
    one.wait_for("came from this accept")
    one.check()


@pytest.mark.any_kernel
def test_more_mappings_than_are_looked_through(tmp_path: Path, scene: Callable[..., Scene]) -> None:
    """That a process cannot be looked at does not say that it is gone."""
    shutil.copyfile("/bin/true", tmp_path / "code")  # of a build id, by which it is known
    one = scene(MAPPED=tmp_path / "code", MAPPINGS=MAPPINGS, CODE_AT=elf.CODE_AT)
    one.watch()
    one.leak(3)
    one.wait_for("came from this accept")
    one.wait_for("the process maps too much code to be looked through")
    one.check()
