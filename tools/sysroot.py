#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Make a folder with what is linked for another processor: Debian's libraries and headers.

    tools/sysroot.py ARCH FOLDER

ARCH is x86 or arm64. FOLDER/made.mk, for the Makefile, is written last. The packages are those of
this machine's release of Debian, or of Debian 12 on other systems.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

sys.dont_write_bytecode = True  # root may run this and must leave nothing in the tree

# pylint: disable=wrong-import-position
import archive

ARCHITECTURES = {"x86": "amd64", "arm64": "arm64"}
PACKAGES = ["libc6-dev", "libbpf-dev", "libelf-dev", "libdw-dev", "libseccomp-dev", "zlib1g-dev",
            "libcmocka-dev"]
# The parts of the packages that are used.
KEPT = ("usr/include", "usr/lib", "usr/share/pkgconfig")


def make(architecture: str, folder: Path) -> None:
    """Fills folder. Raises archive.NotFetched."""
    work = folder.with_name(folder.name + ".new")
    shutil.rmtree(work, ignore_errors=True)
    apt = archive.Apt(work / "apt", archive.own_suites(), architecture)
    trouble = apt.update()
    tree = work / "tree"
    tree.mkdir()
    try:
        archive.unpack_as_root(apt.download_all(PACKAGES), tree)
    except archive.NotFetched as error:
        raise archive.NotFetched(f"{error}; {trouble}" if trouble else str(error)) from error
    for path in [*tree.glob("*"), *tree.glob("usr/*"), *tree.glob("usr/share/*")]:
        name = str(path.relative_to(tree))
        if path.is_dir() and not path.is_symlink() and \
                not any(f"{kept}/".startswith(f"{name}/") for kept in KEPT):
            shutil.rmtree(path)
    shutil.rmtree(folder, ignore_errors=True)
    tree.rename(folder)
    shutil.rmtree(work)
    (folder / "made.mk").touch()


def main() -> int:
    if len(sys.argv) != 3 or sys.argv[1] not in ARCHITECTURES:
        print((__doc__ or "").split("\n\n")[1], file=sys.stderr)
        return 2
    os.environ["PATH"] = os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin"
    try:
        make(ARCHITECTURES[sys.argv[1]], Path(sys.argv[2]))
    except archive.NotFetched as error:
        print(f"tools/sysroot.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
