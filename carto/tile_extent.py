"""Where the features of vector tiles lie: the part of a Mapbox Vector Tile that is needed to fit a view to a map."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

#: Left, top, right and bottom of a rectangle in the square of the web Mercator world, which goes from 0 to 1.
Box: TypeAlias = tuple[float, float, float, float]
#: West, south, east and north in degrees.
Bounds: TypeAlias = tuple[float, float, float, float]

#: Field numbers of the format, by message.
_LAYER, _FEATURE, _EXTENT, _GEOMETRY = 3, 2, 5, 4
_DEFAULT_EXTENT = 4096
#: Wire types of protocol buffers: all that the format uses.
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_CLOSE_PATH = 7
#: What comes of bytes that are no vector tile: cut off in a number or among the steps of a geometry, no extent at all.
_BROKEN = (IndexError, RuntimeError, ArithmeticError)

#: The tile of the whole world is exact enough for boxes that are larger than this part of it.
_LARGE = 1 / 64
_DEEPEST = 18
#: Width and height of the world at zoom 0.
_WORLD_PIXELS = 256


def bounds_of_features(tile: Callable[[int, int, int], bytes]) -> Bounds | None:
    """Find the bounds of all features, by the tile of the whole world and, for a small area, the tiles of that area.

    Args:
        tile: Gives the vector tile of a column, a row and a zoom; empty where nothing lies. One that is broken counts
            as empty.

    Returns:
        The bounds, or None when there are no features.
    """
    box = _box_of_tile(tile(0, 0, 0), 0, 0, 0)
    if box is None or max(box[2] - box[0], box[3] - box[1]) > _LARGE:
        return box and _degrees(box)
    exact = _union(_box_of_tile(tile(*place), *place) for place in _covering(box))
    return _degrees(exact or box)


def tile_at(bounds: Bounds) -> tuple[int, int, int]:
    """Choose a tile that shows a good part of the bounds: column, row and zoom."""
    left, top, right, bottom = _mercator(bounds)
    zoom = _zoom_of((left, top, right, bottom))
    return _index((left + right) / 2, zoom), _index((top + bottom) / 2, zoom), zoom


def view_of(bounds: Bounds, width: int, height: int) -> tuple[tuple[float, float], int]:
    """Fit a picture to the bounds, at the deepest zoom at which they have room in it.

    Args:
        bounds: What has to be seen.
        width: Pixels.
        height: Pixels.

    Returns:
        The middle of the picture as longitude and latitude, and the zoom.
    """
    left, top, right, bottom = _mercator(bounds)
    zooms = math.log2(width / _WORLD_PIXELS / (right - left)), math.log2(height / _WORLD_PIXELS / (bottom - top))
    return (_longitude((left + right) / 2), _latitude((top + bottom) / 2)), max(0, math.floor(min(zooms)))


def _covering(box: Box) -> list[tuple[int, int, int]]:
    """List the one to four tiles that hold a box, at the zoom where they are about as large as it."""
    zoom = _zoom_of(box)
    left, top, right, bottom = (_index(value, zoom) for value in box)
    return [(x, y, zoom) for x in range(left, right + 1) for y in range(top, bottom + 1)]


def _zoom_of(box: Box) -> int:
    size = max(box[2] - box[0], box[3] - box[1], 2.0**-_DEEPEST)
    return max(0, math.floor(-math.log2(size)))


def _index(value: float, zoom: int) -> int:
    tiles: int = 2**zoom
    return min(max(int(value * tiles), 0), tiles - 1)


def _box_of_tile(data: bytes, x: int, y: int, zoom: int) -> Box | None:
    """Give the box of a tile's features in the world; half a unit wider, since coordinates are rounded to units."""
    try:
        found = _union(_box_of_layer(layer) for number, layer in _fields(data)
                       if number == _LAYER and isinstance(layer, bytes))
    except _BROKEN:
        return None
    if found is None:
        return None
    left, top, right, bottom = found
    scale = 2.0**-zoom
    return (x + left) * scale, (y + top) * scale, (x + right) * scale, (y + bottom) * scale


def _box_of_layer(data: bytes) -> Box | None:
    extent, xs, ys = _DEFAULT_EXTENT, [], []
    for number, value in _fields(data):
        if number == _EXTENT and isinstance(value, int):
            extent = value
        elif number == _FEATURE and isinstance(value, bytes):
            for x, y in _points_of_feature(value):
                xs.append(x)
                ys.append(y)
    if not xs:
        return None
    # what lies in the buffer around the tile belongs to its neighbours
    inside = [min(max(value, 0), extent) for value in (min(xs) - 0.5, min(ys) - 0.5, max(xs) + 0.5, max(ys) + 0.5)]
    left, top, right, bottom = (value / extent for value in inside)
    return left, top, right, bottom


def _points_of_feature(data: bytes) -> Iterator[tuple[int, int]]:
    for number, value in _fields(data):
        if number == _GEOMETRY and isinstance(value, bytes):
            yield from _points(value)


def _points(geometry: bytes) -> Iterator[tuple[int, int]]:
    """Follow the commands of a geometry: each has its kind, how often it is repeated, and steps from point to point."""
    numbers = _varints(geometry)
    x = y = 0
    for command in numbers:
        if command & 7 == _CLOSE_PATH:
            continue
        for _ in range(command >> 3):
            x += _signed(next(numbers))
            y += _signed(next(numbers))
            yield x, y


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Read a message: the number of each field, with its number or bytes."""
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        kind = key & 7
        if kind == _VARINT:
            value, place = _varint(data, place)
            yield key >> 3, value
            continue
        length = {_FIXED64: 8, _FIXED32: 4}.get(kind)
        if length is None:
            length, place = _varint(data, place)
        yield key >> 3, data[place:place + length]
        place += length


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while data[place] & 0x80:
        value |= (data[place] & 0x7F) << shift
        shift += 7
        place += 1
    return value | data[place] << shift, place + 1


def _varints(data: bytes) -> Iterator[int]:
    value = shift = 0
    for byte in data:
        value |= (byte & 0x7F) << shift
        if byte & 0x80:
            shift += 7
        else:
            yield value
            value = shift = 0


def _signed(value: int) -> int:
    return value >> 1 ^ -(value & 1)


def _union(boxes: Iterable[Box | None]) -> Box | None:
    found = [box for box in boxes if box]
    if not found:
        return None
    lefts, tops, rights, bottoms = zip(*found, strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)


def _degrees(box: Box) -> Bounds:
    left, top, right, bottom = box
    return _longitude(left), _latitude(bottom), _longitude(right), _latitude(top)


def _mercator(bounds: Bounds) -> Box:
    west, south, east, north = bounds
    return west / 360 + 0.5, _row(north), east / 360 + 0.5, _row(south)


def _longitude(x: float) -> float:
    return (x - 0.5) * 360


def _latitude(y: float) -> float:
    return math.degrees(math.atan(math.sinh(math.pi * (1 - 2 * y))))


def _row(latitude: float) -> float:
    return 0.5 - math.asinh(math.tan(math.radians(latitude))) / (2 * math.pi)
