# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A refusal by the kernel costs one feature, or the run if that feature was asked for by name."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import pytest

from harness import place, process, refusal, within
from harness.netns import Netns
from harness.plain import filtered_to


# Less hangs on some parts where the kernel runs programs at its functions.
NO_FUNCTIONS = "BPF_PROG_LOAD:fentry_*=EPERM BPF_PROG_LOAD:kprobe_*=EPERM"


@pytest.mark.every_kernel
@pytest.mark.parametrize("rule, lost", [
    (f"BPF_PROG_LOAD:flush*=EPERM {NO_FUNCTIONS}", "TIME_WAIT is not seen"),
    ("BPF_MAP_CREATE:connections=ENOMEM", "no dwell and no owner is known"),
    ("BPF_MAP_CREATE:young=EPERM", "TCP Fast Open"),
    (f"BPF_PROG_LOAD:probe_cookie=EPERM {NO_FUNCTIONS}",
     "the kernel refuses socket cookies in tracing programs"),
    (f"BPF_PROG_LOAD:probe_atomic=EPERM {NO_FUNCTIONS}",
     "the kernel refuses atomic exchange in programs"),
    ("BPF_MAP_CREATE:floods=EPERM", "a SYN flood is shown row by row"),
])
def test_a_refusal_costs_what_hangs_on_it(rule: str, lost: str) -> None:
    done = refusal.run([rule], "-d", "100ms")
    assert done.returncode == 0, done.stderr
    assert lost in done.stderr


@pytest.mark.every_kernel
@pytest.mark.parametrize("name", ["counters", "doorbell", "recent", "libbpf_mmap"])
def test_what_there_is_another_way_for_costs_nothing(name: str) -> None:
    done = refusal.run([f"BPF_MAP_CREATE:{name}=EPERM"], "-d", "100ms")
    assert done.returncode == 0, done.stderr
    assert "seen " in done.stderr


@pytest.mark.parametrize("name, arguments, said", [
    ("prefixes", ["--addr", "192.0.2.0/24"], "there is no --addr"),
    ("pids", ["-p", "1"], "there is no -p"),
    ("ring", [], "the kernel refuses ring"),
])
def test_what_was_asked_for_by_name_is_not_left_out(name: str, arguments: list[str],
                                                    said: str) -> None:
    done = refusal.run([f"BPF_MAP_CREATE:{name}=EPERM"], "-d", "100ms", *arguments)
    assert done.returncode == 3
    assert said in done.stderr and "Operation not permitted" in done.stderr


def test_what_the_kernel_does_not_support_has_words() -> None:
    """The C library has no words for this error, as of fentry on processors without trampolines."""
    done = refusal.run(["BPF_MAP_CREATE:ring=ENOTSUPP"], "-d", "100ms")
    assert done.returncode == 3
    assert ("the kernel refuses ring, which nothing works without: Operation not supported"
            in done.stderr)


@pytest.mark.every_kernel
@pytest.mark.parametrize("rule, said", [
    ("mmap=EPERM", "tcpdwell.rodata"),
    ("mmap:*bss=ENOMEM", "tcpdwell.bss"),
    ("BPF_MAP_CREATE:libbpf_global=E2BIG",
     "variables of programs (an array), which nothing works without: Argument list too long"),
    ("BPF_BTF_LOAD:probe_types=EPERM", "type information (BTF)"),
    # libbpf takes a kernel that refuses its trial for one that knows no types.
    ("BPF_BTF_LOAD:int=EPERM", "type information (BTF)"),
    # The program's own.
    ("BPF_BTF_LOAD=EPERM@3+", "type information (BTF)"),
    # When it is loaded and cannot be attached, by either way.
    ("BPF_[LR]*:inet_sock_set_s*=EPERM", "inet_sock_set_state"),
    ("BPF_[LR]*:inet_sock_set_s*=E2BIG", "inet_sock_set_state"),
])
def test_what_nothing_works_without_is_named_and_soon(rule: str, said: str) -> None:
    """Not after a try without each thing that can be done without."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "calls")
        done = refusal.run([rule], "-d", "100ms", log=str(log))
        loads = log.read_text("utf-8").count("BPF_MAP_CREATE:ring ")
    assert done.returncode == 3, done
    assert "the kernel refuses " + said in done.stderr, done.stderr
    assert loads <= 4


# ---- What the host limits, each with its own cause -----------------------------------------------


def run_after(shell: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs it in a mount namespace of its own, after these words of the shell."""
    return subprocess.run(["unshare", "--mount", "sh", "-c", f'{shell} && exec "$0" "$@"',
                           place.tcpdwell(), *arguments], capture_output=True, text=True,
                          check=False, timeout=process.LIMIT_S)


@pytest.mark.any_kernel
@pytest.mark.parametrize("shell, said", [
    ("ulimit -n 40", "no more files can be opened: RLIMIT_NOFILE is 40"),
    ("ulimit -v 20000", "RLIMIT_AS (ulimit -v)"),
    ("ulimit -f 1", "RLIMIT_FSIZE (ulimit -f)"),
    ("mount -t tmpfs none /sys", "/sys is not mounted"),
    ("mount -t tmpfs none /proc", "/proc is not mounted"),
])
def test_a_limit_of_the_host_is_named(shell: str, said: str) -> None:
    """The status is 3; the message is neither "no BTF" nor "the kernel refuses the program"."""
    done = run_after(shell, "-d", "100ms")
    assert done.returncode == 3, done
    assert said in done.stderr, done.stderr
    assert "no BTF" not in done.stderr and "the program:" not in done.stderr


@pytest.mark.any_kernel
@pytest.mark.parametrize("command", ["leaks", "leaks --watch", "snapshot", "snapshot -i 1s",
                                     "diagnose", "export --listen 127.0.0.1:0", "probe"])
def test_nothing_is_well_without_proc(command: str) -> None:
    done = run_after("mount -t tmpfs none /proc", *command.split())
    assert (done.returncode, done.stdout) == (3, ""), done
    assert done.stderr == "tcpdwell: /proc is not mounted (mount -t proc proc /proc)\n"


@pytest.mark.any_kernel
@pytest.mark.parametrize("command, shell, said", [
    ("diagnose", "ulimit -n 4", "a helper process: Too many open files (too low a RLIMIT_NOFILE"),
    ("timewait", "ulimit -n 4", "cannot start: Too many open files"),
    ("probe", "ulimit -f 1", "RLIMIT_FSIZE (ulimit -f)"),
])
def test_a_limit_is_named_by_each_command(command: str, shell: str, said: str) -> None:
    done = run_after(shell, command)
    assert done.returncode in (1, 3) and said in done.stderr, done


@pytest.mark.any_kernel
@pytest.mark.parametrize("files", range(3, 20))
def test_few_files_hide_no_socket(netns: Netns, files: int) -> None:
    """Either the command fails or it finds the listener."""
    with within.listen(netns):
        done = run_after(f"ulimit -n {files}", "snapshot", *filtered_to(netns))
    assert done.returncode or "LISTEN             1" in done.stdout, done


@pytest.mark.any_kernel
def test_the_helper_needs_no_dev() -> None:
    done = run_after("mount -t tmpfs none /dev", "leaks", "--watch", "-d", "100ms")
    assert done.returncode in (0, 10) and "helper" not in done.stderr, done
