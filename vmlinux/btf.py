# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Reads BTF, the type format of BPF, and the CO-RE relocations that refer to it.

Documentation/bpf/btf.rst of the kernel describes both.  Types are decoded when asked for: a kernel
has over 100 000 and a caller looks at some dozens.  Little endian only, as x86-64 and arm64 are.
"""

from __future__ import annotations

import re
import struct
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

INT, PTR, ARRAY, STRUCT, UNION, ENUM, FWD, TYPEDEF, VOLATILE, CONST, RESTRICT = range(1, 12)
FUNC, FUNC_PROTO, VAR, DATASEC, FLOAT, DECL_TAG, TYPE_TAG, ENUM64 = range(12, 20)

# What follows a type's 12 bytes: so many bytes once, and so many for each of its vlen entries.
FIXED = {INT: 4, ARRAY: 12, VAR: 4, DECL_TAG: 4}
EACH = {STRUCT: 12, UNION: 12, ENUM: 8, FUNC_PROTO: 8, DATASEC: 12, ENUM64: 12}
POINTER_BYTES = 8

HEADER = struct.Struct("<HBBIIIII")
# Magic, version, flags and the header's length, as every kernel writes them.
HEADER_START = b"\x9f\xeb\x01\x00\x18\x00\x00\x00"

# What a boot image's payload begins with, and the command that unpacks it.
PACKERS = {
    b"\x1f\x8b\x08": "gzip",
    b"\xfd7zXZ\x00": "xz",
    b"\x02\x21\x4c\x18": "lz4",
    b"\x28\xb5\x2f\xfd": "zstd",
}


class BtfError(Exception):
    """The file is not what it should be."""


def elf_sections(data: bytes) -> dict[str, bytes]:
    """The sections of a 64-bit little-endian ELF file, by name."""
    if data[:6] != b"\x7fELF\x02\x01":
        raise BtfError("not a 64-bit little-endian ELF file")
    (table,) = struct.unpack_from("<Q", data, 0x28)
    size, count, names = struct.unpack_from("<HHH", data, 0x3A)
    headers = [struct.unpack_from("<IIQQQQ", data, table + i * size) for i in range(count)]
    strings = headers[names][4]
    sections = {}
    for name, _, _, _, offset, length in headers:
        start = strings + name
        sections[data[start : data.index(b"\0", start)].decode()] = data[offset : offset + length]
    return sections


def kernel_btf(data: bytes) -> bytes | None:
    """The BTF inside a kernel that is not packed."""
    at = data.find(HEADER_START)
    while at >= 0:
        *_, types, type_bytes, strings, string_bytes = HEADER.unpack_from(data, at)
        end = at + HEADER.size + strings + string_bytes
        if types == 0 and strings == type_bytes and end <= len(data):
            return data[at:end]
        at = data.find(HEADER_START, at + 1)
    return None


def image_btf(data: bytes) -> bytes:
    """The BTF inside a boot image, as it lies in /boot.

    The magic of a packer may turn up by chance, and padding follows the payload, so that neither a
    failure nor its absence is known before the output is looked at.
    """
    found, missing = kernel_btf(data), []
    for magic, packer in PACKERS.items():
        at = data.find(magic)
        if found or at < 0:
            continue
        try:
            command = [packer, "-dc"]
            done = subprocess.run(command, input=data[at:], capture_output=True, check=False)
            found = kernel_btf(done.stdout)
        except FileNotFoundError:
            missing.append(packer)
    if not found:
        raise BtfError("no BTF in it" + "".join(f"; {m} is not installed" for m in missing))
    return found


@dataclass(frozen=True)
class Type:
    """One BTF type: its id, its common part and where its own part begins."""

    id: int
    name: str
    kind: int
    vlen: int
    kind_flag: bool
    size_or_type: int
    offset: int


@dataclass(frozen=True)
class Member:
    """A member of a struct or union; bits is 0 unless it is a bit field."""

    name: str
    type_id: int
    bits: int


class Btf:
    """The types of one BTF blob."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        magic, _, _, header, types, type_bytes, strings, string_bytes = HEADER.unpack_from(data)
        if magic != 0xEB9F:
            raise BtfError("no BTF magic")
        self.types = (header + types, header + types + type_bytes)
        self.strings = data[header + strings : header + strings + string_bytes]

    @classmethod
    def load(cls, path: Path) -> Btf:
        """From an object, a boot image, or a raw file like /sys/kernel/btf/vmlinux."""
        data = path.read_bytes()
        try:
            if data.startswith(b"\x7fELF"):
                return cls(elf_sections(data)[".BTF"])
            return cls(data if data.startswith(HEADER_START[:2]) else image_btf(data))
        except (BtfError, KeyError, struct.error) as error:
            raise BtfError(f"{path}: {error}") from error

    def string(self, offset: int) -> str:
        return self.strings[offset : self.strings.index(b"\0", offset)].decode()

    @cached_property
    def index(self) -> list[int]:
        """The offset of each type by its id; 0 is void and has none."""
        offsets, at = [0], self.types[0]
        while at < self.types[1]:
            offsets.append(at)
            (info,) = struct.unpack_from("<I", self.data, at + 4)
            kind = info >> 24 & 0x1F
            at += 12 + FIXED.get(kind, 0) + EACH.get(kind, 0) * (info & 0xFFFF)
        return offsets

    @cached_property
    def by_name(self) -> dict[str, list[int]]:
        """The ids of the types with each name."""
        offsets: dict[int, list[int]] = {}
        for type_id, at in enumerate(self.index[1:], 1):
            (name,) = struct.unpack_from("<I", self.data, at)
            if name:
                offsets.setdefault(name, []).append(type_id)
        return {self.string(offset): ids for offset, ids in offsets.items()}

    def type(self, type_id: int) -> Type:
        at = self.index[type_id]
        if at == 0:
            return Type(0, "void", 0, 0, False, 0, 0)
        name, info, size = struct.unpack_from("<III", self.data, at)
        return Type(
            type_id,
            self.string(name),
            info >> 24 & 0x1F,
            info & 0xFFFF,
            bool(info >> 31),
            size,
            at + 12,
        )

    def find(self, name: str, *kinds: int) -> Type | None:
        """The first type of that name and of one of these kinds."""
        found = (self.type(type_id) for type_id in self.by_name.get(name, []))
        return next((t for t in found if t.kind in kinds), None)

    def resolve(self, type_id: int) -> Type:
        """The type behind typedefs and qualifiers."""
        found = self.type(type_id)
        while found.kind in (TYPEDEF, VOLATILE, CONST, RESTRICT, TYPE_TAG):
            found = self.type(found.size_or_type)
        return found

    def array(self, t: Type) -> tuple[int, int]:
        """The element type and the number of elements of an array."""
        element, _, count = struct.unpack_from("<III", self.data, t.offset)
        return element, count

    def size(self, t: Type) -> int:
        """In bytes."""
        t = self.resolve(t.id)
        if t.kind == PTR:
            return POINTER_BYTES
        if t.kind == ARRAY:
            element, count = self.array(t)
            return self.size(self.type(element)) * count
        return t.size_or_type

    def members(self, t: Type) -> list[Member]:
        if t.kind not in (STRUCT, UNION):
            return []
        entries = struct.iter_unpack("<III", self.data[t.offset : t.offset + 12 * t.vlen])
        return [Member(self.string(n), i, o >> 24 if t.kind_flag else 0) for n, i, o in entries]

    def member(self, t: Type, name: str) -> Member | None:
        """The member of that name, looked for in anonymous members too, as C does."""
        for m in self.members(t):
            inner = None if m.name else self.member(self.resolve(m.type_id), name)
            if m.name == name or inner:
                return inner or m
        return None

    def enumerators(self, t: Type) -> list[str]:
        step = EACH.get(t.kind, 0) if t.kind in (ENUM, ENUM64) else 0
        at = [t.offset + i * step for i in range(t.vlen if step else 0)]
        return [self.string(struct.unpack_from("<I", self.data, a)[0]) for a in at]

    @cached_property
    def enum_values(self) -> dict[str, int]:
        """The value of every enumerator."""
        values = {}
        for type_id in range(1, len(self.index)):
            t = self.type(type_id)
            if t.kind == ENUM:
                for name, value in struct.iter_unpack("<Ii", self.data[t.offset :][: 8 * t.vlen]):
                    values[self.string(name)] = value
        return values


def plain(name: str) -> str:
    """The name that CO-RE looks for: without the ___flavour."""
    return re.sub(r"(.)___.*", r"\1", name)


# The kinds of CO-RE relocation, in the order of enum bpf_core_relo_kind.
FIELD_EXISTS, TYPE_ID_LOCAL, TYPE_EXISTS, ENUMVAL_EXISTS, ENUMVAL_VALUE, TYPE_MATCHES = (
    2, 6, 8, 10, 11, 12
)  # fmt: skip


@dataclass(frozen=True)
class Relocation:
    """A CO-RE relocation: what is asked of which type, and the path inside it ("0:1:2")."""

    section: str
    type_id: int
    access: str
    kind: int


def relocations(path: Path) -> tuple[Btf, list[Relocation]]:
    """The local types and the CO-RE relocations of a BPF object."""
    sections = elf_sections(path.read_bytes())
    btf, ext = Btf(sections[".BTF"]), sections[".BTF.ext"]
    header, *_ = struct.unpack_from("<I", ext, 4)
    start, length = struct.unpack_from("<II", ext, 24) if header >= 32 else (0, 0)
    found, at = [], header + start + 4
    (record,) = struct.unpack_from("<I", ext, header + start) if length else (16,)
    while at < header + start + length:
        name, count = struct.unpack_from("<II", ext, at)
        for i in range(count):
            _, type_id, access, kind = struct.unpack_from("<IIII", ext, at + 8 + i * record)
            found.append(Relocation(btf.string(name), type_id, btf.string(access), kind))
        at += 8 + count * record
    return btf, found
