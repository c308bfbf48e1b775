"""The examples that make tables again: here from their own statements, and with their rows in another account."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from carto.sandbox import Sandbox
from tests.conftest import started_or_skipped
from tests.examples.scripts import account_of, failure_of, printed_by, rows_of, run_script, table_rows

REFERRED = "CREATE TABLE made_first (id integer PRIMARY KEY); INSERT INTO made_first VALUES (1), (2)"
TABLE = """
    CREATE SEQUENCE made_numbers;
    CREATE TABLE "Made again" (
        cartodb_id bigserial PRIMARY KEY,
        the_geom geometry(Geometry, 4326), the_geom_webmercator geometry(Geometry, 3857),
        name text COLLATE "C" DEFAULT 'it''s 100%' NOT NULL,
        "length" integer GENERATED ALWAYS AS (length(name)) STORED,
        place integer GENERATED ALWAYS AS IDENTITY,
        small smallserial, amount numeric(10, 2) CHECK (amount > 0), tags text[] DEFAULT '{}',
        number bigint DEFAULT nextval('made_numbers'), first_id integer REFERENCES made_first (id),
        UNIQUE (name, small)
    );
    COMMENT ON TABLE "Made again" IS 'what''s in; it';
    COMMENT ON COLUMN "Made again".name IS 'the "name"';
    CREATE INDEX "Made odd" ON "Made again" (lower(name)) WHERE amount > 3;
    SELECT CDB_CartodbfyTable(current_schema, '"Made again"');
    INSERT INTO "Made again" (the_geom, name, amount, first_id, tags)
    SELECT ST_SetSRID(ST_MakePoint(n / 10.0, n / 20.0), 4326), E'na\\tme\\n' || n, n, n % 2 + 1,
           ARRAY['a,b', NULL, n::text]
    FROM generate_series(1, 500) AS n
"""
DROP = 'DROP TABLE IF EXISTS "Made again", made_first; DROP SEQUENCE IF EXISTS made_numbers'

DESCRIPTION = """
    SELECT 'column' AS kind, a.attname AS name, concat_ws(' ', a.attnum, format_type(a.atttypid, a.atttypmod),
               a.attnotnull, a.attidentity, a.attgenerated, a.attcollation, pg_get_expr(d.adbin, d.adrelid),
               col_description(a.attrelid, a.attnum)) AS what
    FROM pg_attribute a LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
    WHERE a.attrelid = '"Made again"'::regclass AND a.attnum > 0
    UNION ALL
    SELECT 'constraint', conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE conrelid = '"Made again"'::regclass
    UNION ALL
    SELECT 'index', indexname, indexdef FROM pg_indexes WHERE tablename = 'Made again'
    UNION ALL
    SELECT 'trigger', tgname, pg_get_triggerdef(oid) FROM pg_trigger
    WHERE tgrelid = '"Made again"'::regclass AND NOT tgisinternal
    UNION ALL
    SELECT 'table', 'comment', obj_description('"Made again"'::regclass, 'pg_class')
    ORDER BY kind, name
"""
ROWS = 'SELECT md5(string_agg(t::text, chr(10) ORDER BY cartodb_id)) AS sum, count(*) AS n FROM "Made again" t'


@pytest.fixture
def table(sandbox: Sandbox) -> Iterator[None]:
    rows_of(sandbox, f"{REFERRED}; {TABLE}")
    yield
    rows_of(sandbox, DROP)


@pytest.fixture(scope="module")
def destination() -> Iterator[Sandbox]:
    with started_or_skipped(Sandbox()) as running:
        yield running


def _accounts(source: Sandbox, destination: Sandbox) -> dict[str, str]:
    return account_of(source) | {
        "CARTO_DESTINATION_API_URL": destination.base_url, "CARTO_DESTINATION_API_KEY": destination.api_key}


@pytest.mark.usefixtures("table")
def test_the_statements_make_the_same_tables(sandbox: Sandbox, tmp_path: Path) -> None:
    before = rows_of(sandbox, DESCRIPTION)
    script = tmp_path / "tables.sql"
    printed = printed_by("export_create_tables.py", "--output", script, environment=account_of(sandbox))
    statements = script.read_text()
    assert printed == f"The statements of {statements.count('CREATE TABLE ')} tables are in {script}\n"
    assert printed_by("export_create_tables.py", environment=account_of(sandbox, organization=True)) == statements
    rows_of(sandbox, f"{DROP}; {statements}")
    assert rows_of(sandbox, DESCRIPTION) == before
    assert {"column", "constraint", "index", "trigger", "table"} == {row["kind"] for row in before}


def test_an_account_without_tables_has_no_statements(destination: Sandbox) -> None:
    assert printed_by("export_create_tables.py", environment=account_of(destination)) == ""
    assert printed_by("list_tables.py", environment=account_of(destination)) == "There are no tables in this account.\n"


def _without_foreign_key(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if not str(row["what"]).startswith("FOREIGN KEY")]


@pytest.mark.usefixtures("table")
def test_a_table_is_duplicated_with_its_rows(sandbox: Sandbox, destination: Sandbox) -> None:
    environment = _accounts(sandbox, destination)
    printed = printed_by("duplicate_table.py", "--table", "Made again", environment=environment)
    (rows,) = rows_of(sandbox, ROWS)
    assert rows_of(destination, ROWS) == [rows]
    assert rows_of(destination, DESCRIPTION) == _without_foreign_key(rows_of(sandbox, DESCRIPTION))
    (line,) = table_rows(printed)
    assert (line["rows sent"], line["rows there"]) == (str(rows["n"]), str(rows["n"]))
    assert "REFERENCES made_first(id)" in printed
    assert sandbox.api_key not in printed
    message = failure_of("duplicate_table.py", "-t", "Made again", environment=environment)
    assert message == 'relation "Made again" already exists'
    (new,) = rows_of(destination, """INSERT INTO "Made again" (name) VALUES ('new') RETURNING cartodb_id, place;""")
    assert new == {"cartodb_id": rows["n"] + 1, "place": rows["n"] + 1}
    rows_of(destination, DROP)


def test_a_table_is_duplicated_between_the_accounts_of_secret_conf(
    sandbox: Sandbox, destination: Sandbox, tmp_path: Path
) -> None:
    (tmp_path / "secret.conf").write_text(
        f"[source]\ncarto_url = {destination.base_url}\ncarto_api_key = {destination.api_key}\n"
        f"[destination]\ncarto_url = {sandbox.base_url}\ncarto_api_key = {sandbox.api_key}\n")
    rows_of(destination, "CREATE TABLE empty_table (n serial)")
    printed_by("duplicate_table.py", "-t", "empty_table", environment={}, cwd=tmp_path)
    assert rows_of(sandbox, "INSERT INTO empty_table DEFAULT VALUES RETURNING n") == [{"n": 1}]
    for account in (sandbox, destination):
        rows_of(account, "DROP TABLE empty_table")


def test_nothing_is_left_of_a_duplicate_that_failed(sandbox: Sandbox, destination: Sandbox) -> None:
    rows_of(sandbox, "CREATE FUNCTION is_fine(n integer) RETURNS boolean LANGUAGE sql AS 'SELECT true'; "
                     "CREATE TABLE half (n integer CHECK (is_fine(n))); INSERT INTO half SELECT generate_series(1, 9)")
    rows_of(destination, "CREATE FUNCTION is_fine(n integer) RETURNS boolean LANGUAGE sql AS 'SELECT n < 9'")
    try:
        message = failure_of("duplicate_table.py", "-t", "half", environment=_accounts(sandbox, destination))
        assert 'violates check constraint "half_n_check"' in message
        assert rows_of(destination, "SELECT to_regclass('half') AS half") == [{"half": None}]
    finally:
        rows_of(sandbox, "DROP TABLE half; DROP FUNCTION is_fine")
        rows_of(destination, "DROP FUNCTION is_fine")


def test_what_cannot_be_duplicated(sandbox: Sandbox, destination: Sandbox, tmp_path: Path) -> None:
    message = failure_of("duplicate_table.py", "-t", "nowhere", environment=_accounts(sandbox, destination))
    assert message.startswith("there is no table nowhere in this account")
    complaints = {
        "no destination: fill in [destination] in secret.conf": account_of(sandbox),
        "no source: fill in [source] in secret.conf": {},
        "source and destination are the same account": _accounts(sandbox, sandbox),
    }
    for complaint, environment in complaints.items():
        done = run_script("duplicate_table.py", "-t", "any", environment=environment, cwd=tmp_path)
        assert done.returncode == 2
        assert f"duplicate_table.py: error: {complaint}" in done.stderr


@pytest.mark.parametrize("content", [None, "carto_api_key = k3y", "[source]\ncarto_api_key k3y", "[a]\n[a]"])
def test_a_bad_file_with_accounts_is_told(content: str | None, tmp_path: Path) -> None:
    path = tmp_path / "accounts.conf"
    if content is not None:
        path.write_text(content)
    done = run_script("duplicate_table.py", "-t", "any", "--config", path)
    assert done.returncode == 2
    assert str(path) in done.stderr
    assert not [text for text in ("Traceback", "k3y") if text in done.stderr]
