"""Which layers of a map a URL names: none, all, a type, numbers or ids."""

from __future__ import annotations

import re

from carto.sandbox.mapconfig import LAYER_TYPES, Layer, MapConfig
from carto.sandbox.maps_errors import refused

_TYPES = frozenset(LAYER_TYPES.values())
_NUMBER = re.compile(r"-?\d{1,9}\Z")
_INDEX = re.compile(r"\d{0,9}\Z")


def chosen_layers(config: MapConfig, names: str | None, tile_format: str) -> list[Layer]:
    """Return the layers to draw.

    Args:
        config: The map.
        names: What the URL says; None without it, which means all layers that are drawn from queries.
        tile_format: png, png32, jpg or mvt.

    Raises:
        MapsError: 400, there are no such layers, or they have no such format.
    """
    if names is None or names in (*_TYPES, "torque"):
        kind = names or "mapnik"
        layers = [layer for layer in config.layers if layer.type == kind]
        if not layers or kind not in _TYPES:
            raise refused("No 'mapnik' layers in MapConfig")
        return _in_format(layers, tile_format)
    if names == "all":
        return _in_format([_drawable(layer) for layer in config.layers], tile_format)
    if _NUMBER.match(names):
        return _in_format([_drawable(_numbered(config, int(names)))], tile_format)
    layers = _listed(config, names)
    if not layers:
        raise refused(f"Unsupported format {tile_format}" if tile_format == "mvt" else "Invalid layer filtering")
    return _in_format([_drawable(layer) for layer in layers], tile_format)


def layer_number(text: str) -> int | None:
    """Read the number of a layer; None when it is none."""
    return int(text) if text and _INDEX.match(text) else None


def _numbered(config: MapConfig, number: int) -> Layer:
    if not 0 <= number < len(config.layers):
        raise refused(f"Layer '{number}' not found in layergroup")
    return config.layers[number]


def _listed(config: MapConfig, names: str) -> list[Layer]:
    """Return the layers of a list of numbers, or else of ids; none when something in it is neither."""
    parts = names.split(",")
    numbers = [int(part or "0") for part in parts if _INDEX.match(part)]
    if len(numbers) == len(parts):
        known = [config.layers[number] for number in numbers if number < len(config.layers)]
        return known if len(known) == len(parts) else []
    with_id = {layer.id: layer for layer in reversed(config.layers) if layer.has_own_id}
    return [with_id[part] for part in parts] if all(part in with_id for part in parts) else []


def _drawable(layer: Layer) -> Layer:
    if layer.type not in _TYPES:
        raise refused(f"Type for layer '{layer.index}' not supported")
    return layer


def _in_format(layers: list[Layer], tile_format: str) -> list[Layer]:
    if tile_format == "mvt":
        if any(layer.type != "mapnik" for layer in layers):
            raise refused(f"Unsupported format {tile_format}")
        return layers
    if any(layer.type == "mapnik" and layer.cartocss is None for layer in layers):
        raise refused("Unsupported format: 'cartocss' option is missing for png", type="tile")
    return layers
