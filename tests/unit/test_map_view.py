"""What notebooks show of maps: no key, nothing from elsewhere, all escaped, and something in every case."""

import base64
import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest
import requests
import responses

from carto import map_view
from carto.auth import APIKeyAuthClient
from carto.map_view import MapView
from carto.maps import AnonymousMap, NamedMap
from tests.unit.vector_tiles import tile_of

ROOT = "https://me.carto.com/"
MAP = ROOT + "api/v1/map/"
KEY = "secret-key"
TOKEN = "0123456789abcdef0123456789abcdef:1583402564011"
EVIL = "</script></iframe><img src=x onerror='alert(1)'>\"&"
PLACES = [(-10, 30), (14, 42)]
PNG = b"\x89PNG picture"


class Tags(HTMLParser):
    """The elements of some HTML, as a browser sees them: name and attributes; and its text."""

    def __init__(self, html):
        super().__init__()
        self.found, self.text = [], ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data

    def only(self, tag):
        (attributes,) = [attributes for found, attributes in self.found if found == tag]
        return attributes

    @property
    def names(self):
        return {tag for tag, _ in self.found}


@pytest.fixture
def server():
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


def instance(raster=True, layer="layer0"):
    kinds = {"vector": {}} | ({"raster": {}} if raster else {})
    return {"layergroupid": TOKEN, "metadata": {"tilejson": kinds, "layers": [{"id": layer, "type": "mapnik"}]}}


PRIVATE = 403, {}, json.dumps({"errors": ["permission denied for relation stores"]})


def serve_tiles(server, to_anybody=None):
    """Answer for tiles and pictures as a server; `to_anybody` is what it answers, or fails with, without a key."""

    def answer(request):
        if to_anybody and "Authorization" not in request.headers:
            if isinstance(to_anybody, Exception):
                raise to_anybody
            return to_anybody
        if place := re.search(r"/(\d+)/(\d+)/(\d+)\.mvt", request.url):
            zoom, x, y = map(int, place.groups())
            return 200, {}, tile_of(PLACES, x, y, zoom)
        return 200, {"Content-Type": "image/png"}, PNG

    server.add_callback("GET", re.compile(re.escape(MAP)), answer)


def anonymous(server, **options):
    server.post(MAP, json=instance(**options))
    made = AnonymousMap(APIKeyAuthClient(ROOT, KEY, retries=0))
    made.instantiate({"version": "1.8.0", "layers": []})
    return made


@pytest.fixture
def page(server):
    """Show a map and give the page inside its frame, without MapLibre's own script and style."""

    def show(shown):
        frame = Tags(shown._repr_html_()).only("iframe")
        script, style = map_view._maplibre()
        return frame["srcdoc"].replace(script, "").replace(style, "")

    return show


def options_of(page):
    return json.loads(re.search(r"new maplibregl\.Map\((.*)\);", page)[1])


class TestInteractive:
    def test_the_frame_keeps_to_itself(self, server):
        serve_tiles(server)
        html = anonymous(server)._repr_html_()
        frame = Tags(html).only("iframe")
        assert Tags(html).names == {"iframe"}
        assert frame["sandbox"] == "allow-scripts"

    def test_no_key_and_no_address_but_the_tiles(self, server, page):
        serve_tiles(server)
        shown = anonymous(server)
        text = page(shown)
        assert set(re.findall(r"https?://[^\s\"';]*", text)) == {
            ROOT.rstrip("/"), f"{MAP}{TOKEN}/all/{{z}}/{{x}}/{{y}}.png"}
        encoded = base64.b64encode(f"me:{KEY}".encode()).decode()
        assert KEY not in shown._repr_html_()
        assert encoded not in shown._repr_html_()

    def test_nothing_else_may_be_loaded(self, server, page):
        serve_tiles(server)
        policies = [attributes["content"] for tag, attributes in Tags(page(anonymous(server))).found
                    if attributes.get("http-equiv") == "Content-Security-Policy"]
        assert policies == [
            "default-src 'none'; script-src 'unsafe-inline'; worker-src blob:; style-src 'unsafe-inline'; "
            "img-src data: blob: https://me.carto.com; connect-src data: blob: https://me.carto.com"]

    def test_maplibre_is_in_the_page(self, server):
        serve_tiles(server)
        source = Tags(anonymous(server)._repr_html_()).only("iframe")["srcdoc"]
        assert all(part in source for part in map_view._maplibre())
        assert Tags(source).names == {"html", "head", "meta", "style", "body", "div", "script"}

    def test_it_is_fit_to_the_features(self, server, page):
        serve_tiles(server)
        (west, south), (east, north) = options_of(page(anonymous(server)))["bounds"]
        assert (west, south, east, north) == pytest.approx((-10, 30, 14, 42), abs=1.2)
        assert west < -10 < 14 < east
        assert south < 30 < 42 < north

    def test_an_expired_instance_is_renewed_first(self, server, page):
        shown = anonymous(server)
        expired = f"Invalid or nonexistent map configuration token '{TOKEN}'"
        server.get(re.compile(f".*/{TOKEN}/.*"), status=400, json={"errors": [expired]})
        server.replace("POST", MAP, json={**instance(), "layergroupid": "new:1"})
        serve_tiles(server)
        assert options_of(page(shown))["style"]["sources"]["map"]["tiles"] == [f"{MAP}new:1/all/{{z}}/{{x}}/{{y}}.png"]

    def test_a_map_without_vector_tiles_shows_the_world(self, server, page):
        server.get(f"{MAP}{TOKEN}/0/0/0.mvt", status=400, json={"errors": ["Unsupported format mvt"]})
        serve_tiles(server)
        assert options_of(page(anonymous(server)))["bounds"] == [[-180, -60], [180, 75]]

    def test_so_does_one_whose_tiles_are_broken(self, server, page):
        server.get(f"{MAP}{TOKEN}/0/0/0.mvt", body=b"\x1a\x05\n")
        serve_tiles(server)
        assert options_of(page(anonymous(server)))["bounds"] == [[-180, -60], [180, 75]]

    def test_a_map_of_vector_tiles_draws_them_by_layer(self, server, page):
        serve_tiles(server)
        style = options_of(page(anonymous(server, raster=False, layer="roads")))["style"]
        assert style["sources"]["map"]["tiles"] == [f"{MAP}{TOKEN}/{{z}}/{{x}}/{{y}}.mvt"]
        drawn = [layer for layer in style["layers"] if layer.get("source") == "map"]
        assert {layer["source-layer"] for layer in drawn} == {"roads"}
        assert {layer["type"] for layer in drawn} == {"fill", "line", "circle"}

    def test_the_data_are_attributed(self, server, page):
        serve_tiles(server)
        options = options_of(page(MapView(anonymous(server), attribution="Natural Earth")))
        assert options["attributionControl"] == {"compact": False, "customAttribution": ["Natural Earth", "MapLibre"]}

    def test_there_is_no_basemap_unless_asked(self, server, page):
        serve_tiles(server)
        shown = anonymous(server)
        assert "basemap" not in page(shown)
        asked = page(MapView(shown, basemap="https://tiles.example.com/{z}/{x}/{y}.png"))
        sources = [layer.get("source") for layer in options_of(asked)["style"]["layers"]]
        assert sources == [None, "basemap", "map"]
        assert "connect-src data: blob: https://me.carto.com https://tiles.example.com" in asked

    def test_everything_is_escaped(self, server, page):
        serve_tiles(server)
        shown = MapView(anonymous(server, raster=False, layer=EVIL), attribution=EVIL, basemap=f"https://x/{EVIL}")
        text = page(shown)
        assert Tags(shown._repr_html_()).names == {"iframe"}
        assert Tags(text).names == {"html", "head", "meta", "style", "body", "div", "script"}
        options = options_of(text)
        assert options["style"]["layers"][-1]["source-layer"] == EVIL
        assert "<" not in options["attributionControl"]["customAttribution"][0]

    def test_a_named_map_brings_its_token_and_values(self, server, page):
        serve_tiles(server)
        server.post(f"{MAP}named/stores", json=instance())
        named = NamedMap(APIKeyAuthClient(ROOT, KEY))
        named.template_id = "stores"
        named.instantiate({"n": 1}, ["t 1", "t2"])
        (tiles,) = options_of(page(named))["style"]["sources"]["map"]["tiles"]
        assert tiles == f"{MAP}{TOKEN}/all/{{z}}/{{x}}/{{y}}.png?auth_token%5B%5D=t+1&auth_token%5B%5D=t2"
        assert Tags(named._repr_html_()).only("iframe")["title"] == "Map stores"


class TestPictures:
    @pytest.fixture
    def without_the_extra(self, monkeypatch):
        monkeypatch.setattr(map_view, "find_spec", lambda name: None)

    def _shows_the_picture(self, html):
        image = Tags(html).only("img")
        return image["src"] == f"data:image/png;base64,{base64.b64encode(PNG).decode()}" and KEY not in html

    def test_what_only_the_callers_session_can_reach(self, server):
        serve_tiles(server, to_anybody=requests.exceptions.SSLError("unknown authority"))
        assert self._shows_the_picture(anonymous(server)._repr_html_())

    def test_a_private_map_is_a_picture_that_the_sdk_fetched(self, server):
        serve_tiles(server, to_anybody=PRIVATE)
        assert self._shows_the_picture(anonymous(server)._repr_html_())
        last = server.calls[-1].request
        view = re.search(r"static/center/[^/]*/(\d+)/([^/]*)/([^/]*)/800/400\.png", last.url)
        zoom, latitude, longitude = view.groups()
        assert (float(longitude), float(latitude)) == pytest.approx((2, 36.24), abs=0.1)
        assert zoom == "5"
        assert last.headers["Authorization"].startswith("Basic ")
        assert KEY not in last.url

    def test_without_the_extra(self, server, without_the_extra):
        serve_tiles(server)
        assert self._shows_the_picture(anonymous(server)._repr_html_())

    def test_a_wheel_without_the_files_is_no_extra(self, server, monkeypatch, tmp_path):
        (tmp_path / "maplibre").mkdir()
        (tmp_path / "maplibre" / "__init__.py").touch()
        monkeypatch.syspath_prepend(str(tmp_path))
        serve_tiles(server)
        assert self._shows_the_picture(anonymous(server)._repr_html_())

    def test_it_is_attributed_and_escaped(self, server, without_the_extra):
        serve_tiles(server)
        tags = Tags(MapView(anonymous(server), attribution=EVIL)._repr_html_())
        assert tags.names == {"figure", "img", "figcaption"}
        assert tags.text == EVIL


class TestTables:
    def test_what_can_not_be_drawn_lists_its_layers_and_why(self, server):
        server.get(re.compile(re.escape(MAP)), status=403, json={"errors": [EVIL]})
        tags = Tags(anonymous(server, layer=EVIL)._repr_html_())
        assert tags.names == {"table", "caption", "thead", "tbody", "tr", "th", "td"}
        assert f"{EVIL}mapnik" in tags.text
        assert f"Map {TOKEN} can't be drawn: {EVIL}" in tags.text

    def test_also_without_any_connection(self, server):
        server.get(re.compile(re.escape(MAP)), body=requests.ConnectionError("unplugged"))
        assert "layer0" in Tags(anonymous(server)._repr_html_()).text


class TestScripts:
    def test_what_is_not_instantiated_has_no_view(self):
        assert AnonymousMap(APIKeyAuthClient(ROOT, KEY))._repr_html_() is None

    def test_nothing_is_sent_unless_it_is_shown(self, server):
        MapView(anonymous(server))
        assert [call.request.method for call in server.calls] == ["POST"]

    def test_nothing_is_imported_unless_it_is_shown(self):
        code = ("import sys, carto.maps; print([name for name in sys.modules if 'maplibre' in name or name in "
                "('carto.map_view', 'carto.tile_extent')])")
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout == "[]\n"

    def test_the_wheel_is_read_and_not_run(self, server):
        serve_tiles(server)
        anonymous(server)._repr_html_()
        assert "maplibre" not in sys.modules
