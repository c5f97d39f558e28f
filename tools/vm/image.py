# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""File-system images for the guests.

Cloud kernels have no 9p, but ext4 is built into all of them, so a guest's files come as ext4 disks:
one with the programs, one with the modules of its kernel, one with the project. mke2fs fills them
from a folder, which needs no privilege, no mount and no daemon.
"""

from __future__ import annotations

import contextlib
import fcntl
import lzma
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from arch import Arch

HERE = Path(__file__).resolve().parent
# What /init needs before it can see a disk. All else is loaded from the modules' disk.
BOOT_MODULES = ("virtio_pci", "virtio_blk")
BUSYBOX = "/bin/busybox"


# The programs that make an image and fill it, and their packages.
PROGRAMS = {"apt-get": "apt", "depmod": "kmod", "dpkg-deb": "dpkg", "mke2fs": "e2fsprogs",
            "tar": "tar", BUSYBOX: "busybox-static"}


def need_programs(arches: list[Arch]) -> None:
    """Ends the program unless all of PROGRAMS and QEMU are there. From then on, those in sbin are
    found, too."""
    os.environ["PATH"] = os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin"
    programs = PROGRAMS | {arch.qemu: arch.qemu_package for arch in arches}
    missing = [package for name, package in programs.items() if not shutil.which(name)]
    if missing:
        raise SystemExit(f"vm: please install {', '.join(missing)}")


@contextlib.contextmanager
def lock(cache: Path) -> Iterator[None]:
    """Keeps out others that fill the same cache."""
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / "lock", "w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def make_ext4(tree: Path, target: Path, spare_bytes: int) -> None:
    """Write an ext4 image of tree with spare_bytes left free. The file is sparse."""
    files = 1
    size_bytes = spare_bytes
    for folder, folders, names in os.walk(tree):
        files += len(folders) + len(names)
        for name in names:
            size_bytes += os.lstat(os.path.join(folder, name)).st_size
    # Each file is rounded up to a block and costs an inode; 1/16 more is for the block groups'
    # tables.
    size_bytes += files * (4096 + 256)
    size_bytes += size_bytes // 16 + (4 << 20)
    inodes = 2 * files + 4096
    target.unlink(missing_ok=True)
    subprocess.run(
        ["mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-b", "4096", "-m", "0",
         "-N", str(inodes), "-E", "root_owner=0:0", "-d", str(tree), str(target),
         str(size_bytes // 1024 + 1)],
        check=True, stdout=subprocess.DEVNULL)


def make_modules(tree: Path, folder: Path) -> None:
    """Writes folder/modules.ext4 with the modules in tree, and folder/boot with those for the boot.

    tree is named after the kernel's release. Modules are decompressed once here, rather than by an
    emulated processor at each boot.
    """
    for packed in tree.rglob("*.ko.xz"):
        packed.with_suffix("").write_bytes(lzma.decompress(packed.read_bytes()))
        packed.unlink()
    # depmod expects lib/modules below its base, a newer one usr/lib/modules.
    base = folder / "base"
    (base / "usr/lib/modules").mkdir(parents=True)
    (base / "lib").symlink_to("usr/lib")
    shutil.move(tree, base / "usr/lib/modules" / tree.name)
    subprocess.run(["depmod", "-b", str(base), tree.name], check=True)
    make_ext4(base / "usr/lib/modules", folder / "modules.ext4", 0)
    (folder / "boot").mkdir()
    for number, module in enumerate(boot_modules(base / "usr/lib/modules" / tree.name)):
        shutil.copy2(module, folder / "boot" / f"{number:02}-{module.name}")
    shutil.rmtree(base)


def boot_modules(tree: Path) -> list[Path]:
    """Files of BOOT_MODULES and all that they need, in the order in which to load them."""
    needs: dict[str, list[str]] = {}
    for text in (tree / "modules.dep").read_text(encoding="utf-8").splitlines():
        module, _, others = text.partition(":")
        needs[module] = others.split()
    order: list[str] = []
    for name in BOOT_MODULES:
        for module in (m for m in needs if Path(m).stem == name):  # none: built in
            # modules.dep lists the nearest dependency first.
            for path in [*reversed(needs[module]), module]:
                if path not in order:
                    order.append(path)
    return [tree / path for path in order]


def make_initramfs(modules: Path, busybox: Path, target: Path) -> None:
    """Writes the archive with /init, the guest's busybox and the modules that are needed to see the
    disks."""
    root = target.parent / "initramfs.tree"
    for name in ("bin", "dev", "proc", "sys", "root"):
        (root / name).mkdir(parents=True)
    shutil.copy2(busybox, root / "bin/busybox")
    shutil.copy2(HERE / "init", root / "init")
    (root / "init").chmod(0o755)
    shutil.copytree(modules, root / "modules")
    names = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*")))
    archive = subprocess.run([BUSYBOX, "cpio", "-o", "-H", "newc", "-R", "0:0"], cwd=root,
                             input=names.encode(), capture_output=True, check=True).stdout
    target.write_bytes(archive)
    shutil.rmtree(root)
