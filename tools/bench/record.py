# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The result file of a run, and what got worse since the last one."""
import json
import time
from pathlib import Path

from figures import FEW, Figures, spread
from target import TARGETS, Target

PREFIX = "results-"
FEW_ALLOWANCE = 0.1


def newest(directory: Path) -> dict | None:
    """The last run's file, whatever its commit; None if there is none that can be read."""
    files = sorted(directory.glob(f"{PREFIX}*.json"), key=lambda path: path.stat().st_mtime)
    try:
        return json.loads(files[-1].read_text(encoding="utf-8")) if files else None
    except ValueError:
        return None


def write(directory: Path, commit: str, machine: dict[str, str], loads: dict[str, Figures],
          not_run: dict[str, str]) -> Path:
    path = directory / f"{PREFIX}{commit}.json"
    path.write_text(json.dumps({
        "commit": commit,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": machine,
        "not_run": not_run,
        "loads": {name: figures.values for name, figures in loads.items()},
    }, indent=1) + "\n", encoding="utf-8")
    return path


def _noise(rounds: list[float]) -> tuple[float, float]:
    """The range of a figure. A few rounds say little about that, so they are allowed more."""
    low, high = spread(rounds)
    if len(rounds) >= FEW:
        return low, high
    return low - abs(low) * FEW_ALLOWANCE, high + abs(high) * FEW_ALLOWANCE


def _compared(target: Target, before: Figures, now: Figures) -> str | None:
    """Compares a target between two runs. Returns None if one of the runs lacks the figure. Returns
    an empty text unless it is worse by more than the noise, that is, unless the two ranges lie
    apart."""
    old, new = target.rounds(before), target.rounds(now)
    if not old or not new:
        return None
    (old_low, old_high), (new_low, new_high) = _noise(old), _noise(new)
    if new_high < old_low if target.at_least else new_low > old_high:
        return f"{target.name}: {target.value(before):.3f} -> {target.value(now):.3f}"
    return ""


def compare(last: dict, machine: dict[str, str], loads: dict[str, Figures]) -> list[str]:
    """What to print when this run is compared with the last."""
    if last["machine"] != machine:
        return [f"the last run, of {last['commit']}, was on another machine: not compared"]
    compared = [(name, text) for name, figures in loads.items() for target in TARGETS
                if (text := _compared(target, Figures(last["loads"].get(name)), figures))
                is not None]
    worse = [f"  {name}: {text}" for name, text in compared if text]
    if worse:
        return [f"worse than in {last['commit']} by more than the noise:", *worse]
    return [f"compared with {last['commit']}: {len(compared)} ratios,"
            " none worse by more than the noise"]
