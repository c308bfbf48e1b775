"""The order of columns in what ogr2ogr writes: the_geom first, the others as the servers' sort leaves them.

They sort by one rule only, which every other pair of columns passes as equal. The sort of their node.js keeps equal
elements in place up to ten of them, and does not beyond: scripts may rely on what it makes of their columns.
"""

from __future__ import annotations

from collections.abc import Sequence

from carto.sandbox.node_types import Column

_SHORT = 10


def geometry_first(columns: Sequence[Column]) -> list[Column]:
    """Return the columns with the_geom in front, in the order of the servers.

    Args:
        columns: Columns of the query.
    """
    ordered = list(columns)
    _quicksort(ordered, 0, len(ordered))
    return ordered


def _compare(left: Column, right: Column) -> int:
    if left.name == "the_geom":
        return -1
    return 1 if right.name == "the_geom" else 0


def _quicksort(columns: list[Column], start: int, end: int) -> None:
    """Sort a slice as V8 did before it had a stable sort: by insertion when short, else around a median of three."""
    while end - start > _SHORT:
        low, high = _partition(columns, start, end)
        if end - high < low - start:
            _quicksort(columns, high, end)
            end = low
        else:
            _quicksort(columns, start, low)
            start = high
    _insertion_sort(columns, start, end)


def _insertion_sort(columns: list[Column], start: int, end: int) -> None:
    for index in range(start + 1, end):
        column = columns[index]
        place = index
        while place > start and _compare(columns[place - 1], column) > 0:
            columns[place] = columns[place - 1]
            place -= 1
        columns[place] = column


def _partition(columns: list[Column], start: int, end: int) -> tuple[int, int]:
    """Divide a slice into smaller, equal and greater ones; return where the equal ones begin and end."""
    pivot = _place_pivot(columns, start, end)
    low, high = start + 1, end - 1
    index = low + 1
    while index < high:
        order = _compare(columns[index], pivot)
        if order > 0:
            high = _last_not_greater(columns, index, high, pivot)
            if high == index:
                break
            columns[index], columns[high] = columns[high], columns[index]
            order = _compare(columns[index], pivot)
        if order < 0:
            columns[index], columns[low] = columns[low], columns[index]
            low += 1
        index += 1
    return low, high


def _last_not_greater(columns: list[Column], index: int, high: int, pivot: Column) -> int:
    high -= 1
    while high > index and _compare(columns[high], pivot) > 0:
        high -= 1
    return high


def _place_pivot(columns: list[Column], start: int, end: int) -> Column:
    """Order first, middle and last one, and move the median next to the first."""
    middle = start + ((end - start) >> 1)
    first, last, third = columns[start], columns[end - 1], columns[middle]
    if _compare(first, last) > 0:
        first, last = last, first
    if _compare(first, third) >= 0:
        first, median = third, first
    elif _compare(last, third) > 0:
        median = third
    else:
        median, last = last, third
    columns[start], columns[end - 1] = first, last
    columns[middle] = columns[start + 1]
    columns[start + 1] = median
    return median
