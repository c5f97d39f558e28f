# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A file system that answers all but reads: a process that reads its file waits for ever."""

from __future__ import annotations

import errno
import os
import stat
import struct
import subprocess
import threading
from pathlib import Path

# What the kernel asks for (linux/fuse.h).
LOOKUP, FORGET, GETATTR, OPEN, READ, INIT, INTERRUPT = 1, 2, 3, 14, 15, 26, 36
BATCH_FORGET = 42
HEAD = struct.Struct("=IIQQIIIHH")
ANSWER = struct.Struct("=IiQ")
# It is not asked again for what it has answered.
FOREVER_S = 1 << 30
ROOT, FILE = 1, 2
FILE_BYTES = 1 << 20
REQUEST_BYTES = 1 << 18


class NoFuse(Exception):
    """This host mounts no such file system."""


def attributes(node: int) -> bytes:
    mode, size = ((stat.S_IFDIR | 0o755, 0) if node == ROOT
                  else (stat.S_IFREG | 0o644, FILE_BYTES))
    return struct.pack("=QQQQQQIIIIIIIIII", node, size, size // 512, 0, 0, 0, 0, 0, 0, mode, 1, 0,
                       0, 0, 4096, 0)


class Silent:
    """Mounts it at a folder, with one file. Closing it makes all that wait go on, with an error."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "file"
        self.asked = threading.Event()  # somebody waits for the file's contents
        try:
            self._fd = os.open("/dev/fuse", os.O_RDWR)
        except OSError as why:
            raise NoFuse(str(why)) from None
        options = f"fd={self._fd},rootmode=40000,user_id=0,group_id=0,allow_other"
        mounted = subprocess.run(["mount", "-i", "-t", "fuse", "-o", options, "silent", folder],
                                 pass_fds=[self._fd], capture_output=True, text=True, check=False)
        if mounted.returncode:
            os.close(self._fd)
            raise NoFuse(mounted.stderr)
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        subprocess.run(["umount", "-l", self.folder], check=True)
        os.close(self._fd)

    def _serve(self) -> None:
        while True:
            try:
                request = os.read(self._fd, REQUEST_BYTES)
            except OSError:
                return  # it is unmounted
            if not request:
                return
            _, kind, unique, node, *_ = HEAD.unpack_from(request)
            if kind == READ:
                self.asked.set()
            elif kind not in (FORGET, BATCH_FORGET, INTERRUPT):
                self._answer(unique, self._answer_to(kind, node))

    def _answer_to(self, kind: int, node: int) -> bytes | None:
        if kind == INIT:
            return struct.pack("=IIIIHHIIHHI7I", 7, 31, 65536, 0, 8, 8, 65536, 1, 0, 0, *[0] * 8)
        if kind == LOOKUP:
            return struct.pack("=QQQQII", FILE, 0, FOREVER_S, FOREVER_S, 0, 0) + attributes(FILE)
        if kind == GETATTR:
            return struct.pack("=QII", FOREVER_S, 0, 0) + attributes(node)
        if kind == OPEN:
            return struct.pack("=QII", 0, 0, 0)
        return None

    def _answer(self, unique: int, body: bytes | None) -> None:
        error = 0 if body is not None else -errno.ENOSYS
        os.write(self._fd, ANSWER.pack(ANSWER.size + len(body or b""), error, unique) +
                 (body or b""))
