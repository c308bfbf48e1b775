"""Pictures of maps: what stands where, checked by computed places and colours, and by pictures that were looked at.

`CARTO_UPDATE_PICTURES=1 pytest tests/sandbox/test_rendering.py` draws the stored pictures anew: look at them then.
"""

from __future__ import annotations

import asyncio
import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import psycopg
import pytest
import requests
from PIL import Image

from carto.sandbox import Sandbox, rendering
from carto.sandbox.cartocss import parse_cartocss
from carto.sandbox.css_colors import Color
from carto.sandbox.map_view import TILE_SIZE, View
from carto.sandbox.mapnik_style import MapnikLayer
from carto.sandbox.remote_images import RemoteImageError, RemoteImages
from carto.sandbox.render_worker import MAX_DATABASES
from carto.sandbox.rendering import (
    MapPicture,
    Picture,
    PlainPicture,
    Renderer,
    RendererMissingError,
    RenderError,
    RenderTimeoutError,
    TilePicture,
)

STORED = Path("tests/data/render")
TOLERANCE = 24
"""Difference of one channel that nobody sees."""
MAX_DIFFERING = 0.002
"""Part of the pixels that may differ more, at edges."""

RED, GREEN, BLUE, WHITE = (255, 0, 0, 255), (0, 128, 0, 255), (0, 0, 255, 255), (255, 255, 255, 255)
NOTHING = (0, 0, 0, 0)
Pixels = Any
T = TypeVar("T")


@pytest.fixture(scope="module")
def conninfo() -> Iterator[str]:
    """Run a PostgreSQL server of these tests' own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend("doc")
        import make_cartocss
    with make_cartocss.postgis() as found:
        yield found


@pytest.fixture(scope="module")
def run() -> Iterator[Callable[[Coroutine[Any, Any, T]], T]]:
    """Run coroutines on an event loop that lasts as long as the workers."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield lambda coroutine: asyncio.run_coroutine_threadsafe(coroutine, loop).result(60)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


class Drawing:
    """Draws for a test and gives back pixels."""

    def __init__(self, renderer: Renderer, run: Callable[..., Any], conninfo: str) -> None:
        self.renderer = renderer
        self.run = run
        self.conninfo = conninfo

    def layer(self, css: str, sql: str, **options: Any) -> MapnikLayer:
        return MapnikLayer("layer0", sql, parse_cartocss(css), options.pop("conninfo", self.conninfo), **options)

    def map(self, css: str, sql: str, **options: Any) -> MapPicture:
        picture: MapPicture = self.run(self.renderer.map_picture([self.layer(css, sql, **options)]))
        return picture

    def file(self, pictures: list[Picture], view: View, image_format: rendering.ImageFormat = "png") -> bytes:
        image: bytes = self.run(self.renderer.draw(pictures, view, image_format))
        return image

    def pixels(self, pictures: list[Picture], view: View) -> Pixels:
        return decoded(self.file(pictures, view))

    def __call__(self, css: str, sql: str, view: View, **options: Any) -> Pixels:
        return self.pixels([self.map(css, sql, **options)], view)


@pytest.fixture(scope="module")
def drawing(conninfo: str, run: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drawing]:
    renderer = Renderer(RemoteImages(tmp_path_factory.mktemp("images")), limit_s=20)
    yield Drawing(renderer, run, conninfo)
    run(renderer.close())


def decoded(file: bytes) -> Pixels:
    """Read an image into an array of rows of pixels of red, green, blue, alpha."""
    return np.asarray(Image.open(io.BytesIO(file)).convert("RGBA"))


def at(pixels: Pixels, x: float, y: float) -> tuple[int, ...]:
    return tuple(int(part) for part in pixels[int(y), int(x)])


def is_like(found: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    return all(abs(one - other) <= 3 for one, other in zip(found, wanted, strict=True))


def painted(pixels: Pixels) -> Pixels:
    """Tell which pixels are more than half covered."""
    return pixels[..., 3] > 127


# A world for the tests: geometries are written in pixels of the tile 4/8/8, whose upper left corner is 0, 0 in degrees.

TILE = View.of_tile(4, 8, 8)
PIXEL_M = 2 * 20037508.342789244 / TILE.world_size


def rows(*features: tuple[str, str], columns: str = "") -> str:
    """Write a query of features: the values of the further columns, and WKT in pixels."""
    described = (f"{more}, '{wkt}'" if more else f"'{wkt}'" for more, wkt in features)
    values = ", ".join(f"({number}, {feature})" for number, feature in enumerate(described))
    names = f"{columns}, " if columns else ""
    return (
        f"SELECT cartodb_id, {names}ST_Scale(ST_GeomFromText(wkt, 3857), {PIXEL_M}, {-PIXEL_M}) "
        f"AS the_geom_webmercator FROM (VALUES {values}) AS data (cartodb_id, {names}wkt)"
    )


POINT = rows(("", "POINT(100 60)"))
LINE = rows(("", "LINESTRING(20 50, 200 50)"))
SQUARE = rows(("", "POLYGON((50 50, 150 50, 150 150, 50 150, 50 50))"))
THREE = rows(
    ("1, 'a'", "POINT(50 128)"), ("2, 'b'", "POINT(128 128)"), ("NULL, NULL", "POINT(200 128)"), columns="n, name"
)


def test_a_marker_has_its_size_and_place_and_color(drawing: Drawing) -> None:
    pixels = drawing("#l { marker-width: 20; marker-fill: #f00; marker-line-width: 0; }", POINT, TILE)
    assert pixels.shape == (256, 256, 4)
    assert at(pixels, 100, 60) == RED
    ys, xs = np.nonzero(painted(pixels))
    assert (xs.min(), xs.max() + 1, ys.min(), ys.max() + 1) == (90, 110, 50, 70)
    assert painted(pixels).sum() == pytest.approx(np.pi * 10**2, rel=0.03)
    assert at(pixels, 10, 10) == NOTHING


def test_a_marker_may_be_wide_and_have_an_outline(drawing: Drawing) -> None:
    css = "#l { marker-width: 40; marker-height: 20; marker-fill: blue; marker-line-width: 4; marker-line-color: red; }"
    pixels = drawing(css, POINT, TILE)
    assert at(pixels, 100, 60) == BLUE
    assert at(pixels, 120, 60) == at(pixels, 100, 70) == RED
    assert at(pixels, 124, 60) == at(pixels, 100, 74) == NOTHING


def test_opacities_multiply(drawing: Drawing) -> None:
    css = "#l { marker-width: 20; marker-fill: #f00; marker-line-width: 0; marker-fill-opacity: 0.5; }"
    assert is_like(at(drawing(css, POINT, TILE), 100, 60), (255, 0, 0, 128))
    assert is_like(at(drawing(css + "#l { marker-opacity: 0.5; }", POINT, TILE), 100, 60), (255, 0, 0, 64))


def test_a_line_has_its_width(drawing: Drawing) -> None:
    pixels = drawing("#l { line-color: #00f; line-width: 6; line-cap: butt; }", LINE, TILE)
    ys, xs = np.nonzero(painted(pixels))
    assert (xs.min(), xs.max() + 1, ys.min(), ys.max() + 1) == (20, 200, 47, 53)
    assert at(pixels, 100, 50) == BLUE


def test_a_dashed_line_has_gaps_where_they_are_written(drawing: Drawing) -> None:
    pixels = drawing("#l { line-color: #00f; line-width: 6; line-dasharray: 30, 10; }", LINE, TILE)
    assert painted(pixels)[50, [25, 45, 55, 65, 85, 95]].tolist() == [True, True, False, True, True, False]


def test_a_polygon_is_filled_and_outlined_in_the_order_of_the_text(drawing: Drawing) -> None:
    pixels = drawing("#l { polygon-fill: #f00; line-color: #00f; line-width: 8; }", SQUARE, TILE)
    assert at(pixels, 100, 100) == RED
    assert at(pixels, 50, 100) == at(pixels, 53, 100) == BLUE
    assert at(pixels, 44, 100) == NOTHING
    below = drawing("#l { line-color: #00f; line-width: 8; polygon-fill: #f00; }", SQUARE, TILE)
    assert at(below, 53, 100) == RED


@pytest.mark.parametrize(
    ("written", "drawn"),
    [
        ("[n = 1]", "1"),
        ("[n != 1]", "2-"),
        ("[n < 2]", "1"),
        ("[n <= 2]", "12"),
        ("[n > 1]", "2"),
        ("[n >= 1]", "12"),
        ("[name = 'b']", "2"),
        ("[name =~ '[ab]']", "12"),
        ("[n = null]", "-"),
        ("[n != null]", "12"),
        ("[zoom = 4]", "12-"),
        ("[zoom > 4]", ""),
        ("[zoom >= 4][zoom < 5][n = 2]", "2"),
    ],
)
def test_a_filter_chooses_features(drawing: Drawing, written: str, drawn: str) -> None:
    pixels = drawing(f"#l{written} {{ marker-width: 20; marker-fill: red; }}", THREE, TILE)
    found = "".join(name for name, x in (("1", 50), ("2", 128), ("-", 200)) if at(pixels, x, 128) == RED)
    assert found == drawn


def test_a_filter_may_ask_for_the_kind_of_geometry(drawing: Drawing) -> None:
    sql = rows(
        ("", "POINT(100 20)"), ("", "LINESTRING(20 50, 200 50)"), ("", "POLYGON((50 90, 150 90, 50 150, 50 90))")
    )
    css = "#l['mapnik::geometry_type' = 1] { marker-width: 20; marker-fill: red; } "
    css += "#l['mapnik::geometry_type' = 2] { line-color: blue; line-width: 4; } "
    css += '#l["mapnik::geometry_type" = 3] { polygon-fill: green; }'
    pixels = drawing(css, sql, TILE)
    assert [at(pixels, x, y) for x, y in ((100, 20), (100, 50), (60, 110))] == [RED, BLUE, GREEN]


def test_the_more_specific_block_wins(drawing: Drawing) -> None:
    css = "#l[n = 1] { marker-fill: blue; } #l { marker-width: 20; marker-fill: red; } "
    css += "#l[name = 'b'] { marker-fill: green; }"
    pixels = drawing(css, THREE, TILE)
    assert [at(pixels, x, 128) for x in (50, 128, 200)] == [BLUE, GREEN, RED]


def test_zoom_filters_follow_the_zoom_also_of_large_tiles_and_static_images(drawing: Drawing) -> None:
    css = "#l { marker-width: 20; " + "".join(
        f"[zoom = {zoom}] {{ marker-fill: {color}; }}" for zoom, color in ((3, "red"), (4, "green"), (5, "blue"))
    )
    sql = rows(("", "POINT(0 0)"))
    for zoom, color in ((3, RED), (4, GREEN), (5, BLUE)):
        for scale in (1, 2):
            view = View(zoom, (TILE_SIZE << zoom) // 2 - 40, (TILE_SIZE << zoom) // 2 - 30, 80, 60, scale)
            assert at(drawing(css + "}", sql, view), 40 * scale, 30 * scale) == color


def test_attachments_are_drawn_one_over_the_other(drawing: Drawing) -> None:
    css = "#l { ::below { marker-width: 40; marker-fill: red; } marker-width: 20; marker-fill: blue; } "
    pixels = drawing(css + "#l, #l::below { marker-allow-overlap: true; }", POINT, TILE)
    assert at(pixels, 100, 60) == BLUE
    assert at(pixels, 115, 60) == RED


def test_markers_do_not_overlap_unless_they_may(drawing: Drawing) -> None:
    sql = rows(("", "POINT(100 100)"), ("", "POINT(110 100)"))
    css = "#l { marker-width: 20; marker-fill: red; marker-line-width: 0; }"
    assert at(drawing(css, sql, TILE), 118, 100) == NOTHING
    assert at(drawing(css + "#l { marker-allow-overlap: true; }", sql, TILE), 118, 100) == RED


def test_sizes_and_colors_may_come_from_columns(drawing: Drawing) -> None:
    sql = rows(("10, 'red'", "POINT(60 60)"), ("30, '#00f'", "POINT(160 60)"), columns="size, color")
    pixels = drawing("#l { marker-width: [size] + 4; marker-fill: [color]; marker-line-width: 0; }", sql, TILE)
    assert at(pixels, 60, 60) == RED
    assert at(pixels, 160, 60) == BLUE
    widths = [int(painted(pixels)[60, left:right].sum()) for left, right in ((0, 110), (110, 256))]
    assert widths == [14, 34]


def test_labels_are_written_where_they_belong(drawing: Drawing) -> None:
    css = "#l { text-name: [name]; text-face-name: 'DejaVu Sans Bold'; text-size: 20; text-fill: #00f; %s }"
    dark = painted(drawing(css % "", THREE, TILE))
    assert dark[118:138, 40:60].any()
    assert dark[118:138, 118:138].any()
    assert not dark[:, 180:].any(), "a label that is null is not written"
    moved = painted(drawing(css % "text-dy: 40; text-halo-fill: red; text-halo-radius: 2;", THREE, TILE))
    assert not moved[118:138].any()
    assert moved[158:200, 40:60].any()


def test_a_tile_at_double_scale_is_the_same_in_large(drawing: Drawing) -> None:
    css = "#l { marker-width: 20; marker-fill: red; marker-line-width: 0; }"
    pixels = drawing(css, POINT, View.of_tile(4, 8, 8, scale=2))
    assert pixels.shape == (512, 512, 4)
    ys, xs = np.nonzero(painted(pixels))
    assert (xs.min(), xs.max() + 1, ys.min(), ys.max() + 1) == (180, 220, 100, 140)


def test_a_feature_at_the_edge_is_drawn_in_both_tiles(drawing: Drawing) -> None:
    css = "#l { marker-width: 40; marker-fill: red; }"
    sql = rows(("", "POINT(-10 60)"))
    assert at(drawing(css, sql, TILE), 5, 60) == RED
    assert at(drawing(css, sql, View.of_tile(4, 7, 8)), 250, 60) == RED


def test_the_background_colors_the_ground(drawing: Drawing) -> None:
    pixels = drawing("Map { background-color: #0000ff; } #l { marker-width: 20; marker-fill: red; }", POINT, TILE)
    assert at(pixels, 0, 0) == BLUE
    assert at(pixels, 100, 60) == RED


def test_a_jpeg_lies_on_white(drawing: Drawing) -> None:
    picture = drawing.map("#l { marker-width: 60; marker-fill: red; marker-line-width: 0; }", POINT)
    file = drawing.file([picture], TILE, "jpg")
    assert file[:3] == b"\xff\xd8\xff"
    pixels = decoded(file)
    assert is_like(at(pixels, 100, 60), (254, 0, 0, 255))
    assert is_like(at(pixels, 250, 250), WHITE)


def test_a_static_image_goes_around_the_world(drawing: Drawing) -> None:
    sql = "SELECT 1 AS cartodb_id, ST_SetSRID(ST_MakePoint(0, 0), 3857) AS the_geom_webmercator"
    css = "#l { marker-width: 20; marker-fill: red; marker-line-width: 0; }"
    pixels = drawing(css, sql, View.centered(0, 0, 0, 700, 300))
    assert [at(pixels, 350 + 256 * turn, 150) for turn in (-1, 0, 1)] == [RED, RED, RED]
    across = drawing(css, sql.replace("0, 0", "-20037508, 0"), View.centered(2, 180, 0, 200, 100))
    assert at(across, 105, 50) == RED
    beyond_the_pole = drawing(css, sql, View.centered(0, 0, 85, 100, 400))
    assert at(beyond_the_pole, 50, 0) == NOTHING


def test_the_tokens_of_the_query_are_filled_in(drawing: Drawing) -> None:
    sql = POINT.replace("SELECT", "SELECT !pixel_width!::text AS w, !scale_denominator!::text AS s,", 1)
    sql += f" WHERE abs(!pixel_width! - {PIXEL_M}) < 1 AND !pixel_height! > 0 AND !scale_denominator! > 1e7"
    sql += " AND ST_Intersects(!bbox!, ST_SetSRID(ST_MakePoint(0, 0), 3857)) AND ARRAY[1] @> ARRAY[1] AND 'a@b' <> '!x'"
    assert at(drawing("#l { marker-width: 20; marker-fill: red; }", sql, TILE), 100, 60) == RED


def test_other_columns_and_reference_systems_can_be_drawn(drawing: Drawing) -> None:
    sql = "SELECT 1 AS cartodb_id, ST_SetSRID(ST_MakePoint(0, 0), 4326) AS geom"
    pixels = drawing(
        "#l { marker-width: 20; marker-fill: red; }",
        sql,
        View.centered(3, 0, 0, 100, 100),
        geometry_column="geom",
        srid=4326,
    )
    assert at(pixels, 50, 50) == RED


def test_layers_have_zooms_at_which_they_are_drawn(drawing: Drawing) -> None:
    css = "#l { marker-width: 20; marker-fill: red; }"
    for limits in ({"min_zoom": 4}, {"max_zoom": 4}):
        assert at(drawing(css, POINT, TILE, **limits), 100, 60) == RED
    for limits in ({"min_zoom": 5}, {"max_zoom": 3}):
        assert at(drawing(css, POINT, TILE, **limits), 100, 60) == NOTHING


# Pictures that were looked at

PICTURES: dict[str, tuple[str, str]] = {
    "markers": (
        "#l { marker-width: 30; marker-fill: #1f77b4; marker-fill-opacity: 0.6; marker-line-color: #fff; "
        "marker-line-width: 2; marker-allow-overlap: true; [n >= 4] { marker-type: arrow; marker-fill: #d62728; } }",
        rows(*((f"{n}", f"POINT({30 + n * 22} {60 + n * n * 2})") for n in range(9)), columns="n"),
    ),
    "lines": (
        "#l::case { line-color: #333; line-width: 11; line-join: round; line-cap: round; } "
        "#l { line-color: #ffdd66; line-width: 7; line-join: round; line-cap: round; } "
        "#l[n = 1] { line-dasharray: 14, 10; }",
        rows(
            ("0", "LINESTRING(-20 30, 80 90, 120 20, 280 100)"),
            ("1", "MULTILINESTRING((20 230, 100 130, 240 220), (150 240, 250 130))"),
            columns="n",
        ),
    ),
    "polygons": (
        "#l { polygon-fill: #2ca02c; polygon-opacity: 0.5; line-color: #063; line-width: 2; "
        "[name = 'lake'] { polygon-fill: #1f77b4; } }",
        rows(
            ("'wood'", "POLYGON((-30 40, 120 20, 180 150, 60 220, -30 180, -30 40), (40 90, 100 80, 90 140, 40 90))"),
            (
                "'lake'",
                "MULTIPOLYGON(((110 100, 240 90, 230 200, 130 190, 110 100)), ((190 20, 240 20, 215 60, 190 20)))",
            ),
            columns="name",
        ),
    ),
    "labels": (
        "#l { line-color: #bbb; line-width: 3; ::label { text-name: [name]; text-size: 14; text-fill: #333; "
        "text-face-name: 'DejaVu Sans Bold'; text-halo-fill: #fff; text-halo-radius: 2; "
        "[line = true] { text-placement: line; } [line = false] { text-dy: -10; text-transform: uppercase; } } "
        "[line = false]::dot { marker-width: 8; marker-fill: #d62728; marker-allow-overlap: true; } }",
        rows(
            ("'Ñandú — été', true", "LINESTRING(10 220, 120 140, 246 200)"),
            ("'harbour', false", "POINT(70 60)"),
            ("'hill', false", "POINT(190 90)"),
            columns="name, line",
        ),
    ),
}


@pytest.mark.parametrize("name", [*PICTURES, "composed"])
def test_a_picture_looks_as_it_did(drawing: Drawing, name: str) -> None:
    ground = PlainPicture(Color(240, 244, 248))
    chosen = list(PICTURES.values()) if name == "composed" else [PICTURES[name]]
    file = drawing.file([ground, *(drawing.map(css, sql) for css, sql in chosen)], TILE)
    if os.environ.get("CARTO_UPDATE_PICTURES"):
        (STORED / f"{name}.png").write_bytes(file)
    compare(file, STORED / f"{name}.png")


def compare(file: bytes, stored: Path) -> None:
    drawn, wanted = decoded(file).astype(int), decoded(stored.read_bytes()).astype(int)
    assert drawn.shape == wanted.shape
    differing = (np.abs(drawn - wanted).max(axis=2) > TOLERANCE).mean()
    assert differing <= MAX_DIFFERING, f"{differing:.2%} of the pixels differ from {stored}"


def test_the_comparison_sees_a_moved_marker(drawing: Drawing) -> None:
    file = drawing.file([drawing.map("#l { marker-width: 30; }", rows(("", "POINT(40 40)")))], TILE)
    with pytest.raises(AssertionError, match="differ"):
        compare(file, STORED / "markers.png")


def test_the_pictures_of_the_document_are_what_is_drawn(conninfo: str) -> None:
    import make_cartocss

    for title, file in make_cartocss.pictures(conninfo).items():
        compare(file, make_cartocss.IMAGES / make_cartocss.picture_name(title))


# Tiles, colours and images under and over the map


class OtherServer(BaseHTTPRequestHandler):
    """A tile server: the colour of a tile tells its z, x and y."""

    def do_GET(self) -> None:
        if "slow" in self.path:
            time.sleep(3)
        status, body = self.answer(self.path)
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/pattern.png")
        self.end_headers()
        self.wfile.write(body)

    def answer(self, path: str) -> tuple[int, bytes]:
        if path == "/pattern.png":
            pattern = Image.new("RGBA", (32, 32), (0, 0, 0, 0))
            pattern.paste((255, 0, 0, 255), (0, 0, 16, 16))
            return 200, png(pattern)
        if path == "/marker.svg":
            size = b'width="10" height="10"'
            return 200, b'<svg xmlns="http://www.w3.org/2000/svg" %b><rect %b fill="blue"/></svg>' % (size, size)
        if path.startswith("/tiles/"):
            z, x, y = (int(part) for part in path[7:].removesuffix(".png").split("/"))
            return 200, png(Image.new("RGBA", (256, 256), (z * 10, x * 10, y * 10, 255)))
        return (302, b"") if path == "/moved.png" else (200, b"<html>") if path == "/page" else (404, b"")

    def log_message(self, *args: object) -> None:
        pass


def png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def other_server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), OtherServer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_tiles_of_another_server_lie_under_the_map(drawing: Drawing, other_server: str) -> None:
    tiles = TilePicture(other_server + "/tiles/{z}/{x}/{y}.png")
    points = drawing.map("#l { marker-width: 20; marker-fill: red; }", POINT)
    pixels = drawing.pixels([tiles, points], TILE)
    assert at(pixels, 200, 200) == (40, 80, 80, 255)
    assert at(pixels, 100, 60) == RED
    assert at(drawing.pixels([points, tiles], TILE), 100, 60) == (40, 80, 80, 255)


def test_static_images_put_tiles_together(drawing: Drawing, other_server: str) -> None:
    tiles = TilePicture(other_server + "/tiles/{z}/{x}/{y}.png")
    pixels = drawing.pixels([tiles], View.centered(1, 180, 0, 300, 200))
    corners = [at(pixels, x, y) for x, y in ((0, 0), (299, 0), (0, 199), (299, 199))]
    assert corners == [(10, 10, 0, 255), (10, 0, 0, 255), (10, 10, 10, 255), (10, 0, 10, 255)]
    assert at(drawing.pixels([tiles], View.centered(0, 0, 0, 256, 400)), 128, 10) == NOTHING


def test_large_tiles_take_those_of_the_next_zoom(drawing: Drawing, other_server: str) -> None:
    tiles = TilePicture(other_server + "/tiles/{z}/{x}/{y}.png")
    pixels = drawing.pixels([tiles], View.of_tile(1, 1, 0, scale=2))
    assert pixels.shape == (512, 512, 4)
    assert at(pixels, 10, 10) == (20, 20, 0, 255)
    assert at(pixels, 500, 500) == (20, 30, 10, 255)


def test_urls_of_tiles_have_subdomains_and_may_count_from_the_south() -> None:
    tiles = TilePicture("http://{s}.example.com/{z}/{x}/{y}", ["a", "b"], tms=True)
    assert [tiles.url(2, x, 0) for x in (0, 1, 2)] == [f"http://{s}.example.com/2/{x}/3" for x, s in enumerate("aba")]
    assert TilePicture("http://x/{s}", ()).url(0, 0, 0) == "http://x/{s}"


def test_a_plain_color_and_a_repeated_image(drawing: Drawing, other_server: str) -> None:
    assert is_like(at(drawing.pixels([PlainPicture(Color(255, 0, 0, 0.5))], TILE), 9, 9), (255, 0, 0, 128))
    assert at(drawing.pixels([PlainPicture()], TILE), 9, 9) == NOTHING
    pattern = PlainPicture(image_url=other_server + "/pattern.png")
    pixels = drawing.pixels([pattern], TILE)
    assert [at(pixels, x, y) for x, y in ((8, 8), (24, 8), (40, 8), (40, 40), (8, 24))] == [
        RED,
        NOTHING,
        RED,
        RED,
        NOTHING,
    ]
    moved = drawing.pixels([pattern], View(TILE.zoom, TILE.left + 16, TILE.top, 64, 64))
    assert [at(moved, x, 8) for x in (8, 24)] == [NOTHING, RED]


def test_a_marker_may_be_an_image(drawing: Drawing, other_server: str) -> None:
    pixels = drawing(f"#l {{ marker-file: url({other_server}/marker.svg); marker-width: 40; }}", POINT, TILE)
    assert at(pixels, 84, 44) == at(pixels, 116, 76) == BLUE


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/missing.png", r"Unable to download '.*/missing.png' for 'style0' \(server returned 404\)"),
        ("/moved.png", r"Unable to download '.*/moved.png' for 'style0' \(server returned 302\)"),
        ("/page", "'.*/page' is no PNG, JPEG or SVG image"),
    ],
)
def test_a_marker_that_cannot_be_had_is_told(drawing: Drawing, other_server: str, path: str, message: str) -> None:
    with pytest.raises(RenderError, match=message):
        drawing.map(f"#l {{ marker-file: url({other_server}{path}); }}", POINT)


def test_tiles_that_cannot_be_had_are_told(drawing: Drawing, other_server: str) -> None:
    for path in ("/slow/{z}/{x}/{y}.png", "/missing/{z}/{x}/{y}.png"):
        with pytest.raises(RenderError, match=f"^Unable to fetch http tile: {other_server}/[a-z]+/4/8/8.png$"):
            drawing.pixels([TilePicture(other_server + path)], TILE)
    with pytest.raises(RenderError, match="image_reader"):
        drawing.pixels([PlainPicture(image_url=other_server + "/page")], TILE)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://example.com/a.png", "may not fetch images from 'example.com': start it with --image-host example.com"),
        ("http://127.0.0.1.example.com/a.png", "may not fetch"),
        ("http://127.0.0.1@example.com/a.png", "may not fetch"),
        ("http://10.0.0.1/a.png", "may not fetch"),
        ("http://0.0.0.0/a.png", "may not fetch"),
        ("file:///etc/passwd", "is no http or https URL"),
        ("ftp://127.0.0.1/a.png", "is no http or https URL"),
        ("http://[::1/a.png", "is no URL"),
    ],
)
def test_only_allowed_hosts_are_asked(tmp_path: Path, url: str, message: str) -> None:
    for fetch in (RemoteImages(tmp_path).tile, RemoteImages(tmp_path).image):
        with pytest.raises(RemoteImageError, match=message):
            asyncio.run(fetch(url))


def test_an_allowed_host_is_asked(tmp_path: Path) -> None:
    images = RemoteImages(tmp_path, ["host.invalid"])
    with pytest.raises(RemoteImageError, match=r"^Unable to download 'http://host\.invalid/a\.png' "):
        asyncio.run(images.image("http://host.invalid/a.png"))


def test_a_marker_is_downloaded_once(tmp_path: Path, other_server: str) -> None:
    images = RemoteImages(tmp_path / "new")
    first = asyncio.run(images.file(other_server + "/marker.svg", "style0"))
    first.write_text("kept")
    assert asyncio.run(images.file(other_server + "/marker.svg", "style0")).read_text() == "kept"


# Errors and limits


def test_the_words_of_postgresql_reach_the_caller(drawing: Drawing) -> None:
    css = "#l { marker-width: 20; }"
    with pytest.raises(RenderError, match='Postgis Plugin: ERROR:  relation "nosuch" does not exist'):
        drawing(css, "SELECT * FROM nosuch", TILE)
    with pytest.raises(RenderError, match='column "nosuch" does not exist'):
        drawing("#l[nosuch > 1] { marker-width: 20; }", POINT, TILE)
    with pytest.raises(RenderError, match='column "the_geom_webmercator" does not exist'):
        drawing(css, "SELECT 1 AS cartodb_id", TILE)
    with pytest.raises(RenderError, match='syntax error at or near ";"'):
        drawing(css, "SELECT 1; SELECT 2", TILE)
    with pytest.raises(RenderError, match="Failed to find font face 'No Such'"):
        drawing("#l { text-name: [cartodb_id]; text-face-name: 'No Such'; }", POINT, TILE)


def test_a_statement_timeout_is_a_timeout(drawing: Drawing) -> None:
    with pytest.raises(RenderTimeoutError, match="statement timeout"):
        drawing(
            "#l { marker-width: 20; }",
            POINT + " WHERE pg_sleep(5) IS NOT NULL",
            TILE,
            statement_timeout_ms=100,
        )


def test_sizes_have_limits(drawing: Drawing) -> None:
    for view in (View(4, 0, 0, 0, 10), View(4, 0, 0, 8193, 10), View(4, 0, 0, 10, 5000, 2)):
        with pytest.raises(RenderError, match="sides of 1 to 8192 pixels"):
            drawing.pixels([PlainPicture()], view)
    assert drawing.pixels([], View(4, 0, 0, 10, 20)).shape == (20, 10, 4)


@contextmanager
def another(drawing: Drawing, tmp_path: Path, **options: Any) -> Iterator[Drawing]:
    renderer = Renderer(RemoteImages(tmp_path), **options)
    try:
        yield Drawing(renderer, drawing.run, drawing.conninfo)
    finally:
        drawing.run(renderer.close())


def workers(drawing: Drawing) -> list[int]:
    started = [each._process for each in drawing.renderer._processes]
    return [each.pid for each in started if each is not None]


def is_running(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def test_a_render_that_takes_too_long_is_killed_and_the_next_one_works(drawing: Drawing, tmp_path: Path) -> None:
    with another(drawing, tmp_path, workers=1) as limited:
        limited("#l { marker-width: 20; }", POINT, TILE)
        (pid,) = workers(limited)
        limited.renderer._limit_s = 0.5
        began = time.monotonic()
        with pytest.raises(RenderTimeoutError, match=r"longer than 0\.5 s"):
            limited("#l { marker-width: 20; }", POINT + " WHERE pg_sleep(20) IS NOT NULL", TILE)
        assert 0.4 < time.monotonic() - began < 10
        assert not is_running(pid)
        limited.renderer._limit_s = rendering.RENDER_LIMIT_S
        assert at(limited("#l { marker-width: 20; marker-fill: red; }", POINT, TILE), 100, 60) == RED


def test_a_worker_that_dies_is_replaced(drawing: Drawing, tmp_path: Path) -> None:
    with another(drawing, tmp_path, workers=1) as mortal:
        css = "#l { marker-width: 20; marker-fill: red; }"
        mortal(css, POINT, TILE)
        (pid,) = workers(mortal)
        slow = mortal.map(css, POINT + " WHERE pg_sleep(20) IS NOT NULL")
        killer = threading.Timer(0.5, os.kill, (pid, signal.SIGKILL))
        killer.start()
        with pytest.raises(RenderError, match="render process ended with status -9"):
            mortal.pixels([slow], TILE)
        assert at(mortal(css, POINT, TILE), 100, 60) == RED
        (process,) = (each._process for each in mortal.renderer._processes)
        process.kill()
        mortal.run(process.wait())
        assert at(mortal(css, POINT, TILE), 100, 60) == RED


def test_rendering_leaves_the_event_loop_free(drawing: Drawing) -> None:
    picture = drawing.map("#l { marker-width: 20; }", POINT + " WHERE pg_sleep(2) IS NOT NULL")

    async def longest_gap() -> float:
        task = asyncio.create_task(drawing.renderer.draw([picture], TILE))
        longest, last = 0.0, time.monotonic()
        while not task.done():
            await asyncio.sleep(0.01)
            longest, last = max(longest, time.monotonic() - last), time.monotonic()
        await task
        return longest

    assert drawing.run(longest_gap()) < 1


def test_two_pictures_are_drawn_at_once(drawing: Drawing) -> None:
    slow = drawing.map("#l { marker-width: 20; }", POINT + " WHERE pg_sleep(3) IS NOT NULL")
    quick = drawing.map("#l { marker-width: 20; }", POINT)

    async def order() -> list[str]:
        done: list[str] = []

        async def draw(name: str, picture: MapPicture) -> None:
            await drawing.renderer.draw([picture], TILE)
            done.append(name)

        await asyncio.gather(draw("slow", slow), draw("quick", quick))
        return done

    assert drawing.run(order()) == ["quick", "slow"]


def test_more_pictures_than_workers_wait_their_turn(drawing: Drawing) -> None:
    picture = drawing.map("#l { marker-width: 20; }", POINT)

    async def many() -> list[bytes]:
        return await asyncio.gather(*(drawing.renderer.draw([picture], TILE) for _ in range(12)))

    files = drawing.run(many())
    assert len(files) == 12
    assert len(set(files)) == 1
    assert len(workers(drawing)) <= rendering.WORKERS


def test_a_caller_that_goes_away_takes_nothing_with_it(drawing: Drawing, tmp_path: Path) -> None:
    with another(drawing, tmp_path, workers=1) as left_alone:
        css = "#l { marker-width: 20; marker-fill: red; }"
        slow = left_alone.map(css, POINT + " WHERE pg_sleep(20) IS NOT NULL")

        async def give_up() -> None:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(left_alone.renderer.draw([slow], TILE), 0.8)

        left_alone.run(give_up())
        assert at(left_alone(css, POINT, TILE), 100, 60) == RED


def test_a_table_that_changes_is_drawn_as_it_is(drawing: Drawing) -> None:
    css, sql = "#l[n > 1] { marker-width: 20; marker-fill: red; }", "SELECT * FROM changing"
    with psycopg.connect(drawing.conninfo, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS changing")
        connection.execute(f"CREATE TABLE changing AS {rows(('2', 'POINT(100 60)'), columns='n')}")
        assert at(drawing(css, sql, TILE), 100, 60) == RED
        connection.execute("ALTER TABLE changing DROP COLUMN n")
        with pytest.raises(RenderError, match='column "n" does not exist'):
            drawing(css, sql, TILE)
        connection.execute("ALTER TABLE changing ADD COLUMN n double precision DEFAULT 7.5")
        assert at(drawing(css, sql, TILE), 100, 60) == RED
        connection.execute("TRUNCATE changing")
        assert at(drawing(css, sql, TILE), 100, 60) == NOTHING


def test_a_worker_with_connections_to_many_databases_is_replaced(drawing: Drawing, tmp_path: Path) -> None:
    with another(drawing, tmp_path, workers=1) as worn:
        seen = []
        for timeout in range(MAX_DATABASES + 1):
            worn("#l { marker-width: 20; }", POINT, TILE, statement_timeout_ms=10_000 + timeout)
            seen += workers(worn)
        assert len(set(seen)) == 2
        with psycopg.connect(worn.conninfo, autocommit=True) as connection:
            held = connection.execute("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%cdbq%'").fetchone()
        assert held is not None
        assert held[0] <= MAX_DATABASES * (rendering.WORKERS + 1)


def test_closing_ends_the_workers(drawing: Drawing, tmp_path: Path) -> None:
    with another(drawing, tmp_path) as ended:
        ended("#l { marker-width: 20; }", POINT, TILE)
        pids = workers(ended)
    assert pids
    assert not any(is_running(pid) for pid in pids)


def test_a_worker_ends_with_its_parent() -> None:
    program = (
        "import asyncio, sys; from pathlib import Path\n"
        "from carto.sandbox.map_view import View; from carto.sandbox.rendering import *\n"
        "from carto.sandbox.remote_images import RemoteImages\n"
        "renderer = Renderer(RemoteImages(Path('.')), workers=1)\n"
        "async def main():\n"
        "    await renderer.draw([PlainPicture()], View.of_tile(0, 0, 0))\n"
        "    print(renderer._processes[0]._process.pid, flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 10
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(pid)


def test_without_mapnik_images_are_refused_with_the_command(monkeypatch: pytest.MonkeyPatch, drawing: Drawing) -> None:
    monkeypatch.setattr(rendering, "find_spec", lambda _name: None)
    with pytest.raises(RendererMissingError, match=r"^Images need Mapnik, .*: pip install mapnik$"):
        drawing.pixels([PlainPicture()], TILE)


def test_the_server_can_be_made_without_mapnik() -> None:
    program = "import sys; sys.modules['mapnik'] = None; import carto.sandbox.server"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


HIDE_MAPNIK = """
from importlib.machinery import PathFinder
found = PathFinder.find_spec
PathFinder.find_spec = lambda name, *rest: None if name == "mapnik" else found(name, *rest)
"""


def new_map(sandbox: Sandbox, *layers: dict[str, Any]) -> requests.Response:
    config = {"version": "1.8.0", "layers": list(layers)}
    return requests.post(sandbox.base_url + "api/v1/map", json=config, params={"api_key": sandbox.api_key}, timeout=30)


def tile(sandbox: Sandbox, created: requests.Response, path: str) -> requests.Response:
    token = created.json()["layergroupid"]
    return requests.get(f"{sandbox.base_url}api/v1/map/{token}/{path}", timeout=30)


def styled(css: str) -> dict[str, Any]:
    return {"type": "mapnik", "options": {"sql": POINT, "cartocss": css, "cartocss_version": "2.3.0"}}


def test_a_sandbox_without_mapnik_does_all_but_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sitecustomize.py").write_text(HIDE_MAPNIK)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with Sandbox() as sandbox:
        created = new_map(sandbox, styled("#l { marker-width: 5; }"))
        assert created.status_code == 200
        refused = tile(sandbox, created, "0/0/0.png")
        assert refused.status_code == 501
        assert refused.json()["errors"] == ["Images need Mapnik, which is not installed here: pip install mapnik"]
        assert tile(sandbox, created, "0/0/0.mvt").headers["Content-Type"] == "application/x-protobuf"
        assert "Unrecognized rule: bad" in new_map(sandbox, styled("#l { bad: 5; }")).text


def test_hosts_for_images_are_allowed_when_the_sandbox_starts() -> None:
    with Sandbox(image_hosts=["host.invalid"]) as sandbox:
        errors = []
        for host in ("host.invalid", "other.invalid"):
            layer = {"type": "http", "options": {"urlTemplate": f"http://{host}/{{z}}/{{x}}/{{y}}.png"}}
            errors += tile(sandbox, new_map(sandbox, layer), "all/0/0/0.png").json()["errors"]
    assert errors == [
        "Unable to fetch http tile: http://host.invalid/0/0/0.png",
        "The sandbox may not fetch images from 'other.invalid': start it with --image-host other.invalid",
    ]


# Views


def test_a_tile_covers_its_part_of_the_world() -> None:
    half = 20037508.342789244
    assert View.of_tile(0, 0, 0).extent == pytest.approx((-half, -half, half, half))
    assert View.of_tile(1, 1, 0).extent == pytest.approx((0, 0, half, half), abs=1e-6)
    assert View.of_tile(1, 5, 0) == View.of_tile(1, -1, 0) == View.of_tile(1, 1, 0)
    assert View.of_tile(1, 1, 0, scale=2).extent == View.of_tile(1, 1, 0).extent


def test_an_image_is_centered_where_it_is_asked_to_be() -> None:
    west, south, east, north = View.centered(3, 13.4, 52.5, 400, 300).extent
    assert (west + east) / 2 == pytest.approx(1491681, abs=20000)
    assert (south + north) / 2 == pytest.approx(6891042, abs=20000)
    assert View.centered(3, 0, 95, 10, 10) == View.centered(3, 0, 85.06, 10, 10)


@pytest.mark.parametrize("bounds", [(-10, 30, 10, 45), (-180, -90, 180, 90), (0, 0, 0.001, 0.001), (5, 5, 5, 5)])
def test_an_image_of_bounds_holds_them_as_large_as_can_be(bounds: tuple[float, float, float, float]) -> None:
    view = View.fitting(bounds, 200, 150)
    assert (view.width, view.height) == (200, 150)
    closer = View(view.zoom + 1, 0, 0, 200, 150)
    width = (bounds[2] - bounds[0]) / 360
    assert width * view.world_size <= 200 or view.zoom == 0
    assert view.zoom == 30 or width * closer.world_size > 100


def test_pieces_of_the_world_stand_side_by_side() -> None:
    view = View(0, -100, 0, 600, 50)
    pieces = [(offset, piece.left, piece.width) for offset, piece in view.worlds()]
    assert pieces == [(0, 156, 100), (100, 0, 256), (356, 0, 244)]
