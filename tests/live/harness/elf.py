# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What is in an ELF file of 64 bits: its build id, and which function a byte of it belongs to."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import NamedTuple

SYMTAB, NOTE = 2, 7
LOAD = 1
FUNCTION = 2
BUILD_ID = 3


class Section(NamedTuple):
    """A section header, as the file has it."""

    name: int
    kind: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    align: int
    entry: int


class Elf:
    """One file."""

    def __init__(self, path: Path) -> None:
        self.data = path.read_bytes()
        assert self.data[:5] == b"\x7fELF\x02", f"{path}: no ELF file of 64 bits"
        offset, = struct.unpack_from("<Q", self.data, 40)
        size, count = struct.unpack_from("<HH", self.data, 58)
        self.sections = [Section(*struct.unpack_from("<IIQQQQIIQQ", self.data, offset + i * size))
                         for i in range(count)]

    @property
    def build_id(self) -> str:
        """In hexadecimal digits."""
        for section in self.sections:
            if section.kind != NOTE:
                continue
            name, length, kind = struct.unpack_from("<III", self.data, section.offset)
            start = section.offset + 12 + name
            if kind == BUILD_ID and self.data[section.offset + 12:start] == b"GNU\0":
                return self.data[start:start + length].hex()
        raise AssertionError("no build id")

    def _address(self, offset: int) -> int:
        """Where the byte at this offset of the file is loaded."""
        table, = struct.unpack_from("<Q", self.data, 32)
        size, count = struct.unpack_from("<HH", self.data, 54)
        for i in range(count):
            kind, _, at, address, _, length = struct.unpack_from("<IIQQQQ", self.data,
                                                                 table + i * size)
            if kind == LOAD and at <= offset < at + length:
                return int(address + offset - at)
        raise AssertionError(f"{offset:#x} is in no segment")

    def function(self, offset: int) -> str:
        """The name of the one with the byte at this offset."""
        address = self._address(offset)
        symbols = next(section for section in self.sections if section.kind == SYMTAB)
        names = self.sections[symbols.link].offset
        for at in range(symbols.offset, symbols.offset + symbols.size, 24):
            name, info, _, _, value, size = struct.unpack_from("<IBBHQQ", self.data, at)
            if info & 15 == FUNCTION and value <= address < value + size:
                end = self.data.index(b"\0", names + name)
                return self.data[names + name:end].decode()
        raise AssertionError(f"{offset:#x} is in no function")
