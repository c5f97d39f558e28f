# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The architectures that guests have."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

TOP = Path(__file__).resolve().parents[2]


class Arch(NamedTuple):
    """An architecture, with its names for the Makefile, for Debian and for uname -m."""

    name: str
    debian: str
    machine: str
    qemu: str
    qemu_package: str
    board: tuple[str, ...]
    tcg_processor: str  # the emulated model
    console: str

    @property
    def native(self) -> bool:
        """Whether it is this machine's architecture."""
        return os.uname().machine == self.machine

    @property
    def build(self) -> Path:
        """Where the Makefile puts what it builds for this architecture."""
        return TOP / "build" / ("" if self.native else self.name)

    def named(self, text: str) -> str:
        """A name, preceded by the architecture if that is not this machine's."""
        return text if self.native else f"{self.name}-{text}"


ARCHES = {arch.name: arch for arch in (
    Arch("x86", "amd64", "x86_64", "qemu-system-x86_64", "qemu-system-x86", ("-M", "q35"),
         # A model without features that TCG of QEMU 7.2 gets wrong: 6.12 crashes under "max". It
         # excludes what TCG lacks, and erms: an emulated rep movsb goes byte by byte, and without
         # it everything is a third faster.
         "Haswell-noTSX-IBRS,invpcid=off,spec-ctrl=off,pcid=off,x2apic=off,tsc-deadline=off,"
         "erms=off", "ttyS0"),
    Arch("arm64", "arm64", "aarch64", "qemu-system-aarch64", "qemu-system-arm",
         ("-M", "virt,gic-version=3"),
         # All that QEMU has, including pointer authentication, but with a quick hash. 5.10 does not
         # start if addresses may have 52 bits with pages of 4 KiB.
         "max,pauth-impdef=on,lpa2=off,sve=off,sme=off", "ttyAMA0"),
)}
