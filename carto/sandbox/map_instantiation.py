"""Instantiating maps: checking that they can be drawn, keeping them, and telling about them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import psycopg
from starlette.responses import Response

from carto.sandbox import map_drawing, map_metadata, mapconfig, mvt, templates
from carto.sandbox.attributes import rows_as_json
from carto.sandbox.layer_stats import stats_of
from carto.sandbox.map_instances import token_of
from carto.sandbox.map_sql import Database, at_zoom_0, identifier, selected
from carto.sandbox.map_tables import MapTables, tables_of
from carto.sandbox.mapconfig import Layer, MapConfig
from carto.sandbox.maps_endpoint import MapCall
from carto.sandbox.maps_errors import MapsError, Problem, is_timeout, primary_message, refused, render_timeout
from carto.sandbox.parameters import js_string

DEFAULT_THRESHOLD = 100_000


@dataclass(frozen=True)
class Kept:
    """A map that can be drawn and is kept.

    Attributes:
        config: The map.
        token: What it is kept under.
        template_hash: Version of the template that it is an instance of; empty when it is none.
        tables: The tables that it reads.
    """

    config: MapConfig
    token: str
    template_hash: str
    tables: MapTables


async def keep(call: MapCall, config: MapConfig, template_hash: str = "") -> Kept:
    """Check that a map can be drawn, and keep it.

    Args:
        call: Who asks.
        config: The map.
        template_hash: Version of the template that it is an instance of.

    Raises:
        MapsError: It can't be drawn.
    """
    try:
        return await _kept(call, config, template_hash)
    except MapsError as error:
        raise _without_layers(error) if config.template is not None else error from None


async def answer(call: MapCall, kept: Kept) -> Response:
    """Tell about a map that was instantiated."""
    config = kept.config
    stats = {layer.index: await stats_of(layer, _database(call, config, layer)) for layer in config.mapnik_layers}
    updated_at = kept.tables.updated_at
    layergroup_id = map_metadata.layergroup_id(
        config, call.account.name, kept.template_hash, kept.token, updated_at
    )
    call.headers["X-Layergroup-Id"] = layergroup_id
    instance = map_metadata.Instance(config, layergroup_id, updated_at, stats, _aggregates(call))
    return call.answer(map_metadata.answer(instance, _base_url(call), call.sent_key))


async def with_named_layers(call: MapCall, document: Any) -> tuple[Any, tuple[int, ...]]:
    """Put the layers of named maps in the place of layers of the type ``named``.

    Args:
        call: Who asks.
        document: Description of a map.

    Returns:
        The description without such layers, and the numbers of the layers that came from named maps.

    Raises:
        MapsError: There is no such named map, or the caller may not see it.
    """
    layers = document.get("layers") if isinstance(document, dict) else None
    if not isinstance(layers, list) or not any(_is_named(layer) for layer in layers):
        return document, ()
    expanded: list[Any] = []
    from_templates: list[int] = []
    for layer in layers:
        added = await _named_layers(call, layer["options"]) if _is_named(layer) else [layer]
        if _is_named(layer):
            from_templates += range(len(expanded), len(expanded) + len(added))
        expanded += added
    return {**document, "layers": expanded}, tuple(from_templates)


def check_aggregation_parameter(call: MapCall) -> None:
    """Check the parameter ``aggregation``.

    Raises:
        MapsError: It is neither true nor false.
    """
    asked = call.query.get("aggregation", "true")
    if asked not in ("true", "false"):
        shown = js_string(asked)
        raise refused(f"Invalid value for 'aggregation' query param: {shown}. Valid ones are 'true' or 'false'")


async def _kept(call: MapCall, config: MapConfig, template_hash: str) -> Kept:
    mapconfig.check_layers(config)
    await _check_nodes(call, config)
    if not config.is_vector_only:
        for layer in config.mapnik_layers:
            await _check_names(_database(call, config, layer), layer)
    tables = await tables_of(config, call.database(as_owner=True))
    role = call.account.master_key.role if config.template is not None else call.key.role
    token = token_of(config, call.account.database, role)
    call.headers["Carto-Map-Id"] = token
    if not await call.maps.instances.knows(token):
        await _check_drawing(call, config)
    await call.maps.instances.add(token, config)
    return Kept(config, token, template_hash, tables)


def _database(call: MapCall, config: MapConfig, layer: Layer) -> Database:
    return call.database(as_owner=layer.as_owner or config.template is not None)


async def _check_nodes(call: MapCall, config: MapConfig) -> None:
    database = call.database(as_owner=config.template is not None)
    for name, node in config.nodes.items():
        context = {"id": name, "type": node["type"]}
        try:
            await database.rows(f"EXPLAIN {at_zoom_0(config.node_query(name))}")
        except psycopg.errors.InsufficientPrivilege as error:
            message = "Analysis requires authentication with API key: permission denied."
            raise refused(message, type="analysis", analysis=context) from error
        except psycopg.Error as error:
            context = {"id": name, "node_id": name, "type": node["type"]}
            raise refused(primary_message(error), type="analysis", analysis=context) from error


async def _check_names(database: Database, layer: Layer) -> None:
    try:
        await database.check_names(layer.sql)
    except psycopg.Error as error:
        raise refused(primary_message(error)) from error


async def _check_drawing(call: MapCall, config: MapConfig) -> None:
    for layer in config.mapnik_layers:
        database = _database(call, config, layer)
        if config.is_vector_only:
            await mvt.vector_tile([(layer, database)], map_drawing.DEEPEST_TILE.zoom, 0, 0, 0)
        else:
            await map_drawing.check(call.maps, layer, database)
        await _check_aggregation(layer, database)
        await _check_columns(layer, database)


async def _check_columns(layer: Layer, database: Database) -> None:
    """See whether the columns exist that the layer's interactivity and attributes name."""
    interactive = [str(name) for name in layer.options.get("interactivity") or ()]
    if layer.cartocss is not None and interactive:
        await _check_existence(layer, database, interactive, "Postgis Plugin: ERROR:  ", {"subtype": "query"})
    exposed = layer.options.get("attributes")
    if exposed:
        await _check_existence(layer, database, [*map(str, exposed["columns"]), exposed["id"]])


async def _check_existence(
    layer: Layer, database: Database, columns: list[str], prefix: str = "", context: dict[str, str] | None = None
) -> None:
    names = ", ".join(map(identifier, columns))
    try:
        await rows_as_json(database, f"SELECT {names} FROM ({selected(layer.sql)}) AS _windshaft_subquery LIMIT 0")  # noqa: S608
    except psycopg.Error as error:
        if is_timeout(error):
            raise render_timeout(layer=layer.context) from error
        raise layer.refused(prefix + primary_message(error), **(context or {})) from error


async def _check_aggregation(layer: Layer, database: Database) -> None:
    """Refuse a layer whose points would have to be aggregated, as the sandbox can't do that."""
    options = layer.options.get("aggregation")
    if not options:
        return
    threshold = options.get("threshold", DEFAULT_THRESHOLD) if isinstance(options, dict) else DEFAULT_THRESHOLD
    if await database.estimated_rows(layer.sql) <= threshold:
        return
    geometry = identifier(layer.geometry_column)
    source = f"({selected(layer.sql)}) AS source WHERE {geometry} IS NOT NULL"
    found = await database.rows(f"SELECT ST_GeometryType({geometry}) AS type FROM {source} LIMIT 1")  # noqa: S608
    if found and found[0]["type"] == "ST_Point":
        raise layer.refused(
            f"Layer {layer.index} has more points than the threshold of its aggregation ({threshold}),"
            " and the sandbox does not aggregate points: leave the option out or raise the threshold"
        )


def _without_layers(error: MapsError) -> MapsError:
    """Leave the layers out of an error, as only whoever wrote the map may know them."""
    problems = [
        Problem(problem.message, "unknown") if problem.type == "layer" else replace(problem, layer=None)
        for problem in error.problems
    ]
    return MapsError(problems, error.status)


def _is_named(layer: Any) -> bool:
    return isinstance(layer, dict) and layer.get("type") == "named"


async def _named_layers(call: MapCall, options: Any) -> list[Any]:
    name = options.get("name") if isinstance(options, dict) else None
    if not name:
        raise refused("Missing Named Map `name` in layer options")
    template = await call.maps.templates.get(call.account.name, js_string(name))
    if template is None:
        raise refused(f"Template '{js_string(name)}' of user '{call.account.name}' not found", status=404)
    sent = options.get("auth_tokens")
    tokens = [js_string(token) for token in sent] if isinstance(sent, list) else []
    if not templates.is_authorized(template["auth"], tokens):
        raise refused(f"Unauthorized '{js_string(name)}' template instantiation", status=403)
    params = options.get("config")
    config = templates.instantiated(template, params if isinstance(params, dict) else {})
    if any(_is_named(layer) for layer in config["layers"]):
        raise refused("Nested named layers are not allowed")
    if any(layer["options"].get("source") for layer in config["layers"]):
        raise refused("Named layers with analyses are none that the sandbox has")
    return list(config["layers"])


def _aggregates(call: MapCall) -> bool:
    return bool(call.query.get("aggregation", "true") == "true")


def _base_url(call: MapCall) -> str:
    url = call.request.url
    host = call.request.headers.get("host") or url.netloc
    return f"{url.scheme}://{host}/{call.account.name}/api/v1/map"
