# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the kernel says of BPF programs and maps, and the bench's own programs.

All of it belongs to this process, and ends with it, however it ends.
"""
import contextlib
import ctypes
import json
import mmap
import os
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

BPF_STATS_RUN_TIME = 0


def _libbpf() -> ctypes.CDLL:
    library = ctypes.CDLL("libbpf.so.1", use_errno=True)
    for name in ("bpf_object__open", "bpf_object__find_program_by_name", "bpf_program__attach"):
        getattr(library, name).restype = ctypes.c_void_p
    library.bpf_object__open.argtypes = [ctypes.c_char_p]
    library.bpf_object__find_program_by_name.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    library.bpf_object__find_map_fd_by_name.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    for name in ("bpf_object__load", "bpf_object__close", "bpf_program__attach", "bpf_program__fd",
                 "bpf_link__destroy"):
        getattr(library, name).argtypes = [ctypes.c_void_p]
    library.libbpf_set_print(None)
    return library


_lib = _libbpf()


def _check(good: bool, what: str) -> None:
    if not good:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


@contextlib.contextmanager
def stats() -> Iterator[None]:
    """Lets the kernel measure the run time of programs, as kernel.bpf_stats_enabled does.

    A descriptor holds this, so it ends with the process and leaves the sysctl alone.
    """
    fd = _lib.bpf_enable_stats(BPF_STATS_RUN_TIME)
    _check(fd >= 0, "bpf_enable_stats")
    try:
        yield
    finally:
        os.close(fd)


@dataclass(frozen=True)
class RunTime:
    """What a program has run since it was loaded, while someone had stats()."""

    ns: int = 0
    count: int = 0

    def __sub__(self, other: "RunTime") -> "RunTime":
        return RunTime(self.ns - other.ns, self.count - other.count)


def _fdinfo(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except OSError:  # closed meanwhile
        return {}
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def _run_time(fd: int) -> RunTime:
    info = _fdinfo(Path(f"/proc/self/fdinfo/{fd}"))
    return RunTime(int(info["run_time_ns"]), int(info["run_cnt"]))


def programs_of(pid: int) -> dict[int, RunTime]:
    """The programs that the process holds or has attached, by id."""
    ids = {int(info["prog_id"]) for path in Path(f"/proc/{pid}/fdinfo").iterdir()
           if "prog_id" in (info := _fdinfo(path))}
    programs = {}
    for number in ids:
        fd = _lib.bpf_prog_get_fd_by_id(number)
        if fd >= 0:
            programs[number] = _run_time(fd)
            os.close(fd)
    return programs


def program_name(number: int) -> str:
    """The name from bpftool, which knows names longer than the kernel's 15 characters."""
    try:
        shown = subprocess.run(["bpftool", "-j", "prog", "show", "id", str(number)],
                               capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "?"
    return json.loads(shown.stdout).get("name", "?")


def map_bytes_of(pid: int) -> int:
    """The kernel memory of the maps that the process holds."""
    maps = {info["map_id"]: int(info["memlock"]) for path in Path(f"/proc/{pid}/fdinfo").iterdir()
            if "map_id" in (info := _fdinfo(path))}
    return sum(maps.values())


class _Object:
    """A program of the bench and its maps, loaded until it is closed."""

    def __init__(self, path: Path, name: str):
        self._object = _lib.bpf_object__open(str(path).encode())
        _check(self._object, f"open {path}")
        try:
            _check(_lib.bpf_object__load(self._object) == 0, f"load {path}")
            self._program = _lib.bpf_object__find_program_by_name(self._object, name.encode())
            _check(self._program, f"find {name} in {path}")
            self._fd = _lib.bpf_program__fd(self._program)
        except OSError:
            self.close()
            raise

    def map_fd(self, name: str) -> int:
        fd = _lib.bpf_object__find_map_fd_by_name(self._object, name.encode())
        _check(fd >= 0, f"find map {name}")
        return fd

    def close(self) -> None:
        _lib.bpf_object__close(self._object)


class Program(_Object):
    """A program that is attached while this object is open."""

    def __init__(self, path: Path, name: str):
        super().__init__(path, name)
        try:
            self._link = _lib.bpf_program__attach(self._program)
            _check(self._link, f"attach {name}")
        except OSError:
            self.close()
            raise

    def run_time(self) -> RunTime:
        return _run_time(self._fd)

    def __enter__(self) -> "Program":
        return self

    def __exit__(self, *_: object) -> None:
        _lib.bpf_link__destroy(self._link)
        self.close()


class _Ring:
    """The positions of a ring buffer: the consumer's in the first page, the producer's in the
    second."""

    def __init__(self, fd: int):
        self._consumer = mmap.mmap(fd, mmap.PAGESIZE)
        self._producer = mmap.mmap(fd, mmap.PAGESIZE, prot=mmap.PROT_READ, offset=mmap.PAGESIZE)

    def empty(self) -> None:
        """Throws away what is in it."""
        self._consumer[:8] = self._producer[:8]

    def close(self) -> None:
        self._consumer.close()
        self._producer.close()


class _TestRun(ctypes.Structure):
    """struct bpf_test_run_opts of libbpf."""

    _fields_ = [("sz", ctypes.c_size_t), ("data_in", ctypes.c_void_p),
                ("data_out", ctypes.c_void_p), ("data_size_in", ctypes.c_uint32),
                ("data_size_out", ctypes.c_uint32), ("ctx_in", ctypes.c_void_p),
                ("ctx_out", ctypes.c_void_p), ("ctx_size_in", ctypes.c_uint32),
                ("ctx_size_out", ctypes.c_uint32), ("retval", ctypes.c_uint32),
                ("repeat", ctypes.c_int), ("duration", ctypes.c_uint32),
                ("flags", ctypes.c_uint32), ("cpu", ctypes.c_uint32),
                ("batch_size", ctypes.c_uint32)]


class Producer(_Object):
    """A program with a map "ring" that is run by hand, not attached."""

    _FRAME = ctypes.create_string_buffer(64)  # a packet, which programs of this type are given

    def __init__(self, path: Path, name: str):
        super().__init__(path, name)
        try:
            self._ring = _Ring(self.map_fd("ring"))
        except OSError:
            self.close()
            raise

    def run(self, times: int) -> int:
        """Runs it on this thread's processor. Returns the nanoseconds of each run."""
        options = _TestRun(sz=ctypes.sizeof(_TestRun), repeat=times,
                           data_in=ctypes.addressof(self._FRAME),
                           data_size_in=len(self._FRAME))
        _check(_lib.bpf_prog_test_run_opts(self._fd, ctypes.byref(options)) == 0, "test run")
        if options.retval:
            raise OSError("the ring is full")
        return options.duration

    def empty(self) -> None:
        """Throws away what is in the ring."""
        self._ring.empty()

    def __enter__(self) -> "Producer":
        return self

    def __exit__(self, *_: object) -> None:
        self._ring.close()
        self.close()


class RingSink:
    """Throws away what comes into a ring buffer, so that it never fills, at next to no cost."""

    PERIOD_SECONDS = 0.005  # at 300,000 records of 104 bytes a second, 156 kB of the ring

    def __init__(self, fd: int):
        self._ring = _Ring(fd)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._end.wait(self.PERIOD_SECONDS):
            self._ring.empty()

    def __enter__(self) -> "RingSink":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        self._ring.close()
