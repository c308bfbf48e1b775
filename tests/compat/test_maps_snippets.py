"""The Maps API sections of our README and of carto-python's run as they stand there, and do what they say."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import requests

from carto.auth import APIKeyAuthClient
from carto.exceptions import CartoForbiddenException
from carto.maps import NamedMapManager
from carto.sql import SQLClient
from tests.compat.snippets import run, snippets
from tests.pictures import colored, pixels

pytestmark = pytest.mark.usefixtures("carto_com")

OURS = Path(__file__).resolve().parents[2] / "README.md"
THEIRS = Path(__file__).parent / "carto_python_readme.md"

CREATE, ANONYMOUS, INSTANTIATE, FETCH, URLS, WORK, NOTEBOOK = snippets(OURS, "Maps API")
THEIR_CREATE, THEIR_ANONYMOUS, THEIR_INSTANTIATE, THEIR_WORK = snippets(THEIRS, "Maps API")

KEY = "my_api_key"
#: The tile of zoom 4 that the README asks for, which Vienna lies on.
TILE = {"x": 8, "y": 5, "z": 4}
BLUE, GREEN, RED = "#0f6fc6", "#2e933c", "#d1495b"


def _template() -> str:
    """Give the JSON that stands in our README."""
    (block,) = re.findall(r"^    \{\n(?:    .*\n)+    \}\n", OURS.read_text(encoding="utf-8"), re.MULTILINE)
    return dedent(block)


@pytest.fixture
def names() -> Iterator[dict[str, Any]]:
    """Give a client, a table of stores that everybody may read, and the template's file; no named maps."""
    client = APIKeyAuthClient("https://me.carto.com/", KEY)
    sql = SQLClient(client)
    sql.send("DROP TABLE IF EXISTS stores")
    sql.send("CREATE TABLE stores (the_geom geometry(Geometry, 4326), name text);"
             "SELECT CDB_CartodbfyTable(current_schema, 'stores');"
             "INSERT INTO stores (the_geom, name) VALUES (ST_SetSRID(ST_MakePoint(16.37, 48.21), 4326), 'Café');"
             "GRANT SELECT ON stores TO publicuser")
    Path("stores_map.json").write_text(_template(), encoding="utf-8")
    yield {"auth_client": client}
    for named_map in NamedMapManager(client).all():
        named_map.delete()
    sql.send("DROP TABLE stores")
    client.close()


def _shows(png: bytes, color: str) -> bool:
    return bool(colored(pixels(png), color).any())


def _fill_in(code: str, **values: str) -> str:
    """Write values where carto-python's README asks its reader to."""
    for name, value in values.items():
        placeholder = f'{name} = ""'
        assert code.count(placeholder) == 1
        code = code.replace(placeholder, f"{name} = {value!r}")
    return code


def test_a_named_map_is_created_from_a_file_and_instantiated(names: dict[str, Any]) -> None:
    assert run(CREATE, names) == "stores_map\n"
    run(INSTANTIATE, names)
    assert _shows(names["named_map"].tile(**TILE), GREEN)
    with pytest.raises(CartoForbiddenException):
        names["named_map"].instantiate({}, "another token")


def test_tiles_and_pictures_are_fetched(names: dict[str, Any]) -> None:
    for snippet in (CREATE, ANONYMOUS, INSTANTIATE, FETCH):
        run(snippet, names)
    assert _shows(names["tile"], RED)
    assert b"name" in names["vector_tile"]
    assert _shows(Path("stores.png").read_bytes(), GREEN)
    assert pixels(Path("stores.png").read_bytes()).shape == (400, 800, 3)


def test_the_urls_can_be_read_without_a_key(names: dict[str, Any]) -> None:
    for snippet in (CREATE, ANONYMOUS, INSTANTIATE):
        run(snippet, names)
    anonymous, named = run(URLS, names).split()
    assert KEY not in anonymous + named
    assert _shows(requests.get(anonymous, timeout=30).content, RED)
    assert _shows(requests.get(named.format(**TILE), timeout=30).content, GREEN)


def _puts(client: APIKeyAuthClient) -> list[dict[str, Any]]:
    """Give a list that grows by the body of each PUT that succeeds from now on."""
    bodies: list[dict[str, Any]] = []

    def keep(response: requests.Response, **_options: Any) -> None:
        if response.request.method == "PUT" and response.ok:
            bodies.append(json.loads(response.request.body or ""))

    client.session.hooks["response"].append(keep)
    return bodies


def test_named_maps_are_updated_listed_and_deleted(names: dict[str, Any]) -> None:
    run(CREATE, names)
    puts = _puts(names["auth_client"])
    assert run(WORK, names) == "stores_map\n"
    template = json.loads(_template())
    assert puts == [{name: value for name, value in template.items() if name != "view"}, template]
    assert names["named_map_manager"].all() == []


def test_a_map_with_a_basemap_shows_itself(names: dict[str, Any]) -> None:
    run(ANONYMOUS, names)
    *before, shown = NOTEBOOK.partition("MapView(")[::2]
    run("".join(before), names)
    html = eval(f"MapView({shown}", names)._repr_html_()
    assert "https://tile.openstreetmap.org/{z}/{x}/{y}.png" in html
    assert KEY not in html


@pytest.fixture
def their_names(names: dict[str, Any]) -> dict[str, Any]:
    run(_fill_in(THEIR_CREATE, JSON_TEMPLATE="stores_map.json"), names)
    return names


def test_their_named_map(their_names: dict[str, Any]) -> None:
    assert their_names["named"].template_id == "stores_map"
    assert their_names["named_map_manager"].get("stores_map").layergroup == json.loads(_template())["layergroup"]


def test_their_anonymous_map(names: dict[str, Any]) -> None:
    config = json.loads(_template().replace("<%= color %>", BLUE))["layergroup"]
    Path("map.json").write_text(json.dumps(config))
    run(_fill_in(THEIR_ANONYMOUS, JSON_TEMPLATE="map.json"), names)
    assert _shows(names["anonymous"].tile(**TILE), BLUE)
    assert _shows(requests.get(names["anonymous"].get_tile_url(**TILE), timeout=30).content, BLUE)


def test_their_instance_of_a_named_map(their_names: dict[str, Any]) -> None:
    """It is given the whole template for parameters, of which none is a placeholder."""
    filled_in = _fill_in(THEIR_INSTANTIATE, JSON_TEMPLATE="stores_map.json", NAMED_MAP_ID="stores_map",
                         NAMED_MAP_TOKEN="my_token")
    run(filled_in, their_names)
    named_map = their_names["named_map"]
    assert _shows(named_map.tile(**TILE), BLUE)
    assert _shows(requests.get(named_map.get_tile_url(**TILE, layer_id=0), timeout=30).content, BLUE)


def test_their_work_with_named_maps(their_names: dict[str, Any]) -> None:
    puts = _puts(their_names["auth_client"])
    run(_fill_in(THEIR_WORK, NAMED_MAP_ID="stores_map"), their_names)
    assert puts == [{name: value for name, value in json.loads(_template()).items() if name != "view"}]
    assert their_names["named_maps"] == []
