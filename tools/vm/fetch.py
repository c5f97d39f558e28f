#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Fetch Debian cloud kernels by package name, with apt's own client.

Each line of kernels has an apt of its own: sources list, package lists and archives all lie under
build/vm/apt/LINE/, so the machine's apt configuration and state stay as they are. The mirror is
the one that the machine's own sources name, and signatures are checked with Debian's keyring.

    tools/vm/fetch.py [--refresh] [LINE...]
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

sys.dont_write_bytecode = True  # root may run this and must leave nothing in the tree

# pylint: disable=wrong-import-position
import image

TOP = Path(__file__).resolve().parents[2]
CACHE = TOP / "build/vm"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
META_PACKAGE = "linux-image-cloud-amd64"

# Oldest first. "newest" looks wherever a kernel newer than the last stable one can be, and takes
# the highest; aliases rather than code names, so that it stays true after a release.
LINES = {
    "5.10": ("bullseye", "bullseye-security"),
    "6.1": ("bookworm", "bookworm-security"),
    "6.12": ("trixie", "trixie-security"),
    "newest": ("trixie-backports", "forky", "sid"),
}
DEBIAN_SUITE = re.compile(
    r"(bullseye|bookworm|trixie|forky|duke|sid|oldoldstable|oldstable|stable|testing|unstable)"
    r"(-updates|-backports|-proposed-updates)?$"
)


class NotFetched(Exception):
    """The kernel cannot be had; the text says why."""


class Kernel(NamedTuple):
    """A kernel in the cache, ready to boot."""

    line: str  # key of LINES
    release: str  # what uname -r prints
    package_version: str
    folder: Path  # vmlinuz, modules.ext4, and boot/ with the modules that /init loads

    @property
    def name(self) -> str:
        """Major and minor version, which is how people name a kernel."""
        match = re.match(r"\d+\.\d+", self.release)
        return match.group() if match else self.line


def run(argv: list[str], cwd: Path | None = None) -> str:
    """Standard output of argv; NotFetched with its last words if it fails."""
    done = subprocess.run(argv, cwd=cwd, text=True, capture_output=True, check=False)
    if done.returncode:
        words = [text for text in done.stderr.splitlines() if text.startswith("E:")]
        words = words or done.stderr.splitlines()[-1:] or [f"status {done.returncode}"]
        raise NotFetched(f"{argv[0]}: {'; '.join(words)}")
    return done.stdout


def mirrors() -> dict[bool, list[str]]:
    """URIs of Debian mirrors in the machine's apt sources, {is it the security archive: URIs}.

    Any source that has a suite of Debian's name is listed. Those of others (a vendor may well
    call its suite "bookworm") fail the signature check later and supply nothing.
    """
    found: dict[bool, list[str]] = {False: [], True: []}
    empty = CACHE / "apt/none"
    (empty / "partial").mkdir(parents=True, exist_ok=True)
    uris = run(["apt-get", "-o", f"Dir::State::lists={empty}", "--print-uris", "update"])
    for uri, suite in re.findall(r"'(\S+?)/dists/(\S+)/InRelease'", uris):
        security = suite.endswith("-security")
        if not security and not DEBIAN_SUITE.match(suite):
            continue
        if uri not in found[security]:
            found[security].append(uri)
    return found


class Apt:
    """An apt that knows only the suites of one line and writes only below its own folder."""

    def __init__(self, line: str) -> None:
        self.folder = CACHE / "apt" / line
        for name in ("lists/partial", "archives/partial"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        uris = mirrors()
        sources = [
            f"deb [arch=amd64 signed-by={KEYRING}] {uri} {suite} main\n"
            for suite in LINES[line]
            for uri in uris[suite.endswith("-security")]
        ]
        if not sources:
            raise NotFetched("the machine's apt sources name no Debian mirror")
        if not os.path.exists(KEYRING):
            raise NotFetched(f"no keyring {KEYRING} (package debian-archive-keyring)")
        (self.folder / "sources.list").write_text("".join(sources), encoding="utf-8")
        settings = {
            "Dir::Etc::sourcelist": self.folder / "sources.list",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            "Dir::State": self.folder,
            "Dir::State::lists": self.folder / "lists",
            "Dir::State::status": "/dev/null",
            "Dir::Cache": self.folder,
            "Dir::Cache::archives": self.folder / "archives",
            "APT::Architecture": "amd64",
            "APT::Architectures::": "amd64",
            # The folder may lie where the user _apt cannot write.
            "APT::Sandbox::User": "root" if os.geteuid() == 0 else "",
            "Acquire::Languages": "none",
            "Acquire::Retries": "2",
        }
        self.options = [word for item in settings.items() for word in ("-o", "%s=%s" % item)]

    def update(self) -> str:
        """Fetch the package lists; what went wrong, if anything: one suite of several may do.

        apt-get's status does not tell: a mirror that does not answer is a mere warning.
        """
        done = subprocess.run(
            ["apt-get", *self.options, "--allow-releaseinfo-change", "-q", "update"],
            text=True, capture_output=True, check=False)
        words = [text for text in done.stderr.splitlines() if text.startswith(("E:", "W:"))]
        return "; ".join(words[:2])

    def stanzas(self, package: str) -> list[dict[str, str]]:
        """Every version of package that the lists hold, as apt orders them: highest first."""
        try:
            text = run(["apt-cache", *self.options, "show", package])
        except NotFetched:
            return []
        return [dict(re.findall(r"^([\w-]+): (.*)$", part, re.M)) for part in text.split("\n\n")
                if part.startswith("Package:")]

    def download(self, packages: list[tuple[str, str]], target: Path) -> list[Path]:
        """Download packages, (name, version) each, into target."""
        run(["apt-get", *self.options, "-q", "download", *("=".join(p) for p in packages)], target)
        return sorted(target.glob("*.deb"))


def upstream_version(stanza: dict[str, str]) -> tuple[int, ...]:
    """The numbers of a kernel package's upstream version."""
    return tuple(map(int, re.findall(r"\d+", stanza["Version"].split("-")[0])))


def kernel_packages(apt: Apt) -> list[tuple[str, str]]:
    """The packages, (name, version), that hold the image and the modules of the newest kernel.

    Up to 7.1 one package holds all; later ones split it, so follow the dependencies by name.
    """
    metas = apt.stanzas(META_PACKAGE)
    if not metas:
        raise NotFetched(f"no package {META_PACKAGE}")
    found: list[tuple[str, str]] = []
    todo = [max(metas, key=upstream_version)]
    while todo:
        wanted = re.findall(r"(linux-(?:image|binary|modules|base)-\d\S*) \(= (\S+)\)",
                            todo.pop().get("Depends", ""))
        for package in wanted:
            if package in found:
                continue
            found.append(package)
            todo += [s for s in apt.stanzas(package[0]) if s["Version"] == package[1]]
    return found


def unpack(line: str, archives: list[Path], version: str) -> Kernel:
    """Make the cache folder of a line out of its packages."""
    work = CACHE / "kernels" / f"{line}.new"
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
    final = CACHE / "kernels" / line
    shutil.rmtree(final, ignore_errors=True)
    work.rename(final)
    return Kernel(line=line, folder=final, **facts)


def fetch(line: str, refresh: bool = False) -> Kernel:
    """The kernel of a line, from the cache or else from the archive. Raises NotFetched."""
    folder = CACHE / "kernels" / line
    if not refresh and (folder / "kernel.json").exists():
        facts = json.loads((folder / "kernel.json").read_text(encoding="utf-8"))
        return Kernel(line=line, folder=folder, **facts)
    apt = Apt(line)
    trouble = apt.update()
    try:
        packages = kernel_packages(apt)
    except NotFetched as error:
        raise NotFetched(f"{error}; {trouble}" if trouble else str(error)) from error
    archives = apt.folder / "archives"
    for old in archives.glob("*.deb"):
        old.unlink()
    kernel = unpack(line, apt.download(packages, archives), packages[0][1])
    shutil.rmtree(apt.folder)
    return kernel


def main() -> int:
    parser = argparse.ArgumentParser(description="Fetch cloud kernels into build/vm/kernels.")
    parser.add_argument("--refresh", action="store_true", help="look for newer ones, too")
    parser.add_argument("line", nargs="*", default=list(LINES), help="default: " + " ".join(LINES))
    options = parser.parse_args()
    for line in options.line:
        if line not in LINES:
            parser.error(f"no line {line!r}; there are {', '.join(LINES)}")
    image.need_programs()
    status = 0
    with image.lock(CACHE):
        for line in options.line:
            try:
                kernel = fetch(line, options.refresh)
                print(f"{line}: {kernel.release} ({kernel.package_version})", flush=True)
            except NotFetched as error:
                print(f"{line}: not fetched: {error}", flush=True)
                status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
