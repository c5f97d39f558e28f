# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Processes that do what a test says, one step at a time, and report who they are.

A test holds an Actor for each process: run() executes Python text in it, ask() evaluates and
returns a value. An actor may fork, be replaced by exec, and end. Each process has a connection of
its own to the test, and ends with it. Run as a program, this file is the actor's side.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any, Iterator, NoReturn

# Emulated processors need seconds to start Python.
LIMIT_S = 60
CLONE_NEWNET = 0x40000000


class Line:
    """JSON lines over a socket."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.file = sock.makefile("rw", encoding="utf-8")

    def say(self, what: Any) -> None:
        self.file.write(json.dumps(what) + "\n")
        self.file.flush()

    def hear(self) -> Any:
        """Returns the next message; None once the other side is gone."""
        try:
            line = self.file.readline()
        except ConnectionError:
            line = ""
        return json.loads(line) if line else None

    def close(self) -> None:
        with suppress(OSError):
            self.file.close()
        self.sock.close()


# ---- The actor's side ----------------------------------------------------------------------------


def enter_netns(path: str) -> None:
    """Moves the calling thread into the network namespace at path."""
    with open(path, "rb") as file:
        if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")


class Player:
    """What the text that a test sends sees as `me`."""

    def __init__(self, meeting: str) -> None:
        self.meeting = meeting
        self.line = self._meet()
        self.scope: dict[str, Any] = {"me": self, "os": os, "socket": socket, "ctypes": ctypes}

    def _meet(self) -> Line:
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(self.meeting)
        line = Line(sock)
        line.say({"pid": os.getpid()})
        return line

    def fork(self) -> int:
        """Makes a child that the test can talk to; returns its pid in the parent."""
        pid = os.fork()
        if pid == 0:
            # The child closes the parent's connection for itself; the parent still has it.
            os.close(self.line.sock.detach())
            self.line = self._meet()
            self.play()
        return pid

    def replace(self, program: str) -> NoReturn:
        """Becomes program, another name of Python, with all descriptors except the test's."""
        for name in os.listdir("/proc/self/fd"):
            with suppress(OSError):
                os.set_inheritable(int(name), True)
        os.set_inheritable(self.line.sock.fileno(), False)
        os.execv(program, [program, "-I", "-S", __file__, self.meeting])

    @staticmethod
    def enter(path: str) -> None:
        """Goes to the network namespace at path."""
        enter_netns(path)

    @staticmethod
    def name(comm: str) -> None:
        """Names the calling thread; the process has the name of its first thread."""
        with open("/proc/thread-self/comm", "w", encoding="utf-8") as file:
            file.write(comm)

    def play(self) -> NoReturn:
        """Does what the test says until the test goes away."""
        while True:
            order = self.line.hear()
            if order is None:
                os._exit(0)
            try:
                if order["ask"]:
                    answer = {"value": eval(order["text"], self.scope)}  # pylint: disable=eval-used
                else:
                    exec(order["text"], self.scope)  # pylint: disable=exec-used
                    answer = {"value": None}
            except BaseException:  # pylint: disable=broad-except
                answer = {"error": traceback.format_exc()}
            self.line.say(answer)


# ---- The test's side -----------------------------------------------------------------------------


class Actor:
    """One process."""

    def __init__(self, cast: Cast, pid: int, line: Line) -> None:
        self.cast, self.pid, self.line = cast, pid, line
        self.handle = os.pidfd_open(pid)

    @property
    def comm(self) -> str:
        return Path(f"/proc/{self.pid}/comm").read_text(encoding="utf-8").rstrip("\n")

    def send(self, text: str, ask: bool = False) -> None:
        """Begins something that does not end at once; answer() waits for its end."""
        self.line.say({"text": text, "ask": ask})

    def answer(self) -> Any:
        answer = self.line.hear()
        assert answer is not None, f"actor {self.pid} is gone"
        assert "error" not in answer, f"actor {self.pid}:\n{answer['error']}"
        return answer["value"]

    def call(self) -> list[str]:
        """The system call in which its first thread sleeps: its number and first argument; empty
        while it runs. Unlike wchan this is told by every kernel."""
        call = Path(f"/proc/{self.pid}/syscall").read_text("utf-8").split()
        return [] if call == ["running"] else call[:2]

    def run(self, text: str) -> None:
        self.send(text)
        self.answer()

    def ask(self, text: str) -> Any:
        self.send(text, ask=True)
        return self.answer()

    def fork(self) -> Actor:
        self.send("me.fork()", ask=True)
        child = self.cast.meet()
        assert self.answer() == child.pid
        return child

    def exec(self, name: str) -> None:
        """Becomes another program of this name; of what the process had, only descriptors are left.
        """
        self.send(f"me.replace({self.cast.program(name)!r})")
        self.line.close()
        again = self.cast.meet()
        assert again.pid == self.pid
        self.line = again.line

    def kill(self) -> None:
        """Sends SIGKILL; the process is gone when this returns."""
        signal.pidfd_send_signal(self.handle, signal.SIGKILL)
        self.wait()

    def wait(self) -> None:
        """Waits for its end."""
        assert select.select([self.handle], [], [], LIMIT_S)[0], f"actor {self.pid} does not end"

    def close(self) -> None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.handle, signal.SIGKILL)
        self.line.close()


class Cast:
    """Makes actors, and ends all of them with their children."""

    def __init__(self) -> None:
        # Not pytest's folder: an actor that is not root must be able to enter it.
        self.folder = Path(tempfile.mkdtemp(prefix="tcpdwell-"))
        self.folder.chmod(0o755)
        self.meeting = socket.socket(socket.AF_UNIX)
        self.meeting.bind(str(self.folder / "meeting"))
        (self.folder / "meeting").chmod(0o666)
        self.meeting.listen(16)
        self.meeting.settimeout(LIMIT_S)
        self.actors: list[Actor] = []
        self.children: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Cast:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def program(self, name: str) -> str:
        """A link to Python under another name; exec gives the process that name."""
        link = self.folder / name
        if not link.exists():
            link.symlink_to(os.path.realpath(sys.executable))
        return str(link)

    def argv(self, name: str) -> list[str]:
        """The command of a process that becomes an actor, for others to start; meet() waits for it.
        """
        return [self.program(name), "-I", "-S", __file__, str(self.folder / "meeting")]

    def actor(self, name: str, netns: Any = None, user: int | None = None) -> Actor:
        """A process of this name, in netns or where the test runs."""
        argv = self.argv(name)
        self.children.append(subprocess.Popen(netns.argv(argv) if netns else argv,
                                              stdin=subprocess.DEVNULL))
        actor = self.meet()
        assert actor.pid == self.children[-1].pid
        if user is not None:
            actor.run(f"os.setresgid({user}, {user}, {user}); os.setresuid({user}, {user}, {user})")
        return actor

    def meet(self) -> Actor:
        sock, _ = self.meeting.accept()
        sock.settimeout(LIMIT_S)
        line = Line(sock)
        actor = Actor(self, line.hear()["pid"], line)
        self.actors.append(actor)
        return actor

    def dismiss(self, actor: Actor) -> None:
        """Ends it, and keeps nothing of it: for tests with more actors than descriptors."""
        self.actors.remove(actor)
        actor.close()
        actor.wait()
        os.close(actor.handle)

    def close(self) -> None:
        for actor in self.actors:
            actor.close()
        for actor in self.actors:
            actor.wait()
            os.close(actor.handle)
        for child in self.children:
            child.wait()
        self.meeting.close()
        shutil.rmtree(self.folder)


def cast() -> Iterator[Cast]:
    """The body of a fixture."""
    with Cast() as made:
        yield made


if __name__ == "__main__":
    Player(sys.argv[1]).play()
