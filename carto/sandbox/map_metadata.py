"""What the answer to an instantiation says about a map: its layers, their numbers, and where tiles and data are."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote

from carto.sandbox.mapconfig import Layer, MapConfig

TILEJSON_VERSION = "2.2.0"
_EPOCH = datetime.fromtimestamp(0, timezone.utc)

Document = dict[str, Any]


@dataclass(frozen=True)
class Instance:
    """A map that was instantiated.

    Attributes:
        config: The map.
        layergroup_id: The token by which it is asked for.
        updated_at: When its data last changed, if that is known.
        stats: Statistics of the layers drawn from queries, by the layer's number.
        aggregates: Whether layers that do not say so may be aggregated.
    """

    config: MapConfig
    layergroup_id: str
    updated_at: datetime | None
    stats: dict[int, Document]
    aggregates: bool


def answer(instance: Instance, base: str, key: str) -> Document:
    """Describe an instance of a map.

    Args:
        instance: The instance.
        base: URL of the account's maps.
        key: API key that was sent, which tiles need as well; empty when none was.
    """
    config, layergroup_id = instance.config, instance.layergroup_id
    url = f"{base}/{layergroup_id}"
    parameters = f"?api_key={quote(key, safe='')}" if key else ""
    known = [layer for layer in config.layers if layer.type in ("mapnik", "http", "plain")]
    tiles = {kind: f"{url}/{{z}}/{{x}}/{{y}}.{extension}{parameters}" for kind, extension in _tile_kinds(config)}
    return {
        "layergroupid": layergroup_id,
        "metadata": {
            "layers": [_layer(layer, instance, url, parameters) for layer in known],
            "dataviews": {name: {"url": _urls(f"{url}/dataview/{quote(name)}")} for name in config.dataviews},
            "analyses": _analyses(config, url),
            "tilejson": {kind: _tilejson([template]) for kind, template in tiles.items()},
            "url": {kind: {"urlTemplate": template, "subdomains": []} for kind, template in tiles.items()},
        },
        "cdn_url": {"http": _host(base), "https": _host(base)},
        "last_updated": _iso(instance.updated_at or _EPOCH),
    }


def layergroup_id(config: MapConfig, account: str, template_hash: str, token: str, updated_at: datetime | None) -> str:
    """Join the parts of a token.

    Args:
        config: The map.
        account: Name of the account.
        template_hash: Version of the template, when the map is an instance of one.
        token: What the map is kept under.
        updated_at: When its data last changed, if that is known.
    """
    signature = f"{account}@{template_hash}@" if config.template is not None else ""
    return f"{signature}{token}:{milliseconds(updated_at)}"


def milliseconds(time: datetime | None) -> int:
    """Return a time in milliseconds since 1970; 0 for none."""
    return 0 if time is None else (time - _EPOCH) // timedelta(milliseconds=1)


def _tile_kinds(config: MapConfig) -> Iterable[tuple[str, str]]:
    if not config.mapnik_layers:
        return ()
    kinds = [("vector", "mvt"), ("raster", "png")]
    return kinds[:1] if config.is_vector_only else kinds


def _layer(layer: Layer, instance: Instance, url: str, parameters: str) -> Document:
    place = f"{url}/{quote(layer.id, safe='')}/{{z}}/{{x}}/{{y}}"
    if layer.type != "mapnik":
        raster = {"raster": _tilejson([f"{place}.png{parameters}"])}
        return {"type": layer.type, "id": layer.id, "meta": {"stats": {}}, "tilejson": raster}
    meta: Document = {} if layer.cartocss is None else {"cartocss": layer.cartocss}
    meta["stats"] = instance.stats.get(layer.index, {})
    if layer.cartocss is not None:
        meta["cartocss_meta"] = {"rules": []}
    if _tells_aggregation(layer, instance):
        meta["aggregation"] = {"png": False, "mvt": False}
    kinds = _tile_kinds(instance.config)
    tilejson = {kind: _tilejson([f"{place}.{extension}{parameters}"]) for kind, extension in kinds}
    if layer.options.get("interactivity") and "raster" in tilejson:
        tilejson["raster"]["grids"] = [f"{place}.grid.json{parameters}"]
    return {"type": layer.type, "id": layer.id, "meta": meta, "tilejson": tilejson}


def _tells_aggregation(layer: Layer, instance: Instance) -> bool:
    if layer.options.get("aggregation", instance.aggregates) is False:
        return False
    return instance.config.is_vector_only or "aggregation" in layer.options


def _analyses(config: MapConfig, url: str) -> list[Document]:
    if not config.nodes:
        return []
    nodes = {}
    for name in config.nodes:
        query = config.node_query(name)
        digest = hashlib.sha1(query.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()
        nodes[name] = {"status": "ready", "url": _urls(f"{url}/analysis/node/{digest}")}
        if config.template is None:
            nodes[name]["query"] = query
    return [{"nodes": nodes}]


def _urls(url: str) -> Document:
    return {"http": url, "https": url}


def _tilejson(tiles: list[str]) -> Document:
    return {"tilejson": TILEJSON_VERSION, "tiles": tiles}


def _host(base: str) -> str:
    return base.split("/")[2]


def _iso(time: datetime) -> str:
    utc = time.astimezone(timezone.utc)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"
