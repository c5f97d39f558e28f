#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""pods.py [--seconds SECONDS] [--each SECONDS] [--alive COUNT] [OPTION...]: for an hour, pods come
and go beside a `tcpdwell export --by pod`; each minute, a line says what the export consumes.

An OPTION is one of `export`. This needs root, and what `make all` builds.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import tempfile
from pathlib import Path

from harness import pods
from harness.metrics import Export


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--each", type=float, default=3)
    parser.add_argument("--alive", type=int, default=20)
    parser.add_argument("--every", type=float, default=60)
    arguments, options = parser.parse_known_args()

    def tell(taken: pods.Taken) -> None:
        print(json.dumps(dataclasses.asdict(taken)), flush=True)

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        root.chmod(0o755)
        with pods.Pods(root) as made, \
                Export("--by", "pod", "--cgroup", made.top.path, *options,
                       wrap=made.wrap) as exporter:
            pods.churn(exporter, made, arguments.seconds, arguments.each, arguments.alive,
                       arguments.every, tell)
            exporter.running.finish()
            print(exporter.running.said(), file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
