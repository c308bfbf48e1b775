"""Tables, users, permissions and synchronizations as parts of others."""

import json

import pytest

from carto.auth import APIKeyAuthClient
from carto.exceptions import (
    CartoException,
    CartoForbiddenException,
    CartoNotFoundException,
    CartoServerException,
    CartoUnauthorizedException,
    CartoUsageException,
)
from carto.permissions import LINK, PRIVATE, PUBLIC, Entity, Permission
from carto.synchronizations import Synchronization
from carto.tables import Table, TableManager
from carto.users import User, UserManager
from tests.unit.viz_objects import OWNER, PERMISSION, TABLE_ID, dataset

pytestmark = pytest.mark.filterwarnings("ignore::carto.resources.NonPublicAPIWarning")

ROOT = "https://me.carto.com/api/v1/"
TABLES = ROOT + "tables/"
USERS = ROOT + "organization/acme/users/"
TABLE = {
    "id": TABLE_ID, "name": "stores", "privacy": "PRIVATE", "schema": [["cartodb_id", "number"], ["opened", "date"]],
    "updated_at": "2020-03-05T09:12:44.000Z", "rows_counted": 1520, "table_size": 131072, "map_id": "m",
    "description": "Store locations", "geometry_types": ["ST_Point"], "table_visualization": dataset(),
    "dependent_visualizations": [{"id": "v", "name": "my map"}], "non_dependent_visualizations": [],
    "synchronization": None,
}


@pytest.fixture
def organization():
    return APIKeyAuthClient("https://acme.carto.com/user/me/", "secret-key", organization="acme", retries=0)


class TestTables:
    @pytest.mark.parametrize(("key", "path"), [(TABLE_ID, TABLE_ID), ("stores", "stores"), ("a b/c", "a%20b%2Fc")])
    def test_one_is_read(self, auth_client, server, key, path):
        server.get(TABLES + path, json=TABLE)
        table = TableManager(auth_client).get(key)
        assert (table.name, table.rows_counted, table.schema[1]) == ("stores", 1520, ["opened", "date"])
        assert table.table_visualization.name == "stores"
        assert [each.name for each in table.dependent_visualizations] == ["my map"]

    @pytest.mark.parametrize("list_them", [TableManager.all, TableManager.filter, TableManager.iterate])
    def test_D46_there_is_no_list(self, auth_client, server, list_them):
        with pytest.raises(CartoUsageException, match=r"use carto\.datasets.DatasetManager"):
            list_them(TableManager(auth_client))
        assert len(server.calls) == 0

    @pytest.mark.parametrize(("privacy", "number"), [(PRIVATE, 0), (PUBLIC, 1), (LINK, 2), ("public", 1), (1, 1)])
    def test_privacy_is_sent_as_a_number(self, auth_client, server, privacy, number):
        server.put(TABLES + TABLE_ID, json=TABLE)
        table = Table(auth_client, id=TABLE_ID, name="stores", privacy=privacy)
        table.save()
        assert json.loads(server.calls[0].request.body) == {"privacy": number}

    @pytest.mark.parametrize(("status", "body", "kind", "text"), [
        (404, "", CartoNotFoundException, "404"), (403, "", CartoForbiddenException, "403"),
        (400, '{"errors": ["no such privacy"]}', CartoException, "no such privacy"),
        (400, '{"description": ["Name is bad"], "stack": ["a.rb:1"]}', CartoException, "^Name is bad$"),
    ])
    def test_what_the_server_says_is_raised(self, auth_client, server, status, body, kind, text):
        server.get(TABLES + "x", status=status, body=body)
        with pytest.raises(kind, match=text):
            TableManager(auth_client).get("x")


class TestUsers:
    def test_one_of_an_organization(self, organization, server):
        server.get("https://acme.carto.com/user/me/api/v1/organization/acme/users/bob", json={"username": "bob"})
        assert UserManager(organization).get("bob").username == "bob"

    def test_D38_the_own_one_without_an_organization(self, auth_client, server):
        server.get(ROOT + "users/me", json=OWNER)
        assert UserManager(auth_client).get("me").quota_in_bytes == 104857600

    def test_one_is_created(self, organization, server):
        server.post("https://acme.carto.com/user/me/api/v1/organization/acme/users/", json={"username": "bob"})
        UserManager(organization).create(username="bob", email="bob@example.com", password="open sesame")
        assert json.loads(server.calls[0].request.body) == {
            "username": "bob", "email": "bob@example.com", "password": "open sesame"}

    def test_one_is_changed(self, organization, server):
        server.put("https://acme.carto.com/user/me/api/v1/organization/acme/users/bob", json={"username": "bob"})
        User(organization, username="bob", quota_in_bytes=1).save()
        assert json.loads(server.calls[0].request.body) == {"username": "bob", "quota_in_bytes": 1}

    @pytest.mark.parametrize("body", ["User deleted", '"User deleted"', ""])
    def test_D74_one_is_deleted_and_the_server_says_so_in_plain_text(self, organization, server, body):
        server.delete("https://acme.carto.com/user/me/api/v1/organization/acme/users/bob", body=body,
                      content_type="application/json")
        assert User(organization, username="bob").delete().status_code == 200

    @pytest.mark.parametrize(("status", "body", "kind", "text"), [
        (401, "{}", CartoUnauthorizedException, "401"),
        (401, '{"errors": ["You do not have permissions"]}', CartoUnauthorizedException, "permissions"),
        (401, "Can't delete user. Has shared entities", CartoUnauthorizedException, "Has shared entities"),
        (404, "No user with username 'x' in 'acme'", CartoNotFoundException, "No user with username 'x' in 'acme'"),
        (410, '["Username has already been taken", "Password can\'t be blank"]', CartoException,
         "^Username has already been taken; Password can't be blank$"),
        (410, "No update params provided", CartoException, "No update params provided"),
        (500, "User couldn't be deleted", CartoServerException, "couldn't be deleted"),
    ])
    @pytest.mark.parametrize("action", ["get", "delete"])
    def test_D80_what_the_server_says_is_raised(self, organization, server, status, body, kind, text, action):
        url = "https://acme.carto.com/user/me/api/v1/organization/acme/users/x"
        server.add(action.upper(), url, status=status, body=body, content_type="application/json")
        with pytest.raises(kind, match=text) as caught:
            UserManager(organization).get("x") if action == "get" else User(organization, username="x").delete()
        assert caught.value.status_code == status

    @pytest.mark.parametrize("list_them", [UserManager.all, UserManager.filter, UserManager.iterate])
    def test_there_is_no_list(self, organization, server, list_them):
        with pytest.raises(CartoException, match="no list of users"):
            list_them(UserManager(organization))

    def test_a_password_is_not_shown(self, organization):
        assert "sesame" not in repr(User(organization, username="bob", password="open sesame"))


class TestParts:
    def test_a_permission(self, auth_client):
        permission = Permission(auth_client)
        permission.update_from_dict({**PERMISSION, "acl": [{"type": "org", "entity": {"id": "o"}, "access": "r"}]})
        assert (type(permission.entity), permission.entity.type) == (Entity, "vis")
        assert (type(permission.owner), permission.owner.username) == (User, "me")
        assert permission.acl[0]["access"] == "r"
        assert (PUBLIC, PRIVATE, LINK) == ("PUBLIC", "PRIVATE", "LINK")

    def test_a_public_permission_has_less(self, auth_client):
        permission = Permission(auth_client)
        permission.update_from_dict({"id": "p", "owner": {"username": "me"}})
        assert (permission.entity, permission.acl, permission.updated_at) == (None, None, None)

    def test_a_synchronization(self, auth_client, server):
        server.put(ROOT + "synchronizations/s", json={"id": "s", "interval": 7200})
        part = Synchronization(auth_client)
        part.update_from_dict({"id": "s", "interval": 3600, "state": "success", "run_at": "2020-03-02T12:00:04.000Z",
                               "name": "stores"})
        part.interval = 7200
        part.save()
        assert json.loads(server.calls[0].request.body) == {"interval": 7200}
        assert str(part) == "stores"
