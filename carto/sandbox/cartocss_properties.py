"""The CartoCSS properties that the sandbox draws: what they take, and what they are called in Mapnik's XML."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Symbolizer = Literal["Markers", "Line", "Polygon", "Text", "Map"]
Kind = Literal["number", "opacity", "boolean", "color", "keyword", "label", "string", "numbers", "url"]


@dataclass(frozen=True)
class Property:
    """One property.

    Attributes:
        name: Name in CartoCSS.
        symbolizer: Mapnik's symbolizer that it belongs to.
        attribute: Name in Mapnik's XML.
        kind: What it takes. Numbers, opacities, colours and labels may be computed from columns.
        choices: The words that a keyword may be.
    """

    name: str
    symbolizer: Symbolizer
    attribute: str
    kind: Kind
    choices: tuple[str, ...] = ()


_BLENDING_WORDS = (
    "clear src dst src-over dst-over src-in dst-in src-out dst-out src-atop dst-atop xor plus minus multiply divide "
    "screen overlay darken lighten color-dodge color-burn linear-dodge linear-burn hard-light soft-light difference "
    "exclusion contrast invert invert-rgb grain-merge grain-extract hue saturation color value"
)
_BLENDING = tuple(_BLENDING_WORDS.split())
_SIMPLIFYING = ("radial-distance", "zhao-saalfeld", "visvalingam-whyatt", "douglas-peucker")
_GAMMAS = ("power", "linear", "none", "threshold", "multiply")

_Takes = Kind | tuple[str, ...]
"""A kind, or the choices of a keyword."""


def _properties(
    prefix: str, symbolizer: Symbolizer, taken: dict[str, _Takes], renamed: dict[str, str]
) -> dict[str, Property]:
    properties = {}
    for short_name, takes in taken.items():
        kind: Kind = "keyword" if isinstance(takes, tuple) else takes
        choices = takes if isinstance(takes, tuple) else ()
        attribute = renamed.get(short_name, short_name)
        properties[prefix + short_name] = Property(prefix + short_name, symbolizer, attribute, kind, choices)
    return properties


_MARKERS = _properties(
    "marker-",
    "Markers",
    {
        "width": "number",
        "height": "number",
        "fill": "color",
        "fill-opacity": "opacity",
        "opacity": "opacity",
        "line-color": "color",
        "line-width": "number",
        "line-opacity": "opacity",
        "type": ("ellipse", "arrow"),
        "file": "url",
        "placement": ("point", "line", "interior", "vertex-first", "vertex-last"),
        "multi-policy": ("each", "whole", "largest"),
        "spacing": "number",
        "max-error": "number",
        "allow-overlap": "boolean",
        "ignore-placement": "boolean",
        "clip": "boolean",
        "smooth": "number",
        "comp-op": _BLENDING,
    },
    {"line-color": "stroke", "line-width": "stroke-width", "line-opacity": "stroke-opacity", "type": "file"},
)
_LINE = _properties(
    "line-",
    "Line",
    {
        "color": "color",
        "width": "number",
        "opacity": "opacity",
        "join": ("miter", "miter-revert", "round", "bevel"),
        "cap": ("butt", "round", "square"),
        "miterlimit": "number",
        "dasharray": "numbers",
        "offset": "number",
        "gamma": "number",
        "gamma-method": _GAMMAS,
        "rasterizer": ("full", "fast"),
        "clip": "boolean",
        "simplify": "number",
        "simplify-algorithm": _SIMPLIFYING,
        "smooth": "number",
        "comp-op": _BLENDING,
    },
    {
        "color": "stroke",
        "width": "stroke-width",
        "opacity": "stroke-opacity",
        "join": "stroke-linejoin",
        "cap": "stroke-linecap",
        "miterlimit": "stroke-miterlimit",
        "dasharray": "stroke-dasharray",
        "gamma": "stroke-gamma",
        "gamma-method": "stroke-gamma-method",
    },
)
_POLYGON = _properties(
    "polygon-",
    "Polygon",
    {
        "fill": "color",
        "opacity": "opacity",
        "gamma": "number",
        "gamma-method": _GAMMAS,
        "clip": "boolean",
        "simplify": "number",
        "simplify-algorithm": _SIMPLIFYING,
        "smooth": "number",
        "comp-op": _BLENDING,
    },
    {"opacity": "fill-opacity"},
)
_TEXT = _properties(
    "text-",
    "Text",
    {
        "name": "label",
        "face-name": "string",
        "size": "number",
        "fill": "color",
        "opacity": "opacity",
        "halo-fill": "color",
        "halo-radius": "number",
        "halo-opacity": "opacity",
        "halo-rasterizer": ("full", "fast"),
        "placement": ("point", "line", "vertex", "interior"),
        "placement-type": ("dummy", "simple"),
        "placements": "string",
        "dx": "number",
        "dy": "number",
        "horizontal-alignment": ("left", "middle", "right", "auto"),
        "vertical-alignment": ("top", "middle", "bottom", "auto"),
        "align": ("left", "center", "right", "auto"),
        "orientation": "number",
        "transform": ("none", "uppercase", "lowercase", "capitalize"),
        "character-spacing": "number",
        "line-spacing": "number",
        "wrap-width": "number",
        "wrap-character": "string",
        "wrap-before": "boolean",
        "spacing": "number",
        "repeat-distance": "number",
        "margin": "number",
        "min-distance": "number",
        "min-padding": "number",
        "min-path-length": "number",
        "max-char-angle-delta": "number",
        "label-position-tolerance": "number",
        "largest-bbox-only": "boolean",
        "avoid-edges": "boolean",
        "allow-overlap": "boolean",
        "upright": ("auto", "left", "right", "left-only", "right-only"),
        "clip": "boolean",
        "comp-op": _BLENDING,
    },
    {
        "align": "justify-alignment",
        "transform": "text-transform",
        "min-distance": "minimum-distance",
        "min-padding": "minimum-padding",
        "min-path-length": "minimum-path-length",
    },
)
PROPERTIES = {**_MARKERS, **_LINE, **_POLYGON, **_TEXT}
BACKGROUND = Property("background-color", "Map", "background-color", "color")

_OTHER_PREFIXES = ("-torque-", "building-", "debug-", "dot-", "point-", "raster-", "shield-")
_OTHER_PATTERNS = ("line-pattern-", "polygon-pattern-")
_OTHER_NAMES = ("opacity", "comp-op", "image-filters", "direct-image-filters", "buffer-size", "font-directory", "srs")


def is_known_elsewhere(name: str) -> bool:
    """Tell whether CARTO's servers know a property that the sandbox doesn't draw."""
    return name.startswith(_OTHER_PREFIXES + _OTHER_PATTERNS) or name in _OTHER_NAMES
