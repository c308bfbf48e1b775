"""The comparison of maps notices what differs and ignores what varies; the scope leaves out what it should."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import pytest
from PIL import Image, ImageDraw

from tests.wire.client import Answer
from tests.wire.maps_comparison import Tokens, differences
from tests.wire.maps_scope import ANALYSES, CLUSTERS, GRIDS, OTHER_SETUP, TORQUE, TURBO_CARTO, reason_left_out
from tests.wire.replay import HERE
from tests.wire.transcript import Exchange, read_transcript

JSON = {"Content-Type": "application/json; charset=utf-8"}
OLD, OTHER, NEW = "a" * 32, "b" * 32, "c" * 32
TILES = {exchange.name: exchange for exchange in read_transcript(HERE / "maps-api.jsonl")}


def exchange(content: Any = None, *, name: str = "map_x", path: str = "/", **response: Any) -> Exchange:
    recorded = {"status": 200, "headers": JSON, "body": json.dumps(content), **response}
    return Exchange(name, {"method": "GET", "path": path, "headers": {}}, recorded, True)


def found(recorded: Any, got: Any) -> list[str]:
    return differences(exchange(recorded), Answer(200, JSON, json.dumps(got).encode()), Tokens())


def test_what_varies_is_no_difference() -> None:
    recorded = {
        "layergroupid": f"me@01234567@{OLD}:1795346766812",
        "last_updated": "2026-11-22T11:26:06.812Z",
        "cdn_url": {"http": "api.cartocdn.com"},
        "url": f"https://cdn.example.com/me/api/v1/map/{OLD}:1795346766812/{{z}}",
        "stats": {"estimatedFeatureCount": 780},
        "template_ids": ["a", "b"],
    }
    got = {
        "template_ids": ["b", "a"],
        "layergroupid": f"me@89abcdef@{NEW}:1895346766812",
        "last_updated": "2027-11-22T11:26:06.812Z",
        "cdn_url": {"http": "127.0.0.1:80"},
        "url": f"http://127.0.0.1:80/me/api/v1/map/{NEW}:1895346766812/{{z}}",
        "stats": {"estimatedFeatureCount": 0},
    }
    assert found(recorded, got) == []


@pytest.mark.parametrize(
    ("recorded", "got"),
    [
        ({"result": 1}, {"result": 2}),
        ({"layergroupid": f"{OLD}:0"}, {"layergroupid": f"{NEW}:1795346766812"}),
        ({"url": f"https://a/me/{OLD}"}, {"url": f"https://a/user/me/{NEW}"}),
        ({"errors": ["Postgis Plugin: ERROR:  x\nLINE 1"]}, {"errors": ["Postgis Plugin: ERROR:  y\nLINE 1"]}),
        ({"last_updated": "1970-01-01T00:00:00.000Z"}, {"last_updated": "2026-11-22T11:26:06.812Z"}),
        ({"errors": ["Cannot read property 'x' of null"]}, {"errors": ["no"]}),
    ],
)
def test_what_matters_is_a_difference(recorded: Any, got: Any) -> None:
    assert found(recorded, got)


def test_a_crash_of_the_server_is_any_error_of_ours() -> None:
    crash = {"errors": ["Cannot read property 'x' of null"]}
    assert found(crash, {"errors": ["Layer 0 is no object"], "errors_with_context": []}) == []


def test_scripts_are_compared_as_what_they_hold() -> None:
    script = "/**/ typeof cb === 'function' && cb({});"
    recorded = exchange(body=script.replace("{}", '{"a": 1, "b": 2}'))
    same = Answer(200, JSON, script.replace("{}", '{"b":2,"a":1}').encode())
    other = Answer(200, JSON, script.replace("cb", "xy").encode())
    assert differences(recorded, same, Tokens()) == []
    assert differences(recorded, other, Tokens())


def test_a_token_stays_the_same_and_stands_for_one_map() -> None:
    tokens = Tokens()
    assert tokens.differences(f"{OLD}:1", f"{NEW}:1") == []
    assert tokens.differences(f"{OLD}:2", f"{NEW}:2") == []
    assert tokens.differences(f"{OTHER}:1", f"{NEW}:1")
    assert tokens.differences(f"{OLD}:1", f"{OTHER}:1")


def drawing(color: str = "red", x: int = 10, size: int = 64) -> bytes:
    image = Image.new("RGBA", (size, 64))
    ImageDraw.Draw(image).ellipse((x, 10, x + 20, 30), fill=color)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("got", "differs"),
    [
        (drawing(), False),
        (drawing(x=11), False),
        (drawing("#f01000"), False),
        (drawing("blue"), True),
        (drawing(x=25), True),
        (drawing("#ff000000"), True),
        (drawing(size=65), True),
        (b"no image", True),
    ],
)
def test_images(got: bytes, differs: bool) -> None:
    recorded = exchange(body_b64=base64.b64encode(drawing()).decode())
    assert bool(differences(recorded, Answer(200, JSON, got), Tokens())) == differs


def test_vector_tiles_are_compared_feature_by_feature() -> None:
    recorded = TILES["ltile_1_0_0_0.mvt"]
    tile = base64.b64decode((recorded.response or {})["body_b64"])
    kind = {"content-type": "application/x-protobuf"}
    assert differences(recorded, Answer(200, kind, tile), Tokens()) == []
    assert differences(recorded, Answer(200, kind, tile.replace(b"big", b"bug")), Tokens())
    other = base64.b64decode((TILES["mvttile_a_0_0_0.mvt"].response or {})["body_b64"])
    assert differences(recorded, Answer(200, kind, other), Tokens())


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("map_basic", None),
        ("map_interactivity_array", None),
        ("tile_interactivity_grid_mapnik", GRIDS),
        ("tile_torque_json", TORQUE),
        ("map_torque", TORQUE),
        ("map_turbo_carto", TURBO_CARTO),
        ("map_aggregation", CLUSTERS),
        ("map_aggregation_bad_filter", None),
        ("tile_cluster", CLUSTERS),
        ("an_buffer_master", ANALYSES),
        ("an_bad_type", None),
        ("dv_f_count", None),
        ("alt_map_basic", OTHER_SETUP),
    ],
)
def test_the_scope(name: str, reason: str | None) -> None:
    assert reason_left_out(TILES[name], {}) == reason


def test_tiles_of_maps_that_are_left_out_are_left_out() -> None:
    assert reason_left_out(TILES["tile_torque_png_nolayer"], {"map_torque": TORQUE}) == TORQUE
    assert reason_left_out(TILES["tile_mvt_aggregated"], {"map_aggregation_mvt": CLUSTERS}) == CLUSTERS
    assert reason_left_out(TILES["tile_mvt_aggregated"], {}) is None
