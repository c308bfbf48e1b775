"""Anonymous maps over a real socket: checks, tokens, expiry, keys, tiles, images, attributes, limits."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from PIL import Image

from carto.sandbox import Sandbox
from carto.sandbox.rendering import WORKERS as RENDERERS
from tests.sandbox.api import Account, basic
from tests.sandbox.maps_client import (
    CSS,
    TIMEOUT_S,
    Json,
    MapsClient,
    bare,
    colors,
    config,
    errors,
    features,
    layer,
    layer_names,
    maps_client,
    picture,
    styled,
)
from tests.sandbox.processes import wait_until
from tests.wire.tile_server import tile_server

RED, BLUE = (255, 0, 0, 255), (0, 0, 255, 255)
SLOW = "SELECT pg_sleep(3), 1 AS cartodb_id, 'SRID=3857;POINT(0 0)'::geometry AS the_geom_webmercator LIMIT 1"
LOCKED = SLOW.replace("pg_sleep(3)", "pg_advisory_xact_lock_shared(1)")
SLOW_AT_ZOOM_0 = (
    "SELECT 1 AS cartodb_id, 'SRID=3857;POINT(0 0)'::geometry AS the_geom_webmercator,"
    " CASE WHEN !scale_denominator! > 1e8 THEN pg_sleep(3) END AS s"
)
LIMITED_ACCOUNTS: list[Json] = [
    {
        "name": "limited",
        "keys": [
            {"type": "master", "token": "master_of_limited", "statement_timeout_ms": 400},
            {"type": "default", "statement_timeout_ms": 200},
            {"type": "regular", "name": "sql", "token": "sql_only", "maps": False},
        ],
        "rate_limits": {"attributes": {"burst": 2, "count": 1, "period_s": 60}, "tile": {"burst": 4, "period_s": 60}},
    },
    {"name": "locked", "can_log_in": False, "keys": [{"type": "master", "token": "master_of_locked"}]},
    {
        "name": "gone",
        "database_url": "postgresql://127.0.0.1:1/nothing",
        "keys": [{"type": "master", "token": "master_of_gone"}],
    },
]


@pytest.fixture(scope="module")
def limited() -> Iterator[MapsClient]:
    with Sandbox(accounts=LIMITED_ACCOUNTS) as sandbox:
        yield MapsClient(sandbox.base_url, "master_of_limited")


# Instantiation


def test_the_answer_tells_where_layers_tiles_and_data_are(maps: MapsClient, map_table: str) -> None:
    response = maps.public.instantiate(styled(f"SELECT * FROM {map_table}", interactivity="cartodb_id, name"))
    assert response.status_code == 200
    body = response.json()
    token = body["layergroupid"]
    assert response.headers["X-Layergroup-Id"] == token
    assert response.headers["Carto-Map-Id"] == token.partition(":")[0]
    (described,) = body["metadata"]["layers"]
    assert (described["type"], described["id"]) == ("mapnik", "layer0")
    assert described["meta"]["stats"] == {"estimatedFeatureCount": 13}
    assert set(described["tilejson"]["raster"]) == {"tilejson", "tiles", "grids"}
    assert body["last_updated"].endswith("Z")
    template = body["metadata"]["url"]["raster"]["urlTemplate"]
    tile = requests.get(template.format(z=0, x=0, y=0), timeout=TIMEOUT_S)
    assert RED in colors(tile)


def test_layers_get_ids_by_type_and_tiles_of_vector_maps_only_are_vectors(maps: MapsClient, map_table: str) -> None:
    sql = f"SELECT * FROM {map_table}"
    three = config({"type": "plain", "options": {"color": "blue"}}, layer(sql, **CSS), layer(sql, **CSS))
    metadata = maps.public.instantiate(three).json()["metadata"]
    assert [each["id"] for each in metadata["layers"]] == ["plain-layer0", "layer0", "layer1"]
    metadata = maps.public.instantiate(bare(sql)).json()["metadata"]
    assert set(metadata["url"]) == {"vector"}
    assert "cartocss" not in metadata["layers"][0]["meta"]
    assert metadata["layers"][0]["meta"]["aggregation"] == {"png": False, "mvt": False}


def test_the_same_map_has_the_same_token_and_another_one_has_not(maps: MapsClient, map_table: str) -> None:
    described = styled(f"SELECT * FROM {map_table}")
    token = maps.public.token(described)
    assert maps.public.token(described) == token
    by_get = maps.public.get("", config=json.dumps(described))
    assert by_get.json()["layergroupid"] == token
    assert "must-revalidate" in by_get.headers["Cache-Control"]
    others = [
        maps.token(described),
        maps.public.token({**described, "stat_tag": "x"}),
        maps.public.token({"layers": described["layers"], "version": "1.8.0"}),
        maps.public.token(styled(f"SELECT  * FROM {map_table}")),
    ]
    assert len({each.partition(":")[0] for each in [token, *others]}) == 5


def test_new_data_change_the_part_after_the_colon_only(maps: MapsClient) -> None:
    with maps.table() as map_table:
        described = styled(f"SELECT * FROM {map_table}")
        token, _, before = maps.public.token(described).partition(":")
        maps.sql(f"UPDATE {map_table} SET n = n + 1")
        again, _, after = maps.public.token(described).partition(":")
        assert token == again
        assert int(after) > int(before)
        for any_part in (f":{before}", ":0", ":nonsense", ""):
            assert maps.public.get(f"/{token}{any_part}/0/0/0.mvt").status_code == 200


def test_a_map_is_forgotten_two_hours_after_its_last_use(maps: MapsClient, map_table: str) -> None:
    clock = f"{urlsplit(maps.base_url).scheme}://{urlsplit(maps.base_url).netloc}/sandbox/clock"
    token = maps.public.token(styled(f"SELECT * FROM {map_table} WHERE n = 4"))
    try:
        for _ in range(2):  # using it makes it live on
            requests.post(clock, json={"advance": 7000}, timeout=TIMEOUT_S)
            assert maps.public.get(f"/{token}/0/0/0.mvt").status_code == 200
        requests.post(clock, json={"advance": 7300}, timeout=TIMEOUT_S)
        for path in ("0/0/0.png", "0/0/0.mvt", "dataview/f", "0/attributes/1"):
            response = maps.public.get(f"/{token}/{path}")
            assert response.status_code == 400
            message = f"Invalid or nonexistent map configuration token '{token.partition(':')[0]}'"
            assert errors(response) == [message]
        assert maps.public.token(styled(f"SELECT * FROM {map_table} WHERE n = 4")) == token
    finally:
        requests.delete(clock, timeout=TIMEOUT_S)


def test_maps_and_templates_survive_a_restart(data_dir: Path) -> None:
    with Sandbox(data_dir=data_dir) as sandbox:
        client = maps_client(sandbox)
        token = client.token(bare("SELECT 1 AS cartodb_id, 'SRID=3857;POINT(0 0)'::geometry AS the_geom_webmercator"))
        template = {"version": "0.0.1", "name": "kept", "layergroup": bare("SELECT 1")}
        assert client.call("POST", "/named", json=template).status_code == 200
    with Sandbox(data_dir=data_dir) as sandbox:
        client = maps_client(sandbox)
        assert client.get(f"/{token}/0/0/0.mvt").status_code == 200
        assert client.get("/named").json() == {"template_ids": ["kept"]}


@pytest.mark.parametrize(
    ("described", "message"),
    [
        ({}, "Missing layers array from layergroup config"),
        ({"layers": None}, "Missing layers array from layergroup config"),
        ({"layers": [{"type": "cartodb"}]}, "Missing options from layer 0 of layergroup config"),
        ({"layers": [None]}, "Layer 0 of layergroup config is no object"),
        ({"version": "1.8", "layers": []}, "Invalid Version: 1.8"),
        ({"version": "1.8.1", "layers": []}, "Unsupported layergroup configuration version 1.8.1"),
        ({"layers": [], "buffersize": {"png": "64"}}, 'Buffer size of format "png" must be a number'),
        (config({"type": "torque", "options": {}}), "Layer 0 is of type 'torque', which the sandbox does not have"),
        (config(layer("SELECT 1", cartocss="#a {}")), "Missing cartocss_version for layer 0 options"),
        (config(layer("SELECT 1", cartocss_version="2.3.0")), "Missing cartocss for layer 0 options"),
        (config({"options": CSS}), "Missing sql for layer 0 options"),
        (bare("SELECT 1", vector_extent=0), "Invalid vector_extent. Must be between 1 and 2147483647"),
        (config({"options": {"source": {"id": "a"}}}), 'Missing analysis node.id="a" for layer=0'),
        (config(analyses=[{"id": "a", "type": "nonsense"}]), 'Unknown analysis type: "nonsense"'),
        (
            config(analyses=[{"id": "a", "type": "buffer"}]),
            'Analysis type "buffer" is none that the sandbox has: it has "source" only',
        ),
    ],
)
def test_what_makes_no_sense_is_refused(maps: MapsClient, described: Json, message: str) -> None:
    response = maps.instantiate(described)
    assert response.status_code == 400
    assert errors(response) == [message]
    assert response.json()["errors_with_context"][0]["message"] == message


@pytest.mark.parametrize("version", ["1.0.0", "1.7.0", "1.8.0", "", None])
def test_a_map_may_be_empty_and_of_any_version_up_to_1_8_0(maps: MapsClient, version: str | None) -> None:
    body = maps.public.instantiate({"version": version, "layers": []}).json()
    assert body["layergroupid"].endswith(":0")
    assert body["last_updated"] == "1970-01-01T00:00:00.000Z"


@pytest.mark.parametrize(
    ("sql", "status", "context"),
    [
        ("SELECT * FROM nothing_of_that_name", 404, {"type": "unknown"}),
        ("SELECT nothing FROM {table}", 404, {"type": "unknown"}),
        ("SELECT nothing(1) FROM {table}", 400, {"type": "unknown"}),
        ("SELEC * FROM {table}", 400, {"type": "layer", "subtype": "query"}),
        ("SELECT * FROM {table}; DROP TABLE {table}", 400, {"type": "layer", "subtype": "query"}),
        ("SELECT cartodb_id FROM {table}", 400, {"type": "layer", "subtype": "query"}),
        ("DELETE FROM {table} RETURNING *", 400, {"type": "layer", "subtype": "query"}),
    ],
)
def test_errors_of_queries_name_the_layer(
    maps: MapsClient, map_table: str, sql: str, status: int, context: Json
) -> None:
    good = layer(f"SELECT * FROM {map_table}", **CSS)
    response = maps.instantiate(config(good, layer(sql.format(table=map_table), **CSS)))
    assert response.status_code == status, response.text
    (entry,) = response.json()["errors_with_context"]
    assert {key: entry[key] for key in context} == context
    if entry["type"] == "layer":
        assert entry["layer"] == {"id": "layer1", "index": 1, "type": "mapnik"}
    assert maps.sql(f"SELECT count(*) AS n FROM {map_table}") == [{"n": 13}]


def test_styles_all_or_none(maps: MapsClient, map_table: str) -> None:
    sql = f"SELECT * FROM {map_table}"
    response = maps.instantiate(config(layer(sql), layer(sql, **CSS)))
    assert response.status_code == 400
    assert response.json()["errors_with_context"][0]["type"] == "mapconfig"
    response = maps.instantiate(config(layer(sql, cartocss="#a { marker-wadus: 1; }", cartocss_version="2.3.0")))
    assert errors(response) == ["style0:1:6 Unrecognized rule: marker-wadus"]


def test_points_are_not_aggregated_but_asking_for_it_is_told(maps: MapsClient, map_table: str) -> None:
    response = maps.instantiate(bare(f"SELECT * FROM {map_table}", aggregation={"threshold": 1}))
    assert response.status_code == 400
    assert "does not aggregate" in errors(response)[0]
    assert maps.instantiate(bare(f"SELECT * FROM {map_table}", aggregation={"threshold": 1000})).status_code == 200
    assert maps.instantiate(bare("SELECT 1", aggregation={"placement": "x"})).status_code == 400


def test_bodies_are_json_of_at_most_100_kilobytes(maps: MapsClient, map_table: str) -> None:
    described = styled(f"SELECT * FROM {map_table}")
    text = json.dumps(described).encode()
    for headers in ({}, {"Content-Type": "text/plain"}, {"Content-Type": "application/x-www-form-urlencoded"}):
        response = maps.call("POST", data=text, headers=headers)
        assert errors(response) == ["POST data must be of type application/json"]
    json_type = {"Content-Type": "application/json; charset=utf-8"}
    assert maps.call("POST", data=text, headers=json_type).status_code == 200
    packed = maps.call("POST", data=gzip.compress(text), headers={**json_type, "Content-Encoding": "gzip"})
    assert packed.status_code == 200
    large = json.dumps({**described, "stat_tag": "x" * 102_400}).encode()
    bomb = maps.call("POST", data=gzip.compress(large), headers={**json_type, "Content-Encoding": "gzip"})
    for response in (maps.call("POST", data=large, headers=json_type), bomb):
        assert response.status_code == 400
        assert response.json()["errors_with_context"][0]["type"] == "entity.too.large"
    broken = maps.call("POST", data=b'{"layers":', headers=json_type)
    assert errors(broken) == ["SyntaxError: Unexpected end of JSON input"]
    latin = maps.call("POST", data=text, headers={"Content-Type": "application/json; charset=latin1"})
    assert errors(latin) == ['unsupported charset "LATIN1"']


def test_scripts_on_pages_get_their_errors_with_status_200(maps: MapsClient, map_table: str) -> None:
    described = json.dumps(styled(f"SELECT * FROM {map_table}"))
    good = maps.public.get("", config=described, callback="show")
    assert good.text.startswith("/**/ typeof show === 'function' && show({\"layergroupid\"")
    assert good.headers["Content-Type"] == "text/javascript; charset=utf-8"
    bad = maps.public.get("", config="{oops", callback="show")
    assert bad.status_code == 200
    assert "Unexpected token o in JSON at position 1" in bad.text


# Keys


def test_keys_are_found_in_header_query_and_body(maps: MapsClient, hidden_table: str) -> None:
    described = styled(f"SELECT * FROM {hidden_table}")
    key = maps.api_key
    sent: list[Json] = [
        {"params": {"api_key": key}},
        {"params": {"map_key": key}},
        {"json": {**described, "api_key": key}},
        {"headers": basic("demo", key)},
        {"headers": basic("", key)},
        {"headers": basic("anybody", key), "params": {"api_key": "wrong"}},
    ]
    for each in sent:
        response = maps.public.call("POST", **{"json": described, **each})
        assert response.status_code == 200, each
        assert f"?api_key={key}" in response.json()["metadata"]["url"]["raster"]["urlTemplate"]
    assert "api_key" not in maps.public.instantiate(styled("SELECT 1 AS cartodb_id, 'SRID=3857;POINT(0 0)'::geometry"
                                                           " AS the_geom_webmercator")).text


def test_a_bad_key_is_told_before_anything_else(maps: MapsClient, hidden_table: str) -> None:
    for response in (
        maps.public.instantiate({}, api_key="wrong"),
        maps.public.get("/nothing/0/0/0.png", api_key="wrong"),
        maps.public.call("GET", headers=basic("demo", "wrong")),
    ):
        assert response.status_code == 401
        entry = {"type": "auth", "message": "Unauthorized", "subtype": "api-key-not-found"}
        assert response.json() == {"errors": ["Unauthorized"], "errors_with_context": [entry]}
    for public in ({}, {"api_key": ""}, {"api_key": "default_public"}, {"api_key": "mapsonly_demo"}):
        response = maps.public.instantiate(styled(f"SELECT * FROM {hidden_table}"), **public)
        assert response.status_code == 403
        assert f"permission denied for table {hidden_table}" in errors(response)[0]


def test_a_key_without_maps_and_unknown_users(limited: MapsClient) -> None:
    response = MapsClient(limited.base_url, "sql_only").instantiate({"layers": []})
    assert response.status_code == 403
    assert response.json()["errors_with_context"][0]["subtype"] == "api-key-does-not-grant-access"
    nobody = limited.base_url.replace("limited", "nobody")
    assert MapsClient(nobody, "").instantiate({"layers": []}).status_code == 404
    assert MapsClient(nobody, "any").instantiate({"layers": []}).status_code == 401


def test_planning_as_the_owner_tells_the_public_nothing(maps: MapsClient, map_table: str, hidden_table: str) -> None:
    """Functions that PostgreSQL evaluates while it plans must not run with rights that the caller lacks."""
    leak = f"SELECT * FROM {map_table} WHERE n = table_to_xml('{hidden_table}'::regclass, true, false, '')::text::int"
    response = maps.public.instantiate(styled(leak))
    assert response.status_code == 403
    assert "<row" not in response.text


def test_tiles_of_private_tables_need_the_key(maps: MapsClient, hidden_table: str) -> None:
    token = maps.token(styled(f"SELECT * FROM {hidden_table}"))
    for path in ("0/0/0.mvt", "0/0/0.png"):
        assert maps.public.get(f"/{token}/{path}").status_code == 403
        assert maps.get(f"/{token}/{path}").status_code == 200
    assert maps.public.get(f"/demo@{token}/0/0/0.png").status_code == 403
    other = maps.public.get(f"/other@{token}/0/0/0.png")
    assert errors(other) == ['Cannot use map signature of user "other" on db of user "demo"']


# Tiles


def test_png_tiles(maps: MapsClient, map_table: str) -> None:
    token = maps.public.token(styled(f"SELECT * FROM {map_table}"))
    tile = maps.public.get(f"/{token}/0/0/0.png")
    assert tile.headers["Content-Type"] == "image/png"
    assert tile.headers["Cache-Control"] == "public,max-age=31536000"
    assert map_table in tile.headers["X-Cache-Channel"]
    image = picture(tile)
    assert image.size == (256, 256)
    assert image.getpixel((125, 102)) == RED  # 2° west, 34° north
    assert picture(maps.public.get(f"/{token}/0/0/0@2x.png")).size == (512, 512)
    assert picture(maps.public.get(f"/{token}/0/3/0.png")).tobytes() == image.tobytes()
    nowhere = maps.public.get(f"/{token}/5/0/0.png")
    assert picture(nowhere).getextrema()[3] == (0, 0)
    since = {"If-Modified-Since": tile.headers["Last-Modified"]}
    assert maps.public.call("GET", f"/{token}/0/0/0.png", headers=since).status_code == 304
    before = {"If-Modified-Since": "Sun, 22 Nov 2015 11:09:12 GMT"}
    assert maps.public.call("GET", f"/{token}/0/0/0.png", headers=before).status_code == 200


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("a/0/0.png", 400, "Invalid zoom value (a). It should be an integer number greather than or equal to 0"),
        ("0/b/0.png", 400, "Invalid coodinate 'x' value (b). It should be an integer number"),
        ("0/0/-1.mvt", 400, "Invalid coodinate 'y' value (-1). It should be an integer number greather than or equal"
                            " to 0"),
        ("0/0/1.png", 400, "Coordinates out of range: 0/0/1"),
        ("0/0/0.jpg", 400, "Unsupported format jpg"),
        ("0/0/0/0.grid.json", 400, "Unsupported format grid.json"),
        ("0/0/0/0.torque.json", 400, "Unsupported format torque.json"),
        ("0/0/0@3x.png", 404, "Tile with specified resolution not found"),
        ("7/0/0/0.png", 400, "Layer '7' not found in layergroup"),
        ("0,7/0/0/0.png", 400, "Invalid layer filtering"),
        ("layer0/0/0/0.png", 400, "Invalid layer filtering"),
        ("http/0/0/0.png", 400, "No 'mapnik' layers in MapConfig"),
    ],
)
def test_tiles_that_there_are_not(maps: MapsClient, map_table: str, path: str, status: int, message: str) -> None:
    token = maps.public.token(styled(f"SELECT * FROM {map_table}"))
    response = maps.public.get(f"/{token}/{path}")
    assert (response.status_code, errors(response)) == (status, [message])


def test_paths_and_verbs_that_there_are_not(maps: MapsClient, map_table: str) -> None:
    token = maps.public.token(styled(f"SELECT * FROM {map_table}"))
    tile = f"/{token}/0/0/0"
    for method, path in (("GET", tile), ("PUT", ""), ("POST", f"{tile}.png"), ("GET", "/a/b/c/d/e/f")):
        response = maps.call(method, path)
        assert (response.status_code, response.content) == (404, b"")
    options = maps.public.call("OPTIONS", "/named/some")
    assert (options.status_code, options.headers["Allow"]) == (200, "POST,PUT,GET,HEAD,DELETE")
    assert options.headers["Access-Control-Allow-Origin"] == "*"


def test_layers_are_chosen_by_number_id_and_type(maps: MapsClient, map_table: str) -> None:
    blue = {"cartocss": CSS["cartocss"].replace("#ff0000", "blue"), "cartocss_version": "2.3.0"}
    west, east = f"SELECT * FROM {map_table} WHERE n < 6", f"SELECT * FROM {map_table} WHERE n > 6"
    token = maps.public.token(
        config(
            {"type": "plain", "options": {"color": "#00ff00"}},
            {"id": "west", **layer(west, **CSS)},
            {"id": "east", **layer(east, **blue)},
        )
    )

    def seen(names: str) -> set[tuple[int, ...]]:
        return colors(maps.public.get(f"/{token}/{names}0/0/0.png")) & {RED, BLUE, (0, 255, 0, 255)}

    assert seen("") == seen("mapnik/") == seen("1,2/") == seen("west,east/") == {RED, BLUE}
    assert seen("1/") == seen("west/") == {RED}
    assert seen("plain/") == seen("0/") == {(0, 255, 0, 255)}
    assert seen("all/") == {RED, BLUE, (0, 255, 0, 255)}
    assert layer_names(maps.public.get(f"/{token}/0/0/0.mvt").content) == ["west", "east"]
    assert layer_names(maps.public.get(f"/{token}/east/0/0/0.mvt").content) == ["east"]
    for mixed in ("all", "0", "0,1"):
        assert errors(maps.public.get(f"/{token}/{mixed}/0/0/0.mvt")) == ["Unsupported format mvt"]


def test_tiles_of_other_servers(maps: MapsClient) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (256, 256), "yellow").save(buffer, "PNG")
    with tile_server(buffer.getvalue()) as port:
        local = {"type": "http", "options": {"urlTemplate": f"http://127.0.0.1:{port}/{{z}}/{{x}}/{{y}}.png"}}
        token = maps.public.token(config(local))
        assert colors(maps.public.get(f"/{token}/0/0/0/0.png")) == {(255, 255, 0, 255)}
        assert errors(maps.public.get(f"/{token}/0/0/0.png")) == ["No 'mapnik' layers in MapConfig"]
        missing = {"type": "http", "options": {"urlTemplate": f"http://127.0.0.1:{port}/missing/{{z}}"}}
        token = maps.public.token(config(missing))
        assert "Unable to fetch http tile" in errors(maps.public.get(f"/{token}/0/0/0/0.png"))[0]
    foreign = {"type": "http", "options": {"urlTemplate": "http://192.0.2.1/{z}/{x}/{y}.png"}}
    response = maps.public.get(f"/{maps.public.token(config(foreign))}/0/0/0/0.png")
    assert response.status_code == 400
    assert "192.0.2.1" in errors(response)[0]


# Static images and attributes


def test_static_images(maps: MapsClient, map_table: str) -> None:
    token = maps.public.token(styled(f"SELECT * FROM {map_table}"))
    image = picture(maps.public.get(f"/static/center/{token}/4/34/-4/200/100.png"))
    assert image.size == (200, 100)
    whole = picture(maps.public.get(f"/static/bbox/{token}/-180,-80,180,80/300/200.png"))
    assert whole.size == (300, 200)
    jpg = maps.public.get(f"/static/center/{token}/4/34/-4/200/100.jpg")
    assert (jpg.headers["Content-Type"], jpg.content[:2]) == ("image/jpeg", b"\xff\xd8")
    for path, message in (
        ("center/{}/1.5/0/0/9/9.png", "Invalid zoom value (1.5). It should be an integer number greather than or equal"
                                      " to 0"),
        ("center/{}/1/0/0/9/9.gif", 'Unsupported image format "gif"'),
        ("center/{}/1/0/0/9000/9.png", "Desired image is too large."),
        ("center/{}/1/0/0/-5/9.png", "No coords object"),
        ("bbox/{}/1,2,3/9/9.png", "Invalid bbox (1,2,3). It should be west,south,east,north"),
    ):
        response = maps.public.get(f"/static/{path.format(token)}")
        assert (response.status_code, errors(response)) == (400, [message])


def test_attributes(maps: MapsClient, map_table: str) -> None:
    exposed = {"id": "cartodb_id", "columns": ["name", "v", "seen", "ok"]}
    token = maps.public.token(styled(f"SELECT * FROM {map_table}", attributes=exposed))
    response = maps.public.get(f"/{token}/0/attributes/1")
    assert response.json() == {"name": "p1", "v": 1.5, "seen": "2020-01-02T00:00:00.000Z", "ok": False}
    missing = maps.public.get(f"/{token}/0/attributes/9999")
    assert missing.status_code == 404
    assert errors(missing) == ["Multiple features (0) identified by 'cartodb_id' = 9999 in layer 0"]
    for injected in ("1 or 1=1", "abc", "(select 1)"):
        response = maps.public.get(f"/{token}/0/attributes/{injected}")
        assert errors(response) == [f"Invalid feature id '{injected}': it is no number"]
    assert maps.public.get(f"/{token}/1/attributes/1").status_code == 400
    hidden = maps.public.token(styled(f"SELECT * FROM {map_table}"))
    assert errors(maps.public.get(f"/{hidden}/0/attributes/1")) == ["Layer 0 has no exposed attributes"]


# Limits


@pytest.mark.parametrize("style", [{}, CSS])
def test_a_slow_map_hits_the_render_limit(limited: MapsClient, style: Json) -> None:
    response = limited.public.instantiate(config(layer(SLOW, **style)))
    assert response.status_code == 429
    assert "Retry-After" not in response.headers
    entry = response.json()["errors_with_context"][0]
    assert (entry["type"], entry["subtype"]) == ("limit", "render")
    assert ("layer" in entry) == bool(style)


def test_a_slow_tile_hits_the_render_limit(limited: MapsClient) -> None:
    token = limited.public.token(styled(SLOW_AT_ZOOM_0))
    png = limited.public.get(f"/{token}/0/0/0.png")
    assert (png.status_code, png.json()["errors_with_context"][0]["subtype"]) == (429, "render")
    mvt = limited.public.get(f"/{token}/0/0/0.mvt")
    assert (mvt.status_code, mvt.headers["Content-Type"]) == (429, "application/x-protobuf")
    assert layer_names(mvt.content) == ["errorTileSquareLayer", "errorTileStripesLayer"]
    deeper = features(limited.public.get(f"/{token}/5/16/16.mvt").content)
    assert [row["cartodb_id"] for row in deeper] == [1]


def test_calls_are_limited_by_group(limited: MapsClient) -> None:
    token = limited.public.token(bare("SELECT 1 AS cartodb_id, 'SRID=3857;POINT(0 0)'::geometry AS"
                                      " the_geom_webmercator"))
    answers = [limited.public.get(f"/{token}/0/attributes/1") for _ in range(3)]
    assert [each.status_code for each in answers] == [400, 400, 429]
    assert [each.headers["Carto-Rate-Limit-Remaining"] for each in answers] == ["1", "0", "0"]
    entry = answers[2].json()["errors_with_context"][0]
    assert (entry["type"], entry["subtype"]) == ("limit", "rate-limit")
    assert int(answers[2].headers["Retry-After"]) > 0


@pytest.mark.parametrize(("account", "status"), [("gone", 500), ("locked", 500)])
def test_a_database_that_is_away(limited: MapsClient, account: str, status: int) -> None:
    client = MapsClient(limited.base_url.replace("limited", account), f"master_of_{account}")
    response = client.instantiate(bare("SELECT 1"))
    assert (response.status_code, errors(response)) == (status, ["cannot connect to the database"])


def test_rendering_does_not_keep_others_waiting(maps: MapsClient) -> None:
    account = Account(maps.base_url, maps.api_key)
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    with ThreadPoolExecutor(4) as executor:
        with account.lock_held("1"):
            slow = [executor.submit(maps.instantiate, styled(LOCKED, stat=i)) for i in range(4)]
            wait_until(lambda: bool(account.value(waiting) >= RENDERERS))
            assert maps.public.instantiate({"layers": []}).status_code == 200
            assert not any(each.done() for each in slow)
        assert {each.result().status_code for each in slow} == {200}


# Shapes


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"source": []}, "Option source of layer 0 must be an object with the id of an analysis"),
        ({"source": {"id": ["a"]}}, 'Missing analysis node.id="a" for layer=0'),
        ({"interactivity": 5}, "Option interactivity of layer 0 must be a list of columns"),
        ({"srid": "x"}, "Option srid of layer 0 must be a number"),
        ({"sql_wrap": {}}, "Option sql_wrap of layer 0 must be a text"),
        ({"aggregation": {"columns": [1]}}, "Invalid columns of the aggregation, should be an object of objects"),
        ({"attributes": {"id": "a"}}, "Attributes of layer 0 need a list of columns"),
        ({"sql": 5}, "Option sql of layer 0 is no text"),
    ],
)
def test_options_of_another_kind_are_told(maps: MapsClient, options: Json, message: str) -> None:
    response = maps.instantiate(config({"options": {"sql": "SELECT 1", **options}}))
    assert (response.status_code, errors(response)) == (400, [message])


def test_json_that_is_nested_too_deeply_and_numbers_that_are_too_long(maps: MapsClient, map_table: str) -> None:
    headers = {"Content-Type": "application/json"}
    response = maps.call("POST", data="[" * 100_000, headers=headers)
    assert (response.status_code, errors(response)) == (400, ["SyntaxError: The JSON is nested too deeply"])
    token = maps.public.token(styled(f"SELECT * FROM {map_table}"))
    long = "9" * 5000
    paths = (f"/{token}/{long}/0/0.png", f"/{token}/0/{long}/0.mvt", f"/{token}/{long}/attributes/1")
    assert [maps.public.get(path).status_code for path in paths] == [400, 400, 400]
    assert maps.public.get(f"/{token}/{long}/0/0/0.png").status_code == 400
    far = maps.public.get(f"/static/center/{token}/999/0/0/30/20.png")
    assert picture(far).size == (30, 20)
