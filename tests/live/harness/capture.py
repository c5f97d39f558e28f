# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A packet capture by tcpdump."""

from __future__ import annotations

import signal
import struct
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Iterator

from . import process
from .netns import Netns
from .peer import Segment

LINKTYPE_ETHERNET = 1
MAGIC_NS = 0xA1B23C4D
LIMIT_S = 60


def read_capture(path: Path) -> Iterator[Segment]:
    """The segments of a file that tcpdump wrote (pcap-savefile(5)), with the time of day."""
    data = path.read_bytes()
    if len(data) < 24:
        return
    magic, link = struct.unpack_from("=I", data)[0], struct.unpack_from("=I", data, 20)[0]
    assert magic == MAGIC_NS and link == LINKTYPE_ETHERNET, (hex(magic), link)
    at = 24
    while at + 16 <= len(data):
        seconds, rest, size, _ = struct.unpack_from("=IIII", data, at)
        if at + 16 + size > len(data):
            return  # it is still being written
        found = Segment.parse(seconds * 10**9 + rest, data[at + 16:at + 16 + size])
        if found:
            yield found
        at += 16 + size


@dataclass
class Capture:
    """A running tcpdump of one device."""

    netns: Netns
    path: Path
    child: subprocess.Popen[str] = field(init=False)

    def __post_init__(self) -> None:
        # Without -U nothing is in the file before the end, and then perhaps nothing at all.
        self.child = self.netns.spawn(
            ["tcpdump", "-i", "veth0", "-n", "-U", "-s", "128", "-B", "16384",
             "--time-stamp-precision=nano", "-w", str(self.path), "-Z", "root", "tcp"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        assert self.child.stderr
        for line in self.child.stderr:
            if "listening on" in line:
                return
        raise AssertionError("tcpdump does not start")

    def stop(self, last: Callable[[Segment], bool]) -> list[Segment]:
        """Ends it once the last segment is in the file."""
        deadline = time.monotonic() + LIMIT_S
        while not any(map(last, read_capture(self.path))):
            assert time.monotonic() < deadline, "the capture has no end"
            time.sleep(0.05)
        self.child.send_signal(signal.SIGINT)
        _, said = self.child.communicate(timeout=process.LIMIT_S)
        assert " 0 packets dropped by kernel" in f" {said}".replace("\n", " "), said
        return list(read_capture(self.path))
