"""MapConfig: what a map consists of, as callers describe it; checking it and giving its parts their meaning."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from carto.sandbox import dataview_filters
from carto.sandbox.map_sql import layer_query
from carto.sandbox.maps_errors import MapsError, Problem, refused
from carto.sandbox.parameters import js_string

LOWEST_VERSION, HIGHEST_VERSION = (1, 0, 0), (1, 8, 0)
BUFFER_FORMATS = ("png", "grid.json", "mvt")
MAX_EXTENT = 2**31 - 1
LAYER_TYPES = {"mapnik": "mapnik", "cartodb": "mapnik", "http": "http", "plain": "plain"}
LEFT_OUT_TYPES = ("torque",)
PLACEMENTS = ("centroid", "point-grid", "point-sample")
AGGREGATES = ("sum", "avg", "min", "max", "mode", "count")
_VERSION = re.compile(r"\d+\.\d+\.\d+(?:[-+][0-9A-Za-z.+-]*)?\Z")

_OPTION_KINDS: dict[str, tuple[Any, str]] = {
    "source": (dict, "an object with the id of an analysis"),
    "sql_wrap": (str, "a text"),
    "geom_column": (str, "the name of a column"),
    "srid": (int, "a number"),
    "interactivity": ((list, str), "a list of columns"),
    "metadata": (dict, "an object"),
}
MAX_BUFFER_PX = 2048

Document = dict[str, Any]


@dataclass(frozen=True)
class Layer:
    """One layer of a map.

    Attributes:
        index: Its place in the map.
        type: mapnik, http or plain; whatever was asked for when nobody knows that type.
        id: Its id, or one made from type and number.
        has_own_id: Whether the map names the id.
        options: Its options.
        sql: Its query, after filters and wrapping; empty for http and plain layers.
        as_owner: Whether it is drawn with the rights of the account's owner.
    """

    index: int
    type: str
    id: str
    has_own_id: bool
    options: Document
    sql: str = ""
    as_owner: bool = False

    @property
    def cartocss(self) -> str | None:
        """The style, if the layer has one."""
        return self.options.get("cartocss")

    @property
    def geometry_column(self) -> str:
        """The column with the geometries."""
        return str(self.options.get("geom_column") or "the_geom_webmercator")

    @property
    def srid(self) -> int:
        """The coordinate system of the geometries."""
        return int(self.options.get("srid") or 3857)

    @property
    def context(self) -> Document:
        """How an error names the layer."""
        return {"id": self.id, "index": self.index, "type": self.type}

    def refused(self, message: str, **context: Any) -> MapsError:
        """Make an error of this layer."""
        return refused(message, **{"type": "layer", "layer": self.context, **context})

    def is_drawn_at(self, zoom: int) -> bool:
        """Tell whether the layer is visible at a zoom."""
        lowest, highest = self.options.get("minzoom"), self.options.get("maxzoom")
        above = not isinstance(lowest, (int, float)) or zoom >= lowest
        return above and (not isinstance(highest, (int, float)) or zoom <= highest)


@dataclass(frozen=True)
class MapConfig:
    """A map whose description makes sense.

    Attributes:
        document: The description, as it was sent but for the notation of interactivity.
        filters: Filters of dataviews, by the dataview's name.
        owner_layers: Numbers of the layers that are drawn with the owner's rights.
        template: Name and auth of the named map that this is an instance of.
    """

    document: Document
    filters: Document
    owner_layers: tuple[int, ...] = ()
    template: Document | None = None

    @classmethod
    def from_json(cls, stored: Document) -> MapConfig:
        """Build a map from what `as_json` gave."""
        return cls(stored["config"], stored["filters"], tuple(stored["owner_layers"]), stored["template"])

    def as_json(self) -> Document:
        """Return all of the map, for storing."""
        return {
            "config": self.document,
            "filters": self.filters,
            "owner_layers": list(self.owner_layers),
            "template": self.template,
        }

    @cached_property
    def layers(self) -> list[Layer]:
        """The layers, lowest first."""
        numbers: dict[str, int] = {}
        layers = []
        for index, described in enumerate(self.document["layers"]):
            kind = _layer_type(described)
            number = numbers[kind] = numbers.get(kind, -1) + 1
            layers.append(self._layer(index, kind, number, described))
        return layers

    @property
    def mapnik_layers(self) -> list[Layer]:
        """The layers that are drawn from queries."""
        return [layer for layer in self.layers if layer.type == "mapnik"]

    @property
    def is_vector_only(self) -> bool:
        """Whether there are layers with queries and none of them has a style."""
        return bool(self.mapnik_layers) and all(layer.cartocss is None for layer in self.mapnik_layers)

    @cached_property
    def nodes(self) -> Document:
        """The analysis nodes by id."""
        return {node["id"]: node for node in self.document.get("analyses") or [] if isinstance(node.get("id"), str)}

    @property
    def dataviews(self) -> Document:
        """The dataviews by name."""
        return self.document.get("dataviews") or {}

    def options_of(self, dataview: str) -> Document:
        """Return the options of a dataview."""
        options = self.dataviews[dataview].get("options")
        return options if isinstance(options, dict) else {}

    def buffer_size(self, tile_format: str, default: int) -> int:
        """Return how far beyond its edges a tile of some format looks, in pixels."""
        sizes = self.document.get("buffersize")
        size = sizes.get(tile_format) if isinstance(sizes, dict) else None
        return default if size is None else int(min(max(size, 0), MAX_BUFFER_PX))

    def node_query(self, node_id: str, names: set[str] | None = None) -> str:
        """Return the query of an analysis node.

        Args:
            node_id: The node.
            names: Dataviews whose filters apply; None for all.
        """
        query = layer_query(self.nodes[node_id]["params"]["query"])
        for name, chosen in self.filters.items():
            dataview = self.dataviews[name]
            if dataview["source"]["id"] == node_id and (names is None or name in names):
                query = dataview_filters.filtered(query, dataview["type"], self.options_of(name), chosen)
        return query

    def _layer(self, index: int, kind: str, number: int, described: Document) -> Layer:
        default_id = f"layer{number}" if kind == "mapnik" else f"{kind}-layer{number}"
        own_id = described.get("id")
        layer = Layer(index, kind, js_string(own_id) if own_id else default_id, bool(own_id), described["options"])
        if kind in ("http", "plain"):
            return layer
        source = layer.options.get("source")
        query = self.node_query(source["id"]) if source else str(layer.options.get("sql") or "")
        sql = layer_query(query, layer.options.get("sql_wrap"))
        return replace(layer, sql=sql, as_owner=index in self.owner_layers)


def checked(document: Any, filters: Any = None) -> MapConfig:
    """Check the description of a map.

    Args:
        document: The description.
        filters: Filters of dataviews and others, as sent.

    Raises:
        MapsError: It makes no sense; the message says what is wrong.
    """
    if not isinstance(document, dict) or not isinstance(document.get("layers"), list):
        raise refused("Missing layers array from layergroup config")
    for index, layer in enumerate(document["layers"]):
        _check_layer_form(index, layer)
    _check_version(document.get("version"))
    _check_buffer_sizes(document.get("buffersize"))
    _check_analyses(document.get("analyses"))
    normalized = {**document, "layers": [_normalized(layer) for layer in document["layers"]]}
    normalized |= {secret: "" for secret in ("api_key", "map_key") if secret in normalized}
    config = MapConfig(normalized, {})
    _check_dataviews(config)
    _check_sources(config)
    return replace(config, filters=dataview_filters.checked(filters, config.dataviews))


def check_layers(config: MapConfig) -> None:
    """Check the options of a map's layers.

    Raises:
        MapsError: An option is missing or makes no sense.
    """
    layers = config.mapnik_layers
    styled = [layer for layer in layers if layer.cartocss is not None]
    for layer in layers:
        _check_aggregation(layer)
        if layer.options.get("cartocss_version") is not None and layer.cartocss is None:
            raise layer.refused(f"Missing cartocss for layer {layer.index} options")
    if styled and len(styled) < len(layers):
        raise refused(
            "The `mapnik` or `cartodb` layers must be consistent: `cartocss` option is either present or voided in"
            " all layers. Mixing is not allowed.",
            type="mapconfig",
        )
    for layer in layers:
        _check_mapnik_options(layer)
    if layers and any(layer.type not in LAYER_TYPES.values() for layer in config.layers):
        unknown = next(layer for layer in config.layers if layer.type not in LAYER_TYPES.values())
        raise refused(f"Type for layer '{unknown.index}' not supported")


def _layer_type(described: Mapping[str, Any]) -> str:
    asked = js_string(described.get("type") or "mapnik")
    return LAYER_TYPES.get(asked, asked)


def _check_layer_form(index: int, layer: Any) -> None:
    if not isinstance(layer, dict):
        raise refused(f"Layer {index} of layergroup config is no object")
    options = layer.get("options")
    if not isinstance(options, dict):
        raise refused(f"Missing options from layer {index} of layergroup config")
    for name, (kind, words) in _OPTION_KINDS.items():
        value = options.get(name)
        if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
            raise refused(f"Option {name} of layer {index} must be {words}")
    if layer.get("type") in LEFT_OUT_TYPES:
        raise refused(f"Layer {index} is of type '{layer['type']}', which the sandbox does not have")


def _check_version(version: Any) -> None:
    if not version:  # it counts as 1.0.0
        return
    text = js_string(version)
    if not _VERSION.match(text):
        raise refused(f"Invalid Version: {text}")
    if not LOWEST_VERSION <= tuple(int(part) for part in text.split(".")[:3] if part.isdigit()) <= HIGHEST_VERSION:
        raise refused(f"Unsupported layergroup configuration version {text}")


def _check_buffer_sizes(sizes: Any) -> None:
    for name in BUFFER_FORMATS if isinstance(sizes, dict) else ():
        size = sizes.get(name, 0)
        if isinstance(size, bool) or not isinstance(size, (int, float)):
            raise refused(f'Buffer size of format "{name}" must be a number')


def _check_analyses(nodes: Any) -> None:
    if nodes is None:
        return
    if not isinstance(nodes, list) or not all(isinstance(node, dict) for node in nodes):
        raise refused('"analyses" must be an array of objects')
    for node in nodes:
        _check_node(node)


def _check_node(node: Mapping[str, Any]) -> None:
    kind = js_string(node.get("type"))
    context = {"id": node.get("id"), "node_id": node.get("id"), "type": kind}
    if kind != "source":
        known = f'Analysis type "{kind}" is none that the sandbox has: it has "source" only'
        unknown = f'Unknown analysis type: "{kind}"'
        raise refused(known if kind in OTHER_ANALYSES else unknown, type="analysis", analysis=context)
    params = node.get("params")
    query = params.get("query") if isinstance(params, dict) else None
    if query is None:
        raise refused('Missing required param "query"', type="analysis", analysis=context)
    if not isinstance(query, str):
        message = f'Invalid type for param "query", expects "string" type, got `{js_string(query)}`'
        raise refused(message, type="analysis", analysis=context)


OTHER_ANALYSES = frozenset(
    (
        "buffer", "trade-area", "kmeans", "filter-category", "filter-range", "filter-rank", "intersection",
        "aggregate-intersection", "merge", "moran", "centroid", "weighted-centroid", "convex-hull", "concave-hull",
        "bounding-box", "bounding-circle", "contour", "closest", "line-sequential", "line-source-to-target",
        "line-to-column", "line-to-single-point", "link-by-line", "routing-sequential",
        "routing-to-layer-all-to-all", "routing-to-single-point", "point-in-polygon", "filter-by-node-column",
        "filter-grouped-rank", "sampling", "spatial-markov-trend", "gravity", "population-in-area",
        "data-observatory-measure", "data-observatory-multiple-measures", "deprecated-sql-function",
        "georeference-admin-region", "georeference-city", "georeference-country", "georeference-ip-address",
        "georeference-long-lat", "georeference-postal-code", "georeference-street-address",
    )
)
"""Analyses that CARTO has and the sandbox has not."""


def _check_dataviews(config: MapConfig) -> None:
    dataviews = config.document.get("dataviews")
    if dataviews is not None and not isinstance(dataviews, dict):
        kind = {list: "array", str: "string", bool: "boolean"}.get(type(dataviews), "number")
        raise refused(f'"dataviews" must be a valid JSON object: "{kind}" type found')
    for name, dataview in config.dataviews.items():
        source = dataview.get("source") if isinstance(dataview, dict) else None
        if not isinstance(source, dict) or not source.get("id") or not isinstance(source["id"], str):
            raise refused(f'Dataview "{name}" is missing `source.id` attribute')
    missing = [
        Problem(
            f'Node with `source.id="{dataview["source"]["id"]}"` not found in analyses for dataview "{name}"',
            "analysis",
        )
        for name, dataview in config.dataviews.items()
        if dataview["source"]["id"] not in config.nodes
    ]
    if missing:
        raise MapsError(missing)


def _check_sources(config: MapConfig) -> None:
    for index, layer in enumerate(config.document["layers"]):
        source = layer["options"].get("source")
        node = source.get("id") if source else None
        if source is not None and (not isinstance(node, str) or node not in config.nodes):
            raise refused(f'Missing analysis node.id="{js_string(node)}" for layer={index}')


def _normalized(layer: Document) -> Document:
    """Write interactivity as a list."""
    interactivity = layer["options"].get("interactivity")
    if not isinstance(interactivity, str):
        return layer
    names = [name.strip() for name in interactivity.split(",") if name.strip()]
    return {**layer, "options": {**layer["options"], "interactivity": names}}


def _check_mapnik_options(layer: Layer) -> None:
    options = layer.options
    if options.get("source") is None and "sql" not in options:
        raise layer.refused(f"Missing sql for layer {layer.index} options")
    for name in ("sql", "cartocss"):
        if options.get(name, "") is None or not isinstance(options.get(name, ""), str):
            raise layer.refused(f"Option {name} of layer {layer.index} is no text")
    version = options.get("cartocss_version")
    if layer.cartocss is not None and version is None:
        raise layer.refused(f"Missing cartocss_version for layer {layer.index} options")
    if version is not None and not _VERSION.match(js_string(version)):
        raise layer.refused(f"Invalid Version: {js_string(version)}")
    for name in ("vector_extent", "vector_simplify_extent"):
        extent = options.get(name, 1)
        if isinstance(extent, bool) or not isinstance(extent, int) or not 1 <= extent <= MAX_EXTENT:
            raise refused(f"Invalid {name}. Must be between 1 and {MAX_EXTENT}")
    _check_attributes(layer)


def _check_attributes(layer: Layer) -> None:
    attributes = layer.options.get("attributes")
    if attributes is None:
        return
    if not isinstance(attributes, dict) or not isinstance(attributes.get("columns"), list):
        raise layer.refused(f"Attributes of layer {layer.index} need a list of columns")
    if not isinstance(attributes.get("id"), str):
        raise layer.refused(f"Attributes of layer {layer.index} need the name of the id column")


def _check_aggregation(layer: Layer) -> None:
    options = layer.options.get("aggregation")
    if not isinstance(options, dict):
        return
    for name in ("resolution", "threshold"):
        number = options.get(name, 1)
        if isinstance(number, bool) or not isinstance(number, (int, float)) or number <= 0:
            raise layer.refused(f"Invalid {name}, should be a number greather than 0")
    if options.get("placement", PLACEMENTS[0]) not in PLACEMENTS:
        raise layer.refused(f"Invalid placement. Valid values: {', '.join(PLACEMENTS)}")
    columns, filters = options.get("columns") or {}, options.get("filters") or {}
    if not isinstance(columns, dict) or not all(isinstance(column, dict) for column in columns.values()):
        raise layer.refused("Invalid columns of the aggregation, should be an object of objects")
    if not isinstance(filters, dict):
        raise layer.refused("Invalid filters of the aggregation, should be an object")
    for column in columns.values():
        if column.get("aggregate_function") not in AGGREGATES:
            raise layer.refused(f"Unsupported aggregation function {js_string(column.get('aggregate_function'))}")
        if not isinstance(column.get("aggregated_column"), str) or not column["aggregated_column"]:
            raise layer.refused("Invalid aggregated column, should be a non empty string")
    for name in filters:
        if name not in columns and name not in (options.get("dimensions") or {}):
            raise layer.refused(f"Invalid filtered column: {name}")
