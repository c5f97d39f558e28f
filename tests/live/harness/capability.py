# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What this kernel lets the tracer see. It is asked once."""

from __future__ import annotations

import ctypes
import functools
import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

from . import place, process

# The features of `tcpdwell probe` that let hidden states be seen.
SYN_RECV = "syn_recv"
TIME_WAIT = "timewait"


@functools.lru_cache(maxsize=None)
def probe(*arguments: str) -> dict[str, dict[str, Any]]:
    """`tcpdwell probe -o json` by feature."""
    done = subprocess.run(
        [place.tcpdwell(), "probe", "-o", "json", *(arguments or place.backend())],
        capture_output=True, text=True, check=False, timeout=process.LIMIT_S,
    )
    assert done.returncode == 0, f"tcpdwell probe: status {done.returncode}\n{done.stderr}"
    return {entry["feature"]: entry for entry in json.loads(done.stdout)}


def backend(feature: str, *arguments: str) -> str | None:
    """The backend that serves a feature; None: there is none."""
    found = probe(*arguments).get(feature, {}).get("backend")
    return None if found in (None, "none") else str(found)


def missing(*features: str) -> str | None:
    """Why a test must be skipped; None: it need not be."""
    for feature in features:
        if not backend(feature):
            why = probe().get(feature, {}).get("why")
            return f"no {feature}: {why}"
    return None


@functools.lru_cache(maxsize=None)
def in_btf(name: str) -> bool:
    """Whether the kernel has a type or function of this name."""
    return f"\0{name}\0".encode() in Path("/sys/kernel/btf/vmlinux").read_bytes()


@functools.lru_cache(maxsize=None)
def io_uring() -> bool:
    """Whether a program may make one."""
    ring = ctypes.CDLL(None).syscall(425, 1, (ctypes.c_uint32 * 30)())
    if ring >= 0:
        os.close(ring)
    return bool(ring >= 0)


def ipv6() -> bool:
    return os.path.exists("/proc/net/if_inet6")


def cookies() -> bool:
    """Whether sockets are identified by their cookies rather than by their addresses."""
    return backend("identity") == "cookie"


def host_is_for_tests() -> bool:
    """Whether nothing else on this machine could be harmed. Guests and CI say so."""
    return os.environ.get("TCPDWELL_TEST_HOST") == "1"


def root() -> bool:
    return os.geteuid() == 0


def guest() -> bool:
    """Whether this is a guest of tools/vm, where a test may load modules."""
    return os.uname().nodename == "guest"


def jiffy_ns() -> int:
    """The timer backend's unit of time: the tick, which is the resolution of the coarse clock."""
    clock_monotonic_coarse = 6  # <linux/time.h>; the module time does not have it
    return round(time.clock_getres(clock_monotonic_coarse) * 1e9)
