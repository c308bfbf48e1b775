"""The SDK's API keys against the sandbox: what a key grants is what it can do, in SQL, COPY and maps."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator

import pytest

from carto.api_keys import PERMISSION_INSERT, PERMISSION_SELECT, APIKey, APIKeyManager, TableGrant
from carto.auth import APIKeyAuthClient, AuthAPIClient
from carto.exceptions import (
    CartoException,
    CartoForbiddenException,
    CartoNotFoundException,
    CartoResponseException,
    CartoUnauthorizedException,
    CartoUnprocessableException,
)
from carto.maps import AnonymousMap
from carto.sandbox import Sandbox
from carto.sql import CopySQLClient, SQLClient


@pytest.fixture(scope="module")
def tables(client: APIKeyAuthClient) -> Iterator[tuple[str, str]]:
    """Give two tables with one row each."""
    sql, names = SQLClient(client), (f"open_{uuid.uuid4().hex[:8]}", f"closed_{uuid.uuid4().hex[:8]}")
    for name in names:
        sql.send(f"CREATE TABLE {name} (id int, the_geom geometry, the_geom_webmercator geometry);"
                 f"INSERT INTO {name} (id) VALUES (7)")
    yield names
    for name in names:
        sql.send(f"DROP TABLE {name}")


@pytest.fixture
def manager(client: APIKeyAuthClient) -> Iterator[APIKeyManager]:
    """Give the account's keys, of which those that the test makes are deleted after it."""
    manager = APIKeyManager(client)
    kept = {key.name for key in manager.all()}
    yield manager
    for key in manager.all():
        if key.name not in kept:
            key.delete()


@pytest.fixture
def using(sandbox: Sandbox) -> Iterator[Callable[[APIKey], APIKeyAuthClient]]:
    """Give a function that makes a client with a key."""
    made: list[APIKeyAuthClient] = []

    def make(key: APIKey) -> APIKeyAuthClient:
        made.append(APIKeyAuthClient(sandbox.base_url, key.token))
        return made[-1]

    yield make
    for client in made:
        client.close()


Using = Callable[[APIKey], APIKeyAuthClient]


def grant(table: str, *permissions: str) -> dict[str, object]:
    return {"schema": "public", "name": table, "permissions": list(permissions)}


def drawn(client: APIKeyAuthClient, table: str) -> bytes:
    """Draw a tile of a table."""
    layer = {"type": "mapnik", "options": {"sql": f"SELECT * FROM {table}", "cartocss": "#layer { marker-width: 3; }",
                                           "cartocss_version": "2.1.1"}}
    anonymous = AnonymousMap(client)
    anonymous.instantiate({"version": "1.7.0", "layers": [layer]})
    return anonymous.tile(0, 0, 0)


def test_a_key_for_one_table_reads_that_table_and_no_other(
    manager: APIKeyManager, tables: tuple[str, str], using: Using
) -> None:
    mine, other = tables
    client = using(manager.create("reporting", tables=[grant(mine, PERMISSION_SELECT)]))
    sql = SQLClient(client)
    assert sql.send(f"SELECT id FROM {mine}")["rows"] == [{"id": 7}]
    with pytest.raises(CartoForbiddenException, match=f"permission denied for table {other}"):
        sql.send(f"SELECT id FROM {other}")
    with pytest.raises(CartoForbiddenException, match=f"permission denied for table {mine}"):
        sql.send(f"INSERT INTO {mine} (id) VALUES (8)")
    assert drawn(client, mine).startswith(b"\x89PNG")
    with pytest.raises(CartoException, match="permission denied"):
        drawn(client, other)
    with pytest.raises(CartoException, match=f"permission denied for table {other}"):
        CopySQLClient(client).copyto_stream(f"COPY {other} (id) TO STDOUT").read()


@pytest.mark.parametrize("as_object", [True, False])
def test_a_key_that_writes(
    manager: APIKeyManager, tables: tuple[str, str], using: Using, as_object: bool
) -> None:
    table = tables[1]
    wanted = grant(table, PERMISSION_INSERT, PERMISSION_SELECT)
    tables_granted = TableGrant(manager.client, **wanted) if as_object else wanted
    sql = SQLClient(using(manager.create("writing", ["sql"], tables_granted)))
    sql.send(f"INSERT INTO {table} (id) VALUES (8)")
    assert {"id": 8} in sql.send(f"SELECT id FROM {table}")["rows"]
    with pytest.raises(CartoForbiddenException, match="permission denied"):
        sql.send(f"DELETE FROM {table}")


def test_a_key_without_maps_draws_none(manager: APIKeyManager, tables: tuple[str, str], using: Using) -> None:
    client = using(manager.create("only sql", ["sql"], grant(tables[0], "select")))
    with pytest.raises(CartoForbiddenException):
        drawn(client, tables[0])
    assert SQLClient(client).send(f"SELECT id FROM {tables[0]}")["total_rows"] == 1


def test_what_it_grants_is_told(manager: APIKeyManager, tables: tuple[str, str]) -> None:
    created = manager.create("a b.c?d#e%", ["sql"], [grant(tables[0], "select", "update")], ["geocoding", "routing"])
    key = manager.get("a b.c?d#e%")
    assert (key.token, key.type, key.grants.apis) == (created.token, "regular", ["sql"])
    assert sorted(key.grants.services) == ["geocoding", "routing"]
    (table,) = key.grants.tables
    assert (table.schema, table.name, sorted(table.permissions)) == ("public", tables[0], ["select", "update"])
    assert key.created_at is not None
    assert key.created_at.tzinfo is not None


def test_keys_are_listed(manager: APIKeyManager, using: Using) -> None:
    regular = {key.token for key in manager.iterate(type="regular")}
    created = manager.create("reporting")
    named = {key.name: key.type for key in manager.all()}
    assert named.items() >= {("Master", "master"), ("Default public", "default"), ("reporting", "regular")}
    assert [key.name for key in manager.filter(type="default,master")] == ["Master", "Default public"]
    assert {key.token for key in manager.iterate(type="regular")} == {created.token, *regular}
    assert [key.name for key in APIKeyManager(using(created)).all()] == ["reporting"]


def test_another_token_voids_the_old_one(manager: APIKeyManager, using: Using) -> None:
    key = manager.create("reporting")
    old, before = using(key), key.token
    assert SQLClient(old).send("SELECT 1 AS one")["rows"] == [{"one": 1}]
    key.regenerate_token()
    assert key.token != before
    assert SQLClient(using(key)).send("SELECT 1 AS one")["rows"] == [{"one": 1}]
    with pytest.raises(CartoUnauthorizedException):
        SQLClient(old).send("SELECT 1 AS one")
    assert manager.get("reporting").token == key.token


def test_a_deleted_key_opens_nothing(manager: APIKeyManager, using: Using) -> None:
    key = manager.create("reporting")
    client = using(key)
    key.delete()
    with pytest.raises(CartoUnauthorizedException):
        SQLClient(client).send("SELECT 1")
    with pytest.raises(CartoNotFoundException, match="API key not found: reporting"):
        manager.get("reporting")
    assert manager.get_or_none("reporting") is None
    with pytest.raises(CartoNotFoundException):
        key.delete()


def test_what_the_server_refuses(manager: APIKeyManager, using: Using) -> None:
    key = manager.create("reporting")
    with pytest.raises(CartoUnprocessableException, match="Name has already been taken"):
        manager.create("reporting")
    with pytest.raises(CartoUnprocessableException, match="table permissions you have"):
        manager.create("other", tables=[grant("no_such_table", "select")])
    with pytest.raises(CartoUnprocessableException, match="cannot be Master"):
        manager.create("Master")
    with pytest.raises(CartoForbiddenException):
        manager.get("Master").delete()
    with pytest.raises(CartoUnauthorizedException):
        APIKeyManager(using(key)).create("another")
    with pytest.raises(CartoResponseException):
        manager.create("bad", ["no such api"])


def test_the_client_of_the_auth_api(sandbox: Sandbox, manager: APIKeyManager) -> None:
    key = manager.create("reporting")
    with AuthAPIClient(sandbox.base_url, sandbox.api_key) as client:
        assert client.is_valid_api_key()
        assert APIKeyManager(client).get("reporting").token == key.token
    with AuthAPIClient(sandbox.base_url, key.token) as client:
        assert client.is_valid_api_key()
        key.regenerate_token()
        assert not client.is_valid_api_key()
