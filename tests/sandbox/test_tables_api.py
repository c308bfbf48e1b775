"""Tables and their columns over a real socket."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from carto.sandbox import Sandbox
from tests.sandbox.rails_client import Json, RailsClient, words

KEYS = words(
    "id name privacy schema updated_at rows_counted table_size map_id description geometry_types table_visualization "
    "dependent_visualizations non_dependent_visualizations synchronization"
)
MANY_TYPES = (
    "z_text text, created_at timestamptz, a_number numeric, flag boolean, day date, extra jsonb, updated_at date"
)


@pytest.fixture
def account(sandbox: Sandbox) -> Iterator[RailsClient]:
    """Give the account; the tables that the test makes are dropped."""
    client = RailsClient(sandbox.base_url, sandbox.api_key)
    before = set(client.names(type="table"))
    yield client
    for name in set(client.names(type="table")) - before:
        client.sql(f"DROP TABLE {name}")


def table(account: RailsClient, name: str) -> Json:
    found: Json = account.json("GET", f"v1/tables/{name}")
    return found


def test_a_table_has_exactly_the_keys_of_the_api(account: RailsClient) -> None:
    name = account.new_table(MANY_TYPES)
    form = table(account, name)
    assert sorted(form) == sorted(KEYS)
    assert (form["name"], form["privacy"], form["rows_counted"]) == (name, "PRIVATE", 2)
    assert form["geometry_types"] == ["ST_Point"]
    assert form["table_visualization"]["table"]["id"] == form["id"]
    assert "related_tables" in form["table_visualization"]
    assert form["schema"] == [
        ["cartodb_id", "number"],
        ["the_geom", "geometry", "geometry", "point"],
        ["a_number", "number"],
        ["day", "date"],
        ["extra", "jsonb"],
        ["flag", "boolean"],
        ["z_text", "string"],
        ["created_at", "date"],
        ["updated_at", "date"],
    ]
    for wanted in (form["id"], f"public.{name}", f"{name}/"):
        assert table(account, wanted)["id"] == form["id"]


def test_a_missing_table_is_an_empty_404(account: RailsClient) -> None:
    for method in ("GET", "PUT"):
        response = account.call(method, "v1/tables/missing")
        assert (response.status_code, response.content) == (404, b"")


def test_maps_over_a_table(account: RailsClient) -> None:
    name, other = account.new_table(), account.new_table()
    only, both = account.new_map(name), account.new_map(name, other)
    form = table(account, name)
    assert [each["id"] for each in form["dependent_visualizations"]] == [only["id"]]
    assert [each["id"] for each in form["non_dependent_visualizations"]] == [both["id"]]


def test_privacy_tags_and_description(account: RailsClient) -> None:
    name = account.new_table()
    changed = account.json("PUT", f"v1/tables/{name}", json={"privacy": 1, "tags": "a, b", "description": "d"})
    assert (changed["privacy"], changed["description"], changed["warnings"]) == ("PUBLIC", "d", [])
    assert changed["table_visualization"]["tags"] == ["a", "b"]
    assert account.sql(f"SELECT count(*) FROM {name}", None) == [{"count": 2}]
    linked = account.json("PUT", f"v1/tables/{name}", json={"privacy": 2, "name": "ignored"})
    assert (linked["name"], linked["privacy"], linked["table_visualization"]["privacy"]) == (name, "PUBLIC", "LINK")
    account.json("PUT", f"v1/tables/{name}", json={"privacy": 0})
    assert account.call("POST", "v2/sql", None, data={"q": f"SELECT 1 FROM {name}"}).status_code == 403
    refused = account.call("PUT", f"v1/tables/{name}", json={"privacy": 7})
    assert (refused.status_code, refused.json()) == (400, {"errors": ["privacy has an invalid value"]})


def test_georeferencing_by_columns(account: RailsClient) -> None:
    made = account.json("POST", "v1/tables", json={"name": "degrees", "schema": "lat text, lon text"})
    account.sql("INSERT INTO degrees (lat, lon) VALUES ('40.5', '-3.25')")
    changed = account.json(
        "PUT", f"v1/tables/{made['id']}", json={"latitude_column": "lat", "longitude_column": "lon"}
    )
    assert changed["geometry_types"] == ["ST_Point"]
    assert account.sql("SELECT ST_X(the_geom) AS x, ST_Y(the_geom) AS y FROM degrees") == [{"x": -3.25, "y": 40.5}]
    refused = account.call(
        "PUT", f"v1/tables/{made['id']}", json={"latitude_column": "nowhere", "longitude_column": "lon"}
    )
    assert refused.status_code == 400
    assert 'column "nowhere" does not exist' in refused.json()["errors"][0]


def test_a_new_table(account: RailsClient) -> None:
    body = {"name": "Some Table", "schema": "a varchar, b integer", "description": "new", "tags": ["x"]}
    response = account.call("POST", "v1/tables", json=body)
    form = response.json()
    assert response.status_code == 200
    assert response.headers["Location"].endswith(f"/api/v1/tables/{form['id']}")
    assert (form["name"], form["description"], form["rows_counted"]) == ("some_table", "new", 0)
    assert [each[0] for each in form["schema"]] == ["cartodb_id", "the_geom", "a", "b"]
    assert account.json("POST", "v1/tables", json=body)["name"] == "some_table_1"
    copied = account.json("POST", "v1/tables", json={"name": "copied", "from_query": "SELECT 7 AS seven"})
    assert ["seven", "number"] in copied["schema"]
    assert account.sql("SELECT seven FROM copied") == [{"seven": 7}]


def test_a_table_that_cannot_be_made(account: RailsClient) -> None:
    response = account.call("POST", "v1/tables", json={"name": "broken", "schema": "a no_such_type"})
    assert response.status_code == 400
    assert response.json() == {"description": ['type "no_such_type" does not exist'], "stack": []}


def test_columns(account: RailsClient) -> None:
    name = account.new_table("a_number int")
    path = f"v1/tables/{name}/columns"
    assert account.json("GET", path) == table(account, name)["schema"]
    assert account.json("GET", f"{path}/a_number") == {"type": "number"}
    added = account.json("POST", path, json={"name": "When Seen", "type": "date"})
    assert added == {"name": "when_seen", "type": "timestamp with time zone", "cartodb_type": "date"}
    changed = account.json("PUT", f"{path}/a_number", json={"type": "string", "new_name": "as_text"})
    assert changed == {"name": "as_text", "type": "text", "cartodb_type": "string"}
    dropped = account.call("DELETE", f"{path}/when_seen")
    assert (dropped.status_code, dropped.content) == (204, b"")
    assert [each[0] for each in account.json("GET", path)] == ["cartodb_id", "the_geom", "as_text"]


def test_refused_columns(account: RailsClient) -> None:
    name = account.new_table()
    path = f"v1/tables/{name}/columns"
    missing = account.call("GET", f"{path}/nothing")
    assert (missing.status_code, missing.json()) == (404, {"errors": "Column nothing doesn't exist"})
    twice = account.call("POST", path, json={"name": "x", "type": "number"})
    assert twice.status_code == 400
    assert "already exists" in twice.json()["errors"][0]
    for method in ("PUT", "DELETE"):
        reserved = account.call(method, f"{path}/the_geom", json={"type": "string"})
        assert reserved.status_code == 400
        assert "the_geom is reserved" in reserved.json()["errors"][0]


def test_records(account: RailsClient) -> None:
    name = account.new_table("x int, label text, extra jsonb")
    path = f"v1/tables/{name}/records"
    point = '{"type":"Point","coordinates":[2,41]}'
    made = account.json("POST", path, json={"x": 5, "label": 7, "extra": {"a": [1]}, "the_geom": point})
    assert made == {"cartodb_id": 3, "x": 5, "label": "7", "extra": {"a": [1]}, "the_geom": point}
    assert account.json("GET", f"{path}/3") == made
    assert account.json("PUT", f"{path}/3", json={"x": None, "label": "new"}) == {**made, "x": None, "label": "new"}
    assert account.json("POST", path, json={})["cartodb_id"] == 4
    dropped = account.call("DELETE", f"{path}/3")
    assert (dropped.status_code, dropped.content) == (204, b"")
    missing = account.call("GET", f"{path}/3")
    assert (missing.status_code, missing.json()) == (404, {"errors": ["Row doesn't exist"]})
    refused = account.call("PUT", f"{path}/4", json={"x": "many"})
    assert refused.status_code == 400
    assert "invalid input syntax" in refused.json()["errors"][0]
    assert account.call("GET", f"{path}/4", None).content == b""
