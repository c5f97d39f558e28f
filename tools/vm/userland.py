# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The guests' programs, as an ext4 image: the files of the machine's own packages; for another
architecture, those of its release of Debian, with the links that an installation would have made.

The file `packages` names what the tests use; all that those need comes along. The image is kept
under a name that says what is in it, so it is made again only when a package changed; one of
another architecture, when the list did, or when it is asked for.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import archive
import image
from arch import Arch

HERE = Path(__file__).resolve().parent
NOT_NEEDED = re.compile(r"/usr/share/(doc|man|info|locale|lintian|bug|icons)/|/boot/")
# These are made when a package is installed, so they are in no package's list.
MADE_FILES = ("/etc/ld.so.cache", "/etc/alternatives", "/etc/nginx/sites-enabled")
ALTERNATIVES = Path("/var/lib/dpkg/alternatives")
ETC = {
    "hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "hostname": "guest\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
}
# Links that installing the packages would make, with their targets.
LINKS = {"usr/bin/awk": "mawk", "etc/nginx/sites-enabled/default": "../sites-available/default"}
# Room for what the tests write outside /tmp; the image is sparse.
SPARE_BYTES = 256 << 20


def query_packages() -> tuple[dict[str, str], dict[str, list[str]], dict[str, str]]:
    """Versions and needs of the installed packages, and who provides a virtual one."""
    text = subprocess.run(
        ["dpkg-query", "-W", "-f",
         "${db:Status-Status}\t${Package}\t${Version}\t${Pre-Depends},${Depends}\t${Provides}\n"],
        check=True, capture_output=True, text=True).stdout
    versions: dict[str, str] = {}
    needs: dict[str, list[str]] = {}
    provides: dict[str, str] = {}
    for row in text.splitlines():
        status, package, version, wanted, virtual = row.split("\t")
        if status != "installed":
            continue
        versions[package] = version
        needs[package] = [need for need in wanted.split(",") if need.strip()]
        for name in virtual.split(","):
            provides.setdefault(bare_name(name), package)
    return versions, needs, provides


def bare_name(word: str) -> str:
    """A package's name without version, architecture and spaces."""
    return re.split(r"[ (:]", word.strip(), maxsplit=1)[0]


def closure(wanted: list[str]) -> tuple[dict[str, str], list[str]]:
    """The wanted packages and all that they need, with versions; and those that are not installed.
    """
    versions, needs, provides = query_packages()
    found: dict[str, str] = {}
    missing = [name for name in wanted if name not in versions]
    todo = [name for name in wanted if name in versions]
    while todo:
        package = todo.pop()
        if package in found:
            continue
        found[package] = versions[package]
        for need in needs[package]:
            for choice in map(bare_name, need.split("|")):
                choice = choice if choice in versions else provides.get(choice, "")
                if choice:
                    todo.append(choice)
                    break
    return found, missing


def package_files(packages: list[str]) -> list[str]:
    """Paths of the packages' files, real folders only, with Python's compiled files."""
    text = subprocess.run(["dpkg-query", "-L", *packages], check=True, capture_output=True,
                          text=True).stdout
    wanted = {path for path in text.splitlines() if path.startswith("/")}
    paths: set[str] = set()
    real: dict[str, str] = {}
    for path in {*wanted, *MADE_FILES}:
        folder, name = os.path.split(path)
        if folder not in real:
            real[folder] = os.path.realpath(folder)
        path = os.path.join(real[folder], name)
        if name and os.path.lexists(path) and not NOT_NEEDED.search(path + "/"):
            paths.add(path)
            if name.endswith(".py"):
                paths.add(os.path.join(real[folder], "__pycache__"))
    for path in MADE_FILES + tuple(p for p in paths if p.endswith("/__pycache__")):
        if os.path.isdir(path):
            paths.update(os.path.join(path, name) for name in os.listdir(path))
    paths.update(link for link in alternatives() if os.path.realpath(link) in paths)
    return sorted(path for path in paths if os.path.lexists(path))


def alternatives() -> list[str]:
    """Links that update-alternatives made, such as awk's: all absolute paths in the records except
    targets.

    A record has the mode and the link, then a name and a link for each companion up to a blank
    line.
    """
    links: list[str] = []
    for record in ALTERNATIVES.glob("*"):
        head = record.read_text(encoding="utf-8").split("\n\n", maxsplit=1)[0]
        links += [line for line in head.splitlines() if line.startswith("/")]
    return links


def fill_tree(tree: Path, packages: list[str]) -> None:
    """Copy the packages' files below tree and add what an installation would have made."""
    names = "\0".join(path.lstrip("/") for path in package_files(packages))
    reader = subprocess.Popen(
        ["tar", "-C", "/", "--no-recursion", "--ignore-failed-read", "--warning=no-failed-read",
         "--null", "-cf", "-", "-T", "-"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    writer = subprocess.Popen(["tar", "-C", str(tree), "-xf", "-"], stdin=reader.stdout)
    assert reader.stdin and reader.stdout
    reader.stdout.close()
    reader.stdin.write(names.encode())
    reader.stdin.close()
    if reader.wait() or writer.wait():
        raise RuntimeError("tar cannot copy the packages' files")


def finish_tree(tree: Path, masters: Path) -> None:
    """Adds what is in no package; masters has the tables of users that base-passwd brings."""
    for name in ("dev", "proc", "sys", "run", "tmp", "src", "out", "root", "usr/lib/modules"):
        (tree / name).mkdir(parents=True, exist_ok=True)
    for name, text in ETC.items():
        (tree / "etc" / name).write_text(text, encoding="utf-8")
    for name in ("passwd", "group"):
        shutil.copy2(masters / f"{name}.master", tree / "etc" / name)


def fill_foreign_tree(tree: Path, wanted: list[str], arch: Arch, work: Path) -> None:
    """Unpacks the packages of another architecture, from this machine's release, below tree."""
    apt = archive.Apt(work / arch.named("userland"), archive.own_suites(), arch.debian)
    trouble = apt.update()
    try:
        archive.unpack_as_root(apt.download_all(wanted), tree)
    except archive.NotFetched as error:
        raise archive.NotFetched(f"{error}; {trouble}" if trouble else str(error)) from error
    shutil.rmtree(apt.folder)
    for path in sorted(tree.rglob("*")):
        if path.is_dir() and not path.is_symlink() and \
                NOT_NEEDED.match(f"/{path.relative_to(tree)}/"):
            shutil.rmtree(path)
    for name, target in LINKS.items():
        if not os.path.lexists(tree / name):
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).symlink_to(target)
    # Python's compiled files are the same on all architectures; another version of Python ignores
    # them.
    subprocess.run([sys.executable, "-m", "compileall", "-q", "-j0", "-s", str(tree),
                    *map(str, tree.glob("usr/lib/python3*"))],
                   check=False, stdout=subprocess.DEVNULL)


def remove_unused(cache: Path, pattern: str) -> None:
    """Removes images that no run has used for an hour; no run takes longer."""
    for old in cache.glob(pattern):
        if time.time() - old.stat().st_mtime > 3600:
            old.unlink()


class Userland(NamedTuple):
    """An image of the guests' programs."""

    image: Path
    busybox: Path  # the program among them that runs first
    missing: list[str]  # names of packages that it lacks


def make_userland(cache: Path, arch: Arch, refresh: bool = False) -> Userland:
    """The image of the programs of an architecture. Raises archive.NotFetched."""
    lines = (HERE / "packages").read_text(encoding="utf-8").splitlines()
    wanted = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    found, missing = closure(wanted) if arch.native else (dict.fromkeys(wanted, ""), [])
    facts = repr(sorted(found.items())) + (HERE / "userland.py").read_text(encoding="utf-8")
    key = hashlib.sha256(facts.encode()).hexdigest()[:12]
    target = cache / f"userland-{arch.name}-{key}.ext4"
    busybox = Path(image.BUSYBOX) if arch.native else target.with_suffix(".busybox")
    if target.exists() and not (refresh and not arch.native):
        os.utime(target)
        return Userland(target, busybox, missing)
    remove_unused(cache, f"userland-{arch.name}-*")
    print(f"vm: making the image of the guests' programs ({arch.name})", file=sys.stderr,
          flush=True)
    tree = cache / "userland.tree"
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir()
    if arch.native:
        fill_tree(tree, sorted(found))
        finish_tree(tree, Path("/usr/share/base-passwd"))
    else:
        fill_foreign_tree(tree, wanted, arch, cache / "apt")
        finish_tree(tree, tree / "usr/share/base-passwd")
        shutil.copy2(tree / "usr/bin/busybox", busybox)
    image.make_ext4(tree, target.with_suffix(".new"), SPARE_BYTES)
    shutil.rmtree(tree)
    target.with_suffix(".new").rename(target)
    return Userland(target, busybox, missing)
