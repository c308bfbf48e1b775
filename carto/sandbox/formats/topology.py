"""Lines on a grid, cut where they part, each piece kept once: the arcs of TopoJSON."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

Position = tuple[float, float]
Point = tuple[int, int]

QUANTIZATION = 10_000


class Grid:
    """Whole numbers in place of coordinates.

    Attributes:
        scale: Width and height of a cell.
        translate: Lower left corner.
    """

    def __init__(self, positions: Sequence[Position]) -> None:
        horizontal, vertical = ([p[axis] for p in positions] or [0.0] for axis in (0, 1))
        self.translate = [min(horizontal), min(vertical)]
        extents = (max(values) - low for values, low in zip((horizontal, vertical), self.translate, strict=True))
        self._factors = [(QUANTIZATION - 1) / extent if extent else 1.0 for extent in extents]
        self.scale = [1 / factor for factor in self._factors]

    def point(self, position: Sequence[float]) -> Point:
        """Return the cell of a position."""
        x, y = (math.floor((position[axis] - self.translate[axis]) * self._factors[axis]) for axis in (0, 1))
        return x, y


def is_clockwise(ring: Sequence[Sequence[float]]) -> bool:
    """Tell the direction of a ring by its area's sign."""
    return sum((b[0] - a[0]) * (b[1] + a[1]) for a, b in itertools.pairwise(ring)) > 0


@dataclass(eq=False)
class Path:
    """A line or a ring of some geometry."""

    points: list[Point]
    closed: bool


class Topology:
    """Collects paths, then cuts them into arcs that several paths may share."""

    def __init__(self) -> None:
        self._paths: list[Path] = []
        self._arcs: list[list[Point]] = []
        self._number_of: dict[tuple[Point, ...], int] = {}
        self._arcs_of: dict[int, list[int]] = {}

    def add(self, points: list[Point], closed: bool) -> Path:
        """Take a path.

        Args:
            points: Its points; a ring ends where it begins.
            closed: Whether it is a ring.
        """
        path = Path(points, closed)
        self._paths.append(path)
        return path

    def cut(self) -> None:
        """Cut all paths where they meet or part."""
        junctions = self._junctions()
        for path in sorted(self._paths, key=lambda path: path.closed):
            self._arcs_of[id(path)] = [self._number(arc, path) for arc in _cut(path, junctions)]

    def arcs_of(self, path: Path) -> list[int]:
        """Return the numbers of a path's arcs; ~n for one that runs backwards."""
        return self._arcs_of[id(path)]

    def encoded_arcs(self) -> list[list[list[int]]]:
        """Return the arcs, every point but the first as its distance from the one before."""
        return [_deltas(arc) for arc in self._arcs]

    def _junctions(self) -> set[Point]:
        """Find the points whose neighbours are not the same in all paths through them."""
        neighbours: dict[Point, frozenset[Point]] = {}
        junctions: set[Point] = set()
        for path in self._paths:
            points = path.points
            if not path.closed:
                junctions.update((points[0], points[-1]))
            elif len(points) > 1:
                points = [points[-2], *points]
            for before, point, after in zip(points, points[1:], points[2:], strict=False):
                pair = frozenset((before, after))
                if neighbours.setdefault(point, pair) != pair:
                    junctions.add(point)
        return junctions

    def _number(self, arc: list[Point], path: Path) -> int:
        is_whole_ring = path.closed and len(arc) == len(path.points) and arc[0] == arc[-1]
        forward = _from_lowest(arc) if is_whole_ring else tuple(arc)
        backward = _from_lowest(arc[::-1]) if is_whole_ring else tuple(arc[::-1])
        if forward in self._number_of:
            return self._number_of[forward]
        if backward in self._number_of:
            return ~self._number_of[backward]
        self._arcs.append(arc)
        self._number_of[forward] = len(self._arcs) - 1
        return len(self._arcs) - 1


def _cut(path: Path, junctions: set[Point]) -> list[list[Point]]:
    points = path.points
    inner = [index for index in range(1, len(points) - 1) if points[index] in junctions]
    if path.closed and inner and points[0] not in junctions:
        points = points[inner[0] :] + points[1 : inner[0] + 1]
        inner = [index for index in range(1, len(points) - 1) if points[index] in junctions]
    ends = [0, *inner, len(points) - 1]
    return [points[start : end + 1] for start, end in itertools.pairwise(ends)]


def _from_lowest(ring: list[Point]) -> tuple[Point, ...]:
    """Rotate a ring to its lowest point, so that equal rings look equal."""
    lowest = ring.index(min(ring))
    return (*ring[lowest:-1], *ring[:lowest], ring[lowest])


def _deltas(arc: list[Point]) -> list[list[int]]:
    """Encode an arc, without points that fall into the cell of the one before."""
    encoded = [list(arc[0])]
    for before, point in itertools.pairwise(arc):
        if point != before:
            encoded.append([point[0] - before[0], point[1] - before[1]])
    return encoded if len(encoded) > 1 else [*encoded, [0, 0]]
