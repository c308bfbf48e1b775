"""Maps: URLs, templates, instances, and what is asked of them."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest
import responses

from carto.auth import APIKeyAuthClient
from carto.exceptions import (
    CartoBadRequestException,
    CartoForbiddenException,
    CartoInvalidResponseException,
    CartoLimitException,
    CartoNotFoundException,
    CartoResponseException,
    CartoUsageException,
)
from carto.maps import AnonymousMap, NamedMap, NamedMapManager

ROOT = "https://me.carto.com/"
MAP = ROOT + "api/v1/map/"
NAMED = MAP + "named/"
KEY = "secret-key"
TOKEN = "0123456789abcdef0123456789abcdef:1583402564011"
CONFIG = {"version": "1.8.0", "layers": [{"type": "mapnik", "options": {"sql": "select 1"}}]}
TEMPLATE = {
    "version": "0.0.1", "name": "stores", "auth": {"method": "token", "valid_tokens": ["t1", "t2"]},
    "placeholders": {"n": {"type": "number", "default": 1}}, "layergroup": CONFIG, "view": {"zoom": 3},
}
INSTANCE = {
    "layergroupid": TOKEN, "last_updated": "2020-03-05T10:02:44.011Z", "cdn_url": {"http": "cdn"},
    "metadata": {"tilejson": {"raster": {"tilejson": "2.2.0", "tiles": [
        f"https://cdn/me/api/v1/map/{TOKEN}/{{z}}/{{x}}/{{y}}.png?api_key={KEY}"]}}},
}
EXPIRED = {"errors": [f"Invalid or nonexistent map configuration token '{TOKEN}'"], "errors_with_context": []}


@pytest.fixture
def client():
    return APIKeyAuthClient(ROOT, KEY)


@pytest.fixture
def server():
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


@pytest.fixture
def anonymous(client, server):
    server.post(MAP, json=INSTANCE)
    anonymous = AnonymousMap(client)
    anonymous.instantiate(CONFIG)
    return anonymous


@pytest.fixture
def named(client):
    named = NamedMap(client)
    named.update_from_dict({"template": TEMPLATE})
    return named


def sent(call):
    return json.loads(call.request.body)


def query(call):
    return parse_qs(urlsplit(call.request.url).query)


class TestTileURLs:
    """With no key in any."""

    @pytest.mark.parametrize(("arguments", "path"), [
        ({}, f"{TOKEN}/3/1/2.png"),
        ({"extension": "mvt"}, f"{TOKEN}/3/1/2.mvt"),
        ({"layer_id": 0}, f"{TOKEN}/0/3/1/2.png"),
        ({"layer_id": "l1", "filter": "mapnik"}, f"{TOKEN}/mapnik/3/1/2.png"),
        ({"layer_id": 0, "feature_id": 7}, f"{TOKEN}/0/attributes/7"),
        ({"feature_id": 7}, f"{TOKEN}/3/1/2.png"),
        ({"filter": "mapnik"}, f"{TOKEN}/mapnik/3/1/2.png"),
    ])
    def test_anonymous(self, anonymous, arguments, path):
        assert anonymous.get_tile_url(1, 2, 3, **arguments) == MAP + path

    @pytest.mark.parametrize(("arguments", "path"), [
        ({}, "all/3/1/2.png"),
        ({"extension": "mvt"}, "mapnik/3/1/2.mvt"),
        ({"layer_id": 0}, "0/3/1/2.png"),
        ({"layer_id": 0, "filter": "mapnik"}, "mapnik/3/1/2.png"),
        ({"filter": "plain"}, "plain/3/1/2.png"),
    ])
    def test_named_maps_go_by_their_template_and_its_token(self, named, arguments, path):
        assert named.get_tile_url(1, 2, 3, **arguments) == f"{NAMED}stores/{path}?auth_token=t1"

    def test_named_maps_that_are_open(self, named):
        named.auth = None
        assert named.get_tile_url(1, 2, 3) == f"{NAMED}stores/all/3/1/2.png"

    def test_named_maps_bring_the_token_and_the_values_that_they_were_instantiated_with(self, named, server):
        server.post(NAMED + "stores", json=INSTANCE)
        named.instantiate({"n": 2, "no placeholder": "t2"}, "t2")
        url = named.get_tile_url(1, 2, 3)
        assert url.startswith(f"{NAMED}stores/all/3/1/2.png?")
        assert parse_qs(urlsplit(url).query) == {"auth_token": ["t2"], "config": ['{"n":2}']}

    def test_so_do_those_of_visitors_who_cannot_read_the_template(self, client, server):
        server.post(NAMED + "stores", json=INSTANCE)
        visitor = NamedMap(client)
        visitor.template_id = "stores"
        visitor.instantiate({"n": 2}, ["t1", "t2"])
        asked = parse_qs(urlsplit(visitor.get_tile_url(1, 2, 3)).query)
        assert asked == {"auth_token[]": ["t1", "t2"], "config": ['{"n":2}']}

    def test_attributes_of_a_named_map_go_by_its_instance(self, named, server):
        with pytest.raises(CartoUsageException, match="no instance yet"):
            named.get_tile_url(1, 2, 3, layer_id=0, feature_id=7)
        server.post(NAMED + "stores", json=INSTANCE)
        named.instantiate({"n": 2}, "t2")
        url = named.get_tile_url(1, 2, 3, layer_id=0, feature_id=7)
        assert url == f"{MAP}{TOKEN}/0/attributes/7?auth_token=t2"

    def test_a_named_map_without_its_name_goes_by_its_instance(self, client):
        named = NamedMap(client)
        with pytest.raises(CartoUsageException, match="no instance yet"):
            named.get_tile_url(1, 2, 3)
        named.layergroupid = TOKEN
        assert named.get_tile_url(1, 2, 3) == f"{MAP}{TOKEN}/3/1/2.png"

    def test_a_map_that_is_nowhere_has_none(self, client):
        with pytest.raises(CartoUsageException, match="no instance yet"):
            AnonymousMap(client).get_tile_url(1, 2, 3)


class TestAnonymous:
    def test_instantiate(self, anonymous, server):
        assert sent(server.calls[0]) == CONFIG
        assert anonymous.layergroupid == TOKEN
        assert anonymous.last_updated == INSTANCE["last_updated"]
        assert anonymous.cdn_url == {"http": "cdn"}

    def test_the_callers_dict_is_not_changed_and_has_no_key(self, client, server):
        server.post(MAP, json=INSTANCE)
        config = json.loads(json.dumps(CONFIG))
        AnonymousMap(client).instantiate(config)
        assert config == CONFIG
        assert KEY not in server.calls[0].request.body.decode()
        assert KEY not in server.calls[0].request.url

    def test_the_metadata_has_no_key(self, anonymous):
        assert KEY not in json.dumps(anonymous.metadata)
        assert anonymous.tilejson()["tiles"] == [f"https://cdn/me/api/v1/map/{TOKEN}/{{z}}/{{x}}/{{y}}.png"]

    def test_errors_have_their_context(self, client, server):
        context = [{"type": "layer", "message": "no", "subtype": "query", "layer": {"id": "layer0", "index": 0}}]
        server.post(MAP, status=400, json={"errors": ["no"], "errors_with_context": context})
        with pytest.raises(CartoBadRequestException, match="no") as caught:
            AnonymousMap(client).instantiate(CONFIG)
        assert caught.value.errors_with_context == context

    @pytest.mark.parametrize("other", [None, "map.json", [CONFIG]])
    def test_other_things_are_no_map_config(self, client, other):
        with pytest.raises(CartoUsageException, match=r"params must be a dictionary, not .*json\.load"):
            AnonymousMap(client).instantiate(other)

    @pytest.mark.parametrize("body", ["", "null", "[]", '"x"', "{}", '{"metadata": {}}'])
    def test_an_answer_without_an_instance(self, client, server, body):
        server.post(MAP, body=body)
        with pytest.raises(CartoInvalidResponseException, match=r"the answer (is no JSON object|has no layergroupid)"):
            AnonymousMap(client).instantiate(CONFIG)

    @pytest.mark.parametrize("refusal", [{"status": 400, "json": {"errors": ["no"]}}, {"json": {"metadata": {}}}])
    def test_what_the_server_does_not_take_leaves_the_instance_as_it_is(self, anonymous, server, refusal):
        server.replace("POST", MAP, **refusal)
        with pytest.raises(CartoResponseException):
            anonymous.instantiate({**CONFIG, "version": "9"})
        assert (anonymous.layergroupid, bool(anonymous.metadata)) == (TOKEN, True)
        server.replace("POST", MAP, json=INSTANCE)
        server.get(f"{MAP}{TOKEN}/0/0/0.png", status=400, json=EXPIRED)
        server.get(f"{MAP}{TOKEN}/0/0/0.png", body=b"png")
        assert anonymous.tile(0, 0, 0) == b"png"
        assert sent(server.calls[-2]) == CONFIG

    def test_nothing_can_be_fetched_before(self, client):
        with pytest.raises(CartoUsageException, match="instantiate"):
            AnonymousMap(client).tile(0, 0, 0)


class TestFetching:
    @pytest.mark.parametrize(("fetch", "path"), [
        (lambda each: each.tile(1, 2, 3), f"{TOKEN}/3/1/2.png"),
        (lambda each: each.tile(1, 2, 3, layer=[0, 2], extension="mvt"), f"{TOKEN}/0,2/3/1/2.mvt"),
        (lambda each: each.tile(1, 2, 3, layer="a/b", scale=2), f"{TOKEN}/a%2Fb/3/1/2@2x.png"),
        (lambda each: each.image(64, 32, bbox=(-10, 35, 5.5, 44)), f"static/bbox/{TOKEN}/-10,35,5.5,44/64/32.png"),
        (lambda each: each.image(64, 32, center=(-3.7, 40.4), zoom=5, extension="jpg"),
         f"static/center/{TOKEN}/5/40.4/-3.7/64/32.jpg"),
    ])
    def test_bytes(self, anonymous, server, fetch, path):
        server.get(MAP + path, body=b"bytes")
        assert fetch(anonymous) == b"bytes"
        assert server.calls[-1].request.headers["Authorization"].startswith("Basic ")
        assert KEY not in server.calls[-1].request.url

    def test_layers_of_any_name_are_encoded_once(self, anonymous, server):
        server.get(f"{MAP}static/bbox/{TOKEN}/0,0,1,1/9/9.png", body=b"png")
        anonymous.image(9, 9, bbox=(0, 0, 1, 1), layer=["a/b", "c"])
        assert query(server.calls[-1])["layer"] == ["a/b,c"]

    @pytest.mark.parametrize("none", [[], (), ""])
    def test_no_layer_at_all_is_refused(self, anonymous, none):
        for fetch in (lambda: anonymous.tile(0, 0, 0, layer=none), lambda: anonymous.attributes(none, 1),
                      lambda: anonymous.image(9, 9, bbox=(0, 0, 1, 1), layer=none)):
            with pytest.raises(CartoUsageException, match="names no layer"):
                fetch()

    def test_an_empty_vector_tile_is_no_bytes(self, anonymous, server):
        server.get(f"{MAP}{TOKEN}/0/0/0.mvt", status=204)
        assert anonymous.tile(0, 0, 0, extension="mvt") == b""

    def test_a_picture_needs_a_view(self, anonymous):
        with pytest.raises(CartoUsageException, match="bbox"):
            anonymous.image(10, 10, zoom=3)

    @pytest.mark.parametrize("view", [
        {"bbox": ("a", 0, 1, 1)}, {"center": (0, None), "zoom": 1}, {"center": (0, 0), "zoom": "near"}])
    def test_and_one_of_numbers(self, anonymous, view):
        with pytest.raises(CartoUsageException, match=r"(bbox|center|zoom) takes numbers, not ('a'|None|'near')"):
            anonymous.image(10, 10, **view)

    def test_attributes(self, anonymous, server):
        server.get(f"{MAP}{TOKEN}/0/attributes/7", json={"name": "x"})
        assert anonymous.attributes(0, 7) == {"name": "x"}

    def test_no_such_feature(self, anonymous, server):
        server.get(f"{MAP}{TOKEN}/0/attributes/9", status=404, json={"errors": ["Multiple features (0)"]})
        with pytest.raises(CartoNotFoundException, match="Multiple features"):
            anonymous.attributes(0, 9)

    def test_dataviews(self, anonymous, server):
        server.get(f"{MAP}{TOKEN}/dataview/by_city", json={"type": "aggregation"})
        server.get(f"{MAP}{TOKEN}/dataview/by_city/search", json={"type": "aggregation"})
        assert anonymous.dataview("by_city", bbox=(0, 1, 2.5, 3), own_filter=True, bins=None) == {"type": "aggregation"}
        assert {**query(server.calls[-1])} == {"bbox": ["0,1,2.5,3"], "own_filter": ["1"], "client": ["cps-2.0.0"]}
        anonymous.search_dataview("by_city", "ma")
        assert query(server.calls[-1])["q"] == ["ma"]

    def test_lists_of_texts_are_no_option_of_a_dataview(self, anonymous):
        with pytest.raises(CartoUsageException, match="categories takes numbers, not 'a'"):
            anonymous.dataview("by_city", categories=["a", "b"])

    @pytest.mark.parametrize("body", ["", "[]", '"x"'])
    def test_answers_that_are_no_object(self, anonymous, server, body):
        server.get(f"{MAP}{TOKEN}/0/attributes/7", body=body)
        server.get(f"{MAP}{TOKEN}/dataview/by_city", body=body)
        server.get(f"{MAP}{TOKEN}/dataview/by_city/search", body=body)
        for fetch in (lambda: anonymous.attributes(0, 7), lambda: anonymous.dataview("by_city"),
                      lambda: anonymous.search_dataview("by_city", "ma")):
            with pytest.raises(CartoInvalidResponseException, match="no JSON object"):
                fetch()

    def test_an_expired_instance_is_renewed_once(self, anonymous, server):
        server.get(f"{MAP}{TOKEN}/0/0/0.png", status=400, json=EXPIRED)
        server.get(f"{MAP}{TOKEN}/0/0/0.png", body=b"png")
        assert anonymous.tile(0, 0, 0) == b"png"
        assert [call.request.method for call in server.calls] == ["POST", "GET", "POST", "GET"]

    def test_it_is_renewed_as_it_was(self, client, server):
        server.post(MAP, json=INSTANCE)
        config = json.loads(json.dumps(CONFIG))
        changed = AnonymousMap(client)
        changed.instantiate(config)
        config["layers"][0]["options"]["sql"] = "select 2"
        server.get(f"{MAP}{TOKEN}/0/0/0.png", status=400, json=EXPIRED)
        server.get(f"{MAP}{TOKEN}/0/0/0.png", body=b"png")
        changed.tile(0, 0, 0)
        assert sent(server.calls[-2]) == CONFIG

    def test_and_not_twice(self, anonymous, server):
        server.get(f"{MAP}{TOKEN}/0/0/0.png", status=400, json=EXPIRED)
        with pytest.raises(CartoBadRequestException, match="nonexistent map configuration"):
            anonymous.tile(0, 0, 0)
        assert len(server.calls) == 4

    def test_other_errors_do_not_renew(self, anonymous, server):
        server.get(f"{MAP}{TOKEN}/0/0/-1.png", status=400, json={"errors": ["Invalid tile"]})
        with pytest.raises(CartoBadRequestException, match="Invalid tile"):
            anonymous.tile(0, -1, 0)
        assert len(server.calls) == 2

    def test_a_limit_on_a_vector_tile_comes_as_a_tile(self, anonymous, server):
        server.get(f"{MAP}{TOKEN}/0/0/0.mvt", status=429, body=b"\x1a\x05\x00\xff",
                   content_type="application/x-protobuf")
        with pytest.raises(CartoLimitException, match="4 bytes of application/x-protobuf"):
            anonymous.tile(0, 0, 0, extension="mvt")


class TestNamed:
    def test_create(self, client, server):
        server.post(NAMED, json={"template_id": "stores"})
        named = NamedMapManager(client).create(template=TEMPLATE)
        assert sent(server.calls[0]) == TEMPLATE
        assert (named.template_id, str(named)) == ("stores", "stores")

    def test_other_things_are_no_template(self, client):
        with pytest.raises(CartoUsageException, match="template must be a dictionary, not str"):
            NamedMapManager(client).create(template=json.dumps(TEMPLATE))

    def test_view_placeholders_and_auth_are_optional(self, client, server):
        server.post(NAMED, json={"template_id": "stores"})
        small = {"version": "0.0.1", "name": "stores", "layergroup": CONFIG}
        NamedMapManager(client).create(template=small)
        assert sent(server.calls[0]) == small

    @pytest.mark.parametrize("name", ["", "-a", "a b", "ü", "a/b", "../a", None, 3])
    def test_names_are_checked_before_sending(self, client, name):
        with pytest.raises(CartoUsageException, match="name of a named map"):
            NamedMapManager(client).create(template={**TEMPLATE, "name": name})

    def test_get(self, client, server):
        server.get(NAMED + "stores", json={"template": TEMPLATE})
        named = NamedMapManager(client).get("stores")
        assert (named.template_id, named.view, named.auth) == ("stores", TEMPLATE["view"], TEMPLATE["auth"])

    def test_get_or_none(self, client, server):
        server.get(NAMED + "none", status=404, json={"errors": ["Cannot find template 'none' of user 'me'"]})
        assert NamedMapManager(client).get_or_none("none") is None

    def test_all_also_when_a_name_holds_the_word_template(self, client, server):
        """D30"""
        server.get(NAMED, json={"template_ids": ["stores", "template_1"]})
        assert [each.template_id for each in NamedMapManager(client).all()] == ["stores", "template_1"]

    def test_a_cleared_view_is_left_out(self, named, server):
        server.put(NAMED + "stores", json={"template_id": "stores"})
        named.view = None
        named.save()
        assert sent(server.calls[0]) == {name: value for name, value in TEMPLATE.items() if name != "view"}

    def test_one_from_a_listing_can_be_changed_and_saved(self, client, server):
        """D31b"""
        server.get(NAMED, json={"template_ids": ["stores"]})
        server.get(NAMED + "stores", json={"template": TEMPLATE})
        server.put(NAMED + "stores", json={"template_id": "stores"})
        named = NamedMapManager(client).all()[0]
        named.view = None
        named.auth = {"method": "open"}
        named.save()
        expected = {**TEMPLATE, "auth": {"method": "open"}}
        del expected["view"]
        assert sent(server.calls[-1]) == expected

    @pytest.mark.parametrize("name", ["version", "name", "layergroup"])
    def test_also_when_a_part_of_it_was_assigned(self, client, server, name):
        server.get(NAMED, json={"template_ids": ["stores"]})
        server.get(NAMED + "stores", json={"template": {**TEMPLATE, name: "stored"}})
        server.put(NAMED + "stores", json={"template_id": "stores"})
        (named,) = NamedMapManager(client).all()
        setattr(named, name, TEMPLATE[name])
        named.save()
        assert sent(server.calls[-1]) == TEMPLATE

    def test_maps_are_of_the_managers_class(self, client, server):
        class Mine(NamedMap):
            pass

        class MineManager(NamedMapManager):
            resource_class = Mine

        server.get(NAMED, json={"template_ids": ["stores"]})
        server.get(NAMED + "stores", json={"template": TEMPLATE})
        server.post(NAMED, json={"template_id": "stores"})
        maps = MineManager(client)
        found = [maps.all()[0], maps.get("stores"), maps.create(template=TEMPLATE), maps.upsert(TEMPLATE)]
        assert [(type(each), each.template_id) for each in found] == [(Mine, "stores")] * 4

    def test_upsert_creates(self, client, server):
        server.post(NAMED, json={"template_id": "stores"})
        assert NamedMapManager(client).upsert(TEMPLATE).template_id == "stores"

    def test_upsert_replaces(self, client, server):
        server.post(NAMED, status=400, json={"errors": ["Template 'stores' of user 'me' already exists"]})
        server.put(NAMED + "stores", json={"template_id": "stores"})
        assert NamedMapManager(client).upsert(TEMPLATE).template_id == "stores"
        assert sent(server.calls[-1]) == TEMPLATE

    def test_upsert_hides_no_other_error(self, client, server):
        server.post(NAMED, status=400, json={"errors": ["Unsupported template version 9"]})
        with pytest.raises(CartoBadRequestException, match="version 9"):
            NamedMapManager(client).upsert(TEMPLATE)

    def test_delete(self, named, server):
        server.delete(NAMED + "stores", status=204)
        assert named.delete().status_code == 204

    def test_instantiate_with_a_token(self, named, server):
        server.post(NAMED + "stores", json=INSTANCE)
        named.instantiate({"n": 2}, "t1")
        assert sent(server.calls[0]) == {"n": 2}
        assert query(server.calls[0])["auth_token"] == ["t1"]
        assert named.layergroupid == TOKEN

    def test_several_tokens(self, named, server):
        server.post(NAMED + "stores", json=INSTANCE)
        named.instantiate(auth=["a", "b"])
        assert query(server.calls[0])["auth_token[]"] == ["a", "b"]
        assert sent(server.calls[0]) == {}

    def test_tiles_carry_the_token_that_instantiated(self, named, server):
        server.post(NAMED + "stores", json=INSTANCE)
        server.get(f"{MAP}{TOKEN}/0/0/0.png", body=b"png")
        named.instantiate({}, "t2")
        assert named.tile(0, 0, 0) == b"png"
        assert query(server.calls[-1])["auth_token"] == ["t2"]

    def test_a_wrong_token(self, named, server):
        server.post(NAMED + "stores", status=403, json={"errors": ["Unauthorized template instantiation"]})
        with pytest.raises(CartoForbiddenException, match="Unauthorized template") as caught:
            named.instantiate({}, "my-wrong-token")
        assert "my-wrong-token" not in caught.value.url

    def test_preview(self, named, server):
        server.get(MAP + "static/named/stores/64/32.png", body=b"png")
        assert named.preview(64, 32, params={"n": 2}, layer=["a", "b"], zoom=3, lon=1.5, lat=2) == b"png"
        asked = query(server.calls[0])
        assert asked["layer"] == ["a,b"]
        assert (asked["config"], asked["auth_token"], asked["zoom"]) == (['{"n":2}'], ["t1"], ["3"])

    def test_the_key_is_in_no_template(self, client, server):
        """D19"""
        server.post(NAMED, json={"template_id": "stores"})
        template = json.loads(json.dumps(TEMPLATE))
        NamedMapManager(client).create(template=template)
        assert template == TEMPLATE
        assert KEY not in server.calls[0].request.body.decode()
