#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""healthy.py [--seconds SECONDS] [NAME...]: looks at hosts that are well, for five minutes each.

`diagnose` is to find nothing there. Exits 1 if it finds something, and says what. Needs root, and
what `make all tools` builds.
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
