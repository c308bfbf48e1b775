"""NamedMapManager, NamedMap and AnonymousMap against a local CARTO, over a real socket."""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from PIL import Image

from carto.auth import APIKeyAuthClient, NoAuthClient
from carto.exceptions import (
    CartoBadRequestException,
    CartoForbiddenException,
    CartoLimitException,
    CartoNotFoundException,
    CartoRateLimitException,
    CartoUnauthorizedException,
    CartoUsageException,
)
from carto.maps import AnonymousMap, NamedMap, NamedMapManager
from carto.sandbox import Sandbox
from tests.sandbox.maps_client import (
    CSS,
    TIMEOUT_S,
    Json,
    bare,
    config,
    features,
    layer,
    maps_client,
    styled,
)

RED = (255, 0, 0, 255)
TOKEN_AUTH = {"method": "token", "valid_tokens": ["s3cret"]}
SLOW = "SELECT pg_sleep(3), 1 AS cartodb_id, 'SRID=3857;POINT(0 0)'::geometry AS the_geom_webmercator LIMIT 1"


@pytest.fixture(scope="module")
def nobody(sandbox: Sandbox) -> Iterator[NoAuthClient]:
    with NoAuthClient(sandbox.base_url) as client:
        yield client


@pytest.fixture(scope="module")
def table(sandbox: Sandbox) -> Iterator[str]:
    with maps_client(sandbox).table(public=False) as name:
        yield name


@pytest.fixture
def manager(client: APIKeyAuthClient) -> Iterator[NamedMapManager]:
    manager = NamedMapManager(client)
    yield manager
    for named in manager.all():
        named.delete()


def template(layergroup: Json, **rest: Any) -> Json:
    return {"version": "0.0.1", "name": f"map_{uuid.uuid4().hex[:8]}", "layergroup": layergroup, **rest}


def instantiated(client: Any, described: Json) -> AnonymousMap:
    anonymous = AnonymousMap(client)
    anonymous.instantiate(described)
    return anonymous


def picture(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content)).convert("RGBA")


def is_red(content: bytes) -> bool:
    return any(color == RED for _, color in picture(content).getcolors(1 << 20) or [])


def test_a_named_map_is_created_read_updated_listed_and_deleted(manager: NamedMapManager, table: str) -> None:
    described = template(styled(f"SELECT * FROM {table}"), view={"zoom": 4, "center": {"lng": 0, "lat": 36}})
    named = manager.create(template=described)
    assert named.template_id == described["name"]
    with pytest.raises(CartoBadRequestException, match="already exists"):
        manager.create(template=described)

    read = manager.get(named.template_id)
    assert (read.name, read.layergroup, read.view) == (named.name, described["layergroup"], described["view"])
    assert read.auth == {"method": "open"}
    assert [each.template_id for each in manager.all()] == [named.template_id]
    assert manager.get_or_none("nothing") is None

    read.view = None
    read.placeholders = {"n": {"type": "number", "default": 3}}
    read.save()
    again = manager.get(named.template_id)
    assert (again.view, again.placeholders) == (None, {"n": {"type": "number", "default": 3}})

    replaced = manager.upsert({**described, "layergroup": bare(f"SELECT * FROM {table}")})
    assert manager.get(replaced.template_id).layergroup == bare(f"SELECT * FROM {table}")
    replaced.delete()
    with pytest.raises(CartoNotFoundException, match="Cannot find template"):
        manager.get(named.template_id)


def test_a_map_from_a_listing_is_saved_whole(manager: NamedMapManager, table: str) -> None:
    manager.create(template=template(bare(f"SELECT * FROM {table}"), view={"zoom": 2}, auth=TOKEN_AUTH))
    (listed,) = manager.all()
    listed.view = {"zoom": 5}
    listed.save()
    (listed,) = manager.all()
    listed.layergroup = styled(f"SELECT * FROM {table}")
    listed.save()
    (again,) = manager.all()
    again.refresh()
    assert (again.view, again.layergroup, again.auth) == ({"zoom": 5}, styled(f"SELECT * FROM {table}"), TOKEN_AUTH)


def test_an_instance_gives_tiles_images_and_data(manager: NamedMapManager, table: str) -> None:
    sql = f"SELECT * FROM {table} WHERE n <= <%= most %>"
    exposed = {"id": "cartodb_id", "columns": ["name", "v"]}
    named = manager.create(
        template=template(
            config(layer(sql, **CSS, attributes=exposed)), placeholders={"most": {"type": "number", "default": 12}}
        )
    )
    named.instantiate()
    assert len(features(named.tile(0, 0, 0, extension="mvt"))) == 12
    named.instantiate({"most": 3})
    assert str(named.layergroupid).startswith("demo@")
    assert len(features(named.tile(0, 0, 0, extension="mvt"))) == 3
    assert named.tile(0, 0, 5, extension="mvt") == b""
    assert picture(named.tile(0, 0, 0, scale=2)).size == (512, 512)
    assert is_red(named.tile(0, 0, 0, layer=0))
    assert named.attributes(0, 2) == {"name": "p2", "v": 3}
    assert is_red(named.image(200, 100, center=(-4, 34), zoom=4))
    assert picture(named.image(200, 100, bbox=(-20, 20, 20, 50))).size == (200, 100)
    assert named.image(50, 50, bbox=(-20, 20, 20, 50), extension="jpg").startswith(b"\xff\xd8")
    assert is_red(named.preview(100, 100, params={"most": 5}))
    tilejson = named.tilejson("vector")
    assert "api_key" not in json.dumps(named.metadata)
    assert "api_key" not in json.dumps(tilejson)


#: What each form of a tile URL draws: how many features, or whether anything of the style.
TILE_URLS: list[tuple[Json, int | bool]] = [
    ({}, True),
    ({"layer_id": "all"}, True),
    ({"layer_id": 1}, True),
    ({"layer_id": "0,1"}, True),
    ({"filter": "mapnik"}, True),
    ({"layer_id": 1, "filter": "plain"}, False),
    ({"extension": "mvt"}, 12),
    ({"layer_id": 1, "extension": "mvt"}, 12),
    ({"filter": "mapnik", "extension": "mvt"}, 12),
]


@pytest.mark.parametrize(("form", "drawn"), TILE_URLS)
@pytest.mark.parametrize("kind", ["stored", "instantiated", "anonymous"])
def test_every_form_of_tile_url_leads_to_a_tile(
    client: APIKeyAuthClient, manager: NamedMapManager, table: str, kind: str, form: Json, drawn: int | bool
) -> None:
    plain = {"type": "plain", "options": {"color": "white"}}
    described = config(plain, layer(f"SELECT * FROM {table}", **CSS))
    if kind == "anonymous":
        url = instantiated(client, described).get_tile_url(0, 0, 0, **form)
        answer = requests.get(url, {"api_key": client.api_key}, timeout=TIMEOUT_S)  # the table is private
    else:
        named = manager.create(template=template(described, auth=TOKEN_AUTH))
        if kind == "instantiated":
            named.instantiate(auth="s3cret")
        answer = requests.get(named.get_tile_url(0, 0, 0, **form), timeout=TIMEOUT_S)
    answer.raise_for_status()
    found = len(features(answer.content)) if "extension" in form else is_red(answer.content)
    assert found == drawn


def test_urls_of_attributes_lead_to_them(client: APIKeyAuthClient, manager: NamedMapManager, table: str) -> None:
    exposed = {"id": "cartodb_id", "columns": ["name"]}
    described = styled(f"SELECT * FROM {table}", attributes=exposed)
    named = manager.create(template=template(described, auth=TOKEN_AUTH))
    with pytest.raises(CartoUsageException, match="no instance yet"):
        named.get_tile_url(0, 0, 0, layer_id=0, feature_id=1)
    named.instantiate(auth="s3cret")
    url = named.get_tile_url(0, 0, 0, layer_id=0, feature_id=1)
    assert requests.get(url, timeout=TIMEOUT_S).json() == {"name": "p1"}
    url = instantiated(client, described).get_tile_url(0, 0, 0, layer_id=0, feature_id=1)
    assert requests.get(url, timeout=TIMEOUT_S).status_code == 403  # the table is private
    assert requests.get(url, {"api_key": client.api_key}, timeout=TIMEOUT_S).json() == {"name": "p1"}


def test_tile_urls_of_a_named_map_show_the_values_that_it_was_instantiated_with(
    nobody: NoAuthClient, manager: NamedMapManager, table: str
) -> None:
    sql = f"SELECT * FROM {table} WHERE n <= <%= most %>"
    most = {"most": {"type": "number", "default": 12}}
    named = manager.create(template=template(styled(sql), placeholders=most, auth=TOKEN_AUTH))
    visitor = NamedMap(nobody)
    visitor.template_id = named.template_id
    for shown, token in ((named, "s3cret"), (visitor, ["nope", "s3cret"])):
        for values, count in (({"most": 3}, 3), ({}, 12)):
            shown.instantiate(values, token)
            url = shown.get_tile_url(0, 0, 0, extension="mvt")
            assert len(features(requests.get(url, timeout=TIMEOUT_S).content)) == count


def test_what_the_server_refuses_leaves_the_instance_as_it_is(
    nobody: NoAuthClient, manager: NamedMapManager, table: str
) -> None:
    kept = manager.create(template=template(bare(f"SELECT * FROM {table}"), auth=TOKEN_AUTH))
    visitor = NamedMap(nobody)
    visitor.template_id = kept.template_id
    visitor.instantiate(auth="s3cret")
    with pytest.raises(CartoForbiddenException, match="Unauthorized template instantiation"):
        visitor.instantiate(auth="nope")
    assert len(features(visitor.tile(0, 0, 0, extension="mvt"))) == 12


def test_tokens_are_sent_with_every_request(nobody: NoAuthClient, manager: NamedMapManager, table: str) -> None:
    exposed = {"id": "cartodb_id", "columns": ["name"]}
    kept = manager.create(template=template(styled(f"SELECT * FROM {table}", attributes=exposed), auth=TOKEN_AUTH))
    visitor = NamedMap(nobody)
    visitor.template_id = kept.template_id
    for wrong in (None, "nope"):
        with pytest.raises(CartoForbiddenException, match="Unauthorized template instantiation"):
            visitor.instantiate(auth=wrong)
    for right in ("s3cret", ["nope", "s3cret"]):
        visitor.instantiate(auth=right)
        assert len(features(visitor.tile(0, 0, 0, extension="mvt"))) == 12
        assert is_red(visitor.image(100, 100, bbox=(-20, 20, 20, 50)))
        assert visitor.attributes(0, 1) == {"name": "p1"}
        assert is_red(visitor.preview(100, 100))


def test_an_anonymous_map_gives_dataviews(client: APIKeyAuthClient, table: str) -> None:
    source = {"id": "a", "type": "source", "params": {"query": f"SELECT * FROM {table}"}}
    views = {
        "mean": {"type": "formula", "source": {"id": "a"}, "options": {"operation": "avg", "column": "n"}},
        "kinds": {"type": "aggregation", "source": {"id": "a"}, "options": {"column": "kind", "aggregation": "count"}},
        "spread": {"type": "histogram", "source": {"id": "a"}, "options": {"column": "n"}},
    }
    described = config({"options": {"source": {"id": "a"}, **CSS}}, analyses=[source], dataviews=views)
    anonymous = instantiated(client, described)
    assert anonymous.dataview("mean")["result"] == 6.5
    assert anonymous.dataview("mean", bbox=(-10, 30, 0, 36))["result"] == 3
    assert len(anonymous.dataview("kinds", own_filter=True)["categories"]) == 3
    assert [each["freq"] for each in anonymous.dataview("spread", bins=2)["bins"]] == [6, 6]
    assert anonymous.search_dataview("kinds", "re")["type"] == "aggregation"
    with pytest.raises(CartoBadRequestException, match="Dataview 'other' does not exist"):
        anonymous.dataview("other")


def test_an_expired_map_is_instantiated_again(sandbox: Sandbox, client: APIKeyAuthClient, table: str) -> None:
    clock = f"http://{urlsplit(sandbox.base_url).netloc}/sandbox/clock"
    anonymous = instantiated(client, bare(f"SELECT * FROM {table} WHERE n = 2"))
    try:
        requests.post(clock, json={"advance": 7300}, timeout=TIMEOUT_S)
        assert len(features(anonymous.tile(0, 0, 0, extension="mvt"))) == 1
    finally:
        requests.delete(clock, timeout=TIMEOUT_S)


def test_errors_have_all_that_the_server_says(client: APIKeyAuthClient, nobody: NoAuthClient, table: str) -> None:
    broken = config(layer(f"SELECT * FROM {table}", **CSS), layer("SELEC 1", **CSS))
    with pytest.raises(CartoBadRequestException, match="syntax error") as caught:
        instantiated(client, broken)
    (entry,) = caught.value.errors_with_context
    assert (entry["type"], entry["subtype"], entry["layer"]["index"]) == ("layer", "query", 1)
    with pytest.raises(CartoNotFoundException, match='relation "nothing_here" does not exist'):
        instantiated(client, styled("SELECT * FROM nothing_here"))
    with pytest.raises(CartoForbiddenException, match="permission denied"):
        instantiated(nobody, bare(f"SELECT * FROM {table}"))
    with pytest.raises(CartoForbiddenException, match="Only authenticated users can list"):
        NamedMapManager(nobody).all()
    anonymous = instantiated(client, bare(f"SELECT * FROM {table}"))
    with pytest.raises(CartoBadRequestException, match="'cartocss' option is missing for png"):
        anonymous.tile(0, 0, 0)
    with pytest.raises(CartoBadRequestException, match="Unsupported format"):
        anonymous.tile(0, 0, 0, layer=0, extension="grid.json")
    with pytest.raises(CartoBadRequestException, match="has no exposed attributes"):
        anonymous.attributes(0, 1)


def test_keys_that_are_wrong(sandbox: Sandbox) -> None:
    with APIKeyAuthClient(sandbox.base_url, "wrong") as wrong, pytest.raises(CartoUnauthorizedException):
        instantiated(wrong, {"layers": []})
    with APIKeyAuthClient(sandbox.base_url, "regular_demo") as regular, pytest.raises(CartoForbiddenException):
        NamedMapManager(regular).all()


def test_limits() -> None:
    keys = [{"type": "master", "token": "m", "statement_timeout_ms": 300}]
    limits = {"dataview": {"burst": 1, "count": 1, "period_s": 60}}
    with (
        Sandbox(accounts=[{"name": "limited", "keys": keys, "rate_limits": limits}]) as sandbox,
        APIKeyAuthClient(sandbox.base_url, "m", retries=0) as client,
    ):
        with pytest.raises(CartoLimitException, match="Render timeout error") as caught:
            instantiated(client, styled(SLOW))
        assert not isinstance(caught.value, CartoRateLimitException)
        at_zoom_0 = SLOW.replace("pg_sleep(3)", "CASE WHEN !scale_denominator! > 1e8 THEN pg_sleep(3) END")
        anonymous = instantiated(client, bare(at_zoom_0))
        with pytest.raises(CartoLimitException):
            anonymous.tile(0, 0, 0, extension="mvt")
        with pytest.raises(CartoBadRequestException):
            anonymous.dataview("none")
        with pytest.raises(CartoRateLimitException) as limited:
            anonymous.dataview("none")
        assert limited.value.retry_after
