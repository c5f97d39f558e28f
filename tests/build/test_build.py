# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The build itself: what is rebuilt when, what is installed, and what the results depend on.

The tests work on a copy of the tree and of its build directory, so that touching a header there
rebuilds only the files that depend on it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
SOURCES = ["Makefile", "bpf", "include", "user", "vmlinux", "tools", "tests"]
BPF, SKELETON = "build/bpf/tcpdwell.bpf.o", "build/bpf/tcpdwell.skel.h"
LOADER, BINARY = "build/obj/user/kernel/loader.o", "build/tcpdwell"


class Tree:
    """A copy of the project, built."""

    def __init__(self, top: Path) -> None:
        self.top = top

    def make(self, *arguments: str, check: bool = True) -> str:
        # The flags of the make that runs the tests must not reach this one.
        outer = ("MAKE", "MFLAGS", "WERROR")
        env = {k: v for k, v in os.environ.items() if not k.startswith(outer)}
        done = subprocess.run(
            ["make", *arguments],
            cwd=self.top,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0 or not check, done.stdout
        return done.stdout

    def rebuilt_by(self, header: str) -> set[str]:
        """Returns the files of build/ that a change of the header makes anew."""
        before = self.times()
        os.utime(self.top / header)
        self.make("-j2")
        return {name for name, time in self.times().items() if before.get(name) != time}

    def times(self) -> dict[str, int]:
        files = (self.top / "build").rglob("*")
        return {str(f.relative_to(self.top)): f.stat().st_mtime_ns for f in files if f.is_file()}


@pytest.fixture(name="tree", scope="module")
def fixture_tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    top = tmp_path_factory.mktemp("tree")
    for name in SOURCES:
        source = TOP / name
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, top / name)
    for name in ["obj", "bpf", "flags", "libtcpdwell.a", "tcpdwell"]:
        source = TOP / "build" / name
        if source.exists():
            (top / "build").mkdir(exist_ok=True)
            (shutil.copytree if source.is_dir() else shutil.copy2)(source, top / "build" / name)
    tree = Tree(top)
    tree.make("-j2")
    return tree


def test_nothing_to_do_is_nothing_done(tree: Tree) -> None:
    assert tree.make() == ""


def test_shared_header_rebuilds_both_sides(tree: Tree) -> None:
    rebuilt = tree.rebuilt_by("include/wire.h")
    assert {BPF, SKELETON, LOADER, BINARY} <= rebuilt


def test_kernel_types_rebuild_the_bpf_side(tree: Tree) -> None:
    rebuilt = tree.rebuilt_by("vmlinux/vmlinux.h")
    assert {BPF, SKELETON, LOADER, BINARY} <= rebuilt
    assert "build/libtcpdwell.a" not in rebuilt


def test_other_flags_rebuild_and_the_same_do_not(tree: Tree) -> None:
    one = ["B=build/flagged", "build/flagged/obj/user/base/decode.o"]
    assert "CC" in tree.make(*one)
    assert tree.make(*one, "V=1") == ""
    assert "CC" in tree.make(*one, "WERROR=1")
    assert tree.make(*one, "WERROR=1") == ""


def test_commands_are_shown_on_request(tree: Tree) -> None:
    os.utime(tree.top / "user/kernel/loader.c")
    assert "-c -o build/obj/user/kernel/loader.o" in tree.make("V=1")
    os.utime(tree.top / "user/kernel/loader.c")
    assert "  CC      user/kernel/loader.o\n" in tree.make()


def test_sanitized_build_has_its_own_directory(tree: Tree) -> None:
    shown = tree.make("SAN=1", "V=1", "-n")
    assert "-fsanitize=address,undefined" in shown
    assert "-o build/obj/" not in shown


def test_bpf_object_does_not_depend_on_the_host(tree: Tree) -> None:
    headers = (tree.top / "build/bpf/tcpdwell.bpf.d").read_text()
    assert "vmlinux/vmlinux.h" in headers
    assert "/sys/kernel" not in tree.make("-B", "-n")


def test_library_needs_no_libbpf(tree: Tree) -> None:
    """No object of the library uses libbpf; linking the unit tests would show only modules they
    use."""
    command = ["nm", "--undefined-only", "build/libtcpdwell.a"]
    undefined = subprocess.run(command, cwd=tree.top, capture_output=True, text=True, check=True)
    leaks = re.findall(r" U ((?:lib)?bpf_\w+|btf_\w+|ring_buffer_\w+)", undefined.stdout)
    assert leaks == []


def test_install_and_uninstall(tree: Tree, tmp_path: Path) -> None:
    where = [f"DESTDIR={tmp_path}", "PREFIX=/usr"]
    tree.make("install", *where)
    assert os.access(tmp_path / "usr/sbin/tcpdwell", os.X_OK)
    assert (tmp_path / "usr/share/man/man8/tcpdwell.8").is_file()
    tree.make("uninstall", *where)
    assert [f for f in tmp_path.rglob("*") if f.is_file()] == []


def test_every_target_is_in_the_help(tree: Tree) -> None:
    shown = tree.make("help")
    targets = "all run check test test-vm bench static arm64 install uninstall format format-check"
    for target in [*targets.split(), "clean", "help"]:
        assert f"\n  {target} " in "\n" + shown


def test_static_binary_runs_with_nothing_installed(tree: Tree, tmp_path: Path) -> None:
    tree.make("static")
    shutil.copy(tree.top / "build/tcpdwell-static", tmp_path)
    assert (tmp_path / "tcpdwell-static").stat().st_size < 5 << 20
    enter = ["chroot"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "chroot"]
    if subprocess.run([*enter, "/", "true"], check=False, capture_output=True).returncode:
        pytest.skip("no right to chroot here")
    done = subprocess.run(
        [*enter, tmp_path, "/tcpdwell-static", "--version"], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_static_binary_is_the_same_wherever_it_is_built(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Place, time, user and locale of the build make no difference; the checksum is beside the
    file."""
    tree.make("static", "-j2")
    other = Tree(tmp_path / "elsewhere/with-a-longer-name")
    other.top.mkdir(parents=True)
    for name in SOURCES:
        source = TOP / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, other.top / name)
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setenv("USER", "someone")
    other.make("static", "-j2")
    for name in ("bpf/tcpdwell.linked.o", "libtcpdwell.a", "tcpdwell-static"):
        one, two = (place.top / "build" / name for place in (tree, other))
        assert one.read_bytes() == two.read_bytes(), name
    check = ["sha256sum", "--check", "--strict", "tcpdwell-static.sha256"]
    subprocess.run(check, cwd=other.top / "build", check=True, capture_output=True)
    assert str(tmp_path).encode() not in (other.top / "build/tcpdwell-static").read_bytes()


def test_arm64_object_builds_and_relocates(tree: Tree) -> None:
    if not Path("/sys/kernel/btf/vmlinux").exists():
        pytest.skip("the kernel has no BTF")
    assert " 0 wrong" in tree.make("arm64")


def test_kernel_types_fit_the_running_kernel(tree: Tree) -> None:
    if not Path("/sys/kernel/btf/vmlinux").exists():
        pytest.skip("the kernel has no BTF")
    check = tree.top / "vmlinux/check.py"
    done = subprocess.run([check], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def refusal(path: Path) -> str:
    """Returns what tools/deps.sh says when PATH has little more than the shell's own helpers."""
    for name in ["grep", "cat", "mktemp", "rm", "sh"]:
        (path / name).symlink_to(shutil.which(name) or "/bin/false")
    (path / "id").write_text("#!/bin/sh\necho 1000\n")
    (path / "id").chmod(0o755)
    script = (TOP / "tools/deps.sh").read_text().replace("PATH=$PATH:/usr/sbin:/sbin\n", "")
    done = subprocess.run(
        ["/bin/sh", "-c", script, "deps.sh", "build"],
        env={"PATH": str(path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    return done.stderr


def test_missing_packages_are_named_where_there_is_no_apt(tmp_path: Path) -> None:
    """The headers may be there or not."""
    said = refusal(tmp_path)
    assert "please install" in said and "gcc" in said and "clang" in said


def test_missing_packages_are_named_to_who_may_not_install_them(tmp_path: Path) -> None:
    (tmp_path / "apt-get").symlink_to("/bin/true")
    said = refusal(tmp_path)
    assert "not root and no sudo" in said and "gcc" in said and "clang" in said


@pytest.mark.parametrize("target", ["run", "test", "bench"])
def test_want_of_root_is_said_first(tree: Tree, target: str) -> None:
    said = tree.make(target, "SUDO=no-such-sudo", check=False)
    assert said.startswith(f"make {target}: not root, and there is no no-such-sudo\n")


def test_unknown_group_of_packages_is_an_error() -> None:
    done = subprocess.run([TOP / "tools/deps.sh", "nonsense"], capture_output=True, check=False)
    assert done.returncode != 0
