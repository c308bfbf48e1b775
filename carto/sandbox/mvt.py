"""Vector tiles, made by PostGIS: clipped to the tile, with the columns of the layer's SQL."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from carto.sandbox.map_sql import ColumnType, Database, identifier, literal, with_tokens
from carto.sandbox.map_view import MAX_ZOOM, TILE_SIZE, Extent, View
from carto.sandbox.mapconfig import Layer
from carto.sandbox.maps_errors import MapsError, is_timeout, primary_message, refused, render_timeout

DEFAULT_EXTENT = 4096
DEFAULT_BUFFER = 0
_SHOWN_CATEGORIES = ("N", "S", "B")
_DATE_CATEGORY = "D"


async def vector_tile(layers: Sequence[tuple[Layer, Database]], zoom: int, x: int, y: int, buffer_px: int) -> bytes:
    """Make a tile.

    Args:
        layers: Layers to put into it, each with the database it is read from.
        zoom: Zoom level.
        x: Column; it wraps around the world.
        y: Row.
        buffer_px: How far beyond its edges the tile looks, in pixels.

    Returns:
        The tile; nothing when no feature is in it.

    Raises:
        MapsError: A layer can't be drawn or takes too long.
    """
    if zoom > MAX_ZOOM:
        return b""
    view = View.of_tile(zoom, x, y)
    drawn = [(layer, database) for layer, database in layers if layer.is_drawn_at(zoom)]
    return b"".join([await _layer(layer, database, view, buffer_px) for layer, database in drawn])


async def _layer(layer: Layer, database: Database, view: View, buffer_px: int) -> bytes:
    try:
        types = await database.columns(layer.sql)
    except psycopg.Error as error:
        raise _error("PgMvtFactory", error) from error
    try:
        (row,) = await database.rows(_statement(layer, types, view, buffer_px))
    except psycopg.Error as error:
        raise _error("PgMvtRenderer", error) from error
    return bytes(row["tile"])


def _statement(layer: Layer, types: dict[str, ColumnType], view: View, buffer_px: int) -> str:
    extent = layer.options.get("vector_extent", DEFAULT_EXTENT)
    buffer_units = round(buffer_px * extent / TILE_SIZE)
    west, south, east, north = view.extent
    margin = buffer_px * (east - west) / TILE_SIZE
    around = _envelope((west - margin, south - margin, east + margin, north + margin))
    geometry, looked_at = identifier(layer.geometry_column), around
    if layer.srid != 3857:
        looked_at = f"ST_Transform({around},{layer.srid})"
    drawn = _simplified(f"ST_Transform({geometry},3857)" if layer.srid != 3857 else geometry, layer, east - west)
    shape = f"ST_AsMVTGeom({drawn},{_envelope(view.extent)},{extent},{buffer_units},true) AS {identifier(_SHAPE)}"
    columns = ", ".join([shape, *_columns(layer, types)])
    return (
        f"SELECT ST_AsMVT(tile, {literal(layer.id)}, {extent}, {literal(_SHAPE)}) AS tile"  # noqa: S608 -- as checked
        f" FROM (SELECT {columns} FROM ({with_tokens(layer.sql, view)}) AS cdbq"
        f" WHERE {geometry} && {looked_at}) AS tile WHERE {identifier(_SHAPE)} IS NOT NULL"
    )


_SHAPE = "_carto_sandbox_shape"


def _columns(layer: Layer, types: dict[str, ColumnType]) -> list[str]:
    """Return the columns that features show: numbers, texts and booleans, and dates if they may be numbers."""
    shown = [identifier(name) for name, kind in types.items() if kind.category in _SHOWN_CATEGORIES]
    if layer.options.get("dates_as_numbers") is True:
        dates = [identifier(name) for name, kind in types.items() if kind.category == _DATE_CATEGORY]
        shown += [f"date_part('epoch', {name}) AS {name}" for name in dates]
    return shown


def _simplified(geometry: str, layer: Layer, width_m: float) -> str:
    extent = layer.options.get("vector_simplify_extent")
    return f"ST_Simplify({geometry},{width_m / extent!r},true)" if extent else geometry


def _envelope(extent: Extent) -> str:
    return f"ST_MakeEnvelope({','.join(map(repr, extent))},3857)"


def _error(stage: str, error: psycopg.Error) -> MapsError:
    if is_timeout(error):
        return render_timeout()
    return refused(f"{stage}: {primary_message(error)}")
