"""Scripts written after carto-python's README run unchanged, and do what they did."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from carto.auth import APIKeyAuthClient, NoAuthClient
from carto.exceptions import CartoException, CartoUsageException
from carto.sql import SQLClient
from tests.compat.snippets import run, snippets

pytestmark = pytest.mark.usefixtures("carto_com")

README = Path(__file__).parent / "carto_python_readme.md"
PLACEHOLDER = "type here your username"

NO_AUTH, API_KEY, BASE_URLS = snippets(README, "Authentication")
QUERY, BATCH_CREATE, BATCH_REST, COPY_FILES, COPY_FILE_OBJECT, COPY_ROWS = snippets(README, "SQL API")


@pytest.fixture
def names() -> dict[str, Any]:
    """Give what a reader has before the SQL section: an authentication client, and the imports taken for granted."""
    names: dict[str, Any] = {"CartoException": CartoException}
    run(API_KEY.replace(PLACEHOLDER, "fulano"), names)
    return names


@pytest.fixture
def sql(names: dict[str, Any]) -> SQLClient:
    return SQLClient(names["auth_client"])


@pytest.mark.parametrize("snippet", [NO_AUTH, API_KEY])
def test_the_clients_are_made_as_written_and_sending_tells_to_fill_in_the_name(snippet: str) -> None:
    names: dict[str, Any] = {}
    run(snippet, names)
    assert names["auth_client"].base_url == f"https://{PLACEHOLDER}.carto.com/"
    with pytest.raises(CartoUsageException, match=f"Host '{PLACEHOLDER}.carto.com' contains invalid character"):
        SQLClient(names["auth_client"]).send("SELECT 1")


def test_unauthenticated_requests_reach_carto_com() -> None:
    names: dict[str, Any] = {}
    run(NO_AUTH.replace(PLACEHOLDER, "fulano"), names)
    assert type(names["auth_client"]) is NoAuthClient
    assert SQLClient(names["auth_client"]).send("SELECT 1 AS one")["rows"] == [{"one": 1}]


def test_api_key_requests_reach_carto_com(sql: SQLClient) -> None:
    rows = sql.send("SELECT current_database() AS database, current_user AS role")["rows"]
    assert rows[0]["database"] == f"{rows[0]['role']}_db"


def test_both_forms_of_base_url_open_the_account() -> None:
    names: dict[str, Any] = {"ORGANIZATION": "acme", "USERNAME": "fulano"}
    run(BASE_URLS, names)
    for url in (names["BASE_URL"], names["USR_BASE_URL"]):
        client = APIKeyAuthClient(api_key="myapikey", base_url=url)
        assert SQLClient(client).send("SELECT current_user <> 'publicuser' AS own")["rows"] == [{"own": True}]


def test_query(names: dict[str, Any], sql: SQLClient) -> None:
    sql.send("DROP TABLE IF EXISTS mytable; CREATE TABLE mytable AS SELECT 'Ana' AS name, 30 AS age")
    assert run(QUERY, names) == "[{'name': 'Ana', 'age': 30}]\n"


def test_query_that_fails_prints_its_error(names: dict[str, Any], sql: SQLClient) -> None:
    sql.send("DROP TABLE IF EXISTS mytable")
    names["data"] = {"rows": []}
    assert 'relation "mytable" does not exist' in run(QUERY, names)


def test_batch_job_is_created_read_updated_and_cancelled(names: dict[str, Any]) -> None:
    printed = run(BATCH_CREATE, names)
    names |= {"job_id": printed.strip(), "NEW_QUERY": "SELECT 42"}
    run(BATCH_REST, names)
    assert (names["readJob"]["job_id"], names["readJob"]["status"]) == (names["job_id"], "pending")
    assert (names["updateJob"]["job_id"], names["updateJob"]["query"]) == (names["job_id"], "SELECT 42")
    assert names["cancelJob"] in ("cancelled", "done")


def test_copy_from_a_file_and_to_a_file(names: dict[str, Any], sql: SQLClient) -> None:
    _prepare_copy(sql)
    run(COPY_FILES, names)
    assert names["result"]["total_rows"] == 2
    with open("export.csv", newline="", encoding="utf-8") as file:
        exported = list(csv.DictReader(file))
    assert [(row["name"], row["age"]) for row in exported] == [("Ana", "30"), ("Luis", "12")]
    assert {"cartodb_id", "the_geom", "the_geom_webmercator"} <= set(exported[0])


def test_copy_from_a_file_object_and_from_rows(names: dict[str, Any], sql: SQLClient) -> None:
    _prepare_copy(sql)
    run(COPY_FILES, names)
    run(COPY_FILE_OBJECT, names)
    run(COPY_ROWS, names)
    counts = sql.send(
        "SELECT name, count(*) AS n, max(ST_X(the_geom)) AS x FROM copy_example GROUP BY name ORDER BY name"
    )
    assert counts["rows"] == [
        {"name": "Ana", "n": 2, "x": 1},
        {"name": "Luis", "n": 2, "x": 3},
        {"name": "fulano", "n": 79, "x": 79},
    ]


def _prepare_copy(sql: SQLClient) -> None:
    sql.send("DROP TABLE IF EXISTS copy_example")
    Path("copy_from.csv").write_text("the_geom,name,age\nSRID=4326;POINT(1 2),Ana,30\nSRID=4326;POINT(3 4),Luis,12\n")
