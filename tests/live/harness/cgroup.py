# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Throw-away cgroups of the version 2 hierarchy, also on hosts that have not mounted it."""

from __future__ import annotations

import itertools
import os
import tempfile
from pathlib import Path
from typing import Sequence

from . import process

_numbers = itertools.count()


class NoCgroups(Exception):
    """This host cannot have a cgroup of version 2."""


def mounted() -> str | None:
    """Where the whole hierarchy is mounted; None: nowhere."""
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        fields = line.split()
        if fields[fields.index("-") + 1] == "cgroup2" and fields[3] == "/":
            return fields[4]
    return None


class Cgroup:
    """A cgroup; its path is relative to the hierarchy, as the tracer has it."""

    def __init__(self, parent: Cgroup | None = None) -> None:
        self.name = f"tcpdwell-{os.getpid()}-{next(_numbers)}"
        self.path = f"{parent.path if parent else ''}/{self.name}"
        self._mount = mounted()
        self._folder = "" if self._mount else tempfile.mkdtemp(prefix="tcpdwell-")
        try:
            self._do('mkdir "$1$2"', self.path)
        except AssertionError as why:
            self._unmount()
            raise NoCgroups(str(why)) from None

    def wrap(self, argv: Sequence[str]) -> list[str]:
        """A command that runs argv where the hierarchy is mounted, if need be in a mount namespace.
        """
        if self._mount:
            return list(argv)
        return ["unshare", "--mount", "sh", "-c",
                'mount -t cgroup2 none "$0" && exec "$@"', self._folder, *argv]

    def _do(self, script: str, *arguments: str) -> None:
        """Runs a script; $1 is where the hierarchy is mounted."""
        process.run(self.wrap(["sh", "-c", script, "sh", self._mount or self._folder, *arguments]))

    def add(self, pid: int) -> None:
        """Moves a process there. A socket belongs to the cgroup of its process when it is made."""
        self._do('echo "$3" >"$1$2/cgroup.procs"', self.path, str(pid))

    def remove(self) -> None:
        """Removes it, once its processes have ended."""
        try:
            self._do('rmdir "$1$2"', self.path)
        finally:
            self._unmount()

    def _unmount(self) -> None:
        if self._folder:
            os.rmdir(self._folder)
