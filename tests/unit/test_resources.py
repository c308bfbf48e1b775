"""Resources and managers: inheritance, paths, saving, clearing, listing."""

import copy
import json
import pickle
import threading
import warnings
from urllib.parse import parse_qs, urlsplit

import pyrestcli.exceptions
import pyrestcli.paginators
import pyrestcli.resources
import pytest
import responses

from carto import resources
from carto.auth import APIKeyAuthClient
from carto.exceptions import (
    CartoInvalidResponseException,
    CartoNotFoundException,
    CartoRateLimitException,
    CartoServerException,
    CartoUsageException,
)
from carto.fields import CharField, DateTimeField, ResourceField
from carto.resources import AsyncResource, Manager, NonPublicAPIWarning, Resource, SavesChanges, WarnResource
from tests.unit.calls import sent

ROOT = "https://me.carto.com/"
THINGS = ROOT + "api/v1/things/"


class Part(Resource):
    id = CharField()


class PartField(ResourceField):
    value_class = f"{__name__}.Part"


class Thing(Resource):
    id = CharField()
    name = CharField()
    tags = CharField(many=True)
    created_at = DateTimeField()
    part = PartField()
    expanded = PartField(expand=True)
    parts = PartField(many=True)

    class Meta:
        collection_endpoint = "api/v1/things/"
        name_field = "name"


class Door(SavesChanges):
    """At a service that finds the key in the query alone."""

    id = CharField()
    name = CharField()
    code = CharField()

    api_key_in = "query"

    class Meta:
        collection_endpoint = "api/v1/doors"
        name_field = "code"
        saved_fields = ("name", "code")
        secret_fields = ("code",)


class DoorManager(Manager[Door]):
    resource_class = Door
    json_collection_attribute = None
    api_key_in = "query"


class ThingManager(Manager[Thing]):
    resource_class = Thing
    json_collection_attribute = "things"
    paged = True


@pytest.fixture
def client():
    return APIKeyAuthClient(ROOT, "secret-key", retries=0)


@pytest.fixture
def manager(client):
    return ThingManager(client)


@pytest.fixture
def server():
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


class TestClasses:
    def test_D34_fields_are_inherited_in_order(self):
        class Special(Thing):
            extra = CharField()

        assert Special.fields == [*Thing.fields, "extra"]
        assert "extra" not in Thing.fields

    def test_a_mixin_gives_its_fields(self):
        class Mixin:
            mixed = CharField()

        class Mixed(Mixin, Thing):
            pass

        mixed = Mixed(None, mixed="x")
        assert "mixed" in Mixed.fields
        assert mixed.mixed == "x"

    def test_D35_meta_is_not_shared(self):
        class Mixin:
            class Meta:
                collection_endpoint = "elsewhere/"
                only_here = 1

        class Mixed(Mixin, Thing):
            pass

        class Named(Thing):
            class Meta:
                name_field = "id"

        assert Mixed.Meta.collection_endpoint == "elsewhere/"
        assert (Named.Meta.collection_endpoint, Named.Meta.name_field) == ("api/v1/things/", "id")
        assert (Thing.Meta.collection_endpoint, Thing.Meta.name_field) == ("api/v1/things/", "name")
        assert not hasattr(Thing.Meta, "only_here")

    def test_they_are_pyrestclis(self):
        assert issubclass(Resource, pyrestcli.resources.Resource)
        assert issubclass(Manager, pyrestcli.resources.Manager)

    def test_a_class_without_an_endpoint_gets_its_name(self):
        assert Part.get_collection_endpoint() == "parts/"


class TestTexts:
    def test_str_is_the_name_and_repr_tells_more(self):
        thing = Thing(None, id="1", name="café")
        assert str(thing) == "café"
        assert repr(thing) == "<Thing id='1' name='café'>"

    @pytest.mark.parametrize("name", [None, 3])
    def test_D33_str_never_fails(self, name):
        assert str(Thing(None, id="1", name=name)) in ("<Thing id='1'>", "3")

    def test_equality_is_by_class_and_id(self):
        class Other(Thing):
            pass

        one, same = Thing(None, id="1"), Thing(None, id="1", name="x")
        assert one == same
        assert len({one, same}) == 1
        assert one != Thing(None, id="2")
        assert one != Other(None, id="1")
        assert Thing(None) != Thing(None)

    def test_secrets_are_not_shown_and_not_copied(self):
        door = Door(object(), name="front", code="open sesame")
        assert (str(door), repr(door)) == ("<Door>", "<Door>")
        assert "open sesame" not in str(door.__getstate__())
        assert (copy.copy(door).name, copy.copy(door).code, door.code) == ("front", None, "open sesame")


class TestCopies:
    @pytest.fixture
    def thing(self, client):
        thing = Thing(client, id="1", tags=["a"])
        thing.update_from_dict({"part": {"id": "7"}, "parts": [{"id": "8"}]})
        thing.name = None
        assert thing.part.client is client
        return thing

    @pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
    def test_pickles_have_everything_but_the_client(self, thing, protocol):
        pickled = pickle.dumps(thing, protocol)
        loaded = pickle.loads(pickled)
        assert b"secret-key" not in pickled
        assert (loaded, loaded.tags, loaded.part.id, loaded.parts[0].id) == (thing, ["a"], "7", "8")
        assert loaded._values(Thing.fields) == thing._values(Thing.fields)
        assert (loaded.client, loaded.part.client, loaded.parts[0].client) == (None, None, None)

    @pytest.mark.parametrize("send", [Thing.save, Thing.refresh, Thing.delete])
    def test_without_a_client_nothing_is_sent_until_it_has_one_again(self, thing, client, server, send):
        loaded = pickle.loads(pickle.dumps(thing))
        with pytest.raises(CartoUsageException, match=r"this Thing has no client .*assign one"):
            send(loaded)
        for method in ("PUT", "GET", "DELETE"):
            server.add(method, THINGS + "1", json={})
        loaded.client = client
        assert send(loaded).status_code == 200

    @pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
    def test_copies_share_the_client(self, thing, client, copied):
        other = copied(thing)
        assert (type(other), other.client, other.part.client) == (Thing, client, client)
        assert other._values(Thing.fields) == thing._values(Thing.fields)

    def test_deep_copies_share_nothing_else(self, thing):
        thing.itself = thing
        other = copy.deepcopy(thing)
        assert other.itself is other
        other.tags.append("b")
        other.part.id = "9"
        other.tags = None
        assert (thing.tags, thing.part.id, thing._cleared) == (["a"], "7", {"name"})

    def test_what_is_cleared_in_a_copy_is_not_cleared_in_the_other(self, thing):
        thing.update_from_dict({"id": "1"})
        other = copy.copy(thing)
        other.tags = None
        assert thing._values(["name", "tags"]) == {"name": None, "tags": ["a"]}


class TestPaths:
    @pytest.mark.parametrize(("given", "path"), [
        ("abc", "abc"), (7, "7"), ("100% a?b#c", "100%25%20a%3Fb%23c"), ("//host/x", "%2F%2Fhost%2Fx"),
        ("https://host/x", "https%3A%2F%2Fhost%2Fx"), ("../../x", "..%2F..%2Fx"), ("a%20b", "a%2520b"), ("ñ", "%C3%B1"),
    ])
    def test_ids_are_encoded_once_and_have_no_slash_behind(self, client, server, given, path):
        server.get(THINGS + path, json={"id": given})
        assert ThingManager(client).get(given).id == given
        assert urlsplit(server.calls[0].request.url).path == "/api/v1/things/" + path

    @pytest.mark.parametrize("given", ["", ".", ".."])
    def test_what_is_no_id_is_refused(self, manager, given):
        with pytest.raises(CartoUsageException, match="not an id"):
            manager.get(given)

    def test_a_collection_without_a_slash_has_none_and_its_resources_have_one(self, client, server):
        server.get(ROOT + "api/v1/doors", json=[{"id": "1"}])
        server.get(ROOT + "api/v1/doors/1", json={"id": "1"})
        assert DoorManager(client).all() == [DoorManager(client).get("1")]
        assert [urlsplit(call.request.url).path for call in server.calls] == ["/api/v1/doors", "/api/v1/doors/1"]

    def test_get_needs_an_id(self, manager):
        with pytest.raises(CartoUsageException, match="needs an id"):
            manager.get(None)


class TestSaving:
    def test_create_posts_the_given_fields(self, manager, server):
        server.post(THINGS, json={"id": "1", "name": "n", "unknown": 1})
        thing = manager.create(name="n", unknown=2)
        assert sent(server.calls[0]) == {"name": "n"}
        assert server.calls[0].request.headers["content-type"] == "application/json"
        assert thing.id == "1"
        assert not hasattr(thing, "unknown")

    def test_save_puts_what_has_a_value(self, client, server):
        server.put(THINGS + "1", json={})
        thing = Thing(client, id="1")
        thing.update_from_dict({"name": None, "tags": ["a"], "created_at": "2018-11-05T13:29:52Z", "part": "7",
                                "expanded": {"id": "8"}, "parts": [{"id": "9"}]})
        thing.save()
        assert sent(server.calls[0]) == {"id": "1", "tags": ["a"], "created_at": "2018-11-05T13:29:52+00:00",
                                         "part": "7", "expanded": {"id": "8"}}

    def test_none_clears_until_something_else_is_known(self, client, server):
        server.put(THINGS + "1", json={"id": "1", "name": None})
        thing = Thing(client, id="1", name="x")
        thing.name = None
        thing.save()
        assert sent(server.calls[0]) == {"id": "1", "name": None}
        thing.save()
        assert sent(server.calls[1]) == {"id": "1"}

    def test_a_value_after_none_is_sent(self, client):
        thing = Thing(client, id="1")
        thing.name = None
        thing.name = "y"
        assert thing._values(["name"]) == {"name": "y"}

    def test_only_some_fields(self, client, server):
        server.put(THINGS + "1", json={})
        Thing(client, id="1", name="x", tags=[]).save(fields=["name"])
        assert sent(server.calls[0]) == {"name": "x"}

    def test_some_resources_send_what_was_changed_alone(self, client, server):
        server.get(ROOT + "api/v1/doors/1", json={"id": "1", "name": "front", "code": "1234"})
        server.put(ROOT + "api/v1/doors/1", json={})
        server.post(ROOT + "api/v1/doors", json={})
        door = DoorManager(client).get("1")
        door.name = "back"
        door.save()
        door.save()
        door.save(fields=["code"])
        door.save(force_create=True)
        assert [sent(call) for call in server.calls if call.request.body] == [
            {"name": "back"}, {}, {"code": "1234"}, {"name": "back", "code": "1234"}]

    def test_the_key_goes_where_the_resource_says(self, client, server):
        server.get(ROOT + "api/v1/doors", json=[])
        server.put(ROOT + "api/v1/doors/1", json={})
        DoorManager(client).all()
        Door(client, id="1").save()
        assert all("api_key=secret-key" in call.request.url for call in server.calls)
        assert not any("Authorization" in call.request.headers for call in server.calls)
        client.send("api/v1/doors", "get")
        assert "api_key" not in server.calls[-1].request.url

    def test_force_create_posts_again(self, client, server):
        server.post(THINGS, json={})
        Thing(client, id="1").save(force_create=True)
        assert sent(server.calls[0]) == {"id": "1"}

    @pytest.mark.parametrize("body", ["", "[]", '"User deleted"', "null"])
    def test_D73_D80_an_answer_that_is_no_object_changes_nothing(self, client, server, body):
        server.delete(THINGS + "1", body=body)
        thing = Thing(client, id="1", name="x")
        assert thing.delete().status_code == 200
        assert thing.name == "x"

    def test_refresh_and_delete_without_id_send_nothing(self, client):
        assert Thing(client).refresh() is None
        assert Thing(client).delete() is None

    def test_an_async_resource_without_id_cannot_be_refreshed(self, client):
        class Job(AsyncResource):
            id = CharField()

        with pytest.raises(CartoUsageException, match="no id"):
            Job(client).refresh()

    def test_run_posts_to_the_collection(self, client, server):
        class Job(AsyncResource):
            id = CharField()

            class Meta:
                collection_endpoint = "api/v1/jobs/"

        server.post(ROOT + "api/v1/jobs/", json={"id": "5"})
        job = Job(client)
        assert job.run(params={"a": 1}) is None
        assert job.id == "5"


def pages(total, size, totals=("total_entries",), shown=None):
    """A server's listing of numbered things; `shown` are those that it really has."""
    shown = list(range(total)) if shown is None else shown

    def answer(request):
        query = parse_qs(urlsplit(request.url).query)
        number, length = int(query["page"][0]), min(int(query["per_page"][0]), size)
        part = shown[(number - 1) * length:number * length]
        return 200, {}, json.dumps({"things": [{"id": n} for n in part], **dict.fromkeys(totals, total)})

    return answer


class TestListing:
    @pytest.mark.parametrize("total", [0, 1, 9, 10, 11, 35])
    def test_the_list_is_complete(self, manager, server, total):
        server.add_callback("GET", THINGS, pages(total, 10))
        assert [thing.id for thing in manager.filter(per_page=10)] == list(range(total))
        assert len(server.calls) == max(1, -(-total // 10))

    def test_a_thousand_are_asked_for_at_a_time(self, manager, server):
        server.add_callback("GET", THINGS, pages(1500, 1000))
        assert len(manager.all()) == 1500
        assert len(server.calls) == 2

    def test_a_list_that_shrinks_does_not_loop(self, manager, server):
        server.add_callback("GET", THINGS, pages(100, 10, shown=list(range(25))))
        assert len(manager.filter(per_page=10)) == 25
        assert len(server.calls) == 4

    @pytest.mark.parametrize("total", ["total_entries", "total_user_entries", "total"])
    def test_each_of_the_servers_totals_is_known(self, manager, server, total):
        server.add_callback("GET", THINGS, pages(12, 10, totals=(total,)))
        assert len(manager.filter(per_page=10)) == 12

    def test_without_a_total_there_is_one_page(self, manager, server):
        server.add_callback("GET", THINGS, pages(12, 10, totals=()))
        assert len(manager.filter(per_page=10)) == 10

    def test_iterate_is_lazy(self, manager, server):
        server.add_callback("GET", THINGS, pages(35, 10))
        things = manager.iterate(page_size=10)
        assert len(server.calls) == 0
        assert next(things).id == 0
        assert len(server.calls) == 1
        assert len(list(things)) == 34

    def test_iterate_stops_at_its_limit(self, manager, server):
        server.add_callback("GET", THINGS, pages(35, 10))
        assert [thing.id for thing in manager.iterate(limit=3)] == [0, 1, 2]
        assert parse_qs(urlsplit(server.calls[0].request.url).query)["per_page"] == ["3"]

    @pytest.mark.parametrize("bad", [0, -1, "5", 2.5])
    @pytest.mark.parametrize("name", ["page_size", "limit"])
    def test_sizes_are_numbers_from_one(self, manager, name, bad):
        with pytest.raises(CartoUsageException, match=f"{name} must be"):
            manager.iterate(**{name: bad})

    def test_filters_are_parameters_and_are_not_changed(self, manager, server):
        server.add_callback("GET", THINGS, pages(3, 10))
        filters = {"q": "x y", "type": "table"}
        manager.filter(**filters)
        query = parse_qs(urlsplit(server.calls[0].request.url).query)
        assert (query["q"], query["type"]) == (["x y"], ["table"])
        assert filters == {"q": "x y", "type": "table"}

    def test_a_page_in_another_form_is_an_error(self, manager, server):
        server.get(THINGS, json={"elsewhere": []})
        with pytest.raises(CartoInvalidResponseException, match="no list of things"):
            manager.all()

    def test_a_list_of_its_own_needs_no_name(self, client, server):
        class Bare(ThingManager):
            json_collection_attribute = None

        server.get(THINGS, json=[{"id": 1}])
        assert [thing.id for thing in Bare(client).all()] == [1]

    def test_a_foreign_paginator_is_used(self, client, server):
        class Linked(ThingManager):
            paged = False
            paginator_class = pyrestcli.paginators.NextWithUrlPaginator

        server.get(THINGS, json={"things": [{"id": 1}], "next": ROOT + "api/v1/more"})
        server.get(ROOT + "api/v1/more", json={"things": [{"id": 2}], "next": None})
        assert [thing.id for thing in Linked(client).all()] == [1, 2]

    def test_threads_share_a_manager(self, manager, server):
        server.add_callback("GET", THINGS, pages(200, 10))
        counts = []
        threads = [threading.Thread(target=lambda: counts.append(len(manager.filter(per_page=10)))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert counts == [200] * 8


class TestErrors:
    def test_not_found(self, manager, server):
        server.get(THINGS + "1", status=404, json={"errors": "no such thing", "errors_cause": None})
        assert manager.get_or_none("1") is None
        with pytest.raises(CartoNotFoundException, match="no such thing") as caught:
            manager.get("1")
        assert isinstance(caught.value, pyrestcli.exceptions.NotFoundException)

    def test_a_rate_limit_stays_one(self, manager, server):
        server.get(THINGS, status=429, headers={"Retry-After": "7"}, json={"error": ["slow down"]})
        with pytest.raises(CartoRateLimitException) as caught:
            manager.all()
        assert caught.value.retry_after == 7

    def test_reads_are_repeated_and_writes_are_not(self, server, monkeypatch):
        monkeypatch.setattr("carto._http.retry.time.sleep", lambda seconds: None)
        manager = ThingManager(APIKeyAuthClient(ROOT, "secret-key"))
        server.get(THINGS, status=503)
        server.post(THINGS, status=503)
        with pytest.raises(CartoServerException):
            manager.all()
        assert len(server.calls) == 3
        with pytest.raises(CartoServerException):
            manager.create(name="x")
        assert len(server.calls) == 4


class TestWarning:
    def test_once_per_class(self, monkeypatch):
        monkeypatch.setattr(resources, "_warned", set())

        class One(WarnResource):
            pass

        class Two(WarnResource):
            pass

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for cls in (One, One, Two, One):
                cls(None)
        assert [type(each.message) for each in caught] == [NonPublicAPIWarning] * 2
        assert str(caught[0].message) == "One uses a non-public API of CARTO, which may change without notice"
        assert issubclass(NonPublicAPIWarning, FutureWarning)
        assert caught[0].filename == __file__
