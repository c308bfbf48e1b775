"""Which part of the world a picture shows: a rectangle of pixels of the web map at one zoom."""

from __future__ import annotations

import math
from dataclasses import dataclass

TILE_SIZE = 256
WORLD_HALF_WIDTH_M = 20037508.342789244
MAX_LATITUDE = 85.0511287798066
MAX_ZOOM = 30

Extent = tuple[float, float, float, float]
"""West, south, east, north."""


@dataclass(frozen=True)
class View:
    """A rectangle of the world, whose pixels at zoom 0 are 256 x 256, counted from its north-western corner.

    Attributes:
        zoom: Zoom level.
        left: Pixels from the antimeridian to the western edge; below zero or beyond the world it wraps.
        top: Pixels from the northern edge of the world to the northern edge; above and below it is nothing.
        width: Width in pixels of scale 1.
        height: Height in pixels of scale 1.
        scale: Pixels of the picture for one pixel of the view: 1, or 2 for ``@2x``.
    """

    zoom: int
    left: int
    top: int
    width: int = TILE_SIZE
    height: int = TILE_SIZE
    scale: int = 1

    @classmethod
    def of_tile(cls, z: int, x: int, y: int, scale: int = 1) -> View:
        """Show one tile; x wraps around the world."""
        return cls(z, (x % (1 << z)) * TILE_SIZE, y * TILE_SIZE, scale=scale)

    @classmethod
    def centered(cls, zoom: int, longitude: float, latitude: float, width: int, height: int) -> View:
        """Show what is around a point.

        Args:
            zoom: Zoom level.
            longitude: Degrees east.
            latitude: Degrees north; those beyond the web map count as its edge.
            width: Width in pixels.
            height: Height in pixels.
        """
        x, y = _pixel(longitude, latitude, zoom)
        return cls(zoom, round(x - width / 2), round(y - height / 2), width, height)

    @classmethod
    def fitting(cls, bounds: Extent, width: int, height: int) -> View:
        """Show a rectangle of degrees as large as whole zoom levels allow, in the middle of the picture."""
        west, south, east, north = bounds
        left, top = _pixel(west, north, 0)
        right, bottom = _pixel(east, south, 0)
        zoom = min(_largest_zoom(abs(right - left), width), _largest_zoom(abs(bottom - top), height))
        middle_x, middle_y = (left + right) / 2 * (1 << zoom), (top + bottom) / 2 * (1 << zoom)
        return cls(zoom, round(middle_x - width / 2), round(middle_y - height / 2), width, height)

    @property
    def world_size(self) -> int:
        """Width and height of the whole world at this zoom, in pixels of scale 1."""
        return TILE_SIZE << self.zoom

    @property
    def extent(self) -> Extent:
        """The rectangle in metres of EPSG:3857."""
        metres = 2 * WORLD_HALF_WIDTH_M / self.world_size
        west, north = self.left * metres - WORLD_HALF_WIDTH_M, WORLD_HALF_WIDTH_M - self.top * metres
        return west, north - self.height * metres, west + self.width * metres, north

    def at_scale_1(self) -> View:
        """Show the same with as many pixels, but those of a deeper zoom instead of enlarged ones."""
        if self.scale == 1:
            return self
        sides = (self.left * 2, self.top * 2, self.width * 2, self.height * 2)
        return View(self.zoom + 1, *sides)

    def worlds(self) -> list[tuple[int, View]]:
        """Cut the rectangle where the world begins anew.

        Returns:
            Each piece, moved into the one world, with its distance in pixels from the left edge of this view.
        """
        pieces = []
        offset = 0
        while offset < self.width:
            left = (self.left + offset) % self.world_size
            width = min(self.width - offset, self.world_size - left)
            pieces.append((offset, View(self.zoom, left, self.top, width, self.height, self.scale)))
            offset += width
        return pieces

    def tiles(self) -> list[tuple[int, int, int, int]]:
        """List the tiles that cover the rectangle: x and y of each, then its offset in pixels in this view."""
        last = (1 << self.zoom) - 1
        columns = range(self.left // TILE_SIZE, (self.left + self.width - 1) // TILE_SIZE + 1)
        rows = range(max(self.top // TILE_SIZE, 0), min((self.top + self.height - 1) // TILE_SIZE, last) + 1)
        return [
            (column % (last + 1), row, column * TILE_SIZE - self.left, row * TILE_SIZE - self.top)
            for row in rows
            for column in columns
        ]


def _pixel(longitude: float, latitude: float, zoom: int) -> tuple[float, float]:
    size = TILE_SIZE << zoom
    sine = math.sin(math.radians(min(max(latitude, -MAX_LATITUDE), MAX_LATITUDE)))
    return (longitude / 360 + 0.5) * size, (0.5 - math.atanh(sine) / (2 * math.pi)) * size


def _largest_zoom(pixels_at_zoom_0: float, available: int) -> int:
    if pixels_at_zoom_0 <= 0:
        return MAX_ZOOM
    return min(max(math.floor(math.log2(available / pixels_at_zoom_0)), 0), MAX_ZOOM)
