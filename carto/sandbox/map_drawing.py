"""Drawing a map's layers: what the renderer needs for each, and its errors in the words of the Maps API."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

from carto.sandbox.cartocss import CartoCssError, parse_cartocss
from carto.sandbox.css_colors import color_of_option
from carto.sandbox.map_sql import Database
from carto.sandbox.map_view import MAX_ZOOM, View
from carto.sandbox.mapconfig import Layer
from carto.sandbox.mapnik_style import DEFAULT_BUFFER_PX, MapnikLayer
from carto.sandbox.maps_errors import MapsError, refused, render_timeout
from carto.sandbox.maps_services import MapsServices
from carto.sandbox.rendering import (
    RENDER_LIMIT_S,
    ImageFormat,
    Picture,
    PlainPicture,
    RendererMissingError,
    RenderError,
    RenderTimeoutError,
    TilePicture,
    has_mapnik,
)

RENDER_LIMIT_MS = int(RENDER_LIMIT_S * 1000)
DEEPEST_TILE = View.of_tile(MAX_ZOOM, 0, 0)
DEFAULT_SUBDOMAINS = ("a", "b", "c")

LayerInDatabase = tuple[Layer, Database]


async def image(
    maps: MapsServices,
    layers: Sequence[LayerInDatabase],
    view: View,
    image_format: ImageFormat = "png",
    buffer_px: int = DEFAULT_BUFFER_PX,
) -> bytes:
    """Draw layers over each other.

    Args:
        maps: Has the renderer.
        layers: Layers, the first one lowest, each with the database it is read from.
        view: What to show.
        image_format: png or jpg.
        buffer_px: How far around it features are looked for, in pixels.

    Raises:
        MapsError: A layer can't be drawn or takes too long.
    """
    drawn = [(layer, database) for layer, database in layers if layer.is_drawn_at(view.zoom)]
    if view.zoom > MAX_ZOOM:
        drawn, view = [], replace(DEEPEST_TILE, width=view.width, height=view.height, scale=view.scale)
    try:
        pictures = [await _picture(maps, together, buffer_px) for together in _drawn_together(drawn)]
        return await maps.renderer.draw(pictures or [PlainPicture()], view, image_format)
    except RenderTimeoutError as error:
        raise render_timeout() from error
    except RendererMissingError as error:
        raise refused(str(error), status=501) from error
    except RenderError as error:
        raise refused(str(error)) from error


async def check(maps: MapsServices, layer: Layer, database: Database) -> None:
    """Draw a layer once, where there is hardly anything to draw; without Mapnik, at least read its style.

    Raises:
        MapsError: Its style or query is wrong.
    """
    try:
        if has_mapnik():
            await image(maps, [(layer, database)], DEEPEST_TILE)
        else:
            _mapnik_layer(layer, database)
    except MapsError as error:
        raise _of_layer(error, layer) from error


def _of_layer(error: MapsError, layer: Layer) -> MapsError:
    (problem,) = error.problems
    if problem.type == "limit":
        return render_timeout(layer=layer.context)
    context: dict[str, Any] = {"subtype": "query"} if "Postgis Plugin" in problem.message else {}
    return layer.refused(problem.message, status=error.status, **context)


def _drawn_together(layers: Sequence[LayerInDatabase]) -> Iterator[list[LayerInDatabase]]:
    """Part layers into rows that Mapnik draws at once, so that their labels keep clear of each other, and the rest."""
    for by_mapnik, group in groupby(layers, key=lambda each: each[0].type == "mapnik"):
        row = list(group)
        yield from [row] if by_mapnik else [[each] for each in row]


async def _picture(maps: MapsServices, layers: Sequence[LayerInDatabase], buffer_px: int) -> Picture:
    layer = layers[0][0]
    if layer.type == "plain":
        return _plain(layer)
    if layer.type == "http":
        return _tiles(layer)
    return await maps.renderer.map_picture([_mapnik_layer(*each) for each in layers], buffer_px)


def _mapnik_layer(layer: Layer, database: Database) -> MapnikLayer:
    try:
        sheet = parse_cartocss(layer.cartocss or "")
    except CartoCssError as error:
        raise refused(error.text("style0")) from error
    return MapnikLayer(
        layer.id,
        layer.sql,
        sheet,
        database.conninfo,
        geometry_column=layer.geometry_column,
        srid=layer.srid,
        # A query must not go on when nobody waits for its picture any more.
        statement_timeout_ms=min(database.statement_timeout_ms or RENDER_LIMIT_MS, RENDER_LIMIT_MS),
    )


def _plain(layer: Layer) -> PlainPicture:
    color, image_url = layer.options.get("color"), layer.options.get("imageUrl")
    if color is None and not image_url:
        raise refused("Plain layer: at least one of the options, `color` or `imageUrl`, must be provided.")
    if image_url:
        return PlainPicture(image_url=str(image_url))
    try:
        return PlainPicture(color_of_option(color or ""))
    except ValueError as error:
        raise refused(str(error)) from error


def _tiles(layer: Layer) -> TilePicture:
    template, subdomains = layer.options.get("urlTemplate"), layer.options.get("subdomains")
    if not isinstance(template, str):
        raise refused('Missing mandatory "urlTemplate" option')
    named = [str(name) for name in subdomains] if isinstance(subdomains, (list, str)) else list(DEFAULT_SUBDOMAINS)
    return TilePicture(template, named, bool(layer.options.get("tms")))
