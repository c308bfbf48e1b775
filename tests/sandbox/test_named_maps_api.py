"""Named maps over a real socket: keeping templates, filling placeholders, auth tokens, images of templates."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator

import pytest
import requests

from tests.sandbox.api import basic
from tests.sandbox.maps_client import (
    CSS,
    Json,
    MapsClient,
    bare,
    colors,
    config,
    errors,
    features,
    layer,
    picture,
    styled,
)

RED = (255, 0, 0, 255)
PLACEHOLDERS = {
    "kind": {"type": "sql_literal", "default": "red"},
    "column": {"type": "sql_ident", "default": "kind"},
    "least": {"type": "number", "default": 0},
    "color": {"type": "css_color", "default": "red"},
}


@pytest.fixture(autouse=True)
def _remove_templates(maps: MapsClient) -> Iterator[None]:
    yield
    for name in maps.get("/named").json()["template_ids"]:
        assert maps.call("DELETE", f"/named/{name}").status_code == 204


def template(layergroup: Json, **rest: object) -> Json:
    return {"version": "0.0.1", "name": f"map_{uuid.uuid4().hex[:8]}", "layergroup": layergroup, **rest}


def created(maps: MapsClient, layergroup: Json, **rest: object) -> str:
    described = template(layergroup, **rest)
    response = maps.call("POST", "/named", json=described)
    assert response.status_code == 200, response.text
    name: str = response.json()["template_id"]
    return name


def instance(maps: MapsClient, name: str, params: Json | None = None, **query: object) -> requests.Response:
    return maps.call("POST", f"/named/{name}", dict(query), json=params or {})


def names_of(maps: MapsClient, name: str, params: Json | None = None) -> list[str]:
    """Return the names of the features that an instance shows."""
    response = instance(maps, name, params)
    assert response.status_code == 200, response.text
    tile = maps.get(f"/{response.json()['layergroupid']}/0/0/0.mvt")
    return sorted(row["name"] for row in features(tile.content)) if tile.content else []


@pytest.fixture
def filled(maps: MapsClient, map_table: str) -> str:
    """Keep a template with a placeholder of every type."""
    sql = f"SELECT * FROM {map_table} WHERE \"<%= column %>\" = '<%= kind %>' AND n >= <%= least %>"
    style = "#layer { marker-fill: <%= color %>; marker-width: 10; marker-line-width: 0; marker-allow-overlap: true; }"
    return created(maps, config(layer(sql, **{**CSS, "cartocss": style})), placeholders=PLACEHOLDERS)


# Administration


def test_a_template_is_kept_shown_listed_replaced_and_deleted(maps: MapsClient, map_table: str) -> None:
    described = template(styled(f"SELECT * FROM {map_table}"), view={"zoom": 1}, extra=5)
    name = described["name"]
    response = maps.call("POST", "/named", json=described)
    assert (response.status_code, response.json()) == (200, {"template_id": name})
    shown = {"template": {**described, "auth": {"method": "open"}, "placeholders": {}}}
    for path in (name, f"demo@{name}", f"other@{name}"):
        assert maps.get(f"/named/{path}").json() == shown
    assert maps.get("/named").json() == {"template_ids": [name]}

    again = maps.call("POST", "/named", json=described)
    assert (again.status_code, errors(again)) == (400, [f"Template '{name}' of user 'demo' already exists"])

    other = {"version": "0.0.1", "name": name, "layergroup": bare(f"SELECT * FROM {map_table}")}
    assert maps.call("PUT", f"/named/{name}", json=other).json() == {"template_id": name}
    assert "view" not in maps.get(f"/named/{name}").json()["template"]
    renamed = maps.call("PUT", f"/named/{name}", json={**other, "name": "other"})
    assert errors(renamed) == [f"Cannot update name of a map template ('{name}' != 'other')"]

    assert maps.call("DELETE", f"/named/{name}").status_code == 204
    for method, message in (
        ("GET", f"Cannot find template '{name}' of user 'demo'"),
        ("PUT", f"Template '{name}' of user 'demo' does not exist"),
        ("DELETE", f"Template '{name}' of user 'demo' does not exist"),
        ("POST", f"Template '{name}' of user 'demo' not found"),
    ):
        response = maps.call(method, f"/named/{name}", json=other)
        assert (response.status_code, errors(response)) == (404, [message])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": "1.0.0"}, "Unsupported template version 1.0.0"),
        ({"name": ""}, "Missing template name"),
        ({"name": "my map"}, "Invalid characters in template name 'my map'"),
        ({"name": "a'b"}, "Invalid characters in template name 'a'b'"),
        ({"layergroup": None}, "Missing layergroup"),
        ({"layergroup": {"layers": []}}, "Missing or empty layers array from layergroup config"),
        ({"layergroup": {"layers": [{}, 5]}}, "Missing `options` in layergroup config for layers: 0, 1"),
        ({"auth": {"method": "x"}}, "Unsupported authentication method: x"),
        ({"auth": {"method": "token"}}, "Invalid 'token' authentication: missing valid_tokens"),
        ({"auth": {"method": "token", "valid_tokens": []}}, "Invalid 'token' authentication: no valid_tokens"),
        ({"placeholders": {"1a": {"type": "number", "default": 1}}}, "Invalid characters in placeholder name '1a'"),
        ({"placeholders": {"a": {"type": "number"}}}, "Missing default for placeholder 'a'"),
        ({"placeholders": {"a": {"default": 1}}}, "Missing type for placeholder 'a'"),
        ({"placeholders": {"a": None}}, "Placeholder 'a' is no object"),
    ],
)
def test_what_is_no_template_is_refused(maps: MapsClient, change: Json, message: str) -> None:
    described = {**template(bare("SELECT 1")), **change}
    response = maps.call("POST", "/named", json=described)
    assert (response.status_code, errors(response)) == (400, [message])


def test_only_the_owner_may_administer(maps: MapsClient) -> None:
    described = template(bare("SELECT 1"))
    for method, path, action in (
        ("POST", "/named", "create"),
        ("GET", "/named", "list"),
        ("GET", "/named/x", "get"),
        ("PUT", "/named/x", "update"),
        ("DELETE", "/named/x", "delete"),
    ):
        nobody = maps.public.call(method, path, json=described)
        message = f"Only authenticated users can {action} templated maps"
        assert (nobody.status_code, errors(nobody)) == (403, [message])
        for key, status in (("regular_demo", 403), ("default_public", 403), ("wrong", 401)):
            assert maps.public.call(method, path, {"api_key": key}, json=described).status_code == status
    by_header = maps.public.call("POST", "/named", headers=basic("demo", maps.api_key), json=described)
    assert by_header.status_code == 200
    in_body = maps.public.call("POST", "/named", json={**template(bare("SELECT 1")), "api_key": maps.api_key})
    kept = maps.get(f"/named/{in_body.json()['template_id']}")
    assert maps.api_key not in kept.text


def test_templates_are_json(maps: MapsClient) -> None:
    response = maps.call("POST", "/named", data="a=b")
    assert errors(response) == ["POST template data must be of type application/json"]
    response = maps.call("PUT", "/named/x", data="a=b")
    assert errors(response) == ["PUT template data must be of type application/json"]


# Instances


def test_an_instance_outlives_its_template(maps: MapsClient, map_table: str) -> None:
    name = created(maps, bare(f"SELECT * FROM {map_table} WHERE n < 3"))
    response = instance(maps.public, name)
    token = response.json()["layergroupid"]
    owner, version, _ = token.split("@")
    assert (owner, len(version), response.headers["Carto-Template-Hash"]) == ("demo", 8, version)
    other = {"version": "0.0.1", "name": name, "layergroup": bare(f"SELECT * FROM {map_table} WHERE n < 7")}
    maps.call("PUT", f"/named/{name}", json=other)
    changed = instance(maps.public, name).json()["layergroupid"]
    assert changed.split("@")[1] != version
    maps.call("DELETE", f"/named/{name}")
    for each, count in ((token, 2), (changed, 6)):
        assert len(features(maps.public.get(f"/{each}/0/0/0.mvt").content)) == count


def test_placeholders_take_values_and_defaults(maps: MapsClient, filled: str) -> None:
    assert names_of(maps, filled) == ["p12", "p3", "p6", "p9"]
    assert names_of(maps, filled, {"kind": "green", "least": "5", "unknown": 1}) == ["p10", "p7"]
    assert names_of(maps, filled, {"column": "name", "kind": "p2", "least": 1.5}) == ["p2"]
    blue = instance(maps, filled, {"color": "#0000ff"}).json()
    assert "marker-fill: #0000ff;" in blue["metadata"]["layers"][0]["meta"]["cartocss"]
    assert (0, 0, 255, 255) in colors(maps.get(f"/{blue['layergroupid']}/0/0/0.png"))


@pytest.mark.parametrize(
    "literal",
    ["' OR 1=1 --", "'; DROP TABLE x; --", "\\' OR 1=1 --", "x' UNION SELECT", "$$ OR $$", "<%= color %>", "%s"],
)
def test_no_literal_breaks_out_of_its_quotes(maps: MapsClient, filled: str, literal: str) -> None:
    assert names_of(maps, filled, {"kind": literal}) == []


@pytest.mark.parametrize("identifier", ['kind" = \'red\' OR "kind', 'kind"; DROP TABLE x; --', 'x"" OR true OR ""'])
def test_no_identifier_breaks_out_of_its_quotes(maps: MapsClient, filled: str, identifier: str) -> None:
    response = instance(maps, filled, {"column": identifier})
    assert response.status_code == 404
    assert errors(response) == [f'column "{identifier}" does not exist']


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"least": "1; DROP TABLE x"}, "Invalid number value for template parameter 'least': 1; DROP TABLE x"),
        ({"least": "1\n"}, "Invalid number value for template parameter 'least': 1\n"),
        ({"least": True}, "Invalid number value for template parameter 'least': true"),
        ({"least": None}, "Invalid number value for template parameter 'least': null"),
        ({"least": [1]}, "Invalid number value for template parameter 'least': 1"),
        ({"color": "red; } #x { a: b"}, "Invalid css_color value for template parameter 'color': red; } #x { a: b"),
        ({"color": "rgb(1,2,3)"}, "Invalid css_color value for template parameter 'color': rgb(1,2,3)"),
        ({"color": "#00ff00ff"}, "Invalid css_color value for template parameter 'color': #00ff00ff"),
        ({"kind": {"a": 1}}, "Invalid sql_literal value for template parameter 'kind': [object Object]"),
        ({"kind": 5}, "Invalid sql_literal value for template parameter 'kind': 5"),
        ({"column": ["a"]}, "Invalid sql_ident value for template parameter 'column': a"),
        ({"kind": "a\0b"}, "Invalid sql_literal value for template parameter 'kind': a\0b"),
    ],
)
def test_values_that_do_not_fit_their_placeholder(maps: MapsClient, filled: str, params: Json, message: str) -> None:
    response = instance(maps, filled, params)
    assert (response.status_code, errors(response)) == (400, [message])


def test_styles_and_buffer_sizes_may_be_replaced(maps: MapsClient, filled: str, map_table: str) -> None:
    styles = {"styles": {"0": "#layer { marker-fill: lime; marker-width: 9; }", "7": "#nothing {}"}}
    token = instance(maps, filled, styles).json()["layergroupid"]
    assert (0, 255, 0, 255) in colors(maps.get(f"/{token}/0/0/0.png"))
    sized = created(
        maps,
        {**styled(f"SELECT * FROM {map_table}"), "buffersize": {"png": "<%= b %>", "mvt": "8"}},
        placeholders={"b": {"type": "number", "default": 16}},
    )
    tokens = {instance(maps, sized, params).json()["layergroupid"] for params in ({}, {"b": 32}, {"b": 16})}
    assert len(tokens) == 2


def test_errors_of_a_template_do_not_show_its_layers(maps: MapsClient) -> None:
    unstyled = layer("SELECT 1", cartocss="x", cartocss_version="2.3.0")
    for layergroup in (styled("SELEC 1"), styled("SELECT * FROM nothing_of_that_name"), config(unstyled)):
        entry = instance(maps, created(maps, layergroup)).json()["errors_with_context"][0]
        assert (entry["type"], "layer" in entry) == ("unknown", False)


def test_pages_instantiate_by_script(maps: MapsClient, filled: str) -> None:
    path = f"/named/{filled}/jsonp"
    good = maps.public.get(path, callback="show", config=json.dumps({"least": 5}))
    assert good.text.startswith("/**/ typeof show === 'function' && show({\"layergroupid\":\"demo@")
    assert errors(maps.public.get(path)) == ["callback parameter should be present and be a function name"]
    bad = maps.public.get(path, callback="show", config="{bad")
    assert (bad.status_code, "Invalid config parameter, should be a valid JSON" in bad.text) == (200, True)
    assert errors(maps.call("POST", f"/named/{filled}", data="{}")) == ["POST data must be of type application/json"]


# Auth


def test_an_open_template_shows_a_private_table_to_anyone(maps: MapsClient, hidden_table: str) -> None:
    name = created(maps, bare(f"SELECT * FROM {hidden_table}"))
    token = instance(maps.public, name).json()["layergroupid"]
    assert len(features(maps.public.get(f"/{token}/0/0/0.mvt").content)) == 12
    unsigned = token.rpartition("@")[2]
    assert maps.public.get(f"/{unsigned}/0/0/0.mvt").status_code == 403


def test_tokens_are_asked_for_at_instantiation_and_for_every_tile(maps: MapsClient, hidden_table: str) -> None:
    auth = {"method": "token", "valid_tokens": ["s3cret", "other"]}
    name = created(maps, styled(f"SELECT * FROM {hidden_table}"), auth=auth)
    for refused in (
        instance(maps.public, name),
        instance(maps.public, name, auth_token="nope"),
        instance(maps.public, name, {"auth_token": "s3cret"}),
        instance(maps, name),
        maps.get(f"/static/named/{name}/50/50.png"),
        maps.get(f"/named/{name}/all/0/0/0.png"),
    ):
        assert (refused.status_code, errors(refused)) == (403, ["Unauthorized template instantiation"])
    answers = [
        instance(maps.public, name, auth_token=["nope", "other"]),
        maps.public.call("POST", f"/named/{name}", {"auth_token[]": ["s3cret"]}, json={}),
        instance(maps.public, name, auth_token="s3cret"),
    ]
    (token,) = {answer.json()["layergroupid"] for answer in answers}
    assert "s3cret" not in answers[-1].text
    for extension in ("mvt", "png"):
        tile = f"/{token}/0/0/0.{extension}"
        assert maps.public.get(tile, auth_token="s3cret").status_code == 200
        assert maps.get(tile).status_code == 200  # the owner needs no token
        for params in ({}, {"auth_token": "nope"}):
            refused = maps.public.get(tile, **params)
            assert errors(refused) == ["Sorry, you are unauthorized (permission denied)"]
            assert refused.status_code == 403
        regular = maps.public.get(tile, api_key="regular_demo", auth_token="s3cret")
        assert f"permission denied for table {hidden_table}" in errors(regular)[0]


def test_an_instance_keeps_the_auth_that_it_was_made_with(maps: MapsClient, map_table: str) -> None:
    name = created(maps, bare(f"SELECT * FROM {map_table}"))
    token = instance(maps.public, name).json()["layergroupid"]
    closed = {"method": "token", "valid_tokens": ["t"]}
    described = {"version": "0.0.1", "name": name, "layergroup": bare(f"SELECT * FROM {map_table}"), "auth": closed}
    maps.call("PUT", f"/named/{name}", json=described)
    assert maps.public.get(f"/{token}/0/0/0.mvt").status_code == 200
    assert instance(maps.public, name).status_code == 403
    stricter = instance(maps.public, name, auth_token="t").json()["layergroupid"]
    assert maps.public.get(f"/{stricter}/0/0/0.mvt").status_code == 403


# Templates as layers, tiles and images


def test_layers_of_named_maps(maps: MapsClient, filled: str, hidden_table: str) -> None:
    options: Json = {"name": filled, "config": {"kind": "green"}}
    token = maps.public.token(config({"type": "named", "options": options}))
    assert len(features(maps.public.get(f"/{token}/0/0/0.mvt").content)) == 4
    closed = created(maps, styled(f"SELECT * FROM {hidden_table}"), auth={"method": "token", "valid_tokens": ["t"]})
    for options, status, message in (
        ({}, 400, "Missing Named Map `name` in layer options"),
        ({"name": "nothing"}, 404, "Template 'nothing' of user 'demo' not found"),
        ({"name": closed}, 403, f"Unauthorized '{closed}' template instantiation"),
    ):
        response = maps.public.instantiate(config({"type": "named", "options": options}))
        assert (response.status_code, errors(response)) == (status, [message])
    allowed = config({"type": "named", "options": {"name": closed, "auth_tokens": ["t"]}})
    token = maps.public.token(allowed)
    assert len(features(maps.public.get(f"/{token}/0/0/0.mvt").content)) == 12
    assert RED in colors(maps.public.get(f"/{token}/0/0/0.png"))
    copied = maps.public.instantiate(styled(f"SELECT * FROM {hidden_table}"))
    assert copied.status_code == 403


def test_nobody_forges_layers_of_the_owner(maps: MapsClient, hidden_table: str) -> None:
    for forged in ({"owner_layers": [0]}, {"template": {"auth": {"method": "open"}}}, {"as_owner": True}):
        described = {**bare(f"SELECT * FROM {hidden_table}"), **forged}
        assert maps.public.instantiate(described).status_code == 403


def test_tiles_straight_from_a_template(maps: MapsClient, filled: str) -> None:
    tile = maps.public.get(f"/named/{filled}/all/0/0/0.mvt", config=json.dumps({"kind": "blue"}))
    assert len(features(tile.content)) == 4
    assert RED in colors(maps.public.get(f"/named/{filled}/0/0/0/0.png"))
    bad = maps.public.get(f"/named/{filled}/all/0/0/0.mvt", config="{bad")
    assert errors(bad) == ["malformed config parameter, should be a valid JSON"]


def test_images_show_what_the_view_says(maps: MapsClient, map_table: str) -> None:
    layergroup = styled(f"SELECT * FROM {map_table}")
    empty_sea = {"zoom": 6, "center": {"lng": -40, "lat": 0}}
    name = created(maps, layergroup, view=empty_sea)
    image = picture(maps.public.get(f"/static/named/{name}/120/80.png"))
    assert (image.size, image.getextrema()[3]) == ((120, 80), (0, 0))
    for query in ({"zoom": 5, "lon": -2, "lat": 34}, {"bbox": "-10,30,10,40"}):
        assert RED in colors(maps.public.get(f"/static/named/{name}/120/80.png", **query))
    for view in ({}, {"bounds": {"west": -10, "south": 30, "east": 15, "north": 43}}):  # without one, all of the data
        shown = maps.public.get(f"/static/named/{created(maps, layergroup, view=view)}/400/400.png")
        image = picture(shown)
        red = [color for color in colors(shown) if color == RED]
        assert (image.size, len(red)) == ((400, 400), 1)


def test_a_preview_hides_layers(maps: MapsClient, map_table: str) -> None:
    blue = {"cartocss": CSS["cartocss"].replace("#ff0000", "blue"), "cartocss_version": "2.3.0"}
    layergroup = config(layer(f"SELECT * FROM {map_table}", **CSS), layer(f"SELECT * FROM {map_table}", **blue))
    name = created(maps, layergroup, view={"preview_layers": {"1": False}})
    assert RED in colors(maps.public.get(f"/static/named/{name}/200/200.png"))
    assert RED not in colors(maps.public.get(f"/static/named/{name}/200/200.png", layer="1"))
