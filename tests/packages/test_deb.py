# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Debian's package: what lintian says, what is in it, and that it installs from nothing.

`make test-packages` builds it first.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
BUILT = TOP / "build/packages"
# Where Debian's folders differ from those of `make install PREFIX=/usr`.
MOVED = {
    "usr/share/zsh/site-functions": "usr/share/zsh/vendor-completions",
    "usr/lib/systemd/system": "lib/systemd/system",
}
DOCUMENTS = {f"usr/share/doc/tcpdwell/{name}"
             for name in ("copyright", "changelog.gz", "README.md.gz", "CHANGELOG.md.gz")}
# A chroot takes some 120 MB of packages, from a mirror that may be slow.
LIMIT_S = 900

# Runs in the chroot $1 with the package $2; the output goes to $3, and the test reads it there.
IN_CHROOT = r"""#!/bin/sh
set -eu
exec >"$3"
cp "$2" "$1/tcpdwell.deb"
# Services are not for a chroot, and none may be started.
printf '#!/bin/sh\nexit 101\n' >"$1/usr/sbin/policy-rc.d"
chmod 755 "$1/usr/sbin/policy-rc.d"
root=$1
inside() {
	chroot "$root" env DEBIAN_FRONTEND=noninteractive LC_ALL=C "$@"
}
inside apt-get -qq -y --no-install-recommends install /tcpdwell.deb
echo
inside dpkg --verify tcpdwell
echo "== version"
inside tcpdwell --version
echo "== help"
inside tcpdwell --help
echo "== explain"
inside tcpdwell explain CLOSE_WAIT
echo "== export"
inside tcpdwell export --textfile /tcpdwell.prom -i 1s -d 2s 2>&1
cat "$root/tcpdwell.prom"
echo "== enabled"
find "$root/etc/systemd" -name '*tcpdwell*' 2>/dev/null || :
echo "== removed"
inside apt-get -qq -y purge tcpdwell
inside apt-get -qq -y autoremove --purge
echo "== left"
find "$root/etc" "$root/usr" "$root/var/lib" -xdev -name '*tcpdwell*'
"""


@pytest.fixture(name="deb", scope="module")
def fixture_deb() -> Path:
    found = sorted(path for path in BUILT.glob("tcpdwell_*.deb"))
    if not found:
        pytest.skip("no package is built: make deb")
    return found[-1]


def need(program: str) -> str:
    found = shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    if not found:
        pytest.skip(f"there is no {program} here")
    return found


def test_lintian(deb: Path) -> None:
    """lintian has no errors and no warnings, for the package and for its build files."""
    changes = next((BUILT / "deb").glob("*.changes"))
    done = subprocess.run([need("lintian"), "--fail-on", "error,warning", "--allow-root", changes],
                          capture_output=True, text=True, check=False)
    said = [line for line in done.stdout.splitlines() if line.startswith(("E:", "W:"))]
    assert (done.returncode, said) == (0, []), done.stderr
    assert deb.name in changes.read_text()


def contents(deb: Path) -> set[str]:
    done = subprocess.run(["dpkg-deb", "--fsys-tarfile", deb], capture_output=True, check=True)
    names = subprocess.run(["tar", "-t"], input=done.stdout, capture_output=True, check=True)
    return {name.removeprefix("./") for name in names.stdout.decode().splitlines()
            if not name.endswith("/")}


def as_in_debian(name: str) -> str:
    folder, _, file = name.rpartition("/")
    compressed = ".gz" if folder.startswith("usr/share/man/") else ""
    return f"{MOVED.get(folder, folder)}/{file}{compressed}"


def test_it_has_what_is_installed(deb: Path, tmp_path: Path) -> None:
    subprocess.run(["make", "-s", "install", f"DESTDIR={tmp_path}", "PREFIX=/usr"], cwd=TOP,
                   capture_output=True, check=True)
    installed = {as_in_debian(str(file.relative_to(tmp_path)))
                 for file in tmp_path.rglob("*") if file.is_file()}
    # Later releases have lib below usr.
    found = {name.replace("usr/lib/systemd/", "lib/systemd/") for name in contents(deb)}
    assert found == installed | DOCUMENTS


def test_it_needs_the_libraries_of_the_binary(deb: Path) -> None:
    """The package depends on the packages that have the libraries of the binary."""
    done = subprocess.run(["dpkg-deb", "-f", deb, "Depends"], capture_output=True, text=True,
                          check=True)
    for name in ("libbpf1", "libc6", "libdw1", "libseccomp2"):
        assert f"{name} (>= " in done.stdout or f"{name}t64 (>= " in done.stdout


def mirror() -> str:
    """Returns Debian's mirror, as the sources of this machine name it."""
    sys.path.insert(0, str(TOP / "tools"))
    import archive  # pylint: disable=import-outside-toplevel,import-error

    found = archive.mirrors(TOP / "build/apt")[False]
    if not found:
        pytest.skip("the sources of this machine name no mirror of Debian")
    return found[0]


@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_it_can_be_installed_from_nothing(deb: Path, suite: str, tmp_path: Path) -> None:
    """It installs in a chroot that has nothing but apt; the chroot is removed afterwards."""
    program = need("mmdebstrap")
    if os.geteuid() != 0:
        pytest.skip("only root may make a chroot")
    url = mirror()
    probe = subprocess.run(["apt-helper", "download-file", f"{url}/dists/{suite}/InRelease",
                            tmp_path / "InRelease"], capture_output=True, text=True, check=False,
                           env={**os.environ, "PATH": os.environ["PATH"] + ":/usr/lib/apt"})
    if probe.returncode:
        pytest.skip(f"the mirror has no {suite}")
    script, chroots, said = (tmp_path / name for name in ("in-chroot", "chroots", "said"))
    script.write_text(IN_CHROOT)
    script.chmod(0o755)
    chroots.mkdir(mode=0o755)
    done = subprocess.run(
        ["timeout", "-k", "60", str(LIMIT_S), program, "--mode=root", "--variant=apt",
         "--format=null", f'--customize-hook={script} "$1" {deb} {said}', suite, "/dev/null", url],
        env={**os.environ, "TMPDIR": str(chroots)}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(chroots.iterdir()) == []
    parts = {part.split("\n")[0]: part.partition("\n")[2]
             for part in said.read_text().split("\n== ")[1:]}
    assert parts["version"].startswith(f"tcpdwell {deb.name.split('_')[1]}\n")
    assert "\nCommands\n" in parts["help"] and "CLOSE_WAIT" in parts["explain"]
    # With the libraries of that release it loads its programs into the running kernel.
    assert "\ntcpdwell: seen " in "\n" + parts["export"]
    assert "\ntcpdwell_build_info{version=" in parts["export"]
    assert parts["enabled"] == ""
    assert "Removing tcpdwell " in parts["removed"]
    assert parts["left"] == ""
