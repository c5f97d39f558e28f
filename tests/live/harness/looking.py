# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`leaks --watch` as what looks at sockets again and again, and what the kernel side remembers."""

from __future__ import annotations

from . import bpfmap
from .plain import Running
from .stage import Server

# How long `leaks --watch` waits between looks, at most.
LOOK_S = 0.2


class Looking(Running):
    """`leaks --watch`, which goes through all sockets of a namespace again and again."""

    def __init__(self, server: Server) -> None:
        super().__init__("leaks", "--watch", "-i", f"{LOOK_S}s", "--netns", str(server.link.inode))
        self.tables = [one for one in bpfmap.of_process(self.child.pid) if bpfmap.is_table(one)]

    def __exit__(self, *unused: object) -> None:
        super().__exit__(*unused)
        for table in self.tables:
            table.close()

    def keys(self) -> set[bytes]:
        """Returns the remembered cookies; for a request, its address."""
        return {key for table in self.tables for key in table.keys()}
