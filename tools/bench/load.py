# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Runs a load generator in a network namespace of its own, which ends with the load."""
import subprocess
from dataclasses import dataclass
from pathlib import Path

PORT = 65001  # above SETUP's ephemeral range, so it identifies the load's rows

# TIME_WAIT must run out of neither ports nor room, or else connections fail or close differently.
SETUP = """
ip link set lo up
cd /proc/sys/net/ipv4
echo 1024 60999 >ip_local_port_range
echo 4000000 >tcp_max_tw_buckets
echo 4096 >../core/somaxconn
cd "$OLDPWD"
exec "$@"
"""


@dataclass(frozen=True)
class Result:
    connections: int
    failed: int
    seconds: float
    cpu_seconds: float  # of all processes of the load


class Load:
    """A load that is ready to start. Closing it ends its sockets and its namespace."""

    def __init__(self, program: Path, *options: object):
        command = ["unshare", "--net", "sh", "-ec", SETUP, "sh", str(program), "-p", str(PORT),
                   *map(str, options)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         text=True)
        if self._line() != "ready":
            self.close()
            raise RuntimeError(f"{program.name} did not start")

    def _line(self) -> str:
        return self._process.stdout.readline().strip()

    def go(self) -> None:
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def result(self) -> Result:
        """Waits until the connections are made."""
        values = dict(word.split("=") for word in self._line().split())
        return Result(int(values["connections"]), int(values["failed"]), float(values["seconds"]),
                      float(values["cpu_seconds"]))

    def run(self) -> Result:
        self.go()
        return self.result()

    def close(self) -> None:
        if not self._process.stdin.closed:
            self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def __enter__(self) -> "Load":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
