#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Fetch Debian cloud kernels by package name.

Each line of kernels has an apt of its own (tools/archive.py) under build/vm/apt/LINE/.

    tools/vm/fetch.py [--refresh] [--arch NAME] [LINE...]
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

sys.dont_write_bytecode = True  # root may run this and must leave nothing in the tree

# pylint: disable=wrong-import-position
from arch import ARCHES, TOP, Arch
import image

sys.path.insert(1, str(TOP / "tools"))
from archive import Apt, NotFetched, run

CACHE = TOP / "build/vm"

# Oldest first. "newest" searches all suites that can have a kernel newer than the last stable one,
# and takes the highest. They are aliases rather than code names, so that this stays true after a
# release.
LINES = {
    "5.10": ("bullseye", "bullseye-security"),
    "6.1": ("bookworm", "bookworm-security"),
    "6.12": ("trixie", "trixie-security"),
    "newest": ("trixie-backports", "forky", "sid"),
}


class Kernel(NamedTuple):
    """A kernel in the cache, ready to boot."""

    arch: Arch
    line: str  # key of LINES
    release: str  # what uname -r prints
    package_version: str
    folder: Path  # vmlinuz, modules.ext4, and boot/ with the modules that /init loads

    @property
    def name(self) -> str:
        """Major and minor version, which is how people name a kernel; after the name of a foreign
        processor."""
        match = re.match(r"\d+\.\d+", self.release)
        return self.arch.named(match.group() if match else self.line)


def upstream_version(stanza: dict[str, str]) -> tuple[int, ...]:
    """The numbers of a kernel package's upstream version."""
    return tuple(map(int, re.findall(r"\d+", stanza["Version"].split("-")[0])))


def kernel_packages(apt: Apt, meta: dict[str, str]) -> list[tuple[str, str]]:
    """The packages, (name, version), that contain the image and the modules of a kernel.

    Up to 7.1 one package contains all; later ones are split, so this follows the dependencies by
    name.
    """
    found: list[tuple[str, str]] = []
    todo = [meta]
    while todo:
        wanted = re.findall(r"(linux-(?:image|binary|modules|base)-\d\S*) \(= (\S+)\)",
                            todo.pop().get("Depends", ""))
        for package in wanted:
            if package in found:
                continue
            found.append(package)
            todo += [s for s in apt.stanzas(package[0]) if s["Version"] == package[1]]
    return found


def download(apt: Apt, package: str) -> tuple[list[Path], str]:
    """The packages of the newest kernel that can be had, and their version.

    A mirror may list a package that it does not have yet, or not any more.
    """
    metas = sorted(apt.stanzas(package), key=upstream_version, reverse=True)
    trouble = NotFetched(f"no package {package}")
    archives = apt.folder / "archives"
    for meta in metas:
        for old in archives.glob("*.deb"):
            old.unlink()
        packages = kernel_packages(apt, meta)
        try:
            return apt.download(packages, archives), packages[0][1]
        except NotFetched as error:
            trouble = error
    raise trouble


def unpack(arch: Arch, line: str, archives: list[Path], version: str) -> Kernel:
    """Makes the cache folder of a line from its packages."""
    final = folder_of(arch, line)
    work = final.with_name(final.name + ".new")
    shutil.rmtree(work, ignore_errors=True)
    tree = work / "tree"
    tree.mkdir(parents=True)
    for archive in archives:
        run(["dpkg-deb", "-x", str(archive), str(tree)])
    images = [*tree.glob("boot/vmlinuz-*"), *tree.glob("usr/lib/modules/*/vmlinuz")]
    modules = [path.parent for path in tree.glob("**/modules.order")]
    if len(images) != 1 or len(modules) != 1:
        raise NotFetched(f"unexpected layout of {', '.join(a.name for a in archives)}")
    shutil.move(images[0], work / "vmlinuz")
    image.make_modules(modules[0], work)
    shutil.rmtree(tree)
    facts = {"release": modules[0].name, "package_version": version}
    (work / "kernel.json").write_text(json.dumps(facts) + "\n", encoding="utf-8")
    shutil.rmtree(final, ignore_errors=True)
    work.rename(final)
    return Kernel(arch=arch, line=line, folder=final, **facts)


def folder_of(arch: Arch, line: str) -> Path:
    """Where the kernel of a line is kept."""
    return CACHE / "kernels" / arch.named(line)


def fetch(arch: Arch, line: str, refresh: bool = False) -> Kernel:
    """The kernel of a line, from the cache or else from the archive. Raises NotFetched."""
    folder = folder_of(arch, line)
    if not refresh and (folder / "kernel.json").exists():
        facts = json.loads((folder / "kernel.json").read_text(encoding="utf-8"))
        return Kernel(arch=arch, line=line, folder=folder, **facts)
    apt = Apt(CACHE / "apt" / arch.named(line), LINES[line], arch.debian)
    trouble = apt.update()
    try:
        archives, version = download(apt, f"linux-image-cloud-{arch.debian}")
    except NotFetched as error:
        raise NotFetched(f"{error}; {trouble}" if trouble else str(error)) from error
    kernel = unpack(arch, line, archives, version)
    shutil.rmtree(apt.folder)
    return kernel


def main() -> int:
    parser = argparse.ArgumentParser(description="Fetch cloud kernels into build/vm/kernels.")
    parser.add_argument("--refresh", action="store_true", help="look for newer ones, too")
    parser.add_argument("--arch", choices=list(ARCHES), help="default: this machine's")
    parser.add_argument("line", nargs="*", default=list(LINES), help="default: " + " ".join(LINES))
    options = parser.parse_args()
    for line in options.line:
        if line not in LINES:
            parser.error(f"no line {line!r}; there are {', '.join(LINES)}")
    arches = [arch for arch in ARCHES.values()
              if (arch.name == options.arch if options.arch else arch.native)]
    image.need_programs(arches)
    status = 0
    with image.lock(CACHE):
        for line in options.line:
            try:
                kernel = fetch(arches[0], line, options.refresh)
                print(f"{line}: {kernel.release} ({kernel.package_version})", flush=True)
            except NotFetched as error:
                print(f"{line}: not fetched: {error}", flush=True)
                status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
