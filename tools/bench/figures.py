# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What was measured: a value for each round, by figure and by subject."""
import statistics
from collections.abc import Iterable


class Figures:
    """Values by (figure, subject), one for each round, in the order of the rounds."""

    def __init__(self, values: dict[str, dict[str, list[float]]] | None = None):
        self.values = values or {}

    def add(self, figure: str, subject: str, value: float) -> None:
        self.values.setdefault(figure, {}).setdefault(subject, []).append(value)

    def of(self, figure: str, subject: str) -> list[float]:
        return self.values.get(figure, {}).get(subject, [])

    def median(self, figure: str, subject: str) -> float | None:
        values = self.of(figure, subject)
        return statistics.median(values) if values else None

    def ratios(self, figure: str, subject: str, base: str) -> list[float]:
        """The ratios round by round, so that what disturbed a whole round disturbs no ratio."""
        pairs = zip(self.of(figure, subject), self.of(figure, base))
        return [value / of for value, of in pairs if of]

    def ratio(self, figure: str, subject: str, base: str) -> float | None:
        ratios = self.ratios(figure, subject, base)
        return statistics.median(ratios) if ratios else None


FEW = 4  # with fewer values quartiles mean nothing


def spread(values: Iterable[float]) -> tuple[float, float]:
    """The quartiles; the least and greatest value if there are few."""
    values = sorted(values)
    if len(values) < FEW:
        return values[0], values[-1]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, high
