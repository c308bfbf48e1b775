"""The vector tile that says a limit was reached: a square with stripes, for maps that can only draw tiles."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import pairwise

EXTENT = 4096
STRIPE_EVERY = 128
_LINE, _POLYGON = 2, 3
_MOVE_TO, _LINE_TO, _CLOSE = 1, 2, 7

Point = tuple[int, int]


@cache
def limit_tile() -> bytes:
    """Return the tile."""
    corners = [(0, EXTENT), (0, 0), (EXTENT, 0), (EXTENT, EXTENT)]
    edges = list(pairwise([*corners, corners[0]]))
    square = _layer("errorTileSquareLayer", _POLYGON, [corners])
    return square + _layer("errorTileStripesLayer", _LINE, [*_stripes(), *edges])


def _stripes() -> list[tuple[Point, Point]]:
    stripes = [((0, EXTENT), (EXTENT, 0))]
    for start in range(STRIPE_EVERY, EXTENT, STRIPE_EVERY):
        stripes += [((0, EXTENT - start), (EXTENT - start, 0)), ((start, EXTENT), (EXTENT, start))]
    return stripes


def _layer(name: str, kind: int, shapes: Sequence[Sequence[Point]]) -> bytes:
    """Write a layer in the protocol buffers of the Vector Tile Specification 1."""
    features = b"".join(_field(2, _number(3, kind) + _field(4, _geometry(shape, kind))) for shape in shapes)
    return _field(3, _field(1, name.encode()) + features + _number(5, EXTENT) + _number(15, 1))


def _geometry(points: Sequence[Point], kind: int) -> bytes:
    numbers = [_command(_MOVE_TO, 1), *_step((0, 0), points[0]), _command(_LINE_TO, len(points) - 1)]
    for before, after in pairwise(points):
        numbers += _step(before, after)
    if kind == _POLYGON:
        numbers.append(_command(_CLOSE, 1))
    return b"".join(_varint(number) for number in numbers)


def _command(code: int, count: int) -> int:
    return count << 3 | code


def _step(before: Point, after: Point) -> list[int]:
    return [_zigzag(after[axis] - before[axis]) for axis in (0, 1)]


def _zigzag(number: int) -> int:
    return number * 2 if number >= 0 else -number * 2 - 1


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _varint(number: int) -> bytes:
    pieces = bytearray()
    while number >= 128:
        pieces.append(number & 127 | 128)
        number >>= 7
    pieces.append(number)
    return bytes(pieces)
