"""What regular API keys may do in the database of their account: checking, granting and telling it.

CARTO grants a regular key its tables when the key is made, and so does the API here. Keys that a file declares stand
before any table does; an event trigger grants them as soon as a table of that name appears.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from carto.sandbox import extension, service_quotas
from carto.sandbox.accounts import ApiKey

_INSTALL = """
CREATE SCHEMA IF NOT EXISTS carto_sandbox;
CREATE TABLE IF NOT EXISTS carto_sandbox.key_grants (role_name text, table_name text, permissions text);

CREATE OR REPLACE FUNCTION carto_sandbox.grant_table(relation regclass, role_name text, permissions text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE serial_name text;
BEGIN
  EXECUTE format('GRANT %s ON %s TO %I', permissions, relation, role_name);
  FOR serial_name IN
    SELECT d.objid::regclass FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
     WHERE d.refobjid = relation AND d.deptype IN ('a', 'i') AND permissions ~ 'insert|update'
  LOOP
    EXECUTE format('GRANT USAGE, SELECT ON SEQUENCE %s TO %I', serial_name, role_name);
  END LOOP;
END $$;

CREATE OR REPLACE FUNCTION carto_sandbox.apply_key_grants() RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT carto_sandbox.grant_table(c.oid, g.role_name, g.permissions)
    FROM carto_sandbox.key_grants g
    JOIN pg_class c ON c.relname = g.table_name AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'public'
$$;

CREATE OR REPLACE FUNCTION carto_sandbox.on_table_created() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF EXISTS (
    SELECT FROM pg_event_trigger_ddl_commands() c, carto_sandbox.key_grants g
     WHERE c.classid = 'pg_class'::regclass
       AND (SELECT relname FROM pg_class WHERE oid = c.objid) = g.table_name
  ) THEN
    PERFORM carto_sandbox.apply_key_grants();
  END IF;
END $$;

DROP EVENT TRIGGER IF EXISTS carto_sandbox_key_grants;
CREATE EVENT TRIGGER carto_sandbox_key_grants ON ddl_command_end
  WHEN TAG IN ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'ALTER TABLE')
  EXECUTE FUNCTION carto_sandbox.on_table_created();

-- The schemas that hold a user's data, and what is in them.
CREATE OR REPLACE VIEW carto_sandbox.data_schemas AS
SELECT n.oid, n.nspname AS name FROM pg_catalog.pg_namespace n
 WHERE n.nspname NOT IN ('cartodb', 'carto_sandbox', 'cdb_dataservices_client', 'information_schema', 'topology')
   AND n.nspname NOT LIKE 'pg\\_%';

CREATE OR REPLACE VIEW carto_sandbox.data_relations AS
SELECT c.oid, s.name AS schema, c.relname AS name, c.relowner AS owner
  FROM pg_catalog.pg_class c JOIN carto_sandbox.data_schemas s ON s.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
   AND NOT EXISTS (
     SELECT FROM pg_catalog.pg_depend d
      WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
   );
"""
_TABLE_OF_OWNER = """
SELECT FROM carto_sandbox.data_relations
 WHERE schema = %(schema)s AND name = %(name)s
   AND NOT EXISTS (
     SELECT FROM unnest(%(permissions)s::text[]) AS each WHERE NOT has_table_privilege(%(owner)s, oid, each)
   )
"""
_SCHEMA_OF_OWNER = """
SELECT FROM carto_sandbox.data_schemas WHERE name = %(name)s AND has_schema_privilege(%(owner)s, oid, 'CREATE')
"""
_TABLES_OF_ROLE = """
SELECT r.schema, r.name, pg_get_userbyid(r.owner) = %(role)s AS owner, held.permissions
  FROM carto_sandbox.data_relations r, LATERAL (
    SELECT array_agg(each ORDER BY place) AS permissions
      FROM unnest('{insert,select,update,delete}'::text[]) WITH ORDINALITY AS wanted (each, place)
     WHERE has_table_privilege(%(role)s, r.oid, each)
  ) AS held
 WHERE held.permissions IS NOT NULL ORDER BY r.oid
"""
_SCHEMAS_OF_ROLE = """
SELECT name, '{create}'::text[] AS permissions FROM carto_sandbox.data_schemas
 WHERE has_schema_privilege(%(role)s, oid, 'CREATE') ORDER BY oid
"""


class NotGrantableError(Exception):
    """A key is to have a right that its account does not have; the message names the kind of right."""


@dataclass(frozen=True)
class TableGrant:
    """What a key may do with one table."""

    schema: str
    name: str
    permissions: tuple[str, ...]


@dataclass(frozen=True)
class DatabaseGrants:
    """What a key may do in the database.

    Attributes:
        tables: Tables that it may read or change.
        schemas: Schemas in which it may make tables.
    """

    tables: Sequence[TableGrant] = ()
    schemas: Sequence[str] = ()


def install(connection: psycopg.Connection, keys: Iterable[ApiKey]) -> None:
    """Note which declared key may do what to which table, grant it, and keep granting it to tables to come.

    Args:
        connection: Connection of a superuser to the account's database.
        keys: Keys of the account.
    """
    grants = [(k.role, table, ", ".join(wanted)) for k in keys for table, wanted in k.tables.items()]
    with connection.transaction():
        connection.execute(_INSTALL)
        connection.execute("DELETE FROM carto_sandbox.key_grants")
        connection.cursor().executemany("INSERT INTO carto_sandbox.key_grants VALUES (%s, %s, %s)", grants)
        connection.execute("SELECT carto_sandbox.apply_key_grants()")


def forget(connection: psycopg.Connection, key: ApiKey) -> None:
    """Stop granting a key the tables to come."""
    connection.execute("DELETE FROM carto_sandbox.key_grants WHERE role_name = %s", [key.role])


def check(connection: psycopg.Connection, owner: str, grants: DatabaseGrants) -> None:
    """Make sure that an account may grant what it is asked for.

    Args:
        connection: Connection to the account's database.
        owner: Role of the account.
        grants: What a key is to have.

    Raises:
        NotGrantableError: It may not: a table or schema is unknown, or somebody else's.
    """
    for table in grants.tables:
        values = {"schema": table.schema, "name": table.name, "permissions": list(table.permissions), "owner": owner}
        if not connection.execute(_TABLE_OF_OWNER, values).rowcount:
            raise NotGrantableError("table")
    for schema in grants.schemas:
        if not connection.execute(_SCHEMA_OF_OWNER, {"name": schema, "owner": owner}).rowcount:
            raise NotGrantableError("schema")


def grant(connection: psycopg.Connection, owner: str, key: ApiKey, grants: DatabaseGrants) -> None:
    """Give a key's role what was checked.

    Args:
        connection: Connection of a superuser to the account's database.
        owner: Role of the account.
        key: The key.
        grants: What it is to have.
    """
    role = sql.Identifier(key.role)
    for schema in {table.schema for table in grants.tables} | set(grants.schemas):
        connection.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(sql.Identifier(schema), role))
    for table in grants.tables:
        if table.permissions:
            values = [sql.Identifier(table.schema, table.name).as_string(), key.role, ", ".join(table.permissions)]
            connection.execute("SELECT carto_sandbox.grant_table(%s::regclass, %s, %s)", values)
    for schema in grants.schemas:
        connection.execute(sql.SQL("GRANT CREATE ON SCHEMA {} TO {}").format(sql.Identifier(schema), role))
    if grants.schemas:  # what the key makes is the account's as well, and may become a dataset
        connection.execute(sql.SQL("GRANT {} TO {}").format(role, sql.Identifier(owner)))
        extension.allow_cartodbfying(connection, key.role)
    if key.services:
        service_quotas.allow(connection, key.role)


async def of_role(connection: psycopg.AsyncConnection, role: str) -> dict[str, list[dict[str, Any]]]:
    """Return what a role may do, by itself or because everybody may, as the API shows it.

    Args:
        connection: Connection to the account's database.
        role: Role of a regular key.
    """
    async with connection.cursor(row_factory=dict_row) as cursor:
        tables = await (await cursor.execute(_TABLES_OF_ROLE, {"role": role})).fetchall()
        schemas = await (await cursor.execute(_SCHEMAS_OF_ROLE, {"role": role})).fetchall()
    return {"tables": tables, "schemas": schemas}
