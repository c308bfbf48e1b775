"""Installs our rendition of the cartodb PostgreSQL extension into a user's database."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import psycopg
from psycopg import sql

SCRIPTS_DIR = Path(__file__).with_name("extension")
SCRIPTS = ("introspection.sql", "metadata.sql", "quota.sql", "webmercator.sql", "cartodbfy.sql", "dataservices.sql")

# What only those may call who may make tables; what only reads is open to all roles.
OWNER_ONLY = ("CDB_CartodbfyTable(text, regclass)", "CDB_CartodbfyTable(regclass)")


def install(connection: psycopg.Connection, owner_role: str, public_role: str) -> None:
    """Create or update the schema `cartodb` and its functions, in one transaction.

    Args:
        connection: A connection to the user's database, as a role that may create extensions.
        owner_role: The role behind the account's master key.
        public_role: The role of calls without a key; the tables it can read are the public ones.

    Raises:
        psycopg.Error: PostgreSQL refused a statement, for example because PostGIS is not installed.
    """
    with connection.transaction():
        connection.execute("SET LOCAL client_min_messages = warning")
        create_postgis(connection)
        connection.execute("CREATE SCHEMA IF NOT EXISTS cartodb")
        connection.execute("GRANT USAGE ON SCHEMA cartodb TO PUBLIC")
        see_postgis(connection)
        connection.execute(_public_role_function(public_role))
        for name in SCRIPTS:
            connection.execute((SCRIPTS_DIR / name).read_bytes())
        for function in OWNER_ONLY:
            connection.execute(sql.SQL("REVOKE ALL ON FUNCTION cartodb.{} FROM PUBLIC").format(sql.SQL(function)))
        allow_cartodbfying(connection, owner_role)


def allow_cartodbfying(connection: psycopg.Connection, role: str) -> None:
    """Let a role make datasets of its tables.

    Args:
        connection: A connection to the user's database, as the role that installed the extension.
        role: The role behind a key.
    """
    for function in OWNER_ONLY:
        statement = sql.SQL("GRANT EXECUTE ON FUNCTION cartodb.{} TO {}")
        connection.execute(statement.format(sql.SQL(function), sql.Identifier(role)))


def create_postgis(connection: psycopg.Connection) -> None:
    """Create PostGIS, with the rasters that CARTO's databases have; not every server ships these, or lets us.

    Args:
        connection: A connection to the database, as a role that may create extensions.

    Raises:
        psycopg.Error: PostGIS is not installed, or the role may not create it.
    """
    connection.execute("CREATE EXTENSION IF NOT EXISTS postgis SCHEMA public")
    available = connection.execute("SELECT FROM pg_available_extensions WHERE name = 'postgis_raster'")
    if available.rowcount:
        with suppress(psycopg.errors.InsufficientPrivilege), connection.transaction():
            connection.execute("CREATE EXTENSION IF NOT EXISTS postgis_raster SCHEMA public")


def see_postgis(connection: psycopg.Connection) -> None:
    """Set the path that functions made in this transaction may keep: an existing database holds PostGIS anywhere.

    Args:
        connection: A connection to the user's database, within a transaction.
    """
    row = connection.execute(
        "SELECT extnamespace::regnamespace::text FROM pg_extension WHERE extname = 'postgis'"
    ).fetchone()
    assert row is not None, "PostGIS was created just before"
    connection.execute(sql.SQL("SET LOCAL search_path = pg_catalog, {}, pg_temp").format(sql.SQL(row[0])))


def _public_role_function(public_role: str) -> sql.Composed:
    return sql.SQL(
        "CREATE OR REPLACE FUNCTION cartodb._CDB_PublicRole() RETURNS name LANGUAGE sql IMMUTABLE AS {}"
    ).format(sql.Literal(f"SELECT {sql.Literal(public_role).as_string()}::name"))
