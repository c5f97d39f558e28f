#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""run.py RESULT SECONDS PROGRAM...: runs libFuzzer programs, as many at a time as processors.

Each program starts from tests/fuzz/corpus/NAME and from what it found in earlier runs, which stays
beside the program. FUZZ_SEED, if it is set and not 0, is the seed of the random numbers: two runs
from the same corpus then try the same inputs in the same order, for as long as they have. RESULT is
the JUnit file to write. If an input fails, its output is printed, and the input is kept beside
RESULT. The exit status is 0 whatever the programs found: tools/tally.py judges.
"""

import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

TOP = Path(__file__).resolve().parents[2]
# An input takes a millisecond, but a machine may stall.
INPUT_TIMEOUT_S = 30
# The time beyond SECONDS, for reading the corpus and for ending.
GRACE_S = 120
MEMORY_MB = 1024
LENGTH = 8192


def command(program: Path, seconds: int, kept: Path, prefix: Path) -> list[str]:
    name = program.name.removeprefix("fuzz_")
    found = program.parent / "corpus" / name
    found.mkdir(parents=True, exist_ok=True)
    return [
        str(program.absolute()),
        f"-max_total_time={seconds}",
        f"-timeout={INPUT_TIMEOUT_S}",
        f"-rss_limit_mb={MEMORY_MB}",
        f"-max_len={LENGTH}",
        f"-artifact_prefix={prefix}",
        f"-seed={os.environ.get('FUZZ_SEED', '0')}",
        "-print_final_stats=1",
        str(found),
        str(kept),
    ]


def why(output: str, status: int) -> str:
    """Returns what a sanitizer or a harness said, without how the fuzzer came there."""
    lines = output.splitlines()
    begins = [i for i, line in enumerate(lines)
              if re.search(r"runtime error|ERROR:|not so:|Test unit written", line)]
    told = lines[begins[0]:begins[0] + 40] if begins else lines[-20:]
    written = [line for line in lines if "Test unit written" in line]
    return "\n".join([f"exit status {status}", *told, *written])


def fuzz(program: Path, seconds: int, folder: Path) -> tuple[str, str]:
    """Runs one program; returns its name, and why it failed, or nothing."""
    name = program.name.removeprefix("fuzz_")
    prefix = folder / f"{name}-"
    begin = time.monotonic()
    try:
        done = subprocess.run(
            command(program, seconds, TOP / "tests/fuzz/corpus" / name, prefix),
            cwd=TOP,
            env=dict(os.environ, UBSAN_OPTIONS="print_stacktrace=1"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=seconds + GRACE_S,
            check=False,
        )
        status, output = done.returncode, done.stdout
    except subprocess.TimeoutExpired:
        status, output = -1, f"still running after {seconds + GRACE_S} s"
    runs = re.search(r"number_of_executed_units: (\d+)", output)
    edges = re.findall(r"cov: (\d+)", output)
    failed = why(output, status) if status or not runs else ""
    verdict = "FAILED" if failed else (
        f"{runs[1] if runs else 0} inputs, {edges[-1] if edges else 0} edges"
        f" in {time.monotonic() - begin:.0f} s")
    print(f"  FUZZ    {name:<24} {verdict}", flush=True)
    if failed:
        print("    " + failed.replace("\n", "\n    "), flush=True)
    return name, failed


def case(name: str, failed: str) -> str:
    # XML has no way to write most control bytes, nor does it need them here.
    text = "".join(c for c in failed if c.isprintable() or c in "\n\t")
    error = f"<failure>{escape(text)}</failure>" if failed else ""
    return f"<testcase classname=\"fuzz\" name={quoteattr(name)}>{error}</testcase>"


def main() -> int:
    result, seconds = Path(sys.argv[1]).absolute(), int(sys.argv[2])
    programs = [Path(argument) for argument in sys.argv[3:]]
    folder = result.parent / "fuzz"
    folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        told = list(pool.map(lambda program: fuzz(program, seconds, folder), programs))
    cases = "\n".join(case(*one) for one in told)
    result.write_text(f"<testsuites><testsuite name=\"fuzz\">\n{cases}\n"
                      "</testsuite></testsuites>\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
