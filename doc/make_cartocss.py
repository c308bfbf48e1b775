"""Write source/cartocss.md and its pictures: run `python doc/make_cartocss.py` after a change of texts or properties.

The pictures are drawn by the sandbox's own renderer, from a PostgreSQL server of its own.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psycopg
from cartocss_examples import LANGUAGE, PROPERTIES, Data, Example

from carto.sandbox.cartocss import parse_cartocss
from carto.sandbox.cartocss_properties import PROPERTIES as KNOWN
from carto.sandbox.cartocss_properties import Property
from carto.sandbox.cluster import Cluster
from carto.sandbox.css_colors import Color
from carto.sandbox.map_view import View
from carto.sandbox.mapnik_style import MapnikLayer
from carto.sandbox.remote_images import RemoteImages
from carto.sandbox.rendering import PlainPicture, Renderer
from carto.sandbox.run_directory import RunDirectory

SOURCE = Path(__file__).parent / "source"
IMAGES = SOURCE / "images" / "cartocss"
DOCUMENT = SOURCE / "cartocss.md"
VIEW = View.centered(10, 0, 0, 180, 100)
PIXEL_M = 40075016.68557849 / VIEW.world_size
SERVER = "https://example.com"
"""Stands in the document for the server of the marker's image."""

STAR = b"""<svg xmlns="http://www.w3.org/2000/svg" width="24" height="24"><path fill="#e6a700"
d="M12 1l3.2 7.4 8 .7-6.1 5.3 1.9 7.9-7-4.2-7 4.2 1.9-7.9L.8 9.1l8-.7z"/></svg>"""

GEOMETRIES: dict[Data, list[tuple[str, str]]] = {
    "points": [("one", "POINT(-50 5)"), ("two", "POINT(0 -12)"), ("three", "POINT(50 5)")],
    "lines": [
        ("a winding road", "LINESTRING(-85 -5, -70 10, -50 20, -30 12, -5 -12, 20 -25, 45 -15, 65 5, 85 15)"),
        ("an old railway", "LINESTRING(-85 40, -60 -35, 85 -35)"),
    ],
    "polygons": [
        ("lake", "MULTIPOLYGON(((-70 -30, -10 -38, 5 0, -15 38, -60 30, -70 -30)), ((30 10, 45 10, 38 25, 30 10)))"),
        ("wood", "MULTIPOLYGON(((-20 -15, 75 -35, 60 5, -20 20, -20 -15), (25 -15, 45 -15, 45 -5, 25 -5, 25 -15)))"),
    ],
}

INTRODUCTION = """# CartoCSS in the sandbox

The sandbox draws PNG tiles and images from CartoCSS with [Mapnik](https://mapnik.org). This is all that it draws:
anything else is refused with the property's name and its place, line and column, as in
`style0:1:10 Unrecognized rule: marker-wadus`. That goes for torque, `ramp()` and the other functions of turbo-carto,
for `raster-`, `shield-`, `building-` and pattern properties, and for properties of whole layers such as `comp-op`.

Mapnik comes with the extra `sandbox`, or by `pip install mapnik`. Without it all but images works.

This page and its pictures are made by `python doc/make_cartocss.py`.
"""

TAKES = {
    "number": "a number",
    "opacity": "a number from 0 to 1",
    "boolean": "`true` or `false`",
    "color": "a color",
    "label": "a column or a text",
    "string": "a text in quotes",
    "numbers": "numbers with commas between them",
    "url": "`url(...)`",
}


def main() -> None:
    """Write the document and draw its pictures."""
    DOCUMENT.write_text(document(), encoding="utf-8")
    IMAGES.mkdir(parents=True, exist_ok=True)
    with postgis() as conninfo:
        for title, image in pictures(conninfo).items():
            (IMAGES / picture_name(title)).write_bytes(image)


def document() -> str:
    """Put the document together."""
    sections = [INTRODUCTION, "## The language\n"]
    sections += [_section(title, example) for title, example in LANGUAGE.items()]
    for prefix, title in {"marker-": "Markers", "line-": "Lines", "polygon-": "Polygons", "text-": "Labels"}.items():
        sections.append(f"## {title}\n")
        sections += [
            _section(name, example, f" Takes {_takes(KNOWN[name])}.")
            for name, example in PROPERTIES.items()
            if name.startswith(prefix)
        ]
    return "\n".join(sections)


def picture_name(title: str) -> str:
    """Name the picture of an example."""
    return title.lower().replace(" ", "-") + ".png"


def _section(title: str, example: Example, takes: str = "") -> str:
    css = example.css.replace("{server}", SERVER)
    return (
        f"### {title}\n\n{example.text}{takes}\n\n```scss\n{css}\n```\n\n"
        f"![{title}](images/cartocss/{picture_name(title)})\n"
    )


def _takes(target: Property) -> str:
    if target.kind == "keyword":
        return "one of " + ", ".join(f"`{choice}`" for choice in target.choices)
    return TAKES[target.kind]


def pictures(conninfo: str) -> dict[str, bytes]:
    """Draw the examples.

    Args:
        conninfo: Connection string of a database with PostGIS.
    """
    with _image_server() as server, tempfile.TemporaryDirectory() as directory:
        return asyncio.run(_draw_all(conninfo, server, Path(directory)))


async def _draw_all(conninfo: str, server: str, directory: Path) -> dict[str, bytes]:
    renderer = Renderer(RemoteImages(directory))
    ground = PlainPicture(Color(255, 255, 255))
    drawn = {}
    try:
        for title, example in {**LANGUAGE, **PROPERTIES}.items():
            sheet = parse_cartocss(example.css.replace("{server}", server))
            layer = MapnikLayer("layer", query(example.data), sheet, conninfo)
            drawn[title] = await renderer.draw([ground, await renderer.map_picture([layer])], VIEW)
    finally:
        await renderer.close()
    return drawn


def query(data: Data) -> str:
    """Write the query of an example's data, whose coordinates are pixels from the middle of the picture."""
    rows = ", ".join(
        f"({number}, '{name}', '{geometry}')" for number, (name, geometry) in enumerate(GEOMETRIES[data], 1)
    )
    return (
        "SELECT n AS cartodb_id, n, name, "  # noqa: S608 -- our own values
        f"ST_Scale(ST_GeomFromText(wkt, 3857), {PIXEL_M}, {PIXEL_M}) AS the_geom_webmercator "
        f"FROM (VALUES {rows}) AS data (n, name, wkt)"
    )


@contextmanager
def postgis() -> Iterator[str]:
    """Run a PostgreSQL server, and give the connection string of an empty database with PostGIS."""
    read_end, keep_open = os.pipe()
    run_directory = RunDirectory(keep_open)
    try:
        cluster = Cluster(run_directory, None)
        cluster.start()
        cluster.wait_until_ready()
        with psycopg.connect(cluster.conninfo, autocommit=True) as connection:
            connection.execute("CREATE DATABASE examples")
        yield cluster.conninfo.replace("dbname=postgres", "dbname=examples")
    finally:
        run_directory.remove()
        os.close(read_end)
        os.close(keep_open)


class _Images(BaseHTTPRequestHandler):
    """Answers any path with the star."""

    def do_GET(self) -> None:
        """Send it."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(STAR)

    def log_message(self, *_args: object) -> None:
        """Keep quiet."""


@contextmanager
def _image_server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Images) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


if __name__ == "__main__":
    main()
