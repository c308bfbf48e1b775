"""Serving tiles and static images of maps that are kept."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, cast

from starlette.responses import Response

from carto.sandbox import map_drawing, mvt
from carto.sandbox.layer_filter import chosen_layers
from carto.sandbox.map_drawing import LayerInDatabase
from carto.sandbox.map_tables import tables_of
from carto.sandbox.map_view import Extent, View
from carto.sandbox.mapconfig import Layer, MapConfig
from carto.sandbox.mapnik_style import DEFAULT_BUFFER_PX
from carto.sandbox.maps_endpoint import VECTOR_TILE_TYPE, MapCall
from carto.sandbox.maps_errors import refused
from carto.sandbox.rendering import MAX_SIDE, ImageFormat

TILE_FORMATS = ("png", "png32", "mvt")
IMAGE_TYPES = {"png": "image/png", "jpg": "image/jpeg"}
SCALES = ("1", "2")
MAX_ZOOM_DIGITS = 3
_INTEGER = re.compile(r"-?\d{1,400}\Z")
_NATURAL = re.compile(r"\d{1,400}\Z")
_SCALED = re.compile(r"(.*)@(.*)x\Z")


async def tile(call: MapCall, config: MapConfig, layers: str | None, template: str | None = None) -> Response:
    """Answer a tile of a map.

    Args:
        call: Who asks; zoom, column and row are in its path.
        config: The map.
        layers: Layers as the URL names them; None for all that are drawn from queries.
        template: Account and name of the named map, when it was asked for by name.

    Raises:
        MapsError: There is no such tile, or it can't be drawn.
    """
    row, _, tile_format = call.param("tile").partition(".") if layers else call.param("tile").rpartition(".")
    if not row or not tile_format:
        return Response(b"", 404, call.headers, "application/json; charset=utf-8")
    row, scale = _scaled(row) if layers is None else (row, 1)
    zoom, column, line = _coordinates(call.param("z"), call.param("x"), row)
    if tile_format not in TILE_FORMATS:
        raise refused(f"Unsupported format {tile_format}")
    drawn = _in_databases(call, chosen_layers(config, layers, tile_format), template)
    tables = await tables_of(config, call.database(as_owner=True))
    headers = tables.tile_headers(call.account.database, template)
    since = call.request.headers.get("if-modified-since")
    if since and tables.is_unchanged_since(since):
        return Response(status_code=304, headers=call.headers | headers)
    if tile_format == "mvt":
        content = await mvt.vector_tile(drawn, zoom, column, line, config.buffer_size("mvt", mvt.DEFAULT_BUFFER))
        return _vector_response(content, call.headers | headers)
    buffer_px = config.buffer_size("png", DEFAULT_BUFFER_PX)
    content = await map_drawing.image(call.maps, drawn, View.of_tile(zoom, column, line, scale), "png", buffer_px)
    return Response(content, 200, call.headers | headers, IMAGE_TYPES["png"])


async def static_image(
    call: MapCall, config: MapConfig, view: View, image_format: ImageFormat, template: str | None = None
) -> Response:
    """Answer a picture of a map.

    Args:
        call: Who asks.
        config: The map.
        view: What it shows.
        image_format: png or jpg.
        template: Account and name of the named map, when it was asked for by name.

    Raises:
        MapsError: It can't be drawn.
    """
    drawn = _in_databases(call, chosen_layers(config, str(call.query.get("layer", "all")), image_format), template)
    tables = await tables_of(config, call.database(as_owner=True))
    content = await map_drawing.image(call.maps, drawn, view, image_format)
    headers = call.headers | tables.tile_headers(call.account.database, template)
    return Response(content, 200, headers, IMAGE_TYPES[image_format])


def image_size(call: MapCall) -> tuple[int, int, ImageFormat]:
    """Return width, height and format of the picture that a URL asks for.

    Raises:
        MapsError: 400, there are no such pictures.
    """
    height, _, image_format = call.param("height").rpartition(".")
    if image_format not in IMAGE_TYPES:
        raise refused(f'Unsupported image format "{image_format}"')
    if not _NATURAL.match(call.param("width")) or not _NATURAL.match(height):
        raise refused("No coords object")
    sides = int(call.param("width")), int(height)
    if min(sides) == 0:
        raise refused("No coords object")
    if max(sides) > MAX_SIDE:
        raise refused("Desired image is too large.")
    return *sides, cast(ImageFormat, image_format)


def zoom_level(text: str) -> int:
    """Read a zoom level.

    Raises:
        MapsError: 400, it is none.
    """
    if not _NATURAL.match(text) or len(text) > MAX_ZOOM_DIGITS:
        message = "It should be an integer number greather than or equal to 0"
        raise refused(f"Invalid zoom value ({text}). {message}")
    return int(text)


def bounds(text: str) -> Extent:
    """Read west, south, east and north in degrees.

    Raises:
        MapsError: 400, they are none.
    """
    parts = [number(part) for part in text.split(",")]
    if len(parts) != 4:
        raise refused(f"Invalid bbox ({text}). It should be west,south,east,north")
    west, south, east, north = parts
    return west, south, east, north


def fitted(edges: Extent, width: int, height: int) -> View:
    """Show a rectangle of degrees as large as whole zoom levels allow, around the middle of its degrees."""
    west, south, east, north = edges
    zoom = View.fitting(edges, width, height).zoom
    return View.centered(zoom, (west + east) / 2, (south + north) / 2, width, height)


def number(text: Any) -> float:
    """Read a coordinate.

    Raises:
        MapsError: 400, it is none.
    """
    try:
        value = float(text)
    except (TypeError, ValueError):
        value = float("nan")
    if not -1e9 < value < 1e9:
        raise refused(f"Invalid coordinate value ({text}). It should be a number")
    return value


def _in_databases(call: MapCall, layers: Sequence[Layer], template: str | None) -> list[LayerInDatabase]:
    """Say for each layer as whom it is read: those of named maps as the owner."""
    return [(layer, call.database(layer.as_owner or template is not None)) for layer in layers]


def _vector_response(tile: bytes, headers: dict[str, str]) -> Response:
    headers = {"x-tilelive-contains-data": "true" if tile else "false", **headers}
    return Response(tile, 200, headers, VECTOR_TILE_TYPE) if tile else Response(b"", 204, headers)


def _scaled(row: str) -> tuple[str, int]:
    match = _SCALED.match(row)
    if match is None:
        return row, 1
    if match.group(2) not in SCALES:
        raise refused("Tile with specified resolution not found", status=404)
    return match.group(1), int(match.group(2))


def _coordinates(zoom_text: str, column: str, row: str) -> tuple[int, int, int]:
    zoom = zoom_level(zoom_text)
    if not _INTEGER.match(column):
        raise refused(f"Invalid coodinate 'x' value ({column}). It should be an integer number")
    if not _NATURAL.match(row):
        message = "It should be an integer number greather than or equal to 0"
        raise refused(f"Invalid coodinate 'y' value ({row}). {message}")
    if int(row) >= 2**zoom:
        raise refused(f"Coordinates out of range: {zoom}/{column}/{row}")
    return zoom, int(column), int(row)
