# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The table that the bench prints."""
import cores
from figures import Figures, spread
from measure import CPU, CPU_LIFE, CPU_PACED, KERNEL_LIFE, LOOK_CPU, LOOK_KERNEL
from target import TARGETS
from tracer import STAT, TCPLIFE, TCPSTATES

# What the column of ratios divides by, for figures whose ratios mean something.
BASES = {
    "kernel ns/transition": TCPSTATES.name,
    "kernel ns/transition, less empty runs": TCPSTATES.name,
    CPU: TCPSTATES.name,
    CPU_PACED: TCPSTATES.name,
    KERNEL_LIFE: TCPLIFE.name,
    CPU_LIFE: TCPLIFE.name,
    LOOK_KERNEL: STAT.name,
    LOOK_CPU: STAT.name,
}


def _number(value: float) -> str:
    if value == int(value) or abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}"


def _row(figures: Figures, figure: str, subject: str) -> str:
    low, high = map(_number, spread(figures.of(figure, subject)))
    ratio = figures.ratio(figure, subject, base) if (base := BASES.get(figure)) else None
    return (f"  {subject:<24} {_number(figures.median(figure, subject)):>12}"
            f" {low if low == high else f'{low} to {high}':>22}"
            f" {'' if ratio is None else f'{ratio:.3f}':>8}").rstrip()


def _figures(title: str, figures: Figures) -> list[str]:
    lines = [f"{title:<26} {'median':>12} {'quartiles':>22} {'ratio':>8}"]
    for figure, subjects in figures.values.items():
        base = f", ratio to {BASES[figure]}" if figure in BASES else ""
        lines.append(f"{figure}{base}")
        lines += [_row(figures, figure, subject) for subject in subjects]
    return lines


def _targets(figures: Figures) -> list[str]:
    lines = []
    for target in TARGETS:
        if (value := target.value(figures)) is not None:
            sign = ">=" if target.at_least else "<="
            bare = target.bare_value(figures)
            beside = "" if bare is None else f"; bare programs {bare:.3f}"
            if (written := target.write_value(figures)) is not None:
                beside += f"; write() alone {written:.3f}"
            lines.append(f"  {target.name:<50} {value:>8.3f}  {sign} {target.reach:<6.3g}"
                         f" {target.shortfall(value)}{beside}")
    return lines


def lines(machine: dict[str, str], loads: dict[str, Figures],
          not_run: dict[str, str]) -> list[str]:
    """The whole report: the machine, the figures and the targets of each load."""
    text = [f"{name}: {value}" for name, value in machine.items()]
    for title, figures in loads.items():
        text += ["", *_figures(title, figures), "", f"{title}: what is to be reached"]
        text += _targets(figures)
        if many := cores.lines(figures):
            text += ["", *many]
    text += [f"not run: {subject}: {why}" for subject, why in not_run.items()]
    return text
