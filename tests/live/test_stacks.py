# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`tcpdwell leaks --stacks` names the line of code that accepted or connected what leaks."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from harness import actor as actors, leaks as finder, place, process, within
from harness.actor import Actor, Cast
from harness.elf import Elf
from harness.leaks import OLDER, Leak, Watch
from harness.matrix import on_every_kernel
from harness.netns import Netns
from harness.server import PORT, Server

LEAKED = 6
SERVERS = place.TOP / "build/tests/servers"
SOURCES = place.TOP / "tests/live/servers"
STATIC = place.TOP / "build/tcpdwell-static"

cast = pytest.fixture(actors.cast, name="cast")


def line_of(source: str) -> int:
    """Returns the number of the line that is marked in a server."""
    lines = (SOURCES / source).read_text(encoding="utf-8").splitlines()
    return 1 + next(i for i, line in enumerate(lines) if "/* the line */" in line)


@pytest.fixture(name="watch")
def _watch(netns: Netns) -> Iterator[Callable[..., Watch]]:
    yield from finder.watch(netns, "--stacks", "-o", "json")


@pytest.fixture(name="start")
def _start(netns: Netns) -> Iterator[Callable[[str], Server]]:
    made: list[Server] = []

    def start(name: str) -> Server:
        made.append(Server(name, netns, "ipv4"))
        return made[-1]

    yield start
    for server in made:
        server.stop()


@pytest.fixture(name="visit")
def _visit(netns: Netns) -> Iterator[Callable[[Server, int], None]]:
    """visit(server, number) makes connections that the server accepts, and closes them at once."""
    clients: list[socket.socket] = []

    def visit(server: Server, number: int = LEAKED) -> None:
        before = len(server.log.accepted)
        for _ in range(number):
            clients.append(within.make_socket(netns))
            clients[-1].connect(("127.0.0.1", PORT))
            clients[-1].shutdown(socket.SHUT_WR)
        server.wait_for(lambda: len(server.log.accepted) >= before + number)

    yield visit
    for client in clients:
        client.close()


def with_symbols() -> None:
    if "static" in Path(place.tcpdwell()).name:
        pytest.skip("this build names no functions")


def all_seen(leak: Leak) -> bool:
    """An accept() that waited when the tracer came may have ended unseen; all others have
    stacks."""
    return bool(leak["stacks"] and leak["stacks"][0]["count"] >= LEAKED)


def frames_of(leak: Leak) -> list[dict[str, Any]]:
    assert len(leak["stacks"]) == 1, leak["stacks"]
    frames: list[dict[str, Any]] = leak["stacks"][0]["frames"]
    return frames


def test_accept_is_named(start: Callable[[str], Server], watch: Callable[..., Watch],
                         visit: Callable[..., None]) -> None:
    with_symbols()
    server = start("forgetful")
    watching = watch()
    visit(server, LEAKED + 1)
    leak = watching.wait_for(all_seen)
    assert leak["pid"] == server.pid
    stack = leak["stacks"][0]
    assert (stack["how"], stack["gone"]) == ("accept", False)
    frames = frames_of(leak)
    assert [frame["function"] for frame in frames[1:4]] == [
        "accept_and_forget", "serve_badly", "main"]
    assert frames[1]["file"].endswith("tests/live/servers/forgetful.c")
    assert frames[1]["line"] == line_of("forgetful.c")
    assert not any(frame["guessed"] for frame in frames)
    assert "libc" in frames[0]["module"]
    assert frames[1]["module"] == str(SERVERS / "forgetful")


def forgetful_within(folder: Path, *namespaces: str, accept: str = "accept_and_forget") -> str:
    """Builds the server as C++, with its functions in these namespaces, the outermost first."""
    if not shutil.which("g++"):
        pytest.skip("there is no g++")
    source, program = folder / "forgetful.cc", folder / "forgetful"
    source.write_text(
        '#include "serve.h"\n' + "".join(f"namespace {name} {{\n" for name in namespaces)
        + '#include "forgetful.c"\n' + "}" * len(namespaces) + "\nint main(int argc, char **argv)"
        + " { return " + "::".join(namespaces) + "::main(argc, argv); }\n", encoding="utf-8")
    subprocess.run(["g++", "-w", "-g", "-O2", "-fno-omit-frame-pointer",
                    "-fno-optimize-sibling-calls", f"-Daccept_and_forget={accept}",
                    f"-I{SOURCES}", source, "-o", program], check=True)
    return str(program)


@pytest.mark.parametrize("middle, shown", [("within", "over::within::"), ("w" * 600, "")],
                         ids=["short", "long"])
def test_scopes_are_named(tmp_path: Path, start: Callable[[str], Server],
                          watch: Callable[..., Watch], visit: Callable[..., None],
                          middle: str, shown: str) -> None:
    """Scopes are shown from the inside out, as many as fit; one that is left out makes no gap."""
    with_symbols()
    server = start(forgetful_within(tmp_path, "over", middle))
    watching = watch()
    visit(server)
    frames = frames_of(watching.wait_for(all_seen))
    assert [frame["function"] for frame in frames[1:3]] == [
        f"{shown}accept_and_forget", f"{shown}serve_badly"]


def test_long_names_are_cut(tmp_path: Path, start: Callable[[str], Server],
                            watch: Callable[..., Watch], visit: Callable[..., None]) -> None:
    with_symbols()
    name = "a" + "c" * 600
    server = start(forgetful_within(tmp_path, "over", accept=name))
    watching = watch()
    visit(server)
    assert frames_of(watching.wait_for(all_seen))[1]["function"] == name[:511]


def connect_and_forget(server: Actor, start: Callable[[str], Server]) -> Server:
    """Starts a client that forgets all connections that the server has closed."""
    server.run(f"l = socket.create_server(('127.0.0.1', {PORT}))")
    server.send(f"[l.accept()[0].close() for _ in range({LEAKED})]")
    client = start("forgetful_client")
    server.answer()
    return client


def test_connect_is_named(cast: Cast, netns: Netns, start: Callable[[str], Server],
                          watch: Callable[..., Watch]) -> None:
    with_symbols()
    watching = watch()
    client = connect_and_forget(cast.actor("closer", netns), start)
    leak = watching.wait_for(all_seen)
    assert (leak["pid"], leak["count"]) == (client.pid, LEAKED)
    assert leak["stacks"][0]["how"] == "connect" and leak["stacks"][0]["count"] == LEAKED
    assert sum(leak["no_stack"].values()) == 0
    frames = frames_of(leak)
    assert [frame["function"] for frame in frames[1:3]] == ["connect_and_forget", "main"]
    assert frames[1]["line"] == line_of("forgetful_client.c")


def test_text_names_the_line(netns: Netns, start: Callable[[str], Server],
                             visit: Callable[..., None]) -> None:
    with_symbols()
    server = start("forgetful")
    watching = Watch(netns, "--stacks")
    try:
        visit(server)
        text = watching.wait_for_text(lambda text: "\n    main " in text)
    finally:
        process.end(watching.child)
    assert "came from this accept:\n" in text
    place_of = f"tests/live/servers/forgetful.c:{line_of('forgetful.c')}"
    assert f"    accept_and_forget {place_of}\n" in text


def own_functions(leak: Leak, name: str) -> list[str]:
    """Returns the server's functions, the innermost first, by its file and not by what the tool
    says."""
    frames = frames_of(leak)
    assert {frame["function"] for frame in frames} == {None}
    elf = Elf(SERVERS / name)
    own = [frame for frame in frames if frame["module"] == str(SERVERS / name)]
    assert {frame["build_id"] for frame in own} == {elf.build_id}
    # The offsets are of return addresses, which come after the call.
    return [elf.function(frame["offset"] - 1) for frame in own]


@pytest.mark.parametrize("name", on_every_kernel(["forgetful", "forgetful_bare"], "forgetful"))
def test_without_the_library(name: str, start: Callable[[str], Server],
                             watch: Callable[..., Watch], visit: Callable[..., None]) -> None:
    """Frames have modules, offsets and build ids, from which others can find the function."""
    if not STATIC.exists():
        pytest.skip("no build/tcpdwell-static")
    server = start(name)
    watching = watch(program=str(STATIC))
    visit(server, LEAKED + 1)
    functions = own_functions(watching.wait_for(all_seen), name)
    assert functions[0] == "accept_and_forget"
    if name == "forgetful":
        assert functions[1:] == ["serve_badly", "main"]


@pytest.mark.every_kernel
def test_connect_without_the_library(cast: Cast, netns: Netns, start: Callable[[str], Server],
                                     watch: Callable[..., Watch]) -> None:
    if not STATIC.exists():
        pytest.skip("no build/tcpdwell-static")
    watching = watch(program=str(STATIC))
    connect_and_forget(cast.actor("closer", netns), start)
    assert own_functions(watching.wait_for(all_seen), "forgetful_client") == [
        "connect_and_forget", "main"]


def test_without_frame_pointers(netns: Netns, start: Callable[[str], Server],
                                visit: Callable[..., None]) -> None:
    """Without frame pointers and tables only the caller of accept() is shown, and that is said."""
    server = start("forgetful_bare")
    watching = Watch(netns, "--stacks")
    try:
        visit(server)
        text = watching.wait_for_text(lambda text: "no frame pointers" in text)
    finally:
        process.end(watching.child)
    assert "    … the callers are not known: no frame pointers\n" in text
    assert str(SERVERS / "forgetful_bare") in text and "serve_badly" not in text


def test_older_than_the_tracer(netns: Netns, start: Callable[[str], Server],
                               watch: Callable[..., Watch], visit: Callable[..., None]) -> None:
    server = start("forgetful")
    visit(server)
    leak = watch().wait_for(lambda leak: bool(leak["count"] == LEAKED))
    assert leak["stacks"] == [] and leak["no_stack"]["older"] == LEAKED
    # A report made at once, without watching, says the same.
    done = subprocess.run(
        [place.tcpdwell(), "leaks", "--stacks", "--older", OLDER, "--netns", netns.path],
        capture_output=True, text=True, check=False, timeout=process.LIMIT_S)
    assert f"  no stack of {LEAKED}: older than the tracer\n" in done.stdout


def test_not_accepted_yet(cast: Cast, netns: Netns, watch: Callable[..., Watch]) -> None:
    watching = watch()
    server = cast.actor("stuck", netns)
    server.run(f"l = socket.create_server(('127.0.0.1', {PORT}))")
    client = within.make_socket(netns)
    client.connect(("127.0.0.1", PORT))
    client.shutdown(socket.SHUT_WR)
    leak = watching.wait_for(lambda leak: bool(leak["unaccepted"]))
    assert leak["stacks"] == [] and leak["no_stack"]["unaccepted"] == 1
    client.close()


def test_process_that_is_gone(cast: Cast, netns: Netns, watch: Callable[..., Watch]) -> None:
    """Another process holds what it accepted: frames still have build ids and offsets."""
    watching = watch("--older", "2s")
    server = cast.actor("gone", netns)
    server.run(f"l = socket.create_server(('127.0.0.1', {PORT}))")
    client = within.make_socket(netns)
    client.connect(("127.0.0.1", PORT))
    client.shutdown(socket.SHUT_WR)
    server.run("import subprocess; s = l.accept()[0]\n"
               "p = subprocess.Popen(['sleep', '60'], pass_fds=[s.fileno()])")
    sleeper = os.pidfd_open(server.ask("p.pid"))
    try:
        server.kill()
        leak = watching.wait_for(lambda leak: bool(leak["count"]))
        assert leak["comm"] == "sleep"
        stack = leak["stacks"][0]
        assert stack["gone"] and stack["frames"][0]["build_id"]
    finally:
        signal.pidfd_send_signal(sleeper, signal.SIGKILL)
        os.close(sleeper)
        client.close()


def test_nobody_asked(netns: Netns, start: Callable[[str], Server],
                      visit: Callable[..., None]) -> None:
    server = start("forgetful")
    visit(server)
    time.sleep(0.4)
    done = subprocess.run(
        [place.tcpdwell(), "leaks", "-o", "json", "--older", OLDER, "--netns", netns.path],
        capture_output=True, text=True, check=False, timeout=process.LIMIT_S)
    leak = json.loads(done.stdout)
    assert (leak["pid"], leak["stacks"], leak["no_stack"]) == (server.pid, None, None)
