# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The BPF objects of a process, mainly its maps, by bpf(2), since guests have no bpftool."""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

HASH, ARRAY, RINGBUF = 1, 2, 27

_SYS_BPF = {"x86_64": 321, "aarch64": 280}[platform.machine()]
_LOOKUP_ELEM, _UPDATE_ELEM, _GET_NEXT_KEY = 1, 2, 4
_GET_FD_BY_ID = {"prog": 13, "map": 14, "link": 30}
_libc = ctypes.CDLL(None, use_errno=True)


def _bpf(command: int, attributes: bytes) -> int:
    buffer = ctypes.create_string_buffer(attributes, 128)
    result = int(_libc.syscall(_SYS_BPF, command, buffer, len(attributes)))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def _open(kind: str, number: int) -> int:
    return _bpf(_GET_FD_BY_ID[kind], struct.pack("III", number, 0, 0))


def exists(kind: str, number: int) -> bool:
    """Whether the kernel has an object of this kind ("prog", "map", "link") and number."""
    try:
        os.close(_open(kind, number))
    except FileNotFoundError:
        return False
    return True


@dataclass
class Map:
    """A map whose keys and values are bytes. It survives its process until it is closed here."""

    number: int
    kind: int
    key_size: int
    value_size: int
    max_entries: int

    def __post_init__(self) -> None:
        self._fd = _open("map", self.number)

    def close(self) -> None:
        os.close(self._fd)

    def _element(self, command: int, key: bytes | None, value: bytes = b"") -> bytes:
        """Runs one command on an element; returns the value as it is afterwards."""
        room = ctypes.create_string_buffer(value, max(self.value_size, self.key_size))
        held = ctypes.create_string_buffer(key) if key else None
        at = ctypes.addressof(held) if held else 0
        _bpf(command, struct.pack("IxxxxQQQ", self._fd, at, ctypes.addressof(room), 0))
        return room.raw

    def get(self, key: bytes) -> bytes | None:
        try:
            return self._element(_LOOKUP_ELEM, key)[:self.value_size]
        except FileNotFoundError:
            return None

    def put(self, key: bytes, value: bytes) -> None:
        self._element(_UPDATE_ELEM, key, value)

    def keys(self) -> Iterator[bytes]:
        key: bytes | None = None
        while True:
            try:
                key = self._element(_GET_NEXT_KEY, key)[:self.key_size]
            except FileNotFoundError:
                return
            yield key


def of_process(pid: int) -> list[Map]:
    """The maps of a process, in the order of their descriptors. The caller closes them."""
    found = []
    for path in sorted(Path(f"/proc/{pid}/fdinfo").iterdir(), key=lambda path: int(path.name)):
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:  # closed meanwhile
            continue
        facts = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
        if "map_id" in facts:
            found.append(Map(*(int(facts[name]) for name in
                               ("map_id", "map_type", "key_size", "value_size", "max_entries"))))
    return found


# The size of struct lifecycle (include/lifecycle.h). A smaller hash map with such values is for
# children that were just born.
_LIFECYCLE_BYTES, _TABLE_AT_LEAST = 64, 8192


def is_table(one: Map) -> bool:
    """Whether it is a hash table of connections (user/kernel/tables.c)."""
    return (one.kind == HASH and one.value_size == _LIFECYCLE_BYTES
            and one.max_entries >= _TABLE_AT_LEAST)


def is_recent(one: Map) -> bool:
    """Whether it has slots for connections of recent sockets (bpf/recent.bpf.h)."""
    return one.kind == ARRAY and one.value_size == _LIFECYCLE_BYTES
