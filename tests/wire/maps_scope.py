"""Which recorded exchanges use what the sandbox's Maps API leaves out, and why each is not compared."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from tests.wire.transcript import Exchange

GRIDS = "UTFGrid: the sandbox has no grid.json"
TORQUE = "Torque: the sandbox has neither its layers nor its tiles"
ANALYSES = "analyses: the sandbox has sources only, and no catalog of them"
CLUSTERS = "aggregation of points and its clusters: the sandbox draws every feature"
TURBO_CARTO = "TurboCARTO: the sandbox knows no ramp()"
OTHER_SETUP = "the recording server's own setup: another configuration, or its database changed behind its back"

_PATHS = (
    (re.compile(r"\.grid\.json(\?|\Z)"), GRIDS),
    (re.compile(r"torque"), TORQUE),
    (re.compile(r"/cluster/"), CLUSTERS),
    (re.compile(r"/analysis/node/|/analyses/catalog"), ANALYSES),
)
_MAP_OF_PATH = re.compile(r"\{\{([^}|]+)")


def reason_left_out(exchange: Exchange, earlier: Mapping[str, str]) -> str | None:
    """Say why an exchange is not compared; None for those that are.

    Args:
        exchange: The exchange.
        earlier: Reasons of earlier exchanges by name: tiles of a map that is left out are left out too.
    """
    if not exchange.replay or exchange.name.startswith("limit_"):
        return OTHER_SETUP
    path = exchange.path_template
    for pattern, reason in _PATHS:
        if pattern.search(path):
            return reason
    asked = _MAP_OF_PATH.search(path)
    if asked and asked.group(1) in earlier:
        return earlier[asked.group(1)]
    return _reason_of_map(exchange)


def _reason_of_map(exchange: Exchange) -> str | None:
    try:
        body = json.loads(exchange.body() or b"null")
    except ValueError:
        return None
    layers = body.get("layers") if isinstance(body, dict) else None
    for layer in layers if isinstance(layers, list) else ():
        reason = _reason_of_layer(layer)
        if reason:
            return reason
    nodes = body.get("analyses") if isinstance(body, dict) else None
    kinds = {node.get("type") for node in nodes or ()}
    return ANALYSES if kinds - {"source", "wadus"} else None


def _reason_of_layer(layer: Any) -> str | None:
    options = layer.get("options") if isinstance(layer, dict) else None
    if not isinstance(options, dict):
        return None
    if layer.get("type") == "torque":
        return TORQUE
    if "ramp(" in str(options.get("cartocss")):
        return TURBO_CARTO
    aggregation = options.get("aggregation")
    takes_effect = isinstance(aggregation, dict) and aggregation.get("threshold") == 1 and "m_pts" in options["sql"]
    return CLUSTERS if takes_effect and "filters" not in aggregation else None
