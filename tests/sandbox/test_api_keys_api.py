"""API keys: what the API answers, and what a key may really do in SQL, COPY, Batch and maps."""

from __future__ import annotations

import base64
import re
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from carto.sandbox import Sandbox
from tests.sandbox.api import basic
from tests.sandbox.maps_client import MapsClient, bare, features, picture, styled
from tests.sandbox.rails_client import Json, RailsClient

KEYS = "v3/api_keys"
DENIED = "permission denied for table"
BOTH_APIS = [{"type": "apis", "apis": ["sql", "maps"]}]
UTC = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC")


@pytest.fixture(scope="module")
def owner(sandbox: Sandbox) -> RailsClient:
    return RailsClient(sandbox.base_url, sandbox.api_key)


@pytest.fixture(scope="module")
def tables(owner: RailsClient) -> Iterator[tuple[str, str]]:
    """Give two private datasets."""
    names = owner.new_table(), owner.new_table()
    yield names
    for name in names:
        owner.sql(f"DROP TABLE {name}")


@pytest.fixture
def new_key(owner: RailsClient) -> Iterator[Callable[..., Json]]:
    """Make keys, which are deleted in the end."""
    names = []

    def make(*permissions: str, table: str = "", apis: tuple[str, ...] = ("sql", "maps"), **database: Any) -> Json:
        name = f"key {uuid.uuid4().hex[:8]}"
        granted = [{"schema": "public", "name": table, "permissions": list(permissions)}] if table else []
        grants = [{"type": "apis", "apis": list(apis)}, {"type": "database", "tables": granted, **database}]
        made: Json = owner.json("POST", KEYS, json={"name": name, "grants": grants})
        names.append(name)
        return made

    yield make
    for name in names:
        assert owner.call("DELETE", f"{KEYS}/{name}").status_code in (204, 404)


def as_key(owner: RailsClient, key: Json) -> RailsClient:
    return RailsClient(owner.base_url, key["token"])


def error(owner: RailsClient, query: str, token: str = "") -> tuple[int, str]:
    answer = owner.call("POST", "v2/sql", token, data={"q": query})
    return answer.status_code, answer.json()["error"][0]


def error_of(client: RailsClient, query: str) -> str:
    """Return the error of a query, empty when there is none."""
    return "".join(client.call("POST", "v2/sql", data={"q": query}).json().get("error", []))


def grants_of(form: Json, kind: str) -> Json:
    (found,) = (each for each in form["grants"] if each["type"] == kind)
    return found


def tables_of(form: Json) -> dict[str, list[str]]:
    return {table["name"]: table["permissions"] for table in grants_of(form, "database")["tables"]}


def test_a_new_key_is_shown(owner: RailsClient, tables: tuple[str, str]) -> None:
    sent = {
        "name": "rep.ort s/x.json",
        "grants": [
            {"type": "apis", "apis": ["sql", "maps"]},
            {**on_table(tables[0], "update", "select"), "schemas": [{"name": "public", "permissions": ["create"]}]},
            {"type": "dataservices", "services": ["geocoding"]},
        ],
    }  # fmt: skip
    answer = owner.call("POST", KEYS + "/", json=sent)
    assert answer.status_code == 201
    made = answer.json()
    assert list(made) == ["name", "user", "type", "token", "grants", "created_at", "updated_at"]
    assert (made["name"], made["user"], made["type"]) == ("rep.ort s/x.json", {"username": "demo"}, "regular")
    assert len(base64.urlsafe_b64decode(made["token"] + "==")) == 16
    assert made["grants"][0] == sent["grants"][0]
    shown = {"schema": "public", "name": tables[0], "owner": False, "permissions": ["select", "update"]}
    assert shown in made["grants"][1]["tables"]
    assert made["grants"][1]["schemas"] == [{"name": "public", "permissions": ["create"]}]
    assert made["grants"][2] == sent["grants"][2]
    assert UTC.fullmatch(made["created_at"])
    assert UTC.fullmatch(made["updated_at"])
    path = f"{KEYS}/rep.ort%20s%2Fx.json"
    assert owner.json("GET", path) == made
    listed = owner.json("GET", KEYS, params={"type": "regular", "per_page": 100})["result"]
    (item,) = (each for each in listed if each["name"] == made["name"])
    assert item.pop("_links") == {"self": f"{owner.base_url}api/{path}"}
    assert item == made
    deleted = owner.call("DELETE", path)
    assert (deleted.status_code, deleted.content) == (204, b"")
    missing = owner.call("GET", path)
    assert (missing.status_code, missing.json()) == (
        404, {"errors": "API key not found: rep.ort s/x.json", "errors_cause": None},
    )  # fmt: skip


def test_the_fixed_keys_are_shown(owner: RailsClient) -> None:
    master, public = owner.json("GET", KEYS, params={"type": "default,master"})["result"]
    nothing = {"type": "database", "tables": [], "schemas": []}
    services = {"type": "dataservices", "services": ["geocoding", "routing", "isolines", "observatory"]}
    assert (master["name"], master["type"], master["token"]) == ("Master", "master", owner.api_key)
    assert master["grants"] == [*BOTH_APIS, nothing, services]
    assert (public["name"], public["type"], public["token"]) == ("Default public", "default", "default_public")
    assert public["grants"] == [*BOTH_APIS, nothing]


def test_keys_of_the_account_description_are_listed(owner: RailsClient) -> None:
    listed = {
        key["name"]: key for key in owner.json("GET", KEYS, params={"type": "regular", "per_page": 100})["result"]
    }
    assert listed["regular"]["token"] == "regular_demo"
    assert grants_of(listed["maps_only"], "apis") == {"type": "apis", "apis": ["maps"]}


def test_pages(owner: RailsClient, new_key: Callable[..., Json]) -> None:
    names = sorted(new_key()["name"] for _ in range(3))
    whole = owner.json("GET", KEYS, params={"per_page": 100})
    types = [key["type"] for key in whole["result"]]
    assert types[:2] == ["master", "default"]
    assert set(types[2:]) == {"regular"}
    assert whole["total"] == whole["count"] == len(types)
    assert list(whole["_links"]) == ["first", "last"]
    page = owner.json("GET", KEYS, params={"page": 2, "per_page": 2, "order": "name", "order_direction": "desc"})
    regular = sorted((key["name"] for key in whole["result"][2:]), reverse=True)
    assert [key["name"] for key in page["result"]] == regular[:2]
    assert set(names) <= set(regular)
    assert (page["total"], page["count"]) == (len(types), 2)
    links = {name: link["href"] for name, link in page["_links"].items()}
    assert set(links) == {"first", "last", "prev", "next"}
    following = requests.get(links["next"], timeout=30).json()
    assert [key["name"] for key in following["result"]] == regular[2:4]
    assert "page=1&" in links["first"]


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"type": "nonsense"}, "Wrong 'type' parameter value. Valid values are one of [master, default, regular]"),
        ({"page": "0"}, "Wrong 'page' parameter value."),
        ({"per_page": "x"}, "Wrong 'per_page' parameter value."),
        ({"order": "x"}, "Wrong 'order' parameter value. Valid values are one of [type, name, updated_at]"),
    ],
)
def test_wrong_parameters_of_lists(owner: RailsClient, params: Json, text: str) -> None:
    answer = owner.call("GET", KEYS, params=params)
    assert (answer.status_code, answer.json()) == (400, {"errors": text, "errors_cause": None})


def grants(*sections: Any) -> list[Any]:
    return [*BOTH_APIS, *sections]


def on_table(name: str, *permissions: str) -> Json:
    return {"type": "database", "tables": [{"schema": "public", "name": name, "permissions": list(permissions)}]}


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        ({"grants": BOTH_APIS}, "Name can't be blank"),
        ({"name": " ", "grants": BOTH_APIS}, "Name can't be blank"),
        ({"name": ["n"], "grants": BOTH_APIS}, "Name can't be blank"),
        ({"name": "Master", "grants": BOTH_APIS}, "Name api_key name cannot be Master nor Default public"),
        ({"name": "Default public", "grants": BOTH_APIS}, "Name api_key name cannot be Master nor Default public"),
        ({"name": "regular", "grants": BOTH_APIS}, "Name has already been taken"),
        ({"name": "n"}, "Grants grants has to be an array"),
        ({"name": "n", "grants": {}}, "Grants grants has to be an array"),
        ({"name": "n", "grants": []}, "Grants only one apis section is allowed"),
        ({"name": "n", "grants": BOTH_APIS * 2}, "Grants only one apis section is allowed"),
        ({"name": "n", "grants": grants(on_table("t"), on_table("t"))}, "Grants only one database section is allowed"),
        ({"name": "n", "grants": grants(on_table("no_such_table", "select"))},
         "Grants can only grant table permissions you have"),
        ({"name": "n", "grants": grants({"type": "database", "schemas": [{"name": "no", "permissions": ["create"]}]})},
         "Grants can only grant schema permissions you have"),
        ({"name": "n", "grants": grants({"type": "database", "tables": [{"schema": "pg_catalog", "name": "pg_authid",
                                                                       "permissions": ["select"]}]})},
         "Grants can only grant table permissions you have"),
        ({"name": "n", "grants": [{"type": "apis", "apis": ["sql", "x"]}]},
         "Grants The property '#/0/apis' value 'x' did not match one of the following values: sql, maps, do"),
        ({"name": "n", "grants": grants(on_table("t", "drop"))},
         "Grants The property '#/database/tables/permissions' value 'drop' did not match one of the following values: "
         "select, insert, update, delete"),
        ({"name": "n", "grants": grants({"type": "database", "tables": [{"schema": None, "name": None,
                                                                       "permissions": []}]})},
         "Grants The property '#/database/tables/schema' has to be a text"),
        ({"name": "n", "grants": grants({"type": "database", "tables": ["t"]})},
         "Grants The property '#/database/tables/schema' has to be a text"),
    ],
)  # fmt: skip
def test_keys_that_make_no_sense(owner: RailsClient, sent: Json, text: str) -> None:
    answer = owner.call("POST", KEYS, json=sent)
    assert (answer.status_code, answer.json()) == (422, {"errors": f"Validation failed: {text}", "errors_cause": None})
    assert owner.call("GET", f"{KEYS}/n").status_code == 404


@pytest.mark.parametrize(("name", "table"), [("n\0", "t"), ("n", "t\0")])
def test_texts_that_postgresql_cannot_hold(owner: RailsClient, name: str, table: str) -> None:
    answer = owner.call("POST", KEYS, json={"name": name, "grants": grants(on_table(table))})
    assert (answer.status_code, answer.content) == (400, b"")


def test_one_of_many_equal_requests_succeeds(owner: RailsClient) -> None:
    sent = {"name": "once", "grants": BOTH_APIS}
    with ThreadPoolExecutor(4) as threads:
        made = threads.map(lambda _: owner.call("POST", KEYS, json=sent).status_code, range(4))
        assert sorted(made) == [201, 422, 422, 422]
        deleted = threads.map(lambda _: owner.call("DELETE", f"{KEYS}/once").status_code, range(4))
        assert sorted(deleted) == [204, 404, 404, 404]


def test_deleting_a_key_ends_what_it_runs(owner: RailsClient, new_key: Callable[..., Json]) -> None:
    key = new_key()
    client = as_key(owner, key)
    sleeping = "SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(25)' AND state = 'active'"
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(client.call, "POST", "v2/sql", data={"q": "SELECT pg_sleep(25)"})
        while not client.sql(sleeping) and not running.done():
            time.sleep(0.05)
        assert owner.call("DELETE", f"{KEYS}/{key['name']}").status_code == 204
        answer = running.result(timeout=20)
    assert answer.json() == {"error": ["terminating connection due to administrator command"]}


def test_a_new_master_token_lets_jobs_go_on() -> None:
    with Sandbox() as running:
        account = RailsClient(running.base_url, running.api_key)
        job = account.json("POST", "v2/sql/job", json={"query": ["SELECT pg_sleep(1)", "CREATE TABLE later (x int)"]})
        renewed = account.json("POST", f"{KEYS}/Master/token/regenerate")["token"]
        assert error(account, "SELECT 1") == (401, "Unauthorized")
        account = RailsClient(running.base_url, renewed)
        status = "pending"
        while status in ("pending", "running"):
            time.sleep(0.1)
            status = account.json("GET", f"v2/sql/job/{job['job_id']}")["status"]
        assert (status, account.sql("SELECT * FROM later")) == ("done", [])


def test_who_may_call(owner: RailsClient, new_key: Callable[..., Json]) -> None:
    key = new_key()
    mine = as_key(owner, key)
    path = f"{KEYS}/{key['name']}"
    assert [each["name"] for each in mine.json("GET", KEYS)["result"]] == [key["name"]]
    assert mine.json("GET", path) == key
    assert mine.call("GET", f"{KEYS}/Master").status_code == 404
    for refused in (
        mine.call("POST", KEYS, json={"name": "more", "grants": BOTH_APIS}),
        mine.call("DELETE", path),
        mine.call("POST", f"{path}/token/regenerate"),
        owner.call("GET", KEYS, None),
        owner.call("GET", KEYS, "wrong"),
        owner.call("GET", path, None, headers=basic("other", owner.api_key)),
    ):
        assert (refused.status_code, refused.content) == (401, b"")
    assert owner.call("GET", path, None, headers=basic("demo", owner.api_key)).json() == key
    assert owner.call("GET", KEYS, "default_public").json()["result"][0]["name"] == "Default public"


@pytest.mark.parametrize("name", ["Master", "Default public"])
def test_the_fixed_keys_stay(owner: RailsClient, name: str) -> None:
    answer = owner.call("DELETE", f"{KEYS}/{name}")
    text = "You don't have permission to access that resource"
    assert (answer.status_code, answer.json()) == (403, {"errors": text, "errors_cause": None})


def test_a_key_for_one_table_reads_it_and_no_other(
    owner: RailsClient, tables: tuple[str, str], new_key: Callable[..., Json]
) -> None:
    mine, other = tables
    key = new_key("select", table=mine)
    assert tables_of(key)[mine] == ["select"]
    assert other not in tables_of(key)
    client = as_key(owner, key)
    assert client.sql(f"SELECT count(*) AS n FROM {mine}") == [{"n": 2}]
    assert error(client, f"SELECT * FROM {other}") == (403, f"{DENIED} {other}")
    for write in (f"INSERT INTO {mine} (x) VALUES (1)", f"UPDATE {mine} SET x = 1", f"DELETE FROM {mine}"):
        assert error(client, write) == (403, f"{DENIED} {mine}")
    assert error(client, "CREATE TABLE more (x int)")[0] == 403
    assert error(client, f"SELECT nextval('{mine}_cartodb_id_seq')")[0] == 403, "it would use ids up"

    copied = client.call("GET", "v2/sql/copyto", params={"q": f"COPY (SELECT cartodb_id FROM {mine}) TO STDOUT"})
    assert (copied.status_code, len(copied.text.split())) == (200, 2)
    refused = client.call("GET", "v2/sql/copyto", params={"q": f"COPY {other} TO STDOUT"})
    assert (refused.status_code, refused.json()) == (403, {"error": [f"{DENIED} {other}"]})
    uploaded = client.call("POST", "v2/sql/copyfrom", params={"q": f"COPY {mine} (x) FROM STDIN"}, data=b"7\n")
    assert (uploaded.status_code, uploaded.json()) == (403, {"error": [f"{DENIED} {mine}"]})

    maps = MapsClient(owner.base_url, key["token"])
    tile = maps.get(f"/{maps.token(bare(f'SELECT * FROM {mine}'))}/0/0/0.mvt")
    assert len(features(tile.content)) == 2
    refused = maps.instantiate(bare(f"SELECT * FROM {other}"))
    assert (refused.status_code, refused.json()["errors"]) == (403, [f"PgMvtFactory: {DENIED} {other}"])
    assert picture(maps.get(f"/{maps.token(styled(f'SELECT * FROM {mine}'))}/0/0/0.png")).size == (256, 256)
    assert maps.instantiate(styled(f"SELECT * FROM {other}")).status_code == 403

    batch = client.call("POST", "v2/sql/job", json={"query": f"SELECT * FROM {mine}"})
    assert (batch.status_code, batch.json()) == (403, {"error": ["permission denied"]})


def test_a_tile_of_somebody_elses_map_is_refused(
    owner: RailsClient, tables: tuple[str, str], new_key: Callable[..., Json]
) -> None:
    mine, other = tables
    private = MapsClient(owner.base_url, owner.api_key).token(bare(f"SELECT * FROM {other}"))
    maps = MapsClient(owner.base_url, new_key("select", table=mine)["token"])
    assert maps.get(f"/{private}/0/0/0.mvt").status_code == 403


@pytest.mark.parametrize("permission", ["select", "insert", "update", "delete"])
def test_each_permission_is_one(
    owner: RailsClient, tables: tuple[str, str], new_key: Callable[..., Json], permission: str
) -> None:
    table = tables[0]
    client = as_key(owner, new_key(permission, table=table))
    statements = {
        "select": f"SELECT * FROM {table}",
        "insert": f"INSERT INTO {table} (x) VALUES (1)",
        "update": f"UPDATE {table} SET x = 5",
        "delete": f"DELETE FROM {table} WHERE false",
    }
    refused = {name for name, statement in statements.items() if error_of(client, statement) == f"{DENIED} {table}"}
    assert refused == set(statements) - {permission}


def test_apis_that_a_key_may_use(owner: RailsClient, tables: tuple[str, str], new_key: Callable[..., Json]) -> None:
    only_maps = new_key("select", table=tables[0], apis=("maps",))
    assert error(as_key(owner, only_maps), "SELECT 1") == (403, "forbidden")
    config = bare(f"SELECT * FROM {tables[0]}")
    assert MapsClient(owner.base_url, only_maps["token"]).instantiate(config).status_code == 200
    only_sql = new_key("select", table=tables[0], apis=("sql",))
    assert as_key(owner, only_sql).sql(f"SELECT count(*) AS n FROM {tables[0]} WHERE false") == [{"n": 0}]
    assert MapsClient(owner.base_url, only_sql["token"]).instantiate(config).status_code == 403
    none = new_key(apis=())
    assert grants_of(none, "apis") == {"type": "apis", "apis": []}
    assert error(as_key(owner, none), "SELECT 1") == (403, "forbidden")


def test_a_public_table_is_shown_as_what_the_key_may_read(owner: RailsClient, new_key: Callable[..., Json]) -> None:
    table = owner.new_table()
    owner.sql(f"GRANT SELECT ON {table} TO publicuser")
    key = new_key()
    assert tables_of(key)[table] == ["select"]
    owner.sql(f"DROP TABLE {table}")
    assert table not in tables_of(owner.json("GET", f"{KEYS}/{key['name']}"))


def test_a_key_that_may_make_tables(owner: RailsClient, new_key: Callable[..., Json]) -> None:
    key = new_key(schemas=[{"name": "public", "permissions": ["create"]}])
    table = as_key(owner, key).new_table()
    shown = grants_of(owner.json("GET", f"{KEYS}/{key['name']}"), "database")["tables"]
    assert {"schema": "public", "name": table, "owner": True,
            "permissions": ["insert", "select", "update", "delete"]} in shown  # fmt: skip
    assert owner.dataset(table)["type"] == "table"
    owner.sql(f"INSERT INTO {table} (x) VALUES (3)")
    assert owner.call("DELETE", f"{KEYS}/{key['name']}").status_code == 204
    assert owner.sql(f"SELECT count(*) AS n FROM {table}") == [{"n": 3}], "it is the account's now"
    owner.sql(f"DROP TABLE {table}")


def test_a_new_token_takes_effect_everywhere(
    owner: RailsClient, tables: tuple[str, str], new_key: Callable[..., Json]
) -> None:
    key = new_key("select", table=tables[0])
    client, maps = as_key(owner, key), MapsClient(owner.base_url, key["token"])
    tile = f"/{maps.token(bare(f'SELECT * FROM {tables[0]}'))}/0/0/0.mvt"
    assert maps.get(tile).status_code in (200, 204)
    assert client.sql("SELECT 1 AS one") == [{"one": 1}]
    renewed = owner.json("POST", f"{KEYS}/{key['name']}/token/regenerate")
    assert renewed["token"] != key["token"]
    assert renewed["grants"] == key["grants"]
    assert owner.json("GET", f"{KEYS}/{key['name']}") == renewed
    assert error(client, "SELECT 1") == (401, "Unauthorized")
    copied = client.call("GET", "v2/sql/copyto", params={"q": "COPY (SELECT 1) TO STDOUT"})
    assert (copied.status_code, maps.get(tile).status_code, client.call("GET", KEYS).status_code) == (401, 401, 401)
    assert maps.call("GET", tile, headers=basic("demo", key["token"])).status_code == 401
    fresh = as_key(owner, renewed)
    assert fresh.call("POST", "v2/sql", data={"q": f"SELECT * FROM {tables[0]}"}).status_code == 200
    assert MapsClient(owner.base_url, renewed["token"]).get(tile).status_code in (200, 204)


def test_a_deleted_key_is_refused_everywhere(
    owner: RailsClient, tables: tuple[str, str], new_key: Callable[..., Json]
) -> None:
    key = new_key("select", table=tables[0])
    client, maps = as_key(owner, key), MapsClient(owner.base_url, key["token"])
    (session,) = client.sql("SELECT session_user AS role")
    tile = f"/{maps.token(bare(f'SELECT * FROM {tables[0]}'))}/0/0/0.mvt"
    assert maps.get(tile).status_code in (200, 204)
    assert owner.call("DELETE", f"{KEYS}/{key['name']}").status_code == 204
    assert error(client, "SELECT 1") == (401, "Unauthorized")
    assert (maps.get(tile).status_code, client.call("GET", KEYS).status_code) == (401, 401)
    count = f"SELECT count(*) AS n FROM pg_roles WHERE rolname = '{session['role']}'"
    assert owner.sql(count) == [{"n": 0}]
    assert owner.call("DELETE", f"{KEYS}/{key['name']}").status_code == 404


def test_a_key_made_again_has_only_its_new_grants(owner: RailsClient, tables: tuple[str, str]) -> None:
    def make(table: str) -> RailsClient:
        sent = {"name": "again", "grants": grants(on_table(table, "select"))}
        return as_key(owner, owner.json("POST", KEYS, json=sent))

    make(tables[0])
    assert owner.call("DELETE", f"{KEYS}/again").status_code == 204
    client = make(tables[1])
    assert error(client, f"SELECT * FROM {tables[0]}") == (403, f"{DENIED} {tables[0]}")
    assert client.call("POST", "v2/sql", data={"q": f"SELECT * FROM {tables[1]}"}).status_code == 200
    assert owner.call("DELETE", f"{KEYS}/again").status_code == 204


SMALL: list[Json] = [
    {
        "name": "small",
        "regular_key_quota": 2,
        "keys": [
            {"type": "master", "token": "master_of_small"},
            {"type": "regular", "name": "declared", "token": "declared_small", "tables": {"t": ["select"]},
             "services": ["isolines"]},
        ],
    }
]  # fmt: skip


@pytest.fixture(scope="module")
def small() -> Iterator[RailsClient]:
    with Sandbox(accounts=SMALL) as running:
        yield RailsClient(running.base_url, "master_of_small")


def test_an_account_may_have_a_limited_number_of_keys(small: RailsClient) -> None:
    assert grants_of(small.json("GET", f"{KEYS}/declared"), "dataservices")["services"] == ["isolines"]
    small.json("POST", KEYS, json={"name": "second", "grants": BOTH_APIS})
    refused = small.call("POST", KEYS, json={"name": "third", "grants": BOTH_APIS})
    text = "You have reached the limit of API keys for your plan"
    assert (refused.status_code, refused.json()) == (403, {"errors": text, "errors_cause": None})
    assert small.call("DELETE", f"{KEYS}/second").status_code == 204


def test_a_declared_key_that_is_deleted_leaves_no_trace(small: RailsClient) -> None:
    small.sql("CREATE TABLE t (x int)")
    assert small.sql("SELECT * FROM t", "declared_small") == []
    assert small.call("DELETE", f"{KEYS}/declared").status_code == 204
    assert error(small, "SELECT 1", "declared_small")[0] == 401
    small.sql("DROP TABLE t; CREATE TABLE t (x int)")
    assert small.sql("SELECT count(*) AS n FROM t") == [{"n": 0}]
