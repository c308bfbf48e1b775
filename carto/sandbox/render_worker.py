"""A process that draws pictures with Mapnik, one after the other, for `carto.sandbox.render_process`.

Standard input: for each job a line of JSON, then the images that it uses, whose lengths are its `sizes`.

    {"view": {"width", "height", "scale"}, "format": "png" | "jpg", "limit_s", "sizes": [...], "parts": [...]}

Parts are drawn over each other: `map` (Mapnik's `xml`, and `pieces` of it with their `extent`, which stand side by
side), `tiles` (one image each, at `offsets`), `pattern` (one image, repeated from `origin`), `color`.

Standard output: for each job a line of JSON, `{"size", "worn_out"}` and then the image, or `{"error", "size": 0}`.
"""

from __future__ import annotations

import json
import os
import re
import signal
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import mapnik

MAX_MAPS = 32
"""Maps kept loaded: each knows its layers' columns."""
MAX_DATABASES = 8
"""Roles and databases of which Mapnik keeps connections, which it never closes."""

_ENCODINGS = {"png": "png32", "jpg": "jpeg85"}
_DATABASE = re.compile(r'(?:<Parameter name="(?:host|port|dbname|user)">[^<]*</Parameter>)+')
_GRACE_S = 5

Job = dict[str, Any]
Files = Iterator[bytes]


def main() -> None:
    """Draw until standard input ends."""
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print goes into the log
    mapnik.logger.set_severity(getattr(mapnik.severity_type, "None"))
    maps = LoadedMaps()
    with open(0, "rb", closefd=False) as requests:
        while line := requests.readline():
            job = json.loads(line)
            files = [requests.read(size) for size in job["sizes"]]
            # Ends this process even when nobody is left to kill it.
            signal.alarm(int(job["limit_s"]) + _GRACE_S)
            answer, image = _answer(job, files, maps)
            signal.alarm(0)
            output.write(json.dumps({**answer, "size": len(image)}).encode() + b"\n" + image)
            output.flush()


def _answer(job: Job, files: list[bytes], maps: LoadedMaps) -> tuple[dict[str, Any], bytes]:
    try:
        image = _draw(job, iter(files), maps)
    except RuntimeError as error:  # what Mapnik raises for anything
        return {"error": str(error)}, b""
    return {"worn_out": maps.worn_out}, image


class LoadedMaps:
    """Maps made of the XML that was used last."""

    def __init__(self) -> None:
        self._maps: OrderedDict[str, mapnik.Map] = OrderedDict()
        self._databases: set[str] = set()

    @property
    def worn_out(self) -> bool:
        """Whether this process holds connections to so many databases that another one should take over."""
        return len(self._databases) >= MAX_DATABASES

    def get(self, xml: str) -> tuple[mapnik.Map, bool]:
        """Load a map, or find it.

        Returns:
            The map, and whether it was loaded before.
        """
        if xml in self._maps:
            self._maps.move_to_end(xml)
            return self._maps[xml], True
        self._databases.update(_DATABASE.findall(xml))
        loaded = mapnik.Map(1, 1)
        mapnik.load_map_from_string(loaded, xml, True)
        loaded.aspect_fix_mode = mapnik.aspect_fix_mode.RESPECT
        self._maps[xml] = loaded
        while len(self._maps) > MAX_MAPS:
            self._maps.popitem(last=False)
        return loaded, False

    def forget(self, xml: str) -> None:
        """Drop a map, whose tables may have changed."""
        self._maps.pop(xml, None)


def _draw(job: Job, files: Files, maps: LoadedMaps) -> bytes:
    view = job["view"]
    canvas = None
    for part in job["parts"]:
        layer = _PAINTERS[part["kind"]](part, view, files, maps)
        canvas = layer if canvas is None else _over(canvas, layer)
    if canvas is None:
        canvas = _blank(view)
    if job["format"] == "jpg":
        canvas = _over(_filled(view, mapnik.Color(255, 255, 255)), canvas)
    if canvas.premultiplied():
        canvas.demultiply()
    return canvas.to_string(_ENCODINGS[job["format"]])


def _paint_map(part: Job, view: Job, _files: Files, maps: LoadedMaps) -> mapnik.Image:
    loaded, was_kept = maps.get(part["xml"])
    try:
        return _paint_pieces(loaded, part["pieces"], view)
    except RuntimeError:
        maps.forget(part["xml"])
        if not was_kept:
            raise
    # The map knows columns as they were when it was loaded: a fresh one tells whether the table or the query is bad.
    return _paint_pieces(maps.get(part["xml"])[0], part["pieces"], view)


def _paint_pieces(loaded: mapnik.Map, pieces: list[Job], view: Job) -> mapnik.Image:
    if len(pieces) == 1:
        return _paint_piece(loaded, pieces[0])
    canvas = _blank(view)
    for piece in pieces:
        canvas = _over(canvas, _paint_piece(loaded, piece), piece["x"] * view["scale"])
    return canvas


def _paint_piece(loaded: mapnik.Map, piece: Job) -> mapnik.Image:
    image = _blank(piece)
    buffer_size = loaded.buffer_size
    loaded.resize(image.width(), image.height())
    loaded.zoom_to_box(mapnik.Box2d(*piece["extent"]))
    loaded.buffer_size = buffer_size * piece["scale"]
    try:
        mapnik.render(loaded, image, piece["scale"])
    finally:
        loaded.buffer_size = buffer_size
    return image


def _paint_tiles(part: Job, view: Job, files: Files, _maps: LoadedMaps) -> mapnik.Image:
    canvas = _blank(view)
    for left, top in part["offsets"]:
        canvas = _over(canvas, _decoded(next(files)), left, top)
    return canvas


def _paint_pattern(part: Job, view: Job, files: Files, _maps: LoadedMaps) -> mapnik.Image:
    canvas, pattern = _blank(view), _decoded(next(files))
    left, top = (-offset % side - side for offset, side in zip(part["origin"], _size(pattern), strict=True))
    for x in range(left, canvas.width(), pattern.width()):
        for y in range(top, canvas.height(), pattern.height()):
            canvas = _over(canvas, pattern, x, y)
    return canvas


def _paint_color(part: Job, view: Job, _files: Files, _maps: LoadedMaps) -> mapnik.Image:
    red, green, blue, alpha = part["color"]
    return _filled(view, mapnik.Color(red, green, blue, round(alpha * 255)))


_PAINTERS = {"map": _paint_map, "tiles": _paint_tiles, "pattern": _paint_pattern, "color": _paint_color}


def _blank(view: Job) -> mapnik.Image:
    return mapnik.Image(view["width"] * view["scale"], view["height"] * view["scale"])


def _filled(view: Job, color: mapnik.Color) -> mapnik.Image:
    image = _blank(view)
    image.fill(color)
    return image


def _decoded(file: bytes) -> mapnik.Image:
    return mapnik.Image.from_string(file)


def _size(image: mapnik.Image) -> tuple[int, int]:
    return image.width(), image.height()


def _over(below: mapnik.Image, above: mapnik.Image, x: int = 0, y: int = 0) -> mapnik.Image:
    """Composite an image over another, which is changed."""
    for image in (below, above):
        if not image.premultiplied():
            image.premultiply()
    below.composite(above, mapnik.CompositeOp.src_over, 1.0, x, y)
    return below
