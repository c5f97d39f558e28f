#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Run the live tests, or any command, on several kernels in QEMU.

    tools/vm/run.py                                        what each kernel must show
    tools/vm/run.py --all                                  all that a kernel makes a difference to
    tools/vm/run.py --kernels oldest,newest -- -k accept   some kernels; the rest is pytest's
    tools/vm/run.py --kernels 5.10 --command 'build/tcpdwell-static probe'
    tools/vm/run.py --kernels 6.1 --shell                  leave it with "exit"
    tools/vm/run.py --arch arm64 --kernels 5.10            guests of another architecture

A guest has the project, as it is now, as /src (its working folder), with what was built for its
architecture as /src/build; the packages named in tools/vm/packages, which are the machine's own or,
of another architecture, its release's; two processors, loopback and no other network. What a job
leaves in /out is found in build/vm/KERNEL/, its console in build/vm/KERNEL.log, where KERNEL is
such as 6.1 or arm64-6.1. Writes anywhere else are lost.
A guest that does not get as far as the job, or that QEMU crashes with, is booted once more. What
fails is tried once more in the same guest, by itself, and named if it passes then.

Exit status: 0 all well; 1 a test failed, a kernel did not end, or fewer than two kernels ran the
tests; for --command, 1 if it failed anywhere.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import os
import shlex
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

sys.dont_write_bytecode = True  # root may run this and must leave nothing in the tree

# pylint: disable=wrong-import-position
from arch import ARCHES, Arch
import fetch
import guest
import image
import report
import result
import userland

TOP = fetch.TOP
CACHE = fetch.CACHE
# Two kernels run at a time, so four are done in twenty minutes whatever happens. A run of all tests
# that depend on the kernel takes most of an hour.
LIMIT_S = 600
LIMIT_ALL_S = 3600
# The part of that for booting, and for what the tests must take down when their time is over.
BOOT_S = 30
TAKE_DOWN_S = 60
# This many kernels must run the tests, unless fewer are asked for.
KERNELS_AT_LEAST = 2
# Marks of tests (tests/live/conftest.py): those that each kernel runs, and those whose result does
# not depend on the kernel, which the host runs. "-- -m ''" runs all tests.
ON_EACH = "every_kernel"
SAME_EVERYWHERE = "any_kernel"
# The share of their work that tests do on an emulated processor; they also wait longer.
TCG_SCALE = "0.1"
# A test that takes longer gets its stacks printed. The longest wait is 60 s, for a TIME_WAIT.
HANG_S = 180
# Room for what tests write beside the project's files; the image is sparse.
PROJECT_SPARE_BYTES = 256 << 20
NOT_IN_GUEST = (".git", "build/vm", "build/sysroot-*")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Run the live tests, or any command, on several kernels in QEMU.",
        epilog="kernels: " + ", ".join(fetch.LINES) + "; oldest, all; or a version such as 7.3")
    parser.add_argument("--kernels", default="all", metavar="NAME,…",
                        help="kernels to run, default all")
    parser.add_argument("--arch", default="all", metavar="NAME,…",
                        help=f"of {', '.join(ARCHES)}; default all, this machine's first")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--command", metavar="TEXT",
                      help="run this with sh instead of the tests, and show what it prints")
    what.add_argument("--shell", action="store_true", help="a shell on the first of the kernels")
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE",
                        help="set a variable for the job; may be repeated")
    jobs = max(2, (os.cpu_count() or 2) // guest.PROCESSORS)
    parser.add_argument("--jobs", type=int, default=jobs, metavar="N",
                        help=f"guests at a time, default {jobs} here")
    parser.add_argument("--all", action="store_true",
                        help="all tests that a kernel may make a difference to")
    parser.add_argument("--limit", type=int, metavar="SECONDS",
                        help=f"time for each kernel, default {LIMIT_S}, with --all {LIMIT_ALL_S}")
    parser.add_argument("--accel", choices=("auto", "kvm", "tcg"), default="auto")
    parser.add_argument("--refresh", action="store_true", help="look for newer kernels")
    parser.add_argument("pytest", nargs="*", metavar="-- PYTEST-ARGUMENT",
                        help="passed to pytest; default tests/live")
    options = parser.parse_args()
    if options.pytest and (options.command or options.shell):
        parser.error("pytest's arguments go with the tests only")
    options.limit = options.limit or (LIMIT_ALL_S if options.all else LIMIT_S)
    if options.limit <= BOOT_S + TAKE_DOWN_S:
        parser.error(f"--limit: a guest needs more than {BOOT_S + TAKE_DOWN_S} s")
    arches = parse_arches(parser, options.arch)
    options.lines = [(arch, line) for arch in arches
                     for line in parse_kernels(parser, options.kernels, arches)]
    return options


def parse_arches(parser: argparse.ArgumentParser, text: str) -> list[Arch]:
    """The architectures that were named, this machine's first."""
    for word in text.split(","):
        if word not in (*ARCHES, "all"):
            parser.error(f"no architecture {word!r}; there are {', '.join(ARCHES)} and all")
    chosen = [arch for arch in ARCHES.values() if {arch.name, "all"} & set(text.split(","))]
    return sorted(chosen, key=lambda arch: not arch.native)


def parse_kernels(parser: argparse.ArgumentParser, text: str, arches: list[Arch]) -> list[str]:
    """Lines of fetch.LINES, in their order."""
    lines = list(fetch.LINES)
    chosen: set[str] = set()
    for word in text.split(","):
        if word == "all":
            chosen.update(lines)
        elif word == "oldest":
            chosen.add(lines[0])
        elif word in fetch.LINES or word == "newest":
            chosen.add(word)
        elif any(word == newest_version(arch) for arch in arches):
            chosen.add("newest")
        else:
            parser.error(f"no kernel {word!r}; there are {', '.join(lines)}, oldest and all")
    return [line for line in lines if line in chosen]


def newest_version(arch: Arch) -> str:
    """The version of the newest kernel in the cache; empty if there is none."""
    if not (fetch.folder_of(arch, "newest") / "kernel.json").exists():
        return ""
    return fetch.fetch(arch, "newest").name.removeprefix(arch.named(""))


def pytest_script(options: argparse.Namespace) -> str:
    """The job that runs the live tests, and then once more those that failed.

    It ends by itself and keeps its results, before the guest would be ended from outside. The
    tests' own timeouts are for single steps.
    """
    words = options.pytest
    paths = [] if any("/" in word and (TOP / word.split("::")[0]).exists()
                      for word in words) else ["tests/live"]
    mark = f"not {SAME_EVERYWHERE}" if options.all or words else ON_EACH
    marks = [] if "-m" in words else ["-m", mark]
    pytest = shlex.join(["/usr/bin/python3", "-m", "pytest", "-v", "-rs", "--tb=short",
                         "-o", "cache_dir=/tmp/pytest", "-o", f"faulthandler_timeout={HANG_S}",
                         *marks, *paths, *words])
    return f"""
up() {{ cut -d. -f1 /proc/uptime; }}
end=$(($(up) + {options.limit - BOOT_S - TAKE_DOWN_S}))
try() {{
	timeout --foreground -s INT -k {TAKE_DOWN_S} $((end - $(up))) {pytest} "$@"
}}
try --junitxml=/out/junit.xml
status=$?
if [ $status -eq 1 ] && [ $((end - $(up))) -gt {TAKE_DOWN_S} ]; then
	try --lf --junitxml=/out/junit.again.xml
	status=$?
fi
exit $status
"""


def make_job(options: argparse.Namespace, arch: Arch) -> dict[str, str]:
    """The files of the job: a shell script that sets the variables and runs the command."""
    emulated = "tcg" in accelerators(options, arch)
    variables = {"TCPDWELL": "/src/build/tcpdwell-static", "COLUMNS": "100",
                 "TCPDWELL_TEST_HOST": "1",
                 "TCPDWELL_TEST_SCALE": TCG_SCALE if emulated else "1"}
    variables.update(dict(word.partition("=")[::2] for word in options.env))
    script = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    script.append(options.command or pytest_script(options))
    return {"command": "\n".join(script) + "\n"}


def make_project(folder: Path, arch: Arch) -> Path:
    """An image of the project as it is now. Links stay links. What is in NOT_IN_GUEST is left out.
    """
    foreign = [other.build for other in ARCHES.values() if not other.native]

    def ignore(path: str, names: list[str]) -> list[str]:
        here = Path(path)
        return [name for name in names if here / name in foreign or any(
            (here / name).relative_to(TOP).match(pattern) for pattern in NOT_IN_GUEST)
            or (not arch.native and here / name == TOP / "build")]

    tree = folder / arch.name
    trouble = []
    for source, target in {TOP: tree, arch.build: tree / "build"}.items():
        if target.exists():
            continue  # it came along
        try:
            shutil.copytree(source, target, symlinks=True, ignore=ignore)
        except shutil.Error as error:
            # It is raised at the end, when all else is copied: a build replaced these files
            # meanwhile.
            trouble += [reason for _, _, reason in error.args[0]]
    for reason in trouble:
        print(f"vm: not in the guests: {reason}", file=sys.stderr)
    image.make_ext4(tree, folder / f"{arch.name}.ext4", PROJECT_SPARE_BYTES)
    shutil.rmtree(tree)
    return folder / f"{arch.name}.ext4"


def make_disks(folder: Path, arch: Arch, programs: userland.Userland) -> guest.Disks:
    """What all guests of an architecture share."""
    if programs.missing:
        print(f"vm: not installed here, so not in the guests: {', '.join(programs.missing)}",
              file=sys.stderr, flush=True)
    return guest.Disks(programs.image, make_project(folder, arch), programs.busybox)


def fetch_all(options: argparse.Namespace) -> tuple[list[fetch.Kernel], dict[str, str]]:
    """The kernels that can be had, and why others cannot."""
    kernels: list[fetch.Kernel] = []
    failed: dict[str, str] = {}
    for arch, line in options.lines:
        try:
            kernels.append(fetch.fetch(arch, line, options.refresh))
        except fetch.NotFetched as error:
            failed[arch.named(line)] = str(error)
    return kernels, failed


def make_programs(arches: list[Arch], options: argparse.Namespace,
                  failed: dict[str, str]) -> dict[Arch, userland.Userland]:
    """The programs of the guests; failed says why those of an architecture cannot be had."""
    made = {}
    for arch in arches:
        try:
            made[arch] = userland.make_userland(CACHE, arch, options.refresh)
        except fetch.NotFetched as error:
            failed[arch.name] = str(error)
    return made


def publish(kernel: fetch.Kernel, log: Path, out: Path | None = None) -> None:
    """Shows a run's log, and its results if there are any, under their well-known names.

    The files of a run are in a folder of its own, so another run at the same time only takes over
    the names.
    """
    link = log.with_name("log.link")
    os.link(log, link)
    link.replace(CACHE / f"{kernel.name}.log")
    link.unlink(missing_ok=True)  # rename(2) leaves it, if the log was published before
    if out:
        shutil.rmtree(CACHE / kernel.name, ignore_errors=True)
        shutil.copytree(out, CACHE / kernel.name, dirs_exist_ok=True)


def run_one(kernel: fetch.Kernel, disks: guest.Disks, job: dict[str, str],
            options: argparse.Namespace) -> guest.Outcome:
    """Run the job on a kernel, with KVM if it works."""
    prefix = None
    if options.command:
        prefix = "" if len(options.lines) == 1 else f"{kernel.name}: "
    folder = disks.project.parent / kernel.name
    folder.mkdir()
    (folder / "log").touch()
    publish(kernel, folder / "log")
    print(f"vm: {kernel.name}: boots; its console is build/vm/{kernel.name}.log", file=sys.stderr)
    start = time.monotonic()
    for accel in accelerators(options, kernel.arch):
        outcome = guest.run(kernel, disks, job, folder, accel, options.limit, prefix)
        left_s = options.limit - (time.monotonic() - start)
        # An emulated processor can bring down QEMU 7.2, or a kernel that patches its own code as it
        # boots. If that happens late, there is no time to do it all again.
        if (outcome.crashed or not outcome.started) and left_s > options.limit / 2:
            print(f"vm: {kernel.name}: {outcome.trouble}; once more", file=sys.stderr)
            publish(kernel, outcome.log)
            outcome = guest.run(kernel, disks, job, folder, accel, left_s, prefix)
        if outcome.started:
            break
    publish(kernel, outcome.log, outcome.out)
    return outcome


def accelerators(options: argparse.Namespace, arch: Arch) -> list[str]:
    """QEMU's accelerators to try, one after the other until a guest starts."""
    if options.accel != "auto":
        return [options.accel]
    return ["kvm", "tcg"] if guest.kvm_works(arch) else ["tcg"]


def finished(pool: concurrent.futures.Executor,
             runs: Iterable[concurrent.futures.Future]) -> Iterator[concurrent.futures.Future]:
    """Yields the runs as they end. An interrupt ends them all."""
    try:
        yield from concurrent.futures.as_completed(runs)
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        guest.stop_all()
        raise


def run_all(kernels: list[fetch.Kernel], disks: dict[Arch, guest.Disks],
            options: argparse.Namespace) -> int:
    """Runs the job on all kernels, some at a time, and reports each one when it ends."""
    total = result.Counts()
    ran = 0
    good = True
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        runs = {pool.submit(run_one, kernel, disks[kernel.arch], make_job(options, kernel.arch),
                            options): kernel for kernel in kernels}
        for run in finished(pool, runs):
            if options.command:
                good = report.report_command(runs[run], run.result()) and good
                continue
            counts, counted = report.report_tests(runs[run], run.result())
            ran += counted
            total = result.Counts(*(a + b for a, b in zip(total[:3], counts[:3])))
    if options.command:
        return 0 if good and runs else 1
    minimum = min(KERNELS_AT_LEAST, len(options.lines))
    if ran < minimum:
        total = total._replace(failed=total.failed + 1)
        print(f"FAILED the tests ran on {ran} kernels, at least {minimum} must", flush=True)
    print(f"{total.passed} passed, {total.failed} failed, {total.skipped} skipped", flush=True)
    return 1 if total.failed else 0


def main() -> int:
    options = parse_options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    arches = list(dict.fromkeys(arch for arch, _ in options.lines))
    image.need_programs(arches)
    with image.lock(CACHE):
        kernels, failed = fetch_all(options)
        programs = make_programs(arches, options, failed)
    kernels = [kernel for kernel in kernels if kernel.arch in programs]
    for line, reason in failed.items():
        print(f"{line}: not tested: {reason}", flush=True)
    with tempfile.TemporaryDirectory(prefix="run.", dir=CACHE) as folder:
        disks = {arch: make_disks(Path(folder), arch, made) for arch, made in programs.items()}
        if options.shell and kernels:
            arch = kernels[0].arch
            return guest.shell(kernels[0], disks[arch], make_job(options, arch), Path(folder),
                               accelerators(options, arch)[0])
        return run_all(kernels, disks, options)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
