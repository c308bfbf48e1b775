"""SVG: the geometries of the_geom, scaled by PostGIS into 1024 x 768 and drawn one by one."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

from carto.sandbox.formats.base import Run
from carto.sandbox.formats.rows import CHUNK_CHARACTERS
from carto.sandbox.javascript import number

WIDTH = 1024.0
HEIGHT = 768.0
RADIUS = 5
STROKE_WIDTH = 1
_PROLOGUE = (
    '<?xml version="1.0" standalone="no"?>\n'
    '<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">\n'
)
_STYLE = f'style="fill-opacity:0.5; stroke:black; stroke-width:{STROKE_WIDTH}; fill:none"'
_BOX = re.compile(r"BOX\((\S+) ([^ ,]+),(\S+) ([^)]+)\)")


async def produce(run: Run) -> AsyncIterator[bytes]:
    """Draw the rows; those without geometry are left out."""
    text = ""
    started = False
    async for batch in run.execute(_sql(run)).batches():
        for row in batch:
            box, dimension, shape = ((row.get_value(0, index) or b"").decode() for index in range(3))
            if shape:
                text += _shape(dimension, shape) if started else _head(box) + _shape(dimension, shape)
                started = True
        if len(text) >= CHUNK_CHARACTERS:
            yield text.encode()
            text = ""
    yield (text if started else _head("")).encode() + b"</svg>\n"


def _sql(run: Run) -> str:
    """Return the query that scales and draws: box of everything, dimension of the row's shape, its path."""
    return (
        f"WITH source AS ( {run.parameters.sql}), "  # noqa: S608 -- the caller's own SQL
        "extent AS (SELECT ST_Extent(the_geom) AS e FROM source), "
        "size AS (SELECT e, ST_XMin(e) AS x, ST_YMax(e) AS y, ST_XMax(e) - ST_XMin(e) AS w,"
        " ST_YMax(e) - ST_YMin(e) AS h FROM extent), "
        f"scale AS (SELECT CASE WHEN h = 0 THEN {WIDTH} / COALESCE(NULLIF(w, 0), {WIDTH})"
        f" WHEN {WIDTH / HEIGHT} <= w / h THEN {WIDTH} / w ELSE {HEIGHT} / h END AS s FROM size) "
        "SELECT ST_TransScale(e, -x, -y, s, s)::box2d, ST_Dimension(the_geom) AS dimension,"
        f" ST_AsSVG(ST_TransScale(the_geom, -x, -y, s, s), 0, {run.parameters.decimals})"
        " FROM scale, size, source ORDER BY dimension ASC"
    )


def _head(box: str) -> str:
    """Begin the drawing, with room for the circles and lines at its edge."""
    return f'{_PROLOGUE}<svg {_view_box(box)}{_STYLE} xmlns="http://www.w3.org/2000/svg" version="1.1">\n'


def _view_box(box: str) -> str:
    match = _BOX.match(box)
    if match is None:
        return ""
    left, bottom, right, top = (float(side) for side in match.groups())
    margin = RADIUS + STROKE_WIDTH
    sides = (left - margin, -top - margin, right - left + 2 * margin, top - bottom + 2 * margin)
    return f'viewBox="{" ".join(number(side) for side in sides)}" '


def _shape(dimension: str, shape: str) -> str:
    if dimension == "0":
        return f'<circle r="{RADIUS}" {shape} />\n'
    if dimension in ("1", "2"):
        return f'<path d="{shape}" />\n'
    return ""
