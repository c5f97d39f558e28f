# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Rows name the containers that Podman and systemd-nspawn themselves have made.

Each container runs on the files of this host, in a mount namespace that has only version 2 of
cgroups. What a runtime writes, such as Podman's /etc/resolv.conf, goes to a layer above these
files. If the host does not let a runtime work, the test is skipped with the runtime's message.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Iterator

import pytest

from harness import cgroup
from harness.netns import Netns
from harness.plain import Running, filtered_to

pytestmark = pytest.mark.any_kernel

PORT = 8000
NAME = "shop-web"
# A server and its client in one process; a line on standard input is a connection that ends.
TALKER = f"""
import socket, sys
listener = socket.create_server(("127.0.0.1", {PORT}))
print("ready", flush=True)
for line in sys.stdin:
    client = socket.create_connection(("127.0.0.1", {PORT}))
    server = listener.accept()[0]
    client.close()
    server.close()
    print("done", flush=True)
"""
# Without these, runtimes ask for limits of processes and filters of devices. Some hosts refuse
# them.
PODMAN = ["--cgroup-manager=cgroupfs", "--runtime=crun", "--events-backend=none",
          "--storage-driver=vfs"]
RUN = ["--rm", "--interactive", "--privileged", "--pids-limit=-1", "--ulimit=nofile=1024:1024",
       "--ulimit=nproc=1000:1000"]


class Container:
    """A container that a runtime started; it makes connections when it is told to."""

    def __init__(self, argv: list[Any], root: Path, folder: str = "/") -> None:
        script = """
            set -e
            umount -R /sys/fs/cgroup
            mount -t cgroup2 none /sys/fs/cgroup
            mount -t tmpfs none "$0"
            mkdir "$0/upper" "$0/work" "$0/root"
            mount -t overlay none -o "lowerdir=/,upperdir=$0/upper,workdir=$0/work" "$0/root"
            echo $$ >"/sys/fs/cgroup$1/cgroup.procs"
            shift
            exec "$@"
            """
        self.child = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "slave", "sh", "-c", script, root, folder,
             *argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, bufsize=1)
        if not self.heard("ready"):
            self.child.wait()
            assert self.child.stderr
            said = self.child.stderr.read().strip().splitlines()
            self.end()
            pytest.skip(f"this host does not let it: {said[-1] if said else 'it says nothing'}")

    def heard(self, line: str) -> bool:
        assert self.child.stdout
        return self.child.stdout.readline() == line + "\n"

    def talk(self) -> None:
        assert self.child.stdin
        self.child.stdin.write("\n")
        assert self.heard("done")

    def end(self) -> None:
        assert self.child.stdin
        self.child.stdin.close()
        self.child.wait(timeout=60)
        for stream in (self.child.stdout, self.child.stderr):
            if stream:
                stream.close()


def remove(folder: str) -> None:
    """Removes a cgroup, and the cgroups that a runtime has left below it."""
    subprocess.run(["find", f"{cgroup.mounted()}{folder}", "-depth", "-type", "d", "-exec",
                    "rmdir", "{}", ";"], capture_output=True, check=False)


@pytest.fixture(name="top")
def _top() -> Iterator[cgroup.Cgroup]:
    if not cgroup.mounted():
        pytest.skip("the version 2 hierarchy is not mounted")
    try:
        top = cgroup.Cgroup()
    except cgroup.NoCgroups as why:
        pytest.skip(f"no cgroup can be made: {why}")
    yield top
    remove(top.path)


def need(program: str) -> str:
    if not (found := shutil.which(program)):
        pytest.skip(f"there is no {program} here")
    return found


def rows_of(container: Container, netns: Netns, **kwargs: Any) -> list[dict[str, Any]]:
    with Running("-o", "json", *filtered_to(netns), **kwargs) as running:
        container.talk()
        running.wait_for_lines(8)
        running.finish()
        rows = [json.loads(line.text) for line in running.lines()]
    rows = [row for row in rows if row["type"] == "transition"]
    if not any(row["cgroup"] for row in rows):
        pytest.skip("this kernel does not tell the socket's cgroup")
    return rows


def test_podman(netns: Netns, top: cgroup.Cgroup, tmp_path: Path) -> None:
    """The container's name is in the file that Podman keeps, and its id is in the path."""
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    store, root = tmp_path / "lib/containers/storage", tmp_path / "root"
    store.mkdir(parents=True, mode=0o755)
    root.mkdir()
    argv = [need("podman"), *PODMAN, "--root", store, "--runroot", tmp_path / "run", "run", *RUN,
            "--name", NAME, f"--cgroup-parent={top.path}", f"--network=ns:{netns.path}",
            "--rootfs", root / "root", sys.executable, "-c", TALKER]
    container = Container(argv, root)
    try:
        rows = rows_of(container, netns, wrap=lambda argv: [
            "unshare", "--mount", "--propagation", "slave", "sh", "-c",
            'mount --bind "$0" /var/lib && exec "$@"', tmp_path / "lib", *argv])
    finally:
        container.end()
    for row in rows:
        assert row["container"] == NAME
        assert len(row["container_id"]) == 64 and row["container_id"] in row["cgroup"]
        assert (row["pod"], row["netns_name"]) == (None, netns.name)


def test_systemd_nspawn(netns: Netns, top: cgroup.Cgroup, tmp_path: Path) -> None:
    """The container is below a cgroup that has the name of its unit."""
    unit = f"systemd-nspawn@{NAME}.service"
    folder = Path(f"{cgroup.mounted()}{top.path}/{unit}")
    folder.mkdir()
    root = tmp_path / "root"
    root.mkdir()
    argv = [need("systemd-nspawn"), "--quiet", "--register=no", "--keep-unit", f"--machine={NAME}",
            "--directory", root / "root", "--link-journal=no", "--pipe",
            f"--network-namespace-path={netns.path}", "--", sys.executable, "-c", TALKER]
    container = Container(argv, root, f"{top.path}/{unit}")
    try:
        rows = rows_of(container, netns)
    finally:
        container.end()
    for row in rows:
        assert (row["unit"], row["container"]) == (unit, NAME)
        assert row["cgroup"].endswith(f"{unit}/payload")
