"""Vector tiles written by hand, from the specification of the format: what the SDK reads is not written by itself."""

from __future__ import annotations

import math

POINT, LINE, POLYGON = 1, 2, 3
EXTENT = 4096


def varint(number):
    low = number & 0x7F
    return bytes([low]) if number < 0x80 else bytes([low | 0x80]) + varint(number >> 7)


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def zigzag(number):
    return number * 2 if number >= 0 else -number * 2 - 1


def geometry(kind, points):
    """Write MoveTo for all points, or for the first, LineTo for the others, and ClosePath for a polygon."""
    moves = len(points) if kind == POINT else 1
    numbers, last = [], (0, 0)
    for index, point in enumerate(points):
        if index == 0:
            numbers.append(moves << 3 | 1)
        elif index == moves:
            numbers.append((len(points) - 1) << 3 | 2)
        numbers += [zigzag(here - before) for here, before in zip(point, last, strict=True)]
        last = point
    if kind == POLYGON:
        numbers.append(1 << 3 | 7)
    return b"".join(map(varint, numbers))


def feature(kind, points):
    tags = field(2, varint(0) + varint(0))
    return field(1, 7) + tags + field(3, kind) + field(4, geometry(kind, points))


def layer(*features, name="layer0", extent=EXTENT):
    """Write a layer whose features all have one property, a double."""
    value = field(4, varint(3 << 3 | 1) + bytes(8))
    body = b"".join(field(2, each) for each in features)
    return field(3, field(15, 2) + field(1, name.encode()) + body + field(3, b"price") + value + field(5, extent))


def tile_of(places, x, y, zoom):
    """Write the tile that shows places, given by longitude and latitude; empty where none lies on it."""
    found = []
    for longitude, latitude in places:
        column = (longitude / 360 + 0.5) * 2**zoom
        row = (0.5 - math.asinh(math.tan(math.radians(latitude))) / (2 * math.pi)) * 2**zoom
        if x <= column <= x + 1 and y <= row <= y + 1:
            found.append((round((column - x) * EXTENT), round((row - y) * EXTENT)))
    return layer(*(feature(POINT, [point]) for point in found)) if found else b""
