"""What callers make in a database never runs with the rights of the sandbox's own administrator."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from carto.sandbox import Sandbox
from tests.sandbox.rails_client import RailsClient

FAIL_FOR_A_SUPERUSER = """
BEGIN
    IF (SELECT r.rolsuper FROM pg_catalog.pg_roles r WHERE r.rolname = current_user) THEN
        RAISE EXCEPTION 'this runs as %', current_user;
    END IF;
    RETURN true;
END
"""
CATALOGS = ("pg_class", "pg_namespace", "pg_depend")


@pytest.fixture
def owner(limited_sandbox: Sandbox) -> RailsClient:
    """Give the account whose description has a key for a table ``shared``."""
    return RailsClient(limited_sandbox.base_url, limited_sandbox.api_key)


@pytest.fixture
def schema(owner: RailsClient, request: pytest.FixtureRequest) -> Iterator[str]:
    """Give a schema that a search path would have before or behind PostgreSQL's own."""
    owner.sql(f"CREATE SCHEMA IF NOT EXISTS {request.param}")
    yield request.param
    if request.param != "public":
        owner.sql(f"DROP SCHEMA {request.param} CASCADE")


@pytest.mark.parametrize("catalog", CATALOGS)
@pytest.mark.parametrize("key", ["", None], ids=["owner", "anonymous"])
def test_catalogs_of_a_session_mislead_no_trigger(owner: RailsClient, key: str | None, catalog: str) -> None:
    owner.sql(
        f"""
        CREATE FUNCTION pg_temp.look() RETURNS boolean LANGUAGE plpgsql AS $${FAIL_FOR_A_SUPERUSER}$$;
        CREATE TEMPORARY VIEW {catalog} AS SELECT * FROM pg_catalog.{catalog} WHERE pg_temp.look();
        CREATE TEMPORARY TABLE shared (x serial)
        """,
        key,
    )


@pytest.mark.parametrize("schema", ["postgres", "public"], indirect=True)
def test_functions_of_the_account_are_not_taken_for_postgresql_s(owner: RailsClient, schema: str) -> None:
    function = f"{schema}.has_table_privilege(text, oid, text)"
    owner.sql(f"CREATE FUNCTION {function} RETURNS boolean LANGUAGE plpgsql AS $${FAIL_FOR_A_SUPERUSER}$$")
    try:
        table = owner.new_table()
        granted = {"type": "database", "tables": [{"schema": "public", "name": table, "permissions": ["select"]}]}
        grants = [{"type": "apis", "apis": ["sql"]}, granted]
        key = owner.json("POST", "v3/api_keys", json={"name": table, "grants": grants})
        assert table in [each["name"] for each in key["grants"][1]["tables"]]  # and so are public ones
    finally:
        owner.call("DELETE", f"v3/api_keys/{table}")
        owner.sql(f"DROP FUNCTION {function}; DROP TABLE {table}")


def test_types_of_the_account_are_not_taken_for_geometries(owner: RailsClient) -> None:
    table = owner.new_table()
    owner.sql(
        f"""
        CREATE TYPE place AS (x int);
        CREATE FUNCTION meets(place, geometry) RETURNS boolean LANGUAGE plpgsql AS $${FAIL_FOR_A_SUPERUSER}$$;
        CREATE OPERATOR && (FUNCTION = meets, LEFTARG = place, RIGHTARG = geometry);
        ALTER TABLE {table} RENAME the_geom TO point;
        ALTER TABLE {table} ADD the_geom place DEFAULT ROW(1)
        """
    )
    try:
        assert table not in owner.names(types="table", bbox="-180,-80,180,80")
    finally:
        owner.sql(f"DROP TABLE {table}; DROP TYPE place CASCADE")
