# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`tcpdwell export`: its numbers against ss, `tcpdwell stat` and the test; and ill-behaved
peers."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from harness import place, refusal, within
from harness.metrics import LIMIT_S, OPENMETRICS, Export, Metrics, handing_over
from harness.netns import Netns
from harness.plain import Running, filtered_to, patience, run

pytestmark = pytest.mark.any_kernel

COMM = "exported"
SS_STATES = {"ESTAB": "ESTABLISHED", "CLOSE-WAIT": "CLOSE_WAIT", "FIN-WAIT-2": "FIN_WAIT2",
             "LISTEN": "LISTEN", "TIME-WAIT": "TIME_WAIT"}


@contextlib.contextmanager
def export(netns: Netns, *arguments: str, **kwargs: Any) -> Iterator[Export]:
    with within.named(COMM.encode()), Export(*arguments, *filtered_to(netns), **kwargs) as running:
        yield running


@contextlib.contextmanager
def at_intervals(interval_s: float, call: Callable[[], object]) -> Iterator[None]:
    """Calls it again and again, in a thread of its own."""
    over = threading.Event()

    def work() -> None:
        while not over.wait(interval_s):
            call()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def ss_states(netns: Netns) -> Counter[str]:
    done = subprocess.run(netns.argv(["ss", "-tanH"]), capture_output=True, text=True, check=True)
    return Counter(SS_STATES[line.split()[0]] for line in done.stdout.splitlines())


# ---- Numbers -------------------------------------------------------------------------------------


def test_counts(netns: Netns) -> None:
    """Counts connections that are open, leaked, reset and refused; stat runs beside it."""
    with export(netns, "--older", "1s") as running, within.listen(netns) as listener, \
            Running("stat", "--by", "comm", "-o", "json", *filtered_to(netns)) as stat:
        pairs = [within.Pair(netns, listener) for _ in range(12)]
        for pair in pairs[:5]:
            pair.client.shutdown(socket.SHUT_WR)
        within.connect_and_reset(netns, listener, 7)
        for _ in range(3):
            with within.make_socket(netns) as refused:
                assert refused.connect_ex(("127.0.0.1", 1))
        time.sleep(patience(1.2))  # CLOSE_WAIT for longer than --older
        got = running.look()
        stat.finish()
        said = {state: int(got.sum("tcpdwell_connections", state=state, comm=COMM))
                for state in got.labels("tcpdwell_connections", "state")}
        assert {state: count for state, count in said.items() if count} == ss_states(netns)
        for pair in pairs:
            pair.close()
    assert got.sum("tcpdwell_leaked_connections", state="CLOSE_WAIT", comm=COMM) == 5
    assert 1 <= got.sum("tcpdwell_oldest_seconds", state="CLOSE_WAIT", comm=COMM) < LIMIT_S
    # Both ends of seven connections, and those that were refused.
    assert got.sum("tcpdwell_closes_total", reason="reset_sent", comm=COMM) == 7
    assert got.sum("tcpdwell_closes_total", reason="reset_received", comm=COMM) == 7
    assert got.sum("tcpdwell_closes_total", reason="refused", comm=COMM) == 3
    assert got.sum("tcpdwell_handshake_seconds_count", side="client", comm=COMM) == 19
    assert got.sum("tcpdwell_handshake_seconds_count", side="server", comm=COMM) == 19
    assert got.sum("tcpdwell_connect_failures_total", errno="ECONNREFUSED", comm=COMM) == 3
    assert got.sum("tcpdwell_accept_queue_limit", comm=COMM) == 512
    check_histograms(got)
    check_against_stat(got, stat.output().decode())


def check_histograms(got: Metrics) -> None:
    """Buckets add up, the last one is the total, and the sum is between their bounds."""
    names = {name[:-7] for name, _, _ in got.samples if name.endswith("_bucket")}
    assert names == {f"tcpdwell_{name}_seconds" for name in ("state_dwell", "handshake",
                                                             "accept_wait")}
    for metric in names:
        for name, labels, count in list(got.samples):
            if name != metric + "_count":
                continue
            buckets = got.find(metric + "_bucket", **labels)
            assert buckets == sorted(buckets) and buckets[-1] == count and len(buckets) == 17
            assert 0 < got.sum(metric + "_sum", **labels) < count * LIMIT_S


def check_against_stat(got: Metrics, output: str) -> None:
    """The numbers equal stat's: the same rows, summed by the same programs in another process."""
    groups = [json.loads(line) for line in output.splitlines()][0]["groups"]
    counts = {group["state"]: group["count"] for group in groups
              if group["comm"] == COMM and group["state"] not in ("HANDSHAKE", "ACCEPT")}
    assert counts
    for state, count in counts.items():
        assert got.sum("tcpdwell_state_dwell_seconds_count", state=state, comm=COMM) == count


def fail(netns: Netns, address: str, count: int) -> None:
    """connect() is refused by so many ports."""
    for port in range(1, count + 1):
        with within.make_socket(netns) as refused:
            assert refused.connect_ex((address, port))


def test_failed_calls_of_many_kinds(netns: Netns) -> None:
    """The kernel side has room for 4096 kinds, and those that are over make room."""
    failures = 'tcpdwell_connect_failures_total'
    with export(netns) as running:
        for number in range(1, 4):
            fail(netns, f"127.0.0.{number}", 2000)
            got = running.look()
            assert got.sum(failures) == 2000 * number
            # From this look on they are over.
            running.look()
        fail(netns, "127.0.0.1", 3)
        got = running.look()
    assert got.sum(failures) == 6003
    assert got.sum("tcpdwell_lost_total", cause="failed_calls") == 0


def test_what_is_no_leak(netns: Netns) -> None:
    """Who goes on to send after the peer's FIN is at work, and what was not accepted has nobody who
    could close it. `leaks` and `diagnose` see it so, too."""
    with export(netns, "--older", "2s") as running, within.listen(netns) as listener:
        left, working = within.Pair(netns, listener), within.Pair(netns, listener)
        queued = within.make_socket(netns)
        queued.connect(listener.getsockname())
        for client in (left.client, working.client, queued):
            client.shutdown(socket.SHUT_WR)
        with at_intervals(0.1, lambda: working.server.send(b"x") and working.client.recv(1)):
            time.sleep(patience(2.5))
            got = running.look()
        queued.close()
        for pair in (left, working):
            pair.close()
    assert got.sum("tcpdwell_connections", state="CLOSE_WAIT") == 3
    assert got.sum("tcpdwell_leaked_connections") == 1
    assert got.sum("tcpdwell_accept_queue_length") == 1


def test_counters_go_on_and_sockets_that_are_gone_are_0(netns: Netns) -> None:
    with export(netns) as running, within.listen(netns) as listener:
        pair = within.Pair(netns, listener)
        first = running.look()
        pair.close()
        within.connect_and_reset(netns, listener, 2)
        second = running.look()
    assert first.sum("tcpdwell_connections", state="ESTABLISHED", comm=COMM) == 2
    assert second.find("tcpdwell_connections", state="ESTABLISHED", comm=COMM) == [0]
    assert second.sum("tcpdwell_handshake_seconds_count", comm=COMM) == 6
    for name, labels, value in first.samples:
        if name.endswith(("_total", "_count", "_bucket", "_sum")):
            assert second.sum(name, **labels) >= value, (name, labels)


def test_filters_of_failed_calls(netns: Netns) -> None:
    """The kernel counts calls of all processes; the tracer itself filters by process and end."""
    with Export(*filtered_to(netns), "--comm", COMM) as by_name, \
            Export(*filtered_to(netns), "--port", "3,4") as by_port, \
            Export(*filtered_to(netns), "-p", "1") as by_process:
        for name, port in [(COMM, 1), (COMM, 3), ("another", 2), ("another", 4)]:
            with within.named(name.encode()), within.make_socket(netns) as refused:
                assert refused.connect_ex(("127.0.0.1", port))
        found = {which: running.look() for which, running in [
            ("name", by_name), ("port", by_port), ("process", by_process)]}
    failures = "tcpdwell_connect_failures_total"
    assert found["name"].sum(failures) == found["name"].sum(failures, comm=COMM) == 2
    assert all(found["port"].sum(failures, comm=comm) == 1 for comm in (COMM, "another"))
    assert not found["process"].find(failures)


def test_accept_queue(netns: Netns) -> None:
    with export(netns) as running, within.listen(netns, backlog=3) as listener, \
            contextlib.ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(within.make_socket(netns)).connect(listener.getsockname())
        got = running.look()
    assert got.sum("tcpdwell_accept_queue_length", comm=COMM) == 3
    assert got.sum("tcpdwell_accept_queue_limit", comm=COMM) == 3


def carried(got: Metrics) -> tuple[float, float]:
    return (got.sum("tcpdwell_bytes_total", direction="sent", comm=COMM),
            got.sum("tcpdwell_bytes_total", direction="received", comm=COMM))


def transfer(sender: socket.socket, receiver: socket.socket, count: int) -> None:
    sender.sendall(bytes(count))
    while count:
        count -= len(receiver.recv(min(count, 65536)))


def retransmitted(netns: Netns) -> int:
    """Returns what the kernel has counted in the namespace."""
    names, values = [line.split() for line in netns.inside(
        lambda: Path("/proc/thread-self/net/snmp").read_text("ascii")).splitlines()
        if line.startswith("Tcp:")]
    return int(values[names.index("RetransSegs")])


def test_bytes(netns: Netns) -> None:
    """Bytes count once: those of open connections at each look, and not again when these end."""
    with within.named(COMM.encode()), within.listen(netns) as listener:
        old = within.Pair(netns, listener)
        transfer(old.client, old.server, 5000)  # before anything counts
        with Export(*filtered_to(netns)) as running:
            first = running.look()
            opened = bool(first.find("tcpdwell_feature", name="carried", backend="kernel"))
            assert carried(first) == (0, 0)
            transfer(old.client, old.server, 300)
            pair = within.Pair(netns, listener)
            transfer(pair.client, pair.server, 1000)
            transfer(pair.server, pair.client, 70000)
            if opened:
                assert carried(running.look()) == (71300, 71300)
                assert carried(running.look()) == (71300, 71300)
            transfer(pair.client, pair.server, 20)
            pair.client.close()  # neither a FIN nor a SYN is a byte
            assert pair.server.recv(1) == b""
            if opened:
                assert carried(running.look()) == (71320, 71320)
            pair.server.close()
            short = within.Pair(netns, listener)
            transfer(short.client, short.server, 7)
            short.close()
            last = running.look()
            again = retransmitted(netns)
            old.close()
            assert carried(running.look())[0] >= carried(last)[0]
    assert carried(last) == ((71327, 71327) if opened else (71027, 71027))
    if opened:
        assert last.sum("tcpdwell_retransmitted_segments_total") == again


def test_retransmitted_segments(netns: Netns) -> None:
    """SYNs that nobody answers are sent again, and are counted when connect() gives up."""
    netns.sysctl("net/ipv4/tcp_syn_retries", "1")
    netns.ip("route", "add", "198.51.100.0/24", "dev", "lo")
    with export(netns) as running, within.make_socket(netns) as client:
        assert client.connect_ex(("198.51.100.1", 80))
        got = running.look()
    assert got.sum("tcpdwell_retransmitted_segments_total", comm=COMM) == retransmitted(netns) > 0


def test_accept_wait(netns: Netns) -> None:
    with export(netns) as running, within.listen(netns) as listener, \
            within.make_socket(netns) as client:
        client.connect(listener.getsockname())
        assert not running.look().find("tcpdwell_accept_wait_seconds_count")
        time.sleep(0.3)
        listener.accept()[0].close()
        got = running.look()
    if not got.find("tcpdwell_feature", name="accept_owner", backend="none"):
        assert got.sum("tcpdwell_accept_wait_seconds_count", comm=COMM) == 1
        assert 0.3 <= got.sum("tcpdwell_accept_wait_seconds_sum", comm=COMM) < LIMIT_S


def test_local_ports_and_findings(netns: Netns) -> None:
    """45 of 50 ports are in use to one destination; sockets that are only bound use none."""
    netns.sysctl("net/ipv4/ip_local_port_range", "40000 40049")
    with export(netns) as running, within.listen(netns) as listener, \
            contextlib.ExitStack() as stack:
        pairs = [within.Pair(netns, listener) for _ in range(40)]
        for _ in range(3):
            stack.enter_context(within.make_socket(netns)).bind(("127.0.0.1", 0))
        before = running.look()
        pairs += [within.Pair(netns, listener) for _ in range(5)]
        got = running.look()
        destination = "127.0.0.1:%d" % listener.getsockname()[1]
        for pair in pairs:
            pair.close()
    used, left = "tcpdwell_local_ports_used_ratio", "tcpdwell_local_ports_seconds_left"
    assert before.find(used, destination=destination) == [0.8]
    assert got.find(used, destination=destination) == [0.9]
    assert got.labels(used, "destination") == {destination}
    # 5 of 10 went between two looks a second apart, or two seconds where a machine stalls.
    assert all(0 < value < LIMIT_S for value in got.find(left))
    assert got.sum("tcpdwell_findings", id="ports_exhausted") >= 1


def test_local_ports_that_bind_took(netns: Netns) -> None:
    """Ports that bind() took are closed to all destinations."""
    netns.sysctl("net/ipv4/ip_local_port_range", "40000 40049")
    with export(netns) as running, within.listen(netns) as listener, \
            contextlib.ExitStack() as stack:
        for _ in range(20):
            client = stack.enter_context(within.make_socket(netns))
            client.bind(("127.0.0.1", 0))
            client.connect(listener.getsockname())
        got = running.look()
    assert got.find("tcpdwell_local_ports_used_ratio", destination="any") == [0.4]


# ---- Labels --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("by", "label"), [
    ("port", "port"), ("netns", "netns"), ("peer=/16", "peer"), ("cgroup", "cgroup"),
    ("unit", "unit"), ("container", "container"), ("pod", "namespace"),
])
def test_by(netns: Netns, by: str, label: str) -> None:
    """Counters and gauges have the same groups."""
    with export(netns, "--by", by) as running, within.listen(netns) as listener:
        pairs = [within.Pair(netns, listener) for _ in range(3)]
        within.connect_and_reset(netns, listener, 2)
        got = running.look()
        port = listener.getsockname()[1]
        for pair in pairs:
            pair.close()
    wanted = {"port": str(port), "netns": netns.name, "peer=/16": "127.0.0.0/16"}.get(by)
    open_now = got.labels("tcpdwell_connections", label)
    if by == "peer=/16":
        # A listener has no peer.
        assert got.find("tcpdwell_connections", state="LISTEN", peer="") == [1]
        open_now -= {""}
    assert wanted is None or open_now == {wanted}
    assert got.labels("tcpdwell_handshake_seconds_count", label) == open_now
    assert got.sum("tcpdwell_connections", state="ESTABLISHED") == 6
    assert got.sum("tcpdwell_handshake_seconds_count") == 10
    assert got.sum("tcpdwell_closes_total") == 4


def test_ports_that_are_not_listed_are_other(netns: Netns) -> None:
    with within.listen(netns) as listed, within.listen(netns) as unlisted, \
            export(netns, "--by", "port", "--ports", str(listed.getsockname()[1])) as running:
        within.connect_and_reset(netns, listed, 2)
        within.connect_and_reset(netns, unlisted, 3)
        got = running.look()
        port = str(listed.getsockname()[1])
    assert got.labels("tcpdwell_connections", "port") == {port, "other"}
    assert got.sum("tcpdwell_closes_total", port="other") == 6
    assert got.sum("tcpdwell_closes_total", port=port) == 4


def test_series_are_bounded(netns: Netns) -> None:
    """There are more services than --max-series: the rest is `other`, and nothing is lost."""
    with contextlib.ExitStack() as stack, \
            export(netns, "--by", "port", "--max-series", "500") as running:
        for _ in range(600):
            stack.enter_context(within.listen(netns))
        got = running.look()
    lines = got.find("tcpdwell_connections")
    assert len(lines) <= 500
    assert got.sum("tcpdwell_connections", state="LISTEN") == 600
    assert got.sum("tcpdwell_connections", port="other") >= 100
    assert got.find("tcpdwell_metric_series", metric="tcpdwell_connections") == [len(lines)]
    assert got.sum("tcpdwell_beyond_max_series_total", metric="tcpdwell_connections") >= 100


def test_names_that_would_break_the_format(netns: Netns) -> None:
    with Export(*filtered_to(netns)) as running, within.named(b'a"b\\c\nd\xff'), \
            within.listen(netns):
        got = running.look()
    assert got.labels("tcpdwell_connections", "comm") == {r'a\"b\\x5cc\\x0ad\\xff'}


# ---- Who asks ------------------------------------------------------------------------------------


def test_pages(netns: Netns) -> None:
    with export(netns) as running:
        running.look()
        text, kind = running.fetch()
        assert kind.startswith("text/plain; version=0.0.4") and "# EOF" not in text
        text, kind = running.fetch(accept=OPENMETRICS)
        assert kind.startswith("application/openmetrics-text; version=1.0.0")
        assert text.endswith("\n# EOF\n")
        assert "# UNIT tcpdwell_look_duration_seconds seconds\n" in text
        assert running.fetch("/healthz")[0] == "ok\n"
        assert "/metrics" in running.fetch("/")[0]
        assert ask(running, b"GET /secret HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 404 ")
        assert ask(running, b"POST /metrics HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 405 ")
        assert ask(running, b"\x16\x03\x01\x02\n\n").startswith(b"HTTP/1.1 400 ")
        head = ask(running, b"HEAD /metrics HTTP/1.1\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ") and head.endswith(b"\r\n\r\n")


def ask(running: Export, request: bytes) -> bytes:
    with running.connect() as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_scrapes_between_two_looks_are_the_same(netns: Netns) -> None:
    """The kernel is asked once, however many scrapes there are."""
    with export(netns, "-i", "1h") as running, within.listen(netns) as listener:
        running.running.wait_for(lambda: "ok\n" in ask(running, HEALTH).decode(), LIMIT_S)
        first = running.fetch()[0]
        within.connect_and_reset(netns, listener, 5)
        assert running.fetch()[0] == first


HEALTH = b"GET /healthz HTTP/1.0\r\n\r\n"


def test_promtool(netns: Netns) -> None:
    if not (promtool := shutil.which("promtool")):
        pytest.skip("there is no promtool here")
    with export(netns) as running, within.listen(netns) as listener:
        within.connect_and_reset(netns, listener, 5)
        with within.make_socket(netns) as refused:
            assert refused.connect_ex(("127.0.0.1", 1))
        text = running.look().text
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True,
                          text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


MANUAL = Path(__file__).resolve().parents[2] / "user/tcpdwell.8"
# Metrics of the manual that a page may lack, because no such thing has happened.
MAY_BE_MISSING = {"tcpdwell_state_dwell_unknown_total", "tcpdwell_local_ports_seconds_left"}


def documented() -> dict[str, set[str]]:
    """Returns the manual's metrics with their labels; those of its upper list have --by's, too."""
    upper, lower = MANUAL.read_text("utf-8").split("These names are for good", 1)[1] \
        .split("\n.El\n")[:2]
    return {name: set(labels.replace(",", " ").split()) | by
            for part, by in ((upper, {"comm"}), (lower, set()))
            for name, labels in re.findall(r"^\.It Li (tcpdwell_\w+) Ta ([^T]*)Ta ", part, re.M)}


def family(name: str, kinds: dict[str, str]) -> str:
    """Returns the metric that a sample belongs to."""
    base = re.sub(r"_(bucket|sum|count)$", "", name)
    return base if kinds.get(base) == "histogram" else name


def test_the_manual_has_what_a_scrape_has(netns: Netns) -> None:
    """Each metric has its labels, and HELP, TYPE and, in OpenMetrics, UNIT."""
    netns.sysctl("net/ipv4/ip_local_port_range", "40000 40049")
    with export(netns, "--older", "1s") as running, within.listen(netns) as listener:
        pairs = [within.Pair(netns, listener) for _ in range(45)]
        pairs[0].client.shutdown(socket.SHUT_WR)
        transfer(pairs[1].client, pairs[1].server, 10)
        within.connect_and_reset(netns, listener)
        with within.make_socket(netns) as refused:
            assert refused.connect_ex(("127.0.0.1", 1))
        got = running.look()
        openmetrics = running.fetch(accept=OPENMETRICS)[0]
        for pair in pairs:
            pair.close()
    manual = documented()
    kinds = dict(re.findall(r"^# TYPE (\w+) (\w+)$", got.text, re.M))
    labels: dict[str, set[str]] = {}
    for name, of, _ in got.samples:
        labels.setdefault(family(name, kinds), set()).update(of.keys() - {"le"})
    assert set(manual) - set(labels) <= MAY_BE_MISSING
    assert labels == {name: manual.get(name) for name in labels}
    assert set(kinds) == set(re.findall(r"^# HELP (\w+) .+", got.text, re.M)) == set(labels)
    units = dict(re.findall(r"^# UNIT (\w+) (\w+)$", openmetrics, re.M))
    assert all(name.endswith("_" + unit) for name, unit in units.items())
    for name in labels:
        name = name.removesuffix("_total").removesuffix("_info")
        assert f"# HELP {name} " in openmetrics and f"# TYPE {name} " in openmetrics
        assert name in units or not name.endswith(("_seconds", "_bytes", "_ratio"))


def is_served(running: Export) -> None:
    begin = time.monotonic()
    assert running.metrics().find("tcpdwell_build_info") == [1]
    assert time.monotonic() - begin < patience(5)


def test_silent_scrapers(netns: Netns) -> None:
    """A thousand say nothing, and some say half a request: all others are served."""
    with export(netns) as running, contextlib.ExitStack() as stack:
        running.look()
        for number in range(1000):
            silent = stack.enter_context(socket.socket())
            silent.setblocking(False)
            silent.connect_ex(running.address)
            if number % 10 == 0:
                with contextlib.suppress(OSError):
                    silent.send(b"GET /metrics HTTP/1.1\r\nHost: ")
            if number % 250 == 249:
                is_served(running)
        is_served(running)
        descriptors = len(os.listdir(f"/proc/{running.running.child.pid}/fd"))
        assert descriptors < 64 + 150
        running.running.finish()


def test_slow_readers(netns: Netns) -> None:
    """As many as there are places ask for a large page and read none of it."""
    with contextlib.ExitStack() as stack, export(netns, "--by", "port") as running:
        for _ in range(400):
            stack.enter_context(within.listen(netns))
        assert len(running.look().text) > 50000
        for _ in range(80):
            slow = stack.enter_context(socket.socket())
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            slow.settimeout(LIMIT_S)
            slow.connect(running.address)
            slow.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        is_served(running)
        running.running.finish()


def test_endless_request(netns: Netns) -> None:
    with export(netns) as running:
        running.look()
        with running.connect() as connection:
            sent = 0
            with contextlib.suppress(OSError):
                while sent < 1 << 30:
                    sent += connection.send(b"GET /" + bytes(65536))
        assert sent < 1 << 26
        with running.connect() as connection:
            connection.sendall(b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 20000)
            assert connection.recv(16).startswith(b"HTTP/1.1 431 ")
        is_served(running)


# ---- Where it listens ----------------------------------------------------------------------------


@pytest.mark.parametrize(("address", "status", "why"), [
    ("9435", 2, "is no address"), ("localhost:9435", 2, "is no address"),
    ("127.0.0.1:65536", 2, "is no address"), ("::1:9435", 2, "is no address"),
    ("unix:", 2, "has no path"), ("unix:/etc/passwd", 2, "is no socket"),
    ("unix:/" + "x" * 200, 2, "too long"), ("unix:/nonexistent/x", 3, "No such file"),
    ("192.0.2.1:9435", 3, "Cannot assign"),
])
def test_addresses_that_are_none(address: str, status: int, why: str) -> None:
    done = run("export", "--listen", address, "-d", "1s")
    assert done.returncode == status
    assert re.fullmatch(r"tcpdwell: --listen: .*\n", done.stderr.decode()) and \
        why in done.stderr.decode()


@pytest.mark.parametrize("arguments", [
    ("--listen", "unix:/root/x"), ("--listen", "127.0.0.1:1"), ("--textfile", "/root/x.prom"), (),
])
def test_no_permission(arguments: tuple[str, ...]) -> None:
    """A user without rights gets neither the place nor the kernel, and is told so."""
    def nobody(argv: list[str]) -> list[str]:
        return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--", *argv]

    done = run("export", *arguments, "-d", "1s", wrap=nobody)
    assert done.returncode == 3, done.stderr
    said = done.stderr.decode().splitlines()[-1]
    assert said.startswith("tcpdwell: ")
    assert "ermi" in said or "CAP_" in said, said


def test_all_addresses_when_said(netns: Netns) -> None:
    """[::] is all addresses of both families; a restart works while clients are in TIME_WAIT."""
    port = 0
    for _ in range(3):
        with Running("export", "--listen", f"[::]:{port}", "-i", "1s", *filtered_to(netns)) as one:
            found = re.search(r"metrics at http://\[::\]:(\d+)/metrics", one.said())
            assert found, one.said()
            port = int(found[1])
            for address in ("127.0.0.1", "::1"):
                with socket.create_connection((address, port), timeout=LIMIT_S) as connection:
                    connection.sendall(HEALTH)
                    assert connection.recv(9) == b"HTTP/1.1 "
            one.finish()


def test_port_in_use(netns: Netns) -> None:
    with export(netns) as running:
        done = run("export", "--listen", "%s:%d" % running.address, "-d", "1s")
    assert done.returncode == 3
    assert done.stderr.decode().endswith("is in use\n")


def test_unix_socket(netns: Netns, tmp_path: Path) -> None:
    """A socket left by an earlier run is replaced, but one that is in use is not."""
    path = tmp_path / "socket"
    arguments = ["export", "--listen", f"unix:{path}", "-i", "1s", *filtered_to(netns)]
    for _ in range(2):
        with Running(*arguments) as running:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(path))
                connection.sendall(HEALTH)
                assert connection.recv(9) == b"HTTP/1.1 "
            assert run(*arguments, "-d", "1s").returncode == 3
            running.finish()
    assert path.is_socket()


def test_socket_of_a_process_manager(netns: Netns) -> None:
    """sd_listen_fds(3): a listening socket is served; a LISTEN_PID of another process is
    ignored."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with Export(*filtered_to(netns), listener=listener) as running:
            assert running.address == listener.getsockname()
            assert running.look().find("tcpdwell_build_info") == [1]
        with Export(*filtered_to(netns), env={**os.environ, "LISTEN_FDS": "1",
                                              "LISTEN_PID": "1"}) as running:
            assert running.address != listener.getsockname()


@pytest.mark.parametrize(("fds", "listens", "why"), [
    ("1", False, "descriptor 3 is no stream that listens"), ("2", True, "one socket is served")])
def test_sockets_that_cannot_be_served(fds: str, listens: bool, why: str) -> None:
    with socket.socket() as client, socket.create_server(("127.0.0.1", 0)) as listener:
        given = listener if listens else client
        done = run("export", "-d", "1s", pass_fds=[given.fileno()],
                   wrap=handing_over(given, fds=fds))
    assert done.returncode == 2
    assert why in done.stderr.decode()


# ---- The file ------------------------------------------------------------------------------------


def test_textfile(netns: Netns, tmp_path: Path) -> None:
    """The file is whole at any time and readable by all, in a folder of another user."""
    os.chown(tmp_path, 12345, 12346)
    for folder in tmp_path.parents[:2]:
        os.chmod(folder, 0o755)
    path, target = tmp_path / "tcp.prom", tmp_path / "target"
    target.write_text("not to be written to", encoding="ascii")
    path.symlink_to(target)
    with within.named(COMM.encode()), within.listen(netns) as listener, \
            Running("export", "--textfile", str(path), "-i", "1s", *filtered_to(netns),
                    wrap=lambda argv: ["sh", "-c", 'umask 077; exec "$@"', "sh", *argv]) as running:
        assert "metrics at" not in running.said()
        running.wait_for(lambda: not path.is_symlink(), LIMIT_S)
        within.connect_and_reset(netns, listener, 4)
        running.wait_for(lambda: Metrics(path.read_text("ascii")).sum(
            "tcpdwell_closes_total", comm=COMM) == 8, LIMIT_S)
        running.finish()
    status = path.lstat()
    assert (status.st_mode, status.st_uid, status.st_gid) == (0o100644, 12345, 12346)
    assert target.read_text("ascii") == "not to be written to"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["target", "tcp.prom"]


OTHER = 65534


def plant(kind: str, at: Path, victim: Path) -> None:
    """Leaves something at the place where export writes, as a user without rights to the victim."""
    if kind == "link":
        at.symlink_to(victim)
    elif kind == "hard link":
        os.link(victim, at)
    elif kind == "fifo":
        os.mkfifo(at)
        os.chown(at, OTHER, OTHER)
    elif kind == "folder":
        at.mkdir()
        (at / "x").touch()
    if kind != "hard link":
        os.chown(at, OTHER, OTHER, follow_symlinks=False)


@pytest.mark.parametrize(("kind", "where", "status"), [
    ("link", ".x.tcpdwell", 0), ("hard link", ".x.tcpdwell", 0), ("fifo", ".x.tcpdwell", 0),
    ("folder", ".x.tcpdwell", 3), ("link", "x", 0), ("hard link", "x", 0), ("fifo", "x", 2),
    ("folder", "x", 2),
])
def test_textfile_in_a_folder_of_all(netns: Netns, tmp_path: Path, kind: str, where: str,
                                     status: int) -> None:
    """In a folder like /tmp, nothing that lies there leads to another file or makes export wait."""
    shared, victim = tmp_path / "shared", tmp_path / "victim"
    victim.write_text("not to be written to", encoding="ascii")
    victim.chmod(0o600)
    shared.mkdir()
    shared.chmod(0o1777)
    plant(kind, shared / where, victim)
    done = run("export", "--textfile", str(shared / "x"), "-i", "1s", "-d", "2s",
               *filtered_to(netns))
    assert done.returncode == status, done.stderr
    assert victim.read_text("ascii") == "not to be written to"
    assert victim.stat().st_mode & 0o7777 == 0o600
    if status:
        assert done.stderr.decode().startswith("tcpdwell: --textfile: '")
        return
    assert [file.name for file in shared.iterdir()] == ["x"]
    assert (shared / "x").lstat().st_uid == 0
    assert "tcpdwell_build_info" in (shared / "x").read_text("ascii")


def test_textfile_whose_place_is_taken(netns: Netns, tmp_path: Path) -> None:
    """It is said once, the rest goes on, and the file is written once the place is free."""
    path = tmp_path / "x"
    for folder in (tmp_path, *tmp_path.parents[:2]):
        os.chmod(folder, 0o755)
    with Running("export", "--textfile", str(path), "-i", "1s", *filtered_to(netns)) as running:
        running.wait_for(path.is_file, LIMIT_S)
        path.unlink()
        path.mkdir()
        running.wait_for(lambda: "the old one stays" in running.said(), LIMIT_S)
        path.rmdir()
        running.wait_for(path.is_file, LIMIT_S)
        running.finish()
        assert running.said().count("the old one stays") == 1


@pytest.mark.parametrize(("path", "status", "why"), [
    ("/nonexistent/tcp.prom", 2, "No such file"), ("/dev/null", 2, "is no file"),
    ("/etc/passwd/x", 2, "Not a directory"), ("/etc", 2, "Is a directory"),
    ("/etc/", 2, "Is a directory"), ("", 2, "is empty"), ("/proc/tcp.prom", 3, ""),
])
def test_files_that_cannot_be(path: str, status: int, why: str) -> None:
    done = run("export", "--textfile", path, "-d", "1s")
    if path == "/proc/tcp.prom":
        # For export there is no such place: kernels differ in what they say about it.
        assert done.returncode in (2, 3)
        return
    assert done.returncode == status
    assert "--textfile: " in done.stderr.decode() and why in done.stderr.decode()


def test_writer_that_is_killed(netns: Netns, tmp_path: Path) -> None:
    """export does not go on as if somebody wrote the file."""
    for folder in (tmp_path, *tmp_path.parents[:2]):
        os.chmod(folder, 0o755)
    with Running("export", "--textfile", str(tmp_path / "x"), "-i", "1s",
                 *filtered_to(netns)) as running:
        done = subprocess.run(["pgrep", "-P", str(running.child.pid), "tcpdwell-file"],
                              capture_output=True, text=True, check=True)
        os.kill(int(done.stdout), signal.SIGKILL)
        assert running.wait(LIMIT_S) == 1
        assert "the process that writes it has ended" in running.said()


# ---- The run -------------------------------------------------------------------------------------


def test_signals(netns: Netns) -> None:
    with export(netns) as running:
        running.look()
        running.running.child.send_signal(signal.SIGUSR1)
        running.running.wait_for(lambda: "tcpdwell: seen " in running.running.said())
        begin = time.monotonic()
        assert running.running.stop(signal.SIGTERM) == 0
        assert time.monotonic() - begin < patience(6)
        line = running.running.said().splitlines()[-1]
    counts = [int(count) for count in re.findall(r"(?:seen|counted|undated|filtered|lost) (\d+)",
                                                 line)]
    assert counts[0] == sum(counts[1:]), line


# The loader makes the first update, and the first look the second one.
TURN = "BPF_MAP_UPDATE_ELEM:stats=ENOMEM"


@pytest.mark.parametrize("by", ["comm", "cgroup"])
def test_a_look_that_fails_is_not_the_end(netns: Netns, by: str) -> None:
    """It is said, the page stays, and the next look has all that was counted meanwhile."""
    with export(netns, "--by", by, wrap=refusal.wrap(TURN + "@4")) as running, \
            within.listen(netns) as listener:
        running.running.wait_for(running.healthy, LIMIT_S)
        for _ in range(3):
            within.connect_and_reset(netns, listener, 2)
            running.look()
        got = running.look()
        running.running.finish()
        said = running.running.said()
    assert said.count("Cannot allocate memory: what was seen before stays\n") == 1
    assert got.sum("tcpdwell_closes_total", reason="reset_sent") == 6
    assert got.sum("tcpdwell_handshake_seconds_count", side="client") == 6


def test_looks_that_always_fail_are_the_end(netns: Netns) -> None:
    with export(netns, wrap=refusal.wrap(TURN + "@3+")) as running:
        assert running.running.wait(LIMIT_S) == 1
        said = running.running.said()
    assert said.count("what was seen before stays\n") == 2
    assert said.endswith("tcpdwell: cannot turn to the other map: Cannot allocate memory\n")


def test_it_has_no_privileges(netns: Netns) -> None:
    with export(netns) as running:
        running.look()
        tasks = Path(f"/proc/{running.running.child.pid}/task").iterdir()
        for status in [(task / "status").read_text("ascii") for task in tasks]:
            assert re.search(r"^Uid:\t65534\t65534\t65534\t65534$", status, re.M)
            assert re.search(r"^NoNewPrivs:\t1$", status, re.M)
            effective = re.search(r"^CapEff:\t(\w+)$", status, re.M)
            # CAP_BPF is kept to make tables, or where the kernel asks for it at each call.
            assert effective and not int(effective[1], 16) & ~(1 << 39)


def test_manager_is_told(netns: Netns, tmp_path: Path) -> None:
    """sd_notify(3) is called once, when the first look is over."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(patience(LIMIT_S))
        with Export(*filtered_to(netns), env={**os.environ, "NOTIFY_SOCKET":
                                              str(tmp_path / "notify")}) as running:
            assert manager.recv(64) == b"READY=1"
            assert running.fetch("/healthz")[0] == "ok\n"


def test_static_binary_serves_as_well(netns: Netns, monkeypatch: pytest.MonkeyPatch) -> None:
    static = Path(f"{place.tcpdwell()}-static")
    if not static.exists():
        pytest.skip("there is no static binary here")
    monkeypatch.setattr(place, "tcpdwell", lambda: str(static))
    with export(netns) as running:
        assert running.look().find("tcpdwell_build_info") == [1]
