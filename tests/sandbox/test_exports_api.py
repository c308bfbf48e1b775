"""Exports of maps over a real socket: the states, the file and what is in it."""

from __future__ import annotations

import io
import json
import re
import sqlite3
import time
import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests

from carto.sandbox import Sandbox
from tests.sandbox.rails_client import Json, RailsClient, words

KEYS = words("id visualization_id user_id state url created_at updated_at")
NOBODY = str(uuid.UUID(int=1))


@pytest.fixture(scope="module")
def account() -> Iterator[RailsClient]:
    with Sandbox() as running:
        yield RailsClient(running.base_url, running.api_key)


def exported(account: RailsClient, key: str | None = "", **asked: Any) -> Json:
    """Export a map and wait for the end; return the export."""
    response = account.call("POST", "v3/visualization_exports", key, json=asked)
    assert response.status_code == 201, response.text
    export: Json = response.json()
    assert sorted(export) == sorted(KEYS)
    assert (export["state"], export["url"]) == ("pending", None)
    deadline = time.monotonic() + 30
    while export["state"] not in ("complete", "failure"):
        assert time.monotonic() < deadline, f"it stays {export}"
        assert export["state"] in ("pending", "exporting", "uploading")
        time.sleep(0.05)
        export = account.json("GET", f"v3/visualization_exports/{export['id']}", key)
    return export


def files_of(export: Json) -> dict[str, bytes]:
    response = requests.get(export["url"], timeout=30)
    assert response.headers["Content-Type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def refusal(account: RailsClient, method: str, path: str, key: str | None = "", **arguments: Any) -> tuple[int, str]:
    response = account.call(method, f"v3/visualization_exports{path}", key, **arguments)
    body = response.json()
    assert sorted(body) == ["errors", "errors_cause"]
    assert body["errors_cause"] is None
    return response.status_code, body["errors"]


def test_a_map_with_its_tables(account: RailsClient, tmp_path: Path) -> None:
    first, second = account.new_table("x int, label text"), account.new_table()
    account.sql(f"UPDATE {first} SET x = 7, label = 'Zürich' WHERE cartodb_id = 1")
    made = account.new_map(first, second, name="Two tables", description="d")
    export = exported(account, visualization_id=made["id"])
    assert export["state"] == "complete"
    assert export["user_id"] == made["permission"]["owner"]["id"]
    assert re.search(r"/uploads/[0-9a-f]{32}/two_tables\.carto$", export["url"])
    files = files_of(export)
    assert sorted(files) == sorted(["export.json", f"{first}.gpkg", f"{second}.gpkg"])
    described = json.loads(files["export.json"])["visualization"]
    assert (described["name"], described["description"], described["type"]) == ("Two tables", "d", "derived")
    shown = [layer["options"].get("table_name") for layer in described["layers"]]
    assert shown == [None, first, second], "a basemap, then the tables"
    package = tmp_path / "first.gpkg"
    package.write_bytes(files[f"{first}.gpkg"])
    with sqlite3.connect(package) as database:
        assert database.execute(f"SELECT x, label FROM {first} ORDER BY cartodb_id").fetchall() == [
            (7, "Zürich"), (None, None),
        ]  # fmt: skip
        columns = [each[1] for each in database.execute(f"PRAGMA table_info({first})")]
        assert "the_geom_webmercator" not in columns
        assert database.execute("SELECT srs_id FROM gpkg_geometry_columns").fetchall() == [(4326,)]
    database.close()


def imported_again(account: RailsClient, made: Json, **options: str) -> Json:
    """Export a map, import the file and wait for the end; return the import."""
    file = requests.get(exported(account, visualization_id=made["id"])["url"], timeout=30).content
    params = {"create_vis": "true", **options}
    sent = account.json("POST", "v1/imports", params=params, files={"file": ("again.carto", file)})
    deadline = time.monotonic() + 60
    while (job := account.json("GET", f"v1/imports/{sent['item_queue_id']}"))["state"] not in ("complete", "failure"):
        assert time.monotonic() < deadline, f"it stays {job}"
        time.sleep(0.1)
    return job


def test_a_file_can_be_imported_again(account: RailsClient) -> None:
    first, second = account.new_table("x int, seen date"), account.new_table()
    account.sql(f"UPDATE {first} SET x = 7, seen = '2020-01-02' WHERE cartodb_id = 1")
    made = account.new_map(first, second, name="Again", description="d", tags=["a"])
    job = imported_again(account, made)
    assert (job["state"], job["tables_created_count"]) == ("complete", 2), job
    copy = account.dataset(job["derived_visualization_id"])
    assert (copy["name"], copy["description"], copy["tags"]) == ("Again 1", "d", ["a"])
    names = sorted(each["name"] for each in copy["related_tables"])
    assert names == sorted([f"{first}_1", f"{second}_1"])
    query = "SELECT cartodb_id, x, seen::date::text, ST_AsText(the_geom) AS g FROM {} ORDER BY cartodb_id"
    assert account.sql(query.format(f"{first}_1")) == account.sql(query.format(first))
    again = files_of(exported(account, visualization_id=copy["id"]))
    layers = json.loads(again["export.json"])["visualization"]["layers"]
    assert [layer["options"].get("query") for layer in layers] == [
        None, f"SELECT * FROM {first}_1", f"SELECT * FROM {second}_1",
    ]  # fmt: skip


def test_a_map_over_tables_that_were_skipped(account: RailsClient) -> None:
    kept, other = account.new_table(), account.new_table()
    made = account.new_map(kept, other, name="Over what is there")
    job = imported_again(account, made, collision_strategy="skip")
    assert (job["state"], job["error_code"], job["tables_created_count"]) == ("complete", 1022, 0)
    copy = account.dataset(job["derived_visualization_id"])
    assert sorted(each["name"] for each in copy["related_tables"]) == sorted([kept, other])


def test_a_map_without_layers_can_be_imported_again(account: RailsClient) -> None:
    job = imported_again(account, account.json("POST", "v1/viz", json={"name": "Nothing yet", "description": "d"}))
    assert (job["state"], job["tables_created_count"]) == ("complete", 0), job
    assert account.dataset(job["derived_visualization_id"])["description"] == "d"


def test_a_map_of_an_empty_table_shows_that_table_again(account: RailsClient) -> None:
    table = account.new_table()
    account.sql(f"TRUNCATE {table}")
    job = imported_again(account, account.new_map(table))
    copy = account.dataset(job["derived_visualization_id"])
    assert [each["name"] for each in copy["related_tables"]] == [table]


def test_names_that_only_sql_gives_are_skipped_too(account: RailsClient) -> None:
    table = account.new_table()
    name = f"Capital {table}"
    account.sql(f'ALTER TABLE {table} RENAME TO "{name}"')
    job = imported_again(account, account.new_map(name), collision_strategy="skip")
    copy = account.dataset(job["derived_visualization_id"])
    assert [each["name"] for each in copy["related_tables"]] == [name]


def test_only_some_of_the_tables(account: RailsClient) -> None:
    wanted, other = account.new_table(), account.new_table()
    made = account.new_map(wanted, other)
    table_id = account.dataset(wanted)["table"]["id"]
    export = exported(account, visualization_id=made["id"], user_tables_ids=table_id)
    assert sorted(files_of(export)) == sorted(["export.json", f"{wanted}.gpkg"])
    unrelated = account.dataset(account.new_table())["table"]["id"]
    asked = {"visualization_id": made["id"], "user_tables_ids": unrelated}
    assert refusal(account, "POST", "", json=asked)[0] == 422


def test_the_download(account: RailsClient) -> None:
    made = account.new_map(account.new_table(), name="Loaded")
    export = exported(account, visualization_id=made["id"])
    response = account.call("GET", f"v3/visualization_exports/{export['id']}/download")
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/zip"
    assert response.headers["Content-Disposition"] == 'attachment; filename="loaded.carto"'
    assert response.content == requests.get(export["url"], timeout=30).content


def test_strangers_export_what_they_see(account: RailsClient) -> None:
    public = account.new_table()
    account.change(account.dataset(public), privacy="PUBLIC")
    private_map, public_map = account.new_map(account.new_table()), account.new_map(public)
    assert refusal(account, "POST", "", None, json={"visualization_id": private_map["id"]}) == (
        403, 'Errors: ["User Must be able to view the visualization"]',
    )  # fmt: skip
    export = exported(account, None, visualization_id=public_map["id"])
    assert (export["state"], export["user_id"]) == ("complete", None)
    own = exported(account, visualization_id=public_map["id"])
    message = "You don't have permission to access that resource"
    for path in (f"/{own['id']}", f"/{own['id']}/download"):
        assert refusal(account, "GET", path, None) == (403, message)


def test_refused_exports(account: RailsClient) -> None:
    dataset = account.dataset(account.new_table())
    assert refusal(account, "POST", "", json={"visualization_id": dataset["id"]}) == (
        422, 'Errors: ["Visualization Only derived visualizations can be exported"]',
    )  # fmt: skip
    missing = f"Visualization not found: {NOBODY}"
    assert refusal(account, "POST", "", params={"visualization_id": NOBODY}) == (404, missing)
    assert refusal(account, "GET", "/x") == (400, "Parameter not UUID format. Parameter: id. Value: x")
    assert refusal(account, "GET", f"/{NOBODY}") == (404, f"Visualization export not found: {NOBODY}")


def test_uploads_lead_nowhere_else(account: RailsClient) -> None:
    root = account.base_url.partition("/user/")[0]
    for path in ("../demo_api_key", "%2e%2e/demo_api_key", f"{'0' * 32}/x.carto"):
        request = requests.Request("GET", root).prepare()
        request.url = f"{root}/uploads/{path}"
        with requests.Session() as session:
            assert session.send(request, timeout=30).status_code == 404


@pytest.mark.parametrize("odd", ["{} 1/2", "v1.{}", "../{}", "%2F{}", "5 % {}", r"back\{}", ".{}"])
def test_names_that_are_no_names_of_files(account: RailsClient, odd: str) -> None:
    table = account.new_table("x int")
    name = odd.format(table)
    account.sql(f'ALTER TABLE {table} RENAME TO "{name}"')
    made = account.new_map(name, name=f"Map of {name}")
    files = files_of(exported(account, visualization_id=made["id"]))
    assert not any("/" in file or file.startswith(".") for file in files)
    job = imported_again(account, made)
    copy = account.dataset(job["derived_visualization_id"])
    (shown,) = (each["name"] for each in copy["related_tables"])
    assert shown != name
    assert account.sql(f"SELECT count(*) AS n FROM {shown}") == [{"n": 2}]
    skipped = imported_again(account, made, collision_strategy="skip")
    copy = account.dataset(skipped["derived_visualization_id"])
    assert [each["name"] for each in copy["related_tables"]] == [name]
    for each in (made["name"], name, f"public.{name}"):
        assert account.dataset(quote(each, safe=""))["name"] == each.removeprefix("public.")
