# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Packages of Debian for this machine or another architecture, with apt's own client.

Each user of this module has a separate apt: sources list, package lists and archives all lie below
a folder that it names, so the machine's apt configuration and state stay as they are. The mirror is
the one that the machine's own sources name, and signatures are checked with Debian's keyring.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
DEBIAN_SUITE = re.compile(
    r"(bullseye|bookworm|trixie|forky|duke|sid|oldoldstable|oldstable|stable|testing|unstable)"
    r"(-updates|-backports|-proposed-updates)?$"
)
# Folders of / that are links to those in usr, whether or not a package knows that.
MERGED = ("bin", "lib", "lib64", "sbin")


class NotFetched(Exception):
    """The package cannot be had; the text says why."""


def run(argv: list[str], cwd: Path | None = None) -> str:
    """Standard output of argv; NotFetched with its last words if it fails."""
    done = subprocess.run(argv, cwd=cwd, text=True, capture_output=True, check=False)
    if done.returncode:
        words = [text for text in done.stderr.splitlines() if text.startswith("E:")]
        words = words or done.stderr.splitlines()[-1:] or [f"status {done.returncode}"]
        raise NotFetched(f"{argv[0]}: {'; '.join(words[:2])}")
    return done.stdout


def mirrors(work: Path) -> dict[bool, list[str]]:
    """URIs of Debian mirrors in the machine's apt sources, {is it the security archive: URIs}.

    Any source that has a suite of Debian's name is listed. Those of others (a vendor may well
    call its suite "bookworm") fail the signature check later and supply nothing. An empty folder
    is made below work.
    """
    found: dict[bool, list[str]] = {False: [], True: []}
    empty = work / "none"
    (empty / "partial").mkdir(parents=True, exist_ok=True)
    uris = run(["apt-get", "-o", f"Dir::State::lists={empty}", "--print-uris", "update"])
    for uri, suite in re.findall(r"'(\S+?)/dists/(\S+)/InRelease'", uris):
        security = suite.endswith("-security")
        if not security and not DEBIAN_SUITE.match(suite):
            continue
        if uri not in found[security]:
            found[security].append(uri)
    return found


def own_suites() -> tuple[str, ...]:
    """The suites of this machine's release; those of Debian 12 if it has none of Debian's."""
    text = ""
    if os.path.exists("/etc/os-release"):
        text = Path("/etc/os-release").read_text(encoding="utf-8")
    match = re.search(r"^VERSION_CODENAME=\"?(\w+)", text, re.M)
    name = match.group(1) if match and DEBIAN_SUITE.match(match.group(1)) else "bookworm"
    return name, f"{name}-updates", f"{name}-security"


class Apt:
    """An apt that knows only some suites of one architecture and writes only below its folder."""

    def __init__(self, folder: Path, suites: Iterable[str], architecture: str) -> None:
        self.folder = folder.resolve()
        for name in ("lists/partial", "archives/partial"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        uris = mirrors(self.folder.parent)
        sources = [
            f"deb [arch={architecture} signed-by={KEYRING}] {uri} {suite} main\n"
            for suite in suites
            for uri in uris[suite.endswith("-security")]
        ]
        if not sources:
            raise NotFetched("the machine's apt sources name no Debian mirror")
        if not os.path.exists(KEYRING):
            raise NotFetched(f"no keyring {KEYRING} (package debian-archive-keyring)")
        (self.folder / "sources.list").write_text("".join(sources), encoding="utf-8")
        (self.folder / "status").write_text("", encoding="utf-8")
        settings = {
            "Dir::Etc::sourcelist": self.folder / "sources.list",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            "Dir::State": self.folder,
            "Dir::State::lists": self.folder / "lists",
            "Dir::State::status": self.folder / "status",
            "Dir::Cache": self.folder,
            "Dir::Cache::archives": self.folder / "archives",
            "APT::Architecture": architecture,
            "APT::Architectures::": architecture,
            # The folder may be where the user _apt cannot write.
            "APT::Sandbox::User": "root" if os.geteuid() == 0 else "",
            "Acquire::Languages": "none",
            "Acquire::Retries": "2",
        }
        self.options = [word for item in settings.items() for word in ("-o", "%s=%s" % item)]

    def update(self) -> str:
        """Fetches the package lists. Returns what went wrong, if anything, since one suite of
        several may be enough.

        apt-get's status does not tell: a mirror that does not answer is only a warning.
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

    def download_all(self, packages: list[str]) -> list[Path]:
        """Download packages and all that they need."""
        run(["apt-get", *self.options, "-q", "-y", "--no-install-recommends", "--download-only",
             "install", *packages])
        return sorted((self.folder / "archives").glob("*.deb"))


def unpack_as_root(archives: list[Path], tree: Path) -> None:
    """Unpacks packages into tree, which becomes what / is, except for what their scripts would do.
    """
    for name in MERGED:
        (tree / "usr" / name).mkdir(parents=True, exist_ok=True)
        (tree / name).symlink_to(f"usr/{name}")
    for archive in archives:
        reader = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(archive)],
                                  stdout=subprocess.PIPE)
        writer = subprocess.run(
            ["tar", "-C", str(tree), "--keep-directory-symlink", "-xf", "-"],
            stdin=reader.stdout, check=False)
        if reader.wait() or writer.returncode:
            raise NotFetched(f"cannot unpack {archive.name}")
