"""Named maps: the templates of an account, their instances, and tiles and images straight from a template."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from carto.sandbox import dataview_filters, map_instantiation, map_tiles, mapconfig, parameters, templates
from carto.sandbox.endpoint import Endpoint
from carto.sandbox.errors import ApiError
from carto.sandbox.map_instantiation import Kept
from carto.sandbox.map_sql import at_zoom_0, identifier
from carto.sandbox.map_view import Extent, View
from carto.sandbox.mapconfig import MapConfig
from carto.sandbox.maps_endpoint import MapCall, map_routes, maps_endpoint
from carto.sandbox.maps_errors import MapsError, refused
from carto.sandbox.maps_services import MapsServices
from carto.sandbox.query_tables import surrogate_key
from carto.sandbox.template_store import MAX_TEMPLATES
from carto.sandbox.templates import Template

WARNING_SHARE = 0.9


def routes(maps: MapsServices) -> list[Route]:
    """Return the routes of this module."""

    def owner(group: str, handler: Any, action: str) -> Endpoint:
        return maps_endpoint(maps, group, handler, access="administration", action=action)

    def public(group: str, handler: Any) -> Endpoint:
        return maps_endpoint(maps, group, handler, access="template")

    return [
        *map_routes(
            "/named",
            {"POST": owner("named_create", create, "create"), "GET": owner("named_list", list_names, "list")},
        ),
        *map_routes(
            "/named/{template}",
            {
                "POST": public("named", instantiate),
                "PUT": owner("named_update", update, "update"),
                "GET": owner("named_get", show, "get"),
                "DELETE": owner("named_delete", delete, "delete"),
            },
        ),
        *map_routes("/named/{template}/jsonp", {"GET": public("named", instantiate_by_get)}),
        *map_routes("/named/{template}/{layer}/{z}/{x}/{tile}", {"GET": public("named_tiles", read_tile)}),
        *map_routes("/static/named/{template}/{width}/{height}", {"GET": public("static_named", static_image)}),
    ]


async def create(call: MapCall) -> Response:
    """Keep a new template."""
    template = _sent_template(call)
    await call.maps.templates.add(call.account.name, template)
    return call.answer({"template_id": template["name"], **await _warning(call)})


async def list_names(call: MapCall) -> Response:
    """Answer the names of all templates."""
    return call.answer({"template_ids": await call.maps.templates.names(call.account.name)})


async def show(call: MapCall) -> Response:
    """Answer a template."""
    template = await call.maps.templates.get(call.account.name, _name(call))
    if template is None:
        raise refused(f"Cannot find template '{_name(call)}' of user '{call.account.name}'", status=404)
    return call.answer({"template": template})


async def update(call: MapCall) -> Response:
    """Keep a template in place of another of the same name."""
    template = _sent_template(call)
    if template["name"] != _name(call):
        raise refused(f"Cannot update name of a map template ('{_name(call)}' != '{template['name']}')")
    if not await call.maps.templates.replace(call.account.name, template):
        raise _does_not_exist(call)
    return call.answer({"template_id": template["name"]})


async def delete(call: MapCall) -> Response:
    """Forget a template; its instances live on."""
    if not await call.maps.templates.remove(call.account.name, _name(call)):
        raise _does_not_exist(call)
    return Response(status_code=204, headers=call.headers)


async def instantiate(call: MapCall) -> Response:
    """Instantiate a template with the values in the body."""
    if not call.is_json:
        raise refused("POST data must be of type application/json")
    return await map_instantiation.answer(call, await _kept(call, call.body))


async def instantiate_by_get(call: MapCall) -> Response:
    """Instantiate a template with the values in the parameter ``config``, for scripts on pages."""
    if not call.query.get("callback"):
        raise refused("callback parameter should be present and be a function name")
    kept = await _kept(call, _params(call, "Invalid config parameter, should be a valid JSON"))
    keys = kept.tables.instantiation_headers(call.account.database, _cache_name(call))
    call.headers |= keys
    return await map_instantiation.answer(call, kept)


async def read_tile(call: MapCall) -> Response:
    """Answer a tile of a template."""
    kept = await _kept(call, _params(call, "malformed config parameter, should be a valid JSON"))
    return await map_tiles.tile(call, kept.config, call.param("layer"), _cache_name(call))


async def static_image(call: MapCall) -> Response:
    """Answer a picture of a template: of the place in the URL, or else of what the template's view shows."""
    width, height, image_format = map_tiles.image_size(call)
    kept = await _kept(call, _params(call, "malformed config parameter, should be a valid JSON"))
    shown = (await _template(call)).get("view")
    described = shown if isinstance(shown, dict) else {}
    view = await _view(call, kept.config, described, width, height)
    config = kept.config if "layer" in call.query else _previewed(kept.config, described)
    return await map_tiles.static_image(call, config, view, image_format, _cache_name(call))


def _sent_template(call: MapCall) -> Template:
    if not call.is_json:
        raise refused(f"{call.request.method} template data must be of type application/json")
    return templates.checked(call.body)


async def _warning(call: MapCall) -> dict[str, str]:
    """Warn an account once when it is close to the limit."""
    count = len(await call.maps.templates.names(call.account.name))
    if count != int(MAX_TEMPLATES * WARNING_SHARE) + 3:
        return {}
    return {"limit_message": f"User {call.account.name} reaching the named maps limit"}


def _name(call: MapCall) -> str:
    """Return the name of the template in the path; ``user@`` before it says nothing."""
    return call.param("template").rpartition("@")[2]


def _cache_name(call: MapCall) -> str:
    return f"{call.account.name}:{_name(call)}"


async def _template(call: MapCall) -> Template:
    template = await call.maps.templates.get(call.account.name, _name(call))
    if template is None:
        raise refused(f"Template '{_name(call)}' of user '{call.account.name}' not found", status=404)
    return template


async def _kept(call: MapCall, params: Any) -> Kept:
    """Instantiate the template of the path for somebody who may.

    Raises:
        MapsError: There is no such template, the caller may not see it, or it can't be drawn.
    """
    template = await _template(call)
    if not templates.is_authorized(template["auth"], call.auth_tokens):
        raise refused("Unauthorized template instantiation", status=403)
    map_instantiation.check_aggregation_parameter(call)
    version = templates.hash_of(template)
    document = templates.instantiated(template, params if isinstance(params, dict) else {})
    call.headers["Carto-Template-Hash"] = version
    call.headers["Surrogate-Key"] = f"n:{surrogate_key(_cache_name(call)).removeprefix('t:')}"
    expanded, _ = await map_instantiation.with_named_layers(call, document)
    config = mapconfig.checked(expanded, dataview_filters.parsed(call.query.get("filters")))
    kept_template = {"name": template["name"], "auth": template["auth"]}
    return await map_instantiation.keep(call, replace(config, template=kept_template), version)


def _params(call: MapCall, message: str) -> Any:
    text = call.query.get("config")
    if not text:
        return {}
    try:
        return parameters.parse_json(parameters.js_string(text))
    except ApiError as error:
        raise refused(message) from error


def _does_not_exist(call: MapCall) -> MapsError:
    return refused(f"Template '{_name(call)}' of user '{call.account.name}' does not exist", status=404)


async def _view(call: MapCall, config: MapConfig, described: dict[str, Any], width: int, height: int) -> View:
    """Return what a picture shows: what the URL says, the template, or else all of the data."""
    query = call.query
    if all(name in query for name in ("zoom", "lon", "lat")):
        longitude, latitude = map_tiles.number(query["lon"]), map_tiles.number(query["lat"])
        return View.centered(map_tiles.zoom_level(str(query["zoom"])), longitude, latitude, width, height)
    if "bbox" in query:
        return map_tiles.fitted(map_tiles.bounds(str(query["bbox"])), width, height)
    zoom, center, edges = query.get("zoom", described.get("zoom")), described.get("center"), described.get("bounds")
    if zoom is not None and isinstance(center, dict):
        longitude, latitude = map_tiles.number(center.get("lng")), map_tiles.number(center.get("lat"))
        return View.centered(map_tiles.zoom_level(parameters.js_string(zoom)), longitude, latitude, width, height)
    if isinstance(edges, dict):
        west, south, east, north = (map_tiles.number(edges.get(name)) for name in ("west", "south", "east", "north"))
        return map_tiles.fitted((west, south, east, north), width, height)
    extent = await _extent(call, config)
    return map_tiles.fitted(extent, width, height) if extent else View.centered(1, 0, 0, width, height)


async def _extent(call: MapCall, config: MapConfig) -> Extent | None:
    """Return the rectangle around all features, in degrees."""
    queries = [
        f"SELECT ST_Transform(ST_SetSRID({identifier(layer.geometry_column)}, {layer.srid}), 4326) AS shape"  # noqa: S608 -- checked
        f" FROM ({at_zoom_0(layer.sql)}) AS source"
        for layer in config.mapnik_layers
    ]
    if not queries:
        return None
    (row,) = await call.database(as_owner=True).rows(
        "SELECT ST_XMin(box) AS west, ST_YMin(box) AS south, ST_XMax(box) AS east, ST_YMax(box) AS north"  # noqa: S608
        f" FROM (SELECT ST_Extent(shape) AS box FROM ({' UNION ALL '.join(queries)}) AS shapes) AS extent"
    )
    return None if row["west"] is None else (row["west"], row["south"], row["east"], row["north"])


def _previewed(config: MapConfig, described: dict[str, Any]) -> MapConfig:
    """Leave out the layers that the template's preview hides, unless it hides all of them."""
    preview = described.get("preview_layers")
    hidden = {name for name, shown in preview.items() if shown is False} if isinstance(preview, dict) else set()
    layers = [
        described
        for layer, described in zip(config.layers, config.document["layers"], strict=True)
        if str(layer.index) not in hidden and layer.id not in hidden
    ]
    return replace(config, document={**config.document, "layers": layers}) if layers else config
