# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""ELF files of 64 bits: what a file contains, and files as a user may have prepared them."""

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
        """The build ID in hexadecimal digits."""
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
        """The name of the function that contains the byte at this offset."""
        address = self._address(offset)
        symbols = next(section for section in self.sections if section.kind == SYMTAB)
        names = self.sections[symbols.link].offset
        for at in range(symbols.offset, symbols.offset + symbols.size, 24):
            name, info, _, _, value, size = struct.unpack_from("<IBBHQQ", self.data, at)
            if info & 15 == FUNCTION and value <= address < value + size:
                end = self.data.index(b"\0", names + name)
                return self.data[names + name:end].decode()
        raise AssertionError(f"{offset:#x} is in no function")


# ---- Files of our own making --------------------------------------------------------------------

PAGE = 4096
# Where the code of such a file is: one page, with a call before each 64th byte.
CODE_AT = PAGE
PROGRAM_BITS, COMPRESSED = 1, 0x800


def code() -> bytes:
    page = bytearray(b"\x90" * PAGE)
    for end in range(64, PAGE, 64):
        page[end - 5:end] = b"\xe8\0\0\0\0"
    return bytes(page)


def unwind_tables(count: int) -> bytes:
    """An .eh_frame whose last entry covers the code; all others cover code that does not exist."""
    cie = struct.pack("<II", 20, 0) + b"\x01zR\0\x01\x78\x10\x01\x1b\x0c\x07\x08\x90\x01" + bytes(2)
    tables, at = [cie], len(cie)
    for i in range(count + 1):
        place, size = (1 << 30, 1) if i < count else (CODE_AT - 2 * PAGE - at - 8, PAGE)
        tables.append(struct.pack("<IIiIQ", 20, at + 4, place, size, 0))
        at += 24
    return b"".join([*tables, bytes(4)])


def write(path: Path, sections: dict[str, tuple[bytes, int]]) -> None:
    """Writes sections by name, with their flags; their contents begin at the page after the code.
    """
    names = b"\0" + b"".join(name.encode() + b"\0" for name in (*sections, ".shstrtab"))
    body, headers = b"", [bytes(64)]
    for name, (data, flags) in {**sections, ".shstrtab": (names, 0)}.items():
        at = 2 * PAGE + len(body)
        headers.append(struct.pack("<IIQQQQIIQQ", names.index(b"\0" + name.encode() + b"\0") + 1,
                                   3 if name == ".shstrtab" else PROGRAM_BITS, flags,
                                   at if name == ".eh_frame" else 0, at, len(data), 0, 0, 8, 0))
        body += data + bytes(-len(data) % 8)
    end = 2 * PAGE + len(body)
    head = b"\x7fELF\2\1\1" + bytes(9) + struct.pack(
        "<HHIQQQIHHHHHH", 3, 62, 1, CODE_AT, 64, end, 0, 64, 56, 2, 64, len(headers),
        len(headers) - 1)
    head += struct.pack("<IIQQQQQQ", LOAD, 5, CODE_AT, CODE_AT, CODE_AT, PAGE, PAGE, PAGE)
    head += struct.pack("<IIQQQQQQ", LOAD, 4, 2 * PAGE, 2 * PAGE, 2 * PAGE, len(body), len(body),
                        PAGE)
    path.write_bytes(head + bytes(PAGE - len(head)) + code() + body + b"".join(headers))
