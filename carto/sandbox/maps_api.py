"""Anonymous maps: making instances, and the tiles, images, attributes and dataviews of any map's instances."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from carto.sandbox import dataview_filters, dataviews, map_instantiation, map_tiles, mapconfig, parameters
from carto.sandbox.attributes import attributes_of
from carto.sandbox.endpoint import Endpoint
from carto.sandbox.errors import ApiError
from carto.sandbox.layer_filter import layer_number
from carto.sandbox.map_tables import tables_of
from carto.sandbox.map_view import View
from carto.sandbox.mapconfig import MapConfig
from carto.sandbox.maps_endpoint import MapCall, MapToken, map_routes, maps_endpoint
from carto.sandbox.maps_errors import refused
from carto.sandbox.maps_services import MapsServices


def routes(maps: MapsServices) -> list[Route]:
    """Return the routes of this module; those of named maps come before them."""

    def read(path: str, group: str, handler: Any) -> list[Route]:
        return map_routes(path, {"GET": maps_endpoint(maps, group, handler)})

    def instantiation(handler: Any) -> Endpoint:
        return maps_endpoint(maps, "anonymous", handler)

    return [
        *map_routes("", {"GET": instantiation(instantiate_by_get), "POST": instantiation(instantiate_by_post)}),
        *read("/static/center/{token}/{z}/{lat}/{lng}/{width}/{height}", "static", static_center),
        *read("/static/bbox/{token}/{bbox}/{width}/{height}", "static", static_bbox),
        *read("/analyses/catalog", "analysis_catalog", not_here),
        *read("/{token}/analysis/node/{node}", "analysis", not_here),
        *read("/{token}/dataview/{name}", "dataview", read_dataview),
        *read("/{token}/{layer}/widget/{name}", "dataview", read_dataview),
        *read("/{token}/dataview/{name}/search", "dataview_search", search_dataview),
        *read("/{token}/{layer}/widget/{name}/search", "dataview_search", search_dataview),
        *read("/{token}/{layer}/attributes/{feature}", "attributes", read_attributes),
        *read("/{token}/{layer}/{z}/cluster/{cluster}", "attributes", not_here),
        *read("/{token}/{z}/{x}/{tile}", "tile", read_tile),
        *read("/{token}/{layer}/{z}/{x}/{tile}", "tile", read_tile_of_layers),
    ]


async def instantiate_by_post(call: MapCall) -> Response:
    """Instantiate the map in the body."""
    if not call.is_json:
        raise refused("POST data must be of type application/json")
    return await map_instantiation.answer(call, await map_instantiation.keep(call, await _config(call, call.body)))


async def instantiate_by_get(call: MapCall) -> Response:
    """Instantiate the map in the parameter ``config``."""
    if call.request.method == "HEAD":
        raise refused("POST data must be of type application/json")
    text = call.query.get("config")
    if not text:
        raise refused('layergroup GET needs a "config" parameter')
    try:
        document = parameters.parse_json(parameters.js_string(text))
    except ApiError as error:
        raise refused(error.message) from error
    kept = await map_instantiation.keep(call, await _config(call, document))
    call.headers |= kept.tables.instantiation_headers(call.account.database)
    return await map_instantiation.answer(call, kept)


async def read_tile(call: MapCall) -> Response:
    """Answer a tile of all layers that are drawn from queries."""
    return await map_tiles.tile(call, await _kept_map(call), None)


async def read_tile_of_layers(call: MapCall) -> Response:
    """Answer a tile of some layers."""
    return await map_tiles.tile(call, await _kept_map(call), call.param("layer"))


async def static_center(call: MapCall) -> Response:
    """Answer a picture of what is around a point."""
    width, height, image_format = map_tiles.image_size(call)
    zoom = map_tiles.zoom_level(call.param("z"))
    latitude, longitude = map_tiles.number(call.param("lat")), map_tiles.number(call.param("lng"))
    view = View.centered(zoom, longitude, latitude, width, height)
    return await map_tiles.static_image(call, await _kept_map(call), view, image_format)


async def static_bbox(call: MapCall) -> Response:
    """Answer a picture of a rectangle."""
    width, height, image_format = map_tiles.image_size(call)
    view = map_tiles.fitted(map_tiles.bounds(call.param("bbox")), width, height)
    return await map_tiles.static_image(call, await _kept_map(call), view, image_format)


async def read_attributes(call: MapCall) -> Response:
    """Answer the attributes of a feature."""
    config = await _kept_map(call)
    token = MapToken.parse(call.param("token")).token
    layer = call.param("layer")
    as_owner = layer_number(layer) in config.owner_layers
    text = await attributes_of(config, token, layer, call.param("feature"), call.database(as_owner))
    return await _data(call, config, parameters.parse_json(text))


async def read_dataview(call: MapCall) -> Response:
    """Answer what a dataview shows."""
    config = await _kept_map(call)
    return await _data(call, config, await dataviews.read(config, call.param("name"), call.query, call.database()))


async def search_dataview(call: MapCall) -> Response:
    """Answer the categories of a dataview in which a text is found."""
    config = await _kept_map(call)
    return await _data(call, config, await dataviews.search(config, call.param("name"), call.query, call.database()))


async def not_here(call: MapCall) -> Response:
    """Refuse what the sandbox leaves out."""
    raise refused(f"The sandbox has neither analyses nor clusters: cannot answer {call.request.url.path}")


async def _config(call: MapCall, document: Any) -> MapConfig:
    map_instantiation.check_aggregation_parameter(call)
    expanded, from_templates = await map_instantiation.with_named_layers(call, document)
    config = mapconfig.checked(expanded, dataview_filters.parsed(call.query.get("filters")))
    return replace(config, owner_layers=from_templates)


async def _kept_map(call: MapCall) -> MapConfig:
    token = MapToken.parse(call.param("token")).token
    config = await call.maps.instances.get(token)
    call.headers["Carto-Map-Id"] = token
    return config


async def _data(call: MapCall, config: MapConfig, content: Any) -> Response:
    tables = await tables_of(config, call.database(as_owner=True))
    call.headers |= tables.tile_headers(call.account.database)
    return call.answer(content)
