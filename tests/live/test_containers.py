# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Names of units, containers and pods: from the paths of cgroups and from the files of runtimes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any, Iterator, NamedTuple

import pytest

from harness import cgroup
from harness.netns import Netns
from harness.plain import Running, filtered_to, parse_csv, run

pytestmark = pytest.mark.any_kernel

# A server and its client in one process; a line on standard input makes a connection end, or stay.
TALKER = """
import socket, sys
kept = []
port = int(sys.argv[1])
listener = socket.create_server(("127.0.0.1", port))
print("ready", flush=True)
for line in sys.stdin:
    client = socket.create_connection(("127.0.0.1", port))
    server = listener.accept()[0]
    client.close()
    if line == "leak\\n":
        server.recv(1)
        kept.append(server)
    else:
        server.close()
    print("done", flush=True)
"""


class Place(NamedTuple):
    """A cgroup, and the names that its rows must have."""

    path: str
    names: dict[str, str | None]


class Talker:
    """A process in a cgroup and a network namespace."""

    def __init__(self, place: Place, netns: Netns, port: int = 8000) -> None:
        folder = f"{cgroup.mounted()}{place.path}"
        self.child = subprocess.Popen(
            ["sh", "-c", 'echo $$ >"$0/cgroup.procs" && exec "$@"', folder,
             *netns.argv([sys.executable, "-c", TALKER, str(port)])],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.answer("ready")

    def answer(self, expected: str) -> None:
        assert self.child.stdout and self.child.stdout.readline() == expected + "\n"

    def talk(self, how: str = "end") -> None:
        assert self.child.stdin
        self.child.stdin.write(how + "\n")
        self.answer("done")

    def end(self) -> None:
        self.child.kill()
        self.child.wait()
        for stream in (self.child.stdin, self.child.stdout):
            if stream:
                stream.close()


def new_id() -> str:
    return os.urandom(32).hex()


class Host(NamedTuple):
    """Folders that look as runtimes make them, mounted over the host's in a mount namespace."""

    log: Path
    lib: Path

    def wrap(self, argv: list[Any]) -> list[Any]:
        return ["unshare", "--mount", "--propagation", "slave", "sh", "-c",
                'mount --bind "$0" /var/log && mount --bind "$1" /var/lib && shift && exec "$@"',
                str(self.log), str(self.lib), *argv]

    def wrap_dead(self, argv: list[Any]) -> list[Any]:
        """Does the same, and Docker's folder is on a server that is there and answers nothing."""
        options = "fd=3,rootmode=40000,user_id=0,group_id=0,allow_other"
        return self.wrap(["sh", "-c", f"exec 3<>/dev/fuse && mount -i -t fuse -o {options} "
                          'dead /var/lib/docker && exec "$@"', "sh", *argv])

    def add_docker(self, ident: str, name: str) -> None:
        folder = self.lib / "docker/containers" / ident
        folder.mkdir(parents=True, mode=0o755)
        (self.lib / "docker").chmod(0o710)  # nobody but root looks into it
        (folder / "config.v2.json").write_text(json.dumps({
            "State": {"Running": True}, "ID": ident, "Name": f"/{name}"}))

    def add_pod(self, space: str, pod: str, uid: str, container: str, ident: str) -> None:
        (self.log / "pods" / f"{space}_{pod}_{uid}" / container).mkdir(parents=True, mode=0o755)
        (self.log / "containers").mkdir(exist_ok=True, mode=0o755)
        (self.log / "containers" / f"{pod}_{space}_{container}-{ident}.log").symlink_to("/none")


@pytest.fixture(name="host")
def _host(tmp_path: Path) -> Host:
    host = Host(tmp_path / "log", tmp_path / "lib")
    for folder in host:
        folder.mkdir(mode=0o755)
    if subprocess.run(host.wrap(["true"]), check=False).returncode:
        pytest.skip("no file system can be mounted")
    return host


class Places:
    """Cgroups below one that the tests make."""

    def __init__(self) -> None:
        try:
            self.top = cgroup.Cgroup()
        except cgroup.NoCgroups as why:
            pytest.skip(f"no cgroup can be made: {why}")
        if not cgroup.mounted():
            self.top.remove()
            pytest.skip("the version 2 hierarchy is not mounted")
        self.made: list[Path] = []

    def make(self, path: str, **names: str | None) -> Place:
        folder = Path(f"{cgroup.mounted()}{self.top.path}")
        for part in path.split("/"):
            folder /= part
            if not folder.exists():
                folder.mkdir()
                self.made.append(folder)
        texts = dict.fromkeys(("unit", "container", "container_id", "pod", "pod_namespace"))
        return Place(f"{self.top.path}/{path}", {**texts, **names})

    def docker(self, ident: str, name: str | None) -> Place:
        return self.make(f"docker-{ident}.scope", unit=f"docker-{ident}.scope",
                         container=name or ident[:12], container_id=ident)

    def remove(self) -> None:
        for folder in reversed(self.made):
            folder.rmdir()
        self.top.remove()


@pytest.fixture(name="places")
def _places() -> Iterator[Places]:
    places = Places()
    yield places
    places.remove()


@pytest.fixture(name="talk")
def _talk(places: Places, netns: Netns) -> Iterator[Any]:
    """Starts talkers, which end before their cgroups are removed."""
    talkers: list[Talker] = []

    def start(place: Place, port: int = 8000) -> Talker:
        talkers.append(Talker(place, netns, port))
        return talkers[-1]

    yield start
    for talker in talkers:
        talker.end()


def names_of(row: dict[str, Any], place: Place) -> dict[str, Any]:
    return {name: row[name] or None for name in place.names}


def assert_named(rows: list[dict[str, Any]], place: Place) -> None:
    """All rows that the kernel says belong to the cgroup have the names of the place."""
    named = [row for row in rows if row["cgroup"] == place.path]
    if not named and not any(row["cgroup"] for row in rows):
        pytest.skip("this kernel does not tell the socket's cgroup")
    assert named
    for row in named:
        assert names_of(row, place) == place.names


def a_unit(host: Host, places: Places) -> Place:
    del host
    return places.make("shop.service", unit="shop.service")


def a_container(host: Host, places: Places) -> Place:
    ident = new_id()
    host.add_docker(ident, "shop-web_1")
    return places.docker(ident, "shop-web_1")


def a_pod(host: Host, places: Places) -> Place:
    ident, uid = new_id(), str(uuid.uuid4())
    host.add_pod("prod", "web-7c9f", uid, "nginx", ident)
    return places.make(f"kubepods/pod{uid}/{ident}", container="nginx", container_id=ident,
                       pod="web-7c9f", pod_namespace="prod")


def nobody_knows(host: Host, places: Places) -> Place:
    del host
    return places.docker(new_id(), None)


each_kind = pytest.mark.parametrize("kind", [a_unit, a_container, a_pod, nobody_knows])


@each_kind
def test_rows_have_names(kind: Any, host: Host, places: Places, netns: Netns, talk: Any) -> None:
    place = kind(host, places)
    talker = talk(place)
    only = filtered_to(netns)
    with Running("-o", "json", *only, wrap=host.wrap) as json_, \
            Running("-o", "csv", *only, wrap=host.wrap) as csv_, \
            Running("-w", *only, wrap=host.wrap) as wide, \
            Running("life", "-o", "json", *only, wrap=host.wrap) as life:
        talker.talk()
        tracers = (json_, csv_, wide, life)
        json_.wait_for_lines(8)
        csv_.wait_for_lines(9)
        wide.wait_for_lines(9)
        life.wait_for_lines(1)
        for running in tracers:
            running.finish()
        rows = [json.loads(line.text) for line in json_.lines()]
        lives = [json.loads(line.text) for line in life.lines()]
        cells = parse_csv(csv_.output())
        table = wide.output().decode()
    rows = [row for row in rows if row["type"] == "transition"]
    assert_named(rows, place)
    assert {row["netns_name"] for row in rows} == {netns.name}
    assert_named(cells, place)
    assert {row["netns_name"] for row in cells} == {netns.name}
    lives = [row for row in lives if row["type"] == "connection"]
    assert_named(lives, place)
    assert {row["netns_name"] for row in lives} == {netns.name}
    shown = place.names["container"] or place.names["unit"]
    assert sum(f" {shown} " in line and place.path in line for line in table.splitlines()) >= 8
    if place.names["pod"]:
        assert f" {place.names['pod_namespace']}/{place.names['pod']} " in table


def test_a_container_that_starts_later_has_its_name(host: Host, places: Places, netns: Netns,
                                                    talk: Any) -> None:
    """The names are found after the tracer gave up its rights: only root can read Docker's
    files."""
    first = a_container(host, places)
    with Running("-o", "json", *filtered_to(netns), wrap=host.wrap) as running:
        place = a_container(host, places)
        talk(place).talk()
        running.wait_for_lines(8)
        running.finish()
        rows = [json.loads(line.text) for line in running.lines()]
    assert first.names != place.names
    assert_named([row for row in rows if row["type"] == "transition"], place)


@each_kind
def test_reports_have_names(kind: Any, host: Host, places: Places, netns: Netns,
                            talk: Any) -> None:
    place = kind(host, places)
    talker = talk(place)
    talker.talk("leak")
    only = filtered_to(netns)

    def report(*arguments: str) -> list[dict[str, Any]]:
        done = run(*arguments, *only, "-o", "json", wrap=host.wrap)
        assert done.returncode in (0, 10), done.stderr.decode()
        return [json.loads(line) for line in done.stdout.splitlines()]

    leak, = report("leaks", "--older", "0s")
    assert names_of(leak, place) == place.names and leak["cgroup"] == place.path
    findings = [found for found in report("diagnose", "-d", "1s", "--older", "0s")
                if found["pid"] == talker.child.pid]
    assert findings and names_of(findings[0], place) == place.names
    sockets = report("snapshot", "--sockets")
    if not any(row["cgroup"] for row in sockets):
        return
    assert_named([row for row in sockets if row["pid"]], place)
    assert {row["netns_name"] for row in sockets} == {netns.name}
    census, = report("snapshot")
    assert census["processes"]
    for group in census["processes"]:
        if group["pid"]:
            assert names_of(group, place) == place.names
    for listener in report("snapshot", "-l"):
        assert names_of(listener, place) == place.names


@pytest.mark.parametrize("command", ["leaks --older 0s", "snapshot --sockets",
                                     "diagnose -d 1s --older 0s", "trace -w -d 1s"])
def test_names_whose_server_is_gone(command: str, host: Host, places: Places, netns: Netns,
                                    talk: Any) -> None:
    """It is said that names are not known, and all else is there."""
    place = a_container(host, places)
    if subprocess.run(host.wrap_dead(["true"]), check=False).returncode:
        pytest.skip("no FUSE")
    talk(place).talk("leak")
    done = run(*command.split(), *filtered_to(netns), wrap=host.wrap_dead)
    assert done.returncode in (0, 10), done.stderr.decode()
    names = command.startswith(("leaks", "diagnose"))  # others may have none to look for
    assert not names or b"does not answer" in done.stderr


# ---- Filters -------------------------------------------------------------------------------------


def filter_of(place: Place) -> list[str]:
    """Returns the filter by the most specific name of the place."""
    names = place.names
    if names["pod"]:
        return ["--pod", f"{names['pod_namespace']}/{names['pod']}"]
    if names["container"]:
        return ["--container", str(names["container"])]
    return ["--unit", str(names["unit"])]


@each_kind
def test_filters(kind: Any, host: Host, places: Places, netns: Netns, talk: Any) -> None:
    """Of two talkers only one is wanted; the account holds, and nothing of the other is printed."""
    place, other = kind(host, places), places.make("other.service", unit="other.service")
    talker = talk(place)
    wanted = ["-o", "json", *filter_of(place), *filtered_to(netns)]
    with Running(*wanted, "-v", wrap=host.wrap) as running, \
            Running("life", *wanted, wrap=host.wrap) as life:
        talk(other, 8001).talk()
        talker.talk()
        running.wait_for_lines(8)
        life.wait_for_lines(1)
        running.finish()
        life.finish()
        rows = [json.loads(line.text) for line in running.lines()]
        lives = [json.loads(line.text) for line in life.lines()]
    for found in (rows, lives):
        summary = found.pop()
        assert summary["type"] == "summary" and summary["filtered"] > 0
        assert summary["printed"] == len(found)
        assert summary["seen"] == sum(summary[term] for term in (
            "printed", "filtered", "folded", "unwritten", "unknown", "malformed")) + sum(
                summary["lost"].values())
        assert_named(found, place)
        assert {row["cgroup"] for row in found} == {place.path}
        assert not any(8001 in (row["lport"], row["rport"]) for row in found)


@each_kind
def test_filters_of_reports(kind: Any, host: Host, places: Places, netns: Netns,
                            talk: Any) -> None:
    place = kind(host, places)
    talkers = [talk(place), talk(places.make("other.service", unit="other.service"), 8001)]
    for talker in talkers:
        talker.talk("leak")
    options = [*filter_of(place), *filtered_to(netns), "-o", "json"]
    if b"sock_diag" in run("snapshot", *options, wrap=host.wrap).stderr:
        pytest.skip("this kernel does not tell the socket's cgroup")
    for command in (["leaks", "--older", "0s"], ["snapshot", "--sockets"], ["snapshot", "-l"],
                    ["diagnose", "-d", "1s", "--older", "0s"]):
        done = run(*command, *options, wrap=host.wrap)
        assert done.returncode in (0, 10), done.stderr.decode()
        found = [json.loads(line) for line in done.stdout.splitlines()]
        assert found, command
        assert {row["pid"] for row in found} <= {talkers[0].child.pid, None}, command
        assert any(names_of(row, place) == place.names for row in found), command


# ---- Sums ----------------------------------------------------------------------------------------

BY: dict[str, tuple[str, ...]] = {
    "unit": ("unit",),
    "container": ("unit", "container", "container_id", "pod", "pod_namespace"),
    "pod": ("pod", "pod_namespace"),
}


@pytest.mark.parametrize(("kind", "by"), [(a_unit, "unit"), (a_container, "container"),
                                          (a_pod, "container"), (a_pod, "pod")])
def test_sums(kind: Any, by: str, host: Host, places: Places, netns: Netns, talk: Any) -> None:
    """Sums are right by unit, container and pod, and for one of them alone; the account holds."""
    place = kind(host, places)
    only = ["-o", "json", "--by", by, *filtered_to(netns)]
    with Running("stat", *only, wrap=host.wrap) as all_, \
            Running("stat", *only, *filter_of(place), wrap=host.wrap) as one, \
            Running("stat", "--by", by, *filtered_to(netns), wrap=host.wrap) as text:
        talkers = [talk(place), talk(places.make("other.service", unit="other.service"), 8001)]
        for talker in talkers:
            talker.talk()
        for running in (all_, one, text):
            running.finish()
        reports = [[json.loads(line.text) for line in running.lines()] for running in (all_, one)]
        table = text.output().decode()
    counts = []
    for report, summary in reports:
        mine = [group for group in report["groups"]
                if all(group[name] == place.names[name] for name in BY[by])]
        if not mine and not any(group[by] for group in report["groups"]):
            pytest.skip("this kernel does not tell the socket's cgroup")
        assert mine and report["by"] == by
        # Handshakes make rows of other states, too.
        counts.append(sum(group["count"] + group["at_least"] for group in mine
                          if group["state"] != "HANDSHAKE"))
        assert summary["seen"] == sum(summary[term] for term in (
            "counted", "undated", "filtered", "unwritten")) + summary["lost"]["map"]
        assert summary["counted"] == report["counted"]
    assert counts[0] == counts[1] > 0
    assert len(reports[1][0]["groups"]) == len([group for group in reports[1][0]["groups"]
                                                if group[by] == place.names[by]])
    assert reports[0][1]["counted"] > reports[1][1]["counted"] == counts[1]
    shown = {"unit": place.names["unit"], "container": place.names["container"],
             "pod": "prod/web-7c9f"}[by]
    assert str(shown) in table and by.upper() in table


@pytest.mark.parametrize(("kind", "by", "narrowed"), [
    (a_unit, "unit", True), (a_container, "container", False), (a_pod, "container", False),
    (a_pod, "pod", True)])
def test_series(kind: Any, by: str, narrowed: bool, host: Host, places: Places, netns: Netns,
                talk: Any, tmp_path: Path) -> None:
    """These names are labels of export, both of what was counted and of what exists."""
    place = kind(host, places)
    (tmp_path / "text").mkdir()
    file = tmp_path / "text/tcp.prom"
    with Running("export", "--by", by, "--textfile", str(file), "-d", "3s", *filtered_to(netns),
                 *(filter_of(place) if narrowed else []), wrap=host.wrap) as running:
        talk(places.make("other.service", unit="other.service"), 8001).talk("leak")
        talk(place).talk("leak")
        running.wait(30)
    labels = {"pod": {"pod": place.names["pod"], "namespace": place.names["pod_namespace"]}}.get(
        by, {by: place.names[by]})
    wanted = [f'{name}="{value}"' for name, value in labels.items()]
    lines = file.read_text().splitlines()
    for metric in ("tcpdwell_connections", "tcpdwell_handshake_seconds_count"):
        found = [line for line in lines if re.match(metric + "{", line)]
        assert found
        if all(f'{by}=""' in line for line in found):
            pytest.skip("this kernel does not tell the socket's cgroup")
        mine = [line for line in found if all(part in line for part in wanted)]
        assert mine and (mine == found) == narrowed, found
