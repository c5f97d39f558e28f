# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The image: other tools can read it, and it runs with what the DaemonSet leaves it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
BUILT = TOP / "build/packages"
LIMIT_S = 120

# Becomes the image's program, with the capabilities of these numbers and no others.
ENTER = """
import ctypes, os, sys
kept = {int(number) for number in sys.argv[2].split(",")}
os.chroot(sys.argv[1])
os.chdir("/")
libc = ctypes.CDLL(None, use_errno=True)
for number in range(64):
    if number not in kept and libc.prctl(24, number, 0, 0, 0) and ctypes.get_errno() != 22:
        sys.exit("PR_CAPBSET_DROP")
libc.prctl(38, 1, 0, 0, 0)
os.execv("/tcpdwell", ["/tcpdwell", *sys.argv[3:]])
"""
# What a container sees of the host with hostPID, hostNetwork and the mounts of the DaemonSet.
MOUNTS = """
for folder in proc sys dev run/netns; do
    mkdir -p "$1/$folder"
    [ ! -d /$folder ] || mount --rbind /$folder "$1/$folder"
done
mount -o remount,bind,ro "$1/sys"
shift
exec "$@"
"""


@pytest.fixture(name="archive", scope="module")
def fixture_archive() -> Path:
    found = sorted(BUILT.glob("tcpdwell-*-oci.tar"))
    if not found:
        pytest.skip("no image is built: make oci")
    return found[-1]


def test_skopeo_reads_it(archive: Path, tmp_path: Path) -> None:
    """skopeo checks each digest when it converts the image."""
    if not (skopeo := shutil.which("skopeo")):
        pytest.skip("there is no skopeo here")
    done = subprocess.run([skopeo, "inspect", f"oci-archive:{archive}"], capture_output=True,
                          text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
    assert (said["Os"], said["Architecture"], len(said["Layers"])) == ("linux", architecture, 1)
    done = subprocess.run([skopeo, "copy", "--insecure-policy", f"oci-archive:{archive}",
                           f"dir:{tmp_path}/copy"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_buildah_runs_it(archive: Path, tmp_path: Path) -> None:
    """buildah makes a container of it, without a daemon, and starts what is in it."""
    if not (program := shutil.which("buildah")) or os.geteuid() != 0:
        pytest.skip("there is no buildah here, or this is not root")

    def buildah(*arguments: str) -> str:
        done = subprocess.run(
            [program, "--storage-driver=vfs", f"--root={tmp_path}/root",
             f"--runroot={tmp_path}/run", *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    container = buildah("from", f"oci-archive:{archive}").strip()
    said = json.loads(buildah("inspect", "--type=container", container))
    program_of_image = said["OCIv1"]["config"]["Entrypoint"]
    assert "CLOSE_WAIT" in buildah("run", "--isolation=chroot", container, "--",
                                   *program_of_image, "explain", "CLOSE_WAIT")
    buildah("rm", container)
    buildah("rmi", "--all")


def test_it_is_the_same_when_it_is_made_again(archive: Path, tmp_path: Path) -> None:
    """The second image is made elsewhere, so the layout of the build stays as it was."""
    with tarfile.open(archive) as tar:
        names = [name for name in tar.getnames() if name.startswith("blobs/sha256/")]
        blobs = [tar.extractfile(name) for name in names]
        configs = [json.load(blob) for blob in blobs if blob and blob.peek(1)[:1] == b"{"]
        epoch = int(tar.getmember("index.json").mtime)
    version = next(c["annotations"]["org.opencontainers.image.version"] for c in configs
                   if "annotations" in c)
    subprocess.run([TOP / "tools/oci/image.py", TOP / "build/tcpdwell-static", tmp_path / "again",
                    version, str(epoch)], check=True)
    assert (tmp_path / "again.tar").read_bytes() == archive.read_bytes()


def unpack(archive: Path, folder: Path) -> None:
    """Unpacks the layer that the manifest in the index names, as a runtime does."""
    with tarfile.open(archive) as tar:
        def blob(digest: str) -> bytes:
            found = tar.extractfile("blobs/" + digest.replace(":", "/"))
            assert found
            return found.read()

        index = tar.extractfile("index.json")
        assert index
        manifest = json.loads(blob(json.load(index)["manifests"][0]["digest"]))
        (folder.parent / "layer.tar").write_bytes(blob(manifest["layers"][0]["digest"]))
    with tarfile.open(folder.parent / "layer.tar") as layer:
        layer.extractall(folder)


def granted() -> list[str]:
    """Returns the capabilities that the DaemonSet adds after it drops all."""
    text = (TOP / "tools/kubernetes/daemonset.yaml").read_text()
    return re.findall(r"^ +- ([A-Z_]+)$", text.split("add:\n", 1)[1], re.M)


def numbers(names: list[str]) -> list[str]:
    header = Path("/usr/include/linux/capability.h").read_text()
    known = dict(re.findall(r"#define CAP_(\w+)\s+(\d+)$", header, re.M))
    return [known[name] for name in names]


def test_it_runs_with_what_the_daemonset_grants(archive: Path, tmp_path: Path) -> None:
    """It starts as root of a chroot with only these capabilities, and goes on as nobody."""
    if os.geteuid() != 0:
        pytest.skip("only root may chroot")
    root = tmp_path / "root"
    root.mkdir()
    unpack(archive, root)
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-ec", MOUNTS, "sh", root, sys.executable, "-c", ENTER, root,
         ",".join(numbers(granted())), "export", "--by", "pod", "--listen", "127.0.0.1:0", "-i",
         "1s", "-d", "3s"], capture_output=True, text=True, check=False, timeout=LIMIT_S)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^tcpdwell: seen \d+ = ", done.stderr, re.M)
    assert "cannot" not in done.stderr
