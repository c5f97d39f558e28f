# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Which rights the tool needs, which of them it keeps, and what it leaves behind."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from harness import bpfmap, place, within
from harness.netns import Netns
from harness.plain import READY, Running, patience, run

NOBODY = 65534
CAP_BPF, CAP_PERFMON = 39, 38


@pytest.fixture(name="public", scope="module")
def _public() -> Iterator[str]:
    """Copies the binary to where everyone can run it."""
    folder = tempfile.mkdtemp()
    os.chmod(folder, 0o755)
    path = shutil.copy(place.tcpdwell(), folder)
    os.chmod(path, 0o755)
    yield path
    shutil.rmtree(folder)


def as_nobody(path: str, *capabilities: int) -> Callable[[list[Any]], list[Any]]:
    """Runs that copy as nobody, with these capabilities and no others."""
    names = ",".join(f"+cap_{number}" for number in capabilities)
    options = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    if names:
        options += [f"--inh-caps={names}", f"--ambient-caps={names}"]
    return lambda argv: ["setpriv", *options, path, *argv[1:]]


@pytest.mark.any_kernel
@pytest.mark.parametrize(("capabilities", "missing"), [
    ([], ["CAP_BPF", "CAP_PERFMON"]), ([CAP_BPF], ["CAP_PERFMON"]), ([CAP_PERFMON], ["CAP_BPF"]),
], ids=["none", "bpf", "perfmon"])
def test_missing_capability_is_named(public: str, capabilities: list[int],
                                     missing: list[str]) -> None:
    done = run("-d", "1s", wrap=as_nobody(public, *capabilities))
    said = done.stderr.decode()
    assert (done.returncode, done.stdout) == (3, b""), said
    assert said.startswith("tcpdwell: ") and said.count("\n") == 1
    reason = said.partition(":")[2].partition(":")[0]
    assert re.findall("CAP_[A-Z]+", reason) == missing


@pytest.mark.any_kernel
@pytest.mark.parametrize("arguments", [["-h"], ["--version"]], ids=str)
def test_help_needs_no_privilege(public: str, arguments: list[str]) -> None:
    done = run(*arguments, wrap=as_nobody(public))
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.any_kernel
def test_bad_use_is_said_without_privilege(public: str) -> None:
    done = run("--port", "0", wrap=as_nobody(public))
    assert done.returncode == 2 and b"--port" in done.stderr


def test_two_capabilities_are_enough(public: str, netns: Netns) -> None:
    """What does not work with these two alone is reported; what is shown is right."""
    try:
        running = Running("-o", "json", "--netns", str(netns.inode),
                          wrap=as_nobody(public, CAP_BPF, CAP_PERFMON))
    except AssertionError as why:
        # Before 5.11 maps count against RLIMIT_MEMLOCK, which these capabilities cannot raise.
        assert "status 3" in str(why) and "tcpdwell: " in str(why)
        pytest.skip(f"refused, and said: {why}")
    with running, within.listen(netns) as listener:
        within.connect_and_reset(netns, listener)
        running.wait_for_lines(7)
        running.finish()
        rows = [json.loads(line.text) for line in running.lines()[:-1]]
        said = running.said()
    client = [row for row in rows if row["rport"] == listener_port(rows)]
    assert [row["to"] for row in client] == ["SYN_SENT", "ESTABLISHED", "CLOSE"]
    assert {row["pid"] for row in client} == {os.getpid()}
    accepted = [row for row in rows if row["owner"] == "accept"]
    owners = {row["pid"] for row in rows if row["lport"] == listener_port(rows)}
    assert owners <= {os.getpid(), None}
    # If accept() is not seen, the user is told of that loss.
    assert bool(accepted) != ("tcpdwell: " in said.replace(READY, "") and "accept" in said)


def listener_port(rows: list[dict[str, Any]]) -> int:
    return next(row["lport"] for row in rows if row["to"] == "LISTEN")


# ---- What it keeps -------------------------------------------------------------------------------


def statuses(pid: int) -> list[dict[str, str]]:
    """The fields of /proc/PID/status, of every thread."""
    return [dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines()
                 if ":\t" in line)
            for task in Path(f"/proc/{pid}/task").iterdir()]


@pytest.mark.parametrize("arguments", [[], ["-o", "json"], ["-w", "-p", "1"],
                                       ["--", "sleep", "100"]],
                         ids=str)
def test_it_gives_up_what_it_needs_no_more(arguments: list[str]) -> None:
    with Running(*arguments) as running:
        children = Path(f"/proc/{running.child.pid}/task/{running.child.pid}/children")
        for status in statuses(running.child.pid):
            for name in ("CapEff", "CapPrm"):
                assert int(status[name], 16) & ~(1 << CAP_BPF) == 0, status
            assert (int(status["CapAmb"], 16), int(status["CapInh"], 16)) == (0, 0)
            assert status["NoNewPrivs"] == "1"
        # The program that the tracer runs keeps all rights of the user.
        started = [child for child in map(int, children.read_text().split())
                   if Path(f"/proc/{child}/comm").read_text() != "tcpdwell-host\n"]
        assert bool(started) == ("--" in arguments)
        for child in started:
            for status in statuses(child):
                assert status["NoNewPrivs"] == "0"
                assert status["CapEff"] == statuses(os.getpid())[0]["CapEff"]
            os.kill(child, 15)


def test_nobody_gives_up_too(public: str) -> None:
    try:
        running = Running(wrap=as_nobody(public, CAP_BPF, CAP_PERFMON))
    except AssertionError as why:
        pytest.skip(f"refused: {why}")
    with running:
        for status in statuses(running.child.pid):
            assert int(status["CapPrm"], 16) & ~(1 << CAP_BPF) == 0
            assert int(status["CapAmb"], 16) == 0
            assert status["NoNewPrivs"] == "1"


# ---- What is left once it is attached ------------------------------------------------------------

UNPRIVILEGED = place.TOP / "build/tests/servers/unprivileged"
CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE, CAP_SYS_ADMIN = 2, 19, 21
LOOKS = 1 << CAP_DAC_READ_SEARCH | 1 << CAP_SYS_PTRACE | 1 << CAP_SYS_ADMIN
HELPER = "tcpdwell-host"

# What diagnose ends with on a host that is not well.
FOUND = 10

COMMANDS = {
    "trace": [], "wide": ["-w"], "json": ["-o", "json"], "timewait": ["timewait"],
    "stat": ["stat"], "cgroup": ["stat", "--by", "cgroup"], "leaks": ["leaks", "--watch"],
    "stacks": ["leaks", "--watch", "--stacks"], "diagnose": ["diagnose", "--watch"],
    "life": ["life"], "export": ["export", "--listen", "127.0.0.1:0"],
    "totals": ["snapshot", "-i", "200ms"],
}


def kernel_asks() -> bool:
    """Whether the kernel asks for CAP_BPF at each call, so that every thread keeps it."""
    rows = json.loads(run("probe", "-o", "json").stdout)
    return any(row["bpf"] for row in rows if row["feature"] == "privileges")


def helper_of(pid: int) -> int:
    """Returns the process that looks at other processes for the tracer."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    found = [int(child) for child in children
             if Path(f"/proc/{child}/comm").read_text() == HELPER + "\n"]
    assert len(found) == 1, children
    return found[0]


def has_filter() -> bool:
    """Whether the build has a filter of system calls, and the kernel takes one."""
    lines = Path("/proc/self/status").read_text()
    return "\nSeccomp:" in lines and b"seccomp" in Path(place.tcpdwell()).read_bytes()


@pytest.mark.any_kernel
@pytest.mark.parametrize("arguments", COMMANDS.values(), ids=COMMANDS)
def test_every_thread_of_every_command_gives_up(arguments: list[str]) -> None:
    traces = arguments[:1] != ["snapshot"]
    with Running(*arguments, ready=traces) as running:
        if not traces:
            running.wait_for_lines(2)
        threads = statuses(running.child.pid)
    for status in threads:
        assert set(status["Uid"].split()) == set(status["Gid"].split()) == {str(NOBODY)}, status
        assert status["Groups"].split() == []
        for name in ("CapEff", "CapPrm"):
            assert int(status[name], 16) & ~(1 << CAP_BPF) == 0, status
        for name in ("CapInh", "CapAmb", "CapBnd"):
            assert int(status[name], 16) == 0, status
        assert status["NoNewPrivs"] == "1"
        if has_filter():
            assert status["Seccomp"] == "2", status
    # One thread makes maps; no other thread has a capability.
    able = [status for status in threads if int(status["CapPrm"], 16)]
    assert len(able) <= 1 or kernel_asks(), able
    assert all(status["Pid"] != status["Tgid"] for status in able) or kernel_asks(), able


def open_at_rest(pid: int) -> set[str]:
    """Returns what a process has open between two of its own looks at /proc and at namespaces."""
    deadline = time.monotonic() + patience(10)
    while True:
        try:
            opened = {os.readlink(fd) for fd in Path(f"/proc/{pid}/fd").iterdir()}
        except FileNotFoundError:  # a descriptor was closed meanwhile
            opened = {"/proc"}
        if not any(name.startswith(("/proc", "/run/netns")) for name in opened):
            return opened
        assert time.monotonic() < deadline, opened
        time.sleep(0.01)


@pytest.mark.every_kernel
@pytest.mark.parametrize("arguments", [["leaks", "--watch"], ["diagnose", "--watch"]], ids=" ".join)
def test_what_looks_at_others_is_a_process_of_its_own(arguments: list[str]) -> None:
    with Running(*arguments) as running:
        helper = helper_of(running.child.pid)
        threads = statuses(helper)
        opened = open_at_rest(helper)
        limits = Path(f"/proc/{helper}/limits").read_text()
        denied = subprocess.run(["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}",
                                 "--clear-groups", "cat", f"/proc/{helper}/environ"],
                                capture_output=True, check=False)
        assert running.stop() in (0, FOUND), running.said()
    assert not Path(f"/proc/{helper}").exists()
    kept = LOOKS | (1 << CAP_BPF if kernel_asks() else 0)
    assert len(threads) == 1 and denied.returncode and b"denied" in denied.stderr
    assert set(threads[0]["Uid"].split()) == set(threads[0]["Gid"].split()) == {str(NOBODY)}
    assert threads[0]["Groups"].split() == []
    assert int(threads[0]["CapPrm"], 16) == int(threads[0]["CapEff"], 16) == kept, threads
    for name in ("CapInh", "CapAmb", "CapBnd"):
        assert int(threads[0][name], 16) == 0, threads
    assert threads[0]["NoNewPrivs"] == "1"
    if has_filter():
        assert threads[0]["Seccomp"] == "2"
    assert re.search(r"^Max core file size +0 +0", limits, re.M)
    kinds = {name.partition(":")[0] for name in opened}
    assert kinds <= {"/dev/null", "socket", "net", "anon_inode"}, opened


@pytest.mark.any_kernel
def test_it_ends_with_a_tracer_that_is_killed() -> None:
    with Running("leaks", "--watch") as running:
        helper = helper_of(running.child.pid)
        running.child.kill()
        running.child.wait()
        deadline = time.monotonic() + patience(10)
        # The helper's new parent may leave it a zombie.
        while Path(f"/proc/{helper}").exists() and "\nState:\tZ" not in Path(
                f"/proc/{helper}/status").read_text():
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.mark.any_kernel
@pytest.mark.parametrize("arguments", [["leaks", "--watch", "-i", "200ms"],
                                       ["diagnose", "--watch", "-i", "200ms"]], ids=" ".join)
def test_it_ends_though_the_helper_does_not_answer(arguments: list[str]) -> None:
    with Running(*arguments) as running:
        helper = helper_of(running.child.pid)
        os.kill(helper, signal.SIGSTOP)
        try:
            time.sleep(patience(1))  # now the tracer waits for an answer
            begin = time.monotonic()
            running.child.send_signal(signal.SIGTERM)
            assert running.child.wait(patience(5)) in (0, 10)
            assert time.monotonic() - begin < patience(3)
        finally:
            with suppress(ProcessLookupError):
                os.kill(helper, signal.SIGCONT)
        running.wait_for(lambda: "does not answer" in running.said())


@pytest.mark.any_kernel
def test_the_user_may_be_another() -> None:
    with Running("--user", "bin") as running:
        for status in statuses(running.child.pid):
            assert set(status["Uid"].split()) == {"2"}, status
            assert status["Groups"].split() == []
    with Running("--user", "4711") as running:
        for status in statuses(running.child.pid):
            assert set(status["Uid"].split()) == {"4711"}, status


@pytest.mark.any_kernel
@pytest.mark.parametrize(("name", "status"), [
    ("no-such-user", 2), ("", 2), ("4294967295", 2), ("-1", 2), ("0x0", 2)])
def test_a_user_that_there_is_not_is_named(name: str, status: int) -> None:
    done = run("--user", name, "-d", "1s")
    assert done.returncode == status
    assert done.stderr.startswith(b"tcpdwell: ") and b"--user" in done.stderr


def test_who_may_not_change_the_user_says_so(public: str) -> None:
    done = run("--user", "bin", "-d", "1s", wrap=as_nobody(public, CAP_BPF, CAP_PERFMON))
    assert done.returncode == 3 and b"'bin'" in done.stderr, done.stderr


@pytest.mark.any_kernel
@pytest.mark.parametrize("needs", ["least", "files", "looks", "looks files"])
def test_nothing_can_be_written_from_inside(needs: str) -> None:
    """The very code with which the tracer gives up its rights is tried in both kinds of threads."""
    if not UNPRIVILEGED.exists():
        pytest.skip("it is not built: make tools")
    done = subprocess.run([UNPRIVILEGED, *needs.split()], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=True, timeout=patience(20))
    tries = {tuple(line.split()[:2]): line.split()[2] for line in done.stdout.splitlines()[:-1]}
    assert done.stdout.endswith("\nready\n") and not done.stderr, done.stderr
    for thread in ("main", "other"):
        for what in ("/etc", "/root", "/etc/passwd", "core_pattern"):
            assert tries[thread, f"write:{what}"] in ("EPERM", "EACCES"), tries
        for what in ("chmod", "mount", "setuid", "kill", "ptrace", "prog_load"):
            assert tries[thread, what] in ("EPERM", "EACCES"), (what, tries)
        if has_filter():
            for what in ("write:/tmp", "exec", "fork", "socket", "executable", "unlink"):
                assert tries[thread, what] == "EPERM", (what, tries)
        assert tries[thread, "memory"] == "0"
    assert tries["main", "read:/etc/shadow"] != "0"
    assert (tries["main", "read:/etc/passwd"] == "0") == ("files" in needs or not has_filter())
    assert tries["main", "setns"] == "EPERM"
    for left in ("/etc", "/root", "/tmp"):
        assert not Path(left, "tcpdwell-was-here").exists()


def test_another_of_the_same_user_cannot_look_into_it() -> None:
    with Running() as running:
        for what in ("mem", "environ"):
            done = subprocess.run(["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}",
                                   "--clear-groups", "cat", f"/proc/{running.child.pid}/{what}"],
                                  capture_output=True, check=False)
            assert done.returncode and b"denied" in done.stderr


@pytest.mark.any_kernel
def test_what_looks_can_do_nothing_else() -> None:
    """The very code with which the helper keeps only its rights is tried."""
    if not UNPRIVILEGED.exists():
        pytest.skip("it is not built: make tools")
    done = subprocess.run([UNPRIVILEGED, "helper"], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, check=True, timeout=patience(20))
    tries = {line.split()[1]: line.split()[2] for line in done.stdout.splitlines()[:-1]}
    for what in ("write:/etc", "write:/root", "write:/etc/passwd", "write:core_pattern", "chmod",
                 "mount", "setuid", "kill", "ptrace", "prog_load"):
        assert tries[what] in ("EPERM", "EACCES"), (what, tries)
    if has_filter():
        for what in ("write:/tmp", "exec", "fork", "socket", "executable", "unlink", "map_create"):
            assert tries[what] == "EPERM", (what, tries)
    assert tries["setns"] == "0", tries


@pytest.mark.any_kernel
@pytest.mark.parametrize("arguments", [[], ["leaks", "--watch"], ["leaks", "--watch", "--stacks"]],
                         ids=str)
def test_a_debugger_finds_it_powerless(arguments: list[str]) -> None:
    """A debugger makes the tracer itself call functions, which is as good as an attacker's code."""
    gdb = shutil.which("gdb")
    if not gdb:
        pytest.skip("there is no gdb here")
    with Running(*arguments) as running:
        calls = [f'print ((int (*)(const char *, int, int))open)("{path}", {flags}, 384)'
                 for path, flags in [("/etc/tcpdwell-was-here", 0o101),
                                     ("/root/tcpdwell-was-here", 0o101),
                                     ("/proc/sys/kernel/core_pattern", 1), ("/etc/shadow", 0)]]
        done = subprocess.run(
            [gdb, "--batch", "-nx", "-p", str(running.child.pid), "-iex",
             "set debuginfod enabled off", *[word for call in calls for word in ("-ex", call)]],
            capture_output=True, text=True, check=False, timeout=patience(60))
        results = re.findall(r"^\$\d+ = (.*)$", done.stdout, re.M)
        if not results:
            pytest.skip(f"gdb makes no calls here: {done.stderr[-200:]}")
        running.finish()
    assert results == ["-1"] * len(calls)
    for left in ("/etc", "/root"):
        assert not Path(left, "tcpdwell-was-here").exists()


# ---- What it leaves behind -----------------------------------------------------------------------


def traces_mounted(pid: int | str = "self") -> list[str]:
    """Returns the tracing file systems that a process sees."""
    return [line for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines()
            if line.partition(" - ")[2].split()[0] in ("tracefs", "debugfs")]


class Watch:
    """Notes each set of tracing mounts that is ever visible here."""

    def __init__(self) -> None:
        self.seen: list[list[str]] = []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        with open("/proc/self/mountinfo", "rb", buffering=0) as file:
            poll = select.poll()
            # The kernel wakes this poll when a mount comes or goes: see proc(5).
            poll.register(file, select.POLLERR | select.POLLPRI)
            while not self._done.is_set():
                mounted = traces_mounted()
                if mounted not in self.seen:
                    self.seen.append(mounted)
                poll.poll(20)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *unused: object) -> None:
        self._done.set()
        self._thread.join()


def test_no_mount_is_seen_or_left(netns: Netns) -> None:
    before = traces_mounted()
    with Watch() as watch, Running("-o", "json", "--netns", str(netns.inode)) as running:
        assert traces_mounted() == before
        assert traces_mounted(running.child.pid) == before
        running.finish()
    assert traces_mounted() == before
    assert watch.seen == [before]


def test_accept_is_seen_where_no_tracefs_is_mounted(netns: Netns) -> None:
    """accept() is seen, as far as the kernel offers it, in a mount namespace without tracefs."""
    hide = "umount -a -l -t tracefs,debugfs"
    with Running("-o", "json", "--netns", str(netns.inode), wrap=lambda argv: [
            "unshare", "--mount", "--propagation", "private", "sh", "-c",
            f'{hide} && exec "$@"', "sh", *argv]) as running, within.listen(netns) as listener:
        assert traces_mounted(running.child.pid) == []
        within.connect_and_reset(netns, listener)
        running.finish()
        rows = [json.loads(line.text) for line in running.lines()]
        said = running.said()
    if "accept" in said:
        pytest.skip(f"this kernel has nothing that tells of accept(): {said}")
    assert {row["pid"] for row in rows if row.get("owner") == "accept"} == {os.getpid()}


def objects_of(pid: int) -> set[tuple[str, int]]:
    """Returns the BPF programs, maps and links that a process holds, as (kind, number)."""
    found = set()
    for info in Path(f"/proc/{pid}/fdinfo").iterdir():
        for kind, number in re.findall(r"^(prog|map|link)_id:\s*(\d+)", info.read_text(), re.M):
            found.add((kind, int(number)))
    return found


@pytest.mark.parametrize("how", ["SIGINT", "SIGKILL"])
def test_nothing_is_left_in_the_kernel(netns: Netns, how: str) -> None:
    with Running("-w", "--netns", str(netns.inode)) as running:
        objects = objects_of(running.child.pid)
        assert {kind for kind, _ in objects} >= {"prog", "map"}
        assert all(bpfmap.exists(*each) for each in objects)
        if how == "SIGINT":
            running.finish()
        else:
            running.child.kill()
            running.child.wait()
    # The kernel frees them after a grace period of RCU.
    deadline = time.monotonic() + patience(15)
    while left := [each for each in objects if bpfmap.exists(*each)]:
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


def test_two_at_a_time_do_not_disturb_each_other(netns: Netns) -> None:
    """Each tracer has programs of its own; the end of one does not end the other."""
    with Running("-o", "json", "--netns", str(netns.inode)) as one:
        with Running("-o", "json", "--netns", str(netns.inode)) as two:
            within.listen(netns).close()
            for running in (one, two):
                running.wait_for_lines(2)
            two.finish()
        within.listen(netns).close()
        one.wait_for_lines(4)
        one.finish()
        assert json.loads(one.lines()[-1].text)["printed"] == 4


@pytest.mark.any_kernel
def test_no_file_is_written(tmp_path: Path, netns: Netns) -> None:
    """The tool runs where it can write nothing but its output."""
    done = run("-o", "json", "-d", "200ms", "--netns", str(netns.inode), cwd=tmp_path,
               wrap=lambda argv: ["unshare", "--mount", "--propagation", "private", "sh", "-c",
                                  'mount -o remount,bind,ro / && exec "$@"', "sh",
                                  *argv])
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.iterdir())
