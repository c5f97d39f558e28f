#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""healthy.py [--seconds SECONDS] [NAME...]: watches healthy hosts, for five minutes each.

`diagnose` must find nothing on them. If it finds something, this exits with 1 and prints what was
found. It needs root, and what `make all tools` builds.
"""

from __future__ import annotations

import argparse
import sys

from harness import healthy


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("names", nargs="*", metavar="NAME", default=list(healthy.SCENES))
    arguments = parser.parse_args()
    wrong = 0
    for name in arguments.names:
        done = healthy.diagnose(name, arguments.seconds)
        print(f"{name}: status {done.returncode}: {done.stdout}{done.stderr}", flush=True)
        wrong += done.returncode != 0
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
