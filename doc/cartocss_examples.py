"""What source/cartocss.md says about each property and each way to write rules; make_cartocss.py puts it together."""

from __future__ import annotations

from typing import Literal, NamedTuple

Data = Literal["points", "lines", "polygons"]


class Example(NamedTuple):
    """One example.

    Attributes:
        text: What it shows.
        css: The stylesheet.
        data: What it draws.
    """

    text: str
    css: str
    data: Data


POINTS = "marker-width: 24; marker-fill: #1f77b4; "
GRAY_GROUND = "#layer { polygon-fill: #ddd; } "
LINE = "line-color: #1f77b4; line-width: 8; "
POLYGON = "polygon-fill: #1f77b4; "
FACE = "text-face-name: 'DejaVu Sans Book'; "
TEXT = f"text-name: [name]; {FACE}text-size: 16; "
LINE_TEXT = f"text-name: [name]; {FACE}text-size: 11; text-placement: line; "


def _points(css: str) -> str:
    return f"#layer {{ {POINTS}{css} }}"


def _overlapping(css: str) -> str:
    return f"#layer {{ marker-width: 60; marker-fill: #1f77b4; {css} }}"


def _line(css: str) -> str:
    return f"#layer {{ {LINE}{css} }}"


def _polygon(css: str) -> str:
    return f"#layer {{ {POLYGON}{css} }}"


def _text(css: str) -> str:
    return f"#layer {{ {TEXT}{css} }}"


def _line_text(css: str) -> str:
    return f"#layer {{ line-color: #ccc; {LINE_TEXT}{css} }}"


LANGUAGE: dict[str, Example] = {
    "Blocks": Example(
        "A block holds properties. `#anything` and `.anything` stand for the layer; it has one stylesheet of its own.",
        "#layer { marker-width: 24; marker-fill: orange; }",
        "points",
    ),
    "Nesting": Example(
        "A block inside a block adds its filters to the outer ones and inherits the outer properties.",
        "#layer { marker-width: 12; marker-fill: gray; [n > 1] { marker-fill: red; [n > 2] { marker-width: 36; } } }",
        "points",
    ),
    "Filters by column": Example(
        "`[column operator value]`, where the operator is `=`, `!=`, `<`, `<=`, `>`, `>=`, or `=~` for a regular "
        "expression that has to match the whole text. Values are numbers, texts in quotes, `true`, `false` and `null`. "
        "Several filters have to hold together. The most specific block wins, then the later one.",
        "#layer { marker-width: 24; [name = 'one'] { marker-fill: red; } [n >= 2][n < 3] { marker-fill: green; } "
        "[name =~ 'th.*'] { marker-fill: blue; } }",
        "points",
    ),
    "Filters by zoom": Example(
        "`[zoom operator number]` takes the same operators, without `=~`. The picture is at zoom 10.",
        "#layer { marker-width: 10; [zoom >= 9] { marker-width: 24; } [zoom > 10] { marker-width: 60; } }",
        "points",
    ),
    "Attachments": Example(
        "`::name` draws the layer once more, with properties of its own; the one that comes first lies lowest.",
        "#layer::halo { marker-width: 44; marker-fill: #fd8; marker-line-width: 0; } "
        "#layer { marker-width: 16; marker-fill: #c00; marker-allow-overlap: true; }",
        "points",
    ),
    "Variables and arithmetic": Example(
        "`@name: value;` outside or inside blocks. Numbers can be computed with `+ - * /` and parentheses.",
        "@size: 10; @color: #2ca02c; #layer { marker-width: (@size + 2) * 2; marker-fill: @color; }",
        "points",
    ),
    "Values from columns": Example(
        "`[column]` stands for the column's value in labels, numbers, opacities and colors, also within arithmetic.",
        "#layer { marker-width: [n] * 12; marker-fill: #1f77b4; }",
        "points",
    ),
    "Comments": Example(
        "`// to the end of the line` and `/* anywhere */`.",
        "#layer { /* large */ marker-width: 30; // and\n  marker-fill: purple; }",
        "points",
    ),
    "Colors": Example(
        "The names of CSS, `#rgb`, `#rrggbb`, `rgb(255, 0, 0)`, `rgba(255, 0, 0, 0.5)`, `hsl(120, 100%, 50%)`, "
        "`hsla(120, 100%, 50%, 0.5)`, `transparent`.",
        "#layer { marker-width: 40; [n = 1] { marker-fill: tomato; } [n = 2] { marker-fill: hsl(120, 60%, 40%); } "
        "[n = 3] { marker-fill: rgba(0, 0, 255, 0.4); } }",
        "points",
    ),
    "Map": Example(
        "`Map { background-color: ... }` is the one property of the whole map.",
        "Map { background-color: #dcebff; } #layer { marker-width: 24; marker-fill: white; }",
        "points",
    ),
}

PROPERTIES: dict[str, Example] = {
    "marker-width": Example("Width in pixels; 10 unless set.", _points("marker-width: 40;"), "points"),
    "marker-height": Example("Height in pixels; as wide as high unless set.", _points("marker-height: 8;"), "points"),
    "marker-fill": Example("Color.", _points("marker-fill: #d62728;"), "points"),
    "marker-fill-opacity": Example(
        "Opacity of the inside.", _points("marker-line-width: 4; marker-fill-opacity: 0.3;"), "points"
    ),
    "marker-opacity": Example("Opacity of all of it.", _points("marker-line-width: 4; marker-opacity: 0.3;"), "points"),
    "marker-line-color": Example(
        "Color of the outline.", _points("marker-line-width: 4; marker-line-color: #d62728;"), "points"
    ),
    "marker-line-width": Example("Width of the outline in pixels.", _points("marker-line-width: 6;"), "points"),
    "marker-line-opacity": Example(
        "Opacity of the outline.", _points("marker-line-width: 6; marker-line-opacity: 0.3;"), "points"
    ),
    "marker-type": Example("Shape of the marker.", _points("marker-type: arrow;"), "points"),
    "marker-file": Example(
        "An SVG, PNG or JPEG image instead of the shape. It is downloaded once, from this machine or a host that was "
        "allowed when the sandbox started (`--image-host`).",
        "#layer { marker-file: url('{server}/star.svg'); marker-width: 32; }",
        "points",
    ),
    "marker-placement": Example(
        "Where on lines and polygons: at a point of it, along the line, inside, at its first or last vertex.",
        "#layer { line-color: #999; marker-type: arrow; marker-width: 20; marker-placement: line; "
        "marker-spacing: 30; }",
        "lines",
    ),
    "marker-multi-policy": Example(
        "Which parts of a collection get a marker: each one, the whole, or the largest.",
        "#layer { polygon-fill: #ddd; marker-width: 16; marker-fill: red; marker-multi-policy: largest; }",
        "polygons",
    ),
    "marker-spacing": Example(
        "Pixels between the markers along a line.",
        "#layer { marker-width: 8; marker-fill: red; marker-placement: line; marker-spacing: 16; }",
        "lines",
    ),
    "marker-max-error": Example(
        "How far from its place a marker along a line may move to avoid others, as a part of the spacing.",
        "#layer { marker-width: 8; marker-fill: red; marker-placement: line; marker-spacing: 16; "
        "marker-max-error: 0.5; }",
        "lines",
    ),
    "marker-allow-overlap": Example(
        "Whether markers may lie over each other; those that may not and would are left out.",
        _overlapping("marker-allow-overlap: true;"),
        "points",
    ),
    "marker-ignore-placement": Example(
        "Whether others may lie over this marker.", _overlapping("marker-ignore-placement: true;"), "points"
    ),
    "marker-clip": Example(
        "Whether the geometry is cut to the tile before markers are placed.",
        "#layer { polygon-fill: #ddd; marker-width: 16; marker-fill: red; marker-clip: false; }",
        "polygons",
    ),
    "marker-smooth": Example(
        "How much the line that carries markers is smoothed, 0 to 1.",
        "#layer { line-color: #ccc; marker-width: 6; marker-fill: red; marker-placement: line; marker-spacing: 10; "
        "marker-smooth: 1; }",
        "lines",
    ),
    "marker-comp-op": Example(
        "How colors mix with those below.",
        _overlapping("marker-fill: #ffd700; marker-allow-overlap: true; marker-comp-op: multiply;"),
        "points",
    ),
    "line-color": Example("Color.", _line("line-color: #d62728;"), "lines"),
    "line-width": Example("Width in pixels; 1 unless set.", _line("line-width: 3;"), "lines"),
    "line-opacity": Example("Opacity.", _line("line-opacity: 0.3;"), "lines"),
    "line-join": Example("Shape of corners.", _line("line-width: 16; line-join: round;"), "lines"),
    "line-cap": Example("Shape of ends.", _line("line-width: 16; line-cap: round;"), "lines"),
    "line-miterlimit": Example(
        "How far a pointed corner may reach, as a multiple of the width.",
        _line("line-width: 16; line-miterlimit: 1;"),
        "lines",
    ),
    "line-dasharray": Example("Pixels of dashes and gaps in turn.", _line("line-dasharray: 12, 4, 4, 4;"), "lines"),
    "line-offset": Example(
        "Pixels by which the line moves to its left, negative ones to its right.",
        "#layer { line-color: #bbb; ::moved { line-color: red; line-offset: 8; } }",
        "lines",
    ),
    "line-gamma": Example("How edges blend, 0 (hard) to 1 (soft).", _line("line-gamma: 0.1;"), "lines"),
    "line-gamma-method": Example(
        "The curve of line-gamma.", _line("line-gamma: 0.5; line-gamma-method: threshold;"), "lines"
    ),
    "line-rasterizer": Example("`fast` is quick and rough.", _line("line-rasterizer: fast;"), "lines"),
    "line-clip": Example(
        "Whether lines are cut to the tile before they are drawn.", _line("line-clip: true;"), "lines"
    ),
    "line-simplify": Example(
        "Leaves out vertices that matter less than so many pixels.", _line("line-simplify: 60;"), "lines"
    ),
    "line-simplify-algorithm": Example(
        "How line-simplify does it.", _line("line-simplify: 30; line-simplify-algorithm: douglas-peucker;"), "lines"
    ),
    "line-smooth": Example("How much corners are smoothed, 0 to 1.", _line("line-smooth: 1;"), "lines"),
    "line-comp-op": Example(
        "How colors mix with those below.",
        _line("line-color: #ffd700; line-width: 14; line-comp-op: multiply;"),
        "lines",
    ),
    "polygon-fill": Example("Color.", _polygon("polygon-fill: #2ca02c;"), "polygons"),
    "polygon-opacity": Example("Opacity.", _polygon("polygon-opacity: 0.4;"), "polygons"),
    "polygon-gamma": Example(
        "How edges blend, 0 (hard) to 1; below 1 it hides seams between neighbours.",
        _polygon("polygon-gamma: 0.2;"),
        "polygons",
    ),
    "polygon-gamma-method": Example(
        "The curve of polygon-gamma.", _polygon("polygon-gamma: 0.5; polygon-gamma-method: threshold;"), "polygons"
    ),
    "polygon-clip": Example(
        "Whether polygons are cut to the tile before they are drawn.", _polygon("polygon-clip: true;"), "polygons"
    ),
    "polygon-simplify": Example(
        "Leaves out vertices that matter less than so many pixels.", _polygon("polygon-simplify: 30;"), "polygons"
    ),
    "polygon-simplify-algorithm": Example(
        "How polygon-simplify does it.",
        _polygon("polygon-simplify: 30; polygon-simplify-algorithm: visvalingam-whyatt;"),
        "polygons",
    ),
    "polygon-smooth": Example("How much corners are smoothed, 0 to 1.", _polygon("polygon-smooth: 1;"), "polygons"),
    "polygon-comp-op": Example(
        "How colors mix with those below.", _polygon("polygon-fill: #ffd700; polygon-comp-op: multiply;"), "polygons"
    ),
    "text-name": Example(
        "The label: a column, a text in quotes, or both joined with `+`. Without it nothing is written.",
        f"#layer {{ text-name: [name] + ' (' + [n] + ')'; {FACE}text-size: 12; }}",
        "points",
    ),
    "text-face-name": Example(
        "The font, `DejaVu Sans Book` unless set. Mapnik's wheel has the DejaVu fonts: Sans, Sans Condensed, "
        "Sans Mono and Serif.",
        _text("text-face-name: 'DejaVu Serif Bold Italic';"),
        "points",
    ),
    "text-size": Example("Size in pixels; 10 unless set.", _text("text-size: 22;"), "points"),
    "text-fill": Example("Color.", _text("text-fill: #d62728;"), "points"),
    "text-opacity": Example("Opacity.", _text("text-opacity: 0.4;"), "points"),
    "text-halo-fill": Example("Color of the halo.", _text("text-halo-radius: 3; text-halo-fill: #ffe08a;"), "points"),
    "text-halo-radius": Example(
        "Width of the halo in pixels; 0 unless set.", _text("text-halo-fill: #9edae5; text-halo-radius: 5;"), "points"
    ),
    "text-halo-opacity": Example(
        "Opacity of the halo.",
        _text("text-halo-fill: #d62728; text-halo-radius: 4; text-halo-opacity: 0.3;"),
        "points",
    ),
    "text-halo-rasterizer": Example(
        "`fast` is quick and rough.",
        _text("text-halo-fill: #ffe08a; text-halo-radius: 4; text-halo-rasterizer: fast;"),
        "points",
    ),
    "text-placement": Example(
        "Where on lines and polygons: at a point of it, along the line, at its vertices, inside.",
        _line_text("text-placement: line;"),
        "lines",
    ),
    "text-placement-type": Example(
        "`simple` tries the places of text-placements until one is free; `dummy` knows the given one only.",
        _text("text-placement-type: simple; text-dx: 8; text-dy: 8; text-placements: 'S,N,E,W';"),
        "points",
    ),
    "text-placements": Example(
        "Places to try with `text-placement-type: simple`, as directions, then sizes.",
        _text("text-placement-type: simple; text-dy: 16; text-placements: 'N,S,12,10';"),
        "points",
    ),
    "text-dx": Example(
        "Pixels to the right.",
        f"#layer {{ marker-width: 6; ::label {{ {TEXT}text-dx: 10; text-size: 9; }} }}",
        "points",
    ),
    "text-dy": Example(
        "Pixels down; negative ones up.",
        f"#layer {{ marker-width: 6; ::label {{ {TEXT}text-dy: -12; text-size: 12; }} }}",
        "points",
    ),
    "text-horizontal-alignment": Example(
        "On which side of its point a label stands.",
        _text("text-size: 12; text-horizontal-alignment: right;"),
        "points",
    ),
    "text-vertical-alignment": Example(
        "Whether a label stands above or below its point.", _text("text-vertical-alignment: top;"), "points"
    ),
    "text-align": Example(
        "How lines of a wrapped label are lined up.",
        f"#layer {{ text-name: 'three short lines'; {FACE}text-size: 10; text-wrap-width: 30; text-align: left; }}",
        "points",
    ),
    "text-orientation": Example("Angle in degrees, clockwise.", _text("text-orientation: 45;"), "points"),
    "text-transform": Example("Changes the case of letters.", _text("text-transform: uppercase;"), "points"),
    "text-character-spacing": Example(
        "Pixels between letters.", _text("text-size: 12; text-character-spacing: 3;"), "points"
    ),
    "text-line-spacing": Example(
        "Pixels between lines.",
        f"#layer {{ text-name: 'two lines'; {FACE}text-size: 12; text-wrap-width: 20; text-line-spacing: 14; }}",
        "points",
    ),
    "text-wrap-width": Example(
        "Pixels after which a label goes on in a new line.",
        f"#layer {{ text-name: 'two lines'; {FACE}text-size: 12; text-wrap-width: 20; }}",
        "points",
    ),
    "text-wrap-character": Example(
        "Where a label may be broken instead of at spaces.",
        f"#layer {{ text-name: 'two-lines'; {FACE}text-size: 12; text-wrap-width: 20; text-wrap-character: '-'; }}",
        "points",
    ),
    "text-wrap-before": Example(
        "Whether lines break before text-wrap-width is reached.",
        f"#layer {{ text-name: 'a few words'; {FACE}text-size: 10; text-wrap-width: 40; text-wrap-before: true; }}",
        "points",
    ),
    "text-spacing": Example("Pixels between repeated labels along a line.", _line_text("text-spacing: 30;"), "lines"),
    "text-repeat-distance": Example(
        "Least distance in pixels between labels with the same text.",
        f"#layer {{ text-name: 'same'; {FACE}text-size: 12; text-repeat-distance: 80; }}",
        "points",
    ),
    "text-margin": Example("Least distance in pixels to any other label.", _text("text-margin: 40;"), "points"),
    "text-min-distance": Example(
        "An older name for the distance between labels.", _text("text-min-distance: 80;"), "points"
    ),
    "text-min-padding": Example(
        "Least distance in pixels to the edge of the tile.", _text("text-min-padding: 16;"), "points"
    ),
    "text-min-path-length": Example(
        "Lines shorter than so many pixels get no label.", _line_text("text-min-path-length: 500;"), "lines"
    ),
    "text-max-char-angle-delta": Example(
        "Greatest bend in degrees between letters along a line.", _line_text("text-max-char-angle-delta: 20;"), "lines"
    ),
    "text-label-position-tolerance": Example(
        "How many pixels a label along a line may move to find room.",
        _line_text("text-label-position-tolerance: 40;"),
        "lines",
    ),
    "text-largest-bbox-only": Example(
        "Whether only the largest part of a collection is labelled.",
        f"{GRAY_GROUND}#layer::labels {{ {TEXT}text-largest-bbox-only: false; }}",
        "polygons",
    ),
    "text-avoid-edges": Example(
        "Leaves out labels that would be cut by the edge of the tile.",
        _text("text-size: 26; text-avoid-edges: true;"),
        "points",
    ),
    "text-allow-overlap": Example(
        "Whether labels may lie over each other; those that may not and would are left out.",
        _text("text-size: 34; text-allow-overlap: true;"),
        "points",
    ),
    "text-upright": Example(
        "Which way up labels along lines are.", _line_text("text-spacing: 60; text-upright: left;"), "lines"
    ),
    "text-clip": Example(
        "Whether the geometry is cut to the tile before it is labelled.",
        f"{GRAY_GROUND}#layer::labels {{ {TEXT}text-clip: true; }}",
        "polygons",
    ),
    "text-comp-op": Example(
        "How colors mix with those below.",
        f"#layer {{ polygon-fill: #ffd700; }} #layer::labels {{ {TEXT}text-fill: #1f77b4; text-comp-op: multiply; }}",
        "polygons",
    ),
}
