# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Broken hosts and healthy ones, staged side by side, and what one look of `diagnose` finds.

Frames that are to be lost go to a hardware address that nobody has.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import place, process
from .netns import Netns, Veth
from .players import HEAD, LOST, UNREACHABLE

Finding = dict[str, Any]

# Long enough for a peer to be silent for 10 s. The look also lasts until the players have done all
# that they do, for which an emulated processor needs longer.
LOOK_S = 15
OLDER = "2s"


@dataclass
class Player:
    child: subprocess.Popen[str]
    stays: bool  # when it has done all that it does; others go on

    @classmethod
    def start(cls, netns: Netns, text: str, *arguments: str) -> Player:
        child = netns.spawn([sys.executable, "-c", HEAD + text, *arguments], text=True,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert child.stdout and child.stdout.readline() == "ready\n"
        return cls(child, "stay()" in text)

    def go(self) -> None:
        assert self.child.stdin
        self.child.stdin.write("go\n")
        self.child.stdin.flush()

    def wait(self) -> None:
        """Waits until it has done all that it does."""
        assert self.child.stdout and (not self.stays or self.child.stdout.readline() == "done\n")


def lose(netns: Netns, peer: str) -> None:
    """Makes everything that netns sends to peer get lost from now on."""
    netns.ip("neigh", "replace", peer, "lladdr", "02:00:00:00:00:01", "nud", "permanent",
             "dev", "veth0")


def behind_router(pair: Veth) -> None:
    """Makes the server a router, to a host that cannot be reached and to one where all is lost."""
    for way, prefix in (("unreachable", UNREACHABLE), ("blackhole", LOST)):
        pair.server.ip("route", "add", way, f"{prefix}.0/24")
        pair.client.ip("route", "add", f"{prefix}.0/24", "via", pair.server.ipv4)
    pair.server.sysctl("net/ipv4/ip_forward", 1)
    pair.server.sysctl("net/ipv4/icmp_ratelimit", 0)


class Scene:
    """What is staged, and what one look at it found."""

    def __init__(self) -> None:
        self.made: list[Any] = []
        self.players: dict[str, Player] = {}
        self.netns: dict[str, Netns] = {}
        self.found: list[Finding] = []
        self.status = 0
        self.text = ""

    def alone(self, name: str, text: str, **settings: object) -> None:
        netns = Netns.make()
        self.made.append(netns)
        for setting, value in settings.items():
            netns.sysctl(f"net/ipv4/{setting}", value)
        self.netns[name] = netns
        self.players[name] = Player.start(netns, text)

    def pair(self, server: str, server_text: str, client: str, client_text: str) -> Veth:
        pair = Veth.make()
        self.made.append(pair)
        self.netns[server], self.netns[client] = pair.server, pair.client
        self.players[server] = Player.start(pair.server, server_text)
        self.players[client] = Player.start(pair.client, client_text, pair.server.ipv4)
        return pair

    def look(self) -> None:
        child = subprocess.Popen([place.tcpdwell(), "diagnose", "-d", "1h", "--older", OLDER,
                                  "-o", "json", *place.backend()],
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert child.stderr
        said = []
        for line in child.stderr:
            said.append(line)
            if "tracing" in line:
                break
        for player in self.players.values():
            player.go()
        time.sleep(LOOK_S)
        for player in self.players.values():
            player.wait()
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=process.LIMIT_S)
        self.found = [json.loads(line) for line in out.splitlines()]
        self.status, self.text = child.returncode, "".join(said) + err

    def of(self, name: str, which: str) -> list[Finding]:
        return [f for f in self.found
                if f["id"] == which and f["netns"] == self.netns[name].inode]

    def one(self, name: str, which: str) -> Finding:
        found = self.of(name, which)
        ids = [(f["id"], f["netns"]) for f in self.found]
        assert len(found) == 1, (which, self.netns[name].inode, ids, self.text)
        return found[0]

    def owned(self, name: str, which: str) -> Finding:
        """Returns the one such finding, and checks whose it is."""
        finding = self.one(name, which)
        player = self.players[name].child
        assert finding["pid"] == player.pid
        assert finding["comm"] == Path(f"/proc/{player.pid}/comm").read_text("ascii").strip()
        return finding

    def remove(self) -> None:
        for player in self.players.values():
            process.end(player.child)
        for made in reversed(self.made):
            made.remove()
