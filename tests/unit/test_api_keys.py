"""API keys: what is sent for each call, grants in both directions, refusals, and the secrecy of tokens."""

import copy
import inspect
import json
import logging
import pickle
from datetime import datetime, timezone

import pytest

from carto import api_keys
from carto.api_keys import APIKey, APIKeyManager, Grants, TableGrant
from carto.auth import AuthAPIClient
from carto.exceptions import (
    CartoException,
    CartoForbiddenException,
    CartoInvalidResponseException,
    CartoNotFoundException,
    CartoRateLimitException,
    CartoUnauthorizedException,
    CartoUnprocessableException,
    CartoUsageException,
)

KEYS = "https://me.carto.com/api/v3/api_keys/"
TOKEN = "rT9vYw1kQm3sZ0xN5bU7cA"
STORES = {"schema": "public", "name": "stores", "permissions": ["select", "update"]}
GRANTS = [
    {"type": "apis", "apis": ["sql", "maps"]},
    {"type": "database", "tables": [{**STORES, "owner": False}], "schemas": [{"name": "public",
                                                                              "permissions": ["create"]}]},
    {"type": "dataservices", "services": ["geocoding"]},
]
REPORTING = {
    "name": "reporting", "user": {"username": "me"}, "type": "regular", "token": TOKEN, "grants": GRANTS,
    "created_at": "2020-03-05 09:12:44 UTC", "updated_at": "2020-03-05 09:12:44 UTC",
    "_links": {"self": "https://me.carto.com/api/v3/api_keys/reporting"},
}
MASTER = {"name": "Master", "type": "master", "token": "the-master-token",
          "grants": [{"type": "apis", "apis": ["sql", "maps"]}, {"type": "database", "tables": [], "schemas": []}]}


class Plain:
    """A client that somebody wrote, which can be pickled."""

    base_url = "https://me.carto.com/"


@pytest.fixture
def manager(auth_client):
    return APIKeyManager(auth_client)


@pytest.fixture
def key(auth_client):
    key = APIKey(auth_client)
    key.update_from_dict(REPORTING)
    return key


def sent(server, index=-1):
    return json.loads(server.calls[index].request.body)


class TestCreating:
    def test_all_kinds_of_grants_are_sent(self, manager, server):
        server.post(KEYS, status=201, json=REPORTING)
        key = manager.create("reporting", ["sql"], [STORES], ["geocoding"])
        assert sent(server) == {"name": "reporting", "grants": [
            {"type": "apis", "apis": ["sql"]}, {"type": "database", "tables": [STORES]},
            {"type": "dataservices", "services": ["geocoding"]}]}
        assert (type(key), key.name, key.token, key.type) == (APIKey, "reporting", TOKEN, "regular")

    def test_both_apis_are_granted_when_nobody_says(self, manager, server):
        server.post(KEYS, status=201, json=REPORTING)
        manager.create(name="reporting")
        assert sent(server) == {"name": "reporting", "grants": [
            {"type": "apis", "apis": ["sql", "maps"]}, {"type": "database", "tables": []},
            {"type": "dataservices", "services": []}]}

    @pytest.mark.parametrize("tables", [
        lambda client: [TableGrant(client, **STORES)], lambda client: [STORES], lambda client: STORES,
        lambda client: TableGrant(client, **STORES), lambda client: (STORES,),
        lambda client: [{**STORES, "permissions": ("select", "update")}],
    ], ids=["object", "dictionary", "one dictionary", "one object", "tuple", "tuple of permissions"])
    def test_D43_tables_in_every_form(self, manager, server, tables):
        server.post(KEYS, status=201, json=REPORTING)
        manager.create("reporting", tables=tables(manager.client))
        assert sent(server)["grants"][1] == {"type": "database", "tables": [STORES]}

    def test_objects_and_dictionaries_may_be_mixed(self, manager, server):
        server.post(KEYS, status=201, json=REPORTING)
        other = TableGrant(manager.client)
        other.schema, other.name, other.permissions = "public", "roads", [api_keys.PERMISSION_SELECT]
        manager.create("reporting", tables=[other, STORES])
        assert sent(server)["grants"][1]["tables"] == [
            {"schema": "public", "name": "roads", "permissions": ["select"]}, STORES]

    def test_a_manager_of_a_subclass_makes_its_objects(self, auth_client, server):
        class Key(APIKey):
            pass

        class KeyManager(APIKeyManager):
            resource_class = Key

        server.post(KEYS, status=201, json=REPORTING)
        assert type(KeyManager(auth_client).create("reporting")) is Key

    def test_what_the_caller_gave_is_not_changed(self, manager, server):
        server.post(KEYS, status=201, json=REPORTING)
        tables, apis = [copy.deepcopy(STORES)], ["sql"]
        manager.create("reporting", apis, tables)
        assert (tables, apis) == ([STORES], ["sql"])

    def test_the_default_can_not_be_changed_by_a_caller(self):
        assert inspect.signature(APIKeyManager.create).parameters["apis"].default == ("sql", "maps")

    @pytest.mark.parametrize(("arguments", "text"), [
        ({"apis": []}, r"apis is empty.*give \['sql', 'maps'\]"), ({"apis": None}, "apis"),
        ({"apis": "sql"}, "apis is a list of texts, not 'sql'"), ({"apis": [1]}, "apis is a list of texts"),
        ({"services": "geocoding"}, "services is a list of texts"),
        ({"name": ""}, "needs a name"), ({"name": " "}, "needs a name"), ({"name": None}, "needs a name"),
        ({"tables": "stores"}, "not 'stores'"), ({"tables": ["stores"]}, r"not \['stores'\]"),
        ({"tables": [{"name": "stores", "permissions": ["select"]}]}, "needs a schema"),
        ({"tables": [{"schema": "public", "permissions": ["select"]}]}, "needs a name"),
        ({"tables": [{"schema": "public", "table": "stores", "permissions": ["select"]}]}, "needs a name"),
        ({"tables": [{**STORES, "permissions": ["selekt"]}]}, "table stores must be a list of select.*'selekt'"),
        ({"tables": [{**STORES, "permissions": []}]}, "permissions for table stores"),
        ({"tables": [{**STORES, "permissions": None}]}, "permissions for table stores"),
        ({"tables": [{**STORES, "permissions": "select"}]}, "permissions for table stores"),
    ])
    def test_what_is_no_key_is_refused_before_sending(self, manager, server, arguments, text):
        with pytest.raises(CartoUsageException, match=text):
            manager.create(**{"name": "reporting", **arguments})
        assert len(server.calls) == 0

    @pytest.mark.parametrize("fault", [{"permissions": ["drop"]}, {"schema": None}, {"name": ""}])
    def test_an_incomplete_object_is_refused_as_well(self, manager, server, fault):
        with pytest.raises(CartoUsageException):
            manager.create("reporting", tables=[TableGrant(manager.client, **{**STORES, **fault})])
        assert len(server.calls) == 0

    def test_the_rest_of_the_names(self):
        assert [api_keys.API_SQL, api_keys.API_MAPS] == ["sql", "maps"]
        assert [api_keys.PERMISSION_INSERT, api_keys.PERMISSION_SELECT, api_keys.PERMISSION_UPDATE,
                api_keys.PERMISSION_DELETE] == ["insert", "select", "update", "delete"]
        assert [api_keys.SERVICE_GEOCODING, api_keys.SERVICE_ROUTING, api_keys.SERVICE_ISOLINES,
                api_keys.SERVICE_OBSERVATORY] == ["geocoding", "routing", "isolines", "observatory"]


class TestReading:
    @pytest.mark.parametrize(("name", "path"), [
        ("reporting", "reporting"), ("a b/c.d?e#f", "a%20b%2Fc.d%3Fe%23f"), ("50%", "50%25"), ("ñ", "%C3%B1")])
    def test_one_is_read_by_its_name_which_is_percent_encoded_once(self, manager, server, name, path):
        server.get(KEYS + path, json={**REPORTING, "name": name})
        assert manager.get(name).name == name
        assert server.calls[0].request.url.partition("?")[0] == KEYS + path

    def test_its_grants(self, manager, server):
        server.get(KEYS + "reporting", json=REPORTING)
        grants = manager.get("reporting").grants
        assert (type(grants), grants.apis, grants.services) == (Grants, ["sql", "maps"], ["geocoding"])
        (table,) = grants.tables
        assert (type(table), table.schema, table.name) == (TableGrant, "public", "stores")
        assert table.to_json() == STORES
        assert grants.get_id() == [{"type": "apis", "apis": ["sql", "maps"]},
                                   {"type": "database", "tables": [STORES]},
                                   {"type": "dataservices", "services": ["geocoding"]}]

    def test_missing_grants_are_none(self, auth_client):
        key = APIKey(auth_client)
        key.update_from_dict(MASTER)
        assert (key.grants.apis, key.grants.tables, key.grants.services) == (["sql", "maps"], [], None)
        assert key.grants.get_id()[2] == {"type": "dataservices", "services": []}

    def test_its_dates(self, key):
        assert key.created_at == key.updated_at == datetime(2020, 3, 5, 9, 12, 44, tzinfo=timezone.utc)

    def test_all_are_listed_by_pages(self, manager, server):
        server.get(KEYS, json={"total": 2, "count": 1, "result": [MASTER]})
        server.get(KEYS, json={"total": 2, "count": 1, "result": [REPORTING]})
        assert [key.name for key in manager.all()] == ["Master", "reporting"]
        assert "page=2" in server.calls[1].request.url

    def test_some_are_listed(self, manager, server):
        server.get(KEYS, json={"total": 1, "count": 1, "result": [MASTER]})
        assert [key.type for key in manager.filter(type="default,master")] == ["master"]
        assert "type=default%2Cmaster" in server.calls[0].request.url

    def test_D44_one_is_read_again(self, key, server):
        server.get(KEYS + "reporting", json={**REPORTING, "token": "another"})
        key.refresh()
        assert key.token == "another"

    @pytest.mark.parametrize("name", [None, "", "."])
    def test_there_must_be_a_name(self, manager, server, name):
        with pytest.raises(CartoUsageException):
            manager.get(name)
        assert len(server.calls) == 0

    def test_with_the_client_of_the_auth_api(self, server):
        with AuthAPIClient("https://me.carto.com/", "secret-key", retries=0) as client:
            server.get(KEYS + "reporting", json=REPORTING)
            assert APIKeyManager(client).get("reporting").token == TOKEN


class TestChanging:
    def test_another_token(self, key, server):
        server.post(KEYS + "reporting/token/regenerate", json={**REPORTING, "token": "another"})
        assert key.regenerate_token() is None
        assert key.token == "another"
        assert server.calls[0].request.body is None

    def test_another_token_for_a_name_with_a_slash(self, auth_client, server):
        server.post(KEYS + "a%2Fb/token/regenerate", json={"name": "a/b", "token": "another"})
        key = APIKey(auth_client, name="a/b")
        key.regenerate_token()
        assert key.token == "another"

    def test_no_token_without_a_name(self, auth_client, server):
        with pytest.raises(CartoUsageException, match="no name"):
            APIKey(auth_client).regenerate_token()
        assert len(server.calls) == 0

    def test_one_is_deleted(self, key, server):
        server.delete(KEYS + "reporting", status=204)
        assert key.delete() is None
        assert len(server.calls) == 1

    def test_D44_one_that_is_there_can_not_be_saved(self, key, server):
        with pytest.raises(CartoUsageException, match="delete 'reporting' and create it again"):
            key.save()
        assert len(server.calls) == 0

    def test_one_that_is_there_can_be_created_again(self, key, server):
        server.post(KEYS, status=201, json={**REPORTING, "token": "another"})
        key.name = "copy"
        key.save(force_create=True)
        assert sent(server) == {"name": "copy", "grants": [
            {"type": "apis", "apis": ["sql", "maps"]}, {"type": "database", "tables": [STORES]},
            {"type": "dataservices", "services": ["geocoding"]}]}
        assert key.token == "another"

    def test_one_made_by_hand_is_created_by_save(self, auth_client, server):
        server.post(KEYS, status=201, json=REPORTING)
        key = APIKey(auth_client, name="reporting", grants=Grants(auth_client, apis=["sql"], tables=[STORES]))
        key.save()
        assert sent(server)["grants"][:2] == [{"type": "apis", "apis": ["sql"]},
                                              {"type": "database", "tables": [STORES]}]
        assert key.token == TOKEN


CALLS = [
    ("POST", "", lambda client: APIKeyManager(client).create("x")),
    ("GET", "", lambda client: APIKeyManager(client).all()),
    ("GET", "x", lambda client: APIKeyManager(client).get("x")),
    ("GET", "x", lambda client: APIKey(client, name="x").refresh()),
    ("POST", "x/token/regenerate", lambda client: APIKey(client, name="x").regenerate_token()),
    ("DELETE", "x", lambda client: APIKey(client, name="x").delete()),
]


@pytest.mark.parametrize(("method", "path", "call"), CALLS, ids=[
    "create", "all", "get", "refresh", "regenerate_token", "delete"])
@pytest.mark.parametrize(("status", "body", "kind", "text"), [
    (401, "", CartoUnauthorizedException, "401"),
    (403, '{"errors":"You have reached the limit of API keys for your plan","errors_cause":null}',
     CartoForbiddenException, "^You have reached the limit of API keys for your plan$"),
    (404, '{"errors":"API key not found: x","errors_cause":null}', CartoNotFoundException, "^API key not found: x$"),
    (422, '{"errors":"Validation failed: Name has already been taken","errors_cause":null}',
     CartoUnprocessableException, "^Validation failed: Name has already been taken$"),
])
def test_what_the_server_says_is_raised(auth_client, server, method, path, call, status, body, kind, text):
    server.add(method, KEYS + path, status=status, body=body)
    with pytest.raises(kind, match=text) as caught:
        call(auth_client)
    assert isinstance(caught.value, CartoException)
    assert caught.value.status_code == status


@pytest.mark.parametrize(("method", "path", "call"), CALLS)
def test_D15_a_rate_limit_is_raised_as_one(auth_client, server, method, path, call):
    server.add(method, KEYS + path, status=429, headers={"Retry-After": "7"})
    with pytest.raises(CartoRateLimitException) as caught:
        call(auth_client)
    assert caught.value.retry_after == 7


class TestSecrecy:
    def test_a_token_is_told_to_who_asks_for_it_and_shown_nowhere(self, key):
        assert key.token == TOKEN
        assert str(key) == "reporting"
        assert repr(key) == "<APIKey name='reporting'>"
        assert TOKEN not in repr([key]) + f"{key!r} {key}" + repr(key.grants)

    def test_it_is_not_shown_in_a_notebook(self, manager, server):
        server.get(KEYS, json={"total": 1, "result": [REPORTING]})
        html = manager.all()._repr_html_()
        assert "reporting" in html
        assert TOKEN not in html

    def test_it_is_not_pickled(self):
        key = APIKey(Plain())
        key.update_from_dict(REPORTING)
        pickled = pickle.dumps(key)
        assert TOKEN.encode() not in pickled
        assert (pickle.loads(pickled).name, pickle.loads(pickled).token) == ("reporting", None)

    def test_it_is_not_in_what_is_said_of_a_broken_answer(self, manager, server, caplog):
        caplog.set_level(logging.DEBUG)
        server.post(KEYS, status=201, body=json.dumps(REPORTING)[:-1])
        with pytest.raises(CartoInvalidResponseException) as caught:
            manager.create("reporting")
        assert "reporting" in str(caught.value)
        assert TOKEN not in str(caught.value) + repr(caught.value) + caplog.text

    def test_it_is_not_logged(self, manager, server, caplog):
        caplog.set_level(logging.DEBUG)
        server.post(KEYS, status=201, json=REPORTING)
        manager.create("reporting")
        assert "POST https://me.carto.com/api/v3/api_keys/" in caplog.text
        assert TOKEN not in caplog.text


def test_grants_show_what_they_are_about(auth_client):
    table = TableGrant(auth_client, **STORES)
    assert repr(table) == "<TableGrant public.stores: select, update>"
    assert repr(Grants(auth_client, apis=["sql"], tables=[table])) == (
        "<Grants apis=['sql'] tables=[<TableGrant public.stores: select, update>] services=[]>")
