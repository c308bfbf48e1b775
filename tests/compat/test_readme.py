"""Every Python snippet of the README runs as it stands there, in the order in which it is read."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from carto.sql import SQLClient
from tests.compat.snippets import run, snippets

pytestmark = pytest.mark.usefixtures("carto_com")

README = Path(__file__).resolve().parents[2] / "README.md"

AUTHENTICATION = snippets(README, "Authentication")
QUERY, PARAMETERS, ITERATE, CSV, *BATCH_AND_COPY = snippets(README, "SQL API")
BATCH_CREATE, BATCH_CANCEL, BATCH_WAIT, *COPY = BATCH_AND_COPY
COPY_FILES, COPY_FILE_OBJECT, COPY_ROWS, COPY_STREAM = COPY


@pytest.fixture
def authenticated() -> tuple[dict[str, Any], str]:
    """Run the Authentication section; give its names and what it printed."""
    names: dict[str, Any] = {}
    printed = [run(snippet, names) for snippet in AUTHENTICATION]
    return names, "".join(printed)


@pytest.fixture
def names(authenticated: tuple[dict[str, Any], str]) -> dict[str, Any]:
    names, _ = authenticated
    sql = SQLClient(names["auth_client"])
    sql.send("DROP TABLE IF EXISTS mytable, adults, copy_example")
    sql.send("CREATE TABLE mytable AS SELECT * FROM (VALUES ('Ana', 30), ('Luis', 12)) AS people (name, age)")
    Path("copy_from.csv").write_text("the_geom,name,age\nSRID=4326;POINT(1 2),Ana,30\n")
    names["sql"] = sql
    return names


def test_authentication(authenticated: tuple[dict[str, Any], str]) -> None:
    names, printed = authenticated
    assert printed == "me\n"
    for client, role_is_own in (("auth_client", True), ("member_client", True), ("public_client", False)):
        rows = SQLClient(names[client]).send("SELECT current_user <> 'publicuser' AS own")["rows"]
        assert rows == [{"own": role_is_own}], client


def test_queries(names: dict[str, Any]) -> None:
    assert run(QUERY, names) == "[{'name': 'Ana', 'age': 30}, {'name': 'Luis', 'age': 12}]\n"
    run(PARAMETERS, names)
    assert names["rows"] == [{"name": "Ana"}]
    assert run(ITERATE, names) == "Ana 30\nLuis 12\n"
    run(CSV, names)
    assert list(csv.reader(names["csv"].decode().splitlines())) == [["name", "age"], ["Ana", "30"], ["Luis", "12"]]


def test_a_query_that_fails_says_why(names: dict[str, Any]) -> None:
    names["sql"].send("DROP TABLE mytable")
    names["data"] = {"rows": []}
    assert 'relation "mytable" does not exist' in run(QUERY, names)


def test_batch_jobs(names: dict[str, Any]) -> None:
    assert run(BATCH_CREATE, names).strip() == names["job"]["job_id"]
    run(BATCH_CANCEL, names)
    assert names["status"] in ("cancelled", "done")
    assert run(BATCH_WAIT, names) == "done\n"
    assert names["sql"].send("SELECT sum(age) AS age FROM mytable")["rows"] == [{"age": 44}]


def test_copy(names: dict[str, Any]) -> None:
    assert run(COPY_FILES, names) == "1\n"
    with open("export.csv", newline="", encoding="utf-8") as file:
        assert [row["name"] for row in csv.DictReader(file)] == ["Ana"]
    run(COPY_FILE_OBJECT, names)
    run(COPY_ROWS, names)
    printed = run(COPY_STREAM, names).splitlines()
    assert printed == ["Ana 30", "Ana 30", *(f"someone {100 - i}" for i in range(1, 80))]


def test_sandbox() -> None:
    (snippet,) = snippets(README, "The sandbox")
    assert run(snippet, {}).startswith("[{'postgis_version': '3.")
