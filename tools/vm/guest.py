# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""One run of a kernel in QEMU: boot, run a job, watch the console, bring the results out."""

from __future__ import annotations

import contextlib
import io
import os
import re
import select
import shutil
import signal
import subprocess
import tarfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

import image
from arch import Arch
from fetch import Kernel

MEMORY_MIB = 1536
PROCESSORS = 2
EXCHANGE_BYTES = 64 << 20
# An emulated kernel reaches its job in 5 s on an idle machine.
START_LIMIT_S = 120
BEGIN = re.compile(r"^vm: begin after ([\d.]+) s")
END = re.compile(r"^vm: end status (\d+) up ([\d.]+) s")
# Only with the kernel's time stamp before it, since a test may print anything.
KERNEL_BUG = re.compile(r"\[ *\d+\.\d{6}\] .*(Kernel panic|\bBUG: |\bOops: |protection fault)")
# Only errors and worse reach the console; an oops shows all levels, and ends the guest.
APPEND = ("quiet loglevel=4 panic=-1 oops=panic mitigations=off nowatchdog "
          "random.trust_cpu=on net.ifnames=0 rdinit=/init")


class Disks(NamedTuple):
    """Images that several guests may share, since none writes to them."""

    userland: Path
    project: Path
    busybox: Path = Path(image.BUSYBOX)


class Outcome(NamedTuple):
    """What became of a run."""

    status: int | None  # of the job; None: it did not end
    trouble: str  # why it did not end, or the kernel's complaint; else empty
    started: bool
    crashed: bool  # QEMU itself crashed, as an emulated processor may cause
    boot_s: float  # until the job began
    wall_s: float
    drift_s: float  # how far the guest's clock got ahead of ours during the job
    log: Path  # what the guest wrote to its console
    out: Path  # what the job left in /out; empty if it did not end


_running: set[subprocess.Popen] = set()
_print_lock = threading.Lock()


def kvm_works(arch: Arch) -> bool:
    """True if /dev/kvm is ours and the processor's own virtualisation of arch is behind it.

    Paravirtual kinds offer the same device but cannot run a kernel that does not know of them.
    """
    return arch.native and os.access("/dev/kvm", os.R_OK | os.W_OK) and (
        arch.name != "x86" or any(
            os.path.exists(f"/sys/module/{name}") for name in ("kvm_intel", "kvm_amd")))


def write_exchange(path: Path, job: dict[str, str]) -> None:
    """Makes the disk that carries a job in and its results out: a plain tar in both directions."""
    path.unlink(missing_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, text in job.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    os.truncate(path, EXCHANGE_BYTES)


def read_exchange(path: Path, target: Path) -> None:
    """Unpacks the results. If the guest did not get that far, the disk still has the job's tar,
    which is not unpacked."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    with contextlib.suppress(tarfile.TarError), tarfile.open(path, "r:") as archive:
        members = [m for m in archive if (m.isfile() or m.isdir()) and ".." not in m.name
                   and not m.name.startswith("/")]
        if any(member.name == "./status" for member in members):
            for member in members:
                member.mode |= 0o600
            archive.extractall(target, members)


def qemu_command(kernel: Kernel, disks: Disks, folder: Path, accel: str) -> list[str]:
    """Command line of QEMU: no network device, console on standard input and output."""
    arch = kernel.arch
    image.make_initramfs(kernel.folder / "boot", disks.busybox, folder / "initramfs")
    argv = [arch.qemu, *arch.board, "-nodefaults", "-display", "none", "-no-reboot",
            "-m", str(MEMORY_MIB), "-smp", str(PROCESSORS),
            "-kernel", str(kernel.folder / "vmlinuz"),
            "-initrd", str(folder / "initramfs"), "-append", f"console={arch.console} {APPEND}",
            "-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console",
            "-device", "virtio-rng-pci"]
    if accel == "kvm":
        argv += ["-accel", "kvm", "-cpu", "host"]
    else:
        argv += ["-accel", "tcg,thread=multi,tb-size=256", "-cpu", arch.tcg_processor]
    images = {"userland": disks.userland, "modules": kernel.folder / "modules.ext4",
              "project": disks.project, "exchange": folder / "exchange"}
    for name, path in images.items():
        snapshot = "off" if name == "exchange" else "on"
        argv += ["-drive", f"if=none,id={name},file={path},format=raw,cache=unsafe,"
                 f"snapshot={snapshot}",
                 "-device", f"virtio-blk-pci,drive={name},serial={name}"]
    return argv


class Console:
    """Copies a guest's console into its log and learns from it how the run goes."""

    def __init__(self, log: io.BufferedWriter, prefix: str | None) -> None:
        self.log = log
        self.prefix = prefix  # before each line that is shown; None shows none
        self.rest = b""
        self.begun: float | None = None
        self.begun_at = 0.0
        self.drift_s = 0.0
        self.status: int | None = None
        self.bug = ""

    def take(self, data: bytes) -> None:
        """Take in more of what the guest wrote."""
        data = data.replace(b"\r", b"")
        self.log.write(data)
        self.log.flush()
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            self.line(line.decode(errors="replace"))

    def line(self, text: str) -> None:
        if match := BEGIN.match(text):
            self.begun, self.begun_at = float(match.group(1)), time.monotonic()
        elif match := END.match(text):
            self.status = int(match.group(1))
            if self.begun is not None:
                self.drift_s = (float(match.group(2)) - self.begun
                                - (time.monotonic() - self.begun_at))
        else:
            if KERNEL_BUG.search(text) and not self.bug:
                self.bug = text.strip()
            if self.prefix is not None and self.begun is not None and self.status is None:
                with _print_lock:
                    print(self.prefix + text, flush=True)


def pump(process: subprocess.Popen, console: Console, limit_s: float) -> str:
    """Feeds the console until the guest ends. Returns why it was stopped, if it did not end by
    itself."""
    start = time.monotonic()
    assert process.stdout
    descriptor = process.stdout.fileno()
    while True:
        now = time.monotonic()
        if now - start > limit_s:
            return f"did not end within {limit_s:.0f} s"
        if console.begun is None and now - start > START_LIMIT_S:
            return f"did not reach its job within {START_LIMIT_S} s"
        if select.select([descriptor], [], [], 1)[0]:
            data = os.read(descriptor, 65536)
            if not data:
                return ""
            console.take(data)


def stop(process: subprocess.Popen) -> None:
    """End QEMU if it still runs."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()
    _running.discard(process)


def stop_all() -> None:
    """End every guest, so that each run() returns."""
    for process in list(_running):
        process.terminate()


def run(kernel: Kernel, disks: Disks, job: dict[str, str], folder: Path, accel: str,
        limit_s: float, prefix: str | None) -> Outcome:
    """Boots kernel and runs the job in it; folder, which must exist, takes the log and the results.

    prefix is put before each line of the job's output on standard output; None shows nothing.
    """
    exchange, log, out = folder / "exchange", folder / "log", folder / "out"
    write_exchange(exchange, job)
    start = time.monotonic()
    with open(log, "wb") as log_file, subprocess.Popen(
            qemu_command(kernel, disks, folder, accel), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=log_file, start_new_session=True) as process:
        _running.add(process)
        console = Console(log_file, prefix)
        try:
            trouble = pump(process, console, limit_s)
        finally:
            stop(process)
    if console.bug:
        trouble = console.bug
    elif not trouble and console.status is None:
        trouble = f"QEMU ended with status {process.returncode} before the job did"
    read_exchange(exchange, out)
    exchange.unlink()
    end = time.monotonic()
    # A negative status is a signal; the one that this program sends is SIGTERM.
    crashed = console.status is None and process.returncode < 0 \
        and process.returncode != -signal.SIGTERM
    return Outcome(status=console.status, trouble=trouble, started=console.begun is not None,
                   crashed=crashed,
                   boot_s=(console.begun_at if console.begun is not None else end) - start,
                   wall_s=end - start, drift_s=console.drift_s, log=log, out=out)


def shell(kernel: Kernel, disks: Disks, job: dict[str, str], folder: Path, accel: str) -> int:
    """Give the terminal to a shell in the guest."""
    exchange = folder / "exchange"
    size = shutil.get_terminal_size()
    write_exchange(exchange, job | {"shell": "", "rows": str(size.lines),
                                    "columns": str(size.columns)})
    # The terminal's interrupt is for the guest's shell.
    old = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return subprocess.run(qemu_command(kernel, disks, folder, accel), check=False).returncode
    finally:
        signal.signal(signal.SIGINT, old)
