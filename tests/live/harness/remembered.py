# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What a tracer remembers of connections, and made-up connections to put among it."""

from __future__ import annotations

import struct
import time
from dataclasses import dataclass, replace

from . import bpfmap

# The members of struct lifecycle (include/lifecycle.h): since_ns, id, two unions, pid, four bytes,
# name, state, user, waits.
LIFECYCLE = struct.Struct("<QQQQIBBBB15sBII")
TW = 1 << 2  # of the marks
ESTABLISHED, SYN_RECV, TIME_WAIT, CLOSE = 1, 3, 6, 7
# Nothing is mapped there on x86_64 or arm64: it is a hole in the kernel's address space.
NOWHERE = 0xFFFFFF8800001000
NO_COOKIE = 0x7FFF_0000_0000_0000  # no socket has it
RECENT_SLOTS = 1 << 17  # the greatest number (user/kernel/map_sizes.c)
# Ages: longer than TIME_WAIT lasts; old enough that the sweep asks about it; not yet.
OLD_S, GONE_S, YOUNG_S = 62, 3, 0.5


@dataclass
class Connection:
    """What is remembered of a connection."""

    key: int
    state: int
    marks: int
    age_s: float

    def value(self) -> bytes:
        since_ns = time.monotonic_ns() - int(self.age_s * 1e9)
        return LIFECYCLE.pack(since_ns, self.key, 0, NOWHERE, 0, 0, 0, 0, self.marks, b"",
                              self.state, 0, 0)


# A timewait socket is known by its cookie if it has one, else by its address.
GONE_TIMEWAIT = Connection(NOWHERE, TIME_WAIT, TW, GONE_S)
GONE_REQUEST = Connection(NOWHERE + 4096, SYN_RECV, 0, GONE_S)
# What is left of a request that is over. The flush removes it, unless it never heard of the
# request.
MARK = Connection(NOWHERE + 12288, 0, 0, GONE_S)
GONE_SOCK = Connection(NO_COOKIE + 1, ESTABLISHED, 0, GONE_S)


class Remembered:
    """The maps of a tracer that remember connections."""

    def __init__(self, pid: int) -> None:
        self.maps = bpfmap.of_process(pid)
        self.tables = [one for one in self.maps if bpfmap.is_table(one)]
        self.recent = [one for one in self.maps if bpfmap.is_recent(one)]

    def __enter__(self) -> Remembered:
        return self

    def __exit__(self, *unused: object) -> None:
        for one in self.maps:
            one.close()

    def plant(self, connection: Connection) -> None:
        self.tables[0].put(struct.pack("<Q", connection.key), connection.value())

    def slots_of(self, cookie: int) -> bpfmap.Map | None:
        """The map that has the connection of this socket in one of its slots."""
        for one in self.recent:
            value = one.get(struct.pack("<I", cookie % one.max_entries))
            if value and LIFECYCLE.unpack(value)[1] == cookie:
                return one
        return None

    def plant_beside(self, cookie: int, distance: int, connection: Connection) -> None:
        """Puts it in a slot of the same map, which belongs to a cookie that no socket has."""
        slots = self.slots_of(cookie)
        assert slots
        key = NO_COOKIE + (cookie % RECENT_SLOTS ^ distance)
        slots.put(struct.pack("<I", key % slots.max_entries),
                   replace(connection, key=key).value())

    def age(self, state: int, by_s: int) -> list[tuple[bytes, bytes]]:
        """Makes all in this state older by by_s. Returns what is remembered of them now."""
        changed = []
        for table in (*self.tables, *self.recent):
            for key in list(table.keys()):
                value = table.get(key)
                if not value or LIFECYCLE.unpack(value)[10] != state:
                    continue
                since_ns, *rest = LIFECYCLE.unpack(value)
                value = LIFECYCLE.pack(since_ns - by_s * 10**9, *rest)
                table.put(key, value)
                changed.append((struct.pack("<Q", rest[0]), value))
        return changed

    def has(self, connection: Connection) -> bool:
        """Whether it is there, and no real connection has its key."""
        value = self.tables[0].get(struct.pack("<Q", connection.key))
        return value is not None and LIFECYCLE.unpack(value)[3] == NOWHERE
