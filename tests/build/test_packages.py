# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The contents of packages, without building packages: `make test-packages` does that."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

TOP = Path(__file__).resolve().parents[2]
DEBIAN = TOP / "tools/debian"
DAEMONSET = TOP / "tools/kubernetes/daemonset.yaml"
# Where Debian's folders differ from those of `make install PREFIX=/usr`.
MOVED = {"usr/share/zsh/site-functions": "usr/share/zsh/vendor-completions"}
# Every Debian package is built with these, so no package names them.
BUILD_ESSENTIAL = {"gcc", "libc6-dev", "make"}


def needed_to_build() -> set[str]:
    """Returns the packages that tools/deps.sh has in the group `build`."""
    script = (TOP / "tools/deps.sh").read_text()
    group = script.split("\tbuild)\n", 1)[1].split(";;", 1)[0]
    return set(re.findall(r"^\t\tneed(?:_| )([\w.-]+)", group, re.M))


def test_debian_builds_with_what_the_build_needs() -> None:
    control = (DEBIAN / "control").read_text()
    wanted = control.split("Build-Depends:\n", 1)[1].split("\nStandards", 1)[0]
    names = set(re.findall(r"^ ([\w.-]+)", wanted, re.M))
    assert names - {"debhelper-compat"} == needed_to_build() - BUILD_ESSENTIAL
    # Libraries that the binary is linked with are read from the binary.
    assert "Depends: ${misc:Depends}, ${shlibs:Depends}\n" in control


def installed(top: Path) -> set[str]:
    return {str(file.relative_to(top)) for file in top.rglob("*") if file.is_file()}


def test_debian_has_what_is_installed(tmp_path: Path) -> None:
    """debian/rules runs to the point where debhelper takes over, on the build that exists."""
    (tmp_path / "tree").mkdir()
    for file in TOP.iterdir():
        (tmp_path / "tree" / file.name).symlink_to(file)
        # The flags of the make that runs the tests must not reach this one.
    env = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS", "WERROR"))}
    for argv in (["make", "-f", DEBIAN / "rules", "override_dh_auto_install"],
                 ["make", "install", f"DESTDIR={tmp_path}/plain", "PREFIX=/usr"]):
        subprocess.run(argv, cwd=tmp_path / "tree", env=env, capture_output=True, check=True)
    package = tmp_path / "tree/debian"
    found = installed(package / "tcpdwell")
    # debhelper takes these files from the source tree.
    for unit in [*package.glob("tcpdwell.*.service"), *package.glob("tcpdwell.*.socket")]:
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


def test_rpm_builds_with_what_the_build_needs() -> None:
    """The spec file requires the packages of the group `build`, by their names in RPM systems."""
    spec = (TOP / "tools/rpm/tcpdwell.spec").read_text()
    elsewhere = {"libelf-dev": "elfutils-devel", "libdw-dev": "elfutils-devel",
                 "pkg-config": "pkgconf-pkg-config", "zlib1g-dev": "zlib-devel"}
    wanted = {elsewhere.get(name, name.replace("-dev", "-devel"))
              for name in needed_to_build() - {"libc6-dev"}}
    assert set(re.findall(r"^BuildRequires: +([\w.-]+)", spec, re.M)) == {
        *wanted, "systemd-rpm-macros"}
    units = {unit.name for unit in (TOP / "tools/systemd").iterdir()}
    for macro in ("post", "preun", "postun_with_restart"):
        named = re.search(rf"%systemd_{macro} (.*)}}", spec)
        assert named and set(named[1].split()) == units


# ---- Kubernetes ----------------------------------------------------------------------------------


def daemonset() -> dict[str, Any]:
    yaml = pytest.importorskip("yaml")
    (found,) = yaml.safe_load_all(DAEMONSET.read_text())
    return dict(found)


def manual_capabilities() -> set[str]:
    """Returns what the manual says that the tool needs, or uses where it has it."""
    text = (TOP / "user/tcpdwell.8").read_text().split(".Sh PRIVILEGES\n", 1)[1]
    first = text.split("\n.Pp\n", 1)[0]
    return set(re.findall(r"CAP_(\w+)", first))


def test_daemonset_is_not_privileged() -> None:
    pod = daemonset()["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    context = container["securityContext"]
    assert context["privileged"] is False and context["allowPrivilegeEscalation"] is False
    assert context["readOnlyRootFilesystem"] is True
    assert context["capabilities"]["drop"] == ["ALL"]
    # The first capabilities let root become nobody; the last one raises the limit.
    gives_up = {"SETUID", "SETGID", "SETPCAP", "SYS_RESOURCE"}
    assert set(context["capabilities"]["add"]) == manual_capabilities() | gives_up
    assert pod["hostPID"] is True and pod["hostNetwork"] is True and "hostIPC" not in pod
    mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
    assert all(mount["readOnly"] is True for mount in mounts.values())
    assert {volume["name"]: volume["hostPath"]["path"] for volume in pod["volumes"]} == {
        name: mount["mountPath"] for name, mount in mounts.items()}


def test_daemonset_says_why() -> None:
    """There is a comment before each capability and each mount."""
    lines = DAEMONSET.read_text().splitlines()
    items = [number for number, line in enumerate(lines)
             if re.fullmatch(r" +- [A-Z_]+", line) or re.fullmatch(r" {12}- name: \w+", line)]
    bare = [lines[number] for number in items
            if "#" not in lines[number - 1] and not re.fullmatch(r" +- [A-Z_]+", lines[number - 1])]
    assert len(items) > 10 and [line for line in bare if "HOST_IP" not in line and
                                "metrics" not in line] == []


def test_daemonset_starts_what_there_is() -> None:
    """The image has the version of the tool, and the tool understands the arguments."""
    (container,) = daemonset()["spec"]["template"]["spec"]["containers"]
    version = re.search(r'VERSION "(.*)"', (TOP / "user/cli/version.h").read_text())
    assert version and container["image"] == f"tcpdwell:{version[1]}"
    words = [word.replace("$(HOST_IP)", "192.0.2.1") for word in container["args"]]
    done = subprocess.run([TOP / "build/tcpdwell", *words, "-h"], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stderr
    assert str(container["ports"][0]["containerPort"]) in words[-1]


# ---- The image -----------------------------------------------------------------------------------


def make_image(binary: bytes, folder: Path) -> subprocess.CompletedProcess[str]:
    (folder.parent / "binary").write_bytes(binary)
    return subprocess.run([sys.executable, TOP / "tools/oci/image.py", folder.parent / "binary",
                           folder, "1.2.3", "1700000000"], text=True, capture_output=True,
                          check=False)


@pytest.mark.parametrize("machine,architecture", [(62, "amd64"), (183, "arm64")])
def test_image_is_what_its_hashes_say(tmp_path: Path, machine: int, architecture: str) -> None:
    binary = b"\x7fELF" + bytes(14) + machine.to_bytes(2, "little")
    for name in ("one", "two"):
        done = make_image(binary, tmp_path / name)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()
    blobs = list((tmp_path / "one/blobs/sha256").iterdir())
    assert len(blobs) == 3
    for blob in blobs:
        assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name
    [manifest] = json.loads((tmp_path / "one/index.json").read_text())["manifests"]
    assert manifest["platform"] == {"architecture": architecture, "os": "linux"}


def test_no_image_of_what_is_no_program(tmp_path: Path) -> None:
    done = make_image(b"not a program, but long enough for a header", tmp_path / "one")
    assert done.returncode == 1
    assert "no ELF file of amd64 or arm64" in done.stderr
