# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""How bad input is answered, and how a run ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from harness import within
from harness.netns import Netns
from harness.plain import READY, Running, patience, run

pytestmark = pytest.mark.any_kernel

USE, HOST, OTHER = 2, 3, 1
STATES = "LISTEN SYN_SENT"
PORTS = "1..65535"
TIMES = "ns us ms s m h"
# Option, value, and a part of what the message says is wanted instead.
REFUSED = [
    *[(option, value, PORTS) for option in ("-L", "--lport", "-D", "--rport", "--port")
      for value in ("0", "65536", "80-", "443-80")],
    *[("--port", value, PORTS) for value in (
        "", ",", "80,", "-80", "80-90-100", "http", "+80", "0x50", "80 ", "8o", "1-65536", "0-80",
        "18446744073709551697")],
    *[(option, value, STATES) for option in ("-s", "--state", "--from", "--to")
      for value in ("ESTABLISED", "", "LISTEN,", "LISTEN;CLOSE", "12")],
    *[("--cookie", value, "sk:N") for value in (
        "0", "-1", "x", "", "sk:", "sk:0", "sk:12345678123456781", "0x12", "sk:AB")],
    *[("--reason", value, "reset_sent") for value in ("rst", "FIN", "", "fin,", "fin;refused")],
    *[("--addr", value, "/32") for value in ("10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1")],
    ("--addr", "2001:db8::/129", "/128"),
    *[("--addr", value, "10.0.0.0/8") for value in (
        "10.0.0", "10.0.0.256", "localhost", "2001:db8:::1", "fe80::1%lo", "", "1.2.3.4:80")],
    *[("-p", value, "4194304") for value in ("0", "-1", "4194305", "self", "1,", "1;2", "")],
    *[(option, value, TIMES) for option in ("-d", "--min-dwell")
      for value in ("5", "-5s", "5 s", "s", "5x", "1.s", ".", "", "5s5", "1e3s", "nan")],
    ("-d", "0s", "more than 0"),
    ("-d", "9999999999h", "292 years"),
    *[("-n", value, "1 or more") for value in ("0", "-1", "x", "1.5", "")],
    *[("-o", value, "table|json|csv") for value in ("xml", "JSON", "")],
    *[("--ring-size", value, "64K..1G") for value in ("1", "63K", "2G")],
    *[("--rings", value, "1, 2, 4, 8, 16 or 32") for value in ("0", "3", "64", "x", "")],
    *[("--ring-size", value, "K, M or G") for value in ("x", "-1M", "1T", "")],
    *[("--max-sockets", value, "134217728") for value in ("-1", "x", "134217729")],
    *[("--uid", value, "UID") for value in ("no-such-user", "-1", "4294967295", "")],
    *[("--comm", value, "15 bytes") for value in ("", "sixteen-is-too-m")],
    *[("--netns", value, "a name in /run/netns") for value in ("0", "x", "-1", "")],
    ("--backend", "magic", "auto|fentry"),
]
# Arguments, and what the message must name.
MISUSED = [
    (["--no-such-option"], ["--no-such-option", "-h"]),
    (["-Z"], ["-Z", "-h"]),
    (["--lprot", "80"], ["--lprot", "--lport"]),
    (["-4", "-6"], ["-4", "-6", "exclude"]),
    (["--ipv6", "--ipv4"], ["-4", "-6", "exclude"]),
    (["-q", "-v"], ["-q", "-v", "exclude"]),
    (["-p", "1", "--", "true"], ["-p", "--", "exclude"]),
    (["--"], ["--", "PROGRAM"]),
    (["--port"], ["--port", "missing", "PORT"]),
    (["-d"], ["-d", "missing", "TIME"]),
    (["--wide=yes"], ["--wide", "no value"]),
    (["curl"], ["curl", "not a command", "--"]),
    (["tarce"], ["tarce", "trace"]),
    (["1234"], ["1234", "-p 1234", "--port 1234"]),
    (["trace", "80"], ["80", "--port 80"]),
    ([""], ["''", "not a command"]),
]


def assert_refused(done: subprocess.CompletedProcess[bytes], status: int, *named: str) -> None:
    """The refusal is one line that names what is wrong, and nothing goes where data goes."""
    text = done.stderr.decode()
    assert done.stdout == b""
    assert text.startswith("tcpdwell: ") and text.endswith("\n") and text.count("\n") == 1, text
    assert [name for name in named if name not in text] == [], text
    assert not [char for char in text[:-1] if not char.isprintable()]
    assert done.returncode == status, text


def numbered(value: Any) -> str:
    """Returns a test's name where pytest would make one of bytes or lists."""
    return repr(value)


@pytest.mark.parametrize(("option", "value", "want"), REFUSED, ids=numbered)
def test_bad_value(option: str, value: str, want: str) -> None:
    separate = run(option, value)
    assert_refused(separate, USE, option + ":", want, *([f"'{value}'"] if "," not in value else []))
    attached = f"{option}={value}" if option.startswith("--") else option + value
    if value or option.startswith("--"):
        assert run(attached).stderr == separate.stderr


@pytest.mark.parametrize("before", ["true", "mkdir -p /run/netns"])
def test_a_name_that_no_namespace_has(before: str) -> None:
    """A name that no namespace has is refused, whether or not ip-netns(8) was ever used here."""
    done = run("--netns", "x", wrap=unshared(f"mount -t tmpfs none /run; {before}"))
    assert_refused(done, USE, "--netns:", "'x'", "a name in /run/netns")


@pytest.mark.parametrize(("arguments", "named"), MISUSED, ids=numbered)
def test_misuse(arguments: list[str], named: list[str]) -> None:
    assert_refused(run(*arguments), USE, *named)


def test_terminal_escapes_of_bad_input_are_shown_not_sent() -> None:
    for bad in (b"\x1b[31m", b"\xff\xfe", b"a\nb", "\u202e80".encode(), b"\x7f"):
        assert_refused(run("--port", bad), USE, "--port:")
        assert_refused(run(b"--" + bad), USE, "not an option")
        assert_refused(run(bad), USE, "not a command")
        assert_refused(run("--netns", b"/" + bad), USE, "--netns:")
        assert_refused(run("--cgroup", b"/" + bad), USE, "--cgroup:")


def test_long_value_is_one_short_line() -> None:
    done = run("--port", "9" * 100_000)
    assert_refused(done, USE, "--port:", "...", PORTS)
    assert len(done.stderr) < 300


# ---- What only the host can tell -----------------------------------------------------------------


@pytest.mark.parametrize("path", ["/no-such-cgroup", "no/such", "cgroup.procs", "..", "/../../etc",
                                  "/no-such/../..", ""])
def test_no_such_cgroup(path: str) -> None:
    assert_refused(run("--cgroup", path, "-d", "1s"), USE, "--cgroup:", f"'{path}'", "want")


@pytest.mark.parametrize("path", ["/etc/passwd", "/proc/self/ns/mnt", "/proc/self/ns/user", "/",
                                  "/no/such", "/proc/self/ns/none"])
def test_no_network_namespace(path: str) -> None:
    assert_refused(run("--netns", path, "-d", "1s"), USE, "--netns:", f"'{path}'")


def free_pid() -> int:
    """Returns the number of a process that has ended; it is not given out again soon."""
    child = subprocess.Popen(["true"])
    child.wait()
    return child.pid


@pytest.mark.parametrize("quiet", [[], ["-q"]], ids=["", "-q"])
def test_pid_that_does_not_exist_is_a_warning(quiet: list[str]) -> None:
    pid = free_pid()
    done = run("-p", f"{os.getpid()},{pid}", "-d", "100ms", "-o", "json", *quiet)
    assert done.returncode == 0
    warnings = [line for line in done.stderr.decode().splitlines() if str(pid) in line]
    assert len(warnings) == 1 and warnings[0].startswith("tcpdwell: -p: "), done.stderr
    assert str(os.getpid()) not in done.stderr.decode()
    assert (READY in done.stderr.decode()) != bool(quiet)
    # The run went on.
    assert b'"summary"' in done.stdout


def unshared(script: str) -> Any:
    """Runs tcpdwell in a mount namespace of its own, after script has changed the mounts there."""
    return lambda argv: ["unshare", "--mount", "--propagation", "private", "sh", "-c",
                         f'{script} && exec "$@"', "sh", *argv]


def test_kernel_without_btf() -> None:
    hide = "mount -t tmpfs none /sys/kernel/btf && mount -t tmpfs none /boot"
    if not Path("/sys/kernel/btf/vmlinux").exists() or not Path("/boot").is_dir():
        pytest.skip("the kernel's BTF is not where it can be hidden")
    done = run("-d", "1s", wrap=unshared(hide))
    assert_refused(done, HOST, "BTF", "CONFIG_DEBUG_INFO_BTF")


def test_part_of_the_cgroups() -> None:
    """In a container the hierarchy seems to begin with the container's own cgroup."""
    mounts = subprocess.run(["findmnt", "-rno", "TARGET", "-t", "cgroup2"], check=False,
                            capture_output=True, text=True).stdout.split()
    if not mounts:
        pytest.skip("no cgroup version 2 hierarchy")
    part = Path(mounts[0]) / f"tcpdwell-{os.getpid()}"
    part.mkdir()
    cover = " && ".join(f"mount --bind {part} {mount}" for mount in reversed(mounts))
    try:
        done = run("--cgroup", "/", "-d", "1s", wrap=unshared(cover))
    finally:
        part.rmdir()
    assert_refused(done, HOST, "--cgroup:", "only a part")


def test_host_without_cgroups() -> None:
    hide = "umount -a -l -t cgroup2"
    assert_refused(run("--cgroup", "/", "-d", "1s", wrap=unshared(hide)), HOST, "--cgroup:",
                   "version 2")
    # Where no cgroup is asked for, the column is unknown, and nothing else happens.
    done = run("-w", "-d", "100ms", wrap=unshared(hide))
    assert done.returncode == 0, done.stderr


# ---- Help and version ----------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [["-h"], ["--help"], ["trace", "-h"], ["timewait", "-h"],
                                       ["stat", "-h"], ["leaks", "-h"], ["snapshot", "-h"],
                                       ["probe", "--help"], ["-4", "-h", "nonsense"]], ids=numbered)
def test_help(arguments: list[str]) -> None:
    done = run(*arguments)
    text = done.stdout.decode()
    assert (done.returncode, done.stderr) == (0, b"")
    assert text.startswith("Usage: tcpdwell") and text.endswith("\n")
    assert max(map(len, text.splitlines())) <= 80
    assert "  -h, --help" in text


def test_version() -> None:
    done = run("--version")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode().startswith("tcpdwell ")


@pytest.mark.parametrize("option", ["-h", "--version"])
def test_help_that_cannot_be_written(option: str) -> None:
    with open("/dev/full", "wb") as full:
        done = run(option, stdout=full)
    assert_refused(done, OTHER, "standard output", "No space left on device")


@pytest.mark.parametrize("option", ["-h", "--version"])
def test_help_that_nobody_reads(option: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = run(option, stdout=writer)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) in [(0, b""), (-signal.SIGPIPE, b"")]


# ---- How a run ends ------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_ends_with_0(number: signal.Signals) -> None:
    # The tests themselves may run under nohup.
    with Running(preexec_fn=lambda: signal.signal(number, signal.SIG_DFL)) as running:
        assert running.stop(number) == 0
        assert running.said().splitlines()[0] == READY.strip()


def test_hangup_that_is_ignored() -> None:
    """SIGHUP is ignored if the caller ignores it, as nohup does."""
    with Running(preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)) as running:
        running.child.send_signal(signal.SIGHUP)
        running.child.send_signal(signal.SIGUSR1)
        running.wait_for(lambda: "seen" in running.said())
        assert running.child.poll() is None
        assert running.stop(signal.SIGINT) == 0


def test_duration_ends_with_0() -> None:
    with Running("-d", "1.5s") as running:
        start = time.monotonic()
        assert running.wait() == 0
        assert 1.0 < time.monotonic() - start < 1.5 + patience(2)


@pytest.mark.parametrize("arguments", [["-o", "json"], ["-o", "csv"], []], ids=numbered)
def test_count_ends_with_0(arguments: list[str], netns: Netns) -> None:
    with Running("-n", "3", "--netns", str(netns.inode), *arguments) as running:
        for _ in range(5):
            within.make_socket(netns).listen()
        assert running.wait() == 0


def test_quiet() -> None:
    done = run("-q", "-d", "100ms")
    assert (done.returncode, done.stderr) == (0, b"")


def test_verbose_says_more() -> None:
    done = run("-v", "-d", "100ms")
    assert done.returncode == 0
    assert READY in done.stderr.decode()
    assert len(done.stderr.splitlines()) > 2


def children_of(pid: int) -> list[int]:
    """Returns the children of every thread of a process."""
    return [int(child) for task in Path(f"/proc/{pid}/task").glob("*/children")
            for child in task.read_text().split()]


def test_program_that_cannot_be_run(tmp_path: Path) -> None:
    assert_refused_after_ready(run("--", "/no/such/program"), "/no/such/program",
                               "No such file or directory")
    text = tmp_path / "text"
    text.write_text("no program")
    assert_refused_after_ready(run("--", str(text)), str(text), "Permission denied")


def assert_refused_after_ready(done: subprocess.CompletedProcess[bytes], *named: str) -> None:
    """The tracer is attached before the program begins, and may have said so."""
    assert done.returncode == OTHER, done.stderr
    last = done.stderr.decode().splitlines()[-1]
    assert last.startswith("tcpdwell: ") and not [name for name in named if name not in last]


def test_program_does_not_outlive_a_start_that_fails() -> None:
    """A program that waits for the tracer ends, too: else it would hold the pipe that we read."""
    hide = unshared("mount -t tmpfs none /sys/kernel/btf && mount -t tmpfs none /boot")
    if not Path("/boot").is_dir():
        pytest.skip("the kernel's BTF is not where it can be hidden")
    done = run("--", "sleep", "1000", wrap=hide)
    assert_refused(done, HOST, "BTF")


def test_program_ends_with_its_tracer_gone() -> None:
    """The tracer is killed before it could let the program go: nothing may be left waiting."""
    with Running("--", "sleep", "0.1", ready=False) as running:
        children: list[int] = []
        deadline = time.monotonic() + patience(10)
        while not children and running.child.poll() is None and time.monotonic() < deadline:
            children = children_of(running.child.pid)
        running.child.kill()
        running.child.wait()
    deadline = time.monotonic() + patience(10)
    while [child for child in children if Path(f"/proc/{child}").exists()]:
        assert time.monotonic() < deadline, "the child waits for ever"
        time.sleep(0.05)


def test_end_of_the_program_ends_it() -> None:
    done = run("-o", "json", "--", "sh", "-c", "exit 0")
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1].startswith(b'{"type":"summary"')


def test_end_of_the_program_where_children_are_ignored() -> None:
    """The kernel does not report the end of a child where SIGCHLD is ignored."""
    done = run("-q", "--", "true",
               preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
    assert (done.returncode, done.stderr) == (0, b"")


def in_pid_namespace(argv: list[Any]) -> list[Any]:
    return ["unshare", "--pid", "--fork", "--mount-proc", *argv]


def test_pid_namespace() -> None:
    """The kernel compares the numbers of the initial PID namespace."""
    done = run("--", "true", wrap=in_pid_namespace)
    assert_refused(done, HOST, "-- PROGRAM", "PID namespace")
    done = run("-p", "1", "-d", "100ms", wrap=in_pid_namespace)
    assert done.returncode == 0 and b"PID namespace" in done.stderr
    done = run("-d", "100ms", wrap=in_pid_namespace)
    assert done.returncode == 0 and b"PID namespace" not in done.stderr


# ---- Odd descriptors -----------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [["-o", "json"], ["-o", "csv"], []], ids=numbered)
def test_standard_output_that_is_closed(arguments: list[str]) -> None:
    """Nothing else may take the descriptor's number and be written into."""
    done = run(*arguments, "-d", "1s", stdout=None,
               wrap=lambda argv: ["sh", "-c", 'exec "$@" >&-', "sh", *argv])
    assert_refused(done, OTHER, "standard output")


def test_standard_error_that_is_closed() -> None:
    done = run("-o", "json", "-d", "100ms",
               wrap=lambda argv: ["sh", "-c", 'exec "$@" 2>&-', "sh", *argv])
    assert (done.returncode, done.stderr) == (0, b"")
    assert b'"summary"' in done.stdout and b"tracing" not in done.stdout


def test_standard_input_that_is_closed() -> None:
    done = run("-o", "json", "-d", "100ms",
               wrap=lambda argv: ["sh", "-c", 'exec "$@" <&-', "sh", *argv])
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith(b'{"type":"summary"')


def test_socket_as_standard_output(netns: Netns) -> None:
    """Standard output may be a socket, as inetd and some supervisors pass it."""
    ours, theirs = socket.socketpair()
    with theirs, ours, Running("-n", "1", "-o", "csv", "--netns", str(netns.inode),
                               stdout=theirs) as running:
        theirs.close()
        within.make_socket(netns).listen()
        assert running.wait() == 0
        assert ours.recv(1 << 16).startswith(b"type,time,")
