"""A hosted CARTO account does what the sandbox does. Skipped without one: see secret.py.example."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from carto.auth import APIKeyAuthClient
from carto.exceptions import CartoUnauthorizedException
from carto.sql import BatchSQLClient, CopySQLClient, SQLClient
from tests.conftest import LiveAccount

TABLE = "carto_sdk_live_test"


@pytest.fixture
def auth_client(live_account: LiveAccount) -> Iterator[APIKeyAuthClient]:
    with APIKeyAuthClient(
        base_url=live_account.base_url, api_key=live_account.api_key, organization=live_account.organization
    ) as client:
        yield client


@pytest.fixture
def sql(auth_client: APIKeyAuthClient) -> Iterator[SQLClient]:
    """Give a client of an account that has the test's table, which is dropped afterwards."""
    sql = SQLClient(auth_client)
    sql.send(f"DROP TABLE IF EXISTS {TABLE}; CREATE TABLE {TABLE} (name text, age integer)")
    yield sql
    sql.send(f"DROP TABLE {TABLE}")


def test_parameters(sql: SQLClient) -> None:
    rows = sql.send("SELECT %s AS text, %s AS number", params=["O'Hara \\ 100 %", 42])["rows"]
    assert rows == [{"text": "O'Hara \\ 100 %", "number": 42}]


def test_copy_there_and_back(auth_client: APIKeyAuthClient, sql: SQLClient) -> None:
    copy = CopySQLClient(auth_client)
    loaded = copy.copyfrom(f"COPY {TABLE} FROM stdin WITH (FORMAT csv)", [b"Ana,30\n", b"Luis,12\n"])
    assert loaded["total_rows"] == 2
    assert list(sql.iterate(f"SELECT * FROM {TABLE} ORDER BY name")) == [
        {"name": "Ana", "age": 30},
        {"name": "Luis", "age": 12},
    ]


def test_batch_job(auth_client: APIKeyAuthClient, sql: SQLClient) -> None:
    job = BatchSQLClient(auth_client).create_and_wait_for_completion(f"INSERT INTO {TABLE} VALUES ('Eva', 7)")
    assert job["status"] == "done"
    assert sql.send(f"SELECT age FROM {TABLE}")["rows"] == [{"age": 7}]


def test_a_wrong_key_is_refused(live_account: LiveAccount) -> None:
    with (
        APIKeyAuthClient(base_url=live_account.base_url, api_key="wrong") as client,
        pytest.raises(CartoUnauthorizedException),
    ):
        SQLClient(client).send("SELECT 1")
