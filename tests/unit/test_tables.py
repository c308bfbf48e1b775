"""Tables, and permissions and synchronizations as parts of others."""

import json

import pytest

from carto.datasets import Dataset
from carto.exceptions import (
    CartoException,
    CartoForbiddenException,
    CartoNotFoundException,
    CartoUsageException,
)
from carto.permissions import LINK, PRIVATE, PUBLIC, Entity, Permission
from carto.synchronizations import Synchronization
from carto.tables import Table, TableManager
from carto.users import User
from tests.unit.viz_objects import PERMISSION, TABLE_ID, dataset

pytestmark = pytest.mark.filterwarnings("ignore::carto.resources.NonPublicAPIWarning")

ROOT = "https://me.carto.com/api/v1/"
TABLES = ROOT + "tables/"
TABLE = {
    "id": TABLE_ID, "name": "stores", "privacy": "PRIVATE", "schema": [["cartodb_id", "number"], ["opened", "date"]],
    "updated_at": "2020-03-05T09:12:44.000Z", "rows_counted": 1520, "table_size": 131072, "map_id": "m",
    "description": "Store locations", "geometry_types": ["ST_Point"], "table_visualization": dataset(),
    "dependent_visualizations": [{"id": "v", "name": "my map"}], "non_dependent_visualizations": [],
    "synchronization": None,
}


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
        assert str(part) == "s"

    @pytest.mark.parametrize("interval", [60, None, "often"])
    def test_a_synchronization_is_not_made_more_frequent_than_can_be(self, auth_client, server, interval):
        stores = Dataset(auth_client, synchronization={"id": "s", "interval": 3600})
        stores.synchronization.interval = interval
        with pytest.raises(CartoUsageException, match="900 or more, not"):
            stores.synchronization.save()
        assert len(server.calls) == 0
