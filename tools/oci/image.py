#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Make an OCI image from scratch that holds one static binary, as a layout and as an archive of it.

    tools/oci/image.py BINARY FOLDER VERSION EPOCH

FOLDER becomes the layout (oci-layout, index.json, blobs/sha256/…), FOLDER.tar the archive that
`podman load` and `skopeo copy oci-archive:` take. It needs no right and no daemon, and the same
binary gives the same bytes: the layer is not compressed, since compressors differ.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import io
import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

# Names by the machine in the ELF header.
ARCHITECTURES = {62: "amd64", 183: "arm64"}
MEDIA = "application/vnd.oci.image."
# Programs that read /etc/passwd find root, and the user that root becomes.
PASSWD = b"root:x:0:0:root:/:/tcpdwell\nnobody:x:65534:65534:nobody:/:/tcpdwell\n"
ANNOTATIONS = {
    "org.opencontainers.image.title": "tcpdwell",
    "org.opencontainers.image.description": "TCP state transitions, and the time in each state",
    "org.opencontainers.image.licenses": "GPL-2.0-only OR BSD-2-Clause",
}


def entry(name: str, mode: int, epoch: int, size: int = 0, is_folder: bool = False
          ) -> tarfile.TarInfo:
    """An entry that belongs to root, with the only time that there is."""
    info = tarfile.TarInfo(name)
    info.type = tarfile.DIRTYPE if is_folder else tarfile.REGTYPE
    info.mode, info.mtime, info.size = mode, epoch, size
    return info


def add(archive: tarfile.TarFile, name: str, data: bytes, mode: int, epoch: int) -> None:
    archive.addfile(entry(name, mode, epoch, len(data)), io.BytesIO(data))


def make_layer(binary: bytes, epoch: int) -> bytes:
    """The files of the image."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        archive.addfile(entry("etc", 0o755, epoch, is_folder=True))
        add(archive, "etc/passwd", PASSWD, 0o644, epoch)
        add(archive, "tcpdwell", binary, 0o755, epoch)
    return layer.getvalue()


class Layout:
    """The folder of an image, whose parts are named by their hashes."""

    def __init__(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        self.folder = folder
        (folder / "blobs/sha256").mkdir(parents=True)

    def put(self, data: bytes, kind: str) -> dict[str, Any]:
        """Stores a blob; returns what refers to it."""
        digest = hashlib.sha256(data).hexdigest()
        (self.folder / "blobs/sha256" / digest).write_bytes(data)
        return {"mediaType": MEDIA + kind, "digest": f"sha256:{digest}", "size": len(data)}

    def put_json(self, value: Any, kind: str) -> dict[str, Any]:
        return self.put(json.dumps(value, indent=1, sort_keys=True).encode() + b"\n", kind)

    def write(self, name: str, value: Any) -> None:
        text = json.dumps(value, indent=1, sort_keys=True)
        (self.folder / name).write_text(text + "\n", encoding="utf-8")

    def pack(self, target: Path, epoch: int) -> None:
        """Packs all of it into one file, in the order of names."""
        with tarfile.open(target, "w", format=tarfile.USTAR_FORMAT) as archive:
            for path in sorted(self.folder.rglob("*")):
                name = str(path.relative_to(self.folder))
                if path.is_dir():
                    archive.addfile(entry(name, 0o755, epoch, is_folder=True))
                else:
                    add(archive, name, path.read_bytes(), 0o644, epoch)


def architecture_of(binary: bytes) -> str:
    machine = int.from_bytes(binary[18:20], "little")
    if binary[:4] != b"\x7fELF" or machine not in ARCHITECTURES:
        wanted = " or ".join(ARCHITECTURES.values())
        raise SystemExit(f"image.py: the binary is no ELF file of {wanted}")
    return ARCHITECTURES[machine]


def make_image(binary: bytes, layout: Layout, version: str, epoch: int) -> None:
    created = datetime.datetime.fromtimestamp(epoch, datetime.timezone.utc)
    architecture = architecture_of(binary)
    when = created.strftime("%Y-%m-%dT%H:%M:%SZ")
    layer = layout.put(make_layer(binary, epoch), "layer.v1.tar")
    config = layout.put_json({
        "architecture": architecture,
        "os": "linux",
        "created": when,
        "config": {"Entrypoint": ["/tcpdwell"], "WorkingDir": "/", "Labels": ANNOTATIONS},
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
        "history": [{"created": when, "created_by": "tools/oci/image.py"}],
    }, "config.v1+json")
    manifest = layout.put_json({
        "schemaVersion": 2,
        "mediaType": MEDIA + "manifest.v1+json",
        "config": config,
        "layers": [layer],
        "annotations": {**ANNOTATIONS, "org.opencontainers.image.version": version,
                        "org.opencontainers.image.created": when},
    }, "manifest.v1+json")
    named = {**manifest, "platform": {"architecture": architecture, "os": "linux"},
             "annotations": {"org.opencontainers.image.ref.name": version}}
    layout.write("index.json", {"schemaVersion": 2, "mediaType": MEDIA + "index.v1+json",
                                "manifests": [named]})
    layout.write("oci-layout", {"imageLayoutVersion": "1.0.0"})


def main() -> None:
    parser = argparse.ArgumentParser(description="Make an OCI image of one static binary.")
    parser.add_argument("binary", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("version")
    parser.add_argument("epoch", type=int)
    options = parser.parse_args()
    layout = Layout(options.folder)
    make_image(options.binary.read_bytes(), layout, options.version, options.epoch)
    layout.pack(options.folder.with_name(options.folder.name + ".tar"), options.epoch)


if __name__ == "__main__":
    main()
