# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What packages are made of, without making them: `make test-packages` does that."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
DEBIAN = TOP / "tools/debian"
# Debian's folders that are not those of `make install PREFIX=/usr`.
MOVED = {"usr/share/zsh/site-functions": "usr/share/zsh/vendor-completions"}
# What every Debian package is built with, and is not named by any.
BUILD_ESSENTIAL = {"gcc", "libc6-dev", "make"}


def needed_to_build() -> set[str]:
    """The packages that tools/deps.sh has in the group `build`."""
    script = (TOP / "tools/deps.sh").read_text()
    group = script.split("\tbuild)\n", 1)[1].split(";;", 1)[0]
    return set(re.findall(r"^\t\tneed(?:_| )([\w.-]+)", group, re.M))


def test_debian_builds_with_what_the_build_needs() -> None:
    control = (DEBIAN / "control").read_text()
    wanted = control.split("Build-Depends:\n", 1)[1].split("\nStandards", 1)[0]
    names = set(re.findall(r"^ ([\w.-]+)", wanted, re.M))
    assert names - {"debhelper-compat"} == needed_to_build() - BUILD_ESSENTIAL
    # What the binary is linked with is found in the binary.
    assert "Depends: ${misc:Depends}, ${shlibs:Depends}\n" in control


def installed(top: Path) -> set[str]:
    return {str(file.relative_to(top)) for file in top.rglob("*") if file.is_file()}


def test_debian_has_what_is_installed(tmp_path: Path) -> None:
    """debian/rules is run to the point where debhelper takes over, on the build that there is."""
    (tmp_path / "tree").mkdir()
    for file in TOP.iterdir():
        (tmp_path / "tree" / file.name).symlink_to(file)
    # The flags of the make that runs the tests are not for this one.
    env = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS", "WERROR"))}
    for argv in (["make", "-f", DEBIAN / "rules", "override_dh_auto_install"],
                 ["make", "install", f"DESTDIR={tmp_path}/plain", "PREFIX=/usr"]):
        subprocess.run(argv, cwd=tmp_path / "tree", env=env, capture_output=True, check=True)
    package = tmp_path / "tree/debian"
    found = installed(package / "tcpdwell")
    # debhelper takes these from where they are.
    for unit in package.glob("tcpdwell.*.service"):
        found.add("usr/lib/systemd/system/" + unit.name.removeprefix("tcpdwell."))
    wanted = {f"{MOVED.get(folder, folder)}/{name}" for folder, _, name in
              (path.rpartition("/") for path in installed(tmp_path / "plain"))}
    assert found == wanted


def test_debian_has_the_licences_in_full() -> None:
    text = (DEBIAN / "copyright").read_text()
    licence = (TOP / "LICENSE.BSD-2-Clause").read_text().split("authors\n\n", 1)[1]
    quoted = "".join(f" {line or '.'}\n" for line in licence.splitlines())
    assert text.endswith("License: BSD-2-Clause\n" + quoted)
    assert "/usr/share/common-licenses/GPL-2" in text
