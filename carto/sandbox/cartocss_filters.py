"""The conditions of CartoCSS rules: `[column > 5]`, `[zoom <= 9]`, and what follows from several of them together.

Values are compared as Mapnik does. Where that depends on types that only the data know, nothing is concluded.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from carto.sandbox.map_view import MAX_ZOOM

OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
MATCHES = "=~"
ALL_ZOOMS = frozenset(range(MAX_ZOOM + 1))

FilterValue = float | str | bool | None


@dataclass(frozen=True)
class Comparison:
    """A condition on one column.

    Attributes:
        column: Name of the column.
        operator: One of `OPERATORS`, or `MATCHES` for a regular expression.
        value: What the column is compared with.
    """

    column: str
    operator: str
    value: FilterValue

    def implies(self, other: Comparison) -> bool:
        """Tell whether the other one certainly holds wherever this one does."""
        if self == other:
            return True
        if not self._is_comparable_to(other):
            return False
        if self.operator == "=":
            return OPERATORS[other.operator](self.value, other.value)
        return self.operator != "!=" and _range_implies(self, other)

    def contradicts(self, other: Comparison) -> bool:
        """Tell whether the two certainly never hold together."""
        if not self._is_comparable_to(other):
            return False
        if self.operator == "=":
            return not OPERATORS[other.operator](self.value, other.value)
        if other.operator == "=":
            return not OPERATORS[self.operator](other.value, self.value)
        return _are_disjoint(self, other)

    def _is_comparable_to(self, other: Comparison) -> bool:
        return (
            self.column == other.column
            and MATCHES not in (self.operator, other.operator)
            and type(self.value) is type(other.value)
            and not (self.value is None or isinstance(self.value, bool))
        )


def _range_implies(inner: Comparison, outer: Comparison) -> bool:
    """Tell whether the values of a range (`<`, `<=`, `>`, `>=`) are all among those of another comparison."""
    edge: Any = inner.value
    if outer.operator == "!=":
        return not OPERATORS[inner.operator](outer.value, edge)
    if inner.operator[0] != outer.operator[0]:
        return False
    if inner.operator.endswith("=") and not outer.operator.endswith("="):
        return OPERATORS[outer.operator](edge, outer.value)
    return OPERATORS[outer.operator[0] + "="](edge, outer.value)


def _are_disjoint(one: Comparison, other: Comparison) -> bool:
    """Tell whether two ranges that open in opposite directions share no value."""
    directions = {one.operator[0], other.operator[0]}
    if directions != {"<", ">"}:
        return False
    below, above = (one, other) if one.operator[0] == "<" else (other, one)
    both_closed = below.operator == "<=" and above.operator == ">="
    lowest: Any = above.value
    return OPERATORS["<" if both_closed else "<="](below.value, lowest)


@dataclass(frozen=True)
class Condition:
    """Comparisons that all have to hold, at certain zooms; none of the comparisons follows from another.

    Attributes:
        comparisons: The comparisons.
        zooms: The zooms.
    """

    comparisons: frozenset[Comparison] = frozenset()
    zooms: frozenset[int] = ALL_ZOOMS

    def joined(self, other: Condition) -> Condition | None:
        """Require both conditions; None when that can never be."""
        comparisons = self.comparisons
        for added in other.comparisons:
            if any(known.contradicts(added) for known in comparisons):
                return None
            comparisons = _with(comparisons, added)
        zooms = self.zooms & other.zooms
        return Condition(comparisons, zooms) if zooms else None

    def zoom_ranges(self) -> Iterator[tuple[int, int]]:
        """Give the first and the last zoom of each unbroken row of zooms."""
        for zoom in sorted(self.zooms):
            if zoom - 1 not in self.zooms:
                first = zoom
            if zoom + 1 not in self.zooms:
                yield first, zoom


def zooms_that(operator_text: str, value: float) -> frozenset[int]:
    """List the zooms that a `[zoom ...]` filter names."""
    return frozenset(zoom for zoom in ALL_ZOOMS if OPERATORS[operator_text](zoom, value))


def _with(comparisons: frozenset[Comparison], added: Comparison) -> frozenset[Comparison]:
    if any(known.implies(added) for known in comparisons):
        return comparisons
    return frozenset(known for known in comparisons if not added.implies(known)) | {added}
