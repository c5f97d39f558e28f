#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Run the live tests, or any command, on several kernels in QEMU.

    tools/vm/run.py                                        the live tests on every kernel
    tools/vm/run.py --kernels oldest,newest -- -k accept   some kernels; the rest is pytest's
    tools/vm/run.py --kernels 5.10 --command 'build/tcpdwell-static probe'
    tools/vm/run.py --kernels 6.1 --shell                  leave it with "exit"

A guest has the project, as it is now, as /src (its working folder), the machine's own packages
named in tools/vm/packages, two processors, loopback and no other network. What a job leaves in /out
is found in build/vm/KERNEL/, its console in build/vm/KERNEL.log. Writes anywhere else are lost.

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
from collections.abc import Iterable, Iterator
from pathlib import Path

sys.dont_write_bytecode = True  # root may run this and must leave nothing in the tree

# pylint: disable=wrong-import-position
import fetch
import guest
import image
import result
import userland

TOP = fetch.TOP
CACHE = fetch.CACHE
LOG_TAIL_LINES = 25
# What a guest's clock may differ from ours before it is worth a word: timed tests allow for 10 ms.
DRIFT_LIMIT_S = 0.5
# A test that takes longer has its stacks printed. The longest wait is for a TIME_WAIT, 60 s.
HANG_S = 180
# Room for what tests write beside the project's files; the image is sparse.
PROJECT_SPARE_BYTES = 256 << 20
NOT_IN_GUEST = (".git", "build/vm")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Run the live tests, or any command, on several kernels in QEMU.",
        epilog="kernels: " + ", ".join(fetch.LINES) + "; oldest, all; or a version such as 7.3")
    parser.add_argument("--kernels", default="all", metavar="NAME,…",
                        help="kernels to run, default all")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--command", metavar="TEXT",
                      help="run this with sh instead of the tests, and show what it prints")
    what.add_argument("--shell", action="store_true", help="a shell on the first of the kernels")
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE",
                        help="set a variable for the job; may be repeated")
    jobs = max(2, (os.cpu_count() or 2) // guest.PROCESSORS)
    parser.add_argument("--jobs", type=int, default=jobs, metavar="N",
                        help=f"guests at a time, default {jobs} here")
    parser.add_argument("--limit", type=float, default=600, metavar="SECONDS",
                        help="time for each kernel, default 600")
    parser.add_argument("--accel", choices=("auto", "kvm", "tcg"), default="auto")
    parser.add_argument("--refresh", action="store_true", help="look for newer kernels")
    parser.add_argument("--minimum", type=int, default=2, metavar="N",
                        help="kernels that must run the tests, default 2")
    parser.add_argument("pytest", nargs="*", metavar="-- PYTEST-ARGUMENT",
                        help="passed to pytest; default tests/live")
    options = parser.parse_args()
    if options.pytest and (options.command or options.shell):
        parser.error("pytest's arguments go with the tests only")
    options.lines = parse_kernels(parser, options.kernels)
    return options


def parse_kernels(parser: argparse.ArgumentParser, text: str) -> list[str]:
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
        elif word == newest_name():
            chosen.add("newest")
        else:
            parser.error(f"no kernel {word!r}; there are {', '.join(lines)}, oldest and all")
    return [line for line in lines if line in chosen]


def newest_name() -> str:
    """Version of the newest kernel in the cache, or nothing."""
    if not (CACHE / "kernels/newest/kernel.json").exists():
        return ""
    return fetch.fetch("newest").name


def pytest_command(arguments: list[str]) -> str:
    """The job that runs the live tests."""
    paths = [] if any(not word.startswith("-") and (TOP / word.split("::")[0]).exists()
                      for word in arguments) else ["tests/live"]
    return shlex.join(["/usr/bin/python3", "-m", "pytest", "-v", "-rs", "-p", "no:cacheprovider",
                       "-o", f"faulthandler_timeout={HANG_S}", "--junitxml=/out/junit.xml",
                       *paths, *arguments])


def make_job(options: argparse.Namespace) -> dict[str, str]:
    """Files of the job: a shell script that sets the variables and runs the command."""
    variables = {"TCPDWELL": "/src/build/tcpdwell-static", "COLUMNS": "100"}
    variables.update(dict(word.partition("=")[::2] for word in options.env))
    script = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    script.append(options.command or pytest_command(options.pytest))
    return {"command": "\n".join(script) + "\n"}


def make_project(folder: Path) -> Path:
    """An image of the project as it is now. Links stay links; what is in NOT_IN_GUEST does not."""
    def ignore(path: str, names: list[str]) -> list[str]:
        here = Path(path).relative_to(TOP)
        return [name for name in names if str(here / name) in NOT_IN_GUEST]

    tree = folder / "project"
    try:
        shutil.copytree(TOP, tree, symlinks=True, ignore=ignore)
    except shutil.Error as error:
        # Raised at the end, with all else copied: files that a build replaced meanwhile.
        for _, _, reason in error.args[0]:
            print(f"vm: not in the guests: {reason}", file=sys.stderr)
    image.make_ext4(tree, folder / "project.ext4", PROJECT_SPARE_BYTES)
    shutil.rmtree(tree)
    return folder / "project.ext4"


def fetch_all(options: argparse.Namespace) -> tuple[list[fetch.Kernel], dict[str, str]]:
    """The kernels that can be had, and why others cannot."""
    kernels: list[fetch.Kernel] = []
    failed: dict[str, str] = {}
    for line in options.lines:
        try:
            kernels.append(fetch.fetch(line, options.refresh))
        except fetch.NotFetched as error:
            failed[line] = str(error)
    return kernels, failed


def publish(kernel: fetch.Kernel, log: Path, out: Path | None = None) -> None:
    """Show a run's log, and its results if there are, under their well-known names.

    A run's own files lie in its own folder, so another run at the same time takes only the names.
    """
    link = log.with_name("log.link")
    os.link(log, link)
    link.replace(CACHE / f"{kernel.name}.log")
    if out:
        shutil.rmtree(CACHE / kernel.name, ignore_errors=True)
        shutil.copytree(out, CACHE / kernel.name, dirs_exist_ok=True)


def run_one(kernel: fetch.Kernel, disks: guest.Disks, job: dict[str, str],
            options: argparse.Namespace) -> guest.Outcome:
    """Run the job on a kernel, with KVM if it works."""
    prefix = None
    if options.command:
        prefix = "" if len(options.lines) == 1 else f"{kernel.name}: "
    folder = disks.project.parent / kernel.line
    folder.mkdir()
    (folder / "log").touch()
    publish(kernel, folder / "log")
    print(f"vm: {kernel.name}: boots; its console is build/vm/{kernel.name}.log", file=sys.stderr)
    for accel in accelerators(options):
        outcome = guest.run(kernel, disks, job, folder, accel, options.limit, prefix)
        if outcome.started:
            break
    publish(kernel, outcome.log, outcome.out)
    return outcome


def accelerators(options: argparse.Namespace) -> list[str]:
    """QEMU's accelerators to try, one after the other until a guest starts."""
    if options.accel != "auto":
        return [options.accel]
    return ["kvm", "tcg"] if guest.kvm_works() else ["tcg"]


def print_log_tail(log: Path) -> None:
    """Show the end of a console's log."""
    text = log.read_text(encoding="utf-8", errors="replace")
    for line in text.splitlines()[-LOG_TAIL_LINES:]:
        print(f"    | {line}")


def describe(kernel: fetch.Kernel, outcome: guest.Outcome) -> str:
    drift = ""
    if abs(outcome.drift_s) > DRIFT_LIMIT_S:
        drift = f", of which its clock made {outcome.drift_s:+.1f} s more"
    return (f"{kernel.name} ({kernel.release}, {kernel.package_version}; "
            f"boot {outcome.boot_s:.1f} s, in all {outcome.wall_s:.1f} s{drift})")


def report_tests(kernel: fetch.Kernel, outcome: guest.Outcome) -> tuple[result.Counts, bool]:
    """Print what a kernel's tests came to: the counts, and whether it counts as run."""
    counts = result.read_junit(outcome.out / "junit.xml")
    trouble = outcome.trouble
    if not trouble and counts is None:
        trouble = f"no test results (status {outcome.status})"
    if not trouble and outcome.status not in (0, 1):
        trouble = f"pytest ended with status {outcome.status}"
    counts = counts or result.Counts()
    if trouble:
        # The kernel's own failure is one of its own, beside the tests'.
        counts = counts._replace(failed=counts.failed + 1)
        print(f"{describe(kernel, outcome)}: FAILED: {trouble}")
        print_log_tail(outcome.log)
    print(f"{describe(kernel, outcome)}: {counts.passed} passed, {counts.failed} failed, "
          f"{counts.skipped} skipped")
    for failure in counts.failures:
        print(f"    FAILED {failure}")
    for reason, number in counts.reasons:
        print(f"    skipped {number}: {reason}")
    sys.stdout.flush()
    return counts, outcome.status in (0, 1) and counts.passed > 0


def report_command(kernel: fetch.Kernel, outcome: guest.Outcome) -> bool:
    """Print how the command went on a kernel, on standard error; True if well."""
    status = outcome.trouble or f"status {outcome.status}"
    print(f"vm: {describe(kernel, outcome)}: {status}", file=sys.stderr, flush=True)
    if outcome.trouble:
        print_log_tail(outcome.log)
    return not outcome.trouble and outcome.status == 0


def finished(pool: concurrent.futures.Executor,
             runs: Iterable[concurrent.futures.Future]) -> Iterator[concurrent.futures.Future]:
    """The runs as they end. An interrupt ends them all."""
    try:
        yield from concurrent.futures.as_completed(runs)
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        guest.stop_all()
        raise


def run_all(kernels: list[fetch.Kernel], disks: guest.Disks, options: argparse.Namespace) -> int:
    """Run the job on all kernels, some at a time, and report each when it ends."""
    job = make_job(options)
    total = result.Counts()
    ran = 0
    good = True
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        runs = {pool.submit(run_one, kernel, disks, job, options): kernel for kernel in kernels}
        for run in finished(pool, runs):
            if options.command:
                good = report_command(runs[run], run.result()) and good
                continue
            counts, counted = report_tests(runs[run], run.result())
            ran += counted
            total = result.Counts(*(a + b for a, b in zip(total[:3], counts[:3])))
    if options.command:
        return 0 if good else 1
    minimum = min(options.minimum, len(options.lines))
    if ran < minimum:
        print(f"tests ran on {ran} kernels, at least {minimum} must", flush=True)
    print(f"{total.passed} passed, {total.failed} failed, {total.skipped} skipped", flush=True)
    return 0 if total.failed == 0 and ran >= minimum else 1


def main() -> int:
    options = parse_options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if not shutil.which("qemu-system-x86_64"):
        print("vm: no qemu-system-x86_64 (package qemu-system-x86)", file=sys.stderr)
        return 1
    with image.lock(CACHE):
        kernels, failed = fetch_all(options)
        programs, missing = userland.make_userland(CACHE)
    for line, reason in failed.items():
        print(f"{line}: not tested: {reason}", flush=True)
    if missing:
        print(f"vm: not installed here, so not in the guests: {', '.join(missing)}",
              file=sys.stderr, flush=True)
    if not kernels:
        print("vm: no kernel", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="run.", dir=CACHE) as folder:
        disks = guest.Disks(programs, make_project(Path(folder)))
        if options.shell:
            return guest.shell(kernels[0], disks, make_job(options), Path(folder),
                               accelerators(options)[0])
        return run_all(kernels, disks, options)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
