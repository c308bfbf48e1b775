"""Grants of regular API keys, kept on their tables even when those are created after the key.

CARTO grants a regular key its tables when the key is made. A sandbox's keys come from a file and stand before
any table does, so an event trigger grants them as soon as a table of that name appears.
"""

from __future__ import annotations

from collections.abc import Iterable

import psycopg

from carto.sandbox.accounts import ApiKey

_INSTALL = """
CREATE SCHEMA IF NOT EXISTS carto_sandbox;
CREATE TABLE IF NOT EXISTS carto_sandbox.key_grants (role_name text, table_name text, permissions text);

CREATE OR REPLACE FUNCTION carto_sandbox.apply_key_grants() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE wanted record; serial_name text;
BEGIN
  FOR wanted IN
    SELECT g.role_name, g.permissions, c.oid::regclass AS relation, c.oid
      FROM carto_sandbox.key_grants g
      JOIN pg_class c ON c.relname = g.table_name AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
      JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'public'
  LOOP
    EXECUTE format('GRANT %s ON %s TO %I', wanted.permissions, wanted.relation, wanted.role_name);
    FOR serial_name IN
      SELECT d.objid::regclass FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
       WHERE d.refobjid = wanted.oid AND d.deptype IN ('a', 'i')
    LOOP
      EXECUTE format('GRANT USAGE, SELECT ON SEQUENCE %s TO %I', serial_name, wanted.role_name);
    END LOOP;
  END LOOP;
END $$;

CREATE OR REPLACE FUNCTION carto_sandbox.on_table_created() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
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
"""


def install(connection: psycopg.Connection, keys: Iterable[ApiKey]) -> None:
    """Note which key may do what to which table, grant it, and keep granting it to tables to come.

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
