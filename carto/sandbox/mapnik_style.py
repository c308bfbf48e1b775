"""Writes what Mapnik draws, as its XML: the layers of a map, their queries, and their CartoCSS as Mapnik's rules."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, tostring

from psycopg.conninfo import conninfo_to_dict

from carto.sandbox.cartocss import StyleSheet
from carto.sandbox.cartocss_cascade import Rule, attachments
from carto.sandbox.cartocss_filters import MATCHES, Comparison, Condition, FilterValue
from carto.sandbox.cartocss_sheet import Declaration
from carto.sandbox.cartocss_values import Url, number_text, text_literal
from carto.sandbox.map_view import MAX_ZOOM, TILE_SIZE, WORLD_HALF_WIDTH_M

DEFAULT_FACE = "DejaVu Sans Book"
DEFAULT_BUFFER_PX = 64
WEB_MERCATOR = 3857

_PIXEL_M = 0.00028  # what the OGC calls a pixel when it speaks of scales
_SCALE_AT_ZOOM_0 = 2 * WORLD_HALF_WIDTH_M / TILE_SIZE / _PIXEL_M
_WORLD = ",".join(f"{side}{WORLD_HALF_WIDTH_M}" for side in ("-", "-", "", ""))
_CONNECTION = ("host", "port", "dbname", "user", "password")

# Not even as an entity; Mapnik's module would quote the whole text, with its password, in the error.
_NOT_IN_XML = re.compile(r"[\x00\ud800-\udfff]")

Files = Mapping[str, Path]
"""Downloaded images by their URLs."""


class UnusableTextError(ValueError):
    """A map can't be told to Mapnik; the message says why."""


@dataclass(frozen=True)
class MapnikLayer:
    """One layer of a map.

    Attributes:
        name: Name in error messages, such as `layer0`.
        sql: Query; may hold `!bbox!`, `!pixel_width!`, `!pixel_height!`, `!scale_denominator!`.
        sheet: How it is drawn.
        conninfo: Connection string of the role that asks.
        geometry_column: Column of the geometries.
        srid: EPSG code of the geometries.
        min_zoom: First zoom at which it is drawn.
        max_zoom: Last zoom at which it is drawn.
        statement_timeout_ms: Longest run of the query in milliseconds; None leaves what the role has.
    """

    name: str
    sql: str
    sheet: StyleSheet
    conninfo: str = field(repr=False)
    geometry_column: str = "the_geom_webmercator"
    srid: int = WEB_MERCATOR
    min_zoom: int = 0
    max_zoom: int = MAX_ZOOM
    statement_timeout_ms: int | None = None


def map_xml(layers: Sequence[MapnikLayer], buffer_size: int = DEFAULT_BUFFER_PX, files: Files | None = None) -> str:
    """Write a map of layers that are drawn over each other, the first one lowest.

    Args:
        layers: The layers.
        buffer_size: Pixels around a tile whose features are drawn as well, since they may reach into it.
        files: The images that the stylesheets name by URL.

    Raises:
        TooManyRulesError: The filters of a stylesheet overlap in too many ways.
        UnusableTextError: A query or a stylesheet holds a character that XML can't.
    """
    root = Element("Map", {"srs": f"epsg:{WEB_MERCATOR}", "buffer-size": str(buffer_size)})
    for index, layer in enumerate(layers):
        if layer.sheet.background is not None:
            root.set("background-color", layer.sheet.background)
        styles = [
            _add_style(root, f"{index}:{layer.name}::{attachment}", rules, files or {})
            for attachment, rules in attachments(layer.sheet.blocks).items()
        ]
        _add_layer(root, layer, styles)
    xml = tostring(root, encoding="unicode")
    unusable = _NOT_IN_XML.search(xml)
    if unusable:
        raise UnusableTextError(f"SQL and CartoCSS of maps can't hold the character U+{ord(unusable[0]):04X}")
    return xml


# Layers


def _add_layer(root: Element, layer: MapnikLayer, styles: Iterable[str]) -> None:
    element = SubElement(root, "Layer", {"name": layer.name, "srs": f"epsg:{layer.srid}"})
    lowest, highest = _scales(layer.min_zoom, layer.max_zoom)
    if lowest:
        element.set("minimum-scale-denominator", lowest)
    if highest:
        element.set("maximum-scale-denominator", highest)
    for style in styles:
        SubElement(element, "StyleName").text = style
    source = SubElement(element, "Datasource")
    for name, value in _source(layer).items():
        SubElement(source, "Parameter", {"name": name}).text = value


def _source(layer: MapnikLayer) -> dict[str, str]:
    source = {
        **_connection(layer),
        "type": "postgis",
        "table": f"({layer.sql}) as cdbq",
        "geometry_field": layer.geometry_column,
        "srid": str(layer.srid),
    }
    if layer.srid == WEB_MERCATOR:
        source["extent"] = _WORLD
    else:  # Mapnik would ask the table that it finds in the query, which may not have the column
        source["extent_from_subquery"] = "true"
    return source


def _connection(layer: MapnikLayer) -> dict[str, str]:
    """Write the connection as Mapnik takes it: it puts some parameters into a connection string as they are."""
    given = {name: str(value) for name, value in conninfo_to_dict(layer.conninfo).items()}
    if layer.statement_timeout_ms is not None:
        options = [given.get("options", ""), f"-c statement_timeout={layer.statement_timeout_ms}"]
        given["options"] = " ".join(filter(None, options))
    parameters = {name: _quoted(given.pop(name)) for name in _CONNECTION if name in given}
    rest = "".join(f" {name}={_quoted(value)}" for name, value in given.items())
    return {**parameters, "dbname": parameters.get("dbname", "") + rest}


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


# Styles


def _add_style(root: Element, name: str, rules: Iterable[Rule], files: Files) -> str:
    style = SubElement(root, "Style", {"name": name, "filter-mode": "first"})
    for rule in rules:
        for first_zoom, last_zoom in rule.condition.zoom_ranges():
            element = SubElement(style, "Rule")
            _add_condition(element, rule.condition, first_zoom, last_zoom)
            _add_symbolizers(element, rule.declarations.values(), files)
    return name


def _add_condition(rule: Element, condition: Condition, first_zoom: int, last_zoom: int) -> None:
    lowest, highest = _scales(first_zoom, last_zoom)
    if lowest:
        SubElement(rule, "MinScaleDenominator").text = lowest
    if highest:
        SubElement(rule, "MaxScaleDenominator").text = highest
    if condition.comparisons:
        SubElement(rule, "Filter").text = " and ".join(sorted(map(_filter, condition.comparisons)))


def _scales(first_zoom: int, last_zoom: int) -> tuple[str | None, str | None]:
    """Give the scale denominators half-way to the zooms before and behind; None where there is no limit."""
    lowest = None if last_zoom >= MAX_ZOOM else repr(_SCALE_AT_ZOOM_0 / 2**last_zoom * 0.75)
    highest = None if first_zoom <= 0 else repr(_SCALE_AT_ZOOM_0 / 2**first_zoom * 1.5)
    return lowest, highest


def _filter(comparison: Comparison) -> str:
    if comparison.operator == MATCHES:
        return f"([{comparison.column}].match({text_literal(str(comparison.value))}))"
    return f"([{comparison.column}] {comparison.operator} {_literal(comparison.value)})"


def _literal(value: FilterValue) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return text_literal(value) if isinstance(value, str) else number_text(value)


def _add_symbolizers(rule: Element, declarations: Iterable[Declaration], files: Files) -> None:
    """Draw with each symbolizer that has properties, in the order in which the first of them stand in the text."""
    by_symbolizer: dict[str, dict[str, Declaration]] = {}
    for declaration in sorted(declarations, key=lambda each: each.position):
        by_symbolizer.setdefault(declaration.property.symbolizer, {})[declaration.property.name] = declaration
    for symbolizer, properties in by_symbolizer.items():
        if symbolizer == "Text" and "text-name" not in properties:
            continue
        element = SubElement(rule, f"{symbolizer}Symbolizer")
        for name, declaration in properties.items():
            _add_property(element, name, _value(declaration, files), declaration.property.attribute)
        if symbolizer == "Text" and "text-face-name" not in properties:
            element.set("face-name", DEFAULT_FACE)


def _value(declaration: Declaration, files: Files) -> str:
    if isinstance(declaration.value, Url):
        return str(files[declaration.value.url])
    return declaration.value


def _add_property(symbolizer: Element, name: str, value: str, attribute: str) -> None:
    if name == "text-name":
        symbolizer.text = value
    elif name == "marker-type":
        symbolizer.attrib.setdefault(attribute, f"shape://{value}")
    else:
        symbolizer.set(attribute, value)
