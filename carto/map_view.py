"""What a notebook shows of an instantiated map: an interactive map, else a picture, else a table of its layers."""

from __future__ import annotations

import json
from base64 import b64encode
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from carto.auth import NoAuthClient
from carto.display import escape, html_table
from carto.exceptions import CartoException, CartoResponseException
from carto.tile_extent import Bounds, bounds_of_features, tile_at, view_of

if TYPE_CHECKING:
    from requests import Response

    from carto.maps import BaseMap

#: What web Mercator shows of the world, less the ice.
_WORLD: Bounds = (-180, -60, 180, 75)
_MERCATOR_END = 85
#: Around the features, as a part of their extent; and at least so many degrees, so that a lone point has surroundings.
_MARGIN, _LEAST_MARGIN = 0.04, 0.002
_PICTURE_WIDTH = 800
#: Pixels; MapLibre counts zooms for tiles of 512, which vector tiles are.
_TILE_SIZE = {"raster": 256, "vector": 512}
#: Layers of a map of vector tiles have no style of their own: these colours in turn.
_COLORS = ("#0f6fc6", "#d1495b", "#2e933c", "#e08e0b", "#7b4fa3")

#: The page inside the frame. It has an origin of its own and may load nothing but the tiles.
_PAGE = """<!doctype html>
<html><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; worker-src blob:; \
style-src 'unsafe-inline'; img-src data: blob: {origins}; connect-src data: blob: {origins}">
<style>{css}</style>
<style>html, body, #map {{ height: 100%; margin: 0 }} #problem {{ position: absolute; margin: 8px; font-family: \
sans-serif; background: white }}</style>
</head><body><div id="map"></div><div id="problem"></div>
<script>{javascript}</script>
<script>
const show = error => document.getElementById("problem").textContent = "This map can't be drawn: " + error.message +
  ". Run its cell again.";
const draw = () => {{
  try {{
    const map = new maplibregl.Map({options});
    map.addControl(new maplibregl.NavigationControl());
    map.on("error", event => show(event.error));
    map.on("webglcontextlost", () => setTimeout(() => {{ map.remove(); whenSeen(draw); }}));
  }} catch (error) {{
    show(error.message.includes("WebGL") ? new Error("the browser has no WebGL for it") : error);
  }}
}};
// browsers draw 16 maps or so at once, and drop the oldest: it comes back when somebody looks at it
const whenSeen = act => new IntersectionObserver((entries, observer) => {{
  if (entries.some(entry => entry.isIntersecting)) {{ observer.disconnect(); act(); }}
}}).observe(document.body);
draw();
</script></body></html>"""


class MapView:
    """Shows a map in a notebook, when it is the last thing of a cell.

    Interactive where the extra ``carto[notebook]`` is installed and the tiles can be read without an API key; a picture
    that the SDK fetches where they can't, for the page holds no key. Nothing is sent before it is shown.

    Args:
        instance: A map that has been instantiated.
        basemap: A URL template of raster tiles (``https://.../{z}/{x}/{y}.png``) to draw below it. The notebook then
            loads them from there.
        attribution: Whom to name for the data and the basemap.
        height: Pixels.
    """

    def __init__(self, instance: BaseMap, *, basemap: str | None = None, attribution: str = "CARTO",
                 height: int = 400) -> None:
        self._map = instance
        self._basemap = basemap
        self._attribution = attribution
        self._height = height

    def _repr_html_(self) -> str:
        """Show the best that can be had."""
        try:
            library = _maplibre()
            return self._interactive(*library) if library and self._is_public() else self._picture()
        except CartoException as error:
            return self._table(error)

    def _interactive(self, javascript: str, css: str) -> str:
        tiles = [url for url in (self._tiles, self._basemap) if url]
        page = _PAGE.format(
            origins=escape(" ".join(map(_origin, tiles))), css=css, javascript=javascript, options=_in_script({
                "container": "map",
                "style": self._style(),
                "bounds": [self._bounds[:2], self._bounds[2:]],
                "cooperativeGestures": True,  # the wheel scrolls the notebook; with Ctrl, it zooms
                "attributionControl": {"compact": False, "customAttribution": [escape(self._attribution), "MapLibre"]},
            }))
        return (f'<iframe title="{escape(self._title)}" sandbox="allow-scripts" srcdoc="{escape(page)}" '
                f'style="width: 100%; height: {self._height:d}px; border: 0"></iframe>')

    def _picture(self) -> str:
        # with a bbox, servers take the middle of its degrees, which is not the middle of the picture
        center, zoom = view_of(self._bounds, _PICTURE_WIDTH, self._height)
        image = self._map.image(_PICTURE_WIDTH, self._height, center=center, zoom=zoom)
        return (f'<figure style="margin: 0"><img alt="{escape(self._title)}" style="max-width: 100%" '
                f'src="data:image/png;base64,{b64encode(image).decode()}">'
                f"<figcaption>{escape(self._attribution)}</figcaption></figure>")

    def _table(self, reason: CartoException) -> str:
        rows = [(layer.get("id"), layer.get("type")) for layer in self._layers]
        return html_table(("layer", "type"), rows, f"{self._title} can't be drawn: {reason}")

    def _style(self) -> dict[str, Any]:
        """Write the map as a style of MapLibre's."""
        kind = "raster" if self._has_pictures else "vector"
        sources: dict[str, Any] = {"map": {"type": kind, "tiles": [self._tiles], "tileSize": _TILE_SIZE[kind]}}
        layers: list[dict[str, Any]] = [
            {"id": "background", "type": "background", "paint": {"background-color": "#ffffff"}}]
        if self._basemap:
            sources["basemap"] = {"type": "raster", "tiles": [self._basemap], "tileSize": _TILE_SIZE["raster"]}
            layers.append({"id": "basemap", "type": "raster", "source": "basemap"})
        layers += [{"id": "map", "type": "raster", "source": "map"}] if self._has_pictures else self._vector_layers()
        return {"version": 8, "sources": sources, "layers": layers}

    def _vector_layers(self) -> list[dict[str, Any]]:
        ids = [str(layer.get("id")) for layer in self._layers]
        return [each for number, name in enumerate(ids) for each in _drawn(name, _COLORS[number % len(_COLORS)])]

    def _is_public(self) -> bool:
        """Ask for a tile as the browser will: without any key, and with no session of the caller's."""
        column, row, zoom = tile_at(self._bounds)
        place = self._tile_place.format(x=column, y=row, z=zoom)
        with NoAuthClient(self._map.client.base_url, retries=0) as anybody:
            try:
                response: Response = anybody.send(self._map.instance_url(place), "get")
            except CartoException:
                return False
            return response.ok

    @property
    def _tiles(self) -> str:
        return self._map.instance_url(self._tile_place)

    @property
    def _tile_place(self) -> str:
        return "all/{z}/{x}/{y}.png" if self._has_pictures else "{z}/{x}/{y}.mvt"

    @property
    def _has_pictures(self) -> bool:
        """Tell whether the server draws the map; one whose layers have no style is of vector tiles only."""
        return "raster" in ((self._map.metadata or {}).get("tilejson") or {})

    @cached_property
    def _bounds(self) -> Bounds:
        try:
            found = bounds_of_features(lambda x, y, z: self._map.tile(x, y, z, extension="mvt"))
        except CartoResponseException:  # no layer of it has vector tiles, or they take too long
            return _WORLD
        return _with_margin(found) if found else _WORLD

    @property
    def _layers(self) -> list[dict[str, Any]]:
        return (self._map.metadata or {}).get("layers") or []

    @property
    def _title(self) -> str:
        return f"Map {getattr(self._map, 'template_id', None) or self._map.layergroupid}"


def _with_margin(bounds: Bounds) -> Bounds:
    west, south, east, north = bounds
    margin = max((east - west) * _MARGIN, (north - south) * _MARGIN, _LEAST_MARGIN)
    return (max(west - margin, -180), max(south - margin, -_MERCATOR_END), min(east + margin, 180),
            min(north + margin, _MERCATOR_END))


def _maplibre() -> tuple[str, str] | None:
    """Read MapLibre's script and style out of the wheel; importing it would load much that is not needed."""
    package = find_spec("maplibre")
    for folder in (package and package.submodule_search_locations) or ():
        files = Path(folder) / "srcjs"
        javascript, css = files / "maplibre-gl.js", files / "maplibre-gl.css"
        if javascript.exists() and css.exists():
            return javascript.read_text("utf-8"), css.read_text("utf-8")
    return None


def _drawn(layer: str, color: str) -> list[dict[str, Any]]:
    """Draw the areas, lines and points of a layer of vector tiles."""
    kinds: list[tuple[str, str, dict[str, Any]]] = [
        ("Polygon", "fill", {"fill-color": color, "fill-opacity": 0.5, "fill-outline-color": color}),
        ("LineString", "line", {"line-color": color, "line-width": 1.5}),
        ("Point", "circle", {"circle-color": color, "circle-radius": 4, "circle-stroke-width": 1,
                             "circle-stroke-color": "#ffffff"}),
    ]
    return [{"id": f"{layer} {geometry}", "type": kind, "source": "map", "source-layer": layer, "paint": paint,
             "filter": ["==", "$type", geometry]} for geometry, kind, paint in kinds]


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _in_script(value: Any) -> str:
    """Write JSON that can stand inside a script element."""
    return json.dumps(value).replace("<", "\\u003c")
