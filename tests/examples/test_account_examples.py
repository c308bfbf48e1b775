"""The examples that look into an account: its tables and its running queries."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from carto.sandbox import Sandbox
from tests.examples.scripts import (
    EXAMPLES,
    account_of,
    bytes_in,
    failure_of,
    printed_by,
    rows_of,
    table_rows,
)

TABLES = """
    CREATE TABLE examples_small (id integer PRIMARY KEY);
    CREATE TABLE "Examples large" (
        the_geom geometry(Geometry, 4326), name text NOT NULL DEFAULT 'it''s', amount numeric(8, 2) CHECK (amount > 0),
        small_id integer
    );
    SELECT CDB_CartodbfyTable(current_schema, '"Examples large"');
    ALTER TABLE "Examples large" ADD FOREIGN KEY (small_id) REFERENCES examples_small (id);
    COMMENT ON COLUMN "Examples large".name IS 'what it is called';
    CREATE FUNCTION examples_double(n integer) RETURNS integer LANGUAGE sql AS 'SELECT 2 * n';
    CREATE INDEX examples_amount ON "Examples large" (amount) WHERE amount > 10;
    INSERT INTO "Examples large" (name, amount) SELECT md5(n::text), n FROM generate_series(1, 2000) AS n;
    ANALYZE "Examples large", examples_small
"""


@pytest.fixture(scope="module")
def tables(sandbox: Sandbox) -> Iterator[None]:
    rows_of(sandbox, TABLES)
    yield
    rows_of(sandbox, 'DROP TABLE "Examples large", examples_small; DROP FUNCTION examples_double')


@pytest.mark.usefixtures("tables")
def test_list_tables_knows_sizes_rows_and_triggers(sandbox: Sandbox) -> None:
    printed = printed_by("list_tables.py", environment=account_of(sandbox, organization=True))
    listed = table_rows(printed)
    sizes = {row["name"]: row["bytes"] for row in rows_of(
        sandbox, "SELECT relname AS name, pg_total_relation_size(oid) AS bytes FROM pg_class WHERE relkind = 'r' "
                 "AND relnamespace = 'public'::regnamespace AND relname <> 'spatial_ref_sys'")}
    assert [row["table"] for row in listed] == sorted(sizes, key=lambda name: (-sizes[name], name))
    assert {row["table"]: bytes_in(row["size"]) for row in listed} == {
        name: pytest.approx(size, rel=0.05) for name, size in sizes.items()}
    by_name = {row["table"]: (row["rows (estimate)"], row["cartodbfied"]) for row in listed}
    (counted,) = rows_of(sandbox, 'SELECT count(*) AS n FROM "Examples large"')
    assert by_name["Examples large"] == (str(counted["n"]), "yes")
    assert by_name["examples_small"] == ("0", "no")
    assert printed.splitlines()[-1].startswith(f"{len(sizes)} tables, ")


@pytest.fixture(scope="module")
def table_info(sandbox: Sandbox, tables: None) -> dict[str, list[dict[str, str]]]:
    """Read the tables that are printed for one table of the account, by their titles."""
    printed = printed_by("table_info.py", "Examples large", environment=account_of(sandbox))
    return {part.partition("\n")[0]: table_rows(part) for part in printed.split("\n\n") if "\n" in part}


def test_table_info_shows_the_columns(sandbox: Sandbox, table_info: dict[str, list[dict[str, str]]]) -> None:
    columns = rows_of(sandbox, """SELECT column_name, is_nullable FROM information_schema.columns
        WHERE table_name = 'Examples large' ORDER BY ordinal_position""")
    shown = table_info["Columns"]
    assert [(row["column"], row["nullable"]) for row in shown] == [
        (row["column_name"], row["is_nullable"].lower()) for row in columns]
    by_name = {row["column"]: row for row in shown}
    assert by_name["the_geom"]["type"] == "geometry(Geometry,4326)"
    assert by_name["amount"]["type"] == "numeric(8,2)"
    assert (by_name["name"]["default"], by_name["name"]["comment"]) == ("'it''s'::text", "what it is called")


def test_table_info_shows_indexes_and_constraints(
    sandbox: Sandbox, table_info: dict[str, list[dict[str, str]]]
) -> None:
    indexes = {row["indexname"] for row in rows_of(
        sandbox, "SELECT indexname FROM pg_indexes WHERE tablename = 'Examples large'")}
    shown = {row["index"].strip('"'): row for row in table_info["Indexes"]}
    assert set(shown) == indexes
    assert "WHERE amount > 10" in shown["examples_amount"]["definition"]
    definitions = {row["definition"] for row in table_info["Constraints"]}
    assert {"PRIMARY KEY (cartodb_id)", "FOREIGN KEY (small_id) REFERENCES examples_small(id)",
            "CHECK (amount > 0::numeric)"} == definitions


def test_table_info_shows_triggers_functions_and_sizes(
    sandbox: Sandbox, table_info: dict[str, list[dict[str, str]]]
) -> None:
    triggers = rows_of(sandbox, "SELECT DISTINCT trigger_name FROM information_schema.triggers "
                                "WHERE event_object_table = 'Examples large' AND trigger_name <> 'track_updates'")
    shown = {row["trigger"]: row["fires"] for row in table_info["Triggers"]}
    assert {row["trigger_name"] for row in triggers} | {"track_updates"} == set(shown)
    assert shown["update_the_geom_webmercator_trigger"].startswith("BEFORE INSERT OR UPDATE OF the_geom ON")
    functions = {row["function"]: row for row in table_info["Functions of the account"]}
    assert functions["examples_double"]["arguments"] == "n integer"
    assert not [name for name in functions if name.startswith("st_")], "PostGIS's own"
    (sizes,) = rows_of(sandbox, """SELECT pg_relation_size(c) AS rows, pg_indexes_size(c) AS indexes,
        pg_total_relation_size(c) AS total FROM (VALUES ('"Examples large"'::regclass)) AS v (c)""")
    (printed,) = table_info["Examples large: about 2000 rows"]
    assert {part: bytes_in(size) for part, size in printed.items()} == {
        part: pytest.approx(size, rel=0.05) for part, size in sizes.items()}


def test_table_info_of_a_table_that_is_not_there(sandbox: Sandbox) -> None:
    message = failure_of("table_info.py", "nowhere", environment=account_of(sandbox))
    assert message == "there is no table nowhere in this account; list_tables.py shows those that are"


@pytest.fixture
def own_schema(sandbox: Sandbox) -> Iterator[None]:
    """Give the account what members of organizations have: a schema with their own name, which comes first."""
    rows_of(sandbox, """CREATE SCHEMA AUTHORIZATION CURRENT_USER;
        CREATE TABLE examples_own (n integer); CREATE TABLE public.examples_shared (shared text)""")
    yield
    rows_of(sandbox, "DROP TABLE examples_own, public.examples_shared")
    rows_of(sandbox, "DO $$ BEGIN EXECUTE format('DROP SCHEMA %I', current_user); END $$")


@pytest.mark.usefixtures("own_schema")
def test_members_of_organizations_see_their_own_tables_and_those_shared_with_them(sandbox: Sandbox) -> None:
    account = account_of(sandbox, organization=True)
    assert [row["table"] for row in table_rows(printed_by("list_tables.py", environment=account))] == ["examples_own"]
    assert printed_by("export_create_tables.py", environment=account).startswith("CREATE TABLE examples_own (")
    printed = printed_by("table_info.py", "public.examples_shared", environment=account)
    (columns,) = [table_rows(part) for part in printed.split("\n\n") if part.startswith("Columns")]
    assert [row["column"] for row in columns] == ["shared"]


@pytest.fixture
def long_query(sandbox: Sandbox) -> Iterator[tuple[int, str, Callable[[], requests.Response]]]:
    """Run a query that ends by being cancelled: its process, its text, and a function that waits for its answer."""
    query = "SELECT pg_sleep(100), 'a long query'"
    answers: list[requests.Response] = []
    thread = threading.Thread(target=lambda: answers.append(requests.post(
        f"{sandbox.base_url}api/v2/sql", data={"q": query, "api_key": sandbox.api_key}, timeout=120)))
    thread.start()
    try:
        pid = _wait_for_process(sandbox)
        yield pid, query, lambda: (thread.join(60), answers[0])[1]
    finally:
        rows_of(sandbox, f"SELECT pg_cancel_backend(pid) FROM ({_PROCESS}) AS found")
        thread.join(60)


_PROCESS = ("SELECT pid FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(100)%' AND state = 'active' "
            "AND pid <> pg_backend_pid()")


def _wait_for_process(sandbox: Sandbox) -> int:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = rows_of(sandbox, _PROCESS)
        if found:
            return int(found[0]["pid"])
        time.sleep(0.05)
    raise AssertionError("the query did not start")


def test_a_running_query_is_listed_and_cancelled(sandbox: Sandbox, long_query: Any) -> None:
    pid, query, answer = long_query
    account = account_of(sandbox)
    listed = {int(row["pid"]): row for row in table_rows(printed_by("running_queries.py", environment=account))}
    assert listed[pid]["query"] == query
    assert listed[pid]["state"] == "active"
    assert float(listed[pid]["seconds"]) > 0
    assert printed_by("kill_query.py", str(pid), environment=account) == (
        f"Process {pid} was told to cancel: {query}\n")
    assert answer().status_code == 429, "CARTO takes a cancelled query for one that took too long"
    assert str(pid) in failure_of("kill_query.py", str(pid), environment=account)
    after = printed_by("running_queries.py", environment=account)
    assert query not in after


def test_kill_query_wants_a_number(sandbox: Sandbox) -> None:
    done = subprocess.run([sys.executable, str(EXAMPLES / "kill_query.py"), "all"], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 2
    assert "invalid int value: 'all'" in done.stderr
