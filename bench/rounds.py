"""In which order contenders are measured, and what is made of the numbers."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """The middle of some numbers, and the quartiles around it."""

    low: float
    median: float
    high: float


def order(names: Sequence[str], number: int) -> list[str]:
    """Give the order of one round: each next round begins with the next contender, every second runs backwards.

    So no contender always follows the same other one, and a machine that slows down slows all of them down.
    """
    start = number % max(len(names), 1)
    turned = [*names[start:], *names[:start]]
    return turned if number % 2 == 0 else turned[::-1]


def spread(values: Sequence[float]) -> Spread:
    """Compute median and quartiles."""
    if len(values) == 1:
        return Spread(values[0], values[0], values[0])
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(low, median, high)


def ratios(values: Sequence[float], others: Sequence[float]) -> Spread:
    """Compare two contenders round by round: both were measured under the same conditions only within a round."""
    return spread([value / other for value, other in zip(values, others, strict=True)])
