# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`tcpdwell export --textfile`."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from harness import within
from harness.metrics import COMM, LIMIT_S, Metrics
from harness.netns import Netns
from harness.plain import Running, filtered_to, run

pytestmark = pytest.mark.any_kernel


def test_textfile(netns: Netns, tmp_path: Path) -> None:
    """The file is whole at any time and readable by all, in a folder of another user."""
    os.chown(tmp_path, 12345, 12346)
    for folder in tmp_path.parents[:2]:
        os.chmod(folder, 0o755)
    path, target = tmp_path / "tcp.prom", tmp_path / "target"
    target.write_text("not to be written to", encoding="ascii")
    path.symlink_to(target)
    with within.named(COMM.encode()), within.listen(netns) as listener, \
            Running("export", "--textfile", str(path), "-i", "1s", *filtered_to(netns),
                    wrap=lambda argv: ["sh", "-c", 'umask 077; exec "$@"', "sh", *argv]) as running:
        assert "metrics at" not in running.said()
        running.wait_for(lambda: not path.is_symlink(), LIMIT_S)
        within.connect_and_reset(netns, listener, 4)
        running.wait_for(lambda: Metrics(path.read_text("ascii")).sum(
            "tcpdwell_closes_total", comm=COMM) == 8, LIMIT_S)
        running.finish()
    status = path.lstat()
    assert (status.st_mode, status.st_uid, status.st_gid) == (0o100644, 12345, 12346)
    assert target.read_text("ascii") == "not to be written to"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["target", "tcp.prom"]


OTHER = 65534


def plant(kind: str, at: Path, victim: Path) -> None:
    """Leaves something at the place where export writes, as a user without rights to the victim."""
    if kind == "link":
        at.symlink_to(victim)
    elif kind == "hard link":
        os.link(victim, at)
    elif kind == "fifo":
        os.mkfifo(at)
        os.chown(at, OTHER, OTHER)
    elif kind == "folder":
        at.mkdir()
        (at / "x").touch()
    if kind != "hard link":
        os.chown(at, OTHER, OTHER, follow_symlinks=False)


@pytest.mark.parametrize(("kind", "where", "status"), [
    ("link", ".x.tcpdwell", 0), ("hard link", ".x.tcpdwell", 0), ("fifo", ".x.tcpdwell", 0),
    ("folder", ".x.tcpdwell", 3), ("link", "x", 0), ("hard link", "x", 0), ("fifo", "x", 2),
    ("folder", "x", 2),
])
def test_textfile_in_a_folder_of_all(netns: Netns, tmp_path: Path, kind: str, where: str,
                                     status: int) -> None:
    """In a folder like /tmp, nothing that lies there leads to another file or makes export wait."""
    shared, victim = tmp_path / "shared", tmp_path / "victim"
    victim.write_text("not to be written to", encoding="ascii")
    victim.chmod(0o600)
    shared.mkdir()
    shared.chmod(0o1777)
    plant(kind, shared / where, victim)
    done = run("export", "--textfile", str(shared / "x"), "-i", "1s", "-d", "2s",
               *filtered_to(netns))
    assert done.returncode == status, done.stderr
    assert victim.read_text("ascii") == "not to be written to"
    assert victim.stat().st_mode & 0o7777 == 0o600
    if status:
        assert done.stderr.decode().startswith("tcpdwell: --textfile: '")
        return
    assert [file.name for file in shared.iterdir()] == ["x"]
    assert (shared / "x").lstat().st_uid == 0
    assert "tcpdwell_build_info" in (shared / "x").read_text("ascii")


def test_textfile_whose_place_is_taken(netns: Netns, tmp_path: Path) -> None:
    """It is said once, the rest goes on, and the file is written once the place is free."""
    path = tmp_path / "x"
    for folder in (tmp_path, *tmp_path.parents[:2]):
        os.chmod(folder, 0o755)
    with Running("export", "--textfile", str(path), "-i", "1s", *filtered_to(netns)) as running:
        running.wait_for(path.is_file, LIMIT_S)
        path.unlink()
        path.mkdir()
        running.wait_for(lambda: "the old one stays" in running.said(), LIMIT_S)
        path.rmdir()
        running.wait_for(path.is_file, LIMIT_S)
        running.finish()
        assert running.said().count("the old one stays") == 1


def test_textfile_whose_folder_goes_and_comes(netns: Netns, tmp_path: Path) -> None:
    """It is said, and another folder of that name is written to, but no link is followed."""
    folder, elsewhere = tmp_path / "folder", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    for above in (folder, elsewhere, tmp_path, *tmp_path.parents[:2]):
        os.chmod(above, 0o755)
    with Running("export", "--textfile", str(folder / "x"), "-i", "1s",
                 *filtered_to(netns)) as running:
        running.wait_for((folder / "x").is_file, LIMIT_S)
        folder.rename(tmp_path / "old")
        folder.symlink_to(elsewhere)
        shutil.rmtree(tmp_path / "old")
        running.wait_for(lambda: "the folder is gone" in running.said(), LIMIT_S)
        time.sleep(1.2)  # another look
        assert not list(elsewhere.iterdir())
        folder.unlink()
        folder.mkdir()
        running.wait_for((folder / "x").is_file, LIMIT_S)
        running.finish()
        assert running.said().count("the folder is gone") == 1


@pytest.mark.parametrize(("path", "status", "why"), [
    ("/nonexistent/tcp.prom", 2, "No such file"), ("/dev/null", 2, "is no file"),
    ("/etc/passwd/x", 2, "Not a directory"), ("/etc", 2, "Is a directory"),
    ("/etc/", 2, "Is a directory"), ("", 2, "is empty"), ("/proc/tcp.prom", 3, ""),
])
def test_files_that_cannot_be(path: str, status: int, why: str) -> None:
    done = run("export", "--textfile", path, "-d", "1s")
    if path == "/proc/tcp.prom":
        # For export there is no such place: kernels differ in what they say about it.
        assert done.returncode in (2, 3)
        return
    assert done.returncode == status
    assert "--textfile: " in done.stderr.decode() and why in done.stderr.decode()


def test_writer_that_is_killed(netns: Netns, tmp_path: Path) -> None:
    """export does not go on as if somebody wrote the file."""
    for folder in (tmp_path, *tmp_path.parents[:2]):
        os.chmod(folder, 0o755)
    with Running("export", "--textfile", str(tmp_path / "x"), "-i", "1s",
                 *filtered_to(netns)) as running:
        done = subprocess.run(["pgrep", "-P", str(running.child.pid), "tcpdwell-file"],
                              capture_output=True, text=True, check=True)
        os.kill(int(done.stdout), signal.SIGKILL)
        assert running.wait(LIMIT_S) == 1
        assert "the process that writes it has ended" in running.said()
